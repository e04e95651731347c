//! One mail over SMTP:
//! `SMTP_URL=smtp://user:password@mail.example.org TO=you@example.org cargo run -p external-email --example smtp --features smtp`
//!
//! `SMTP_SECURITY=none` is for a server on this machine without TLS.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_core::{BuildContext, Error};
use external_email::providers::smtp::{Security, SmtpConfig};
use external_email::{EmailClient, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let world = BuildContext::default();
    let url = world.env("SMTP_URL").ok_or_else(|| Error::configuration("SMTP_URL is not set"))?;
    let to = world.env("TO").ok_or_else(|| Error::configuration("TO is not set"))?;
    let mut config = SmtpConfig::new(url);
    if world.env("SMTP_SECURITY").as_deref() == Some("none") {
        config = config.with_security(Security::None);
    }
    let email = EmailClient::over(config.build(&world)?).with_from(to.parse()?);

    match email.send_email(&to, "Hello", "It works.\n", Some("<p>It works.</p>")).await {
        Ok(receipt) => {
            for recipient in &receipt.recipients {
                match &recipient.outcome {
                    Outcome::Accepted => {
                        println!("{}: accepted ({:?})", recipient.address, receipt.vendor_id);
                    }
                    other => println!("{}: {other:?}", recipient.address),
                }
            }
        }
        // `effect()` says whether it may have arrived all the same.
        Err(error) => println!("{} (effect: {:?})", error.report(), error.effect()),
    }
    email.close(std::time::Duration::from_secs(5)).await;
    Ok(())
}
