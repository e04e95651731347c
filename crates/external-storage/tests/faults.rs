//! Faults that do not happen are not seen: a store behind a plan keeps every promise it keeps without.

use std::sync::Arc;
use std::time::Duration;

use external_contract::{Harness, verify};
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, ObjectKey, PutPartRequest,
    VersionId,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Retry};
use external_resilience::faults::{Fault, FaultPlan};
use external_storage::{
    BuildContext, MemoryConfig, OPERATIONS, Policy, Result, StorageClient, StorageService, StorageSettings,
    UploadRequest,
};
use tokio::time::Instant;

/// What memory has not.
const MISSING: &[&str] = &["presign"];

fn memory() -> Result<Arc<dyn StorageService>> {
    let store = MemoryConfig::default().with_versions().build(&BuildContext::default())?;
    Ok(Arc::new(store))
}

#[test]
fn without_a_fault_every_operation_goes_through_and_is_counted() {
    let plan = FaultPlan::new();
    let around = plan.clone();
    let suite = external_contract::storage::suite;
    let bare = verify(suite(), vec![Harness::embedded("memory", memory)]);
    let behind = verify(suite(), vec![Harness::embedded("memory", move || Ok(around.around(memory()?)))]);
    assert_eq!(behind, bare);
    assert!(behind.failed.is_empty() && behind.passed > 0, "{behind}");
    for &operation in OPERATIONS {
        let begun = plan.counts(operation).begun;
        assert_eq!(begun == 0, MISSING.contains(&operation), "{operation}: {begun} calls");
    }
}

/// Whatever the provider says of it: who moves thousands of objects must see which it was.
#[tokio::test]
async fn an_error_names_its_object() -> Result<()> {
    let plan = FaultPlan::new();
    let client = StorageClient::from(plan.around(memory()?));
    let (cx, key, version) = (CallContext::default(), "k".parse::<ObjectKey>()?, VersionId::new("1"));
    let service: &dyn StorageService = &client;
    let parts = service.multipart().ok_or_else(|| Error::unsupported("multipart"))?;
    let upload = parts.begin_multipart(&cx, &BeginMultipartRequest::new(key.clone())).await?;
    let part = parts.put_part(&cx, &PutPartRequest::new(upload.clone(), 1, "x")).await?;
    for operation in OPERATIONS {
        plan.chance(*operation, 1.0, Fault::fail(ErrorKind::PermissionDenied, Effect::NotApplied));
    }
    let results = [
        client.put("k", "x").await.map(drop),
        client.get("k").await.map(drop),
        client.head("k").await.map(drop),
        client.delete("k").await.map(drop),
        client.copy("k", "other").await.map(drop),
        client.get_tags("k").await.map(drop),
        client.put_tags("k", Default::default()).await,
        client.delete_version("k", version.clone()).await.map(drop),
        client.restore_version("k", version).await.map(drop),
        client.download("k").await.map(drop),
        client.upload(&b"x"[..], "k", "text/plain").await.map(drop),
        parts.begin_multipart(&cx, &BeginMultipartRequest::new(key)).await.map(drop),
        parts.put_part(&cx, &PutPartRequest::new(upload.clone(), 1, "x")).await.map(drop),
        parts
            .complete_multipart(&cx, &CompleteMultipartRequest::new(upload.clone(), vec![part]))
            .await
            .map(drop),
        parts.abort_multipart(&cx, &AbortMultipartRequest::new(upload)).await,
        client.delete_many(["k"]).await?.remove(0).1.map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        let keys: Vec<_> = error.context().filter(|(name, _)| *name == "key").collect();
        assert_eq!(
            (error.kind(), keys.as_slice()),
            (ErrorKind::PermissionDenied, &[("key", "k")][..]),
            "{error}"
        );
    }
    Ok(())
}

/// A client is a store too, so it can stand wherever one is wanted; of all that are around each other one repeats.
#[tokio::test(start_paused = true)]
async fn a_client_around_a_client_makes_no_more_attempts_than_one() -> Result<()> {
    for depth in 1..=3 {
        let plan = FaultPlan::new();
        plan.chance("head", 1.0, Fault::fail(ErrorKind::Unavailable, Effect::MaybeApplied));
        let around = |service, _| Arc::new(StorageClient::from(service)) as Arc<dyn StorageService>;
        let outermost = StorageClient::from((1..depth).fold(plan.around(memory()?), around));
        let error = outermost.head("a").await.unwrap_err();
        assert_eq!((plan.counts("head").arrived, error.attempts()), (3, 3), "{depth} clients");
    }
    Ok(())
}

/// Its rounds are bounded by time, and by what the store asks for.
#[tokio::test(start_paused = true)]
async fn an_abort_is_tried_for_half_a_minute_at_most() -> Result<()> {
    let down = Error::unavailable("down");
    let asks = down.clone().with_retry(Retry::After(Duration::from_secs(8)));
    for (error, aborts) in [(down, 19), (asks, 4)] {
        let plan = FaultPlan::new();
        plan.nth("put_part", 2, Fault::fail(ErrorKind::PermissionDenied, Effect::NotApplied));
        plan.chance("abort_multipart", 1.0, Fault::error(error));
        let settings = StorageSettings::new().with_part_bytes(1 << 10);
        let policy = Policy::default().with_max_attempts(1).with_breaker(None);
        let storage =
            StorageClient::from(plan.around(memory()?)).with_policy(policy).with_settings(settings)?;
        let started = Instant::now();
        let request = UploadRequest::new("k".parse()?);
        assert!(storage.upload_with(&[0; 5 << 10][..], request).await.is_err());
        assert!(started.elapsed() <= Duration::from_secs(3), "the caller does not wait for that");
        assert!(storage.close(Duration::from_secs(60)).await.is_clean());
        assert!(started.elapsed() <= Duration::from_secs(30), "{:?}", started.elapsed());
        assert_eq!(plan.counts("abort_multipart").arrived, aborts);
    }
    Ok(())
}
