//! Lists, by every way in which APIs tell one page from the next.

use external_api::ErrorKind;
use external_api::rest::{Checkpoint, PagedEndpoint, Paging, RestRequest};
use external_simulator::{HttpAnswer, HttpQuestion};
use futures_util::TryStreamExt;
use serde_json::json as value;

use super::origin::{Origin, both, json};

/// A value of the query.
fn query(question: &HttpQuestion, name: &str) -> Option<String> {
    let pairs = question.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// The numbers 1 to 7, three a page, told in every way at once.
fn numbers(question: &HttpQuestion, _: usize) -> HttpAnswer {
    let number = |name| query(question, name).and_then(|text| text.parse::<usize>().ok());
    let cursor = query(question, "cursor")
        .map(|cursor| cursor.strip_prefix("c%2F").unwrap().parse::<usize>().unwrap());
    let start = match question.path() {
        "/page" => (number("page").unwrap() - 1) * 3,
        "/offset" => number("offset").unwrap(),
        _ => cursor.unwrap_or(0),
    };
    let page: Vec<_> = (1..=7).skip(start).take(3).collect();
    let end = start + page.len();
    let body = match question.path() {
        "/page" | "/offset" | "/link" | "/header" => value!(page),
        _ if end == 7 => value!({"data": {"items": page}, "next": null}),
        "/cursor" => value!({"data": {"items": page}, "next": format!("c/{end}")}),
        "/url" => value!({"data": {"items": page}, "next": format!("?cursor=c%2F{end}")}),
        other => panic!("{other}"),
    };
    let answer = json(200, body.to_string()).with_header("x-total", "7");
    if end == 7 {
        return answer.with_header("link", "</link>; rel=first");
    }
    answer
        .with_header("link", &format!("</link>; rel=first, </link?cursor=c%2F{end}>; rel=\"next\""))
        .with_header("x-next", &format!("c/{end}"))
}

fn ways() -> Vec<(&'static str, Paging)> {
    vec![
        ("/page", Paging::by_page("page").with_size("size", 3)),
        ("/page", Paging::by_page("page")),
        ("/offset", Paging::by_offset("offset", "limit", 3)),
        ("/link", Paging::by_link()),
        ("/header", Paging::by_header("cursor", "x-next")),
        ("/cursor", Paging::by_cursor("cursor", "/next").with_items("/data/items")),
        ("/url", Paging::by_url("/next").with_items("/data/items")),
    ]
}

async fn all(origin: &Origin, path: &'static str, paging: Paging) -> external_api::Result<Vec<u32>> {
    origin.rest.pages(&RestRequest::get(path), paging).items().all().await
}

#[tokio::test]
async fn every_way_leads_through_the_list() {
    for origin in both(numbers).await {
        for (path, paging) in ways() {
            assert_eq!(
                all(&origin, path, paging.clone()).await.unwrap(),
                [1, 2, 3, 4, 5, 6, 7],
                "{paging:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_before_it_is_wanted() {
    for origin in both(numbers).await {
        let mut pages = origin.rest.pages::<u32>(&RestRequest::get("/link"), Paging::by_link());
        assert!(origin.asked().is_empty());
        let first = pages.next().await.unwrap().unwrap();
        assert_eq!((first.items, &first.headers["x-total"]), (vec![1, 2, 3], &"7".parse().unwrap()));
        assert_eq!(origin.asked().len(), 1);
        let rest: Vec<_> = pages.into_stream().map_ok(|page| page.items).try_collect().await.unwrap();
        assert_eq!(rest, [vec![4, 5, 6], vec![7]]);
        assert_eq!(origin.asked().len(), 3);
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_was_left() {
    for origin in both(numbers).await {
        for (path, paging) in ways() {
            for read in 0..=7 {
                let list = || origin.rest.pages::<u32>(&RestRequest::get(path), paging.clone()).items();
                let mut items = list();
                let mut seen = Vec::new();
                for _ in 0..read {
                    seen.extend(items.next().await.unwrap());
                }
                let kept = serde_json::to_string(&items.checkpoint()).unwrap();
                match serde_json::from_str::<Option<Checkpoint>>(&kept).unwrap() {
                    Some(kept) => seen.extend(list().resume(kept).unwrap().all().await.unwrap()),
                    // The end of a list by number shows only beyond it.
                    None => assert_eq!(read, 7),
                }
                assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7], "{read} of {paging:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_checkpoint_is_of_its_kind_and_place() {
    for origin in both(numbers).await {
        let checkpoint = |text: &str| serde_json::from_str::<Checkpoint>(text).unwrap();
        let by_link = || origin.rest.pages::<u32>(&RestRequest::get("/link"), Paging::by_link());
        for text in [
            r#"{"position": {"number": 2}}"#,
            r#"{"position": {"token": "x"}}"#,
            r#"{"position": {"url": "http://elsewhere.invalid/link"}}"#,
            r#"{"position": {"url": "file:///etc/passwd"}}"#,
        ] {
            let error = by_link().resume(checkpoint(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
        let token = checkpoint(r#"{"position": {"token": "s3cret"}, "skip": 1}"#);
        assert!(!format!("{token:?}").contains("s3cret"));
        assert!(serde_json::from_str::<Checkpoint>("{}").is_err());
    }
}

#[tokio::test]
async fn circles_and_endless_lists_end() {
    let circle = |question: &HttpQuestion, number: usize| match question.path() {
        "/self" => json(200, "[1]").with_header("link", "</self>; rel=next"),
        "/three" => json(200, "[1]").with_header("link", &format!("</three?n={}>; rel=next", number % 3)),
        "/same" => json(200, "[1, 2]"),
        "/cursor" => json(200, r#"{"items": [1], "next": "x"}"#),
        "/empty" => json(200, "[]").with_header("link", &format!("</empty?n={number}>; rel=next")),
        other => panic!("{other}"),
    };
    for (path, paging, kind, asked) in [
        ("/self", Paging::by_link(), ErrorKind::Corrupt, 2),
        ("/three", Paging::by_link(), ErrorKind::Corrupt, 4),
        ("/same", Paging::by_page("page"), ErrorKind::Corrupt, 4),
        ("/same", Paging::by_offset("offset", "limit", 2), ErrorKind::Corrupt, 4),
        ("/cursor", Paging::by_cursor("cursor", "/next").with_items("/items"), ErrorKind::Corrupt, 2),
        ("/empty", Paging::by_link().with_max_pages(9), ErrorKind::Unexpected, 9),
    ] {
        for origin in both(circle).await {
            let error = all(&origin, path, paging.clone()).await.unwrap_err();
            assert_eq!((error.kind(), origin.asked().len()), (kind, asked), "{path}: {}", error.report());
        }
    }
}

#[tokio::test]
async fn plain_values_may_be_alike() {
    let zeros = |question: &HttpQuestion, _| match query(question, "page").unwrap_or_default().as_str() {
        "1" | "2" | "3" => json(200, "[0, 0]"),
        "4" => json(200, "[1, 0]"),
        _ => json(200, "[0]"),
    };
    for origin in both(zeros).await {
        let seen = all(&origin, "/", Paging::by_page("page").with_size("per_page", 2)).await.unwrap();
        assert_eq!(seen, [0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}

#[tokio::test]
async fn no_page_is_elsewhere() {
    for there in
        ["http://elsewhere.invalid/2", "//elsewhere.invalid/2", "ftp://x/", "http://[", "https://127.0.0.1/2"]
    {
        let away = move |_: &_, _| json(200, "[1]").with_header("link", &format!("<{there}>; rel=next"));
        for origin in both(away).await {
            let error = all(&origin, "/", Paging::by_link()).await.unwrap_err();
            assert_eq!((error.kind(), origin.asked().len()), (ErrorKind::Unexpected, 1), "{there}");
        }
    }
}

#[tokio::test]
async fn what_is_no_page_is_corrupt() {
    let by_cursor = || Paging::by_cursor("cursor", "/next").with_items("/items");
    for (body, paging) in [
        (r#"{"items": []}"#, Paging::by_link()),
        ("[1, \"x\"]", Paging::by_link()),
        ("[]", by_cursor()),
        (r#"{"items": {}}"#, by_cursor()),
        (r#"{"items": [1, "x"]}"#, by_cursor()),
        (r#"{"items": [1], "next": {"a": 1}}"#, by_cursor()),
        (r#"{"items": [1], "next": true}"#, by_cursor()),
        ("<html>", by_cursor()),
    ] {
        for origin in both(move |_, _| json(200, body)).await {
            let error = all(&origin, "/", paging.clone()).await.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::Corrupt, Some(200)), "{body}");
        }
    }
}

#[tokio::test]
async fn after_an_error_the_same_page_is_asked_for() {
    let broken = |question: &HttpQuestion, number: usize| match number {
        2 => HttpAnswer::new(404),
        _ => numbers(question, number),
    };
    for origin in both(broken).await {
        let mut items = origin.rest.pages::<u32>(&RestRequest::get("/link"), Paging::by_link()).items();
        let mut seen = Vec::new();
        let error = loop {
            match items.next().await {
                Ok(item) => seen.extend(item),
                Err(error) => break error,
            }
        };
        assert_eq!((seen.len(), error.kind()), (3, ErrorKind::NotFound));
        assert_eq!(items.all().await.unwrap(), [4, 5, 6, 7]);
    }
}

#[tokio::test]
async fn a_number_of_a_cursor_and_what_else_is_asked_stay() {
    let says = |question: &HttpQuestion, _| match query(question, "after") {
        None => json(200, r#"{"items": [1], "next": 42}"#),
        Some(_) => json(200, r#"{"items": [2], "next": ""}"#),
    };
    for origin in both(says).await {
        let request =
            RestRequest::get("/").with_query(&[("sort", "name"), ("limit", "9")]).with_header("x-a", "1");
        let paging = Paging::by_cursor("after", "/next").with_items("/items").with_size("limit", 1);
        assert_eq!(origin.rest.pages::<u32>(&request, paging).items().all().await.unwrap(), [1, 2]);
        assert_eq!(origin.targets(), ["/?sort=name&limit=1", "/?sort=name&limit=1&after=42"]);
        assert!(origin.asked().iter().all(|question| question.headers["x-a"] == "1"));
    }
}

struct Numbers;

impl PagedEndpoint for Numbers {
    const NAME: &'static str = "numbers";
    type Item = u32;

    fn request(&self) -> RestRequest {
        RestRequest::get("/cursor")
    }

    fn paging(&self) -> Paging {
        Paging::by_cursor("cursor", "/next").with_items("/data/items")
    }
}

#[tokio::test]
async fn an_endpoint_may_be_a_list() {
    for origin in both(numbers).await {
        let numbers: Vec<u32> = origin.rest.list(&Numbers).items().into_stream().try_collect().await.unwrap();
        assert_eq!(numbers.len(), 7);
    }
    for origin in both(|_, _| json(200, "{}")).await {
        let error = origin.rest.list(&Numbers).next().await.unwrap_err();
        assert_eq!(error.context_value("endpoint"), Some("numbers"));
    }
}
