//! What Redis answers, and what it means: one table.

use ::redis::{ErrorKind as RedisKind, RedisError, ServerError};
use external_core::{Effect, Error, ErrorKind, Retry};

use super::bounded::Refusal;

/// What a connection is good for after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Keep,
    /// Make a new one for the next call: this one is broken, or the server has changed its role.
    Replace,
}

/// A row: what an error code means.
struct Row {
    code: &'static str,
    kind: ErrorKind,
    retry: Retry,
    connection: Connection,
    meaning: &'static str,
}

const fn row(
    code: &'static str,
    kind: ErrorKind,
    retry: Retry,
    connection: Connection,
    meaning: &'static str,
) -> Row {
    Row { code, kind, retry, connection, meaning }
}

/// Error codes that come before a command takes effect, so all of them are `NotApplied`.
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors>
#[rustfmt::skip]
const CODES: &[Row] = {
    use Connection::{Keep, Replace};
    use ErrorKind::{Conflict, Configuration, PermissionDenied, QuotaExhausted, Unauthenticated, Unavailable, Unsupported};
    use Retry::{Backoff, Never};
    &[
        row("WRONGTYPE",   Conflict,         Never,   Keep,    "the key holds something that is no plain value"),
        row("NOAUTH",      Unauthenticated,  Never,   Replace, "the server wants a login"),
        row("WRONGPASS",   Unauthenticated,  Never,   Replace, "wrong user or password, or a disabled user"),
        row("NOPERM",      PermissionDenied, Never,   Keep,    "the user may not do this with this key"),
        row("OOM",         QuotaExhausted,   Never,   Keep,    "the server is out of memory"),
        row("LOADING",     Unavailable,      Backoff, Keep,    "the server is loading its data"),
        row("BUSY",        Unavailable,      Backoff, Keep,    "a script keeps the server busy"),
        row("READONLY",    Unavailable,      Backoff, Replace, "the server is a replica: it takes no writes"),
        row("MASTERDOWN",  Unavailable,      Backoff, Keep,    "the replica has lost its master"),
        row("NOREPLICAS",  Unavailable,      Backoff, Keep,    "too few replicas to take a write"),
        row("MISCONF",     Unavailable,      Backoff, Keep,    "the server cannot save its data, so it takes no writes"),
        row("CLUSTERDOWN", Unavailable,      Backoff, Keep,    "the cluster is down"),
        row("TRYAGAIN",    Unavailable,      Backoff, Keep,    "the cluster is moving these keys"),
        row("MOVED",       Configuration,    Never,   Keep,    "the server is a node of a cluster, which is not spoken here"),
        row("ASK",         Configuration,    Never,   Keep,    "the server is a node of a cluster, which is not spoken here"),
        row("CROSSSLOT",   Configuration,    Never,   Keep,    "the server is a node of a cluster, which is not spoken here"),
        row("NOPROTO",     Unsupported,      Never,   Keep,    "the server does not speak RESP3"),
        row("NOSCRIPT",    Unavailable,      Backoff, Keep,    "the server has forgotten a script"),
    ]
};

/// The plain `ERR` has no code of its own: these beginnings of its text stand for one.
#[rustfmt::skip]
const TEXTS: &[Row] = {
    use Connection::{Keep, Replace};
    use ErrorKind::{Configuration, Conflict, Unauthenticated, Unavailable, Unsupported};
    use Retry::{Backoff, Never};
    &[
        row("value is not an integer",          Conflict,        Never,   Keep,    "the value is no counter: not a decimal integer of 64 bits"),
        row("increment or decrement would",     Conflict,        Never,   Keep,    "the counter would leave the range of 64 bits"),
        row("max number of clients",            Unavailable,     Backoff, Replace, "the server has no connection to spare"),
        row("DB index is out of range",         Configuration,   Never,   Replace, "the server has no database of this number"),
        row("invalid DB index",                 Configuration,   Never,   Replace, "the server has no database of this number"),
        row("AUTH",                             Unauthenticated, Never,   Replace, "the server wants no password, or another kind of login"),
        row("Client sent AUTH",                 Unauthenticated, Never,   Replace, "the server wants no password"),
        row("invalid password",                 Unauthenticated, Never,   Replace, "wrong password"),
        row("unknown command",                  Unsupported,     Never,   Keep,    "the server does not know this command, or hides it"),
    ]
};

/// An error that the server answered. Its text is not repeated: it may quote arguments.
pub(super) fn answered(error: &ServerError) -> (Error, Connection) {
    let code = error.code();
    let text = error.details().unwrap_or_default();
    let found = match code {
        "ERR" => TEXTS.iter().find(|row| text.starts_with(row.code)),
        _ => CODES.iter().find(|row| row.code == code),
    };
    match found {
        Some(row) => {
            let error = Error::new(row.kind, row.meaning)
                .with_effect(Effect::NotApplied)
                .with_retry(row.retry)
                .with_vendor_code(code);
            (error, row.connection)
        }
        // Perhaps a proxy's own: nobody knows what became of the command behind it.
        None => {
            (Error::unexpected("the server refused the command").with_vendor_code(code), Connection::Keep)
        }
    }
}

/// An error on the way: the command left, and no answer to it came back.
pub(super) fn on_the_way(error: RedisError) -> Error {
    match (error.kind(), Refusal::of(&error)) {
        (_, Some(Refusal::TooLarge(_))) => Error::payload_too_large(
            "the answer is larger than this cache takes: ask for less at a time, or raise the setting",
        )
        .with_effect(Effect::MaybeApplied)
        .with_context("setting", "max_answer_bytes")
        .with_source(error),
        (_, Some(Refusal::EndlessLine | Refusal::NotAsked)) => malformed().with_source(error),
        (RedisKind::Io, None) => {
            Error::unavailable("the connection ended before the answer").with_source(error)
        }
        // Its text may quote the answer.
        (_, None) => malformed(),
    }
}

/// An answer that is no answer to what was asked.
pub(super) fn malformed() -> Error {
    Error::corrupt("the server's answer cannot be understood")
}

#[cfg(test)]
mod tests {
    use ::redis::Value;

    use super::*;

    fn server_error(line: &str) -> ServerError {
        match ::redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_code_has_its_meaning() {
        use ErrorKind::*;
        for (line, kind, retry) in [
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Conflict, Retry::Never),
            ("NOAUTH Authentication required.", Unauthenticated, Retry::Never),
            ("WRONGPASS invalid username-password pair or user is disabled.", Unauthenticated, Retry::Never),
            ("NOPERM this user has no permissions to run the 'set' command", PermissionDenied, Retry::Never),
            ("OOM command not allowed when used memory > 'maxmemory'.", QuotaExhausted, Retry::Never),
            ("LOADING Redis is loading the dataset in memory", Unavailable, Retry::Backoff),
            ("BUSY Redis is busy running a script.", Unavailable, Retry::Backoff),
            ("READONLY You can't write against a read only replica.", Unavailable, Retry::Backoff),
            ("MASTERDOWN Link with MASTER is down", Unavailable, Retry::Backoff),
            ("CLUSTERDOWN Hash slot not served", Unavailable, Retry::Backoff),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable, Retry::Backoff),
            ("MOVED 866 127.0.0.1:7002", Configuration, Retry::Never),
            ("NOSCRIPT No matching script.", Unavailable, Retry::Backoff),
            ("ERR value is not an integer or out of range", Conflict, Retry::Never),
            ("ERR increment or decrement would overflow", Conflict, Retry::Never),
            ("ERR max number of clients reached", Unavailable, Retry::Backoff),
            ("ERR DB index is out of range", Configuration, Retry::Never),
            ("ERR unknown command 'PEXPIRE'", Unsupported, Retry::Never),
        ] {
            let (error, _) = answered(&server_error(line));
            assert_eq!(
                (error.kind(), error.retry(), error.effect()),
                (kind, retry, Effect::NotApplied),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_unknown_may_have_been_applied_and_is_not_quoted() {
        let (error, _) = answered(&server_error("ERR something about 'canary'"));
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unexpected, Effect::MaybeApplied));
        assert!(!error.report().contains("canary"));
        assert_eq!(error.vendor_code(), Some("ERR"));
    }

    #[test]
    fn a_replica_and_a_failed_login_end_the_connection() {
        for line in ["READONLY x", "NOAUTH x", "WRONGPASS x", "ERR max number of clients reached"] {
            assert_eq!(answered(&server_error(line)).1, Connection::Replace, "{line}");
        }
    }
}
