//! What stands in for the world in tests: a fault [`Proxy`] between a client of any TCP protocol and its server.
//!
//! The proxy counts and remembers what passes, so that whoever claims to have sent nothing can be proven right or
//! wrong. By a script of [`Rule`]s it makes connections go wrong ([`Fault`]) at a moment that the test names: when a
//! client connects, when it says a certain text, at its turn. [`Pace`] makes them slow and unsteady. Where a client
//! begins a TLS handshake the proxy can be the server that it meets, with a certificate that an [`Authority`] of this
//! run has made: for another name, of an authority that nobody knows, expired. [`Unanswered`] is a port at which
//! connections are never made.
//!
//! A vendor-shaped server is a [`Simulator`]: routes over one state, a [`Clock`] that a test moves, faults by a script
//! ([`HttpRule`]), a transcript. What the vendor tells by webhooks a [`WebhookSender`] posts, signed ([`Signer`]), posted
//! again until it is taken, and wrong where the test says so ([`WebhookFault`]). A simulator stands on [`HttpServer`], whose answers
//! a function makes; [`StandingServer`] is one on a thread of its own.
//!
//! Whatever is drawn (where an answer is cut, how long a line takes, what garbage looks like) comes from one seed.
//! Whoever tells of a failure tells [`Proxy::seed`] too; [`Proxy::start_seeded`] repeats it.
#![forbid(unsafe_code)]

mod certificates;
mod clock;
mod garbage;
mod http_server;
mod proxy;
mod simulator;
mod standing;
mod unanswered;
mod webhook;

pub use certificates::{Authority, Identity};
pub use clock::Clock;
pub use garbage::{Damage, Garbage};
pub use http_server::{HttpAnswer, HttpExchange, HttpQuestion, HttpServer};
pub use proxy::{End, Fault, Length, Pace, Proxy, Rule};
pub use simulator::{Call, HttpFault, HttpRule, Simulated, Simulator};
pub use standing::StandingServer;
pub use unanswered::Unanswered;
pub use webhook::{Signer, WebhookAttempt, WebhookFault, WebhookMessage, WebhookSender};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
