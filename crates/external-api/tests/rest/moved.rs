//! Lists that were moved: what is relative in a page is relative to where it was given.

use external_api::ErrorKind;
use external_api::rest::{Paging, RestClient, RestRequest};
use external_http::HttpSettings;
use external_simulator::{HttpAnswer, HttpQuestion};

use super::origin::{Origin, both, json};

/// A client of the origin that follows redirects.
fn following(origin: &Origin, settings: HttpSettings) -> RestClient {
    RestClient::over(origin.rest.http().clone().with_settings(settings).unwrap())
}

fn linked(items: &str, next: &str) -> HttpAnswer {
    json(200, items).with_header("link", &format!("<{next}>; rel=next"))
}

fn moved(question: &HttpQuestion, _: usize) -> HttpAnswer {
    match question.target.as_str() {
        "/list" => HttpAnswer::new(307).with_header("location", "/v2/moved"),
        "/v2/moved" => HttpAnswer::new(302).with_header("location", "archive/2024"),
        "/v2/archive/2024" => linked("[1]", "?page=2"),
        "/v2/archive/2024?page=2" => linked("[2]", "2025"),
        "/v2/archive/2025" => json(200, "[3]"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_page_that_was_moved_leads_on_from_where_it_is() {
    for origin in both(moved).await {
        let rest = following(&origin, HttpSettings::new().with_max_redirects(2));
        let list = rest.pages::<u32>(&RestRequest::get("/list"), Paging::by_link());
        assert_eq!(list.items().all().await.unwrap(), [1, 2, 3]);
        assert_eq!(
            origin.targets(),
            ["/list", "/v2/moved", "/v2/archive/2024", "/v2/archive/2024?page=2", "/v2/archive/2025"]
        );
    }
}

#[tokio::test]
async fn where_a_redirect_led_elsewhere_nothing_is_asked_with_what_is_for_here() {
    let away = |question: &HttpQuestion, _| match question.path() {
        "/list" => HttpAnswer::new(307).with_header("location", "https://elsewhere.example/there"),
        "/there" => linked("[1]", "?page=2"),
        other => panic!("{other}"),
    };
    // Functions of this process answer for every host.
    let [origin, _] = both(away).await;
    let settings = HttpSettings::new().with_max_redirects(1).with_redirect_host("elsewhere.example");
    let request = RestRequest::get("/list").with_header("x-api-key", "k");
    let rest = following(&origin, settings);
    let error = rest.pages::<u32>(&request, Paging::by_link()).next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{}", error.report());
    assert_eq!(origin.targets(), ["/list", "/there"]);
    assert!(!origin.asked()[1].headers.contains_key("x-api-key"));
}
