//! Servers of HTTP on loopback whose answers a function makes.

mod message;
mod server;
mod transcript;

pub use message::{HttpAnswer, HttpQuestion};
pub(crate) use server::Desk;
pub use server::HttpServer;
pub use transcript::HttpExchange;
