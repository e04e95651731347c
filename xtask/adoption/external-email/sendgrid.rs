//! A service that mails by SendGrid, which cannot be reached, and that is told of events by nobody it believes.
//!
//! features: sendgrid
//! beside: http, tokio
//!
//! ```text
//! started with sendgrid
//! send: Unavailable, NotSent
//! a file without content: InvalidArgument, NotSent
//! 401: Unauthenticated
//! ```

use std::time::Duration;

use external_email::external_http::webhook::{WebhookKey, answer_status};
use external_email::{
    Attachment, BuildContext, EmailClient, Message, Policy, Result, Secret, SendgridConfig, SendgridEvents,
};

const VERIFICATION_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf9qCdfRWCilDBwSgGjvXXwsck4FNp+1NZ3tclZwQ+Jr5p8aMg2ba3ed7B/uBZNLur7C9GETmZ+mYEWxs+5DU7w==";

#[tokio::main]
async fn main() -> Result<()> {
    let world = BuildContext::default();
    let config = SendgridConfig::new(Secret::new("SG.s3cret")).with_base_url("https://127.0.0.1:1");
    let email = EmailClient::over(config.build(&world)?)
        .with_policy(Policy::off())
        .with_from("Shop <shop@example.org>".parse()?);
    println!("started with {}", email.info().id());

    let sent = email.send_email("ada@example.org", "Hello", "It is on its way.\n", None).await;
    let error = sent.expect_err("nobody listens there");
    println!("send: {:?}, {:?}", error.kind(), error.effect());

    let empty = Attachment::new("empty.txt".parse()?, "text/plain".parse()?, "");
    let message = Message::new("Hello".parse()?)
        .with_to("ada@example.org".parse::<external_email::Mailbox>()?)
        .with_text("See the file.")
        .with_attachment(empty);
    let error = email.send(message).await.expect_err("SendGrid takes none");
    println!("a file without content: {:?}, {:?}", error.kind(), error.effect());
    email.close(Duration::from_secs(1)).await;

    let events = SendgridEvents::new([WebhookKey::ecdsa_p256(VERIFICATION_KEY)?], &world)?;
    let (parts, body) = http::Request::post("/events").body("[]").expect("a request").into_parts();
    let error = events.receive(&parts, body.into()).await.expect_err("a forger");
    println!("{}: {:?}", answer_status(&error).as_u16(), error.kind());
    Ok(())
}
