//! One table: what a refusal of the server means. Every reply is an answer, so its effect is `NotApplied`: an answer other
//! than 2xx to any step means that the mail was not taken.

use external_core::{Effect, Error, ErrorKind, Retry};

use super::reply::Reply;

/// What the server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Hello,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    Content,
    Check,
}

impl Step {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "end of mail",
            Self::Check => "NOOP",
        }
    }
}

/// The error of a refusal.
pub(super) fn refused(step: Step, reply: &Reply) -> Error {
    let (kind, message) = kind(step, reply);
    let retry = match kind {
        ErrorKind::Unavailable | ErrorKind::RateLimited => Retry::Backoff,
        _ => Retry::Never,
    };
    let error = Error::new(kind, message)
        .with_effect(Effect::NotApplied)
        .with_retry(retry)
        .with_vendor_code(reply.vendor_code())
        .with_context("step", step.name());
    // What a server says to a login may repeat what was sent.
    if step == Step::Login { error } else { error.with_context("reply", reply.safe_text()) }
}

fn kind(step: Step, reply: &Reply) -> (ErrorKind, &'static str) {
    let subject = reply.enhanced().map(|status| status.subject);
    let detail = reply.enhanced().map(|status| (status.subject, status.detail));
    match (reply.code, step) {
        (421, _) => (ErrorKind::Unavailable, "the server closes the connection"),
        (454, Step::StartTls | Step::Login) => (ErrorKind::Unavailable, "the server cannot do this for now"),
        (432 | 530 | 534 | 535 | 538, _) => {
            (ErrorKind::Unauthenticated, "the server wants other credentials")
        }
        (500..=599, Step::Login) => (ErrorKind::Unauthenticated, "the server refused the login"),
        (400..=499, _) if subject == Some(7) => {
            (ErrorKind::RateLimited, "the server holds back this sender for now")
        }
        (452, Step::Sender) if detail == Some((4, 5)) => (ErrorKind::RateLimited, "the server is congested"),
        (400..=499, _) => (ErrorKind::Unavailable, "the server cannot take the mail for now"),
        (552, _) if detail == Some((2, 2)) => (ErrorKind::QuotaExhausted, "the mailbox is full"),
        (552, _) => (ErrorKind::PayloadTooLarge, "the mail is larger than the server takes"),
        (_, Step::Content | Step::Data | Step::Sender) if detail == Some((3, 4)) => {
            (ErrorKind::PayloadTooLarge, "the mail is larger than the server takes")
        }
        (501 | 553 | 555, Step::Sender | Step::Recipient) if subject != Some(7) => {
            (ErrorKind::InvalidArgument, "the server does not accept this address or its options")
        }
        (500 | 502 | 503 | 504, _) => {
            (ErrorKind::Unexpected, "the server does not understand what it was asked")
        }
        (500..=599, Step::Greeting | Step::Hello) => {
            (ErrorKind::PermissionDenied, "the server does not talk to us")
        }
        (500..=599, Step::Sender) => (ErrorKind::PermissionDenied, "the server refused the sender"),
        (500..=599, _) => (ErrorKind::PermissionDenied, "the server refused the mail"),
        _ => (ErrorKind::Corrupt, "the server answered something else than it was asked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use ErrorKind::{
            Corrupt, InvalidArgument, PayloadTooLarge, PermissionDenied, QuotaExhausted, RateLimited,
            Unauthenticated, Unavailable, Unexpected,
        };
        let rows = [
            ("421 4.3.2 bye", Step::Sender, Unavailable),
            ("421 4.7.0 too many connections", Step::Greeting, Unavailable),
            ("450 4.2.0 busy", Step::Sender, Unavailable),
            ("450 4.7.1 greylisted", Step::Sender, RateLimited),
            ("451 4.3.0 local error", Step::Content, Unavailable),
            ("452 4.3.1 disk full", Step::Sender, Unavailable),
            ("452 4.4.5 congestion", Step::Sender, RateLimited),
            ("454 4.7.0 temporary authentication failure", Step::Login, Unavailable),
            ("454 TLS not available", Step::StartTls, Unavailable),
            ("455 parameters", Step::Sender, Unavailable),
            ("500 what", Step::Sender, Unexpected),
            ("501 5.1.7 bad sender", Step::Sender, InvalidArgument),
            ("501 bad base64", Step::Login, Unauthenticated),
            ("502 not implemented", Step::Data, Unexpected),
            ("503 bad sequence", Step::Data, Unexpected),
            ("504 mechanism", Step::Login, Unauthenticated),
            ("530 5.7.0 authentication required", Step::Sender, Unauthenticated),
            ("534 5.7.9 too weak", Step::Login, Unauthenticated),
            ("535 5.7.8 wrong", Step::Login, Unauthenticated),
            ("538 5.7.11 encryption required", Step::Login, Unauthenticated),
            ("550 5.1.0 sender refused", Step::Sender, PermissionDenied),
            ("551 not local", Step::Content, PermissionDenied),
            ("552 5.3.4 too large", Step::Sender, PayloadTooLarge),
            ("552 too large", Step::Content, PayloadTooLarge),
            ("552 5.2.2 mailbox full", Step::Content, QuotaExhausted),
            ("553 5.1.7 syntax", Step::Sender, InvalidArgument),
            ("553 5.7.1 not your address", Step::Sender, PermissionDenied),
            ("554 5.7.1 spam", Step::Content, PermissionDenied),
            ("554 no service here", Step::Greeting, PermissionDenied),
            ("555 parameters", Step::Sender, InvalidArgument),
            ("250 what", Step::Data, Corrupt),
        ];
        for (line, step, expected) in rows {
            let reply = Reply::parse(format!("{line}\r\n").as_bytes()).unwrap().unwrap().0;
            let error = refused(step, &reply);
            assert_eq!(error.kind(), expected, "{line} at {}", step.name());
            assert_eq!(error.effect(), Effect::NotApplied);
            let waits = matches!(expected, Unavailable | RateLimited);
            assert_eq!(error.retry() == Retry::Backoff, waits, "{line}");
            assert!(error.vendor_code().unwrap().starts_with(&line[..3]));
        }
    }

    #[test]
    fn no_address_and_no_login_words_enter_an_error() {
        let reply = Reply::parse(b"550 5.7.1 <ada@example.org> says no\r\n").unwrap().unwrap().0;
        assert!(!refused(Step::Sender, &reply).report().contains("ada"));
        let login = Reply::parse(b"535 5.7.8 cannot decode c2VjcmV0\r\n").unwrap().unwrap().0;
        assert!(!refused(Step::Login, &login).report().contains("c2VjcmV0"));
    }
}
