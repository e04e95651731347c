//! One mail over SendGrid, checked and not delivered (sandbox mode):
//! `SENDGRID_API_KEY=SG.… FROM=verified@example.org TO=you@example.org cargo run -p external-email --example sendgrid --features sendgrid`
//!
//! `DELIVER=yes` delivers it; `SENDGRID_URL=https://api.eu.sendgrid.com` is for subusers in the EU.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_core::{BuildContext, Error, Secret};
use external_email::{EmailClient, SendgridConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let world = BuildContext::default();
    let told = |name: &'static str| {
        world.env(name).ok_or_else(|| Error::configuration("not set").with_context("variable", name))
    };
    let config = SendgridConfig::new(Secret::from_env("SENDGRID_API_KEY"))
        .with_base_url(world.env("SENDGRID_URL").unwrap_or_else(|| SendgridConfig::BASE_URL.to_owned()))
        .with_sandbox(world.env("DELIVER").as_deref() != Some("yes"));
    let email = EmailClient::over(config.build(&world)?).with_from(told("FROM")?.parse()?);

    match email.send_email(&told("TO")?, "Hello", "It works.\n", Some("<p>It works.</p>")).await {
        Ok(receipt) => println!("queued as {:?}, Message-ID {:?}", receipt.vendor_id, receipt.message_id),
        // `effect()` says whether it may have arrived all the same.
        Err(error) => println!("{} (effect: {:?})", error.report(), error.effect()),
    }
    email.close(std::time::Duration::from_secs(5)).await;
    Ok(())
}
