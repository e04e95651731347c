//! The tests of a service that mails by SendGrid: its mail arrives in a folder, without an account.
//!
//! features: sendgrid, simulator
//! beside: tokio
//!
//! ```text
//! Accepted
//! Subject: Hello
//! ```

use std::fs;
use std::time::Duration;

use external_email::providers::sendgrid::simulator::{KEY, simulate};
use external_email::{BuildContext, EmailClient, Result, Secret, SendgridConfig};

#[tokio::main]
async fn main() -> Result<()> {
    let mailbox = std::env::current_dir().expect("a working directory").join("mailbox");
    fs::create_dir_all(&mailbox).expect("a folder");
    let vendor = simulate(&mailbox).expect("a free port");
    let config = SendgridConfig::new(Secret::new(KEY)).with_base_url(vendor.url()).with_insecure_http();
    let email = EmailClient::over(config.build(&BuildContext::default())?)
        .with_from("Shop <shop@example.org>".parse()?);

    let receipt = email.send_email("ada@example.org", "Hello", "It is on its way.\n", None).await?;
    println!("{:?}", receipt.recipients[0].outcome);
    let mails = fs::read_dir(&mailbox).expect("the folder").flatten();
    let mail = fs::read_to_string(mails.last().expect("a mail").path()).expect("a mail is text");
    println!("{}", mail.lines().find(|line| line.starts_with("Subject: ")).unwrap_or("no subject"));
    email.close(Duration::from_secs(1)).await;
    Ok(())
}
