//! What HTTP/2 tells that HTTP/1.1 cannot: that a request was not looked at. The library below would send such a one again by
//! itself; here it is told, and the pipeline decides.
#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_http::external_core::CallContext;
use external_http::{
    BuildContext, Effect, ErrorKind, HttpClient, HttpRequest, HttpTransport, HttpVersion, Policy,
    ReqwestConfig, ReqwestHttp, Retry,
};
use h2::Reason;
use tokio::net::{TcpListener, TcpStream};

/// How a server is rid of a request.
#[derive(Clone, Copy, PartialEq)]
enum Refusal {
    /// Nobody looks at it.
    Stream,
    /// Somebody may have.
    Internal,
}

/// A server that takes so many requests for nothing, and counts all.
struct Origin {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    async fn start(refused: usize, refusal: Refusal) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, counted.clone(), refused, refusal));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn transport(&self) -> ReqwestHttp {
        let config = ReqwestConfig::new().with_base_url(&self.url).with_version(HttpVersion::Http2);
        config.build(&BuildContext::default()).unwrap()
    }
}

async fn serve(socket: TcpStream, asked: Arc<AtomicUsize>, refused: usize, refusal: Refusal) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    // What is asked is kept: to let go of it would reset the stream for another reason.
    let mut questions = Vec::new();
    while let Some(Ok((question, mut answer))) = connection.accept().await {
        questions.push(question);
        if asked.fetch_add(1, Ordering::SeqCst) >= refused {
            answer.send_response(http::Response::new(()), true).unwrap();
            continue;
        }
        answer.send_reset(match refusal {
            Refusal::Stream => Reason::REFUSED_STREAM,
            Refusal::Internal => Reason::INTERNAL_ERROR,
        });
    }
}

#[tokio::test]
async fn a_refused_stream_is_told_and_not_repeated_behind_the_callers_back() {
    let origin = Origin::start(1, Refusal::Stream).await;
    let http = origin.transport();
    let post = HttpRequest::post("/orders").unwrap();
    let refused = http.execute(&CallContext::default(), &post).await.unwrap_err();
    let told = (refused.kind(), refused.effect(), refused.retry());
    assert_eq!(told, (ErrorKind::Unavailable, Effect::NotApplied, Retry::Backoff), "{refused:?}");
    assert_eq!(origin.asked(), 1);
    assert_eq!(http.execute(&CallContext::default(), &post).await.unwrap().status, 200);
}

#[tokio::test]
async fn the_pipeline_sends_again_what_nobody_looked_at_and_nothing_else() {
    let quick = || Policy::default().with_backoff(Duration::from_millis(1), Duration::from_millis(1));
    for (refusal, asked) in [(Refusal::Stream, 2), (Refusal::Internal, 1)] {
        let origin = Origin::start(1, refusal).await;
        let http = HttpClient::over(origin.transport()).with_policy(quick());
        let sent = http.send(&HttpRequest::post("/orders").unwrap()).await;
        assert_eq!((sent.is_ok(), origin.asked()), (asked == 2, asked), "{sent:?}");
        assert!(sent.is_ok_and(|answer| answer.status == 200) || refusal == Refusal::Internal);
    }
}
