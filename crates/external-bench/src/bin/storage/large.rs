//! Large objects: megabytes a second, processor time and memory, a child process each.

use std::cell::RefCell;

use external_bench::{Contestant, Options, Rounds};
use tokio::runtime::Runtime;

use crate::bucket::Bucket;
use crate::child::{self, Direction};
use crate::said;
use crate::stores::{Integrity, NAMES};

pub(crate) fn measure(
    rounds: &mut Rounds,
    options: &Options,
    runtime: &Runtime,
    bucket: &Bucket,
) -> Result<(), String> {
    let sizes: &[u64] = if options.quick { &[64 << 20] } else { &[256 << 20, 1 << 30] };
    for &size in sizes {
        for integrity in Integrity::BOTH {
            let names = Direction::BOTH
                .map(|direction| format!("s3 {} {}, {}", said(size), direction.name(), integrity.name()));
            let cases: Vec<(String, &str)> = names
                .iter()
                .flat_map(|name| {
                    [
                        (name.clone(), "MB/s"),
                        (format!("{name}: processor"), "CPU seconds a GiB"),
                        (format!("{name}: memory grown by"), "MiB"),
                    ]
                })
                .collect();
            let cases: Vec<_> = cases.iter().map(|(name, unit)| (name.as_str(), *unit)).collect();
            let failed = RefCell::new(None);
            let contestant = |name: &'static str| {
                let (failed, figures) = (&failed, cases.len());
                Contestant::of_many(name, move || {
                    if failed.borrow().is_some() {
                        return vec![0.0; figures];
                    }
                    let measured = up_and_down(name, integrity, size);
                    // Whatever came of it, and before the next one writes as much.
                    let cleared = runtime.block_on(bucket.clear(&child::folder(name)));
                    let cleared = cleared.map_err(|error| format!("clearing after {name}: {error}"));
                    measured.and_then(|figures| cleared.map(|()| figures)).unwrap_or_else(|why| {
                        *failed.borrow_mut() = Some(why);
                        vec![0.0; figures]
                    })
                })
            };
            let contestants = NAMES.into_iter().map(contestant).collect();
            let most = if size >= 1 << 30 { 5 } else { 15 };
            rounds.long_cases(most, "storage", &cases, contestants);
            if let Some(why) = failed.take() {
                return Err(why);
            }
        }
    }
    Ok(())
}

/// The figures of an upload, then those of the download of what it wrote.
fn up_and_down(contestant: &str, integrity: Integrity, size: u64) -> Result<Vec<f64>, String> {
    let mut figures = Vec::new();
    for direction in Direction::BOTH {
        let taken = child::measure(contestant, integrity, direction, size)?;
        figures.extend([
            size as f64 / 1e6 / taken.seconds,
            taken.cpu_seconds * (1_u64 << 30) as f64 / size as f64,
            taken.grown_bytes as f64 / f64::from(1 << 20),
        ]);
    }
    Ok(figures)
}
