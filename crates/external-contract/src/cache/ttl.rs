//! What times to live promise.

use std::time::Duration;

use external_core::ErrorKind;
use external_core::cache::TimeToLive;
use tokio::time::{Instant, sleep};

use super::S;
use super::shelf::Shelf;
use crate::{Case, Clause, Verdict, check, clause, ensure, ensure_eq, refuses};

const LONG: Duration = Duration::from_secs(600);

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("cache.get.4", "Reading does not make a value live longer.", |case| {
            let shelf = Shelf::of(case);
            let began = Instant::now();
            shelf.set_for("k", "v", shelf.short()).await?;
            // It is read every few milliseconds until it is gone.
            shelf.ends_in_time("k", shelf.short(), began, Instant::now()).await?;
        }),
        clause!(
            "cache.set.1",
            "Value and expiry of what was there are replaced: a set without TTL ends an earlier TTL.",
            |case| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                shelf.set_for("endless", "old", ttl).await?;
                shelf.set("endless", "new").await?;
                shelf.set_for("longer", "old", ttl).await?;
                shelf.set_for("longer", "new", LONG).await?;
                shelf.set_for("shorter", "old", LONG).await?;
                let began = Instant::now();
                shelf.set_for("shorter", "new", ttl).await?;
                let stored = Instant::now();
                shelf.set("ended", "old").await?;
                let ended_began = Instant::now();
                shelf.set_for("ended", "new", ttl).await?;
                let ended = Instant::now();
                shelf.ends_in_time("shorter", ttl, began, stored).await?;
                shelf.ends_in_time("ended", ttl, ended_began, ended).await?;
                sleep(shelf.granularity() + Duration::from_millis(100)).await;
                shelf.holds("endless", b"new").await?;
                shelf.holds("longer", b"new").await?;
            }
        ),
        clause!(
            "cache.set.2",
            "A value with a TTL is there until its time is up, and gone at most one `ttl-granularity-ms` (and the network's delay) later.",
            |case| {
                let shelf = Shelf::of(case);
                // One that is not whole in any unit, and one that is longer.
                for ttl in [shelf.short() + Duration::from_micros(1500), shelf.short() * 2] {
                    let began = Instant::now();
                    shelf.set_for("k", "v", ttl).await?;
                    shelf.ends_in_time("k", ttl, began, Instant::now()).await?;
                }
                // Years do not overflow into nothing.
                shelf.set_for("years", "v", external_core::cache::Ttl::MAX.get()).await?;
                shelf.holds("years", b"v").await?;
            }
        ),
        clause!(
            "cache.expire.1",
            "The new TTL replaces the old one, be it shorter or longer, and the value stays the same.",
            |case: S| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                shelf.set_for("longer", "v", ttl).await?;
                let took = shelf.expire("longer", Some(LONG)).await?;
                shelf.set_for("shorter", "v", LONG).await?;
                shelf.set("ended", "v").await?;
                let began = Instant::now();
                for name in ["shorter", "ended"] {
                    ensure(shelf.expire(name, Some(ttl)).await?, "there is a value", "`false`")?;
                }
                let stored = Instant::now();
                shelf.ends_in_time("shorter", ttl, began, stored).await?;
                shelf.ends_in_time("ended", ttl, began, stored).await?;
                sleep(shelf.granularity()).await;
                // On a machine so slow that it was gone before, `took` says so.
                if took {
                    shelf.holds("longer", b"v").await?;
                }
            }
        )
        .capability("expire", check!(|case| { refuses_expire(case).await?; })),
        clause!("cache.expire.2", "Without a TTL the value no longer expires.", |case: S| {
            let shelf = Shelf::of(case);
            shelf.set_for("k", "v", shelf.short()).await?;
            let took = shelf.expire("k", None).await?;
            sleep(shelf.short() + shelf.granularity() + Duration::from_millis(200)).await;
            if took {
                shelf.holds("k", b"v").await?;
                ensure_eq("what remains", &shelf.ttl("k").await?, &TimeToLive::Unlimited)?;
            }
            shelf.set("endless", "v").await?;
            ensure(shelf.expire("endless", None).await?, "there is a value", "`false`")?;
            shelf.holds("endless", b"v").await?;
        })
        .capability("expire", check!(|case| { refuses_expire(case).await?; })),
        clause!("cache.expire.3", "Where there is no value the answer is `false` and nothing is created.", |case: S| {
            let shelf = Shelf::of(case);
            for ttl in [Some(LONG), None] {
                ensure(!shelf.expire("never", ttl).await?, "`false`", "`true`")?;
                shelf.lacks("never").await?;
            }
        })
        .capability("expire", check!(|case| { refuses_expire(case).await?; })),
        clause!(
            "cache.ttl.1",
            "No value, a value that does not expire, and one that does are three different answers.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("endless", "v").await?;
                shelf.set_for("ending", "v", LONG).await?;
                ensure_eq("what remains of nothing", &shelf.ttl("never").await?, &TimeToLive::Missing)?;
                ensure_eq("what remains of the endless", &shelf.ttl("endless").await?, &TimeToLive::Unlimited)?;
                let seen = shelf.ttl("ending").await?;
                ensure(matches!(seen, TimeToLive::Remaining(_)), "`Remaining`", format!("{seen:?}"))?;
                let began = Instant::now();
                shelf.set_for("ended", "v", shelf.short()).await?;
                shelf.ends_in_time("ended", shelf.short(), began, Instant::now()).await?;
                ensure_eq("what remains of the ended", &shelf.ttl("ended").await?, &TimeToLive::Missing)?;
            }
        )
        .capability("expire", check!(|case| { refuses_expire(case).await?; })),
        clause!(
            "cache.ttl.2",
            "What remains is more than zero, at most the TTL that was given plus one `ttl-granularity-ms`, and shrinks.",
            |case: S| {
                let shelf = Shelf::of(case);
                let most = LONG + shelf.granularity();
                shelf.set_for("k", "v", LONG).await?;
                let first = remaining(&shelf, "k").await?;
                let fits = first > Duration::ZERO && first <= most;
                ensure(fits, format!("at most {most:?}"), format!("{first:?}"))?;
                // Nobody is so slow that minutes passed.
                ensure(first > LONG / 2, format!("nearly {LONG:?}"), format!("{first:?}"))?;
                sleep(shelf.granularity() + Duration::from_millis(50)).await;
                let second = remaining(&shelf, "k").await?;
                ensure(second < first, format!("less than {first:?}"), format!("{second:?}"))?;
            }
        )
        .capability("expire", check!(|case| { refuses_expire(case).await?; })),
    ]
}

async fn remaining(shelf: &Shelf<'_>, name: &str) -> Result<Duration, crate::Finding> {
    match shelf.ttl(name).await? {
        TimeToLive::Remaining(remaining) => Ok(remaining),
        other => Err(crate::Finding::failed("a value that expires", format!("{other:?}"))),
    }
}

async fn refuses_expire(case: &Case<S>) -> Verdict {
    refuses(case, "changing an expiry", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move { Shelf::on(case, service).expire("k", Some(LONG)).await.map(drop) })
    })
    .await?;
    refuses(case, "asking for an expiry", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move { Shelf::on(case, service).ttl("k").await.map(drop) })
    })
    .await
}
