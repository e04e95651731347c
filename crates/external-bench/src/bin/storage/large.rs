//! Large objects: megabytes a second, processor time and memory, a child process each.

use std::cell::RefCell;

use external_bench::{Contestant, Options, Rounds};

use crate::child::{self, Direction};
use crate::small::said;
use crate::stores::{Integrity, NAMES};

pub(crate) fn measure(rounds: &mut Rounds, options: &Options) -> Result<(), String> {
    let failed = RefCell::new(None);
    let sizes: &[u64] = if options.quick { &[64 << 20] } else { &[256 << 20, 1 << 30] };
    for &size in sizes {
        for integrity in Integrity::BOTH {
            for direction in Direction::BOTH {
                let name = format!("s3 {} {}, {}", said(size), direction.name(), integrity.name());
                let (cpu, memory) = (format!("{name}: processor"), format!("{name}: memory grown by"));
                let cases =
                    [(name.as_str(), "MB/s"), (cpu.as_str(), "CPU seconds a GiB"), (memory.as_str(), "MiB")];
                if !rounds.wants(&name) {
                    continue;
                }
                if direction == Direction::Down {
                    // Each reads what it wrote, also where only the downloads are wanted.
                    for contestant in NAMES {
                        child::measure(contestant, integrity, Direction::Up, size)?;
                    }
                }
                let contestants = NAMES
                    .iter()
                    .map(|contestant| {
                        let failed = &failed;
                        Contestant::of_many(*contestant, move || {
                            match child::measure(contestant, integrity, direction, size) {
                                Ok(taken) => vec![
                                    size as f64 / 1e6 / taken.seconds,
                                    taken.cpu_seconds * (1_u64 << 30) as f64 / size as f64,
                                    taken.grown_bytes as f64 / f64::from(1 << 20),
                                ],
                                Err(why) => {
                                    *failed.borrow_mut() = Some(why);
                                    vec![0.0; 3]
                                }
                            }
                        })
                    })
                    .collect();
                if size >= 1 << 30 {
                    rounds.long_cases("storage", &cases, contestants);
                } else {
                    rounds.cases("storage", &cases, contestants);
                }
                if let Some(why) = failed.take() {
                    return Err(why);
                }
            }
        }
    }
    Ok(())
}
