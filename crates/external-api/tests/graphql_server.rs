//! The GraphQL client against a server that others wrote (graphql-yoga and graphql-ws, which `cargo xtask contract-test`
//! starts), as clauses.

mod suite;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use external_api::external_http::{ByteStream, HttpBody};
use external_api::graphql::{
    GraphqlClient, GraphqlRequest, PersistedQueries, Subscription, SubscriptionEvent, Upload,
    WebSocketConfig, errors_of,
};
use external_api::{Effect, Error, ErrorKind};
use external_contract::{Case, Clause, Finding, Proxied, clause, ensure, ensure_eq, ensure_error};
use serde_json::{Value, json};
use suite::S;

fn main() -> ExitCode {
    suite::run(clauses(), include_str!("graphql/contract.toml"))
}

/// A client of the API that is at the base of a transport.
fn over(service: Arc<S>) -> Result<GraphqlClient, Error> {
    let http = suite::over(service);
    let url = http.info().location().to_owned();
    GraphqlClient::over(http, &url)
}

fn client(case: &Case<S>) -> Result<GraphqlClient, Error> {
    over(case.shared_service())
}

/// The same client twice: with subscriptions over either carrier.
fn both(service: Arc<S>) -> Result<[(&'static str, GraphqlClient); 2], Error> {
    let sockets = over(service.clone())?.with_websocket(WebSocketConfig::new())?;
    Ok([("events", over(service)?), ("websocket", sockets)])
}

/// The data of the next event.
async fn next(subscription: &mut Subscription<Value>) -> Result<Value, Finding> {
    match subscription.next().await? {
        Some(SubscriptionEvent::Next(reply)) => Ok(reply.into_data()?),
        other => Err(Finding::failed("an event", format!("{other:?}"))),
    }
}

fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("api.graphql.1", "A query has its variables, its header fields and its answer.", |case| {
            let document = "query A { broken(code: \"X\") } query B($who: String!) { greeting(name: $who) header(name: \"x-tenant\") }";
            let request = GraphqlRequest::new(document)
                .with_operation("B")
                .with_variables(json!({"who": "wörld \"quoted\""}))?
                .with_header("x-tenant", "7")?;
            let data: Value = client(case)?.query(&request).await?.into_data()?;
            ensure_eq("the data", &data, &json!({"greeting": "hello wörld \"quoted\"", "header": "7"}))?;
        })
        .of_provider(),
        clause!("api.graphql.2", "Data and errors are both kept; an error without data is one, by its code.", |case| {
            let api = client(case)?;
            let request = GraphqlRequest::new("{ greeting broken(code: \"FORBIDDEN\") }");
            let partial = api.query::<Value>(&request).await?;
            ensure_eq("the data", &partial.data, &Some(json!({"greeting": "hello you", "broken": null})))?;
            ensure_error("any error", partial.into_data(), ErrorKind::PermissionDenied)?;
            for (document, kind, effect) in [
                ("{ nothing }", ErrorKind::InvalidArgument, Effect::NotApplied),
                ("{", ErrorKind::InvalidArgument, Effect::NotApplied),
                ("query ($n: Int!) { greeting }", ErrorKind::InvalidArgument, Effect::NotApplied),
                ("{ fatal(code: \"NOT_FOUND\") }", ErrorKind::NotFound, Effect::MaybeApplied),
            ] {
                let refused = api.query::<Value>(&GraphqlRequest::new(document)).await;
                let error = ensure_error(document, refused, kind)?;
                ensure_eq("the effect", &error.effect(), &effect)?;
                ensure(!errors_of(&error)[0].message.is_empty(), "what the server told", "nothing")?;
            }
        })
        .of_provider(),
        clause!("api.graphql.3", "A place where there is no API is told by its status.", |case| {
            let http = suite::http(case);
            let url = http.info().location().replace("/graphql", "/elsewhere");
            let away = GraphqlClient::over(http, &url)?;
            let refused = away.query::<Value>(&GraphqlRequest::new("{ greeting }")).await;
            ensure_error("no API", refused, ErrorKind::NotFound)?;
        })
        .of_provider(),
        clause!("api.graphql.4", "A mutation is made once.", |case| {
            let api = client(case)?;
            let add = |number: i32| {
                GraphqlRequest::new("mutation ($n: Int!) { add(number: $n) }").with_variable("n", number)
            };
            let before: Value = api.mutate(&add(0)?).await?.into_data()?;
            let after: Value = api.mutate(&add(5)?).await?.into_data()?;
            let sums = [&before, &after].map(|data| data["add"].as_i64().unwrap_or_default());
            ensure_eq("what was added", &(sums[1] - sums[0]), &5)?;
        })
        .of_provider(),
        clause!("api.graphql.5", "A document travels once, and its hash from then on, by POST and by GET.", |case: S| {
            let Proxied { service, proxy } = case.proxied().await?;
            for (mode, name) in [(PersistedQueries::Post, "byPost"), (PersistedQueries::Get, "byGet")] {
                let api = over(service.clone())?.with_persisted_queries(mode);
                // A document that nobody sent before.
                let name = format!("{name}_{}", case.namespace().replace('-', "_"));
                let request = GraphqlRequest::new(format!("query {name} {{ greeting }}"));
                for _ in 0..3 {
                    let data: Value = api.query(&request).await?.into_data()?;
                    ensure_eq("the data", &data, &json!({"greeting": "hello you"}))?;
                }
                ensure_eq("documents that were sent", &proxy.count(&format!("query {name}")), &1)?;
            }
            ensure_eq("requests by GET", &proxy.count("GET /graphql?extensions="), &3)?;
        })
        .needs_plain_proxy()
        .of_provider(),
        clause!("api.graphql.6", "Files arrive byte for byte, with their names and types.", |case| {
            // 1 MiB, in pieces of an odd size and of a length that nobody knows.
            let piece: &'static [u8] = &[7; 1021];
            let streamed = HttpBody::from_factory(None, move || {
                ByteStream::new(futures_util::stream::iter((0..1027).map(move |_| Ok(piece.into()))))
            });
            let document = "mutation ($file: File!) { keep(file: $file) { name type bytes sha256 } }";
            for (content, bytes, sha256) in [
                (
                    HttpBody::from("three words here"),
                    16,
                    "c57e5b9331d7e6655b771ef5d1cab2184fe35e5ed11a92c8ec3fe68a02f0d918",
                ),
                (streamed, 1021 * 1027, "fba81ecfce9fe75d13cd02b47b6ff9e2251d0a256a3102ed92f06d7c520f9be4"),
            ] {
                let upload = Upload::new("näme \"1\".txt", content).with_content_type("text/plain");
                let request = GraphqlRequest::new(document).with_upload("file", upload)?;
                let data: Value = client(case)?.mutate(&request).await?.into_data()?;
                let kept = &data["keep"];
                ensure_eq("size and type", &(&kept["bytes"], &kept["type"]), &(&json!(bytes), &json!("text/plain")))?;
                ensure_eq("the digest", &kept["sha256"], &json!(sha256))?;
                let is_named = kept["name"].as_str().is_some_and(|name| name.contains("näme"));
                ensure(is_named, "the name of the file", &kept["name"])?;
            }
        })
        .of_provider(),
        clause!("api.graphql.7", "A subscription has all events in their order, and an end, over either carrier.", |case| {
            for (carrier, api) in both(case.shared_service())? {
                let request = GraphqlRequest::new("subscription ($to: Int!) { count(to: $to) }");
                let mut subscription = api.subscribe(&request.with_variable("to", 500)?).await?;
                for expected in 1..=500 {
                    let data = next(&mut subscription).await.map_err(|found| found.while_(carrier))?;
                    ensure_eq(carrier, &data["count"], &json!(expected))?;
                }
                let end = subscription.next().await?;
                ensure(end.is_none(), "the end", format!("{carrier}: {end:?}"))?;
            }
        })
        .of_provider(),
        clause!("api.graphql.8", "What is published is heard by who subscribed.", |case| {
            for (carrier, api) in both(case.shared_service())? {
                let request = GraphqlRequest::new("subscription { published }");
                let mut heard: Subscription<Value> = api.subscribe(&request).await?;
                let text = case.name(carrier);
                let publish = GraphqlRequest::new("mutation ($text: String!) { publish(text: $text) }")
                    .with_variable("text", &text)?;
                // The server may not have begun to listen, and others publish too: it is told until it has heard this.
                loop {
                    api.mutate::<Value>(&publish).await?;
                    let event = tokio::time::timeout(Duration::from_millis(50), next(&mut heard)).await;
                    if matches!(event, Ok(data) if data.clone()?["published"] == text.as_str()) {
                        break;
                    }
                }
            }
        })
        .of_provider(),
        clause!("api.graphql.9", "A subscription that is refused says why, over either carrier.", |case| {
            for (carrier, api) in both(case.shared_service())? {
                for (document, kind) in [
                    ("subscription { refused(code: \"FORBIDDEN\") }", ErrorKind::PermissionDenied),
                    ("subscription { nothing }", ErrorKind::InvalidArgument),
                ] {
                    let told = match api.subscribe::<Value>(&GraphqlRequest::new(document)).await {
                        Err(error) => Err(error),
                        Ok(mut subscription) => match subscription.next().await {
                            // What the operation itself refuses is its first and only event.
                            Ok(Some(SubscriptionEvent::Next(reply))) => reply.into_data().map(drop),
                            other => other.map(drop),
                        },
                    };
                    ensure_error(&format!("{carrier}: {document}"), told, kind)?;
                }
            }
            let strangers = WebSocketConfig::new().with_init(|| json!({"token": "wrong"}));
            let api = client(case)?.with_websocket(strangers)?;
            let refused = api.subscribe::<Value>(&GraphqlRequest::new("subscription { count(to: 1) }")).await;
            let error = ensure_error("a stranger", refused, ErrorKind::PermissionDenied)?;
            ensure_eq("the close code", &error.vendor_code(), &Some("4403"))?;
        })
        .of_provider(),
        clause!("api.graphql.10", "A close code of the server is understood.", |case| {
            let [_, (_, api)] = both(case.shared_service())?;
            for (code, kind) in [(4401, ErrorKind::Unauthenticated), (4400, ErrorKind::InvalidArgument)] {
                let request = GraphqlRequest::new(format!("subscription {{ closed(code: {code}) }}"));
                let mut subscription: Subscription<Value> = api.subscribe(&request).await?;
                ensure_error("a connection that is closed", subscription.next().await, kind)?;
            }
        })
        .of_provider(),
        clause!("api.graphql.11", "A connection that is cut is made anew, and the stream says so.", |case: S| {
            let Proxied { service, proxy } = case.proxied().await?;
            for (carrier, api) in both(service)? {
                let request = GraphqlRequest::new("subscription { count(to: 1000000, every: 5) }");
                let mut subscription: Subscription<Value> = api.subscribe(&request).await?;
                next(&mut subscription).await?;
                proxy.sever();
                let mut words = Vec::new();
                while words.last() != Some(&"begun anew") {
                    match subscription.next().await? {
                        // What was on its way.
                        Some(SubscriptionEvent::Next(_)) if words.is_empty() => {}
                        Some(SubscriptionEvent::Next(reply)) => {
                            ensure_eq("the first number", &reply.into_data()?["count"], &json!(1))?;
                            words.push("begun anew");
                        }
                        Some(SubscriptionEvent::Lost(_)) => words.push("lost"),
                        Some(SubscriptionEvent::Resumed) => words.push("resumed"),
                        other => return Err(Finding::failed("another event", format!("{other:?}"))),
                    }
                }
                ensure_eq(carrier, &words, &vec!["lost", "resumed", "begun anew"])?;
            }
        })
        .needs_plain_proxy()
        .of_provider(),
    ]
}
