//! A service that starts from a file: its own table, laid over by the environment, and errors that name the place.
//!
//! beside: serde, tokio
//!
//! ```text
//! Guten Tag, mode Production
//! invalid type: a string, expected u16 at service.toml:3:11
//! a domain that nobody handed over: Configuration at service.toml:1:2
//! closed: true
//! ```

use std::time::Duration;

use external_container::{Container, Error, Result};

#[derive(Debug, serde::Deserialize)]
struct App {
    greeting: String,
    #[serde(default)]
    workers: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    std::fs::write("service.toml", "[app]\ngreeting = 'Hello'\n").expect("a working directory");
    let container = Container::builder()
        .ignore("app")
        .env([("EXTERNAL__APP__GREETING", "Guten Tag")])
        .from_file("service.toml")?;
    let app: App = container.section("app").parse()?;
    println!("{}, mode {:?}", app.greeting, container.mode());
    assert_eq!(app.workers, 0);

    let text = "[app]\ngreeting = 'Hello'\nworkers = 'many'\n";
    let wrong = Container::builder().ignore("app").from_str("service.toml", text)?;
    let error = wrong.section("app").parse::<App>().expect_err("that is no number");
    println!("{} at {}", error.message(), place(&error));
    let unknown = Container::builder().from_str("service.toml", "[storage.default]\nprovider = 'memory'\n");
    let error = unknown.map(|_| ()).expect_err("nobody handed storage over");
    println!("a domain that nobody handed over: {:?} at {}", error.kind(), place(&error));

    let report = container.shutdown(Duration::from_secs(1)).await;
    println!("closed: {}", report.is_clean());
    Ok(())
}

fn place(error: &Error) -> &str {
    error.context_value("at").unwrap_or("nowhere")
}
