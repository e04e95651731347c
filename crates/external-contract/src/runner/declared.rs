//! What every provider declares, as JSON: the support matrix is made of it.

use std::io::Write;
use std::process::ExitCode;

use external_core::{Capability, Provider};
use serde_json::{Value, json};

use crate::{Harness, Suite};

/// Writes the declarations to a file, or to standard output.
pub(super) fn write<S: ?Sized + Provider + 'static>(
    suite: &Suite<S>,
    harnesses: &[Harness<S>],
    file: Option<&str>,
) -> ExitCode {
    let rows: Vec<_> = harnesses.iter().map(|harness| declared(suite, harness)).collect();
    let text = format!("{:#}\n", Value::Array(rows));
    let written = match file {
        Some(path) => std::fs::write(path, text),
        None => std::io::stdout().write_all(text.as_bytes()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot write the capabilities: {error}");
            ExitCode::FAILURE
        }
    }
}

fn declared<S: ?Sized + Provider + 'static>(suite: &Suite<S>, harness: &Harness<S>) -> Value {
    let mut row = json!({
        "domain": suite.domain,
        "provider": harness.provider,
        "kind": harness.kind.as_str(),
        "target": harness.target,
        "lane": harness.lane.as_str(),
    });
    // Clients of some protocols want a runtime to be built in, though they do nothing there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _entered = runtime.as_ref().ok().map(tokio::runtime::Runtime::enter);
    match harness.declared() {
        Ok(service) => {
            let capabilities: Vec<_> =
                suite.capabilities.iter().map(|(id, _)| graded(suite, &*service, id)).collect();
            let limits = service.info().capabilities().limits();
            row["capabilities"] = Value::Array(capabilities);
            row["limits"] = limits.map(|(id, limit)| (id.to_owned(), json!(limit))).collect();
        }
        Err(why) => row["unknown"] = json!(why),
    }
    row
}

fn graded<S: ?Sized + Provider + 'static>(suite: &Suite<S>, service: &S, id: &str) -> Value {
    let grade = match suite.supports {
        Some(supports) => supports(service, id),
        None => service.info().capabilities().grade(id),
    };
    let caveat = match grade {
        Capability::Emulated(caveat) => Some(caveat),
        _ => None,
    };
    json!({ "id": id, "grade": grade.as_str(), "caveat": caveat })
}
