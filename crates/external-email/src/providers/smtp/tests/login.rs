//! Login and protection: what travels when, and what never does.

use std::sync::Mutex;

use external_core::Secret;

use super::*;

const ALL: &[&str] = &["PIPELINING", "AUTH PLAIN LOGIN XOAUTH2"];

fn insecure(server: &Server) -> SmtpConfig {
    config(server).with_username("app").with_insecure_plaintext_auth()
}

async fn probe(config: SmtpConfig) -> Result<()> {
    config.build(&BuildContext::default())?.probe(&CallContext::default()).await
}

#[tokio::test]
async fn each_mechanism_speaks_its_own_words() {
    let server = Server::start(ALL, |line, _| match line {
        "AUTH LOGIN" => Answer::Say("334 VXNlcm5hbWU6\r\n"),
        "YXBw" => Answer::Say("334 UGFzc3dvcmQ6\r\n"),
        "czNjcmV0" => Answer::Say("235 ok\r\n"),
        _ => Answer::Usual,
    })
    .await;
    probe(insecure(&server).with_password(Secret::new("s3cret"))).await.unwrap();
    probe(insecure(&server).with_password(Secret::new("s3cret")).with_mechanism(Mechanism::Login))
        .await
        .unwrap();
    probe(insecure(&server).with_token(Secret::new("tok"))).await.unwrap();
    let lines = server.lines();
    assert!(lines.contains(&"AUTH PLAIN AGFwcABzM2NyZXQ=".to_owned()), "{lines:?}");
    assert!(lines.contains(&"czNjcmV0".to_owned()));
    assert!(lines.contains(&"AUTH XOAUTH2 dXNlcj1hcHABYXV0aD1CZWFyZXIgdG9rAQE=".to_owned()), "{lines:?}");
    let error = probe(
        SmtpConfig::new(server.url().replace("//", "//app:s3cret@"))
            .with_security(Security::None)
            .with_insecure_plaintext_auth(),
    )
    .await;
    error.unwrap();
}

#[tokio::test]
async fn wrong_credentials_are_told_without_repeating_them() {
    let server = Server::start(ALL, |line, _| match line {
        l if l.starts_with("AUTH") => Answer::Say("535 5.7.8 bad: AGFwcABodW50ZXIy hunter2\r\n"),
        _ => Answer::Usual,
    })
    .await;
    let error = probe(insecure(&server).with_password(Secret::new("hunter2"))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::NotApplied));
    let told = format!("{error} {error:?} {}", error.report());
    assert!(!told.contains("hunter2") && !told.contains("AGFwcABodW50ZXIy"), "{told}");
    assert_eq!(server.heard("AUTH"), 1, "no second try with the same password");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    struct Tokens(Mutex<Vec<bool>>);
    #[async_trait]
    impl AccessTokens for Tokens {
        async fn token(&self, refused: Option<&Secret>) -> Result<Secret> {
            self.0.lock().unwrap().push(refused.is_some());
            Ok(Secret::new(if refused.is_some() { "new" } else { "old" }))
        }
    }
    let old = "AUTH XOAUTH2 dXNlcj1hcHABYXV0aD1CZWFyZXIgb2xkAQE=";
    let script = move |line: &str, _| match line {
        l if l == old => Answer::Say("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"),
        "" => Answer::Say("535 5.7.8 expired\r\n"),
        _ => Answer::Usual,
    };
    let server = Server::start(ALL, script).await;
    let tokens = Arc::new(Tokens(Mutex::new(Vec::new())));
    probe(insecure(&server).with_access_tokens(tokens.clone())).await.unwrap();
    assert_eq!(*tokens.0.lock().unwrap(), [false, true]);
    // The same from a file that was replaced between the two reads is the file's business: here it stays the same.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let error = probe(insecure(&server).with_token(Secret::from_file(&path))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    std::fs::write(&path, "new\n").unwrap();
    probe(insecure(&server).with_token(Secret::from_file(&path))).await.unwrap();
}

#[tokio::test]
async fn no_credentials_without_protection() {
    let server = Server::start(ALL, |_, _| Answer::Usual).await;
    let open = config(&server).with_username("app").with_password(Secret::new("s3cret"));
    let error = probe(open).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("insecure_plaintext_auth"), "{error}");
    // STARTTLS that is not offered: the attacker's favourite.
    let starttls = SmtpConfig::new(server.url()).with_username("app").with_password(Secret::new("s3cret"));
    let error = probe(starttls).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotSent));
    assert_eq!(server.heard("AUTH"), 0);
}

#[tokio::test]
async fn a_connection_that_nobody_protects_is_not_used_unless_asked_for() {
    // Without a login there is no other check that would stop the mail.
    let server = Server::start(ALL, |_, _| Answer::Usual).await;
    let error = probe(SmtpConfig::new(server.url())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotSent));
    assert_eq!(server.heard("NOOP"), 0);
}

#[tokio::test]
async fn words_before_tls_are_not_believed() {
    let server = Server::start(&["STARTTLS", "AUTH PLAIN"], |line, _| match line {
        "STARTTLS" => Answer::Say("220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"),
        _ => Answer::Usual,
    })
    .await;
    let injected = SmtpConfig::new(server.url()).with_username("app").with_password(Secret::new("s3cret"));
    let error = probe(injected).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::NotSent));
    assert_eq!(server.heard("AUTH"), 0);
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_named() {
    let server = Server::start(&[], |_, _| Answer::Usual).await;
    let peer = format!("127.0.0.1:{}", server.port);
    let error = probe(SmtpConfig::new(format!("smtps://{peer}"))).await.unwrap_err();
    assert_eq!((error.effect(), error.context_value("peer")), (Effect::NotSent, Some(&*peer)), "{error}");
}

#[test]
fn configuration_that_makes_no_sense_is_told() {
    let base = || SmtpConfig::new("smtp://mail.example.org");
    for (config, word) in [
        (SmtpConfig::new("smtps://mail.example.org").with_security(Security::StartTls), "security"),
        (base().with_username("app"), "password"),
        (base().with_password(Secret::new("x")), "username"),
        (base().with_username("app").with_password(Secret::new("x")).with_token(Secret::new("y")), "token"),
        (
            base().with_username("app").with_password(Secret::new("x")).with_mechanism(Mechanism::Xoauth2),
            "mechanism",
        ),
        (base().with_max_connections(0), "max_connections"),
        (base().with_mails_per_connection(0), "mails_per_connection"),
        (base().with_command_timeout(Duration::ZERO), "timeouts"),
        (base().with_hello("two words"), "hello"),
        (base().with_max_recipients(0), "max_recipients"),
    ] {
        let error = config.build(&BuildContext::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(word), "{error}");
    }
    let shown =
        format!("{:?}", SmtpConfig::new("smtp://app:hunter2@h").with_password(Secret::new("hunter2")));
    assert!(!shown.contains("hunter2"), "{shown}");
}
