//! A service that asks an HTTP API, tested without one: routes, a status as an error and as an answer, what was asked.
//!
//! beside: tokio
//!
//! ```text
//! user 7
//! 404: NotFound, NotApplied
//! 422 as an answer: no such item
//! 3 requests
//! compiled in: memory
//! ```

use external_http::{HttpClient, HttpRequest, MemoryAnswer, MemoryHttp, Method, Result, Statuses};

#[tokio::main]
async fn main() -> Result<()> {
    let http = HttpClient::over(
        MemoryHttp::new()
            .with_route(Method::GET, "/users/{id}", |request| {
                MemoryAnswer::new(200).with_body(format!("user {}", request.parameter("id")))
            })
            .with_route(Method::POST, "/orders", |_| MemoryAnswer::new(422).with_body("no such item")),
    );
    println!("{}", http.get("https://api.example.org/users/7").await?.text().await?);
    let error = http.get("https://api.example.org/nobody").await.expect_err("there is no such route");
    println!("{}: {:?}, {:?}", error.http_status().unwrap_or_default(), error.kind(), error.effect());
    let order = HttpRequest::post("/orders")?.with_body("{}").with_statuses(Statuses::Final);
    let answer = http.send(&order).await?;
    println!("{} as an answer: {}", answer.status.as_u16(), answer.text().await?);
    println!("{} requests", http.provider::<MemoryHttp>().expect("a double").received().len());
    let registry = external_http::registry();
    let ids: Vec<&str> = registry.entries().iter().map(|entry| entry.id).collect();
    println!("compiled in: {}", ids.join(", "));
    Ok(())
}
