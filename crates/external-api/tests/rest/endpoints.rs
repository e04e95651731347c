//! What is sent, and what is made of the answer.

use external_api::rest::{Endpoint, FromAnswer, Nothing, RestAnswer, RestRequest};
use external_api::{ErrorKind, Result};
use external_simulator::{HttpAnswer, HttpQuestion};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::origin::{both, json as says};

#[derive(Serialize)]
struct CreateOrder<'a> {
    item: &'a str,
    #[serde(skip)]
    shop: &'a str,
    #[serde(skip)]
    key: &'a str,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: u64,
}

impl Endpoint for CreateOrder<'_> {
    const NAME: &'static str = "create_order";
    type Answer = Order;

    fn request(&self) -> RestRequest {
        RestRequest::post("/shops/{shop}/orders")
            .with_parameter("shop", self.shop)
            .with_query(&[("dry", false)])
            .with_json(self)
            .with_idempotency_key(self.key)
    }
}

#[tokio::test]
async fn an_endpoint_is_sent_as_it_says() {
    for origin in both(|_, _| says(201, r#"{"id": 7, "more": [1]}"#)).await {
        let rest = origin.rest.clone().with_header("x-api-version", "2").unwrap();
        let order = rest.call(&CreateOrder { item: "tea & cake", shop: "a/b ?é", key: "k-1" }).await.unwrap();
        assert_eq!(order, Order { id: 7 });
        let asked = origin.asked();
        let question = &asked[0];
        assert_eq!((question.method.as_str(), asked.len()), ("POST", 1));
        assert_eq!(question.target, "/shops/a%2Fb%20%3F%C3%A9/orders?dry=false");
        assert_eq!(serde_json::from_slice::<Value>(&question.body).unwrap(), json!({"item": "tea & cake"}));
        for (name, value) in [
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("idempotency-key", "k-1"),
            ("x-api-version", "2"),
        ] {
            assert_eq!(question.headers[name], value);
        }
    }
}

#[tokio::test]
async fn what_a_request_says_itself_goes_before_what_its_client_says() {
    for origin in both(|_, _| says(200, "null")).await {
        let rest =
            origin.rest.clone().with_header("accept", "text/x").unwrap().with_header("x-a", "1").unwrap();
        let request = RestRequest::get("/").with_header("x-a", "2").with_header("x-a", "3");
        rest.send(&request.with_header("accept", "text/y")).await.unwrap();
        let headers = &origin.asked()[0].headers;
        assert_eq!(headers["accept"], "text/y");
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2", "3"]);
    }
}

#[tokio::test]
async fn a_base_goes_before_paths_and_not_before_urls() {
    for origin in both(|_, _| says(200, "null")).await {
        let here = origin.rest.http().info().location().trim_end_matches('/').to_owned();
        let rest = origin.rest.clone().with_base(&format!("{here}/v1/")).unwrap();
        rest.fetch::<()>(&RestRequest::get("/a?b=1").with_query(&[("c", 2)])).await.unwrap();
        rest.fetch::<()>(&RestRequest::get(format!("{here}/a/{{id}}")).with_parameter("id", 3))
            .await
            .unwrap();
        assert_eq!(origin.targets(), ["/v1/a?b=1&c=2", "/a/3"]);
        for base in ["", "/v1", "http://a/?b", "ftp://a/", "http://u:p@a/"] {
            let error = origin.rest.clone().with_base(base).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{base}");
        }
    }
}

#[tokio::test]
async fn a_form_is_pairs() {
    for origin in both(|_, _| HttpAnswer::new(204)).await {
        let form = [("grant", "a b&c=d+é"), ("grant", "2")];
        origin.rest.fetch::<()>(&RestRequest::post("/token").with_form(&form)).await.unwrap();
        let asked = origin.asked();
        assert_eq!(asked[0].body, "grant=a%20b%26c%3Dd%2B%C3%A9&grant=2");
        assert_eq!(asked[0].headers["content-type"], "application/x-www-form-urlencoded");
    }
}

struct Lines(Vec<String>);

impl FromAnswer for Lines {
    const ACCEPT: Option<&'static str> = Some("text/plain");

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        Ok(Self(answer.text()?.lines().map(str::to_owned).collect()))
    }
}

#[tokio::test]
async fn an_answer_may_be_anything() {
    let text = |_: &_, _| HttpAnswer::new(200).with_header("content-type", "text/plain").with_body("a\nb");
    for origin in both(text).await {
        let request = RestRequest::get("/");
        let Lines(lines) = origin.rest.fetch(&request).await.unwrap();
        assert_eq!(lines, ["a", "b"]);
        assert_eq!(origin.rest.fetch::<Nothing>(&request).await.unwrap(), Nothing);
        let whole = origin.rest.fetch::<RestAnswer>(&request).await.unwrap();
        assert_eq!((whole.status.as_u16(), whole.header("content-type")), (200, Some("text/plain")));
        assert_eq!(whole.body, "a\nb");
        let accepts_text = |question: &HttpQuestion| {
            question.headers.get("accept").is_some_and(|accept| accept == "text/plain")
        };
        assert_eq!(origin.asked().iter().map(accepts_text).collect::<Vec<_>>(), [true, false, false]);
    }
}

#[tokio::test]
async fn an_empty_answer_is_nothing_to_read() {
    for origin in both(|_, _| HttpAnswer::new(204)).await {
        let request = RestRequest::delete("/orders/7");
        origin.rest.fetch::<()>(&request).await.unwrap();
        assert_eq!(origin.rest.fetch::<Option<Order>>(&request).await.unwrap(), None);
        let error = origin.rest.fetch::<Order>(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Corrupt, Some(204)));
    }
}

#[tokio::test]
async fn what_is_built_wrongly_is_not_sent() {
    for origin in both(|_, _| says(200, "null")).await {
        let unserialisable = std::collections::BTreeMap::from([((1, 2), 3)]);
        for request in [
            RestRequest::get("/users/{id}"),
            RestRequest::get("/users/{id}").with_parameter("id", ""),
            RestRequest::delete("/users/{id}").with_parameter("id", ".."),
            RestRequest::get("/users").with_parameter("id", 1),
            RestRequest::get("users"),
            RestRequest::get("/a").with_header("x y", "1"),
            RestRequest::get("/a").with_header("x", "1\r\ny: 2"),
            RestRequest::get("/a").with_query("text"),
            RestRequest::post("/a").with_json(&unserialisable),
            RestRequest::post("/a").with_form(&[1]),
            RestRequest::post("/a").with_body("text/\r\n", "x"),
        ] {
            let error = origin.rest.send(&request).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{request:?}");
        }
        assert!(origin.asked().is_empty());
    }
}

struct GetPrice(u64);

impl Endpoint for GetPrice {
    const NAME: &'static str = "get_price";
    type Answer = u64;

    fn request(&self) -> RestRequest {
        RestRequest::get("/prices/{of}").with_parameter("of", self.0)
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_each_failure_to_itself() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let answer = |question: &HttpQuestion, _| match question.path() {
        "/prices/3" => says(404, "{}"),
        path => says(200, path.trim_start_matches("/prices/")),
    };
    for origin in both(answer).await {
        // Whoever is asked for counts how far ahead the batch reads.
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let endpoints = (0..50).map(move |of| {
            counted.fetch_add(1, Ordering::Relaxed);
            GetPrice(of)
        });
        let prices = origin.rest.batch(endpoints, 4).await;
        assert_eq!((prices.len(), taken.load(Ordering::Relaxed)), (50, 50));
        for (of, price) in prices.iter().enumerate() {
            match price {
                Ok(price) => assert_eq!(*price, of as u64),
                Err(error) => {
                    assert_eq!((of, error.kind()), (3, ErrorKind::NotFound));
                    assert_eq!(error.context_value("endpoint"), Some("get_price"));
                }
            }
        }
        assert!(origin.rest.batch(Vec::<GetPrice>::new(), 0).await.is_empty());
    }
}
