//! Region and credentials found as AWS's own tools find them: environment, profile, a process, web identity, container,
//! machine. Each in a process of its own, since the environment is a process's.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use std::path::{Path, PathBuf};
use std::process::Command;

use external_core::CallContext;
use external_core::storage::HeadRequest;
use external_storage::{BuildContext, S3Config, StorageService};
use wiremock::matchers::{header as has_header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{header, key, stored};

const CHILD: &str = "EXTERNAL_STORAGE_TEST_FOUND";
const ENDED: &str = "it ended: ";

/// Does nothing when the whole program is run.
#[tokio::test]
async fn whoever_is_found_asks() {
    if BuildContext::default().env(CHILD).is_none() {
        return;
    }
    let mut config = S3Config::new("bucket");
    config.path_style = Some(true);
    let storage = config.build(&BuildContext::default()).unwrap();
    match storage.head(&CallContext::default(), &HeadRequest::new(key("k"))).await {
        Ok(info) => println!("{ENDED}{} bytes", info.size),
        Err(error) => println!("{ENDED}{:?} {:?} {}", error.kind(), error.effect(), error.report()),
    }
}

/// A machine with nothing but what a test puts there, and a server that is S3 and all the others.
struct World {
    server: MockServer,
    home: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let server = MockServer::start().await;
        Mock::given(method("HEAD"))
            .and(path("/bucket/k"))
            .respond_with(stored().set_body_bytes("x"))
            .mount(&server)
            .await;
        Self { server, home: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn answer(&self, verb: &str, at: &str, answer: ResponseTemplate) {
        Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(&self.server).await;
    }

    /// How the call ends in a process with these variables and no others.
    async fn ends(&self, variables: &[(&str, &str)]) -> String {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "found::whoever_is_found_asks", "--nocapture"]);
        child.env_clear().envs(variables.iter().copied());
        child.env(CHILD, "yes").env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        child.env("AWS_ENDPOINT_URL_S3", self.server.uri());
        let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let ended = said.split(ENDED).nth(1).and_then(|rest| rest.lines().next());
        ended
            .unwrap_or_else(|| panic!("no end: {said} {}", String::from_utf8_lossy(&output.stderr)))
            .to_owned()
    }

    /// Who asked for the object with which session token.
    async fn asked(&self) -> (String, Option<String>) {
        let requests = self.server.received_requests().await.unwrap();
        let heads: Vec<&Request> = requests.iter().filter(|one| one.method.as_str() == "HEAD").collect();
        assert_eq!(heads.len(), 1, "one call is one request");
        let signed = header(heads[0], "authorization").unwrap();
        let scope = signed.split("Credential=").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let parts: Vec<_> = scope.split('/').collect();
        (format!("{} in {}", parts[0], parts[2]), header(heads[0], "x-amz-security-token"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/json")
}

/// As a container's and a machine's credentials come.
const TEMPORARY: &str = r#"{"Code":"Success","LastUpdated":"2026-11-22T12:00:00Z","Type":"AWS-HMAC","AccessKeyId":"LENT",
    "SecretAccessKey":"s","Token":"session","Expiration":"2099-01-01T00:00:00Z","AccountId":"123456789012"}"#;

#[tokio::test]
async fn in_the_environment() {
    let world = World::new().await;
    let variables =
        [("AWS_ACCESS_KEY_ID", "ENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "eu-west-3")];
    assert_eq!(world.ends(&variables).await, "1 bytes");
    assert_eq!(world.asked().await, ("ENVIRONMENT in eu-west-3".to_owned(), None));
}

#[tokio::test]
async fn in_a_profile() {
    let world = World::new().await;
    let config = world.file("config", "[profile work]\nregion = eu-north-1\n[default]\nregion = us-west-1\n");
    let keys =
        "[work]\naws_access_key_id = PROFILE\naws_secret_access_key = s\naws_session_token = session\n";
    let credentials = world.file("credentials", keys);
    let variables = [
        ("AWS_CONFIG_FILE", text(&config)),
        ("AWS_SHARED_CREDENTIALS_FILE", text(&credentials)),
        ("AWS_PROFILE", "work"),
    ];
    assert_eq!(world.ends(&variables).await, "1 bytes");
    assert_eq!(world.asked().await, ("PROFILE in eu-north-1".to_owned(), Some("session".to_owned())));
}

#[tokio::test]
async fn by_a_process() {
    let world = World::new().await;
    let keys = r#"{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"s"}"#;
    let keys = world.file("keys.json", keys);
    let config = format!("[default]\nregion = eu-west-1\ncredential_process = cat {}\n", text(&keys));
    let config = world.file("config", &config);
    assert_eq!(world.ends(&[("AWS_CONFIG_FILE", text(&config))]).await, "1 bytes");
    assert_eq!(world.asked().await, ("PROCESS in eu-west-1".to_owned(), None));
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
#[tokio::test]
async fn for_a_web_identity() {
    let world = World::new().await;
    let answer = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
        <AssumeRoleWithWebIdentityResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>IDENTITY</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    let answer = ResponseTemplate::new(200).set_body_raw(answer, "text/xml");
    world.answer("POST", "/", answer).await;
    let token = world.file("token", "a.b.c");
    let uri = world.server.uri();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", text(&token)),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader"),
        ("AWS_ENDPOINT_URL_STS", &uri),
        ("AWS_REGION", "eu-west-1"),
    ];
    assert_eq!(world.ends(&variables).await, "1 bytes");
    assert_eq!(world.asked().await, ("IDENTITY in eu-west-1".to_owned(), Some("session".to_owned())));
}

#[tokio::test]
async fn of_a_container() {
    let world = World::new().await;
    let lent = Mock::given(method("GET")).and(path("/lent")).and(has_header("authorization", "who-I-am"));
    lent.respond_with(json(TEMPORARY)).mount(&world.server).await;
    let lent = format!("{}/lent", world.server.uri());
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*lent),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "who-I-am"),
        ("AWS_REGION", "eu-west-1"),
    ];
    assert_eq!(world.ends(&variables).await, "1 bytes");
    assert_eq!(world.asked().await, ("LENT in eu-west-1".to_owned(), Some("session".to_owned())));
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>
#[tokio::test]
async fn of_the_machine() {
    let world = World::new().await;
    let token = ResponseTemplate::new(200)
        .insert_header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        .set_body_raw("token", "text/plain");
    world.answer("PUT", "/latest/api/token", token).await;
    let plain = |body: &str| ResponseTemplate::new(200).set_body_raw(body.to_owned(), "text/plain");
    world.answer("GET", "/latest/meta-data/placement/region", plain("eu-central-2")).await;
    for folder in ["security-credentials", "security-credentials-extended"] {
        let at = format!("/latest/meta-data/iam/{folder}/");
        world.answer("GET", &at, plain("role")).await;
        world.answer("GET", &format!("{at}role"), json(TEMPORARY)).await;
    }
    let uri = world.server.uri();
    assert_eq!(world.ends(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &uri)]).await, "1 bytes");
    assert_eq!(world.asked().await, ("LENT in eu-central-2".to_owned(), Some("session".to_owned())));
}

#[tokio::test]
async fn nowhere() {
    let world = World::new().await;
    let nothing = ("AWS_EC2_METADATA_DISABLED", "true");
    let ended = world.ends(&[nothing]).await;
    assert!(ended.starts_with("Unavailable NotSent") && ended.contains("region"), "{ended}");
    let ended = world.ends(&[nothing, ("AWS_REGION", "eu-west-1")]).await;
    assert!(ended.starts_with("Unauthenticated NotSent") && ended.contains("AWS_ACCESS_KEY_ID"), "{ended}");
    assert!(world.server.received_requests().await.unwrap().is_empty());
}
