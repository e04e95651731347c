//! Downloads: resumed, pinned, checked, side by side.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::ErrorKind;
use external_storage::{DownloadRequest, GetRequest, Policy};

use super::faulty::{Fault, Faulty};
use super::{S, client, key, pattern, settings};

const MOST: u64 = 1 << 24;

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.download.1", "An object larger than `download_bytes_max` is `PayloadTooLarge`, and its body is not read.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?.with_settings(settings().with_download_bytes_max(100))?;
            storage.put(case.name("k"), pattern(101)).await?;
            ensure_error("a download", storage.download(case.name("k")).await, ErrorKind::PayloadTooLarge)?;
            storage.put(case.name("k"), pattern(100)).await?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &pattern(100))?;
        })
        .of_client(),
        clause!("storage.download.2", "A body that breaks off is continued at the byte where it broke, and arrives whole.", |case: S| {
            let breaking = |operation: &str, number| match (operation, number) {
                ("get", 1) => Fault::Breaks(1000),
                ("get", 2) => Fault::Breaks(1),
                ("get", 3) => Fault::Before,
                ("get", 4) => Fault::Breaks(0),
                _ => Fault::None,
            };
            let inner = case.bare()?;
            let faulty = Faulty::new(inner.clone()).with_plan(breaking).shared();
            let storage = client(&faulty)?;
            let body = pattern(5000);
            storage.put(case.name("k"), body.clone()).await?;
            let request = DownloadRequest::new(key(case, "k")?).with_range(100..4900);
            let part = storage.download_stream(&request).await?;
            ensure_eq("the range told", &part.range, &(100..4900))?;
            ensure_eq("the part", &part.body.collect(MOST).await?, &body.slice(100..4900))?;
            ensure_eq("the gets", &faulty.calls("get"), &5)?;
            let faulty = Faulty::new(inner).with_plan(breaking).shared();
            ensure_eq("the whole", &client(&faulty)?.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!("storage.download.3", "All of it comes from one version: if the object changes in between, the body ends with `Conflict`, never with a mixture.", |case: S| {
            for lacks in ["", "if-match"] {
                let breaking = |operation: &str, number| if operation == "get" && number == 1 { Fault::Breaks(1000) } else { Fault::None };
                let mut faulty = Faulty::new(case.bare()?).with_plan(breaking).without("versions");
                if !lacks.is_empty() {
                    faulty = faulty.without("if-match");
                }
                let storage = client(&faulty.shared())?;
                storage.put(case.name("k"), pattern(5000)).await?;
                let mut body = storage.download_stream(&DownloadRequest::new(key(case, "k")?)).await?.body;
                ensure_eq("the first bytes", &body.next_chunk().await?, &Some(pattern(1000)))?;
                storage.put(case.name("k"), vec![0; 5000]).await?;
                ensure_error("the rest", body.next_chunk().await, ErrorKind::Conflict)?;
            }
        })
        .of_client(),
        clause!("storage.download.12", "Where the provider keeps versions, a download goes on with the one it began with, resumed or in ranges, whatever becomes of the object.", |case: S| {
            for (ranged, change) in [(false, "put"), (true, "put"), (false, "delete"), (true, "delete")] {
                let breaking = move |operation: &str, number| if operation == "get" && number == 1 && !ranged { Fault::Breaks(1000) } else { Fault::None };
                let storage = client(&Faulty::new(case.bare()?).with_plan(breaking).shared())?;
                let keeps = storage.info().capabilities().grade("versions").is_supported();
                let storage = storage.with_settings(settings().with_ranged_download(1000, 1))?;
                storage.put(case.name("k"), pattern(5000)).await?;
                let request = DownloadRequest::new(key(case, "k")?);
                let mut body = if ranged { storage.download_ranged(&request).await?.body } else { storage.download_stream(&request).await?.body };
                ensure_eq("the first bytes", &body.next_chunk().await?, &Some(pattern(1000)))?;
                match change {
                    "put" => drop(storage.put(case.name("k"), vec![0; 5000]).await?),
                    _ => drop(storage.delete(case.name("k")).await?),
                }
                let rest = body.collect(MOST).await;
                if keeps {
                    ensure_eq("the rest", &rest?, &pattern(5000).slice(1000..))?;
                } else {
                    let kind = if change == "put" { ErrorKind::Conflict } else { ErrorKind::NotFound };
                    ensure_error("the rest", rest, kind)?;
                }
            }
        })
        .of_client(),
        clause!("storage.download.4", "A body that breaks again and again without progress ends with the error, after `resumes` tries.", |case: S| {
            let breaking = |operation: &str, number| match (operation, number) {
                ("get", 1) => Fault::Breaks(1000),
                ("get", _) => Fault::Breaks(0),
                _ => Fault::None,
            };
            let faulty = Faulty::new(case.bare()?).with_plan(breaking).shared();
            let storage = client(&faulty)?.with_settings(settings().with_resumes(2))?;
            storage.put(case.name("k"), pattern(5000)).await?;
            ensure_error("a download", storage.download(case.name("k")).await, ErrorKind::Unavailable)?;
            ensure_eq("the gets", &faulty.calls("get"), &3)?;
        })
        .of_client(),
        clause!("storage.download.5", "A whole body that does not match the stored checksum ends with `Corrupt`, also when it was resumed.", |case: S| {
            let late = |operation: &str, number| match (operation, number) {
                ("get", 1) => Fault::Breaks(1000),
                ("get", _) => Fault::Damaged,
                _ => Fault::None,
            };
            let at_once = |operation: &str, _| if operation == "get" { Fault::Damaged } else { Fault::None };
            let breaking = |operation: &str, number| if operation == "get" && number == 1 { Fault::Breaks(1000) } else { Fault::None };
            for foreign in [false, true] {
                let faulty = || case.bare().map(|inner| if foreign { Faulty::new(inner).with_foreign_sums() } else { Faulty::new(inner) });
                for faulty in [faulty()?.with_plan(late), faulty()?.with_plan(at_once)] {
                    let storage = client(&faulty.shared())?;
                    storage.put(case.name("k"), pattern(5000)).await?;
                    ensure_error("damaged bytes", storage.download(case.name("k")).await, ErrorKind::Corrupt)?;
                }
                let storage = client(&faulty()?.with_plan(breaking).shared())?;
                storage.put(case.name("k"), pattern(5000)).await?;
                ensure_eq("the bytes", &storage.download(case.name("k")).await?, &pattern(5000))?;
            }
        })
        .of_client(),
        clause!("storage.download.6", "The bytes of a ranged download arrive in order and whole, whatever the order of the exchanges.", |case: S| {
            let uneven = |operation: &str, number: usize| match operation {
                "get" if number.is_multiple_of(4) => Fault::Breaks(500),
                "get" if number.is_multiple_of(3) => Fault::Before,
                _ => Fault::None,
            };
            let faulty = Faulty::new(case.bare()?).with_plan(uneven).shared();
            // Faults are counted over all ranges side by side: one of them may meet several in a row.
            let policy = Policy::default().with_max_attempts(20).with_backoff(Duration::from_millis(1), Duration::from_millis(5));
            let storage = client(&faulty)?.with_policy(policy).with_settings(settings().with_ranged_download(1000, 4))?;
            for length in [0, 1, 1000, 1001, 20_500] {
                let body = pattern(length);
                storage.put(case.name("k"), body.clone()).await?;
                let object = storage.download_ranged(&DownloadRequest::new(key(case, "k")?)).await?;
                ensure_eq("the size told", &object.info.size, &(length as u64))?;
                ensure_eq("the bytes", &object.body.collect(MOST).await?, &body)?;
            }
            let object = storage.download_ranged(&DownloadRequest::new(key(case, "k")?).with_range(123..7890)).await?;
            ensure_eq("the part", &object.body.collect(MOST).await?, &pattern(20_500).slice(123..7890))?;
            ensure(faulty.calls("get") > 20, "many ranges", faulty.calls("get"))?;
        })
        .of_client(),
        clause!("storage.client_get.1", "A body that stalls longer than the idle timeout ends with `Timeout`; a slow reader does not.", |case: S| {
            let stalling = |operation: &str, number| if operation == "get" && number > 1 { Fault::Stalls(1000) } else { Fault::None };
            let faulty = Faulty::new(case.bare()?).with_plan(stalling).shared();
            let idle = Duration::from_millis(50);
            let storage = client(&faulty)?.with_settings(settings().with_idle_timeout(idle).with_resumes(0))?;
            storage.put(case.name("k"), pattern(5000)).await?;
            let mut slow = storage.get(case.name("k")).await?.body;
            let mut seen = 0;
            while let Some(chunk) = slow.next_chunk().await? {
                seen += chunk.len();
                tokio::time::sleep(idle * 2).await;
            }
            ensure_eq("the bytes a slow reader sees", &seen, &5000)?;
            let mut body = storage.get_with(&GetRequest::new(key(case, "k")?)).await?.into_object()?.body;
            ensure_eq("the first bytes", &body.next_chunk().await?, &Some(pattern(1000)))?;
            ensure_error("the stall", body.next_chunk().await, ErrorKind::Timeout)?;
            let ended: Option<Bytes> = body.next_chunk().await?;
            ensure_eq("what comes after an error", &ended, &None)?;
            // A stall is resumed like a break.
            let once = AtomicBool::new(true);
            let stalling = move |operation: &str, _| {
                if operation == "get" && once.swap(false, Ordering::SeqCst) { Fault::Stalls(1000) } else { Fault::None }
            };
            let faulty = Faulty::new(case.bare()?).with_plan(stalling).shared();
            let storage = client(&faulty)?.with_settings(settings().with_idle_timeout(idle))?;
            storage.put(case.name("k"), pattern(5000)).await?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &pattern(5000))?;
        })
        .of_client(),
    ]
}
