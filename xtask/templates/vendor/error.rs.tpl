//! One table: what a refusal of {{Name}} means.
//!
//! | status | {{Name}} says | kind | effect | retry |
//! |---|---|---|---|---|
//! | any from 400 | | as for every transport of HTTP | | |

use external_core::Error;
use external_http::vendor::Refused;

/// The error of a refusal. `error` is what the status says by itself; what the vendor says beside it (a code, a field) is
/// read with `refused.json()`, and becomes a row of the table.
pub(super) fn explained(error: Error, _refused: &Refused<'_>) -> Error {
    error
}

/// What a method answers until it is written: the next step, for whoever reads the contract suite's report. It goes
/// with its last use.
pub(super) fn not_written(method: &str, next: &str) -> Error {
    let file = "crates/external-{{domain}}/src/providers/{{id}}/mod.rs";
    // `contract-test` counts who waits for it by these words. Of this kind, since no breaker counts it and no retry hides it: the step is read in each failure.
    Error::configuration(format!("not written yet: write `{method}` in {file}: {next}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_to_go_on() {
        let error = not_written("probe", "ask something harmless");
        assert!(error.to_string().contains("providers/{{id}}/mod.rs: ask something harmless"));
    }
}
