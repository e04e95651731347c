//! Webhooks: what vendors send, believed only once it is verified.
//!
//! A [`WebhookReceiver`] takes the head of a request and the bytes of its body, from whatever framework, and hands out a
//! [`Delivery`] of a [`Verified`] one, or an error. It goes, in this order, by size, signature, age, and whether the same message came
//! before; nothing of a body is read before its signature holds, but for what a vendor signs inside of it. It
//! is confirmed once it was dealt with; whatever fails before that does not lose it.
//!
//! ```
//! use external_http::webhook::{HeaderScheme, SignatureEncoding, SignedPart, WebhookKey, WebhookReceiver};
//! use external_http::{BuildContext, ErrorKind, Secret};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! // Two keys while one takes over from the other.
//! let keys = [WebhookKey::hmac_sha256(Secret::new("new")), WebhookKey::hmac_sha256(Secret::new("old"))];
//! let scheme = HeaderScheme::new("x-signature-256", [SignedPart::Body], keys)?
//!     .with_encoding(SignatureEncoding::Hex)
//!     .with_prefix("sha256=");
//! let receiver = WebhookReceiver::new(scheme, &BuildContext::default());
//!
//! # #[derive(serde::Deserialize)] struct Event { action: String }
//! // The body as it came: what was parsed and written again has another signature.
//! let request = http::Request::post("/hooks")
//!     .header("x-signature-256", "sha256=be56aab1b2d8f6c8b1bdc3f92b9f7f1c50b4b1d5f3f0a56b5c87aaf1d6c0f3c1");
//! let (parts, body) = request.body(r#"{"action": "opened"}"#).unwrap().into_parts();
//! match receiver.receive(&parts, body.into()).await {
//!     Ok(delivery) => {
//!         let event: Event = delivery.json()?;
//!         println!("{}", event.action);
//!         // What was to be done is done: the same message is not taken again.
//!         delivery.confirm().await?;
//!     }
//!     // What to answer to whom is not believed: 401 here.
//!     Err(error) => assert_eq!(external_http::webhook::answer_status(&error), 401),
//! }
//! # Ok::<(), external_http::Error>(()) }).unwrap();
//! ```
//!
//! | scheme | for |
//! |---|---|
//! | [`HeaderScheme`] | signatures in a header field: HMAC-SHA-256, RSA, ECDSA P-256, Ed25519 |
//! | [`standard_webhooks`] | vendors that keep to Standard Webhooks |
//! | [`sendgrid`] | SendGrid's signed event webhook |
//! | [`SnsScheme`] | messages of Amazon SNS |
//!
//! A vendor with a way of its own is a [`WebhookScheme`].
//!
//! # Errors
//!
//! | kind | when | answer |
//! |---|---|---|
//! | `Unauthenticated` | it is not proven who sent it, or when: a header field is missing, empty, repeated or malformed, no key fits, too old | 401 |
//! | `PayloadTooLarge` | the body is beyond the limit | 413 |
//! | `AlreadyExists` | it came before, and was dealt with | 200 |
//! | `Conflict` | it came before, and is being dealt with | 503: who has it may fail |
//! | `Corrupt` | it is proven, and is not what was expected ([`Verified::json`]) | 400: [`answer_status`] says why |
//! | `Configuration` | there is no key, or none that can be read | 503 |
//! | others | the store of what came before, or a vendor's certificate, cannot be had now | 503 |
//!
//! An error names the header field or member (`header`, `field`) and says what is wrong with it; neither values nor keys
//! stand in it.

mod delivery;
mod header_scheme;
mod key;
mod receiver;
mod replay;
mod scheme;
mod sendgrid;
mod sns;
mod standard_webhooks;

pub use delivery::Delivery;
pub use header_scheme::{HeaderScheme, SignatureEncoding, SignedPart};
pub use key::WebhookKey;
pub use receiver::{Verified, WebhookReceiver, answer_status};
pub use replay::{CacheReplays, MemoryReplays, ReplayClaim, ReplayStore};
pub use scheme::{Authentic, WebhookScheme};
pub use sendgrid::sendgrid;
pub use sns::{SnsKind, SnsMessage, SnsScheme};
pub use standard_webhooks::standard_webhooks;
