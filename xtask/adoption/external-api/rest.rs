//! A service that calls a REST interface, tested without one: a typed endpoint, a list, a refusal and what was said of it.
//!
//! features: rest
//! beside: serde, tokio
//!
//! ```text
//! Ada
//! items: [1, 2, 3]
//! 422: InvalidArgument, NotApplied: no such item
//! decoding: Corrupt at name
//! ```

use external_api::external_http::{MemoryAnswer, MemoryHttp, Method};
use external_api::rest::{Endpoint, Paging, RestClient, RestError, RestRequest};
use external_api::{HttpClient, Result};

#[derive(serde::Deserialize)]
struct User {
    name: String,
}

struct GetUser(u64);

impl Endpoint for GetUser {
    const NAME: &'static str = "get_user";
    type Answer = User;

    fn request(&self) -> RestRequest {
        RestRequest::get("/users/{id}").with_parameter("id", self.0)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let double = MemoryHttp::new()
        .with_route(Method::GET, "/users/7", |_| MemoryAnswer::json(200, r#"{"name": "Ada"}"#))
        .with_route(Method::GET, "/users/{id}", |_| MemoryAnswer::json(200, r#"{"name": 8}"#))
        .with_route(Method::GET, "/items", |request| match request.url.query() {
            Some(_) => MemoryAnswer::json(200, "[3]"),
            None => MemoryAnswer::json(200, "[1, 2]").with_header("link", "<?page=2>; rel=next"),
        })
        .with_route(Method::POST, "/orders", |_| {
            MemoryAnswer::new(422)
                .with_header("content-type", "application/problem+json")
                .with_body(r#"{"title": "no such item"}"#)
        });
    let rest = RestClient::over(HttpClient::over(double));

    println!("{}", rest.call(&GetUser(7)).await?.name);
    let items = rest.pages::<u64>(&RestRequest::get("/items"), Paging::by_link()).items().all().await?;
    println!("items: {items:?}");

    let order = RestRequest::post("/orders").with_query(&[("dry", true)]).with_form(&[("item", 9)]);
    let error = rest.send(&order).await.expect_err("there is no such item");
    let problem = RestError::of(&error).and_then(RestError::problem).expect("a problem");
    let status = error.http_status().unwrap_or_default();
    println!("{status}: {:?}, {:?}: {}", error.kind(), error.effect(), problem.title.as_deref().unwrap_or("?"));

    let error = rest.call(&GetUser(8)).await.err().expect("a name that is none");
    println!("decoding: {:?} at {}", error.kind(), error.context_value("path").unwrap_or("?"));
    Ok(())
}
