//! What is tried again.

use external_api::rest::{ETag, RestRequest, Validators};
use external_http::{ByteStream, HttpBody, Repeat};
use external_simulator::HttpAnswer;

use super::origin::{both, json};

#[tokio::test]
async fn what_may_have_taken_effect_is_tried_again_only_if_that_is_harmless() {
    let version = Validators::by_etag(ETag::parse("\"v1\"").unwrap());
    for (request, attempts) in [
        (RestRequest::get("/"), 3),
        (RestRequest::put("/"), 3),
        (RestRequest::delete("/"), 3),
        (RestRequest::post("/"), 1),
        (RestRequest::patch("/"), 1),
        (RestRequest::post("/").with_idempotency_key("k"), 3),
        (RestRequest::post("/").with_repeat(Repeat::Safe), 3),
        (RestRequest::put("/").if_unchanged(&version), 1),
        (RestRequest::put("/").if_absent(), 1),
        (RestRequest::put("/").if_absent().with_idempotency_key("k"), 3),
        (RestRequest::get("/").if_changed(&version), 3),
    ] {
        for origin in both(|_, _| HttpAnswer::new(503)).await {
            origin.rest.send(&request).await.unwrap_err();
            assert_eq!(origin.asked().len(), attempts, "{request:?}");
        }
    }
}

#[tokio::test]
async fn each_attempt_is_the_same_request() {
    for origin in both(|_, number| if number < 3 { HttpAnswer::new(503) } else { json(200, "null") }).await {
        let body = HttpBody::from_factory(None, || ByteStream::from_bytes("all of it".into()));
        let request = RestRequest::post("/jobs").with_body("text/plain", body).with_idempotency_key("k-1");
        origin.rest.fetch::<()>(&request).await.unwrap();
        let asked = origin.asked();
        assert_eq!(asked.len(), 3);
        for question in asked {
            assert_eq!(
                (&question.body[..], &question.headers["idempotency-key"]),
                (&b"all of it"[..], &"k-1".parse().unwrap())
            );
        }
    }
}

#[tokio::test]
async fn the_server_says_when() {
    let says = |_: &_, number| match number {
        1 => HttpAnswer::new(429).with_header("retry-after-ms", "5"),
        _ => json(200, "null"),
    };
    for origin in both(says).await {
        origin.rest.fetch::<()>(&RestRequest::post("/jobs")).await.unwrap();
        assert_eq!(origin.asked().len(), 2);
    }
}
