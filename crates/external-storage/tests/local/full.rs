//! A disk that is full, and one that takes no file of that size: a typed error, nothing half written, nothing left. Each in
//! a process of its own, since limits are a process's.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use external_storage::{BuildContext, Effect, ErrorKind, LocalConfig, StorageClient, StorageSettings};
use futures_util::TryStreamExt;

use super::disk::own_files;

const ROOT: &str = "EXTERNAL_STORAGE_TEST_FULL_ROOT";
const EXPECTED: &str = "EXTERNAL_STORAGE_TEST_FULL_EXPECTED";
/// Starts the test below again, from a shell that has prepared the ground.
const AGAIN: &str = r#"exec "$0" --exact full::where_there_is_no_room"#;

/// Does nothing when the whole program is run.
#[tokio::test]
async fn where_there_is_no_room() {
    let world = BuildContext::default();
    let (Some(root), Some(expected)) = (world.env(ROOT), world.env(EXPECTED)) else { return };
    let kind = if expected == "full" { ErrorKind::QuotaExhausted } else { ErrorKind::PayloadTooLarge };
    let settings = StorageSettings::new().with_part_bytes(64 << 10);
    let store = LocalConfig::new(&root).without_durability().build(&world).unwrap();
    let storage = StorageClient::over(store).with_settings(settings).unwrap();
    storage.put("k", "old").await.unwrap();
    let large = vec![7; 4 << 20];
    for name in ["k", "new"] {
        let put = storage.put(name, large.clone()).await.unwrap_err();
        assert_eq!((put.kind(), put.effect()), (kind, Effect::NotApplied), "{}", put.report());
        assert_eq!(put.context_value("key"), Some(name));
        assert_eq!(put.context_value("root"), Some(root.as_str()));
        let upload = storage.upload(&large[..], name, "text/plain").await.unwrap_err();
        assert_eq!(upload.kind(), kind, "{}", upload.report());
    }
    let pending: Vec<_> = storage.list_uploads("").try_collect().await.unwrap();
    assert!(pending.is_empty(), "{pending:?}");
    assert_eq!(own_files(Path::new(&root)), Vec::<String>::new());
    assert_eq!(storage.download("k").await.unwrap(), "old");
    assert!(!storage.exists("new").await.unwrap());
    // There is as much room as before.
    storage.put("new", vec![7; 32 << 10]).await.unwrap();
}

fn run(program: &str, arguments: &[&str], script: &str, expected: &str) {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(format!("{script}; {AGAIN}"))
        .arg(std::env::current_exe().unwrap())
        .env(ROOT, root.path())
        .env(EXPECTED, expected)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_file_larger_than_the_system_takes() {
    run("sh", &["-c"], r#"trap "" XFSZ; ulimit -f 256"#, "large");
}

#[test]
fn a_full_disk() {
    // A disk of a MiB, mounted by whoever may: a user in a namespace of its own, or the system's root.
    let may_mount = |flag: &&str| {
        let tried = Command::new("unshare").args([*flag, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    match ["-rm", "-m"].into_iter().find(may_mount) {
        Some(flag) => {
            let mount = format!(r#"mount -t tmpfs -o size=1m tmpfs "${ROOT}" || exit 1"#);
            run("unshare", &[flag, "sh", "-c"], &mount, "full");
        }
        // Past the test program's capture, which shows nothing of a test that passes.
        None => {
            let told =
                "full::a_full_disk: not run, since nobody may mount a disk of its own here (`unshare -rm`)\n";
            std::io::stderr().write_all(told.as_bytes()).unwrap();
        }
    }
}
