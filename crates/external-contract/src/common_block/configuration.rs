//! Point 10: configuration is checked when the provider is built, and building does nothing else.

use std::time::Duration;

use external_core::{Error, ErrorKind, Provider};
use toml::Value;

use crate::{Case, Clause, Finding, Verdict, clause, ensure, ensure_error};

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!("common.10.1", "An unknown field is `Configuration` and named.", |case: S| {
            let mut table = case.configuration()?;
            table.insert("no_such_field".to_owned(), Value::Boolean(true));
            named(case.build(&table), "an unknown field", "no_such_field")?;
        })
        .of_provider()
        .needs_configuration(),
        clause!(
            "common.10.2",
            "A field that is missing is `Configuration` and named, unless it may be left out.",
            |case: S| {
                let table = case.configuration()?;
                for field in table.keys() {
                    let mut without = table.clone();
                    without.remove(field);
                    let result = case.build(&without);
                    if result.is_err() {
                        named(result, &format!("leaving out `{field}`"), field)?;
                    }
                }
            }
        )
        .of_provider()
        .needs_configuration(),
        clause!("common.10.3", "A field of the wrong type is `Configuration` and named.", |case: S| {
            let table = case.configuration()?;
            for field in table.keys() {
                let mut wrong = table.clone();
                wrong.insert(field.clone(), Value::Array(vec![Value::Array(Vec::new())]));
                named(case.build(&wrong), &format!("a list of lists as `{field}`"), field)?;
            }
        })
        .of_provider()
        .needs_configuration(),
        clause!("common.10.4", "Building does no I/O: no connection, no file.", |case: S| {
            let before = listed(case)?;
            case.fresh()?;
            if case.has_proxy() {
                let proxied = case.proxied().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                let seen = proxied.proxy.connections();
                ensure(seen == 0, "no connection after building", format!("{seen} connections"))?;
            }
            let after = listed(case)?;
            ensure(before == after, format!("no file but {before:?}"), format!("{after:?}"))?;
        }),
        clause!("common.10.5", "Building succeeds where nobody listens.", |case: S| {
            case.missing()?;
        })
        .needs_missing(),
        clause!(
            "common.10.6",
            "The JSON Schema is an object and describes every field of the configuration.",
            |case: S| {
                let schema = case.schema()?;
                let schema: serde_json::Value = serde_json::from_str(&schema)
                    .map_err(|error| Finding::failed("a JSON Schema", error.to_string()))?;
                for field in case.configuration()?.keys() {
                    let described =
                        schema.get("properties").is_some_and(|fields| fields.get(field).is_some());
                    ensure(described, format!("`{field}` in the schema's properties"), "it is not there")?;
                }
            }
        )
        .of_provider()
        .needs_configuration(),
    ]
}

fn named<T>(result: Result<T, Error>, what: &str, field: &str) -> Verdict {
    let error = ensure_error(what, result, ErrorKind::Configuration)?;
    let told = error.report();
    ensure(told.contains(field), format!("an error that names `{field}`"), told)
}

/// What lies in the case's folder.
fn listed<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Result<Vec<String>, Finding> {
    let entries = std::fs::read_dir(case.scratch())
        .map_err(|error| Finding::not_run(format!("no scratch folder: {error}")))?;
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
