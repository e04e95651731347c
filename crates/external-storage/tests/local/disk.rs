//! What is on disk, and what other tools do to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use external_storage::{
    BuildContext, ErrorKind, LocalConfig, MetadataPlace, ObjectAttributes, ObjectKey, Precondition,
    PutRequest, StorageClient,
};
use futures_util::TryStreamExt;

use super::{client, store, store_of};

async fn keys(storage: &StorageClient) -> Vec<String> {
    storage.list("").map_ok(|entry| entry.key.to_string()).try_collect().await.unwrap()
}

/// The store's own files, but for its locks.
pub(super) fn own_files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(".external")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if !entry.path().parent().unwrap().ends_with("locks") {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found
}

#[test]
fn a_relative_root_is_where_it_was_when_the_store_was_made() {
    let store = store(Path::new("objects"));
    let here = std::env::current_dir().unwrap().join("objects");
    assert_eq!(external_core::Provider::info(&store).location(), format!("local://{}", here.display()));
}

#[tokio::test]
async fn an_object_is_a_plain_file_at_its_key() {
    let root = tempfile::tempdir().unwrap();
    let storage = client(root.path());
    storage.put("portraits/Ada Lovelace.png", "pixels").await.unwrap();
    assert_eq!(fs::read(root.path().join("portraits/Ada Lovelace.png")).unwrap(), b"pixels");
    storage.delete("portraits/Ada Lovelace.png").await.unwrap();
    assert!(!root.path().join("portraits").exists());
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_and_keys_below_it_live_side_by_side() {
    for order in [["a", "a/b", "a/b/c"], ["a/b/c", "a/b", "a"], ["a/b", "a", "a/b/c"]] {
        let root = tempfile::tempdir().unwrap();
        let storage = client(root.path());
        for key in order {
            let attributes = ObjectAttributes::new().with_user_metadata("of", key.replace('/', "-"));
            let put = PutRequest::new(ObjectKey::parse(key).unwrap(), key).with_attributes(attributes);
            storage.put_with(put).await.unwrap();
        }
        assert_eq!(keys(&storage).await, ["a", "a/b", "a/b/c"]);
        for key in order {
            assert_eq!(storage.download(key).await.unwrap(), key);
            assert_eq!(storage.head(key).await.unwrap().metadata["of"], key.replace('/', "-"));
        }
        storage.delete("a/b").await.unwrap();
        assert_eq!(keys(&storage).await, ["a", "a/b/c"]);
        storage.delete("a/b/c").await.unwrap();
        assert_eq!(storage.download("a").await.unwrap(), "a");
        storage.delete("a").await.unwrap();
        assert_eq!(keys(&storage).await, Vec::<String>::new());
        assert!(!root.path().join("a").exists());
    }
}

#[tokio::test]
async fn a_file_of_another_tool_is_an_object() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("in")).unwrap();
    fs::write(root.path().join("in/report.csv"), "1,2\n").unwrap();
    fs::write(root.path().join("100%.txt"), "spells no key").unwrap();
    let storage = client(root.path());
    assert_eq!(keys(&storage).await, ["in/report.csv"]);
    let head = storage.head("in/report.csv").await.unwrap();
    assert_eq!(head.headers.content_type.as_deref(), Some("text/csv; charset=utf-8"));
    let create = PutRequest::new(ObjectKey::parse("in/report.csv").unwrap(), "x")
        .with_precondition(Precondition::Absent);
    assert_eq!(storage.put_with(create).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    // Tags make a record for it, under the token it has.
    storage.put_tags("in/report.csv", BTreeMap::from([("seen".to_owned(), "yes".to_owned())])).await.unwrap();
    assert_eq!(storage.head("in/report.csv").await.unwrap().token, head.token);
    assert_eq!(storage.get_tags("in/report.csv").await.unwrap()["seen"], "yes");
}

#[tokio::test]
async fn an_edit_by_another_tool_is_another_content() {
    for place in [MetadataPlace::WithFile, MetadataPlace::Sidecar] {
        let root = tempfile::tempdir().unwrap();
        let storage = StorageClient::over(store_of(LocalConfig::new(root.path()).with_metadata_place(place)));
        let put =
            PutRequest::new(ObjectKey::parse("note.txt").unwrap(), "first").with_content_type("text/x-own");
        let receipt = storage.put_with(put).await.unwrap();
        fs::write(root.path().join("note.txt"), "edited by hand").unwrap();
        let head = storage.head("note.txt").await.unwrap();
        assert_ne!(head.token, receipt.token);
        assert_eq!(head.checksum, None);
        assert_eq!(head.headers.content_type.as_deref(), Some("text/plain; charset=utf-8"));
        assert_eq!(storage.download("note.txt").await.unwrap(), "edited by hand");
        let swap = PutRequest::new(ObjectKey::parse("note.txt").unwrap(), "x")
            .with_precondition(Precondition::Matches(receipt.token));
        assert_eq!(storage.put_with(swap).await.unwrap_err().kind(), ErrorKind::Conflict);
        let swap = PutRequest::new(ObjectKey::parse("note.txt").unwrap(), "x")
            .with_precondition(Precondition::Matches(head.token));
        storage.put_with(swap).await.unwrap();
    }
}

#[tokio::test]
async fn attributes_of_any_allowed_size_are_kept_and_replaced() {
    let root = tempfile::tempdir().unwrap();
    let storage = client(root.path());
    let mut large = ObjectAttributes::new().with_user_metadata("m", "x".repeat(2000));
    for n in 0..10 {
        large = large.with_tag(format!("{n}{}", "鍵".repeat(100)), "鑰".repeat(256));
    }
    let key = ObjectKey::parse("k").unwrap();
    // From an attribute of the file to a sidecar and back.
    for attributes in
        [ObjectAttributes::new().with_tag("a", "b"), large.clone(), ObjectAttributes::new(), large]
    {
        let put = PutRequest::new(key.clone(), "x").with_attributes(attributes.clone());
        storage.put_with(put).await.unwrap();
        assert_eq!(storage.head("k").await.unwrap().metadata, attributes.metadata);
        assert_eq!(storage.get_tags("k").await.unwrap(), attributes.tags);
    }
    let few = BTreeMap::from([("only".to_owned(), "one".to_owned())]);
    storage.put_tags("k", few.clone()).await.unwrap();
    assert_eq!(storage.get_tags("k").await.unwrap(), few);
    storage.delete("k").await.unwrap();
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn no_link_leads_out_of_the_root() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
    let storage = client(root.path());
    assert_eq!(keys(&storage).await, Vec::<String>::new());
    for key in ["folder/secret", "file"] {
        assert_eq!(storage.download(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key}");
        assert_eq!(
            storage
                .delete_with(&external_storage::DeleteRequest::new(ObjectKey::parse(key).unwrap()))
                .await
                .unwrap()
                .existed,
            Some(false)
        );
    }
    let error = storage.put("folder/new", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    // A link in the object's own place is replaced, and what it leads to is left alone.
    storage.put("file", "mine").await.unwrap();
    assert_eq!(storage.download("file").await.unwrap(), "mine");
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_stores_own_folder_is_out_of_reach() {
    let root = tempfile::tempdir().unwrap();
    let storage = client(root.path());
    storage.put(".external/tmp/x", "mine").await.unwrap();
    storage.put("%self", "mine").await.unwrap();
    assert!(root.path().join("%2Eexternal/tmp/x").is_file());
    assert_eq!(keys(&storage).await, ["%self", ".external/tmp/x"]);
}

#[tokio::test]
async fn what_a_crash_left_is_invisible_and_swept_after_a_day() {
    let root = tempfile::tempdir().unwrap();
    let storage = client(root.path());
    storage.put("k", "old").await.unwrap();
    fs::write(root.path().join(".external/tmp/half-written"), "half").unwrap();
    fs::create_dir_all(root.path().join(".external/tmp/half-begun/")).unwrap();
    fs::write(root.path().join(".external/tmp/half-begun/1"), "half").unwrap();
    let again = client(root.path());
    again.put("k2", "new").await.unwrap();
    assert_eq!(keys(&again).await, ["k", "k2"]);
    assert_eq!(own_files(root.path()).len(), 2);
    let tomorrow = || BuildContext::default().now() + Duration::from_secs(25 * 3600);
    let context = BuildContext::default().with_clock(tomorrow);
    let later = LocalConfig::new(root.path()).without_durability().build(&context).unwrap();
    StorageClient::over(later).put("k3", "later").await.unwrap();
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_root_that_is_not_there_is_an_error_where_it_is_not_made() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("nothing");
    let storage = StorageClient::over(store_of(LocalConfig::new(&root).without_create()));
    assert_eq!(
        storage.list_page(&external_storage::ListRequest::new("")).await.unwrap_err().kind(),
        ErrorKind::Configuration
    );
    assert_eq!(storage.put("k", "x").await.unwrap_err().kind(), ErrorKind::Configuration);
    assert!(!root.exists());
    let made = client(&root);
    assert!(!root.exists());
    made.put("k", "x").await.unwrap();
    assert!(root.join("k").is_file());
}

/// Below a file no folder can be made, whoever the tests are run by.
#[tokio::test]
async fn a_root_that_cannot_be_made_is_no_missing_object() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "x").unwrap();
    for root in [file.join("root"), file.clone(), Path::new("/proc/external-storage").to_owned()] {
        if root.starts_with("/proc") && !Path::new("/proc/self").exists() {
            continue;
        }
        let storage = client(&root);
        let request = || external_storage::ListRequest::new("");
        for (what, error) in [
            ("put", storage.put("k", "x").await.unwrap_err()),
            ("get", storage.download("k").await.unwrap_err()),
            ("exists", storage.exists("k").await.unwrap_err()),
            ("head", storage.head("k").await.unwrap_err()),
            ("list", storage.list_page(&request()).await.unwrap_err()),
            ("delete", storage.delete("k").await.unwrap_err()),
            ("probe", storage.probe(&Default::default()).await.unwrap_err()),
        ] {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{what}: {error}");
            assert_eq!(error.effect(), external_core::Effect::NotSent, "{what}: {error}");
            assert_eq!(error.context_value("root"), root.to_str(), "{what}: {error}");
        }
    }
}
