//! An author of a provider describes its configuration: a secret by reference, and TLS settings.
//!
//! features: schema
//! beside: schemars, serde, serde_json
//!
//! ```text
//! password, tls, url
//! url is required: true
//! ```

use external_core::Secret;
use external_core::build::TlsSettings;
use schemars::JsonSchema;

/// What a provider is configured with.
#[derive(JsonSchema, serde::Deserialize)]
#[expect(dead_code, reason = "its schema is looked at, not its values")]
struct PrinterConfig {
    url: String,
    password: Option<Secret>,
    #[serde(default)]
    tls: TlsSettings,
}

fn main() {
    let schema = serde_json::to_value(schemars::schema_for!(PrinterConfig)).expect("a schema is JSON");
    let fields = schema["properties"].as_object().expect("a table has fields");
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    println!("{}", names.join(", "));
    println!(
        "url is required: {}",
        schema["required"].as_array().is_some_and(|all| all.contains(&"url".into()))
    );
}
