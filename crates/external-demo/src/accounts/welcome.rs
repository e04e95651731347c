//! The welcome mail, and whether it has arrived.

use std::path::Path;
use std::time::Duration;

use external_core::email::{ContentId, InlineImage, Mailbox, MediaType, MessageId};
use external_core::{CallOptions, Error, Result};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Accounts, Record};
use crate::input::Registration;
use crate::mailbox;

/// How the HTML of the welcome mail names the portrait.
const PORTRAIT: &str = "portrait@accounts.example";
/// How often the mailbox is looked at while a mail may be on its way there.
const LOOK: Duration = Duration::from_millis(50);

impl Accounts {
    /// Sends the welcome mail with the portrait in it.
    pub(super) async fn welcome(&self, user: &Registration, record: &Record) -> Result<()> {
        #[derive(Serialize)]
        struct Welcome<'a> {
            app: &'a str,
            name: &'a str,
            url: String,
            portrait: &'a str,
        }
        let data = Welcome {
            app: "Accounts",
            name: &user.name,
            url: format!("https://accounts.example/{}", record.number),
            portrait: PORTRAIT,
        };
        let image = InlineImage::new(
            ContentId::parse(PORTRAIT)?,
            MediaType::parse(user.portrait.format.content_type())?,
            user.portrait.bytes.clone(),
        );
        let to = Mailbox::new(user.email.clone()).with_name(user.name.parse()?);
        let message = self.email.message("welcome", Some(&user.locale), &data)?;
        let message = message.with_to(to).with_inline(image);
        // Chosen before the first try: every try is the same mail, and can be found by it.
        let message = message.with_message_id(MessageId::parse(&record.message_id)?);
        self.email.send(message).await?.into_complete().map(drop)
    }

    /// Whether a mail whose answer was lost has arrived. Both answers are certain: "no" is given only once the server
    /// answers again and the time has passed that a mail it took may need to the mailbox.
    ///
    /// # Errors
    ///
    /// That of the server that does not answer, or of a mailbox that cannot be read.
    pub(super) async fn has_arrived(&self, message_id: &str) -> Result<bool> {
        if in_mailbox(&self.mailbox, message_id).await? {
            return Ok(true);
        }
        self.email.probe(&CallOptions::new()).await?;
        let certain = Instant::now() + self.delivery;
        loop {
            // Asked before the look, so that the last look is not earlier than the time that is waited for.
            let is_last = Instant::now() >= certain;
            if in_mailbox(&self.mailbox, message_id).await? {
                return Ok(true);
            }
            if is_last {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
    }
}

async fn in_mailbox(folder: &Path, message_id: &str) -> Result<bool> {
    let (folder, message_id) = (folder.to_owned(), message_id.to_owned());
    let look = tokio::task::spawn_blocking(move || {
        mailbox::Mailbox::read(&folder).map(|mails| mails.has(&message_id))
    });
    let failed = |error: std::io::Error| Error::unavailable("the mailbox cannot be read").with_source(error);
    look.await.map_err(std::io::Error::other).and_then(|found| found).map_err(failed)
}
