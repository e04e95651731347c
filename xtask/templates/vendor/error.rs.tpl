//! One table: what a refusal of {{Name}} means.
//!
//! | status | {{Name}} says | kind | effect | retry |
//! |---|---|---|---|---|
//! | any from 400 | | as for every transport of HTTP | | |
//! | below 400 | what it never says there | `Corrupt` | `MaybeApplied` | never |

use std::time::SystemTime;

use external_core::http::HttpResponse;
use external_core::{Effect, Error, Retry};
use external_http::refusal;

/// The error of an answer that is none of those that were wanted. What the vendor says beside the status (a code, a field)
/// is read from the body here, and becomes a row of the table.
pub(super) async fn refused(answer: HttpResponse, now: SystemTime) -> Error {
    let status = answer.status;
    if status.as_u16() >= 400 {
        return refusal(status, &answer.headers, now);
    }
    Error::corrupt("the answer is none of {{Name}}'s")
        .with_effect(Effect::MaybeApplied)
        .with_retry(Retry::Never)
        .with_http_status(status.as_u16())
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
