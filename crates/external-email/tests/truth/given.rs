//! The arguments of a recorded call. Each is taken: what is left over is what nobody here knows.

use external_contract::truth::{Recording, skipped};
use external_contract::{Finding, Verdict};
use external_core::email::HeaderText;
use serde_json::{Map, Value};

/// What comes of looking into a recording.
pub(crate) type Found<T> = Result<T, Finding>;

/// Named arguments, of the call or of a part of it.
#[derive(Debug)]
pub(crate) struct Given {
    place: String,
    fields: Map<String, Value>,
}

impl Given {
    /// The arguments of the call. Some SDKs are given the body of the request as it is.
    pub(crate) fn of(recording: &Recording) -> Found<Self> {
        let arguments = recording.inputs.get("arguments").cloned().unwrap_or_default();
        let mut given = Self::new(String::new(), arguments)?;
        for name in ["request_body", "body", "data", "mail"] {
            if let Some(Value::Object(body)) = given.fields.get(name).cloned() {
                given.fields.remove(name);
                given.fields.extend(body);
            }
        }
        Ok(given)
    }

    pub(crate) fn new(place: String, value: Value) -> Found<Self> {
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            Value::Null => Ok(Self { place, fields: Map::new() }),
            _ => Err(skipped(format!("nobody here reads a `{place}` without names in it"))),
        }
    }

    /// What an argument of it is called.
    pub(crate) fn name(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// The first that there is, by one of its names.
    pub(crate) fn text_of(&mut self, names: &[&str]) -> Found<Option<String>> {
        for name in names {
            match self.take(name) {
                None => {}
                Some(Value::String(text)) => return Ok(Some(text)),
                Some(_) => return Err(skipped(format!("`{}` is no text", self.name(name)))),
            }
        }
        Ok(None)
    }

    pub(crate) fn text(&mut self, name: &str) -> Found<Option<String>> {
        self.text_of(&[name])
    }

    pub(crate) fn number(&mut self, name: &str) -> Found<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(skipped(format!("`{}` is no whole number", self.name(name)))),
        }
    }

    /// A switch, by itself or as `{"enable": true}`.
    pub(crate) fn switch(&mut self, name: &str) -> Found<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(is_on)) => Ok(Some(is_on)),
            Some(value) => {
                let mut inner = Self::new(self.name(name), value)?;
                let is_on = inner.take("enable").and_then(|value| value.as_bool());
                // What text is done to is read from the body: not every recording names it.
                inner.take("enable_text");
                inner.done()?;
                Ok(is_on)
            }
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Found<Self> {
        let value = self.take(name).unwrap_or_default();
        Self::new(self.name(name), value)
    }

    /// The members of a list; one thing is a list of it.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(all)) => all,
            Some(one) => vec![one],
        }
    }

    /// Its pairs of texts, in their order.
    pub(crate) fn pairs(&mut self, name: &str) -> Found<Vec<(String, String)>> {
        let mut inner = self.object(name)?;
        let names: Vec<String> = inner.fields.keys().cloned().collect();
        let mut pairs = Vec::new();
        for name in names {
            if let Some(text) = inner.text(&name)? {
                pairs.push((name, text));
            }
        }
        Ok(pairs)
    }

    /// That nothing was given beyond what was taken.
    pub(crate) fn done(self) -> Verdict {
        let says_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::Array(all) => all.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let left = self.fields.iter().filter(|(_, value)| !says_nothing(value));
        let left: Vec<_> = left.map(|(name, _)| format!("`{}`", self.name(name))).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(skipped(format!("neither the contract nor the provider has {}", left.join(", ")))),
        }
    }
}

/// What the contract holds of an argument, if it can.
pub(crate) fn held<T>(name: &str, parsed: external_core::Result<T>) -> Found<T> {
    parsed.map_err(|error| skipped(format!("the contract holds no such `{name}`: {}", error.report())))
}

/// A line of text, unchanged.
pub(crate) fn line(name: &str, text: &str) -> Found<HeaderText> {
    let line = held(name, HeaderText::parse(text))?;
    match line.as_str() == text {
        true => Ok(line),
        false => Err(skipped(format!("the contract drops the blanks at the ends of `{name}`"))),
    }
}
