//! The messages of graphql-transport-ws, and what its close codes mean.
//!
//! <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>

use std::borrow::Cow;

use bytes::Bytes;
use external_core::{Effect, Error, ErrorKind, Retry};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::GraphqlError;
use super::super::error::{Stage, error_of};

/// The subprotocol's name.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";

/// One subscription has a connection of its own, so any id will do.
const ID: &str = "1";

pub(super) const PING: &str = r#"{"type":"ping"}"#;
pub(super) const PONG: &str = r#"{"type":"pong"}"#;

/// Opens the connection within the socket.
pub(super) fn init(payload: Option<&Value>) -> String {
    match payload {
        Some(payload) => format!(r#"{{"type":"connection_init","payload":{payload}}}"#),
        None => r#"{"type":"connection_init"}"#.to_owned(),
    }
}

/// Subscribes with a request's parameters, which are JSON.
pub(super) fn subscribe(parameters: &str) -> String {
    format!(r#"{{"id":"{ID}","type":"subscribe","payload":{parameters}}}"#)
}

/// Ends the subscription.
pub(super) fn complete() -> String {
    format!(r#"{{"id":"{ID}","type":"complete"}}"#)
}

/// What a server says.
#[derive(Debug)]
pub(super) enum Said {
    Ack,
    Ping,
    Pong,
    /// An event: a reply as JSON.
    Next(Bytes),
    /// The operation was refused, or broke off.
    Failed(Error),
    Complete,
    /// It is about an operation that is over, or none of ours.
    Other,
    /// It is no message of the protocol.
    Invalid,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Said {
    /// Reads a message, which is text.
    pub(super) fn read(text: &Bytes) -> Self {
        let Ok(Message { kind, id, payload }) = serde_json::from_slice(text) else {
            return Self::Invalid;
        };
        match (&*kind, id.as_deref(), payload) {
            ("connection_ack", ..) => Self::Ack,
            ("ping", ..) => Self::Ping,
            ("pong", ..) => Self::Pong,
            ("next" | "error" | "complete", Some(id), _) if id != ID => Self::Other,
            ("next", Some(_), Some(payload)) => Self::Next(text.slice_ref(payload.get().as_bytes())),
            ("error", Some(_), Some(payload)) => {
                match serde_json::from_str::<Vec<GraphqlError>>(payload.get()) {
                    Ok(errors) => Self::Failed(error_of(errors, Stage::Refused, None)),
                    Err(_) => Self::Invalid,
                }
            }
            ("complete", Some(_), _) => Self::Complete,
            _ => Self::Invalid,
        }
    }
}

/// Why a socket was closed.
pub(super) fn closed(code: u16) -> Error {
    let (kind, retry, says) = match code {
        // https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
        4400 => {
            (ErrorKind::InvalidArgument, Retry::Never, "the server took a message for none of the protocol")
        }
        4401 => (ErrorKind::Unauthenticated, Retry::Never, "the server wants other credentials"),
        4403 => (ErrorKind::PermissionDenied, Retry::Never, "this is not allowed to these credentials"),
        4406 => (ErrorKind::Unsupported, Retry::Never, "the server does not speak graphql-transport-ws"),
        4408 => (ErrorKind::Timeout, Retry::Backoff, "the server did not see our beginning in time"),
        4409 => (ErrorKind::Conflict, Retry::Never, "the server took the subscription for another one"),
        4429 => (ErrorKind::Unexpected, Retry::Never, "the server saw two beginnings"),
        // RFC 6455, 7.4.1, and the registry of close codes.
        1008 => (ErrorKind::PermissionDenied, Retry::Never, "the server's policy is against it"),
        1009 => (ErrorKind::PayloadTooLarge, Retry::Never, "the server found a message too large"),
        1002 | 1003 | 1007 | 1010 => {
            (ErrorKind::Unexpected, Retry::Never, "the server did not understand us")
        }
        _ => (ErrorKind::Unavailable, Retry::Backoff, "the server closed the connection"),
    };
    Error::new(kind, says)
        .with_effect(Effect::MaybeApplied)
        .with_retry(retry)
        .with_vendor_code(code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Said {
        Said::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn messages_are_told_apart() {
        for (text, expected) in [
            (r#"{"type": "connection_ack", "payload": {"a": 1}}"#, "Ack"),
            (r#"{"type": "ping", "payload": null}"#, "Ping"),
            (r#"{"type": "pong"}"#, "Pong"),
            (r#"{"id": "1", "type": "next", "payload": {"data": {"a": "\u00e9"}}}"#, "Next"),
            (r#"{"payload": [{"message": "m"}], "id": "1", "type": "error"}"#, "Failed"),
            (r#"{"id": "1", "type": "complete"}"#, "Complete"),
            (r#"{"id": "2", "type": "next", "payload": {}}"#, "Other"),
            (r#"{"id": "2", "type": "complete"}"#, "Other"),
            (r#"{"type": "next", "payload": {}}"#, "Invalid"),
            (r#"{"id": "1", "type": "next"}"#, "Invalid"),
            (r#"{"id": "1", "type": "error", "payload": {"message": "m"}}"#, "Invalid"),
            (r#"{"id": 1, "type": "complete"}"#, "Invalid"),
            (r#"{"type": "ka"}"#, "Invalid"),
            (r#"{"type": 7}"#, "Invalid"),
            ("[]", "Invalid"),
            ("", "Invalid"),
        ] {
            let said = format!("{:?}", read(text));
            assert!(said.starts_with(expected), "{text}: {said}");
        }
        let Said::Next(payload) = read(r#"{"type":"next","id":"1","payload": {"data": {"a": 1}} }"#) else {
            panic!("no event");
        };
        assert_eq!(payload, r#"{"data": {"a": 1}}"#);
    }

    #[test]
    fn what_we_say_is_json_of_the_protocol() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&init(None))["type"], "connection_init");
        assert_eq!(parsed(&init(Some(&Value::from("t"))))["payload"], "t");
        let subscribe = parsed(&subscribe(r#"{"query":"{ a }"}"#));
        assert_eq!(
            (&subscribe["type"], &subscribe["payload"]["query"]),
            (&"subscribe".into(), &"{ a }".into())
        );
        assert_eq!(parsed(&complete())["id"], subscribe["id"]);
        assert_eq!(
            (parsed(PING)["type"].as_str(), parsed(PONG)["type"].as_str()),
            (Some("ping"), Some("pong"))
        );
    }

    #[test]
    fn close_codes_say_whether_another_try_is_of_use() {
        for (code, kind, is_final) in [
            (1000, ErrorKind::Unavailable, false),
            (1001, ErrorKind::Unavailable, false),
            (1011, ErrorKind::Unavailable, false),
            (4400, ErrorKind::InvalidArgument, true),
            (4401, ErrorKind::Unauthenticated, true),
            (4403, ErrorKind::PermissionDenied, true),
            (4406, ErrorKind::Unsupported, true),
            (4408, ErrorKind::Timeout, false),
            (4409, ErrorKind::Conflict, true),
            (4429, ErrorKind::Unexpected, true),
            (4500, ErrorKind::Unavailable, false),
        ] {
            let error = closed(code);
            assert_eq!((error.kind(), error.retry() == Retry::Never), (kind, is_final), "{code}");
            assert_eq!(error.vendor_code(), Some(code.to_string().as_str()));
        }
    }
}
