//! What the figures are to be, and whether those of a run are.

use comfy_table::{CellAlignment, Table};

use super::report::Bench;
use crate::terminal;

/// One line of what is wanted.
struct Target {
    /// For people: of what, beside what.
    what: &'static str,
    domain: &'static str,
    /// Whether a case of that domain is meant.
    covers: fn(&str) -> bool,
    bound: Bound,
}

/// How it is measured.
#[derive(Clone, Copy)]
enum Bound {
    /// At least this ratio beside each peer whose name begins so.
    Beside(&'static [&'static str], f64),
    /// At most this, in the unit of the case.
    AtMost(f64),
    /// At least this, in the unit of the case.
    AtLeast(f64),
}

/// Speed of an S3 client: not its processor time, not its memory, and not ours beside ours.
fn is_speed(case: &str) -> bool {
    case.starts_with("s3 ") && !case.contains(": ")
}

/// From 1 MiB on.
fn is_large(case: &str) -> bool {
    ["1 MiB", "32 MiB", "256 MiB", "1 GiB"].iter().any(|size| case.contains(size))
}

/// With the same integrity settings for all: object_store has another checksum, and OpenDAL signs no bodies.
fn is_bare(case: &str) -> bool {
    case.ends_with(", bare")
}

fn is_redis(case: &str) -> bool {
    case.starts_with("redis get")
}

fn is_smtp(case: &str) -> bool {
    case.starts_with("smtp ")
}

const TARGETS: &[Target] = &[
    Target {
        what: "S3, every row, beside the SDK by hand",
        domain: "storage",
        covers: is_speed,
        bound: Bound::Beside(&["aws-sdk-s3"], 0.98),
    },
    Target {
        what: "S3, bare, from 1 MiB on, beside OpenDAL and object_store",
        domain: "storage",
        covers: |case| is_speed(case) && is_large(case) && is_bare(case),
        bound: Bound::Beside(&["OpenDAL", "object_store"], 0.95),
    },
    Target {
        what: "S3, memory grown by 1 GiB, in MiB",
        domain: "storage",
        covers: |case| case.starts_with("s3 1 GiB") && case.ends_with(": memory grown by"),
        bound: Bound::AtMost(64.0),
    },
    Target {
        what: "Redis get, beside redis-rs on the same connection type",
        domain: "cache",
        covers: is_redis,
        bound: Bound::Beside(&["redis-rs"], 0.95),
    },
    Target {
        what: "Redis get, beside fred and deadpool",
        domain: "cache",
        covers: is_redis,
        bound: Bound::Beside(&["fred", "deadpool"], 1.0),
    },
    Target {
        what: "memory cache, a hit, beside the library beneath",
        domain: "cache",
        covers: |case| case.starts_with("memory hit, 100 B"),
        bound: Bound::Beside(&["quick_cache (the library beneath"], 1.0 / 3.0),
    },
    Target {
        what: "memory cache, a hit, in ns",
        domain: "cache",
        covers: |case| case.starts_with("memory hit, 100 B"),
        bound: Bound::AtMost(100.0),
    },
    Target {
        what: "SMTP, beside lettre and mail-send",
        domain: "email",
        covers: is_smtp,
        bound: Bound::Beside(&["lettre", "mail-send"], 1.0),
    },
    Target {
        what: "SMTP, beside the raw socket",
        domain: "email",
        covers: is_smtp,
        bound: Bound::Beside(&["raw socket"], 0.8),
    },
    Target {
        what: "the pipeline, in ns",
        domain: "pipeline",
        covers: is_added,
        bound: Bound::AtMost(1_000.0),
    },
    Target {
        what: "the pipeline, beside every peer",
        domain: "pipeline",
        covers: is_added,
        bound: Bound::Beside(&["tower", "governor", "OpenDAL's layers"], 1.0),
    },
    Target {
        what: "the pipeline, allocations with the bare call's one",
        domain: "pipeline",
        covers: |case| case.starts_with("allocations of a call") && !case.contains(": "),
        bound: Bound::AtMost(1.0),
    },
    Target {
        what: "REST calls, beside reqwest",
        domain: "http",
        covers: |case| case.starts_with("GET, JSON") || case.starts_with("POST, JSON"),
        bound: Bound::Beside(&["reqwest"], 0.95),
    },
    Target {
        what: "GraphQL, beside reqwest and serde",
        domain: "http",
        covers: |case| case.starts_with("GraphQL query"),
        bound: Bound::Beside(&["reqwest and serde"], 0.95),
    },
    Target {
        what: "SOAP, beside zeep",
        domain: "http",
        covers: |case| case.starts_with("SOAP by its description"),
        bound: Bound::Beside(&["zeep"], 20.0),
    },
    Target {
        what: "server-sent events, tokens and pages, in MB/s",
        domain: "http",
        covers: |case| case.starts_with("server-sent events: tokens") || case.ends_with("events of 4 KiB"),
        bound: Bound::AtLeast(500.0),
    },
];

/// With everything on, and not what else is told beside it: two nested, or with somebody who listens.
fn is_added(case: &str) -> bool {
    case.starts_with("added to a bare call") && !case.contains(": ")
}

/// How a figure stands to its target. From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Held,
    /// It is beyond the target by less than the run can tell.
    Untold,
    Missed,
}

/// A figure that a target is about.
struct Figure {
    value: f64,
    standing: Standing,
    of: String,
}

/// A target, and the figures of a run that it is about.
pub struct Verdict {
    what: &'static str,
    bound: Bound,
    figures: usize,
    /// How many of them the run cannot tell from the target.
    untold: usize,
    /// The figure that is nearest to missing it, or misses it by most.
    worst: Figure,
}

impl Verdict {
    /// Whether no figure is certainly beyond what it is to be.
    pub fn is_held(&self) -> bool {
        self.worst.standing != Standing::Missed
    }
}

impl Bound {
    /// How a figure stands that lies within `range` with what confidence there is.
    fn standing(self, value: f64, range: Option<[f64; 2]>) -> Standing {
        let holds = |figure: f64| match self {
            Self::Beside(_, least) | Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        };
        match range {
            _ if holds(value) => Standing::Held,
            Some(range) if range.into_iter().any(holds) => Standing::Untold,
            _ => Standing::Missed,
        }
    }

    /// How far a figure is on the good side, to be compared with others of the same target.
    fn margin(self, value: f64) -> f64 {
        match self {
            Self::Beside(..) | Self::AtLeast(_) => value,
            Self::AtMost(_) => -value,
        }
    }
}

/// What targets of these domains a run has no figures for.
pub fn unmeasured(benches: &[Bench], domains: &[&str]) -> Vec<&'static str> {
    let asked = TARGETS.iter().filter(|target| domains.contains(&target.domain));
    asked.filter(|target| target.judge(benches).is_none()).map(|target| target.what).collect()
}

/// The targets that a run has figures for.
pub fn judge(benches: &[Bench]) -> Vec<Verdict> {
    TARGETS.iter().filter_map(|target| target.judge(benches)).collect()
}

impl Target {
    fn judge(&self, benches: &[Bench]) -> Option<Verdict> {
        let mut figures = Vec::new();
        let mut add = |value, range, of| {
            figures.push(Figure { value, standing: self.bound.standing(value, range), of });
        };
        for bench in benches.iter().filter(|b| b.domain == self.domain && (self.covers)(&b.name)) {
            match self.bound {
                Bound::AtMost(_) | Bound::AtLeast(_) => add(bench.ours, None, bench.name.clone()),
                Bound::Beside(names, _) => {
                    for peer in &bench.peers {
                        if names.iter().any(|name| peer.name.starts_with(name)) {
                            add(peer.ratio, peer.range, format!("{}: {}", bench.name, peer.name));
                        }
                    }
                }
            }
        }
        let count = figures.len();
        let untold = figures.iter().filter(|figure| figure.standing == Standing::Untold).count();
        let worst = figures.into_iter().max_by(|a, b| {
            let margins = self.bound.margin(b.value).total_cmp(&self.bound.margin(a.value));
            a.standing.cmp(&b.standing).then(margins)
        })?;
        Some(Verdict { what: self.what, bound: self.bound, figures: count, untold, worst })
    }
}

/// One row a target.
pub fn table(verdicts: &[Verdict]) -> Table {
    let mut table = terminal::table(["target", "to be", "figures", "worst", "", "of"]);
    for verdict in verdicts {
        let bound = match verdict.bound {
            Bound::Beside(_, least) => format!("at least {least:.2}"),
            Bound::AtMost(most) => format!("at most {most:.0}"),
            Bound::AtLeast(least) => format!("at least {least:.0}"),
        };
        let word = match (verdict.worst.standing, verdict.untold) {
            (Standing::Missed, _) => "MISSED".to_owned(),
            (_, 0) => "held".to_owned(),
            (_, untold) => format!("held, {untold} within noise"),
        };
        table.add_row([
            verdict.what,
            &bound,
            &verdict.figures.to_string(),
            &format!("{:.2}", verdict.worst.value),
            &word,
            &verdict.worst.of,
        ]);
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::report::Peer;
    use super::*;

    fn bench(domain: &str, name: &str, ours: f64, peers: &[(&str, f64)]) -> Bench {
        // Two hundredths on either side.
        let peer = |(name, ratio): &(&str, f64)| {
            let range = Some([ratio - 0.02, ratio + 0.02]);
            Peer { name: (*name).into(), value: 1.0, ratio: *ratio, range }
        };
        let (domain, name) = (domain.to_owned(), name.to_owned());
        Bench { domain, name, ours, unit: "ns".into(), peers: peers.iter().map(peer).collect() }
    }

    #[test]
    fn the_worst_figure_decides() {
        let verdicts = judge(&[
            bench(
                "storage",
                "s3 get 1 KiB, 1 caller, checked",
                1.0,
                &[("aws-sdk-s3 by hand", 1.2), ("OpenDAL", 0.5)],
            ),
            bench(
                "storage",
                "s3 put 1 MiB, 4 callers, bare",
                1.0,
                &[("aws-sdk-s3 by hand", 0.95), ("OpenDAL", 0.96)],
            ),
            bench("storage", "s3 1 GiB up, bare: memory grown by", 63.0, &[("aws-sdk-s3 by hand", 0.1)]),
            bench("storage", "s3 1 GiB down, bare: memory grown by", 65.0, &[]),
            bench(
                "storage",
                "s3 settings: put 1 MiB, 4 callers, over TLS",
                1.0,
                &[("ours with neither", 0.1)],
            ),
            bench("http", "redis get", 1.0, &[("redis-rs, multiplexed", 0.1)]),
        ]);
        let told: Vec<_> = verdicts.iter().map(|v| (v.figures, v.worst.value, v.is_held())).collect();
        assert_eq!(told, [(2, 0.95, false), (1, 0.96, true), (2, 65.0, false)]);
        let text = table(&verdicts).to_string();
        assert!(
            text.contains("MISSED") && text.contains("put 1 MiB, 4 callers, bare: aws-sdk-s3 by hand"),
            "{text}"
        );
    }

    #[test]
    fn what_a_run_cannot_tell_from_its_target_is_said_and_is_no_miss() {
        let case = "s3 get 1 KiB, 1 caller, checked";
        let verdicts = judge(&[
            bench("storage", case, 1.0, &[("aws-sdk-s3 by hand", 0.97)]),
            bench("storage", case, 1.0, &[("aws-sdk-s3 by hand", 1.1)]),
        ]);
        assert!(verdicts[0].is_held() && verdicts[0].worst.value == 0.97);
        let text = table(&verdicts).to_string();
        assert!(text.contains("held, 1 within noise"), "{text}");
    }

    /// The programs' own words: a case or a peer that is called otherwise there would be judged by nobody.
    #[test]
    fn every_target_is_about_cases_and_peers_that_there_are() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/external-bench/src/bin");
        for target in TARGETS {
            let sources = crate::scratch::read(&folder.join(target.domain)).unwrap();
            let text: String =
                sources.values().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
            if let Bound::Beside(names, _) = target.bound {
                for name in names {
                    assert!(
                        text.contains(&format!("\"{name}")),
                        "{}: no peer begins with {name}",
                        target.what
                    );
                }
            }
        }
        for case in [
            "redis get, 100 B, {callers} callers",
            "memory hit, 100 B, client",
            "smtp {server}, {callers} callers",
            "added to a bare call, {tasks}, {timer}",
            "allocations of a call, 1 task",
            "GET, JSON read into a type, {callers} callers",
            "POST, JSON both ways, {callers} callers",
            "GraphQL query, {callers} callers",
            "SOAP by its description, {callers} callers",
            "server-sent events: tokens of a model, 150 bytes each",
        ] {
            assert!(TARGETS.iter().any(|target| (target.covers)(case)), "{case}");
        }
    }
}
