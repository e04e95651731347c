//! What the GraphQL client does, over the double and over the network.
#![cfg(feature = "graphql")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod events;
mod peer;
mod persisted;
mod place;
mod reconnects;
mod repeats;
mod uploads;
mod websocket;
