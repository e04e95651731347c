//! What only this provider has: its folder.

use super::*;
use external_core::ErrorKind;

fn request(to: &str) -> SendRequest {
    let message = Message::new("s".parse().unwrap())
        .with_from("shop@example.org".parse::<EmailAddress>().unwrap())
        .with_to(to.parse::<EmailAddress>().unwrap())
        .with_text("hello");
    SendRequest::new(message)
}

fn names(path: &Path) -> Vec<String> {
    std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_mail_is_one_file_that_any_program_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er");
    let email = FileConfig::new(&path).build(&BuildContext::default()).unwrap();
    assert!(!path.exists(), "building touches no disk");
    let cx = CallContext::default();
    let receipt = email.send(&cx, &request("ada@example.org")).await.unwrap();
    assert!(cx.was_sent());
    assert_eq!(names(&path), [receipt.vendor_id.clone().unwrap()]);
    let content = std::fs::read(path.join(receipt.vendor_id.unwrap())).unwrap();
    assert!(
        content.starts_with(b"X-Envelope-From: shop@example.org\r\nX-Envelope-To: ada@example.org\r\nDate: ")
    );
    let parsed = mail_parser::MessageParser::default().parse(&content).unwrap();
    assert_eq!(parsed.message_id(), receipt.message_id.as_ref().map(MessageId::as_str));
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let email = FileConfig::new(folder.path()).build(&BuildContext::default()).unwrap();
    let staged = email.folder.stage("x.eml".into(), b"x".to_vec()).await.unwrap();
    assert_eq!(names(folder.path()), [".x.eml.part"]);
    drop(staged);
    assert!(names(folder.path()).is_empty());
    email.probe(&CallContext::default()).await.unwrap();
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_a_clear_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let email = FileConfig::new(file.path().join("mail")).build(&BuildContext::default()).unwrap();
    let error = email.send(&CallContext::default(), &request("ada@example.org")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotApplied));
    assert!(error.to_string().contains(&file.path().display().to_string()));
}

#[tokio::test]
async fn foreign_files_are_told_not_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let email = FileConfig::new(folder.path()).build(&BuildContext::default()).unwrap();
    assert!(
        email
            .outbox()
            .unwrap()
            .sent(&CallContext::default(), &OutboxRequest::new())
            .await
            .unwrap()
            .is_empty()
    );
    std::fs::write(folder.path().join("x.eml"), "From: a@b\r\n\r\n").unwrap();
    let error =
        email.outbox().unwrap().sent(&CallContext::default(), &OutboxRequest::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
