//! Downloads that break in other ways, and ranges side by side: pinned, checked, bounded, and droppable.

use std::time::Duration;

use external_contract::{Clause, abandon, clause, ensure, ensure_eq, ensure_error};
use external_core::{CallOptions, ErrorKind};
use external_storage::{DownloadRequest, GetRequest, Policy, StorageClient};
use tokio::time::Instant;

use super::faulty::{Fault, Faulty};
use super::{S, client, key, pattern, settings};

const MOST: u64 = 1 << 24;
const SOON: Duration = Duration::from_secs(10);

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.download.7", "A body that ends before its time, without an error, is continued like one that breaks off; one that is longer than announced ends with `Corrupt`.", |case: S| {
            let short = |operation: &str, number| match (operation, number) {
                ("get", 1) => Fault::Ends(1000),
                ("get", 2) => Fault::Ends(0),
                _ => Fault::None,
            };
            let inner = case.bare()?;
            let body = pattern(5000);
            StorageClient::from(inner.clone()).put(case.name("k"), body.clone()).await?;
            let faulty = Faulty::new(inner.clone()).with_plan(short).shared();
            ensure_eq("the bytes", &client(&faulty)?.download(case.name("k")).await?, &body)?;
            ensure_eq("the gets", &faulty.calls("get"), &3)?;
            for (what, fault) in [("a longer body", Fault::Overflows), ("another range", Fault::OtherRange)] {
                let wrong = move |operation: &str, number| match (operation, number) {
                    ("get", 1) => Fault::Breaks(1000),
                    ("get", _) => fault,
                    _ => Fault::None,
                };
                let faulty = Faulty::new(inner.clone()).with_plan(wrong).shared();
                ensure_error(what, client(&faulty)?.download(case.name("k")).await, ErrorKind::Corrupt)?;
                ensure_eq("the gets", &faulty.calls("get"), &2)?;
            }
        })
        .of_client(),
        clause!("storage.download.8", "A resumption that fails in passing is tried again, as one more try without progress.", |case: S| {
            let down = |operation: &str, number| match (operation, number) {
                ("get", 1) => Fault::Breaks(1000),
                ("get", 2) => Fault::Before,
                ("get", 3) => Fault::Throttled,
                _ => Fault::None,
            };
            let body = pattern(5000);
            // No retries of a single exchange: what is tried again is the resumption.
            let once = Policy::default().with_max_attempts(1);
            for (resumes, comes) in [(3, true), (2, false)] {
                let faulty = Faulty::new(case.bare()?).with_plan(down).shared();
                let storage = client(&faulty)?.with_policy(once.clone()).with_settings(settings().with_resumes(resumes))?;
                storage.put(case.name("k"), body.clone()).await?;
                let read = storage.download(case.name("k")).await;
                if comes {
                    ensure_eq("the bytes", &read?, &body)?;
                } else {
                    ensure_error("a store that stays away", read, ErrorKind::RateLimited)?;
                }
            }
            // The store says for how long. More than a body may stall is not waited for.
            let idle = Duration::from_secs(5);
            for (asked, gets) in [(Duration::from_millis(300), 3), (idle * 2, 2)] {
                let down = move |operation: &str, number| match (operation, number) {
                    ("get", 1) => Fault::Breaks(1000),
                    ("get", 2) => Fault::Asks(asked),
                    _ => Fault::None,
                };
                let faulty = Faulty::new(case.bare()?).with_plan(down).shared();
                let storage = client(&faulty)?.with_policy(once.clone()).with_settings(settings().with_idle_timeout(idle))?;
                storage.put(case.name("k"), body.clone()).await?;
                let started = Instant::now();
                let read = storage.download(case.name("k")).await;
                let took = started.elapsed();
                ensure(read.is_err() || took >= asked, "a wait as long as asked", format!("{took:?}"))?;
                ensure_eq("the gets", &(read.is_ok(), faulty.calls("get")), &(gets == 3, gets))?;
            }
        })
        .of_client(),
        clause!("storage.download.9", "An object that changes in between ends a ranged body with `Conflict` unless the provider keeps versions, and whole bytes that do not match the stored checksum end it with `Corrupt`.", |case: S| {
            for lacks in ["", "if-match"] {
                let mut faulty = Faulty::new(case.bare()?).without("versions");
                if !lacks.is_empty() {
                    faulty = faulty.without("if-match");
                }
                let storage = client(&faulty.shared())?.with_settings(settings().with_ranged_download(1000, 1))?;
                storage.put(case.name("k"), pattern(5000)).await?;
                let mut body = storage.download_ranged(&DownloadRequest::new(key(case, "k")?)).await?.body;
                ensure_eq("the first range", &body.next_chunk().await?, &Some(pattern(1000)))?;
                storage.put(case.name("k"), vec![0; 5000]).await?;
                ensure_error("the rest", body.next_chunk().await, ErrorKind::Conflict)?;
            }
            let damaged = |operation: &str, number| if operation == "get" && number == 3 { Fault::Damaged } else { Fault::None };
            for faulty in [Faulty::new(case.bare()?), Faulty::new(case.bare()?).with_foreign_sums()] {
                let storage = client(&faulty.with_plan(damaged).shared())?.with_settings(settings().with_ranged_download(1000, 2))?;
                storage.put(case.name("k"), pattern(5000)).await?;
                let request = DownloadRequest::new(key(case, "k")?);
                let object = storage.download_ranged(&request).await?;
                ensure_error("damaged bytes", object.body.collect(MOST).await, ErrorKind::Corrupt)?;
                let object = storage.download_ranged(&request).await?;
                ensure_eq("the bytes", &object.body.collect(MOST).await?, &pattern(5000))?;
            }
        })
        .of_client(),
        clause!("storage.download.10", "At most `download_concurrency` ranges are under way at a time.", |case: S| {
            let slow = |operation: &str, _| if operation == "get" { Fault::Slow(Duration::from_millis(10)) } else { Fault::None };
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let storage = client(&faulty)?.with_settings(settings().with_ranged_download(1000, 3))?;
            storage.put(case.name("k"), pattern(20_500)).await?;
            let object = storage.download_ranged(&DownloadRequest::new(key(case, "k")?)).await?;
            ensure_eq("the bytes", &object.body.collect(MOST).await?, &pattern(20_500))?;
            ensure_eq("the ranges", &faulty.calls("get"), &21)?;
            ensure_eq("the most at a time", &faulty.most_gets(), &3)?;
        })
        .of_client(),
        clause!("storage.download.11", "A download that is dropped at any of its awaits gives back what it held: a close ends clean.", |case: S| {
            let uneven = |operation: &str, number: usize| match operation {
                "get" if number.is_multiple_of(3) => Fault::Breaks(500),
                "get" => Fault::Slow(Duration::from_millis(1)),
                _ => Fault::None,
            };
            let inner = case.bare()?;
            StorageClient::from(inner.clone()).put(case.name("k"), pattern(5000)).await?;
            for ranged in [true, false] {
                for polls in 1..500 {
                    let faulty = Faulty::new(inner.clone()).with_plan(uneven).shared();
                    let storage = client(&faulty)?.with_settings(settings().with_ranged_download(1000, 2))?;
                    let request = DownloadRequest::new(key(case, "k")?);
                    let reading = async {
                        let object = if ranged { storage.download_ranged(&request).await? } else { storage.download_stream(&request).await? };
                        object.body.collect(MOST).await
                    };
                    let done = abandon(reading, polls).await;
                    let closed = storage.close(SOON).await;
                    ensure(closed.is_clean(), format!("a clean close after {polls} polls"), format!("{closed:?}"))?;
                    if let Some(read) = done {
                        ensure_eq("the bytes", &read?, &pattern(5000))?;
                        break;
                    }
                }
            }
        })
        .of_client(),
        clause!("storage.client_get.2", "A body that only trickles, less than a KiB within the idle timeout, ends with `Timeout`.", |case: S| {
            let trickle = |operation: &str, _| if operation == "get" { Fault::Trickles(Duration::from_millis(5)) } else { Fault::None };
            let faulty = Faulty::new(case.bare()?).with_plan(trickle).shared();
            let idle = Duration::from_millis(100);
            let storage = client(&faulty)?.with_settings(settings().with_idle_timeout(idle).with_resumes(0))?;
            storage.put(case.name("k"), pattern(2000)).await?;
            let body = storage.get(case.name("k")).await?.body;
            ensure_error("a trickle", body.collect(MOST).await, ErrorKind::Timeout)?;
        })
        .of_client(),
        clause!("storage.client_get.4", "An answer that holds other bytes than were asked for, such as the whole object for a range of it, is `Corrupt`.", |case: S| {
            let inner = case.bare()?;
            StorageClient::from(inner.clone()).put(case.name("k"), pattern(5000)).await?;
            let answering = |fault| {
                let plan = move |operation: &str, _| if operation == "get" { fault } else { Fault::None };
                client(&Faulty::new(inner.clone()).with_plan(plan).shared())
            };
            let part = DownloadRequest::new(key(case, "k")?).with_range(100..200);
            for fault in [Fault::OtherRange, Fault::IgnoresRange] {
                let storage = answering(fault)?;
                let read = storage.get_with(&GetRequest::new(key(case, "k")?).with_range(100..200)).await;
                ensure_error("a range", read, ErrorKind::Corrupt)?;
                ensure_error("a range down", storage.download_stream(&part).await, ErrorKind::Corrupt)?;
                let storage = storage.with_settings(settings().with_ranged_download(1000, 2))?;
                let ranged = storage.download_ranged(&DownloadRequest::new(key(case, "k")?)).await?;
                ensure_error("ranges side by side", ranged.body.collect(MOST).await, ErrorKind::Corrupt)?;
            }
            ensure_error("a part for the whole", answering(Fault::OtherRange)?.download(case.name("k")).await, ErrorKind::Corrupt)?;
            // All of it is what was asked for, whichever way it is told.
            let all = DownloadRequest::new(key(case, "k")?).with_range(0..5000);
            let read = answering(Fault::IgnoresRange)?.download_stream(&all).await?;
            ensure_eq("the bytes", &read.body.collect(MOST).await?, &pattern(5000))?;
        })
        .of_client(),
        clause!("storage.client_get.3", "An empty object is read whole by every kind of download, and no part of it by any.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            let put = storage.put(case.name("k"), "").await?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?.len(), &0)?;
            let request = DownloadRequest::new(key(case, "k")?).with_call_options(CallOptions::new().with_timeout(SOON));
            for body in [storage.download_stream(&request).await?, storage.download_ranged(&request).await?] {
                ensure_eq("the token", &body.info.token, &put.token)?;
                ensure_eq("the range told", &body.range, &(0..0))?;
                ensure_eq("the bytes", &body.body.collect(MOST).await?.len(), &0)?;
            }
            let part = request.with_range(0..1);
            let streamed = storage.download_stream(&part).await.map(drop);
            let ranged = storage.download_ranged(&part).await.map(drop);
            for (what, read) in [("a part of it", streamed), ("a part of it by ranges", ranged)] {
                ensure_error(what, read, ErrorKind::InvalidArgument)?;
            }
        })
        .of_client(),
    ]
}
