//! Errors as servers tell them, and what they mean: one table for the codes of Apollo, Hasura, GitHub, Shopify and others.

use std::fmt;
use std::time::Duration;

use external_core::{Effect, Error, ErrorKind, Retry};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::shown;

/// One entry of an answer's `errors`.
///
/// What it says may repeat what was sent, so that no [`Error`] shows it: [`errors_of`] hands it out. `Debug` shows code and
/// path alone.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct GraphqlError {
    /// What went wrong, for developers.
    pub message: String,
    /// The field of the answer that it is about; empty for the request as a whole.
    pub path: Vec<PathSegment>,
    /// Where it is in the document.
    pub locations: Vec<Location>,
    /// Whatever else the server tells, its `code` as a rule.
    pub extensions: Map<String, Value>,
    /// GitHub's `type`, which stands beside the message.
    named: Option<String>,
}

impl fmt::Debug for GraphqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlError")
            .field("code", &self.code().map(shown::code))
            .field("path", &path(self))
            .finish_non_exhaustive()
    }
}

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// The name of a field, or its alias.
    Field(String),
    /// A place in a list, counted from 0.
    Index(u64),
}

impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Index(index) => index.fmt(f),
        }
    }
}

/// A place in a document, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Location {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl GraphqlError {
    /// The server's code: `extensions.code` (Apollo, Hasura, Shopify), `extensions.errorType` (DGS),
    /// `extensions.classification` (Spring, graphql-java), or `type` beside the message (GitHub).
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let told = ["code", "errorType", "classification"];
        told.iter().find_map(|name| self.extensions.get(*name)?.as_str()).or(self.named.as_deref())
    }

    /// Whether it has this code, however it is spelled.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code().is_some_and(|told| folded(told) == folded(code))
    }

    fn meaning(&self) -> Option<Meaning> {
        let code = folded(self.code()?);
        CODES
            .iter()
            .find(|(names, _)| names.iter().any(|name| folded(name) == code))
            .map(|(_, meaning)| *meaning)
    }
}

/// The errors that the server told with an error of a call; none for one that GraphQL has no part in.
///
/// ```
/// use external_api::graphql::{GraphqlClient, GraphqlRequest, errors_of};
/// use external_api::external_http::{MemoryAnswer, MemoryHttp};
/// use external_api::{ErrorKind, HttpClient};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new().with_fallback(|_| {
///     MemoryAnswer::json(200, r#"{"errors": [{"message": "no more", "extensions": {"code": "FORBIDDEN"}}]}"#)
/// });
/// let api = GraphqlClient::over(HttpClient::over(double), "https://api.example.org/graphql")?;
/// let error = api.query::<serde_json::Value>(&GraphqlRequest::new("{ a }")).await.unwrap_err();
/// assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::PermissionDenied, Some("FORBIDDEN")));
/// assert_eq!(errors_of(&error)[0].message, "no more");
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[must_use]
pub fn errors_of(error: &Error) -> &[GraphqlError] {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Told>());
    source.map_or(&[], |told| &told.0)
}

/// How far the operation had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The answer has no `data`: the request was refused as a whole (GraphQL, 7.1.2: then it was not executed).
    Refused,
    /// The operation was executed, at least in part.
    Executed,
}

/// One error for all that the server told. `otherwise` is what the answer's status says, for codes that nobody knows.
pub(super) fn error_of(errors: Vec<GraphqlError>, stage: Stage, otherwise: Option<Error>) -> Error {
    let meant = errors.iter().find(|error| error.meaning().is_some()).or_else(|| errors.first());
    let meaning = meant.and_then(GraphqlError::meaning);
    let base = match (meaning, otherwise) {
        (Some(meaning), _) => {
            Error::new(meaning.kind, meaning.says).with_effect(meaning.effect).with_retry(meaning.retry)
        }
        (None, Some(status)) => status,
        (None, None) => Error::unexpected("the server told errors"),
    };
    // Of several fields some may have taken effect, whatever became of this one.
    let is_certain =
        stage == Stage::Refused && errors.iter().all(|error| error.meaning().is_none_or(Meaning::is_refusal));
    let base = if is_certain { base } else { base.with_effect(Effect::MaybeApplied) };
    let base = match meant.and_then(GraphqlError::code) {
        Some(code) => base.with_vendor_code(shown::code(code)),
        None => base,
    };
    let base = match meant.filter(|error| !error.path.is_empty()) {
        Some(error) => base.with_context("path", path(error)),
        None => base,
    };
    base.with_context("errors", errors.len()).with_source(Told(errors))
}

/// What a code means.
#[derive(Debug, Clone, Copy)]
struct Meaning {
    kind: ErrorKind,
    effect: Effect,
    retry: Retry,
    says: &'static str,
}

impl Meaning {
    const fn refused(kind: ErrorKind, says: &'static str) -> Self {
        Self { kind, effect: Effect::NotApplied, retry: kind.default_retry(), says }
    }

    const fn failed(kind: ErrorKind, says: &'static str) -> Self {
        Self { kind, effect: Effect::MaybeApplied, retry: kind.default_retry(), says }
    }

    fn is_refusal(self) -> bool {
        self.effect == Effect::NotApplied
    }
}

/// Codes that mean the same, and what.
///
/// - Apollo: <https://www.apollographql.com/docs/apollo-server/data/errors>
/// - Hasura: <https://github.com/hasura/graphql-engine/blob/master/server/src-lib/Hasura/Base/Error.hs>
/// - Shopify: <https://shopify.dev/docs/api/admin-graphql#status-and-error-codes>
/// - GitHub: types as in <https://github.com/octokit/graphql.js> and <https://github.com/renovatebot/renovate/issues/21861>
/// - DGS: <https://netflix.github.io/dgs/error-handling/>
/// - Spring and graphql-java: <https://docs.spring.io/spring-graphql/reference/request-execution.html>
const CODES: &[(&[&str], Meaning)] = &[
    (
        &[
            "UNAUTHENTICATED",
            // Hasura and Shopify answer this where HTTP has 401.
            "access-denied",
            // Spring: 401.
            "UNAUTHORIZED",
            "invalid-jwt",
            "jwt-invalid-claims",
            "jwt-missing-role-claims",
        ],
        Meaning::refused(ErrorKind::Unauthenticated, "the server wants other credentials"),
    ),
    (
        &["FORBIDDEN", "permission-denied", "permission-error", "INSUFFICIENT_SCOPES", "SHOP_INACTIVE"],
        Meaning::refused(ErrorKind::PermissionDenied, "this is not allowed to these credentials"),
    ),
    (
        &["NOT_FOUND", "not-exists"],
        Meaning::refused(ErrorKind::NotFound, "the server knows of no such thing"),
    ),
    (
        &[
            "GRAPHQL_PARSE_FAILED",
            "GRAPHQL_VALIDATION_FAILED",
            "BAD_USER_INPUT",
            "BAD_REQUEST",
            "OPERATION_RESOLUTION_FAILURE",
            "INTROSPECTION_DISABLED",
            "MAX_RECURSIVE_SELECTIONS_EXCEEDED",
            "MAX_COST_EXCEEDED",
            "validation-failed",
            "parse-failed",
            "invalid-json",
            "invalid-params",
            "invalid-headers",
            "coercion-error",
            "data-exception",
            "method-not-allowed",
            "InvalidSyntax",
            "ValidationError",
            "OperationNotSupported",
        ],
        Meaning::refused(ErrorKind::InvalidArgument, "the server refused the request"),
    ),
    (&["already-exists"], Meaning::refused(ErrorKind::AlreadyExists, "it exists already")),
    (
        &["CONFLICT", "constraint-violation", "constraint-error", "FAILED_PRECONDITION"],
        Meaning::refused(ErrorKind::Conflict, "a precondition failed"),
    ),
    (
        &["RATE_LIMITED", "RATE_LIMIT", "THROTTLED", "TOO_MANY_REQUESTS"],
        Meaning::refused(ErrorKind::RateLimited, "too many calls for now"),
    ),
    (&["not-supported"], Meaning::refused(ErrorKind::Unsupported, "the server does not support this")),
    (
        &["busy", "postgres-max-connections-error"],
        Meaning::refused(ErrorKind::Unavailable, "the server cannot serve now"),
    ),
    (
        &[
            "INTERNAL_SERVER_ERROR",
            "INTERNAL_ERROR",
            "INTERNAL",
            "UNAVAILABLE",
            "SERVICE_UNAVAILABLE",
            "unexpected",
        ],
        Meaning::failed(ErrorKind::Unavailable, "the server failed"),
    ),
    (
        &["TIMEOUT", "GATEWAY_TIMEOUT"],
        Meaning::failed(ErrorKind::Timeout, "the server had no answer in time"),
    ),
];

/// Without what spellings differ in: `permission-denied`, `PERMISSION_DENIED` and `PermissionDenied` are one.
fn folded(code: &str) -> String {
    code.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect()
}

fn path(error: &GraphqlError) -> String {
    let steps: Vec<String> = error.path.iter().take(20).map(PathSegment::to_string).collect();
    steps.join(".").chars().take(200).collect()
}

/// How long Shopify's bucket takes until it can pay for the query that was refused.
pub(super) fn throttled_for(extensions: &Map<String, Value>) -> Option<Duration> {
    // https://shopify.dev/docs/api/usage/limits
    let cost = extensions.get("cost")?;
    let status = cost.get("throttleStatus")?;
    let wanted = cost.get("requestedQueryCost")?.as_f64()? - status.get("currentlyAvailable")?.as_f64()?;
    let seconds = wanted.max(0.0) / status.get("restoreRate")?.as_f64().filter(|rate| *rate > 0.0)?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What the server told, as the source of an error: it shows nothing of it, since it may repeat what was sent.
struct Told(Vec<GraphqlError>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of GraphQL", if self.0.len() == 1 { "an error" } else { "errors" })
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0.len())
    }
}

impl std::error::Error for Told {}

/// Entries differ from server to server: what a field holds against the specification is left out, an entry that is no
/// object is none.
impl<'de> Deserialize<'de> for GraphqlError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let message = text("message").ok_or_else(|| de::Error::missing_field("message"))?;
        let named = text("type");
        let mut list = |name: &str| match fields.remove(name) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let path = list("path").into_iter().filter_map(segment).collect();
        let locations = list("locations").iter().filter_map(location).collect();
        let extensions = match fields.remove("extensions") {
            Some(Value::Object(extensions)) => extensions,
            _ => Map::new(),
        };
        Ok(Self { message, path, locations, extensions, named })
    }
}

fn segment(value: Value) -> Option<PathSegment> {
    match value {
        Value::String(name) => Some(PathSegment::Field(name)),
        Value::Number(number) => number.as_u64().map(PathSegment::Index),
        _ => None,
    }
}

fn location(value: &Value) -> Option<Location> {
    Some(Location { line: value.get("line")?.as_u64()?, column: value.get("column")?.as_u64()? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: Value) -> GraphqlError {
        serde_json::from_value(value).unwrap()
    }

    fn coded(code: &str) -> GraphqlError {
        told(json!({"message": "m", "extensions": {"code": code}}))
    }

    #[test]
    fn an_entry_is_read_whatever_stands_beside_its_message() {
        let entry = told(json!({
            "message": "no user", "type": "NOT_FOUND", "path": ["user", 3, "name", null, -1],
            "locations": [{"line": 2, "column": 5}, {"line": "x"}, 7], "extensions": [], "more": {}
        }));
        assert_eq!(entry.code(), Some("NOT_FOUND"));
        assert_eq!(path(&entry), "user.3.name");
        assert_eq!(entry.locations, [Location { line: 2, column: 5 }]);
        for none in [json!("text"), json!(null), json!({}), json!({"message": 7})] {
            assert!(serde_json::from_value::<GraphqlError>(none).is_err());
        }
    }

    #[test]
    fn codes_are_found_wherever_servers_put_them() {
        for (extensions, kind) in [
            (json!({"code": "UNAUTHENTICATED"}), ErrorKind::Unauthenticated),
            (json!({"code": "permission-denied"}), ErrorKind::PermissionDenied),
            (json!({"errorType": "PERMISSION_DENIED"}), ErrorKind::PermissionDenied),
            (json!({"classification": "ValidationError"}), ErrorKind::InvalidArgument),
            (json!({"code": "THROTTLED"}), ErrorKind::RateLimited),
            (json!({"code": "constraint-violation"}), ErrorKind::Conflict),
            (json!({"code": "whatever"}), ErrorKind::Unexpected),
            (json!({"code": 7}), ErrorKind::Unexpected),
        ] {
            let entry = told(json!({"message": "m", "extensions": extensions}));
            assert_eq!(error_of(vec![entry], Stage::Refused, None).kind(), kind, "{extensions}");
        }
    }

    #[test]
    fn the_effect_is_certain_only_where_nothing_was_executed() {
        for (codes, stage, effect) in [
            (&["FORBIDDEN"][..], Stage::Refused, Effect::NotApplied),
            (&["FORBIDDEN"], Stage::Executed, Effect::MaybeApplied),
            (&["INTERNAL_SERVER_ERROR"], Stage::Refused, Effect::MaybeApplied),
            (&["FORBIDDEN", "INTERNAL_SERVER_ERROR"], Stage::Refused, Effect::MaybeApplied),
            (&["no such code"], Stage::Refused, Effect::MaybeApplied),
        ] {
            let errors = codes.iter().map(|code| coded(code)).collect();
            assert_eq!(error_of(errors, stage, None).effect(), effect, "{codes:?} {stage:?}");
        }
    }

    #[test]
    fn a_code_comes_before_the_status_and_the_status_before_nothing() {
        let status = || Some(Error::not_found("404"));
        assert_eq!(
            error_of(vec![coded("FORBIDDEN")], Stage::Refused, status()).kind(),
            ErrorKind::PermissionDenied
        );
        assert_eq!(error_of(vec![coded("mine")], Stage::Refused, status()).kind(), ErrorKind::NotFound);
        assert_eq!(
            error_of(vec![coded("mine"), coded("NOT_FOUND")], Stage::Refused, None).vendor_code(),
            Some("NOT_FOUND")
        );
    }

    #[test]
    fn no_code_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for name in CODES.iter().flat_map(|(names, _)| names.iter()) {
            assert!(seen.insert(folded(name)), "{name}");
        }
    }

    #[test]
    fn messages_are_handed_out_and_not_shown() {
        let entry = told(json!({"message": "wrong: s3cret", "extensions": {"code": "s3cret\n<b>"}}));
        let error = error_of(vec![entry], Stage::Refused, None);
        assert_eq!(errors_of(&error)[0].message, "wrong: s3cret");
        let shown = format!("{} {error:?} {} {:?}", error, error.report(), errors_of(&error));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(errors_of(&Error::timeout("slow")).is_empty());
    }

    #[test]
    fn a_bucket_tells_when_it_can_pay() {
        let cost = |rate: f64| json!({"cost": {"requestedQueryCost": 752, "throttleStatus": {"currentlyAvailable": 702, "restoreRate": rate}}});
        let wait = |value: Value| throttled_for(value.as_object().unwrap());
        assert_eq!(wait(cost(50.0)), Some(Duration::from_secs(1)));
        assert_eq!(wait(cost(0.0)), None);
        assert_eq!(wait(json!({"cost": {"throttleStatus": null}})), None);
    }
}
