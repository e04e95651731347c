//! What registering means: done once, undone, or looked up.

use std::path::Path;

use external_core::{Effect, ErrorKind};

use super::*;
use crate::mailbox;

/// The service over embedded providers in a folder, and a user who is about to register.
fn service(folder: &Path) -> (Accounts, Registration) {
    let config = format!(
        "[storage.default]\nprovider = 'local'\nroot = '{0}/objects'\nserve.bind = '127.0.0.1:0'\n\
         [cache.default]\nprovider = 'memory'\n\
         [email.default]\nprovider = 'file'\npath = '{0}/mails'\nclient.from = 'a@accounts.example'\n\
         rehearse = {{ refuse = ['refused@example.com'], lose_reply = ['lost@example.com'] }}\n\
         [demo]\nmailbox = '{0}/mails'\ndelivery = '1ms'",
        folder.display(),
    );
    let container = Container::builder()
        .domain(external_storage::registry())
        .domain(external_cache::registry())
        .domain(external_email::registry())
        .ignore("demo")
        .from_str("test.toml", &config)
        .unwrap();
    let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/users.jsonl");
    let user = crate::input::read(&users).unwrap().remove(0);
    (Accounts::open(&container, &container.section("demo").parse().unwrap(), "test").unwrap(), user)
}

#[tokio::test]
async fn a_store_that_signs_no_links_is_named() {
    let config = "[storage.default]\nprovider = 'memory'\n[cache.default]\nprovider = 'memory'\n\
        [email.default]\nprovider = 'memory'\nclient.from = 'a@accounts.example'\n\
        [demo]\nmailbox = '/nowhere'";
    let container = Container::builder()
        .domain(external_storage::registry())
        .domain(external_cache::registry())
        .domain(external_email::registry())
        .ignore("demo")
        .from_str("test.toml", config)
        .unwrap();
    let settings = container.section("demo").parse().unwrap();
    let Err(error) = Accounts::open(&container, &settings, "test") else { panic!("it was taken") };
    assert_eq!((error.kind(), error.provider()), (ErrorKind::Unsupported, Some("memory")));
    let said = error.to_string();
    for part in ["signs no links", "instance=storage.default", "`s3`", "serve.bind"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn events(accounts: &Accounts) -> Vec<journal::Event> {
    accounts.journal.entries().iter().map(|entry| entry.event).collect()
}

#[tokio::test]
async fn what_was_done_is_undone_if_the_mail_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, mut user) = service(folder.path());
    user.email = "refused@example.com".parse().unwrap();
    let mut signup = accounts.begin(user.clone()).unwrap();
    let error = accounts.go_on(&mut signup).await.unwrap_err();
    assert!(!signup.may_go_on(&error));
    accounts.give_up(&mut signup).await;
    assert_eq!(signup.portrait(), None);
    assert!(!accounts.storage.exists(&accounts.portrait_key(&user).unwrap()).await.unwrap());
    assert_eq!(accounts.record("refused@example.com").await.unwrap(), None);
    assert_eq!(accounts.profile("refused@example.com").await.unwrap_err().kind(), ErrorKind::NotFound);
    // Nothing is in the way of another try.
    user.email = "accepted@example.com".parse().unwrap();
    accounts.go_on(&mut accounts.begin(user).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_found_and_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, mut user) = service(folder.path());
    user.email = "lost@example.com".parse().unwrap();
    let mut signup = accounts.begin(user).unwrap();
    let error = accounts.go_on(&mut signup).await.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied);
    assert!(signup.may_go_on(&error) && signup.is_unknown());
    let account = accounts.go_on(&mut signup).await.unwrap();
    assert_eq!(events(&accounts), [journal::Event::Unknown, journal::Event::FoundDone]);
    mailbox::Mailbox::read(&folder.path().join("mails")).unwrap().check(&account).unwrap();
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_sent_again_if_it_is_certainly_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, mut user) = service(folder.path());
    user.email = "lost@example.com".parse().unwrap();
    let mut signup = accounts.begin(user).unwrap();
    accounts.go_on(&mut signup).await.unwrap_err();
    // The server died before the mail was in its folder.
    std::fs::remove_dir_all(folder.path().join("mails")).unwrap();
    accounts.go_on(&mut signup).await.unwrap_err();
    accounts.go_on(&mut signup).await.unwrap();
    use journal::Event::{FoundDone, FoundUndone, Unknown};
    assert_eq!(events(&accounts), [Unknown, FoundUndone, Unknown, FoundDone]);
}

#[tokio::test]
async fn whoever_may_have_got_the_mail_keeps_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, mut user) = service(folder.path());
    user.email = "lost@example.com".parse().unwrap();
    let mut signup = accounts.begin(user.clone()).unwrap();
    accounts.go_on(&mut signup).await.unwrap_err();
    accounts.give_up(&mut signup).await;
    let key = signup.portrait().unwrap();
    assert_eq!(accounts.storage.download(key).await.unwrap(), user.portrait.bytes);
    assert_eq!(accounts.profile("lost@example.com").await.unwrap().name, user.name);
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_neither_replaced_nor_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, user) = service(folder.path());
    let key = accounts.portrait_key(&user).unwrap();
    accounts.storage.put(&key, "somebody else's").await.unwrap();
    let mut signup = accounts.begin(user.clone()).unwrap();
    let error = accounts.go_on(&mut signup).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AlreadyExists && !signup.may_go_on(&error));
    accounts.give_up(&mut signup).await;
    assert_eq!(accounts.storage.download(&key).await.unwrap(), "somebody else's");
    assert_eq!(accounts.record(user.email.as_str()).await.unwrap(), None);

    accounts.storage.delete(&key).await.unwrap();
    let first = accounts.go_on(&mut accounts.begin(user.clone()).unwrap()).await.unwrap();
    let mut second = accounts.begin(user).unwrap();
    let error = accounts.go_on(&mut second).await.unwrap_err();
    assert!(error.kind() == ErrorKind::AlreadyExists && !second.may_go_on(&error));
    accounts.give_up(&mut second).await;
    assert_eq!(accounts.record(&first.record.email).await.unwrap(), Some(first.record));
}

#[tokio::test]
async fn a_mail_that_is_not_as_it_was_meant_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, user) = service(folder.path());
    let account = accounts.go_on(&mut accounts.begin(user).unwrap()).await.unwrap();
    let mails = folder.path().join("mails");
    let check = || mailbox::Mailbox::read(&mails).unwrap().check(&account);
    check().unwrap();

    let file = std::fs::read_dir(&mails).unwrap().map(|entry| entry.unwrap().path());
    let file =
        file.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "eml")).unwrap();
    let mail = std::fs::read_to_string(&file).unwrap();
    // The first line of the portrait in base64: the same for every JPEG.
    for (from, to, complaint) in [
        ("/9j/", "/9k/", "not the portrait, byte for byte"),
        ("cid:portrait", "cid:other", "which is no part of the mail"),
        ("Content-Type: image/jpeg", "Content-Type: image/png", "type of the inline image"),
        ("To: ", "Cc: ", "no recipient"),
        ("ada@example.com", "bob@example.com", "recipient's address"),
        ("Ada Lovelace!", "Somebody!", "does not"),
        ("Message-ID: <", "Message-ID: <x", "there is no mail"),
    ] {
        let changed = mail.replace(from, to);
        assert_ne!(changed, mail, "{from} is not in the mail");
        std::fs::write(&file, changed).unwrap();
        let found = check().expect_err(from);
        assert!(found.contains(complaint), "{from}: {found}");
    }
    std::fs::write(&file, &mail).unwrap();
    std::fs::write(file.with_extension("again.eml"), &mail).unwrap();
    assert!(check().unwrap_err().contains("arrived 2 times"));
}
