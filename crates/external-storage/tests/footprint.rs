//! What transfers and listings hold in memory, counted byte by byte at the allocator: no more for much than for little.
//!
//! A program of its own, since it counts every allocation of its process; one test, since others would be counted too.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "footprint/endless.rs"]
mod endless;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use external_storage::{
    DownloadRequest, ObjectKey, StorageClient, StorageService, StorageSettings, UploadRequest,
};
use futures_util::StreamExt;
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncRead, ReadBuf};

use endless::Endless;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: u64 = 1 << 20;
const PART: u64 = MIB;

/// So many bytes, made as they are read.
struct Bytes(u64);

impl AsyncRead for Bytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = into.remaining().min(usize::try_from(self.0).unwrap_or(usize::MAX));
        into.initialize_unfilled_to(length).fill(7);
        into.advance(length);
        self.0 -= length as u64;
        Poll::Ready(Ok(()))
    }
}

fn client(store: Endless, settings: StorageSettings) -> StorageClient {
    StorageClient::from(Arc::new(store) as Arc<dyn StorageService>).with_settings(settings).unwrap()
}

fn settings() -> StorageSettings {
    StorageSettings::new().with_part_bytes(PART).with_upload_concurrency(16).with_upload_budget(4 * PART)
}

fn key() -> ObjectKey {
    ObjectKey::parse("k").unwrap()
}

/// The most bytes that were alive during `work`, beyond those that were before.
async fn most_during<T>(work: impl Future<Output = T>) -> (T, u64) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let done = work.await;
    (done, MEMORY.peak_usage().saturating_sub(before) as u64)
}

async fn upload(bytes: u64) -> u64 {
    let storage = client(Endless::default(), settings());
    let (receipt, most) = most_during(storage.upload_with(Bytes(bytes), UploadRequest::new(key()))).await;
    assert_eq!(receipt.unwrap().size, bytes);
    most
}

async fn uploads_side_by_side(bytes: u64) -> u64 {
    let storage = client(Endless::default(), settings());
    let uploads = (0..8).map(|_| storage.upload_with(Bytes(bytes), UploadRequest::new(key())));
    let (receipts, most) = most_during(futures_util::future::join_all(uploads)).await;
    assert!(receipts.into_iter().all(|receipt| receipt.unwrap().size == bytes));
    most
}

async fn download(bytes: u64, ranged: bool) -> u64 {
    let storage = client(Endless::of_size(bytes), settings().with_ranged_download(PART, 4));
    let reading = async {
        let request = DownloadRequest::new(key());
        let mut object = match ranged {
            true => storage.download_ranged(&request).await.unwrap(),
            false => storage.download_stream(&request).await.unwrap(),
        };
        let mut seen = 0;
        while let Some(chunk) = object.body.next_chunk().await.unwrap() {
            seen += chunk.len() as u64;
        }
        seen
    };
    let (seen, most) = most_during(reading).await;
    assert_eq!(seen, bytes);
    most
}

async fn download_into_memory(bytes: u64) -> u64 {
    let storage = client(Endless::of_size(bytes), settings());
    let (read, most) = most_during(storage.download("k")).await;
    assert_eq!(read.unwrap().len() as u64, bytes);
    most
}

async fn list(keys: u64) -> u64 {
    let storage = client(Endless::of_keys(keys), settings());
    let counting = storage.list("").fold(0, |count, entry| {
        entry.unwrap();
        futures_util::future::ready(count + 1)
    });
    let (count, most) = most_during(counting).await;
    assert_eq!(count, keys);
    most
}

/// What is held beside the bytes themselves: tasks, requests, a buffer that grows into a larger one.
const BESIDE: u64 = MIB;

#[tokio::test]
async fn much_takes_no_more_memory_than_little() {
    for (bytes, parts) in [(8 * MIB, 8), (256 * MIB, 256)] {
        let most = upload(bytes).await;
        assert!((PART..=4 * PART + BESIDE).contains(&most), "{parts} parts up: {most} bytes");
    }
    let most = uploads_side_by_side(16 * MIB).await;
    assert!((PART..=4 * PART + BESIDE).contains(&most), "eight uploads: {most} bytes");
    // Parts that would have to grow beyond the budget do not: ten of one MiB, then twice as large ones.
    let few = client(Endless::of_parts(100), settings());
    let (receipt, most) = most_during(few.upload_with(Bytes(180 * MIB), UploadRequest::new(key()))).await;
    assert_eq!(receipt.unwrap().parts, 95);
    assert!((2 * PART..=4 * PART + 2 * BESIDE).contains(&most), "95 parts up: {most} bytes");
    // An upload of nothing holds no part's room.
    let most = upload(0).await;
    assert!(most <= MIB / 2, "an empty upload: {most} bytes");

    for bytes in [8 * MIB, 256 * MIB] {
        let most = download(bytes, false).await;
        assert!(most <= MIB / 2, "{bytes} bytes down: {most} bytes");
        // Four ranges, and the one that the reader has.
        let most = download(bytes, true).await;
        assert!((PART..=5 * PART + BESIDE).contains(&most), "{bytes} bytes down in ranges: {most} bytes");
    }
    let most = download_into_memory(32 * MIB).await;
    assert!((32 * MIB..=32 * MIB + BESIDE).contains(&most), "32 MiB in memory: {most} bytes");

    let few = list(10_000).await;
    let many = list(100_000).await;
    // Two pages of a thousand entries: the one that is read, and the one that it becomes.
    assert!(many <= MIB, "100,000 keys: {many} bytes");
    assert!(many <= few + few / 10, "100,000 keys: {many} bytes, 10,000: {few}");
}
