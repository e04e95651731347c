//! A service whose configuration is YAML.
//!
//! features: yaml
//! beside: serde
//!
//! ```text
//! Hello, 4 workers
//! invalid type: a string, expected u16: true
//! ```

use external_container::{Container, Result};

#[derive(Debug, serde::Deserialize)]
struct App {
    greeting: String,
    workers: u16,
}

fn main() -> Result<()> {
    std::fs::write("service.yaml", "app:\n  greeting: Hello\n  workers: 4\n").expect("a working directory");
    let container = Container::builder().ignore("app").from_file("service.yaml")?;
    let app: App = container.section("app").parse()?;
    println!("{}, {} workers", app.greeting, app.workers);

    std::fs::write("wrong.yaml", "app:\n  greeting: Hello\n  workers: many\n").expect("a working directory");
    let wrong = Container::builder().ignore("app").from_file("wrong.yaml")?;
    let error = wrong.section("app").parse::<App>().map(|_| ()).expect_err("that is no number");
    let named = error.report().to_string().contains("wrong.yaml:3");
    println!("{}: {named}", error.message());
    Ok(())
}
