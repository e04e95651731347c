//! What is asked: a document, the variables for it, and what repeating it would do.

use std::fmt;

use external_core::{CallContext, CallOptions, Error, Result};
use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{Kind, kind};
use super::upload::{Upload, place_for};
use crate::wire::header;

/// The largest answer where nobody says otherwise.
const BODY_LIMIT: u64 = 16 << 20;

/// One operation of a document, with its variables.
///
/// ```
/// use external_api::graphql::GraphqlRequest;
///
/// let request = GraphqlRequest::new("query User($id: ID!) { user(id: $id) { name } }")
///     .with_operation("User")
///     .with_variable("id", 7)?;
/// assert_eq!(request.variables["id"], 7);
/// # Ok::<(), external_api::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct GraphqlRequest {
    /// The document: one operation or several, and their fragments.
    pub document: String,
    /// Which of the document's operations is meant. Default: the only one.
    pub operation_name: Option<String>,
    /// The variables, by name.
    pub variables: Map<String, Value>,
    /// What the server understands beside GraphQL.
    pub extensions: Map<String, Value>,
    /// Header fields.
    pub headers: HeaderMap,
    /// The files that variables stand for, by the path of the variable.
    pub(super) uploads: Vec<(String, Upload)>,
    /// Sent as `Idempotency-Key` with a mutation. It says that the server takes two requests with the same key for one:
    /// whoever sets it knows that the server does.
    pub idempotency_key: Option<String>,
    /// The most bytes of an answer, or of one event of a subscription. Default 16 MiB.
    pub body_limit: u64,
    /// What every call has.
    pub call: CallOptions,
}

external_core::call_options!(GraphqlRequest);

impl GraphqlRequest {
    /// A request without variables.
    #[must_use]
    pub fn new(document: impl Into<String>) -> Self {
        Self {
            document: document.into(),
            operation_name: None,
            variables: Map::new(),
            extensions: Map::new(),
            headers: HeaderMap::new(),
            uploads: Vec::new(),
            idempotency_key: None,
            body_limit: BODY_LIMIT,
            call: CallOptions::new(),
        }
    }

    /// Refuses what must not be repeated, where it would be.
    pub(super) fn changes_nothing(&self) -> Result<()> {
        // Most documents do not have the word at all.
        let may_be = self.document.contains("mutation");
        if may_be && kind(&self.document, self.operation_name.as_deref()) == Some(Kind::Mutation) {
            return Err(Error::invalid_argument("the operation is a mutation: `mutate` makes it"));
        }
        Ok(())
    }

    /// Says which of the document's operations is meant.
    #[must_use]
    pub fn with_operation(mut self, name: impl Into<String>) -> Self {
        self.operation_name = Some(name.into());
        self
    }

    /// Sets all variables: a struct or a map.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no object in JSON.
    pub fn with_variables(mut self, variables: impl Serialize) -> Result<Self> {
        match json(variables)? {
            Value::Object(variables) => self.variables = variables,
            _ => return Err(Error::invalid_argument("variables are a struct or a map")),
        }
        Ok(self)
    }

    /// Sets one variable.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what JSON cannot hold.
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Serialize) -> Result<Self> {
        self.variables.insert(name.into(), json(value)?);
        Ok(self)
    }

    /// Sends a file in the place of a variable, by the multipart request specification: `file` is a variable, `input.files.0`
    /// a place in one. A request with files is a mutation, and goes over HTTP.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a path that leads through something other than objects and lists.
    pub fn with_upload(mut self, path: &str, upload: Upload) -> Result<Self> {
        *place_for(&mut self.variables, path)? = Value::Null;
        self.uploads.push((path.to_owned(), upload));
        Ok(self)
    }

    /// Sets one of the extensions.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what JSON cannot hold.
    pub fn with_extension(mut self, name: impl Into<String>, value: impl Serialize) -> Result<Self> {
        self.extensions.insert(name.into(), json(value)?);
        Ok(self)
    }

    /// Sets a header field.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name or a value that no header field may have.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sends a key under which the server takes this mutation but once.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Reads so many bytes of an answer, or of an event, at most.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: u64) -> Self {
        self.body_limit = bytes;
        self
    }

    /// The context of one call with this request.
    pub(super) fn context(&self) -> CallContext {
        CallContext::new(&self.call).with_idempotency_key(self.idempotency_key.as_deref())
    }

    /// The parameters of the request, as JSON. Without a document where a hash stands for it.
    pub(super) fn parameters(&self, document: bool, extensions: &Map<String, Value>) -> Result<String> {
        let parameters = Parameters {
            query: document.then_some(self.document.as_str()),
            operation_name: self.operation_name.as_deref(),
            variables: &self.variables,
            extensions,
        };
        serde_json::to_string(&parameters).map_err(unusable)
    }
}

impl fmt::Debug for GraphqlRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlRequest")
            .field("operation_name", &self.operation_name)
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("uploads", &self.uploads.len())
            .finish_non_exhaustive()
    }
}

/// <https://graphql.github.io/graphql-over-http/draft/#sec-Request-Parameters>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    variables: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extensions: &'a Map<String, Value>,
}

fn json(value: impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(unusable)
}

/// What the library says may hold a value.
fn unusable(_: serde_json::Error) -> Error {
    Error::invalid_argument("a value that JSON cannot hold")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_not_sent() {
        let bare = GraphqlRequest::new("{ a }");
        assert_eq!(bare.parameters(true, &bare.extensions).unwrap(), r#"{"query":"{ a }"}"#);
        let full = bare.with_operation("A").with_variable("x", 1).unwrap().with_extension("e", true).unwrap();
        let sent: Value = serde_json::from_str(&full.parameters(true, &full.extensions).unwrap()).unwrap();
        assert_eq!(
            sent,
            json!({"query": "{ a }", "operationName": "A", "variables": {"x": 1}, "extensions": {"e": true}})
        );
    }

    #[test]
    fn variables_are_an_object() {
        #[derive(Serialize)]
        struct Variables {
            id: u32,
        }
        let request = GraphqlRequest::new("{ a }");
        assert_eq!(request.clone().with_variables(Variables { id: 7 }).unwrap().variables["id"], 7);
        assert!(request.clone().with_variables([1, 2]).is_err());
        assert!(request.with_variables("text").is_err());
    }

    #[test]
    fn nothing_that_was_asked_is_shown() {
        let request = GraphqlRequest::new("{ secret }").with_variable("password", "s3cret").unwrap();
        let shown = format!("{request:?}");
        assert!(shown.contains("password") && !shown.contains("s3cret") && !shown.contains("{ secret }"));
    }
}
