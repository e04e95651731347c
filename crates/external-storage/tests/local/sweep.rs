//! What is left behind is taken away, and nothing else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use external_core::CallContext;
use external_core::storage::{BeginMultipartRequest, PutPartRequest};
use external_storage::{
    BuildContext, LocalConfig, LocalStorage, MetadataPlace, MultipartUpload, ObjectKey, PutRequest,
    StorageClient, StorageService,
};
use futures_util::TryStreamExt;

use super::disk::own_files;
use super::{store, store_of};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn begun(store: &LocalStorage, key: &str) -> MultipartUpload {
    let cx = CallContext::default();
    let multipart = store.multipart().unwrap();
    let request = BeginMultipartRequest::new(ObjectKey::parse(key).unwrap());
    let upload = multipart.begin_multipart(&cx, &request).await.unwrap();
    multipart.put_part(&cx, &PutPartRequest::new(upload.clone(), 1, "part")).await.unwrap();
    upload
}

/// The same folder, so much later.
fn later(root: &Path, time: Duration) -> LocalStorage {
    let context = BuildContext::default().with_clock(move || BuildContext::default().now() + time);
    LocalConfig::new(root).without_durability().build(&context).unwrap()
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_ends_with_its_lifetime() {
    let root = tempfile::tempdir().unwrap();
    begun(&store(root.path()), "a").await;
    let listed = |storage: StorageClient| async move {
        storage.list_uploads("").try_collect::<Vec<_>>().await.unwrap().len()
    };
    let soon = StorageClient::over(later(root.path(), 6 * DAY));
    soon.put("k", "x").await.unwrap();
    assert_eq!(listed(soon).await, 1);
    let late = StorageClient::over(later(root.path(), 8 * DAY));
    // Reading changes nothing; the first write sweeps.
    assert_eq!(listed(late.clone()).await, 1);
    late.put("k", "x").await.unwrap();
    assert_eq!(listed(late).await, 0);
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

/// It is somebody else's, and may not be taken away: whoever writes first has nothing to do with that.
#[tokio::test]
async fn what_cannot_be_swept_fails_no_write() {
    let root = tempfile::tempdir().unwrap();
    let upload = begun(&store(root.path()), "a").await;
    // A folder where a part should be: no sweep takes that away, whoever it runs as.
    let part = root.path().join(".external/uploads").join(upload.id.as_str()).join("2");
    fs::create_dir(part).unwrap();
    let late = StorageClient::over(later(root.path(), 8 * DAY));
    late.put("k", "x").await.unwrap();
    assert_eq!(late.download("k").await.unwrap(), "x");
}

#[tokio::test]
async fn a_sweep_takes_away_uploads_of_that_age_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    begun(&store, "a").await;
    begun(&store, "b").await;
    assert_eq!(store.sweep(DAY).await.unwrap().uploads, 0);
    let swept = later(root.path(), 2 * DAY).sweep(DAY).await.unwrap();
    assert_eq!((swept.uploads, swept.sidecars, swept.unfinished), (2, 0, 0));
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn metadata_whose_file_has_gone_is_swept_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let config =
        LocalConfig::new(root.path()).without_durability().with_metadata_place(MetadataPlace::Sidecar);
    let store = store_of(config.clone());
    let storage = StorageClient::over(store_of(config));
    for key in ["gone", "replaced", "kept", "folder/deep/kept", "beside", "beside/kept"] {
        let put = PutRequest::new(ObjectKey::parse(key).unwrap(), "x")
            .with_user_metadata("of", key.replace('/', "-"));
        storage.put_with(put).await.unwrap();
    }
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap().sidecars, 0);
    // Another tool removes one file, and writes another one in the place of the second.
    // In this order, or the new file might get the identity of the old one.
    fs::write(root.path().join("new"), "y").unwrap();
    fs::remove_file(root.path().join("gone")).unwrap();
    fs::rename(root.path().join("new"), root.path().join("replaced")).unwrap();
    assert_eq!(store.sweep(DAY).await.unwrap().sidecars, 0);
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap().sidecars, 2);
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap().sidecars, 0);
    for key in ["kept", "folder/deep/kept", "beside", "beside/kept"] {
        assert_eq!(storage.head(key).await.unwrap().metadata["of"], key.replace('/', "-"));
        storage.delete(key).await.unwrap();
    }
    assert_eq!(own_files(root.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_fault_names_root_and_object() {
    let root = tempfile::tempdir().unwrap();
    let storage = StorageClient::over(store(root.path()));
    storage.put("a/k", "x").await.unwrap();
    // A link where a folder should be.
    std::os::unix::fs::symlink(root.path().join("a"), root.path().join("link")).unwrap();
    let error = storage.put("link/k", "x").await.unwrap_err();
    assert_eq!(error.context_value("key"), Some("link/k"), "{}", error.report());
    assert_eq!(error.context_value("root"), Some(root.path().to_str().unwrap()));
    assert!(error.context_value("at").is_some());
}
