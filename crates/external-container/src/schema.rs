//! The JSON Schema of a whole configuration file, put together from the schemas of the domains and their providers.

use std::collections::BTreeSet;
use std::sync::Arc;

use external_core::build::TlsSettings;
use external_resilience::PolicySettings;
use serde_json::{Map, Value, json};

use crate::domain::AnyDomain;

type Object = Map<String, Value>;

/// Draft 2020-12, over several lines.
pub(crate) fn schema(domains: &[Arc<dyn AnyDomain>], own: &BTreeSet<String>) -> String {
    let mut shared = Object::new();
    let mut properties = Object::new();
    properties.insert(
        "mode".into(),
        json!({
            "description": "Development mode fills what is missing with embedded providers.",
            "enum": ["production", "development"],
            "default": "production",
        }),
    );
    share(&mut shared, "tls", &schemars::schema_for!(TlsSettings).to_value().to_string());
    properties.insert("tls".into(), reference("tls"));
    share(&mut shared, "resilience", &PolicySettings::schema());
    for table in own {
        properties.insert(table.clone(), json!({ "description": "The service's own." }));
    }
    for domain in domains {
        properties.insert(domain.name().into(), instances(domain.as_ref(), &mut shared));
    }
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of external systems",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": shared,
    });
    format!("{whole:#}")
}

/// The tables of a domain: any number of instances, each checked by what its provider takes.
fn instances(domain: &dyn AnyDomain, shared: &mut Object) -> Value {
    let client = format!("{}.client", domain.name());
    share(shared, &client, &domain.settings_schema());
    let mut choices = Vec::new();
    let mut ids = Vec::new();
    for row in domain.rows() {
        let name = format!("{}.{}", domain.name(), row.id);
        share(shared, &name, &(row.schema)());
        if let Some(Value::Object(provider)) = shared.get_mut(&name) {
            add_common(provider, domain, row.id, &client);
        }
        choices.push(json!({
            "if": { "properties": { "provider": { "const": row.id } }, "required": ["provider"] },
            "then": reference(&name),
        }));
        ids.push(row.id);
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "patternProperties": {
            "^[a-z][a-z0-9_]*$": {
                "type": "object",
                "properties": { "provider": { "enum": ids } },
                "allOf": choices,
            },
        },
    })
}

/// A provider's schema takes no fields but its own: those that every instance has must be among them.
fn add_common(provider: &mut Object, domain: &dyn AnyDomain, id: &str, client: &str) {
    let capabilities: Vec<&str> = domain.capabilities().iter().map(|(id, _)| *id).collect();
    let common = [
        ("provider", json!({ "description": "The name of the provider.", "const": id })),
        (
            "requires",
            json!({
                "description": "Start-up fails if the provider lacks one of these.",
                "type": "array",
                "items": { "enum": capabilities },
            }),
        ),
        ("client", reference(client)),
        ("resilience", reference("resilience")),
    ];
    let properties = provider.entry("properties").or_insert_with(|| Value::Object(Object::new()));
    if let Value::Object(properties) = properties {
        properties.extend(common.map(|(name, schema)| (name.to_owned(), schema)));
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// Puts a schema among the shared ones. Definitions of its own move up beside it, under its name, so that two
/// schemas may each have a `Secret`.
fn share(shared: &mut Object, name: &str, text: &str) {
    // A provider from outside may hand over anything; what is no schema says nothing about its fields.
    let mut schema = serde_json::from_str(text).unwrap_or_else(|_| json!({ "type": "object" }));
    redirect(&mut schema, name);
    if let Value::Object(object) = &mut schema {
        object.remove("$schema");
        if let Some(Value::Object(inner)) = object.remove("$defs") {
            shared.extend(inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
        }
    }
    shared.insert(name.to_owned(), schema);
}

/// `#/$defs/Secret` becomes `#/$defs/storage.s3.Secret`.
fn redirect(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(inner) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{name}.{inner}");
                        } else if target == "#" {
                            *target = format!("#/$defs/{name}");
                        }
                    }
                    value => redirect(value, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, name)),
        _ => {}
    }
}
