//! What getting, setting and deleting promise, time aside.

use bytes::Bytes;
use external_core::cache::{CacheKey, DeleteRequest, SetRequest};
use external_core::{CallContext, Effect, ErrorKind};

use super::S;
use super::shelf::{Shelf, side_by_side};
use crate::{Case, Clause, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.get.1",
            "A key that was never set, was deleted, or has expired is `None`, not an error.",
            |case| {
                let shelf = Shelf::of(case);
                shelf.lacks("never").await?;
                shelf.set("k", "v").await?;
                shelf.delete("k").await?;
                shelf.lacks("k").await?;
                let began = tokio::time::Instant::now();
                shelf.set_for("short", "v", shelf.short()).await?;
                shelf.ends_in_time("short", shelf.short(), began, tokio::time::Instant::now()).await?;
                shelf.lacks("short").await?;
            }
        ),
        clause!(
            "cache.get.2",
            "A value comes back byte for byte: empty, with any byte in it, and as large as the limit `value-bytes` or a mebibyte, whichever is less.",
            |case| {
                let shelf = Shelf::of(case);
                let most = case.service().info().capabilities().get_limit("value-bytes").unwrap_or(1 << 20).min(1 << 20);
                let most = usize::try_from(most).unwrap_or(1 << 20);
                let every: Bytes = (0..=255_u8).chain(*b"\r\n$5\r\n\0").collect::<Vec<_>>().into();
                let large: Bytes = (0..251_u8).cycle().take(most).collect::<Vec<_>>().into();
                for (name, value) in [("empty", Bytes::new()), ("every", every), ("large", large)] {
                    shelf.set(name, value.clone()).await?;
                    let seen = shelf.get(name).await?;
                    let same = seen.as_ref() == Some(&value);
                    let told = seen.map_or_else(|| "nothing".to_owned(), |seen| format!("{} other bytes", seen.len()));
                    ensure(same, format!("the {} bytes of `{name}`", value.len()), told)?;
                }
            }
        ),
        clause!(
            "cache.get.3",
            "Every key that parses can be used, and different keys are different values: blanks, letter case, Unicode forms and 512 bytes included.",
            |case| {
                let shelf = Shelf::of(case);
                let room = CacheKey::MAX_BYTES - case.name("").len();
                let mut names: Vec<String> = [
                    "k", "K", " k", "k ", "k  k", "k k", "é", "e\u{301}", "ﬁ", "fi", "键", "🔑", "%6b", "*", "k*", "[k]", "{k}", "{k}x",
                    "k:1", "k/1", "k\\1", "\"k\"", "'k'", "$k", "k?", "\u{a0}", "\u{202e}k", "-1", "0", "null",
                ]
                .map(str::to_owned)
                .into();
                // They differ in the last byte only: whoever cuts or hashes badly mixes them up.
                names.push(format!("{}a", "l".repeat(room - 1)));
                names.push(format!("{}b", "l".repeat(room - 1)));
                for name in &names {
                    shelf.set(name, format!("value of {name}")).await?;
                }
                for name in &names {
                    shelf.holds(name, format!("value of {name}").as_bytes()).await?;
                }
                for (n, name) in names.iter().enumerate() {
                    shelf.delete(name).await?;
                    shelf.lacks(name).await?;
                    if let Some(next) = names.get(n + 1) {
                        shelf.holds(next, format!("value of {next}").as_bytes()).await?;
                    }
                }
            }
        ),
        clause!(
            "cache.set.3",
            "`IfAbsent` stores only where there is no value; otherwise `stored` is `false`, and the old value and its expiry stay as they were.",
            |case: S| {
                let shelf = Shelf::of(case);
                let first = shelf.set_request("k", "first")?.if_absent();
                ensure(shelf.send(&first).await?, "a set of a free key stores", "it does not")?;
                let second = shelf.set_request("k", "second")?.if_absent();
                ensure(!shelf.send(&second).await?, "a second set does not store", "it does")?;
                ensure(!shelf.send(&first).await?, "the same set again does not store", "it does")?;
                shelf.holds("k", b"first").await?;
                let began = tokio::time::Instant::now();
                shelf.set_for("short", "first", shelf.short()).await?;
                let stored = tokio::time::Instant::now();
                let long = external_core::cache::Ttl::new(std::time::Duration::from_secs(60))?;
                let late = shelf.set_request("short", "second")?.if_absent().with_ttl(long);
                let took = shelf.send(&late).await?;
                // A machine so slow that the first value is gone already proves nothing here.
                if stored.elapsed() < shelf.short() {
                    ensure(!took, "a set over a value with a TTL does not store", "it does")?;
                    shelf.ends_in_time("short", shelf.short(), began, stored).await?;
                }
            }
        )
        .capability("conditional-set", check!(|case| { refuses_condition(case).await?; })),
        clause!("cache.set.4", "An expired value counts as absent.", |case: S| {
            let shelf = Shelf::of(case);
            let began = tokio::time::Instant::now();
            shelf.set_for("absent", "old", shelf.short()).await?;
            shelf.set_for("present", "old", shelf.short()).await?;
            shelf.ends_in_time("present", shelf.short(), began, tokio::time::Instant::now()).await?;
            let present = shelf.set_request("present", "new")?.if_present();
            ensure(!shelf.send(&present).await?, "`IfPresent` does not store over an expired value", "it does")?;
            shelf.ends_in_time("absent", shelf.short(), began, tokio::time::Instant::now()).await?;
            let absent = shelf.set_request("absent", "new")?.if_absent();
            ensure(shelf.send(&absent).await?, "`IfAbsent` stores over an expired value", "it does not")?;
            shelf.holds("absent", b"new").await?;
            shelf.lacks("present").await?;
        })
        .capability("conditional-set", check!(|case| { refuses_condition(case).await?; })),
        clause!(
            "cache.set.5",
            "`IfPresent` stores only where there is a value; otherwise `stored` is `false` and nothing is created.",
            |case: S| {
                let shelf = Shelf::of(case);
                let request = shelf.set_request("k", "second")?.if_present();
                ensure(!shelf.send(&request).await?, "a set of a free key does not store", "it does")?;
                shelf.lacks("k").await?;
                shelf.set("k", "first").await?;
                ensure(shelf.send(&request).await?, "a set over a value stores", "it does not")?;
                shelf.holds("k", b"second").await?;
                shelf.delete("k").await?;
                ensure(!shelf.send(&request).await?, "a set of a deleted key does not store", "it does")?;
                shelf.lacks("k").await?;
            }
        )
        .capability("conditional-set", check!(|case| { refuses_condition(case).await?; })),
        clause!("cache.set.6", "Of any number of `IfAbsent` sets side by side exactly one stores.", |case: S| {
            let service = case.shared_service();
            for round in 0..10 {
                let key = Shelf::of(case).key(&format!("k{round}"))?;
                let results = side_by_side(16, |n| {
                    let service = service.clone();
                    let request = SetRequest::new(key.clone(), format!("writer {n}")).if_absent();
                    async move { service.set(&CallContext::default(), &request).await }
                })
                .await?;
                let mut winners = Vec::new();
                for (n, result) in results.into_iter().enumerate() {
                    if result?.stored {
                        winners.push(n);
                    }
                }
                ensure_eq("the number of sets that stored", &winners.len(), &1)?;
                let winner = winners.first().copied().unwrap_or_default();
                Shelf::of(case).holds(&format!("k{round}"), format!("writer {winner}").as_bytes()).await?;
            }
        })
        .capability("conditional-set", check!(|case| { refuses_condition(case).await?; })),
        clause!(
            "cache.set.7",
            "A value larger than the limit `value-bytes` is `PayloadTooLarge` before anything is sent, and the old value stays.",
            |case| {
                let shelf = Shelf::of(case);
                let Some(more) = beyond_the_limit(case) else {
                    // No limit is declared, so there is nothing to exceed.
                    return Ok(());
                };
                shelf.set("k", "old").await?;
                let result = shelf.send(&shelf.set_request("k", more)?).await;
                let error = ensure_error("a set beyond the limit", result, ErrorKind::PayloadTooLarge)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                shelf.holds("k", b"old").await?;
                refuses(case, "a set beyond the limit", ErrorKind::PayloadTooLarge, |case, service| Box::pin(async move {
                    let more = beyond_the_limit(case).unwrap_or_default();
                    let shelf = Shelf::on(case, service);
                    shelf.send(&shelf.set_request("k", more)?).await.map(drop)
                })).await?;
            }
        ),
        clause!("cache.delete.1", "The value is gone, and `existed` says whether there was one.", |case| {
            let shelf = Shelf::of(case);
            shelf.set("k", "v").await?;
            shelf.set("kk", "v").await?;
            ensure_eq("whether there was one", &shelf.delete("k").await?, &Some(true))?;
            shelf.lacks("k").await?;
            shelf.holds("kk", b"v").await?;
        }),
        clause!(
            "cache.delete.2",
            "Deleting what is not there, or has expired, is no error: `existed` is `Some(false)`.",
            |case| {
                let shelf = Shelf::of(case);
                ensure_eq("whether there was one", &shelf.delete("never").await?, &Some(false))?;
                shelf.set("k", "v").await?;
                shelf.delete("k").await?;
                ensure_eq("whether there was one", &shelf.delete("k").await?, &Some(false))?;
                let began = tokio::time::Instant::now();
                // Two, since looking at one may remove it.
                shelf.set_for("seen", "v", shelf.short()).await?;
                shelf.set_for("unseen", "v", shelf.short()).await?;
                let stored = tokio::time::Instant::now();
                shelf.ends_in_time("seen", shelf.short(), began, stored).await?;
                tokio::time::sleep(shelf.granularity() + std::time::Duration::from_millis(50)).await;
                ensure_eq("whether there was one", &shelf.delete("unseen").await?, &Some(false))?;
            }
        ),
        clause!(
            "cache.delete.3",
            "On a second or later attempt `existed` is `None`, since the first one may have deleted it.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("k", "v").await?;
                for name in ["k", "never"] {
                    let cx = case.cx().for_attempt(2, None);
                    let deleted = case.service().delete(&cx, &DeleteRequest::new(shelf.key(name)?)).await?;
                    ensure_eq("whether there was one", &deleted.existed, &None)?;
                }
                shelf.lacks("k").await?;
            }
        )
        .of_provider(),
    ]
}

/// A value one byte too large. It is zeroes that nobody touches, so it costs no memory.
pub(super) fn beyond_the_limit(case: &Case<S>) -> Option<Bytes> {
    let limit = case.service().info().capabilities().get_limit("value-bytes")?;
    let length = usize::try_from(limit).ok().filter(|length| *length <= 1 << 30)?;
    Some(Bytes::from(vec![0; length + 1]))
}

async fn refuses_condition(case: &Case<S>) -> Verdict {
    refuses(case, "a conditional set", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let shelf = Shelf::on(case, service);
            shelf.send(&shelf.set_request("k", "v")?.if_absent()).await?;
            Ok(())
        })
    })
    .await?;
    refuses(case, "a conditional set", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let shelf = Shelf::on(case, service);
            shelf.send(&shelf.set_request("k", "v")?.if_present()).await?;
            Ok(())
        })
    })
    .await
}
