//! What breaks on the way, as our errors: one table.
//!
//! | what | kind | effect | retry |
//! |---|---|---|---|
//! | the request never had a connection: name, refusal, proxy, TLS | `Unavailable` | `NotSent` | backoff |
//! | the server's certificate is not trusted | `Unavailable` | `NotSent` | never |
//! | the server refuses our certificate, or wants one | `Unauthenticated` | `NotSent`, `NotApplied` in TLS 1.3 | never |
//! | no connection within the connect timeout | `Timeout` | `NotSent` | backoff |
//! | the server says that it did nothing with the request (HTTP/2) | `Unavailable` | `NotApplied` | backoff |
//! | an answer that is no HTTP | `Corrupt` | `MaybeApplied` | backoff |
//! | anything else once the request was on its way | `Unavailable` | `MaybeApplied` | backoff |

use std::error::Error as StdError;

use external_core::{Effect, Error, Retry};
use rustls::AlertDescription;

/// The error of an exchange that came to no answer. URLs never enter it.
pub(super) fn failed(error: reqwest::Error, was_sent: bool) -> Error {
    let error = error.without_url();
    if is_refused(&error) {
        // In TLS 1.3 a client may write before it is told; what it wrote was given to nobody.
        let effect = if was_sent { Effect::NotApplied } else { Effect::NotSent };
        let why = "the server refuses the client's certificate, or wants one";
        return Error::unauthenticated(why).with_effect(effect).with_source(error);
    }
    if was_sent && is_unprocessed(&error) {
        let ours = Error::unavailable("the server takes no more requests on this connection");
        return ours.with_effect(Effect::NotApplied).with_source(error);
    }
    let ours = match was_sent {
        true if is_nonsense(&error) => Error::corrupt("the answer is no HTTP"),
        true => Error::unavailable("the connection broke before the answer"),
        false if is_distrust(&error) => {
            Error::unavailable("the server's certificate is not trusted").with_retry(Retry::Never)
        }
        // What the client adds may make a URL longer than the library takes.
        false if error.is_builder() => Error::invalid_argument("not a URL that can be asked"),
        false if error.is_timeout() => Error::timeout("no connection in time"),
        false if error.is_connect() => Error::unavailable("no connection to the server"),
        false => Error::unavailable("the request could not be sent"),
    };
    let effect = if was_sent { Effect::MaybeApplied } else { Effect::NotSent };
    ours.with_effect(effect).with_source(error)
}

/// The error of a body that broke off while it was read.
pub(super) fn broke_off(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let ours = match is_nonsense(&error) {
        true => Error::corrupt("the answer's body is no HTTP"),
        false => Error::unavailable("the connection broke in the middle of the body"),
    };
    ours.with_source(error)
}

fn is_nonsense(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// A certificate that is not trusted now will not be in a moment.
fn is_distrust(error: &reqwest::Error) -> bool {
    of_tls(error).any(|found| matches!(found, rustls::Error::InvalidCertificate(_)))
}

/// What a server says of a client's certificate, in the handshake alone (RFC 8446, 6.2).
fn is_refused(error: &reqwest::Error) -> bool {
    use AlertDescription as Alert;
    of_tls(error).any(|found| {
        matches!(
            found,
            rustls::Error::AlertReceived(
                Alert::AccessDenied
                    | Alert::BadCertificate
                    | Alert::CertificateExpired
                    | Alert::CertificateRequired
                    | Alert::CertificateRevoked
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::UnsupportedCertificate
            )
        )
    })
}

/// A stream that is refused, or one behind the last that the end of its connection names: nobody has looked at such a request
/// (RFC 9113, 8.7).
fn is_unprocessed(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<h2::Error>()).any(|told| {
        let is_so = match told.reason() {
            Some(h2::Reason::REFUSED_STREAM) => told.is_reset(),
            Some(h2::Reason::NO_ERROR) => told.is_go_away(),
            _ => false,
        };
        is_so && told.is_remote()
    })
}

fn of_tls(error: &reqwest::Error) -> impl Iterator<Item = &rustls::Error> {
    causes(error).filter_map(|cause| inmost(cause).downcast_ref())
}

/// What a connector reports is hidden in errors of I/O, which do not tell it as their source.
fn inmost<'a>(cause: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(hidden) => inmost(hidden),
        None => cause,
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
