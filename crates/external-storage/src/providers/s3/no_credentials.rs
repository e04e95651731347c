//! Why there are no credentials: no source has any, or the token service that lends them refuses.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_types::error::ErrorMetadata;
use external_core::{Effect, Error, Retry};

use super::error::{Answer, Chain, EXPIRED, by_code, clean, sources};

/// Where credentials may come from, for people who gave none.
const SOURCES: &str = "access_key_id and secret_access_key in the configuration, or AWS_ACCESS_KEY_ID and \
    AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or another source that AWS's own tools know";

/// The error of a request for which there were no credentials. `None` if it failed for another reason.
pub(super) fn no_credentials(error: &(dyn StdError + 'static)) -> Option<Error> {
    let cause = sources(error).find_map(|source| source.downcast_ref::<CredentialsError>())?;
    let refusal = sources(cause).find_map(|source| source.downcast_ref::<ErrorMetadata>());
    let error = match refusal.and_then(refused) {
        Some(error) => error,
        None => {
            let error = Error::unauthenticated("no credentials can be had").with_source(Chain::of(cause));
            match cause {
                CredentialsError::CredentialsNotLoaded(_) => error.with_context("set", SOURCES),
                CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
                    error.with_retry(Retry::Backoff)
                }
                _ => error,
            }
        }
    };
    Some(error.with_effect(Effect::NotSent))
}

/// The token service's own refusal, if it has a code. What the service knows for certain is not asked again, as with a
/// refusal of the store. Its words are cut short: behind the first sentences stand the headers that were signed.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>
fn refused(refusal: &ErrorMetadata) -> Option<Error> {
    let (code, message) = (refusal.code()?, refusal.message().unwrap_or_default());
    let (reason, retry) = if is_skewed(code, message) {
        // The SDK has learned the difference from this answer, and signs the next request by the service's clock.
        ("this machine's clock is wrong, finds the token service: synchronise it", Retry::Backoff)
    } else if EXPIRED.contains(&code) {
        ("those that the token service is asked with have expired", Retry::Backoff)
    } else {
        let known = by_code(code, &Answer::default());
        ("the token service refuses", known.map_or(Retry::Backoff, |error| error.retry()))
    };
    let error = Error::unauthenticated(format!("no credentials can be had: {reason}"))
        .with_retry(retry)
        .with_vendor_code(clean(code, 64));
    Some(if message.is_empty() { error } else { error.with_context("answer", clean(message, 200)) })
}

/// Whether a signature was refused for its time, for which the token service has the code of a wrong key, and other words.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>
fn is_skewed(code: &str, message: &str) -> bool {
    match code {
        "RequestTimeTooSkewed" | "RequestExpired" => true,
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            message.starts_with("Signature expired") || message.starts_with("Signature not yet current")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_no_credentials_is_told_where_to() {
        let none = no_credentials(&CredentialsError::not_loaded_no_source()).unwrap();
        assert!(none.to_string().contains("AWS_ACCESS_KEY_ID") && none.retry() == Retry::Never, "{none}");
        let refused = no_credentials(&CredentialsError::provider_error("not today")).unwrap();
        assert!(refused.context_value("set").is_none() && refused.retry() == Retry::Backoff, "{refused}");
    }
}
