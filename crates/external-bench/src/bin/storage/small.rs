//! Small objects: gets and puts by the second.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use external_bench::{Contestant, Options, Rounds, per_second};
use tokio::runtime::Runtime;

use crate::source::Pattern;
use crate::stores::{Integrity, NAMES, Server, Store};

/// How many small objects are written in one go, and how many of them at a time.
const MANY: (usize, usize) = (10_000, 32);
const MIB: usize = 1 << 20;

pub(crate) fn measure(
    rounds: &mut Rounds,
    options: &Options,
    runtime: &Runtime,
    server: &Server,
) -> Result<(), String> {
    // Sockets and pools belong to the runtime, also when they go.
    let _within = runtime.enter();
    for integrity in Integrity::BOTH {
        let stores: Vec<(&str, Store)> = NAMES
            .iter()
            .map(|name| {
                Ok((
                    *name,
                    Store::named(name, server, integrity).map_err(|error| format!("{name}: {error}"))?,
                ))
            })
            .collect::<Result<_, String>>()?;
        let small = body(1024);
        for (name, store) in &stores {
            let written = runtime.block_on(store.put(&key(name, "small"), small.clone()));
            written.map_err(|error| format!("{name}: {error}"))?;
        }
        let of = |what: &str| format!("s3 {what}, {}", integrity.name());
        let gets = stores.iter().map(|(name, store)| get(runtime, options, name, store)).collect();
        rounds.case("storage", &of("get 1 KiB, 1 caller"), "gets/s", gets);
        let puts = stores.iter().map(|(name, store)| put(runtime, options, name, store)).collect();
        rounds.case("storage", &of("put 1 MiB, 4 callers"), "MB/s", puts);
        let count = if options.quick { MANY.0 / 50 } else { MANY.0 };
        let many = stores.iter().map(|(name, store)| many(runtime, count, name, store)).collect();
        let name = format!("put {count} objects of 1 KiB, {} at a time", MANY.1);
        rounds.long_case("storage", &of(&name), "puts/s", many);
        for size in [1 << 10, 32 << 10, MIB, 32 * MIB] {
            let up = stores.iter().map(|(name, store)| upload(runtime, options, name, store, size)).collect();
            rounds.case("storage", &of(&format!("upload of {}", said(size as u64))), "ms", up);
            let down =
                stores.iter().map(|(name, store)| download(runtime, options, name, store, size)).collect();
            rounds.case("storage", &of(&format!("download of {}", said(size as u64))), "ms", down);
        }
    }
    Ok(())
}

/// `32 KiB`, `1 GiB`.
pub(crate) fn said(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

fn key(contestant: &str, what: &str) -> String {
    format!("bench/{}/{what}", contestant.replace(' ', "-"))
}

fn body(size: usize) -> Bytes {
    let mut body = vec![0; size];
    for (at, byte) in body.iter_mut().enumerate() {
        *byte = (at % 251) as u8;
    }
    body.into()
}

fn get<'a>(runtime: &'a Runtime, options: &'a Options, name: &str, store: &'a Store) -> Contestant<'a> {
    let key = key(name, "small");
    Contestant::new(name, move || {
        per_second(runtime, 1, options.slice() * 2, |_, until| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                let mut gets = 0;
                while until.goes_on() {
                    assert_eq!(store.get(&key).await.expect("an object"), 1024);
                    gets += 1;
                }
                gets
            }
        })
    })
}

fn put<'a>(runtime: &'a Runtime, options: &'a Options, name: &str, store: &'a Store) -> Contestant<'a> {
    let (body, key) = (body(MIB), Arc::new(key(name, "mib")));
    Contestant::new(name, move || {
        let puts = per_second(runtime, 4, options.slice() * 4, |caller, until| {
            let (store, key, body) = (store.clone(), format!("{key}-{caller}"), body.clone());
            async move {
                let mut puts = 0;
                while until.goes_on() {
                    store.put(&key, body.clone()).await.expect("stored");
                    puts += 1;
                }
                puts
            }
        });
        puts * MIB as f64 / 1e6
    })
}

fn many<'a>(runtime: &'a Runtime, count: usize, name: &str, store: &'a Store) -> Contestant<'a> {
    let (body, folder) = (body(1024), key(name, "many"));
    Contestant::new(name, move || {
        runtime.block_on(async {
            let start = Instant::now();
            let mut running = tokio::task::JoinSet::new();
            for at in 0..count {
                if running.len() == MANY.1 {
                    running.join_next().await.expect("one runs").expect("stored");
                }
                let (store, key, body) = (store.clone(), format!("{folder}/{at:05}"), body.clone());
                running.spawn(async move { store.put(&key, body).await.expect("stored") });
            }
            running.join_all().await;
            count as f64 / start.elapsed().as_secs_f64()
        })
    })
}

fn upload<'a>(
    runtime: &'a Runtime,
    options: &'a Options,
    name: &str,
    store: &'a Store,
    size: usize,
) -> Contestant<'a> {
    let key = key(name, &format!("line/{size}"));
    Contestant::new(name, move || {
        milliseconds(runtime, options, async || {
            store.upload(&key, Pattern::new(size as u64)).await.expect("stored");
        })
    })
}

fn download<'a>(
    runtime: &'a Runtime,
    options: &'a Options,
    name: &str,
    store: &'a Store,
    size: usize,
) -> Contestant<'a> {
    let key = key(name, &format!("line/{size}"));
    // Also where only the downloads are wanted.
    runtime.block_on(store.upload(&key, Pattern::new(size as u64))).expect("stored");
    Contestant::new(name, move || {
        milliseconds(runtime, options, async || {
            assert_eq!(store.get(&key).await.expect("an object"), size as u64);
        })
    })
}

/// How long one transfer takes, by as many as there is time for.
fn milliseconds(runtime: &Runtime, options: &Options, transfer: impl AsyncFn()) -> f64 {
    runtime.block_on(async {
        let (start, mut transfers) = (Instant::now(), 0_u32);
        while start.elapsed() < options.slice() {
            transfer().await;
            transfers += 1;
        }
        start.elapsed().as_secs_f64() * 1e3 / f64::from(transfers)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!(
            [1 << 10, 32 << 10, 1 << 20, 256 << 20, 1 << 30].map(super::said),
            ["1 KiB", "32 KiB", "1 MiB", "256 MiB", "1 GiB"]
        );
    }
}
