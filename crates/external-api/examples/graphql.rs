//! Queries, a mutation, a file and two subscriptions, at a server that `cargo xtask servers` starts.
//!
//! ```text
//! eval "$(cargo xtask servers up graphql)"
//! cargo run -p external-api --example graphql --features graphql -- "$EXTERNAL_TEST_GRAPHQL_URL"
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_api::external_http::{BuildContext, ReqwestConfig};
use external_api::graphql::{
    GraphqlClient, GraphqlReply, GraphqlRequest, PersistedQueries, SubscriptionEvent, Upload, WebSocketConfig,
};
use external_api::{HttpClient, Result};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Greeted {
    greeting: String,
    broken: Option<String>,
}

#[derive(Deserialize)]
struct Counted {
    count: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:4000/graphql".to_owned());
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default())?);
    let api = GraphqlClient::over(http, &url)?.with_persisted_queries(PersistedQueries::Get);

    // Data and errors are both there; `into_data` would take the error for one.
    let request =
        GraphqlRequest::new("query ($who: String!) { greeting(name: $who) broken(code: \"FORBIDDEN\") }")
            .with_variable("who", "Ada")?;
    let reply: GraphqlReply<Greeted> = api.query(&request).await?;
    for error in &reply.errors {
        println!("{}: {}", error.code().unwrap_or("no code"), error.message);
    }
    if let Some(Greeted { greeting, broken }) = reply.data {
        println!("{greeting}; broken: {broken:?}");
    }

    // Without data there is an error, with kind, effect and advice.
    if let Err(error) = api.query::<Value>(&GraphqlRequest::new("{ nothing }")).await {
        println!("{error}");
    }

    let keep = GraphqlRequest::new("mutation ($file: File!) { keep(file: $file) { name bytes sha256 } }")
        .with_upload("file", Upload::new("notes.txt", "three words here").with_content_type("text/plain"))?;
    let kept: Value = api.mutate(&keep).await?.into_data()?;
    println!("kept {}", kept["keep"]);

    // The same stream, by server-sent events and over WebSocket.
    let sockets = api.clone().with_websocket(WebSocketConfig::new())?;
    for api in [api, sockets] {
        let mut numbers =
            api.subscribe::<Counted>(&GraphqlRequest::new("subscription { count(to: 3) }")).await?;
        while let Some(event) = numbers.next().await? {
            match event {
                SubscriptionEvent::Next(reply) => println!("{}", reply.into_data()?.count),
                SubscriptionEvent::Lost(error) => println!("lost: {error}"),
                _ => println!("resumed"),
            }
        }
    }
    Ok(())
}
