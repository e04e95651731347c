//! Bodies on their way: an answer's, which must not stall, and a request's of which nobody knows how long it is.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use external_core::http::{BodySource, HttpBody, HttpRequest, HttpResponse};
use external_core::{ByteStream, CallContext, Effect, Error, Result};
use external_resilience::CallGuard;
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use tokio::time::timeout_at;

use super::{HttpClient, Shared};
use crate::sse::is_event_stream;

/// An answer whose body travels with its call, and must not be silent for so long while somebody reads.
pub(super) fn guarded(mut answer: HttpResponse, guard: CallGuard, idle: Duration) -> HttpResponse {
    let is_events = answer.headers.get(CONTENT_TYPE).is_some_and(|told| is_event_stream(told.as_bytes()));
    answer.body = match is_events {
        true => guard.around_events(answer.body, idle),
        false => guard.around(answer.body, idle),
    };
    answer
}

impl HttpClient {
    /// One exchange. Where the length of the request's body is unknown the pipeline leaves the attempt the time of a very
    /// large one; so the time is kept here: what there would be for what has been sent of it so far. Each chunk puts the
    /// end off by the time it may take, and who neither takes a chunk nor answers is not waited for.
    pub(super) async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let Shared { service, pipeline, .. } = &*self.shared;
        if request.body.length().is_some() {
            return service.execute(cx, request).await;
        }
        let (operation, sent) = (request.operation().name, Arc::new(AtomicU64::new(0)));
        let counted = Counted { body: request.body.clone(), sent: sent.clone() };
        let request = request.clone().with_body(HttpBody::from_source(counted));
        {
            let mut answer = pin!(service.execute(cx, &request));
            loop {
                let before = sent.load(Ordering::Relaxed);
                let allowed = pipeline.attempt_timeout(operation, before);
                let Some(end) = allowed.and_then(|allowed| cx.started().checked_add(allowed)) else {
                    return answer.await;
                };
                if let Ok(answer) = timeout_at(end, answer.as_mut()).await {
                    return answer;
                }
                if sent.load(Ordering::Relaxed) == before {
                    break;
                }
            }
        }
        // Read when nobody can set it any more.
        let effect = if cx.was_sent() { Effect::MaybeApplied } else { Effect::NotSent };
        Err(Error::timeout("the upload came to a halt")
            .with_effect(effect)
            .with_context("bytes", sent.load(Ordering::Relaxed)))
    }
}

/// A body, and how much of it has been sent.
struct Counted {
    body: HttpBody,
    sent: Arc<AtomicU64>,
}

#[async_trait]
impl BodySource for Counted {
    fn length(&self) -> Option<u64> {
        None
    }

    async fn open(&self) -> Result<ByteStream> {
        let (body, sent) = (self.body.open().await?, self.sent.clone());
        Ok(ByteStream::new(body.inspect(move |chunk| {
            let bytes = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            sent.fetch_add(bytes, Ordering::Relaxed);
        })))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use external_core::http::HttpTransport;
    use external_core::{ErrorKind, Provider, ProviderInfo};
    use external_resilience::Domain as _;
    use futures_util::stream;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{MemoryAnswer, MemoryHttp};

    /// What moves in four seconds at the slowest rate that is taken for alive.
    const PIECE: usize = 256 << 10;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// So many pieces, each after a while.
    fn pieces(many: usize, bytes: usize, after: Duration) -> ByteStream {
        ByteStream::new(stream::iter(0..many).then(move |_| async move {
            sleep(after).await;
            Ok(Bytes::from(vec![b'\n'; bytes]))
        }))
    }

    /// Uploads to a server that takes everything and answers after a while.
    async fn upload(
        length: Option<u64>,
        answers_after: Duration,
        body: impl Fn() -> ByteStream + Send + Sync + 'static,
    ) -> Result<HttpResponse> {
        let answer = move |_: &_| MemoryAnswer::new(201).with_delay(answers_after);
        let http = HttpClient::over(MemoryHttp::new().with_fallback(answer))
            .with_policy(HttpClient::policy().with_max_attempts(1));
        http.put("/", HttpBody::from_factory(length, body)).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_has_the_time_that_its_bytes_take() {
        for length in [Some(120 * PIECE as u64), None] {
            let start = Instant::now();
            let stored = upload(length, Duration::ZERO, || pieces(120, PIECE, millis(3750))).await.unwrap();
            assert_eq!((stored.status.as_u16(), start.elapsed().as_secs()), (201, 450), "{length:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_of_unknown_length_that_comes_to_a_halt_is_left() {
        for (many, after, seconds) in [
            // All of it has gone out, and nothing comes back.
            (0, Duration::ZERO, 10),
            (1, Duration::ZERO, 14),
            // It does not begin, and it is too slow.
            (5, millis(40_000), 10),
            (100, millis(4700), 42),
        ] {
            let start = Instant::now();
            let error =
                upload(None, millis(3_600_000), move || pieces(many, PIECE, after)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert_eq!(start.elapsed().as_secs(), seconds, "{many} pieces, each after {after:?}: {error}");
        }
    }

    /// Answers with a line every half minute, nearly.
    #[derive(Debug)]
    struct Ticking(MemoryHttp, &'static str);

    #[async_trait]
    impl Provider for Ticking {
        fn info(&self) -> &ProviderInfo {
            self.0.info()
        }

        async fn probe(&self, cx: &CallContext) -> Result<()> {
            self.0.probe(cx).await
        }
    }

    #[async_trait]
    impl HttpTransport for Ticking {
        async fn execute(&self, _: &CallContext, _: &HttpRequest) -> Result<HttpResponse> {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(self.1))]);
            Ok(HttpResponse::new(StatusCode::OK, headers, pieces(20, 1, millis(29_000))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_any_kind_may_come_line_by_line() {
        for kind in ["application/x-ndjson", "application/grpc-web", "text/plain", "text/event-stream"] {
            let http = HttpClient::over(Ticking(MemoryHttp::new(), kind));
            let answer = http.send(&HttpRequest::get("/").unwrap().streamed()).await.unwrap();
            assert_eq!(answer.body.collect(u64::MAX).await.unwrap().len(), 20, "{kind}");
        }
    }
}
