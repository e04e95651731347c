//! A service on a laptop: its mails are files that any mail program opens.
//!
//! features: file
//! beside: tokio
//!
//! ```text
//! 1 file, .eml
//! Subject: Hello
//! ```

use std::fs;

use external_email::{BuildContext, EmailClient, FileConfig, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::current_dir().expect("a working directory").join("mails");
    let email = EmailClient::over(FileConfig::new(&folder).build(&BuildContext::default())?)
        .with_from("Shop <shop@example.org>".parse()?);
    email
        .send_email("ada@example.org", "Hello", "It is on its way.\n", Some("<p>It is on its way.</p>"))
        .await?;

    let files: Vec<_> =
        fs::read_dir(&folder).expect("the folder of the mails").flatten().map(|entry| entry.path()).collect();
    let kind = files[0].extension().unwrap_or_default().to_string_lossy();
    println!("{} file, .{kind}", files.len());
    let mail = fs::read_to_string(&files[0]).expect("a mail is text");
    println!("{}", mail.lines().find(|line| line.starts_with("Subject: ")).unwrap_or("no subject"));
    Ok(())
}
