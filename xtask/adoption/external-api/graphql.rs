//! A service that asks a GraphQL API, tested without one: data with an error beside them, a refusal, a subscription.
//!
//! features: graphql
//! beside: serde_json, tokio
//!
//! ```text
//! Ada, and 1 error: NOT_FOUND at user.mail
//! mutation: PermissionDenied, NotApplied: not you
//! event 1
//! event 2
//! 3 requests
//! ```

use external_api::external_http::{MemoryAnswer, MemoryHttp};
use external_api::graphql::{GraphqlClient, GraphqlReply, GraphqlRequest, SubscriptionEvent, errors_of};
use external_api::{HttpClient, Result};
use serde_json::Value;

const USER: &str = r#"{
    "data": {"user": {"name": "Ada", "mail": null}},
    "errors": [{"message": "no mail", "path": ["user", "mail"], "extensions": {"code": "NOT_FOUND"}}]
}"#;
const REFUSAL: &str = r#"{"errors": [{"message": "not you", "extensions": {"code": "FORBIDDEN"}}]}"#;
const EVENTS: &str = "event: next\ndata: {\"data\": {\"n\": 1}}\n\nevent: next\ndata: {\"data\": {\"n\": 2}}\n\nevent: complete\ndata:\n\n";

#[tokio::main]
async fn main() -> Result<()> {
    let http = HttpClient::over(MemoryHttp::new().with_fallback(|request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match asked["query"].as_str().and_then(|document| document.split_whitespace().next()) {
            Some("subscription") => {
                MemoryAnswer::new(200).with_header("content-type", "text/event-stream").with_body(EVENTS)
            }
            Some("mutation") => MemoryAnswer::json(200, REFUSAL),
            _ => MemoryAnswer::json(200, USER),
        }
    }));
    let api = GraphqlClient::over(http, "https://api.example.org/graphql")?;

    let request =
        GraphqlRequest::new("query ($id: ID!) { user(id: $id) { name mail } }").with_variable("id", 7)?;
    let GraphqlReply { data, errors, .. } = api.query::<Value>(&request).await?;
    let path: Vec<String> = errors[0].path.iter().map(ToString::to_string).collect();
    let name = data.as_ref().and_then(|data| data["user"]["name"].as_str()).unwrap_or_default();
    println!(
        "{name}, and {} error: {} at {}",
        errors.len(),
        errors[0].code().unwrap_or_default(),
        path.join(".")
    );

    let forget = GraphqlRequest::new("mutation { forget }");
    let error = api.mutate::<Value>(&forget).await.expect_err("this is not allowed");
    println!("mutation: {:?}, {:?}: {}", error.kind(), error.effect(), errors_of(&error)[0].message);

    let mut numbers = api.subscribe::<Value>(&GraphqlRequest::new("subscription { n }")).await?;
    while let Some(event) = numbers.next().await? {
        if let SubscriptionEvent::Next(reply) = event {
            println!("event {}", reply.into_data()?["n"]);
        }
    }
    let double = api.http().provider::<MemoryHttp>().expect("a double");
    println!("{} requests", double.received().len());
    Ok(())
}
