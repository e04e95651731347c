//! The list of steps, cheap ones first.

use std::path::PathBuf;

use super::{Ci, Log, Step, cargo_deny, graphs, new_provider};
use crate::failure::{Failure, Result};
use crate::graph::{self, SUITES};
use crate::workspace::Package;

/// Every step, in order.
pub const STEPS: &[Step] = &[
    Step { name: "tidy", what: "house rules", run: |ci, log| run(ci, log, ci.xtask(&["tidy"])) },
    Step { name: "format", what: "rustfmt", run: format },
    Step { name: "graphs", what: "what core and the demo may pull in", run: graphs::check },
    Step { name: "clippy", what: "clippy, warnings denied", run: clippy },
    Step { name: "test", what: "unit and integration tests", run: test },
    Step {
        name: "doctest",
        what: "examples in the docs",
        run: |ci, log| run(ci, log, ci.graph(&["test", "--doc"])),
    },
    Step { name: "contract", what: "contract tests, servers required", run: contract },
    Step { name: "new-provider", what: "what new-provider writes, tried", run: new_provider::check },
    Step { name: "matrix", what: "support matrix in the README", run: matrix },
    Step { name: "demo", what: "the demo, embedded", run: |ci, log| run(ci, log, ci.xtask(&["demo"])) },
    Step {
        name: "demo-fault",
        what: "the demo, embedded, with faults",
        run: |ci, log| run(ci, log, ci.xtask(&["demo", "--fault"])),
    },
    Step {
        name: "demo-servers",
        what: "the demo, with servers",
        run: |ci, log| run(ci, log, ci.xtask(&["demo", "--servers"])),
    },
    Step {
        name: "demo-servers-fault",
        what: "the demo, its servers killed in the middle",
        run: |ci, log| run(ci, log, ci.xtask(&["demo", "--servers", "--fault"])),
    },
    Step { name: "features", what: "each feature alone", run: features },
    Step { name: "bench", what: "the benchmarks compile", run: bench },
    Step { name: "doc", what: "docs as docs.rs builds them, warnings denied", run: doc },
    Step { name: "deny", what: "licences, bans, sources, advisories", run: cargo_deny::check },
    Step { name: "adoption", what: "each published crate, taken alone", run: adoption },
];

fn run(ci: &Ci<'_>, log: &Log, mut command: std::process::Command) -> Result<Option<String>> {
    ci.run(log, &mut command).map(|()| None)
}

fn format(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let mut command = ci.workspace().cargo();
    ci.run(log, command.args(["fmt", "--all", "--check"]))?;
    let mut bench = ci.workspace().cargo();
    bench.args(["fmt", "--check", "--manifest-path"]).arg(bench_manifest(ci));
    run(ci, log, bench)
}

/// The benchmarks are a workspace of their own.
fn bench_manifest(ci: &Ci<'_>) -> PathBuf {
    ci.workspace().root.join("crates/external-bench/Cargo.toml")
}

fn clippy(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let mut command = ci.graph(&["clippy", "--all-targets", "--keep-going"]);
    command.args(["--", "-D", "warnings"]);
    run(ci, log, command)
}

/// Everything but the suites, which another step runs, with servers. They are compiled here already.
fn test(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let mut all: Vec<&str> =
        ci.workspace().packages.iter().flat_map(|package| package.targets_of("test")).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|name| !SUITES.contains(name));
    ci.run(log, &mut ci.graph(&["test", "--no-run", "--tests"]))?;
    let mut command = ci.graph(&["test", "--lib", "--bins"]);
    command.args(all.iter().flat_map(|name| ["--test", name]));
    ci.run(log, &mut command)?;
    // Without features it has no library that it measures against, so this compiles in seconds.
    let mut bench = ci.workspace().cargo();
    bench.args(["test", "--lib", "--locked", "--manifest-path"]).arg(bench_manifest(ci));
    bench.arg("--target-dir").arg(ci.workspace().target.join("bench"));
    run(ci, log, bench)
}

/// All programs: nothing else compiles them before somebody wants to measure.
fn bench(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let mut command = ci.workspace().cargo();
    command
        .args(["check", "--locked", "--all-features", "--bins", "--manifest-path"])
        .arg(bench_manifest(ci));
    command.arg("--target-dir").arg(ci.workspace().target.join("bench"));
    run(ci, log, command)
}

fn contract(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let report = ci.report.display().to_string();
    let outcome = run(ci, log, ci.xtask(&["contract-test", "--require-servers", "--report", &report]));
    let counts = log.tail(1);
    outcome.map(|_| Some(counts))
}

fn matrix(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let report = ci.report.display().to_string();
    run(ci, log, ci.xtask(&["support-matrix", "--check", "--report", &report]))
}

/// Published crates each by itself with the features that their manifest names for docs.rs; the others together.
fn doc(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let (published, kept): (Vec<_>, Vec<_>) =
        ci.workspace().packages.iter().partition(|package| package.is_published());
    let mut rest = ci.workspace().cargo();
    graph::select_part(rest.args(["doc", "--no-deps"]), &kept);
    let mut commands = if kept.is_empty() { Vec::new() } else { vec![rest] };
    for package in &published {
        let mut command = ci.workspace().cargo();
        command.args(["doc", "--no-deps", "--package", &package.name]);
        command.args(["--features", &docs_rs(package).join(",")]);
        commands.push(command);
    }
    for mut command in commands {
        ci.run(log, command.env("RUSTDOCFLAGS", "-D warnings --cfg docsrs"))?;
    }
    Ok(Some(format!("{} published crates", published.len())))
}

/// The features of `[package.metadata.docs.rs]`.
fn docs_rs(package: &Package) -> Vec<String> {
    let features = package.metadata.pointer("/docs/rs/features").and_then(serde_json::Value::as_array);
    features.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Every feature by itself, and none: a provider must not lean on another one's dependencies.
fn features(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let mut checked = 0;
    for package in ci.workspace().packages.iter().filter(|package| package.is_published()) {
        let alone =
            package.features.keys().filter(|name| !["default", "all-providers"].contains(&name.as_str()));
        for feature in std::iter::once("").chain(alone.map(String::as_str)) {
            let mut command = ci.workspace().cargo();
            command.args([
                "check",
                "--package",
                &package.name,
                "--no-default-features",
                "--features",
                feature,
            ]);
            ci.run(log, &mut command)?;
            checked += 1;
        }
    }
    // Cargo repeats the warnings of what it need not compile again, so none is missed.
    if log.text().lines().any(|line| line.starts_with("warning: `external")) {
        return Err(Failure::new("a selection of features compiles with warnings: see them in the log"));
    }
    Ok(Some(format!("{checked} selections")))
}

fn adoption(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let outcome = run(ci, log, ci.xtask(&["adoption"]));
    let counts = log.tail(1);
    outcome.map(|_| Some(counts))
}
