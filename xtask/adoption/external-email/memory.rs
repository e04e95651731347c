//! A service that mails, tested: what it would have sent is read back.
//!
//! beside: tokio
//!
//! ```text
//! Accepted
//! Welcome to Shop, Ada to ada@example.org
//! a line break in a subject: InvalidArgument, NotSent
//! compiled in: memory
//! ```

use std::collections::BTreeMap;

use external_email::{EmailClient, MemoryEmail, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let email = EmailClient::over(MemoryEmail::new()).with_from("Shop <shop@example.org>".parse()?);
    let data = BTreeMap::from([("name", "Ada"), ("app", "Shop"), ("url", "https://shop.example.org")]);
    let receipt = email.send_template("welcome", "ada@example.org", &data).await?;
    println!("{:?}", receipt.recipients[0].outcome);

    let sent = email.provider::<MemoryEmail>().expect("that is what it was made over").sent();
    let message = sent[0].message.as_ref().expect("it was no raw mail");
    println!("{} to {}", message.subject.as_str(), message.recipients()[0]);

    let injected = email.send_email("ada@example.org", "Hi\r\nBcc: eve@example.org", "text", None).await;
    let error = injected.expect_err("it would be a header");
    println!("a line break in a subject: {:?}, {:?}", error.kind(), error.effect());
    let registry = external_email::registry();
    let ids: Vec<&str> = registry.entries().iter().map(|entry| entry.id).collect();
    println!("compiled in: {}", ids.join(", "));
    Ok(())
}
