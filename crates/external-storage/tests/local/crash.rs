//! Processes of their own: killed in the middle of a write, and counting together. This test program starts itself again,
//! with a variable that says what to do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use external_storage::{
    BuildContext, ErrorKind, LocalConfig, ObjectKey, Precondition, PutRequest, StorageClient,
};

const ROLE: &str = "EXTERNAL_STORAGE_TEST_ROLE";
const ROOT: &str = "EXTERNAL_STORAGE_TEST_ROOT";
const COUNTERS: usize = 4;
const COUNTS: usize = 25;

/// Kills its process when it goes out of scope.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn helper(role: &str, root: &Path) -> Helper {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::in_a_process_of_its_own"]).env(ROLE, role).env(ROOT, root);
    Helper(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn key() -> ObjectKey {
    ObjectKey::parse("k").unwrap()
}

/// Does nothing when the whole program is run.
#[tokio::test]
async fn in_a_process_of_its_own() {
    let world = BuildContext::default();
    let (Some(role), Some(root)) = (world.env(ROLE), world.env(ROOT)) else { return };
    let storage = StorageClient::over(LocalConfig::new(root).build(&world).unwrap());
    match role.as_str() {
        "write" => {
            for number in 0_usize.. {
                let body = vec![u8::try_from(number % 250).unwrap(); 300_000 + number];
                let put = PutRequest::new(key(), body).with_user_metadata("number", number.to_string());
                storage.put_with(put).await.unwrap();
            }
        }
        "count" => {
            let mut left = COUNTS;
            while left > 0 {
                let object = storage.get("k").await.unwrap();
                let token = object.info.token.clone();
                let text = object.body.collect(100).await.unwrap();
                let number: usize = std::str::from_utf8(&text).unwrap().parse().unwrap();
                let put = PutRequest::new(key(), (number + 1).to_string())
                    .with_precondition(Precondition::Matches(token));
                match storage.put_with(put).await {
                    Ok(_) => left -= 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
                }
            }
        }
        role => panic!("no such role: {role}"),
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_the_old_object_or_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let storage = super::client(root.path());
    for round in 0..12 {
        let writer = helper("write", root.path());
        let first = async {
            while !storage.exists("k").await.unwrap() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), first).await.unwrap();
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        drop(writer);
        let object = storage.get("k").await.unwrap();
        let number: usize = object.info.metadata["number"].parse().unwrap();
        let body = object.body.collect(1 << 30).await.unwrap();
        assert_eq!(body.len(), 300_000 + number);
        assert!(body.iter().all(|byte| usize::from(*byte) == number % 250));
        // The next writer is not in the dead one's way.
        storage.delete("k").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_count_together() {
    let root = tempfile::tempdir().unwrap();
    let storage = super::client(root.path());
    storage.put("k", "0").await.unwrap();
    let helpers: Vec<_> = (0..COUNTERS).map(|_| helper("count", root.path())).collect();
    for mut helper in helpers {
        let ended = tokio::task::spawn_blocking(move || helper.0.wait().unwrap());
        assert!(tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap().unwrap().success());
    }
    assert_eq!(storage.download("k").await.unwrap(), (COUNTERS * COUNTS).to_string());
}
