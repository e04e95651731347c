//! A service whose mail server is down: the mail is known not to have been sent, so it may be tried elsewhere.
//!
//! features: smtp
//! beside: tokio
//!
//! ```text
//! started with smtp
//! send: Unavailable, NotSent
//! may move: true
//! credentials without TLS: Configuration
//! ```

use std::time::Duration;

use external_email::external_core::{Operation, Repeat};
use external_email::providers::smtp::Security;
use external_email::{BuildContext, EmailClient, Policy, Result, Secret, SmtpConfig};

#[tokio::main]
async fn main() -> Result<()> {
    let world = BuildContext::default();
    let config =
        SmtpConfig::new("smtps://127.0.0.1:1").with_username("shop").with_password(Secret::new("s3cret"));
    let email = EmailClient::over(config.build(&world)?)
        .with_policy(Policy::off())
        .with_from("Shop <shop@example.org>".parse()?);
    println!("started with {}", email.info().id());

    let sent = email.send_email("ada@example.org", "Hello", "It is on its way.\n", None).await;
    let error = sent.expect_err("nobody listens there");
    println!("send: {:?}, {:?}", error.kind(), error.effect());
    println!("may move: {}", error.may_move(&Operation::new("email", "send", Repeat::Once)));
    email.close(Duration::from_secs(1)).await;

    let open = SmtpConfig::new("smtp://127.0.0.1:1").with_security(Security::None);
    let open = open.with_username("shop").with_password(Secret::new("s3cret"));
    println!(
        "credentials without TLS: {:?}",
        open.build(&world).expect_err("anybody could read them").kind()
    );
    Ok(())
}
