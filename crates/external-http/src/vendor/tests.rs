//! What is sent, what is made of the answers, and who closes what.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use external_core::http::HttpTransport;
use external_core::{Capabilities, ErrorKind, Provider, ProviderInfo, Secret};
use serde_json::Value;

use super::*;
use crate::{BearerAuth, MemoryAnswer, MemoryHttp};

fn over(answer: MemoryAnswer) -> (Vendor, Arc<MemoryHttp>) {
    let http = Arc::new(MemoryHttp::new().with_fallback(move |_| answer.clone()));
    let auth = BearerAuth::new(Secret::new("key"));
    (Vendor::new("Example", Link::lent(http.clone()), "https://api.example.org/v1", auth).unwrap(), http)
}

fn get() -> HttpRequest {
    HttpRequest::get("/items").unwrap()
}

async fn asked(vendor: &Vendor) -> Result<HttpResponse> {
    vendor.ask(&CallContext::default(), get(), StatusCode::OK).await
}

#[tokio::test]
async fn what_is_sent_bears_credentials_and_the_vendors_fields() {
    let (vendor, http) = over(MemoryAnswer::json(200, "[1, 2]"));
    let vendor = vendor.with_header("x-version", "2024-01").unwrap();
    let read: Vec<u8> = vendor.read(asked(&vendor).await.unwrap()).await.unwrap();
    assert_eq!(read, [1, 2]);
    let request = &http.received()[0];
    assert_eq!(request.url.expose(), "https://api.example.org/v1/items");
    for (name, value) in
        [("authorization", "Bearer key"), ("x-version", "2024-01"), ("accept", "application/json")]
    {
        assert_eq!(request.header(name), Some(value));
    }
    assert!(vendor.with_header("x-version", "a\nb").is_err());
}

#[tokio::test]
async fn an_answer_that_the_vendor_does_not_give_may_have_been_applied() {
    for answer in [MemoryAnswer::new(204), MemoryAnswer::new(302), MemoryAnswer::json(200, "<html>")] {
        let (vendor, _) = over(answer);
        let error = match asked(&vendor).await {
            Ok(answer) => vendor.read::<Vec<u8>>(answer).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(
            (error.kind(), error.effect(), error.retry()),
            (ErrorKind::Corrupt, Effect::MaybeApplied, Retry::Never)
        );
        assert!(error.to_string().contains("none of Example's"), "{error}");
    }
}

#[tokio::test]
async fn what_is_said_beside_the_status_is_read_by_the_vendors_table() {
    fn explained(error: Error, refused: &Refused<'_>) -> Error {
        let said: Value = refused.json();
        match said["code"].as_str() {
            Some("gone") => refused.error(ErrorKind::NotFound, "there is no such item"),
            _ => match refused.wait_until("x-reset") {
                Some(wait) => error.with_retry(Retry::After(wait)),
                None => error.with_context("reply", shown(said["message"].as_str().unwrap_or("nothing"))),
            },
        }
    }
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let context = BuildContext::default().with_clock(move || at(1000));
    let refused = |answer: MemoryAnswer| {
        let vendor =
            over(answer.with_header("x-request-id", "r-1")).0.with_errors(explained).with_context(&context);
        async move { asked(&vendor).await.unwrap_err() }
    };
    let gone = refused(MemoryAnswer::json(400, r#"{"code": "gone"}"#)).await;
    assert_eq!((gone.kind(), gone.effect()), (ErrorKind::NotFound, Effect::NotApplied));
    assert_eq!((gone.http_status(), gone.request_id()), (Some(400), Some("r-1")));
    let later = refused(MemoryAnswer::new(429).with_header("x-reset", "1030")).await;
    assert_eq!(later.retry(), Retry::After(Duration::from_secs(30)));
    let over = refused(MemoryAnswer::new(429).with_header("x-reset", "999")).await;
    assert_eq!((over.retry(), over.context_value("reply")), (Retry::Backoff, Some("nothing")));
    let told = refused(MemoryAnswer::json(500, r#"{"message": "a@b.c\tis down"}"#)).await;
    assert_eq!(
        (told.kind(), told.context_value("reply")),
        (ErrorKind::Unavailable, Some("<address> is down"))
    );
}

#[test]
fn a_base_is_a_place_that_credentials_may_go_to() {
    for base in ["/v1", "api", "https://a/?b=c", "http://api.example.org"] {
        let link = Link::lent(Arc::new(MemoryHttp::new()));
        let error = Vendor::new("Example", link, base, BearerAuth::new(Secret::new("key"))).unwrap_err();
        assert_eq!(
            (error.kind(), error.context_value("field")),
            (ErrorKind::Configuration, Some("base_url")),
            "{base}"
        );
    }
    let link = Link::lent(Arc::new(MemoryHttp::new()));
    let auth = BearerAuth::new(Secret::new("key")).with_insecure_http(true);
    assert!(Vendor::new("Example", link, "http://api.example.org", auth).is_ok());
}

#[test]
fn only_what_looks_like_a_field_is_shown_as_one() {
    assert_eq!(shown_field("personalizations[0].to-0_a"), Some("personalizations[0].to-0_a"));
    for other in ["", "a b", "a@b", &"x".repeat(101)] {
        assert_eq!(shown_field(other), None);
    }
    assert_eq!(shown(&"é".repeat(200)).len(), 200);
}

#[tokio::test]
async fn who_made_a_transport_closes_it() {
    #[derive(Debug)]
    struct Unclosable(ProviderInfo);

    #[async_trait]
    impl Provider for Unclosable {
        fn info(&self) -> &ProviderInfo {
            &self.0
        }
        async fn probe(&self, _: &CallContext) -> Result<()> {
            Ok(())
        }
        async fn close(&self) -> Result<()> {
            Err(Error::closed("somebody else needs it"))
        }
    }

    #[async_trait]
    impl HttpTransport for Unclosable {
        async fn execute(&self, _: &CallContext, _: &HttpRequest) -> Result<HttpResponse> {
            Err(Error::closed("nobody asks"))
        }
    }

    let shared = Arc::new(Unclosable(ProviderInfo::new("none", "http", "http:", Capabilities::new())));
    Link::lent(shared).close().await.unwrap();

    let own = Link::own(Duration::from_secs(1), None, &BuildContext::default()).unwrap();
    own.close().await.unwrap();
    let request = HttpRequest::get("http://127.0.0.1:1/").unwrap();
    let error = own.transport().execute(&CallContext::default(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}
