//! Versions: what is read again only if it changed, and changed only if nobody else did.

use external_api::ErrorKind;
use external_api::rest::{Conditional, Endpoint, RestRequest, Validators, Versioned};
use external_simulator::{HttpAnswer, HttpQuestion};

use super::origin::{both, json};

/// A note at its second version.
fn note(question: &HttpQuestion, _: usize) -> HttpAnswer {
    let header = |name: &str| question.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if header("if-match").is_some_and(|tag| tag != "\"v2\"" && tag != "*")
        || (question.method == "PUT" && header("if-none-match").as_deref() == Some("*"))
    {
        return json(412, r#"{"title": "Precondition Failed"}"#);
    }
    if question.method == "GET" && header("if-none-match").as_deref() == Some("\"v2\"") {
        return HttpAnswer::new(304).with_header("etag", "\"v2\"");
    }
    let tag = if question.method == "PUT" { "\"v3\"" } else { "\"v2\"" };
    json(200, r#""text""#)
        .with_header("etag", tag)
        .with_header("last-modified", "Sun, 17 Mar 2030 17:46:40 GMT")
}

struct GetNote<'a>(&'a Validators);

impl Endpoint for GetNote<'_> {
    const NAME: &'static str = "get_note";
    type Answer = Conditional<Versioned<String>>;

    fn request(&self) -> RestRequest {
        RestRequest::get("/note").if_changed(self.0)
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    for origin in both(note).await {
        let known: Versioned<String> = origin.rest.fetch(&RestRequest::get("/note")).await.unwrap();
        assert_eq!(known.value, "text");
        assert_eq!(known.validators.etag.as_ref().unwrap().as_str(), "\"v2\"");
        assert_eq!(known.validators.last_modified.as_deref(), Some("Sun, 17 Mar 2030 17:46:40 GMT"));
        assert_eq!(origin.rest.call(&GetNote(&known.validators)).await.unwrap(), Conditional::NotModified);

        // Kept elsewhere, and asked about by what is left of it.
        let kept = serde_json::to_string(&known.validators).unwrap();
        let kept: Validators = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept, known.validators);
        let mut dated = kept;
        dated.etag = None;
        let changed = origin.rest.call(&GetNote(&dated)).await.unwrap();
        assert!(matches!(changed, Conditional::Changed(note) if note.value == "text"));
        assert_eq!(origin.asked()[2].headers["if-modified-since"], "Sun, 17 Mar 2030 17:46:40 GMT");
    }
}

#[tokio::test]
async fn what_somebody_else_changed_stays_theirs() {
    for origin in both(note).await {
        let known = origin.rest.send(&RestRequest::get("/note")).await.unwrap().validators();
        let change = RestRequest::put("/note").with_json("new");
        let changed: Versioned<String> =
            origin.rest.fetch(&change.clone().if_unchanged(&known)).await.unwrap();
        let stale = change.clone().if_unchanged(&changed.validators);
        for refused in [stale, change.clone().if_absent()] {
            let error = origin.rest.send(&refused).await.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::Conflict, Some(412)));
        }
        origin.rest.send(&change.if_present()).await.unwrap();
    }
}
