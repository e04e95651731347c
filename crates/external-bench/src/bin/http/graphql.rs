//! GraphQL: a query with a variable, its data read into a type, beside what one writes with reqwest and serde.

use std::time::Duration;

use bytes::Bytes;
use external_api::graphql::{GraphqlClient, GraphqlRequest};
use external_bench::Rounds;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::calls::{Call, ID, load};
use crate::rest::{Item, ours, raw};
use crate::server::Server;

const QUERY: &str =
    "query ($id: ID!) { item(id: $id) { id name price { amount currency } tags in_stock description } }";

/// The data that come back.
#[derive(Debug, Deserialize)]
struct Found {
    item: Item,
}

/// What is sent, by hand.
#[derive(Debug, Serialize)]
struct Asked {
    query: &'static str,
    variables: Variables,
}

#[derive(Debug, Serialize)]
struct Variables {
    id: u64,
}

/// What comes back, by hand.
#[derive(Debug, Deserialize)]
struct Answered {
    data: Option<Found>,
    #[serde(default)]
    errors: Vec<Value>,
}

/// The server's answer about an item.
pub(crate) fn answer(item: &str) -> Bytes {
    format!(r#"{{"data": {{"item": {item}}}}}"#).into()
}

pub(crate) fn measure(
    rounds: &mut Rounds,
    slice: Duration,
    runtime: &Runtime,
    server: &Server,
) -> Result<(), String> {
    let url: &'static str = server.url("/graphql").leak();
    let ours = GraphqlClient::over(ours()?, url).map_err(|error| error.report().to_string())?;
    let raw = raw()?;
    for callers in [1, 64] {
        let load = |name: &str, query: Query| load(name, runtime, callers, slice, query);
        let contestants = vec![
            load("ours", Query::Ours(ours.clone())),
            load("reqwest and serde", Query::Raw(raw.clone(), url)),
        ];
        rounds.case("http", &format!("GraphQL query, {callers} callers"), "calls/s", contestants);
    }
    Ok(())
}

#[derive(Clone)]
enum Query {
    Ours(GraphqlClient),
    Raw(reqwest::Client, &'static str),
}

impl Call for Query {
    async fn made(&self) -> u64 {
        match self {
            Self::Ours(api) => {
                let request = GraphqlRequest::new(QUERY).with_variable("id", ID).expect("a variable");
                let reply = api.query::<Found>(&request).await.expect("a reply");
                reply.into_data().expect("data").item.id
            }
            Self::Raw(http, url) => {
                let asked = Asked { query: QUERY, variables: Variables { id: ID } };
                let request = http
                    .post(*url)
                    .header("content-type", "application/json")
                    .header("accept", "application/graphql-response+json")
                    .body(serde_json::to_vec(&asked).expect("JSON"));
                let answer = request.send().await.expect("an answer");
                let body = answer.error_for_status().expect("a success").bytes().await.expect("a body");
                let answered: Answered = serde_json::from_slice(&body).expect("an answer of GraphQL");
                assert!(answered.errors.is_empty());
                answered.data.expect("data").item.id
            }
        }
    }
}
