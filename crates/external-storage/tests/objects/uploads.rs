//! What interrupted uploads left behind, what errors say of where they happened, and an output that nobody reads.

use external_core::CallContext;
use external_storage::{BeginMultipartRequest, StorageService};

use super::*;

/// Begins an upload, so long ago, that nobody goes on with.
async fn begin(root: &Path, key: &str, ago: Duration) {
    let context = BuildContext::default().with_clock(move || BuildContext::default().now() - ago);
    let store = LocalConfig::new(root).build(&context).unwrap();
    let request = BeginMultipartRequest::new(key.parse().unwrap());
    store.multipart().unwrap().begin_multipart(&CallContext::default(), &request).await.unwrap();
}

#[tokio::test]
async fn what_interrupted_uploads_left_is_listed_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (key, ago) in [("users/old", hours(2)), ("users/new", hours(0)), ("other", hours(2))] {
        begin(folder.path(), key, ago).await;
    }
    let address = format!("local:{}//users/", path(folder.path()));
    let keys = |arguments: &[&str]| {
        let (listed, _) = succeed(&[&["uploads", &*address][..], arguments].concat());
        ["users/old", "users/new", "other"].map(|key| listed.contains(&format!("  {key}  ")))
    };
    assert_eq!(keys(&[]), [true, true, false]);
    assert_eq!(keys(&["--older-than", "1h"]), [true, false, false]);

    let (out, said) = succeed(&["uploads", &address, "--older-than", "1h", "--abort"]);
    assert!(out.contains("aborted users/old  ") && said.contains("1 aborted"), "{out}{said}");
    assert_eq!(keys(&[]), [false, true, false]);
    succeed(&["uploads", &address, "--abort"]);
    assert!(succeed(&["uploads", &address]).1.contains("there are none"));
    let left: Vec<_> = store(folder.path()).list_uploads("").try_collect().await.unwrap();
    assert_eq!(left.iter().map(|pending| pending.upload.key.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn an_error_names_the_address_that_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let root = path(folder.path());
    fs::create_dir(folder.path().join("store")).unwrap();
    let none = format!("local:{root}/store//none");
    assert!(fail(1, &["cp", &none, "memory:a"]).contains(&format!("error: {none}: ")));
    let typo = format!("local:{root}/typo//a");
    for verb in ["ls", "rm", "uploads", "presign"] {
        let said = fail(1, &[verb, &typo]);
        assert!(said.contains(&format!("error: {typo}: ")), "{verb}: {said}");
    }
}

#[test]
fn an_output_that_nobody_reads_any_more_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    // More lines than a pipe holds, or they would all be written before it closes.
    for number in 0..600 {
        fs::write(folder.path().join(format!("{number:03}{}", "x".repeat(200))), "").unwrap();
    }
    let address = format!("local:{}/", path(folder.path()));
    for arguments in [["ls", "--recursive", &*address], ["rm", "--recursive", &*address]] {
        let everything: &[&str] = if arguments[0] == "rm" { &["--everything"] } else { &[] };
        let mut child = command(&[&arguments[..], everything].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.ends_with("xxx")));
        drop(lines);
        let (code, _, said) = text(&child.wait_with_output().unwrap());
        assert_eq!((code, &*said), (Some(141), ""), "{arguments:?}");
    }
}
