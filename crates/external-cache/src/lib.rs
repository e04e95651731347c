//! Caching through one client: typed values, single-flight loading, locks with fencing.
#![forbid(unsafe_code)]

pub mod providers;

fn schema_of<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).as_value().to_string()
}
