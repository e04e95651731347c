//! What became of each mutation, as it is printed and as the report holds it.

use std::path::Path;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::list::Mutation;
use crate::failure::Result;
use crate::runs::write_whole;
use crate::terminal;

/// What became of a mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// Somebody noticed it.
    Killed {
        /// Clauses or tests that failed.
        by: Vec<String>,
        /// Whether the one that should have noticed it is among them.
        as_expected: bool,
        /// Whether something did not end, and was stopped.
        hung: bool,
    },
    /// Nobody noticed it.
    Survived,
    /// It cannot be made any more.
    Stale {
        /// What stands in the way.
        why: String,
    },
    /// The compiler noticed it first.
    Uncompilable {
        /// What the compiler said.
        why: String,
    },
    /// Who should notice it could not be run here.
    NotRun {
        /// The reason.
        why: String,
    },
}

impl Fate {
    /// Whether it is as it should be.
    pub fn is_killed(&self) -> bool {
        matches!(self, Self::Killed { .. })
    }

    /// One word, or few.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Killed { hung: true, .. } => "killed (hung)",
            Self::Killed { .. } => "killed",
            Self::Survived => "SURVIVED",
            Self::Stale { .. } => "STALE",
            Self::Uncompilable { .. } => "NOT COMPILED",
            Self::NotRun { .. } => "NOT RUN",
        }
    }
}

/// One mutation, its fate, and the time that took.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The domain.
    pub domain: String,
    /// The mutation's id.
    pub id: String,
    /// The file that was changed.
    pub file: String,
    /// Who should notice it.
    pub expected: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
    /// How long its build took.
    pub build_ms: u64,
    /// How long it took in all.
    pub ms: u64,
}

impl Outcome {
    /// Who noticed it, or why nobody did.
    pub fn remark(&self) -> String {
        match &self.fate {
            Fate::Killed { by, as_expected, .. } => {
                let more = if by.len() > 3 { format!(" and {} more", by.len() - 3) } else { String::new() };
                let by = by.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
                let by = if by.is_empty() { "a hang" } else { &by };
                let not = if *as_expected { String::new() } else { format!(", not by {}", self.expected) };
                format!("by {by}{more}{not}")
            }
            Fate::Survived => format!("not by {}, nor by anything beside it", self.expected),
            Fate::Stale { why } | Fate::Uncompilable { why } | Fate::NotRun { why } => why.clone(),
        }
    }
}

/// The table of all.
pub fn table(outcomes: &[Outcome]) -> Table {
    let mut table = terminal::table(["domain", "mutation", "", "", "s"]);
    for outcome in outcomes {
        let seconds = format!("{:.1}", outcome.ms as f64 / 1000.0);
        let remark = terminal::short(&outcome.remark(), 70);
        table.add_row([&outcome.domain, &outcome.id, outcome.fate.word(), &remark, &seconds]);
    }
    if let Some(column) = table.column_mut(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What is wrong, and what to do; nothing for a mutation that was killed by whom it should.
pub fn advice(mutation: &Mutation, outcome: &Outcome) -> Option<String> {
    let place = mutation.place().title();
    let wanted = mutation.noticed_by.wanted();
    let list = format!("xtask/mutations/{}.toml", mutation.domain);
    let todo = match &outcome.fate {
        Fate::Killed { as_expected: true, .. } => return None,
        Fate::Killed { by, .. } => format!(
            "{wanted} did not notice it, {} did: name that one in {list}, or sharpen {wanted}",
            by.first().map_or("something else", String::as_str)
        ),
        Fate::Survived => format!(
            "nothing in {place} tells this from the right code: sharpen {wanted} or add a clause; if no caller can see the difference, take it off {list}"
        ),
        Fate::Stale { .. } => format!("write it anew for the code as it is now, in {list}, or take it off"),
        Fate::Uncompilable { .. } => {
            format!("write in {list} what a person would write, so that it compiles")
        }
        Fate::NotRun { .. } => {
            format!("make {place} run here (`cargo xtask contract-test` says what is missing)")
        }
    };
    Some(format!(
        "{} {}\n  file:    {}\n  why:     {}\n  seen:    {}\n  to do:   {todo}\n  again:   cargo xtask mutate --only {}",
        outcome.fate.word(),
        mutation.title(),
        mutation.file,
        mutation.why,
        outcome.remark(),
        mutation.id
    ))
}

/// The last line: `N killed, N survived, N stale`, and what else there was.
pub fn counts(outcomes: &[Outcome]) -> String {
    let count = |is: fn(&Fate) -> bool| outcomes.iter().filter(|outcome| is(&outcome.fate)).count();
    let mut line = format!(
        "{} killed, {} survived, {} stale",
        count(Fate::is_killed),
        count(|fate| *fate == Fate::Survived),
        count(|fate| matches!(fate, Fate::Stale { .. }))
    );
    for (n, what) in [
        (count(|fate| matches!(fate, Fate::Uncompilable { .. })), "not compiled"),
        (count(|fate| matches!(fate, Fate::NotRun { .. })), "not run"),
    ] {
        if n > 0 {
            line += &format!(", {n} {what}");
        }
    }
    line
}

/// Writes the report.
pub fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&serde_json::json!({ "mutations": outcomes }))?;
    text.push(b'\n');
    write_whole(file, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(fate: Fate) -> Outcome {
        Outcome {
            domain: "cache".into(),
            id: "a".into(),
            file: "crates/a/src/lib.rs".into(),
            expected: "cache.get.1".into(),
            fate,
            build_ms: 1,
            ms: 2,
        }
    }

    fn killed(as_expected: bool) -> Fate {
        Fate::Killed { by: vec!["cache.get.1".into()], as_expected, hung: false }
    }

    fn mutation() -> Mutation {
        let text = "id = 'a'\nfile = 'crates/a/src/lib.rs'\nwhy = 'It happens.'\nbefore = 'b'\nafter = ''\n\
            noticed_by = { test = 'contract', provider = 'redis', clause = 'cache.get.1' }";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_last_line_counts_and_leaves_nothing_out() {
        let fates = [killed(true), killed(false), Fate::Survived, Fate::Stale { why: "gone".into() }];
        let outcomes: Vec<Outcome> = fates.into_iter().map(outcome).collect();
        assert_eq!(counts(&outcomes), "2 killed, 1 survived, 1 stale");
        let more = [
            outcome(Fate::Uncompilable { why: "E0425".into() }),
            outcome(Fate::NotRun { why: "no server".into() }),
        ];
        assert_eq!(counts(&more), "0 killed, 0 survived, 0 stale, 1 not compiled, 1 not run");
    }

    #[test]
    fn every_other_end_than_the_expected_one_says_what_to_do() {
        assert_eq!(advice(&mutation(), &outcome(killed(true))), None);
        for fate in [
            killed(false),
            Fate::Survived,
            Fate::Stale { why: "gone".into() },
            Fate::Uncompilable { why: "E0425".into() },
            Fate::NotRun { why: "no server".into() },
        ] {
            let text = advice(&mutation(), &outcome(fate)).unwrap();
            assert!(text.contains("It happens.") && text.contains("to do:"), "{text}");
            assert!(text.ends_with("cargo xtask mutate --only a"), "{text}");
        }
    }

    #[test]
    fn the_report_says_who_killed_what() {
        let value = serde_json::to_value(outcome(killed(true))).unwrap();
        assert_eq!((&value["fate"], &value["by"][0]), (&"killed".into(), &"cache.get.1".into()));
        assert!(serde_json::to_value(outcome(Fate::Survived)).is_ok());
        let value = serde_json::to_value(outcome(Fate::Stale { why: "gone".into() })).unwrap();
        assert_eq!((&value["fate"], &value["why"]), (&"stale".into(), &"gone".into()));
    }
}
