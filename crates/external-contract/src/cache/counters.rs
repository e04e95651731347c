//! What counters promise.

use std::collections::BTreeSet;
use std::time::Duration;

use external_core::cache::{IncrementRequest, TimeToLive, Ttl, supports};
use external_core::{CallContext, Effect, ErrorKind};
use tokio::time::Instant;

use super::S;
use super::shelf::{Shelf, side_by_side};
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.increment.1",
            "A counter that is not there, or has expired, starts at zero: the answer is `delta`.",
            |case: S| {
                let shelf = Shelf::of(case);
                for (name, delta) in [("up", 5), ("down", -5), ("zero", 0)] {
                    ensure_eq("the new counter", &shelf.increment(name, delta).await?, &delta)?;
                    shelf.holds(name, delta.to_string().as_bytes()).await?;
                }
                let began = Instant::now();
                shelf.set_for("ended", "100", shelf.short()).await?;
                shelf.ends_in_time("ended", shelf.short(), began, Instant::now()).await?;
                ensure_eq("the counter after its end", &shelf.increment("ended", 1).await?, &1)?;
                shelf.set("gone", "100").await?;
                shelf.delete("gone").await?;
                ensure_eq("the deleted counter", &shelf.increment("gone", 1).await?, &1)?;
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!(
            "cache.increment.2",
            "Otherwise `delta` is added, negative ones too; `get` reads the result as decimal ASCII, and a value that `set` stored as decimal ASCII counts on.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("k", "41").await?;
                for (delta, expected) in [(1, 42), (-2, 40), (0, 40), (-50, -10), (10, 0), (1_000_000, 1_000_000)] {
                    ensure_eq("the counter", &shelf.increment("k", delta).await?, &expected)?;
                    shelf.holds("k", expected.to_string().as_bytes()).await?;
                }
                shelf.set("negative", "-7").await?;
                ensure_eq("the counter", &shelf.increment("negative", -1).await?, &-8)?;
                // Fewer digits than before leave nothing of the old ones behind.
                shelf.set("shrinks", "1000").await?;
                shelf.increment("shrinks", -1).await?;
                shelf.holds("shrinks", b"999").await?;
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!(
            "cache.increment.3",
            "A TTL is given to a counter that this call creates; one that is there keeps its expiry.",
            |case: S| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                let request = |name, ttl| {
                    Ok::<_, Finding>(IncrementRequest::new(shelf.key(name)?, 1).with_ttl(Ttl::new(ttl)?))
                };
                let long = Duration::from_secs(600);
                shelf.set("endless", "1").await?;
                case.service().increment(&case.cx(), &request("endless", ttl)?).await?;
                let began = Instant::now();
                case.service().increment(&case.cx(), &request("new", ttl)?).await?;
                let stored = Instant::now();
                // The later calls would prolong it.
                case.service().increment(&case.cx(), &request("new", long)?).await?;
                shelf.increment("new", 1).await?;
                shelf.ends_in_time("new", ttl, began, stored).await?;
                tokio::time::sleep(shelf.granularity() + Duration::from_millis(100)).await;
                shelf.holds("endless", b"2").await?;
                if supports(case.service(), "expire").is_supported() {
                    ensure_eq("what remains", &shelf.ttl("endless").await?, &TimeToLive::Unlimited)?;
                }
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!(
            "cache.increment.4",
            "A value that is not the canonical decimal of an `i64` (blanks, sign `+`, leading zeros, fractions) is `Conflict`, `NotApplied`, and stays.",
            |case: S| {
                let shelf = Shelf::of(case);
                for value in [
                    "", "x", " 1", "1 ", "+1", "01", "-0", "00", "1.0", "1e3", "0x1", "1_000", "--1", "-",
                    "9223372036854775808", "-9223372036854775809", "99999999999999999999", "١",
                ] {
                    shelf.set("k", value).await?;
                    let error = ensure_error(&format!("adding to {value:?}"), shelf.increment("k", 1).await, ErrorKind::Conflict)?;
                    ensure_eq("its effect", &error.effect(), &Effect::NotApplied)?;
                    shelf.holds("k", value.as_bytes()).await?;
                }
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!(
            "cache.increment.5",
            "A result beyond `i64` is `Conflict`, `NotApplied`, and the counter stays; it never wraps.",
            |case: S| {
                let shelf = Shelf::of(case);
                for (start, delta) in [(i64::MAX, 1), (i64::MIN, -1), (1, i64::MAX), (-2, i64::MIN), (i64::MAX, i64::MAX)] {
                    shelf.set("k", start.to_string()).await?;
                    let what = format!("{start} + {delta}");
                    let error = ensure_error(&what, shelf.increment("k", delta).await, ErrorKind::Conflict)?;
                    ensure_eq("its effect", &error.effect(), &Effect::NotApplied)?;
                    shelf.holds("k", start.to_string().as_bytes()).await?;
                }
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!(
            "cache.increment.6",
            "Side by side, every increment counts, and no two get the same answer.",
            |case: S| {
                let service = case.shared_service();
                let key = Shelf::of(case).key("k")?;
                let results = side_by_side(20, |_| {
                    let (service, key) = (service.clone(), key.clone());
                    async move {
                        let mut answers = Vec::new();
                        for _ in 0..10 {
                            let request = IncrementRequest::new(key.clone(), 1);
                            answers.push(service.increment(&CallContext::default(), &request).await?);
                        }
                        Ok::<_, external_core::Error>(answers)
                    }
                })
                .await?;
                let mut answers = BTreeSet::new();
                for result in results {
                    answers.extend(result?);
                }
                ensure_eq("the answers", &answers.into_iter().collect::<Vec<_>>(), &(1..=200).collect::<Vec<i64>>())?;
                Shelf::of(case).holds("k", b"200").await?;
            }
        )
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
        clause!("cache.increment.7", "It is exact over the whole of `i64`.", |case: S| {
            let shelf = Shelf::of(case);
            for (start, delta) in [
                (9_007_199_254_740_992, 1),
                (-9_007_199_254_740_992, -1),
                (i64::MAX - 1, 1),
                (i64::MIN + 1, -1),
                (i64::MIN, i64::MAX),
                (0, i64::MIN),
                (0, i64::MAX),
                (123_456_789_012_345_678, 987),
            ] {
                shelf.set("k", start.to_string()).await?;
                let seen = shelf.increment("k", delta).await?;
                ensure(start.checked_add(delta) == Some(seen), format!("{start} + {delta}"), seen)?;
                shelf.holds("k", seen.to_string().as_bytes()).await?;
            }
        })
        .capability("increment", check!(|case| { refuses_increment(case).await?; })),
    ]
}

async fn refuses_increment(case: &Case<S>) -> Verdict {
    refuses(case, "an increment", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move { Shelf::on(case, service).increment("k", 1).await.map(drop) })
    })
    .await
}
