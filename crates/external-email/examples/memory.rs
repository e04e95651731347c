//! A welcome mail in this process: what a test of a service does.
//!
//! `cargo run -p external-email --example memory`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_email::EmailClient;
use external_email::providers::memory::MemoryEmail;
use serde::Serialize;

#[derive(Serialize)]
struct Welcome<'a> {
    app: &'a str,
    name: &'a str,
    url: &'a str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let email = EmailClient::over(MemoryEmail::new()).with_from("Shop <shop@example.org>".parse()?);

    let welcome = Welcome { app: "Shop", name: "Ada", url: "https://shop.example.org/start" };
    let receipt = email.send_template("welcome", "Ada <ada@example.org>", &welcome).await?;
    println!("sent as {:?}", receipt.message_id);

    let memory = email.provider::<MemoryEmail>().map(MemoryEmail::sent).unwrap_or_default();
    for mail in memory {
        let message = mail.message.as_ref();
        println!("{} -> {:?}: {}", mail.from, mail.to, message.map_or("", |m| m.subject.as_str()));
    }

    match email.send_email("ada@example.org", "Hello\r\nBcc: eve@example.org", "?", None).await {
        Err(error) => println!("refused: {error}"),
        Ok(_) => println!("this line is never printed"),
    }
    Ok(())
}
