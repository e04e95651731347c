//! When the endpoint is asked, and who waits for it: on a clock that is paused.

use std::sync::atomic::{AtomicUsize, Ordering};

use external_core::ErrorKind;
use futures_util::future::join_all;

use super::*;
use crate::{MemoryAnswer, MemoryHttp};

/// Credentials whose endpoint answers its n-th question so, and how many it was asked.
fn asking(
    answer: impl Fn(usize) -> MemoryAnswer + Send + Sync + 'static,
) -> (Arc<OAuth2Auth>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let issuer =
        MemoryHttp::new().with_fallback(move |_| answer(counted.fetch_add(1, Ordering::Relaxed) + 1));
    let auth = OAuth2Auth::new(Arc::new(issuer), "https://login.test/token", "shop", Secret::new("s3cret"));
    (Arc::new(auth.unwrap()), asked)
}

/// A token of 100 seconds.
fn token(number: usize) -> MemoryAnswer {
    MemoryAnswer::json(200, format!("{{\"access_token\": \"token-{number}\", \"expires_in\": 100}}"))
}

const HANGS: Duration = Duration::from_secs(3600);

async fn held(auth: &OAuth2Auth) -> String {
    auth.token().await.unwrap().expose().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_renewal_that_hangs_while_the_token_lives() {
    let (auth, asked) = asking(|n| if n == 1 { token(n) } else { token(n).with_delay(HANGS) });
    assert_eq!(held(&auth).await, "token-1");
    tokio::time::advance(Duration::from_secs(51)).await;
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(held(&auth).await, "token-1");
        tokio::task::yield_now().await;
    }
    assert_eq!((began.elapsed(), asked.load(Ordering::Relaxed)), (Duration::ZERO, 2));
    // When it has ended they wait, and for the question's own time at most.
    tokio::time::advance(Duration::from_secs(50)).await;
    let error = auth.token().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, external_core::Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_after_a_while() {
    let (auth, asked) = asking(|n| if n == 2 { MemoryAnswer::new(503) } else { token(n) });
    held(&auth).await;
    tokio::time::advance(Duration::from_secs(51)).await;
    for (wait, questions) in [(0, 2), (500, 2), (400, 2), (200, 3)] {
        tokio::time::advance(Duration::from_millis(wait)).await;
        assert_eq!(held(&auth).await, "token-1");
        // The question is a task: it runs when nobody else does.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(asked.load(Ordering::Relaxed), questions, "{wait}");
    }
    assert_eq!(held(&auth).await, "token-3");
}

#[tokio::test(start_paused = true)]
async fn who_waits_shares_a_failure_and_the_next_one_asks_anew() {
    let slow = Duration::from_secs(1);
    let (auth, asked) = asking(move |n| {
        let answer = if n == 1 { MemoryAnswer::new(503) } else { token(n) };
        answer.with_delay(slow)
    });
    for outcome in join_all((0..50).map(|_| auth.token())).await {
        assert_eq!(outcome.unwrap_err().http_status(), Some(503));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(held(&auth).await, "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_takes_the_question_from_nobody() {
    let (auth, asked) = asking(|n| token(n).with_delay(Duration::from_secs(1)));
    let first = tokio::time::timeout(Duration::from_millis(1), auth.token()).await;
    assert!(first.is_err());
    assert_eq!(held(&auth).await, "token-1");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_life_may_stand_in_quotes_and_what_is_none_is_as_untold() {
    for (told, life) in [
        ("3599", 3599),
        ("\"3599\"", 3599),
        ("null", 300),
        ("\"\"", 300),
        ("\"+5\"", 300),
        ("\"an hour\"", 300),
        ("-1", 300),
        ("3599.5", 300),
        ("{}", 300),
    ] {
        let (auth, _) = asking(move |_| {
            MemoryAnswer::json(200, format!("{{\"access_token\": \"t\", \"expires_in\": {told}}}"))
        });
        let token = auth.issuer.token().await.unwrap();
        assert_eq!(token.ends - token.fetched, Duration::from_secs(life), "{told}");
    }
}

#[tokio::test]
async fn id_and_secret_are_encoded_as_in_a_form() {
    let issuer = Arc::new(MemoryHttp::new().with_fallback(|_| token(1)));
    let secret = Secret::new("p:w d%-._*~");
    let auth = OAuth2Auth::new(issuer.clone(), "https://login.test/token", "a-b.c_d:e", secret).unwrap();
    auth.token().await.unwrap();
    let told = issuer.received()[0].header("authorization").unwrap().to_owned();
    let expected = super::super::simple::basic("a-b.c_d%3Ae", "p%3Aw%20d%25-._*%7E");
    assert_eq!(told, *expected);
}

#[tokio::test]
async fn a_secret_goes_to_no_token_endpoint_without_tls_unless_it_may() {
    let over = |url: &str| {
        let issuer = MemoryHttp::new().with_fallback(|_| token(1));
        OAuth2Auth::new(Arc::new(issuer), url, "shop", Secret::new("s3cret")).unwrap()
    };
    let error = over("http://login.test/token").token().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, external_core::Effect::NotSent));
    assert!(over("http://login.test/token").with_insecure_http(true).token().await.is_ok());
    assert!(over("http://127.0.0.1/token").token().await.is_ok());
}
