//! What is tried again, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_http::external_core::{CallContext, ProviderInfo};
use external_http::{
    ByteStream, Domain, Effect, Error, ErrorKind, HttpBody, HttpClient, HttpRequest, MemoryAnswer,
    MemoryHttp, Repeat, Statuses,
};

use super::S;

pub(crate) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "http.repeat.1",
            "What may have taken effect is tried again only if that is harmless.",
            |case| {
                let _ = case;
                let lost = || Error::unavailable("reset").with_effect(Effect::MaybeApplied);
                for (request, attempts) in [
                    (HttpRequest::get("/")?, 3),
                    (HttpRequest::put("/")?, 3),
                    (HttpRequest::delete("/")?, 3),
                    (HttpRequest::post("/")?, 1),
                    (HttpRequest::post("/")?.with_idempotency_key("k"), 3),
                    (HttpRequest::post("/")?.with_repeat(Repeat::Safe), 3),
                    (HttpRequest::get("/")?.with_repeat(Repeat::Once), 1),
                ] {
                    let http = failing(lost());
                    let error =
                        ensure_error("a lost answer", http.send(&request).await, ErrorKind::Unavailable)?;
                    ensure_eq(&format!("the attempts of {request:?}"), &asked(&http), &attempts)?;
                    ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
                }
            }
        )
        .of_provider(),
        clause!("http.repeat.2", "What was not sent is tried again, whatever it is.", |case| {
            let _ = case;
            let http = failing(Error::unavailable("refused").with_effect(Effect::NotSent));
            let refused = http.send(&HttpRequest::post("/")?).await;
            ensure_error("a refused connection", refused, ErrorKind::Unavailable)?;
            ensure_eq("the attempts", &asked(&http), &3)?;
        })
        .of_provider(),
        clause!("http.repeat.3", "A body is sent from its beginning by each attempt.", |case| {
            let _ = case;
            let answered = Arc::new(AtomicUsize::new(0));
            let counted = answered.clone();
            let double =
                MemoryHttp::new().with_fallback(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => MemoryAnswer::new(503),
                    _ => MemoryAnswer::new(200),
                });
            let http = quick(double);
            let body = HttpBody::from_factory(None, || ByteStream::from_bytes("the whole body".into()));
            http.put("/", body).await?;
            let double = http.provider::<MemoryHttp>().unwrap();
            let bodies: Vec<_> = double.received().into_iter().map(|request| request.body).collect();
            ensure_eq("the bodies", &bodies, &vec![bytes::Bytes::from("the whole body"); 3])?;
        })
        .of_provider(),
        clause!("http.repeat.4", "A status that is taken as an answer is not repeated.", |case| {
            let _ = case;
            let http = quick(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(503)));
            http.send(&HttpRequest::get("/")?.with_statuses(Statuses::Any)).await?;
            ensure_eq("the attempts", &asked(&http), &1)?;
        })
        .of_provider(),
        clause!(
            "http.repeat.5",
            "A streamed body that stalls is `Timeout`, and the call ends with it.",
            |case| {
                let _ = case;
                let settings =
                    external_http::HttpSettings::new().with_idle_timeout(Duration::from_millis(50));
                let http = HttpClient::over(Stalling(MemoryHttp::new())).with_settings(settings)?;
                let mut body = http.send(&HttpRequest::get("/")?.streamed()).await?.body;
                let stalled = body.next_chunk().await.map(drop);
                ensure_error("a stalled body", stalled, ErrorKind::Timeout)?;
                let left = http.close(Duration::from_secs(1)).await;
                ensure(left.error.is_none(), "nothing is left after the body", format!("{left:?}"))?;
            }
        )
        .of_provider(),
    ]
}

fn quick(double: MemoryHttp) -> HttpClient {
    let policy = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2));
    HttpClient::over(double).with_policy(policy)
}

fn failing(error: Error) -> HttpClient {
    quick(MemoryHttp::new().with_fallback(move |_| MemoryAnswer::failing(error.clone())))
}

fn asked(http: &HttpClient) -> usize {
    http.provider::<MemoryHttp>().unwrap().received().len()
}

/// Answers with a head and nothing after it.
#[derive(Debug)]
struct Stalling(MemoryHttp);

#[external_http::external_core::async_trait]
impl external_http::Provider for Stalling {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn probe(&self, cx: &CallContext) -> external_http::Result<()> {
        self.0.probe(cx).await
    }
}

#[external_http::external_core::async_trait]
impl external_http::HttpTransport for Stalling {
    async fn execute(
        &self,
        _: &CallContext,
        _: &HttpRequest,
    ) -> external_http::Result<external_http::HttpResponse> {
        let body = ByteStream::new(futures_util::stream::pending());
        Ok(external_http::HttpResponse::new(external_http::StatusCode::OK, Default::default(), body))
    }
}
