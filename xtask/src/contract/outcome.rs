//! What `contract-test` prints at its end: a table, the failures, the reasons, the counts.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table};

use super::report::{Count, Program, Row, Status, by_lane};
use crate::terminal;

/// The table domain x provider x lane.
pub fn table(rows: &[Row]) -> Table {
    let mut table =
        terminal::table(["domain", "provider", "lane", "passed", "failed", "unsupported", "not run"]);
    for ((domain, provider, lane), count) in by_lane(rows) {
        let Count { passed, failed, unsupported, not_run } = count;
        let counts = [passed, failed, unsupported, not_run]
            .map(|n| if n == 0 { "·".to_owned() } else { n.to_string() });
        table.add_row([domain, provider, lane].map(str::to_owned).into_iter().chain(counts));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One failure with all that one needs to understand and repeat it.
pub fn failure(row: &Row) -> String {
    let Row { domain, provider, lane, target, clause, subject, .. } = row;
    let detail = row.detail.trim_end().replace('\n', "\n  ");
    let mut text = format!("FAILED {clause}, {subject}: {domain} {provider} ({lane}, {target})\n");
    text += &format!("  promise:  {}\n  {detail}\n", row.sentence);
    if provider == "-" {
        text += &format!("  rerun:    cargo xtask contract-test --domain {domain}");
    } else {
        text += &format!(
            "  rerun:    cargo xtask contract-test --domain {domain} --provider {provider} --lane {lane} --clause {clause}"
        );
    }
    text
}

/// Each reason why something was not run, with how many rows it holds back.
pub fn not_run(rows: &[Row]) -> Vec<String> {
    let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status == Status::NotRun) {
        *reasons.entry((row.provider.as_str(), row.detail.as_str())).or_default() += 1;
    }
    reasons.into_iter().map(|((provider, why), n)| format!("not run: {n} of {provider}: {why}")).collect()
}

/// For each suite the clauses that no target met.
pub fn unmet(programs: &[Program]) -> Vec<String> {
    let some = programs.iter().filter(|program| !program.unmet.is_empty());
    some.map(|Program { domain, target, unmet, .. }| {
        format!("no target: {} of {domain} {target}: {}", unmet.len(), unmet.join(" "))
    })
    .collect()
}

/// The most memory that a suite's program had, for the line about its run; nothing where it is not known.
pub fn memory(program: &Program) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    program.peak_bytes.map_or_else(String::new, |bytes| format!(", {} MiB at most", mib(bytes)))
}

/// Where to go on with a provider that is being written: the method that most failures wait for, as it says itself.
pub fn next(rows: &[Row]) -> Option<String> {
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status == Status::Failed) {
        let step = row.detail.lines().find_map(|line| line.split_once(NOT_WRITTEN)).map(|(_, step)| step);
        if let Some(step) = step {
            *steps.entry(step.trim_end()).or_default() += 1;
        }
    }
    let (step, waiting) = steps.into_iter().max_by_key(|(_, waiting)| *waiting)?;
    Some(format!("next: {step} ({waiting} failures wait for it)"))
}

/// How a method that `new-provider` made says so, until it is written.
pub const NOT_WRITTEN: &str = "not written yet: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_provider_is_told_what_most_failures_wait_for() {
        let waits = |step: &str| {
            let detail = format!(
                "expected: success\nseen:     configuration: not written yet: write `{step}` in x.rs: send it"
            );
            Row::of_binary("cache", "plain", detail)
        };
        let other = Row::of_binary("cache", "plain", "expected: 1\nseen: 2".into());
        let rows = [waits("get"), waits("set"), other.clone(), waits("set")];
        assert_eq!(next(&rows).unwrap(), "next: write `set` in x.rs: send it (2 failures wait for it)");
        assert_eq!(next(&[other]), None);
    }

    #[test]
    fn what_no_target_met_and_how_much_memory_was_taken_is_told() {
        let mut program = Program::of("cache", "contract");
        assert_eq!((unmet(std::slice::from_ref(&program)), memory(&program)), (Vec::new(), String::new()));
        program.unmet = vec!["common.1.16".into(), "common.1.17".into()];
        program.peak_bytes = Some((100 << 20) + 1);
        assert_eq!(memory(&program), ", 101 MiB at most");
        assert_eq!(unmet(&[program]), ["no target: 2 of cache contract: common.1.16 common.1.17"]);
    }

    #[test]
    fn a_failure_names_its_promise_and_its_rerun() {
        let mut row = Row::of_binary("cache", "plain", "expected: 1\nseen: 2".into());
        row.provider = "redis".into();
        row.lane = "server".into();
        row.clause = "cache.get.1".into();
        row.sentence = "A sentence.".into();
        let text = failure(&row);
        assert!(text.contains("A sentence."));
        assert!(text.contains("  seen: 2"));
        let rerun =
            "cargo xtask contract-test --domain cache --provider redis --lane server --clause cache.get.1";
        assert!(text.ends_with(rerun), "{text}");
    }
}
