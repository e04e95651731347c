//! Many objects at a time: each that fails or is left out is named, and the others go on.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn what_is_left_out_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("photos/releases/7")).unwrap();
    fs::write(at("photos/releases/7/a.png"), "a").unwrap();
    fs::write(at("other.png"), "b").unwrap();
    for (to, link) in [
        ("releases/7", "photos/current"),
        ("../other.png", "photos/b.png"),
        ("none", "photos/dangling"),
        ("..", "photos/releases/up"),
    ] {
        symlink(to, at(link)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(at("photos/pipe")).status().unwrap().success());
    let (source, store) = (path(&at("photos")).to_owned(), format!("local:{}/", path(&at("store"))));

    let said = fail(1, &["cp", "-r", &source, &store]);
    for name in ["current: a link", "b.png: a link", "dangling: a link", "up: a link", "pipe: a pipe"] {
        assert!(said.contains(&format!("/{name}")), "{name}: {said}");
    }
    assert!(said.contains("--follow-links") && said.contains("1 copied, 5 left out"), "{said}");
    let keys = || {
        let (listed, _) = succeed(&["ls", "-r", &store]);
        let lines = listed.lines().filter(|line| line.contains(".png"));
        lines.map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(), ["releases/7/a.png"]);

    let said = fail(1, &["cp", "-r", "--follow-links", &source, &store]);
    assert!(said.contains("dangling: a link that leads nowhere"), "{said}");
    assert!(said.contains("up: a link to a folder that it lies in"), "{said}");
    assert!(said.contains("3 copied, 3 left out"), "{said}");
    assert_eq!(keys(), ["b.png", "current/a.png", "releases/7/a.png"]);
}

#[tokio::test]
async fn one_that_fails_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let source = store(&folder.path().join("store"));
    for key in ["a", "b", "c"] {
        source.put(key, "x").await.unwrap();
    }
    // Where `b` is to go is a folder.
    fs::create_dir_all(folder.path().join("back/b")).unwrap();
    let root = path(folder.path());
    let said = fail(1, &["cp", "-r", &format!("local:{root}/store/"), &format!("{root}/back")]);
    assert!(said.contains(&format!("//b -> {root}/back/b: ")) && said.contains("it is a folder"), "{said}");
    assert!(said.contains("2 copied, 1 failed") && !said.contains("not tried"), "{said}");
    assert!(folder.path().join("back/a").is_file() && folder.path().join("back/c").is_file());

    let [a, none, c] = ["a", "none", "c"].map(|key| format!("local:{root}/store//{key}"));
    let said = fail(1, &["rm", &a, &none, &c]);
    assert!(said.contains(&format!("there is no object {none}")), "{said}");
    assert!(said.contains("2 removed, 1 failed"), "{said}");
}

#[tokio::test]
async fn copies_are_not_copied_again_however_the_places_are_spelled() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).put("a/b", "x").await.unwrap();
    symlink(folder.path(), folder.path().with_extension("link")).unwrap();
    let (root, link) = (path(folder.path()), folder.path().with_extension("link"));
    let link = path(&link).to_owned();
    for (from, to) in [
        (format!("local:{root}/"), format!("{root}/copy")),
        (format!("local:{root}/"), format!("local:{link}//copy")),
        (format!("local:{root}/./"), format!("local:{root}//copy")),
        (format!("local:{root}//a"), format!("local:{root}//a/deeper")),
    ] {
        let said = fail(1, &["cp", "-r", &from, &to]);
        assert!(said.contains("below the source"), "{from} -> {to}: {said}");
    }
    let said = fail(1, &["cp", &format!("local:{root}//a/b"), &format!("local:{link}//a/b")]);
    assert!(said.contains("onto itself"), "{said}");
    succeed(&["cp", "-r", &format!("local:{root}//a"), &format!("local:{root}//a2")]);
    fs::remove_file(link).unwrap();
}

#[tokio::test]
async fn what_a_terminal_would_obey_is_spelled_out() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).put("red\u{1b}[31m\nline", "x").await.unwrap();
    let address = format!("local:{}/", path(folder.path()));
    let (listed, _) = succeed(&["ls", &address]);
    assert!(listed.contains(r"red\u{1b}[31m\nline") && !listed.contains('\u{1b}'), "{listed}");
    let said = fail(1, &["rm", &format!("{address}/none\u{1b}[31m")]);
    assert!(said.contains(r"none\u{1b}[31m"), "{said}");
}

#[cfg(feature = "s3")]
mod over_s3 {
    use wiremock::matchers::{method, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn config(folder: &Path, endpoint: &str) -> String {
        let config = folder.join("external.toml");
        let text = format!(
            "[storage.bucket]\nprovider = \"s3\"\nbucket = \"bucket\"\nendpoint = \"{endpoint}\"\n\
             access_key_id = \"id\"\nsecret_access_key = \"secret\"\n"
        );
        fs::write(&config, text).unwrap();
        path(&config).to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_result_of_a_batch_is_told() {
        let server = MockServer::start().await;
        let answer = |body: &str| ResponseTemplate::new(200).set_body_raw(body, "application/xml");
        let object = |key| {
            format!(
                "<Contents><Key>{key}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag>\
                 <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        };
        let listed = format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
            ["a/1", "a/2", "a/3"].map(object).concat()
        );
        Mock::given(method("GET"))
            .and(query_param("list-type", "2"))
            .respond_with(answer(&listed))
            .mount(&server)
            .await;
        let deleted = "<DeleteResult><Deleted><Key>a/1</Key></Deleted><Error><Key>a/2</Key>\
            <Code>AccessDenied</Code><Message>kept</Message></Error><Deleted><Key>a/3</Key></Deleted></DeleteResult>";
        Mock::given(method("POST")).respond_with(answer(deleted)).mount(&server).await;

        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &server.uri());
        let output = tokio::task::block_in_place(|| {
            command(&["-c", &config, "rm", "-r", "bucket:a"]).output().unwrap()
        });
        let (code, out, said) = text(&output);
        assert_eq!(code, Some(1), "{said}");
        assert!(out.contains("removed a/1\n") && out.contains("removed a/3\n"), "{out}");
        assert!(said.contains("bucket:a/2 (s3://bucket): ") && said.contains("permission_denied"), "{said}");
        assert!(said.contains("2 removed, 1 failed"), "{said}");
    }

    #[test]
    fn a_store_that_fails_is_not_asked_for_each() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("photos")).unwrap();
        for number in 0..20 {
            fs::write(folder.path().join(format!("photos/{number:02}")), "x").unwrap();
        }
        // Nobody listens there.
        let config = config(folder.path(), "http://127.0.0.1:1");
        let source = folder.path().join("photos");
        let said = fail(1, &["-c", &config, "cp", "-r", path(&source), "bucket:"]);
        assert_eq!(said.matches("unavailable").count(), 1, "{said}");
        assert!(said.contains(" (s3://bucket): "), "which end of it: {said}");
        assert!(said.contains("photos/0") && said.contains("-> bucket:0"), "{said}");
        assert!(said.contains("0 copied, 4 failed; the rest was not tried"), "{said}");
    }
}
