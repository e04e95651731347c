//! What locks promise.

use std::time::Duration;

use external_core::cache::{
    AcquireRequest, LockAttempt, LockCache, LockOwner, ReleaseOutcome, ReleaseRequest, RenewOutcome,
    RenewRequest, Ttl,
};
use external_core::{CallContext, Error, Result};
use tokio::time::{Instant, sleep};

use super::S;
use super::shelf::{Shelf, lifetime, side_by_side};
use crate::{Case, Clause, Finding, Verdict, abandon, check, clause, ensure, ensure_eq, eventually};

/// Longer than any clause takes; a forgotten lock ends soon all the same.
const LONG: Duration = Duration::from_secs(30);

fn locks(service: &S) -> Result<&dyn LockCache> {
    service.locks().ok_or_else(|| Error::unexpected("no facet `locks`, though it is declared"))
}

async fn acquire(case: &Case<S>, service: &S, name: &str, owner: &str, ttl: Duration) -> Result<LockAttempt> {
    let key = Shelf::on(case, service).key(name)?;
    let request = AcquireRequest::new(key, LockOwner::parse(owner)?, Ttl::new(ttl)?);
    locks(service)?.acquire(&case.cx(), &request).await
}

/// Takes a lock that must be free, and answers its fencing number.
async fn take(case: &Case<S>, name: &str, owner: &str, ttl: Duration) -> std::result::Result<u64, Finding> {
    match acquire(case, case.service(), name, owner, ttl).await? {
        LockAttempt::Acquired(lease) => Ok(lease.fencing),
        held => Err(Finding::failed(format!("the free lock `{name}` is `Acquired`"), format!("{held:?}"))),
    }
}

async fn is_held(case: &Case<S>, name: &str) -> std::result::Result<bool, Finding> {
    // A try that succeeds would change what is watched, so it gives the lock back.
    match acquire(case, case.service(), name, "watcher", LONG).await? {
        LockAttempt::Held { .. } => Ok(true),
        LockAttempt::Acquired(_) => {
            release(case, name, "watcher").await?;
            Ok(false)
        }
    }
}

async fn renew(case: &Case<S>, name: &str, owner: &str, ttl: Duration) -> Result<RenewOutcome> {
    let key = Shelf::of(case).key(name)?;
    let request = RenewRequest::new(key, LockOwner::parse(owner)?, Ttl::new(ttl)?);
    locks(case.service())?.renew(&case.cx(), &request).await
}

async fn release(case: &Case<S>, name: &str, owner: &str) -> Result<ReleaseOutcome> {
    let key = Shelf::of(case).key(name)?;
    locks(case.service())?.release(&case.cx(), &ReleaseRequest::new(key, LockOwner::parse(owner)?)).await
}

/// Watches a lease end at its time.
async fn lease_ends(case: &Case<S>, name: &str, ttl: Duration, began: Instant, stored: Instant) -> Verdict {
    let shelf = Shelf::of(case);
    lifetime(name, ttl, shelf.granularity(), began, stored, || is_held(case, name)).await
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    [acquiring(), holding()].into_iter().flatten().collect()
}

fn acquiring() -> Vec<Clause<S>> {
    vec![
        clause!("cache.acquire.1", "A lock that nobody holds is `Acquired`.", |case: S| {
            for name in ["a", "b", "lock with blanks", "键"] {
                take(case, name, "one", LONG).await?;
            }
        })
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!(
            "cache.acquire.2",
            "While it is held it is `Held`, for the holder as well (a lock is not reentrant), and the holder's lease is untouched; where `remaining` is given it is not more than the holder's TTL plus one `ttl-granularity-ms`.",
            |case: S| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                let began = Instant::now();
                take(case, "k", "one", ttl).await?;
                let stored = Instant::now();
                for owner in ["two", "one"] {
                    let seen = acquire(case, case.service(), "k", owner, LONG).await?;
                    match seen {
                        LockAttempt::Held { remaining } => {
                            let most = ttl + shelf.granularity();
                            let fits = remaining.is_none_or(|remaining| remaining <= most);
                            ensure(fits, format!("at most {most:?}"), format!("{remaining:?}"))?;
                        }
                        // Too slow a machine: the lease is over.
                        LockAttempt::Acquired(_) if stored.elapsed() >= ttl => return Ok(()),
                        LockAttempt::Acquired(_) => {
                            return Err(Finding::failed(format!("`Held` for `{owner}`"), format!("{seen:?}")));
                        }
                    }
                }
                // The tries asked for far longer; the lease still ends when the holder said.
                lease_ends(case, "k", ttl, began, stored).await?;
            }
        )
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!(
            "cache.acquire.3",
            "Each `Acquired` of one lock has a fencing number greater than all before it: after a release, and after a lease that ran out.",
            |case: S| {
                let shelf = Shelf::of(case);
                let mut last = take(case, "k", "owner-0", LONG).await?;
                release(case, "k", "owner-0").await?;
                for n in 1..10 {
                    let owner = format!("owner-{}", n % 2);
                    let next = take(case, "k", &owner, LONG).await?;
                    ensure(next > last, format!("more than {last} after a release"), next)?;
                    last = next;
                    release(case, "k", &owner).await?;
                }
                let began = Instant::now();
                let next = take(case, "k", "short", shelf.short()).await?;
                ensure(next > last, format!("more than {last}"), next)?;
                last = next;
                // Watched without touching it, so that the very next acquisition follows the end of a lease.
                sleep(shelf.short().saturating_sub(began.elapsed())).await;
                eventually(LONG / 3, async || match acquire(case, case.service(), "k", "late", LONG).await? {
                    LockAttempt::Acquired(lease) => {
                        ensure(lease.fencing > last, format!("more than {last} after a lease ran out"), lease.fencing)
                    }
                    held => Err(Finding::failed("a free lock", format!("{held:?}"))),
                })
                .await?;
            }
        )
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!("cache.acquire.4", "A lease that ran out leaves the lock free.", |case: S| {
            let shelf = Shelf::of(case);
            let ttl = shelf.short();
            let began = Instant::now();
            take(case, "k", "one", ttl).await?;
            lease_ends(case, "k", ttl, began, Instant::now()).await?;
            take(case, "k", "two", LONG).await?;
            // The first owner has nothing left to say.
            ensure_eq("the renewal by the old owner", &renew(case, "k", "one", LONG).await?, &RenewOutcome::Lost)?;
            ensure_eq("the release by the old owner", &release(case, "k", "one").await?, &ReleaseOutcome::NotHeld)?;
            ensure(is_held(case, "k").await?, "the new owner still holds it", "it is free")?;
        })
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!("cache.acquire.5", "Of any number of attempts side by side exactly one is `Acquired`.", |case: S| {
            let service = case.shared_service();
            for round in 0..5 {
                let key = Shelf::of(case).key(&format!("k{round}"))?;
                let results = side_by_side(16, |n| {
                    let (service, key) = (service.clone(), key.clone());
                    async move {
                        let request = AcquireRequest::new(key, LockOwner::parse(format!("owner-{n}"))?, Ttl::new(LONG)?);
                        locks(&*service)?.acquire(&CallContext::default(), &request).await
                    }
                })
                .await?;
                let mut winners = 0;
                for result in results {
                    winners += usize::from(matches!(result?, LockAttempt::Acquired(_)));
                }
                ensure_eq("the number of owners", &winners, &1)?;
            }
        })
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!(
            "cache.acquire.6",
            "Locks live beside the values: a value under the lock's name neither blocks, shows, nor loses it.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("k", "value").await?;
                take(case, "k", "one", LONG).await?;
                shelf.holds("k", b"value").await?;
                shelf.delete("k").await?;
                ensure(is_held(case, "k").await?, "the lock after its namesake was deleted", "it is free")?;
                shelf.lacks("k").await?;
                shelf.set("k", "again").await?;
                release(case, "k", "one").await?;
                shelf.holds("k", b"again").await?;
                take(case, "k", "two", LONG).await?;
                shelf.holds("k", b"again").await?;
            }
        )
        .capability("locks", check!(|case| { no_facet(case)?; })),
        clause!("cache.acquire.7", "An acquire that was dropped holds its lock no longer than its lease.", |case: S| {
            let shelf = Shelf::of(case);
            let ttl = shelf.short();
            for polls in 1..=8 {
                let name = format!("k{polls}");
                let done = abandon(acquire(case, case.service(), &name, "gone", ttl), polls).await.is_some();
                eventually(ttl + shelf.granularity() + Duration::from_secs(3), async || {
                    ensure(!is_held(case, &name).await?, "the lock is free after the lease", "it is held")
                })
                .await?;
                if done {
                    break;
                }
            }
        })
        .capability("locks", check!(|case| { no_facet(case)?; })),
    ]
}

fn holding() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.renew.1",
            "The holder's lease then lasts the given TTL, be it shorter or longer than before.",
            |case: S| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                take(case, "shorter", "one", LONG).await?;
                let began = Instant::now();
                ensure_eq("the renewal", &renew(case, "shorter", "one", ttl).await?, &RenewOutcome::Renewed)?;
                lease_ends(case, "shorter", ttl, began, Instant::now()).await?;
                take(case, "longer", "one", ttl * 3).await?;
                let began = Instant::now();
                let outcome = renew(case, "longer", "one", ttl * 6).await?;
                if outcome == RenewOutcome::Renewed {
                    // From now on, not from the end of the old lease.
                    lease_ends(case, "longer", ttl * 6, began, Instant::now()).await?;
                } else {
                    ensure(began.elapsed() >= ttl * 3, "`Renewed`", format!("{outcome:?}"))?;
                }
            }
        )
        .capability(
            "locks",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "cache.renew.2",
            "If another owner holds the lock, or nobody does, it is `Lost`, and nothing changes.",
            |case: S| {
                let shelf = Shelf::of(case);
                ensure_eq(
                    "renewing a free lock",
                    &renew(case, "free", "one", LONG).await?,
                    &RenewOutcome::Lost,
                )?;
                ensure(!is_held(case, "free").await?, "the lock is still free", "it is held")?;
                let ttl = shelf.short();
                let began = Instant::now();
                take(case, "k", "one", ttl).await?;
                let stored = Instant::now();
                ensure_eq("another's renewal", &renew(case, "k", "two", LONG).await?, &RenewOutcome::Lost)?;
                lease_ends(case, "k", ttl, began, stored).await?;
                ensure_eq(
                    "renewing what ran out",
                    &renew(case, "k", "one", LONG).await?,
                    &RenewOutcome::Lost,
                )?;
                ensure(!is_held(case, "k").await?, "the lock is still free", "it is held")?;
            }
        )
        .capability(
            "locks",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!("cache.release.1", "The holder's lock is free at once.", |case: S| {
            take(case, "k", "one", LONG).await?;
            ensure_eq("the release", &release(case, "k", "one").await?, &ReleaseOutcome::Released)?;
            take(case, "k", "two", LONG).await?;
        })
        .capability(
            "locks",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "cache.release.2",
            "If another owner holds the lock, or nobody does, it is `NotHeld`, and nothing changes.",
            |case: S| {
                ensure_eq(
                    "releasing a free lock",
                    &release(case, "free", "one").await?,
                    &ReleaseOutcome::NotHeld,
                )?;
                take(case, "k", "one", LONG).await?;
                for owner in ["two", "on", "One", "one1"] {
                    let outcome = release(case, "k", owner).await?;
                    ensure_eq(&format!("the release by `{owner}`"), &outcome, &ReleaseOutcome::NotHeld)?;
                    ensure(is_held(case, "k").await?, "the owner still holds it", "it is free")?;
                }
                release(case, "k", "one").await?;
                ensure_eq("releasing it again", &release(case, "k", "one").await?, &ReleaseOutcome::NotHeld)?;
            }
        )
        .capability(
            "locks",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "cache.release.3",
            "On a second or later attempt that is `Unknown`, since the first one may have released the lock.",
            |case: S| {
                let cx = case.cx().for_attempt(2, None);
                take(case, "k", "one", LONG).await?;
                for (owner, expected) in [
                    ("two", ReleaseOutcome::Unknown),
                    ("one", ReleaseOutcome::Released),
                    ("one", ReleaseOutcome::Unknown),
                ] {
                    let request = ReleaseRequest::new(Shelf::of(case).key("k")?, LockOwner::parse(owner)?);
                    let outcome = locks(case.service())?.release(&cx, &request).await?;
                    ensure_eq(&format!("a repeated release by `{owner}`"), &outcome, &expected)?;
                }
            }
        )
        .capability(
            "locks",
            check!(|case| {
                no_facet(case)?;
            }),
        )
        .of_provider(),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().locks().is_none(), "no facet `locks`", "one")
}
