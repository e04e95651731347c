//! The report of `bench --report FILE`, read from the programs and written for later runs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Result};

/// `{"benches": [...]}`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// One entry a case.
    pub benches: Vec<Bench>,
}

/// One case.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Which kind of system.
    pub domain: String,
    /// What was done.
    pub name: String,
    /// Ours, in the unit.
    pub ours: f64,
    /// Where it ends in `/s` more is better, else less is.
    pub unit: String,
    /// The others.
    pub peers: Vec<Peer>,
}

/// Another way to do the same.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The library, and how it was used where that matters.
    pub name: String,
    /// In the unit of the case.
    pub value: f64,
    /// Above 1 ours is better, whatever the unit.
    pub ratio: f64,
    /// Between which two the ratio is, with a confidence of 95 %: the programs tell it, and the report of a run does not.
    #[serde(default, skip_serializing)]
    pub range: Option<[f64; 2]>,
}

impl Report {
    /// Reads what a program wrote.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).context(format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).context(format!("cannot read {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_agreed_fields_and_no_others() {
        let text = r#"{"benches":[{"domain":"cache","name":"get","ours":2.0,"unit":"gets/s","peers":[{"name":"other","value":1.0,"ratio":2.0}]}]}"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&report).unwrap(), text);
        let with_range = text.replace("\"ratio\":2.0", "\"ratio\":2.0,\"range\":[1.9,2.1]");
        let report: Report = serde_json::from_str(&with_range).unwrap();
        assert_eq!(report.benches[0].peers[0].range, Some([1.9, 2.1]));
        assert_eq!(serde_json::to_string(&report).unwrap(), text);
        assert!(serde_json::from_str::<Report>(&text.replace("\"ratio\"", "\"factor\"")).is_err());
    }
}
