//! The reqwest provider over TLS: certificates on both sides, and tunnels through proxies.
#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use external_contract::external_simulator::{Authority, HttpAnswer, HttpServer, Identity};
use external_http::external_core::CallContext;
use external_http::external_core::build::TlsSettings;
use external_http::{
    BuildContext, Effect, Error, ErrorKind, HttpRequest, HttpTransport, ProxyConfig, ReqwestConfig,
    ReqwestHttp, Result, Retry, Secret,
};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

async fn start(identity: Identity) -> HttpServer {
    HttpServer::start_tls(identity, |_| HttpAnswer::new(200).with_body("hello")).await.unwrap()
}

fn url(origin: &HttpServer) -> String {
    format!("https://localhost:{}/secret/path", origin.address().port())
}

fn file(content: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

fn built(config: ReqwestConfig) -> ReqwestHttp {
    config.build(&BuildContext::default()).unwrap()
}

async fn ask(http: &ReqwestHttp, url: &str) -> Result<String> {
    let request = HttpRequest::post(url).unwrap().with_body("{}");
    http.execute(&CallContext::default(), &request).await?.text().await
}

fn summary(error: &Error) -> (ErrorKind, Effect, Retry) {
    (error.kind(), error.effect(), error.retry())
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_is_told_nothing() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let trusted = file(&authority.pem());
    let tls = TlsSettings::new().with_only_ca_file(trusted.path());
    let http = built(ReqwestConfig::new().with_tls(tls));
    for (what, identity) in [
        ("of another name", authority.identity(&["other.example"]).unwrap()),
        ("of a name below", authority.identity(&["a.localhost"]).unwrap()),
        ("expired", authority.expired(&["localhost"]).unwrap()),
        ("of nobody we know", stranger.identity(&["localhost"]).unwrap()),
    ] {
        let origin = start(identity).await;
        let error = ask(&http, &url(&origin)).await.unwrap_err();
        assert_eq!(summary(&error), (ErrorKind::Unavailable, Effect::NotSent, Retry::Never), "{what}");
        assert!(
            error.message().contains("certificate") && !error.report().contains("secret"),
            "{}",
            error.report()
        );
        assert_eq!(origin.asked().len(), 0, "{what}");
    }
    let origin = start(authority.identity(&["localhost"]).unwrap()).await;
    assert_eq!(ask(&http, &url(&origin)).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_server_that_demands_a_certificate_is_shown_it() {
    let (authority, clients, stranger) =
        (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let trusted = file(&authority.pem());
    let server = || authority.identity(&["localhost"]).unwrap();
    let trusting = || TlsSettings::new().with_only_ca_file(trusted.path());
    let showing = |shown: &Identity, chain: &NamedTempFile| {
        let tls = trusting().with_client_certificate(chain.path(), Secret::new(shown.key_pem()));
        built(ReqwestConfig::new().with_tls(tls))
    };
    let pem = |identity: &Identity| file(&identity.certificate_pem());
    let client = clients.identity(&["client.example"]).unwrap();
    let expired = clients.expired(&["client.example"]).unwrap();
    let unknown = stranger.identity(&["client.example"]).unwrap();
    let (chain, expired_chain, unknown_chain) = (pem(&client), pem(&expired), pem(&unknown));

    let demanding = [server().demanding(&clients).unwrap(), server().demanding_over_tls12(&clients).unwrap()];
    for (identity, is_told_late) in demanding.into_iter().zip([true, false]) {
        let origin = start(identity).await;
        assert_eq!(ask(&showing(&client, &chain), &url(&origin)).await.unwrap(), "hello");
        for (what, http) in [
            ("without one", built(ReqwestConfig::new().with_tls(trusting()))),
            ("with one that has expired", showing(&expired, &expired_chain)),
            ("with one of nobody it knows", showing(&unknown, &unknown_chain)),
        ] {
            let error = ask(&http, &url(&origin)).await.unwrap_err();
            match is_told_late {
                // The server may hang up while we write, and what it said is lost then.
                true if error.kind() == ErrorKind::Unavailable => {
                    assert_eq!(error.effect(), Effect::MaybeApplied);
                }
                true => assert_eq!(
                    summary(&error),
                    (ErrorKind::Unauthenticated, Effect::NotApplied, Retry::Never),
                    "{what}: {}",
                    error.report()
                ),
                false => assert_eq!(
                    summary(&error),
                    (ErrorKind::Unauthenticated, Effect::NotSent, Retry::Never),
                    "{what}: {}",
                    error.report()
                ),
            }
        }
        assert_eq!(origin.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_certificate_is_a_mistake_of_the_configuration() {
    let authority = Authority::new().unwrap();
    let (one, other) =
        (authority.identity(&["a.example"]).unwrap(), authority.identity(&["a.example"]).unwrap());
    let (trusted, chain) = (file(&authority.pem()), file(&one.certificate_pem()));
    let tls = TlsSettings::new().with_only_ca_file(trusted.path());
    for key in [other.key_pem(), "s3cret".to_owned(), one.certificate_pem()] {
        let tls = tls.clone().with_client_certificate(chain.path(), Secret::new(key));
        let error =
            ask(&built(ReqwestConfig::new().with_tls(tls)), "https://localhost:1/").await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotSent));
        assert!(!error.report().contains("s3cret"));
    }
}

/// What a proxy does with those who want a tunnel.
#[derive(Clone, Copy)]
enum Conduct {
    Opens,
    Says(&'static str),
}

/// A proxy that opens tunnels to `origin`, whatever host is asked for.
struct Tunnel {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    async fn start(origin: SocketAddr, conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let remembered = heads.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let remembered = remembered.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = client.read_u8().await else { return };
                        head.push(byte);
                    }
                    remembered.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
                    match conduct {
                        Conduct::Says(answer) => drop(client.write_all(answer.as_bytes()).await),
                        Conduct::Opens => {
                            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                            let mut origin = TcpStream::connect(origin).await.unwrap();
                            drop(copy_bidirectional(&mut client, &mut origin).await);
                        }
                    }
                });
            }
        });
        Self { address, heads }
    }

    fn config(&self) -> ProxyConfig {
        ProxyConfig::new(format!("http://{}", self.address)).with_login("app", Secret::new("pr0xy"))
    }
}

#[tokio::test]
async fn an_https_origin_is_reached_through_a_tunnel_that_sees_its_name_alone() {
    let authority = Authority::new().unwrap();
    let trusted = file(&authority.pem());
    let tls = TlsSettings::new().with_only_ca_file(trusted.path());
    let origin = start(authority.identity(&["origin.example", "localhost"]).unwrap()).await;
    let tunnel = Tunnel::start(origin.address(), Conduct::Opens).await;
    let config = ReqwestConfig::new().with_tls(tls).with_proxy(tunnel.config().with_bypass("localhost"));
    let http = built(config);
    // Nobody resolves this name here: the proxy does.
    assert_eq!(ask(&http, "https://origin.example/secret/path").await.unwrap(), "hello");
    let head = tunnel.heads.lock().unwrap()[0].clone();
    assert!(head.starts_with("connect origin.example:443 http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: basic yxbwonbymhh5\r\n"), "{head}");
    assert!(!head.contains("secret"), "{head}");
    assert!(!origin.asked()[0].headers.contains_key("proxy-authorization"));
    // What is bypassed needs no tunnel.
    assert_eq!(ask(&http, &url(&origin)).await.unwrap(), "hello");
    assert_eq!((tunnel.heads.lock().unwrap().len(), origin.asked().len()), (1, 2));
}

#[tokio::test]
async fn where_there_is_no_tunnel_nothing_was_sent() {
    let authority = Authority::new().unwrap();
    let trusted = file(&authority.pem());
    let tls = || TlsSettings::new().with_only_ca_file(trusted.path());
    let origin = start(authority.identity(&["elsewhere.example"]).unwrap()).await;
    for (answer, retry) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", Retry::Backoff),
        ("HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n", Retry::Backoff),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Retry::Backoff),
        ("nonsense\r\n\r\n", Retry::Backoff),
        ("", Retry::Backoff),
    ] {
        let tunnel = Tunnel::start(origin.address(), Conduct::Says(answer)).await;
        let http = built(ReqwestConfig::new().with_tls(tls()).with_proxy(tunnel.config()));
        let error = ask(&http, "https://origin.example/secret/path").await.unwrap_err();
        assert_eq!(
            summary(&error),
            (ErrorKind::Unavailable, Effect::NotSent, retry),
            "{answer}: {}",
            error.report()
        );
        assert!(
            !error.report().contains("secret") && !error.report().contains("pr0xy"),
            "{}",
            error.report()
        );
    }
    // A proxy that leads elsewhere is not believed.
    let tunnel = Tunnel::start(origin.address(), Conduct::Opens).await;
    let http = built(ReqwestConfig::new().with_tls(tls()).with_proxy(tunnel.config()));
    let error = ask(&http, "https://origin.example/secret/path").await.unwrap_err();
    assert_eq!(
        summary(&error),
        (ErrorKind::Unavailable, Effect::NotSent, Retry::Never),
        "{}",
        error.report()
    );
    assert_eq!(origin.asked().len(), 0);
}
