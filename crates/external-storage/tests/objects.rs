//! The example `objects`, run as its users do: in a process of its own, with arguments, pipes and Ctrl-C. This test
//! program starts itself again, with a variable that holds the arguments.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../examples/objects/app/mod.rs"]
mod app;
#[cfg(feature = "s3")]
#[path = "objects/buckets.rs"]
mod buckets;
#[path = "objects/files.rs"]
mod files;
#[path = "objects/many.rs"]
mod many;
#[path = "objects/uploads.rs"]
mod uploads;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use external_storage::{BuildContext, LocalConfig, ObjectAttributes, PutRequest, StorageClient};
use futures_util::TryStreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ARGUMENTS: &str = "EXTERNAL_STORAGE_TEST_OBJECTS";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does nothing when the whole program is run.
#[test]
fn in_a_process_of_its_own() {
    #[expect(clippy::disallowed_methods, reason = "a build's environment holds text alone")]
    if let Some(arguments) = std::env::var_os(ARGUMENTS) {
        let arguments = arguments.as_bytes().split(|byte| *byte == b'\n').map(OsStr::from_bytes);
        let arguments = std::iter::once(OsStr::new("objects")).chain(arguments).map(OsString::from);
        std::process::exit(app::run(arguments).into());
    }
}

fn command<T: AsRef<OsStr>>(arguments: &[T]) -> Command {
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "in_a_process_of_its_own"]);
    command.env(ARGUMENTS, arguments.join(OsStr::new("\n")));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Standard output and error of a run that ends well.
fn succeed(arguments: &[&str]) -> (String, String) {
    let (code, out, error) = text(&command(arguments).output().unwrap());
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    (out, error)
}

/// What a run with this exit code says.
fn fail(code: i32, arguments: &[&str]) -> String {
    let (found, _, error) = text(&command(arguments).output().unwrap());
    assert_eq!(found, Some(code), "{arguments:?}: {error}");
    error
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What waits for pipes may wait for ever.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).unwrap()
}

/// Presses Ctrl-C, and answers the exit code and what was said.
fn interrupt(child: Child) -> (Option<i32>, String) {
    end(child, "-INT")
}

/// Sends a signal, and answers the exit code and what was said.
fn end(child: Child, signal: &str) -> (Option<i32>, String) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (code, _, error) = text(&child.wait_with_output().unwrap());
    (code, error)
}

fn store(root: &Path) -> StorageClient {
    StorageClient::over(LocalConfig::new(root).build(&BuildContext::default()).unwrap())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Bytes that no mistake in order or length leaves alike.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(size).collect()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

#[test]
fn every_size_makes_the_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let root = path(folder.path());
    for size in [0, 5, 20 << 20] {
        let sent = bytes(size);
        fs::write(folder.path().join("sent"), &sent).unwrap();
        let (a, b) = (format!("local:{root}/a//deep/{size}"), format!("local:{root}/b//{size}"));
        let (_, error) = succeed(&["cp", &format!("{root}/sent"), &a]);
        assert_eq!(error, "", "no bar where there is no terminal");
        let (out, _) = succeed(&["cp", &a, &b]);
        assert!(out.contains(&format!("{a} -> {b}")), "{out}");
        succeed(&["--quiet", "cp", &b, &format!("{root}/back")]);
        assert!(fs::read(folder.path().join("back")).unwrap() == sent, "{size} bytes differ");
        let out = command(&["cp", &b, "-"]).output().unwrap().stdout;
        assert!(out.ends_with(&sent));
    }
}

#[tokio::test]
async fn attributes_go_along() {
    let folder = tempfile::tempdir().unwrap();
    let attributes = ObjectAttributes::new().with_content_type("image/x-own");
    let mut put = PutRequest::new("ada".parse().unwrap(), "x").with_attributes(attributes);
    put.attributes.metadata.insert("by".into(), "grace".into());
    put.attributes.tags.insert("kind".into(), "portrait".into());
    store(&folder.path().join("a")).put_with(put).await.unwrap();

    let root = path(folder.path());
    succeed(&["cp", &format!("local:{root}/a//ada"), &format!("local:{root}/b/")]);
    let copy = store(&folder.path().join("b"));
    let info = copy.head("ada").await.unwrap();
    assert_eq!(info.headers.content_type.as_deref(), Some("image/x-own"));
    assert_eq!(info.metadata["by"], "grace");
    assert_eq!(copy.get_tags("ada").await.unwrap()["kind"], "portrait");
}

#[test]
fn a_configuration_names_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    let (root, config) = (path(folder.path()), folder.path().join("external.toml"));
    let text = format!(
        "[storage.avatars]\nprovider = 'local'\nroot = '{root}/avatars'\n[storage.archive]\nprovider = 'local'\n\
         root = '{root}/archive'\n[cache.default]\nprovider = 'none of ours'\n[service]\nname = 'x'\n"
    );
    fs::write(&config, text).unwrap();
    let config = path(&config);
    fs::create_dir_all(folder.path().join("photos/deep")).unwrap();
    for (name, size) in [("photos/a.txt", 3), ("photos/deep/b.txt", 0), ("photos/deep/c.bin", 70_000)] {
        fs::write(folder.path().join(name), bytes(size)).unwrap();
    }

    succeed(&["-c", config, "cp", "-r", &format!("{root}/photos"), "avatars:users"]);
    succeed(&["-c", config, "cp", "-r", "avatars:users/", "archive:2026"]);
    succeed(&["-c", config, "cp", "avatars:users/a.txt", "avatars:users2/"]);
    succeed(&["-c", config, "cp", "-r", "archive:2026", &format!("{root}/back")]);
    for name in ["a.txt", "deep/b.txt", "deep/c.bin"] {
        let read = |below: &str| fs::read(folder.path().join(below).join(name)).unwrap();
        assert_eq!(read("photos"), read("back"), "{name}");
    }
    let (out, _) = succeed(&["-c", config, "ls", "avatars:"]);
    assert!(out.contains("  users/\n") && out.contains("  users2/\n") && !out.contains("a.txt"), "{out}");
    let (out, _) = succeed(&["-c", config, "ls", "--recursive", "avatars:users/deep"]);
    assert!(out.contains("         70000  20") && out.contains("  users/deep/c.bin\n"), "{out}");

    succeed(&["-c", config, "rm", "avatars:users/a.txt"]);
    assert!(fail(1, &["-c", config, "rm", "avatars:users/a.txt"]).contains("there is no object"));
    succeed(&["-c", config, "rm", "-r", "avatars:users"]);
    let (out, _) = succeed(&["-c", config, "ls", "-r", "avatars:"]);
    assert!(out.contains("users2/a.txt") && !out.contains("users/"), "{out}");
    assert!(fail(1, &["-c", config, "rm", "-r", "archive:"]).contains("--everything"));
    succeed(&["-c", config, "rm", "-r", "archive:", "--everything"]);
    succeed(&["-c", config, "ls", "archive:"]);

    let error = fail(1, &["-c", config, "ls", "avatar:"]);
    assert!(error.contains("no store is called `avatar`: the configuration has archive, avatars"), "{error}");
}

#[test]
fn mistakes_are_told_before_anything_happens() {
    let folder = tempfile::tempdir().unwrap();
    let root = path(folder.path());
    fs::write(folder.path().join("a"), "x").unwrap();
    let own = format!("{root}/a");
    assert!(fail(2, &["cp", &own]).contains("<TARGET>"));
    assert!(fail(1, &["cp", &own, &own]).contains("onto itself"));
    assert!(fail(1, &["cp", root, "memory:"]).contains("add --recursive"));
    assert!(fail(1, &["cp", "-", "memory:"]).contains("has no name"));
    assert!(fail(1, &["cp", &format!("{root}/none"), "memory:"]).contains("No such file"));
    assert!(fail(1, &["cp", "memory:none", root]).contains("not_found"));
    assert!(fail(1, &["cp", "-r", "memory:", "memory:b"]).contains("below the source"));
    assert!(fail(1, &["ls", root]).contains(&format!("`local:{root}/`")));
    assert!(fail(1, &["ls", "s3:a"]).contains("--config"));
    assert!(fail(1, &["--config", &own, "ls", "memory:"]).contains("not TOML"));
    assert!(fail(1, &["presign", "memory:a", "--put"]).contains("unsupported"));
    assert!(fail(2, &["presign", "memory:a", "--expires", "soon"]).contains("90s, 10m or 24h"));
    // Reading makes no folder.
    fail(1, &["ls", &format!("local:{root}/typo//a")]);
    assert!(!folder.path().join("typo").exists());
}

#[tokio::test]
async fn a_link_opens_while_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).put("a/b.txt", "the object").await.unwrap();
    let address = format!("local:{}//a/b.txt", path(folder.path()));
    let mut child = command(&["presign", &address, "--expires", "10m"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.find_map(|line| Some(line.unwrap().split_once("http://")?.1.to_owned())).unwrap();
    let (host, target) = url.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("the object"), "{answer}");
    assert_eq!(interrupt(child).0, Some(130));

    let expired = ["presign", &address, "--expires", "1s"];
    assert!(succeed(&expired).0.contains("http://"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ended_by_a_signal_is_aborted() {
    for (signal, expected) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let storage = store(folder.path());
        storage.put("dump", "the old one").await.unwrap();
        let address = format!("local:{}//dump", path(folder.path()));
        let mut child = command(&["cp", "-", &address]).stdin(Stdio::piped()).spawn().unwrap();
        // More than two parts, and no end: the pipe stays open.
        let mut pipe = child.stdin.take().unwrap();
        tokio::task::block_in_place(|| pipe.write_all(&bytes(20 << 20)).unwrap());
        let uploads = async || storage.list_uploads("").try_collect::<Vec<_>>().await.unwrap();
        until(async || !uploads().await.is_empty()).await;
        let (code, said) = tokio::task::block_in_place(|| end(child, signal));
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("cleaning up") && !said.contains("warning"), "{said}");
        assert!(uploads().await.is_empty());
        assert_eq!(storage.download("dump").await.unwrap(), "the old one");
        drop(pipe);
    }
}

/// The abort of the upload meets a server that does not answer it for a while.
#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread")]
async fn an_error_does_not_wait_for_the_clean_up() {
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    let server = MockServer::start().await;
    let begun = "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>k</Key>\
        <UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let refused = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let answer = |status, body: &str| ResponseTemplate::new(status).set_body_raw(body, "application/xml");
    Mock::given(method("POST")).respond_with(answer(200, begun)).mount(&server).await;
    Mock::given(method("PUT")).respond_with(answer(403, refused)).mount(&server).await;
    // Longer than an upload's error waits for its abort, and than a clean-up goes unmentioned.
    let aborted = ResponseTemplate::new(204).set_delay(Duration::from_secs(4));
    Mock::given(method("DELETE")).respond_with(aborted).mount(&server).await;

    let folder = tempfile::tempdir().unwrap();
    let (config, source) = (folder.path().join("external.toml"), folder.path().join("source"));
    let text = format!(
        "[storage.bucket]\nprovider = \"s3\"\nbucket = \"bucket\"\nendpoint = \"{}\"\n\
         access_key_id = \"id\"\nsecret_access_key = \"secret\"\n",
        server.uri()
    );
    fs::write(&config, text).unwrap();
    fs::write(&source, bytes(20 << 20)).unwrap();
    let said =
        tokio::task::block_in_place(|| fail(1, &["-c", path(&config), "cp", path(&source), "bucket:k"]));
    let (error, cleaning) = (said.find("error: ").unwrap(), said.find("cleaning up").unwrap());
    assert!(error < cleaning && said.contains("permission_denied") && !said.contains("warning"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dump");
    fs::write(&target, "the old one").unwrap();
    let mut child = command(&["cp", "-", path(&target)]).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    tokio::task::block_in_place(|| pipe.write_all(&bytes(1 << 20)).unwrap());
    let files = || fs::read_dir(folder.path()).unwrap().count();
    until(async || files() == 2).await;
    assert_eq!(tokio::task::block_in_place(|| interrupt(child)).0, Some(130));
    assert_eq!(files(), 1);
    assert_eq!(fs::read(&target).unwrap(), b"the old one");
    drop(pipe);
}
