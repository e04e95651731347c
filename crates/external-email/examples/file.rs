//! Mails as files that any mail program opens:
//! `cargo run -p external-email --example file --features file`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_core::BuildContext;
use external_email::providers::file::FileConfig;
use external_email::{Attachment, BatchRecipient, BatchRequest, EmailAddress, EmailClient, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let folder = std::env::temp_dir().join("external-email-example");
    let service = FileConfig::new(&folder).build(&BuildContext::default())?;
    let email = EmailClient::over(service).with_from("Shop <shop@example.org>".parse()?);

    let invoice = Attachment::new("invoice.txt".parse()?, "text/plain; charset=utf-8".parse()?, "3 apples\n");
    let message = Message::new("Your invoice, {{ name }}".parse()?)
        .with_text("Dear {{ name }},\n\nhere it is.\n")
        .with_html("<p>Dear {{ name }},</p><p>here it is.</p>")
        .with_attachment(invoice);
    let people = [("ada@example.org", "Ada"), ("taro@example.jp", "太郎")];
    let recipients = people
        .iter()
        .map(|(address, name)| {
            Ok(BatchRecipient::new(address.parse::<EmailAddress>()?).with_value("name", *name))
        })
        .collect::<external_core::Result<Vec<_>>>()?;
    let receipt = email.send_batch(BatchRequest::new(message, recipients)).await?;
    println!("{} mails in {}", receipt.accepted(), folder.display());
    Ok(())
}
