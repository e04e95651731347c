//! A source of events: when it connects again, with what, and when it does not.

use std::time::Duration;

use external_http::sse::{SseParser, SseSource, SseStream, SseUpdate};
use external_http::{Effect, Error, ErrorKind, HttpClient, HttpRequest, HttpSettings, Repeat, Retry};
use futures_util::TryStreamExt;

use super::script::{Act, Piece, Script, events, ids};

fn get() -> HttpRequest {
    HttpRequest::get("/events").unwrap()
}

fn source(http: &HttpClient) -> SseSource {
    SseSource::new(http.clone(), get())
}

fn lost() -> Error {
    Error::unavailable("lost")
}

fn broken(body: &'static str) -> Act {
    Act::Answer(200, "text/event-stream", vec![(0, Ok(body)), (0, Err(lost()))])
}

/// What a source tells until it ends, and how long it waited each time.
async fn told(mut source: SseSource) -> (Vec<String>, Vec<f64>) {
    let (mut all, mut waits) = (Vec::new(), Vec::new());
    loop {
        match source.next().await {
            Ok(Some(SseUpdate::Connected)) => all.push("connected".to_owned()),
            Ok(Some(SseUpdate::Event(event))) => all.push(event.data().to_owned()),
            Ok(Some(SseUpdate::Disconnected { error, retry_in })) => {
                all.push(error.map_or("ended", |error| error.kind().as_str()).to_owned());
                waits.push(retry_in.as_secs_f64());
            }
            Ok(Some(_)) => {}
            Ok(None) => {
                all.push("the end".to_owned());
                assert!(source.next().await.unwrap().is_none());
                return (all, waits);
            }
            Err(error) => {
                all.push(format!("the end: {}", error.kind()));
                assert!(source.next().await.unwrap().is_none());
                return (all, waits);
            }
        }
    }
}

/// Whether each wait is as long as it should be, with up to half of it by chance.
fn are_about(waits: &[f64], expected: &[f64]) -> bool {
    let is_about = |(wait, base): (&f64, &f64)| (*base..base * 1.5).contains(wait);
    waits.len() == expected.len() && waits.iter().zip(expected).all(is_about)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_is_made_again_after_the_last_event() {
    let http = Script::client([
        events("id: 1\ndata: a\n\nid: 2\ndata: half"),
        broken("id: 2\ndata: b\n\n"),
        events("data: c\n\nid\ndata: d\n\n"),
        Act::Answer(204, "", Vec::new()),
    ]);
    let (all, waits) = told(source(&http)).await;
    let expected = [
        "connected",
        "a",
        "ended",
        "connected",
        "b",
        "unavailable",
        "connected",
        "c",
        "d",
        "ended",
        "the end",
    ];
    assert_eq!(all, expected);
    assert!(are_about(&waits, &[3.0; 3]), "{waits:?}");
    assert_eq!(ids(&http), [None, Some("1".into()), Some("2".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn it_begins_after_an_id_that_is_known() {
    let http = Script::client([events("data: a\n\n"), Act::Answer(204, "", Vec::new())]);
    let source = source(&http).with_last_event_id("7é");
    let all: Vec<_> = source.into_stream().map_ok(|event| event.id().to_owned()).try_collect().await.unwrap();
    assert_eq!(all, ["7é"]);
    let http = Script::client([]);
    let mut source = SseSource::new(http.clone(), get()).with_last_event_id("a\nb");
    assert_eq!(source.next().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(ids(&http).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_server_says_how_long_to_wait() {
    let http = Script::client([
        events("retry: 10000\ndata: a\n\n"),
        events("retry: 0\ndata: b\n\n"),
        Act::Fails(lost().with_retry(Retry::After(Duration::from_secs(20)))),
        Act::Fails(lost().with_retry(Retry::After(Duration::from_secs(2_000)))),
        events("retry: 9999999999999\ndata: c\n\n"),
        Act::Answer(204, "", Vec::new()),
    ]);
    let (_, waits) = told(source(&http)).await;
    assert!(are_about(&waits, &[10.0, 0.1, 20.0, 60.0, 60.0]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn each_failure_doubles_the_wait_and_ten_in_a_row_end_it() {
    let http =
        Script::client((0..20).map(|at| if at == 2 { broken("data: a\n\n") } else { broken(": none\n") }));
    let (all, waits) = told(source(&http)).await;
    let doubled = [3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0, 60.0, 60.0, 60.0];
    assert!(are_about(&waits, &[&[3.0, 6.0], &doubled[..]].concat()), "{waits:?}");
    assert_eq!(all.last().unwrap(), "the end: unavailable");

    let http = Script::client([]);
    let (all, waits) = told(source(&http).with_max_failures(1)).await;
    assert_eq!((all.len(), waits.len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn connections_that_all_end_at_once_are_a_failure_and_not_the_end_of_events() {
    let http = Script::client((0..20).map(|_| events(": none\n")));
    let (all, waits) = told(source(&http)).await;
    assert_eq!((all.last().unwrap().as_str(), waits.len()), ("the end: unavailable", 10));
    // One that brings something begins anew, and 204 is an end as it should be.
    let acts = [events("data: a\n\n"), events(": none\n"), Act::Answer(204, "", Vec::new())];
    let (all, _) = told(source(&Script::client(acts)).with_max_failures(2)).await;
    assert_eq!(all, ["connected", "a", "ended", "connected", "ended", "the end"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lasted_was_none_that_failed() {
    let lasting = |_| Act::Answer(200, "text/event-stream", vec![(20, Ok(":\n"))]);
    let http = Script::client((0..15).map(lasting).chain([Act::Answer(204, "", Vec::new())]));
    let (all, waits) = told(source(&http)).await;
    assert_eq!(all.last().unwrap(), "the end");
    assert!(are_about(&waits, &[3.0; 15]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_time_does_not_mend_ends_it() {
    let refused = Error::unauthenticated("no").with_effect(Effect::NotApplied);
    let long = Act::Answer(200, "text/event-stream", vec![(0, Ok("data: 12345678901234567890\n\n"))]);
    for (act, last) in [
        (Act::Fails(refused), "the end: unauthenticated"),
        (Act::Answer(200, "text/html", vec![(0, Ok("data: a\n\n"))]), "the end: unexpected"),
        (Act::Answer(202, "text/event-stream", vec![(0, Ok("data: a\n\n"))]), "the end: unexpected"),
        (Act::Answer(200, "text/event-streams", Vec::new()), "the end: unexpected"),
        (long, "the end: payload_too_large"),
    ] {
        let http = Script::client([act, events("data: never\n\n")]);
        let (all, _) = told(source(&http).with_parser(|| SseParser::new().with_max_line(20))).await;
        assert_eq!((all.last().unwrap().as_str(), ids(&http).len()), (last, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_not_be_repeated_is_not() {
    let post = || HttpRequest::post("/events").unwrap().with_body("{}");
    let acts = || [broken("data: a\n\n"), events("data: b\n\n"), Act::Answer(204, "", Vec::new())];
    let (all, _) = told(SseSource::new(Script::client(acts()), post())).await;
    assert_eq!(all, ["connected", "a", "the end: unavailable"]);
    let (all, _) = told(SseSource::new(Script::client([events("data: b\n\n")]), post())).await;
    assert_eq!(all, ["connected", "b", "the end"]);
    // Nobody has seen it.
    let unsent = Act::Fails(lost().with_effect(Effect::NotSent));
    let (all, _) = told(SseSource::new(Script::client([unsent, events("data: b\n\n")]), post())).await;
    assert_eq!(all, ["unavailable", "connected", "b", "the end"]);
    let harmless = post().with_repeat(Repeat::Safe);
    let (all, _) = told(SseSource::new(Script::client(acts()), harmless)).await;
    assert_eq!(all, ["connected", "a", "unavailable", "connected", "b", "ended", "the end"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_loses_nothing() {
    let pieces = vec![(0, Ok("data: a\n\nda")), (20, Ok("ta: b\n\n"))];
    let http = Script::client([Act::Answer(200, "text/event-stream", pieces), events("data: c\n\n")]);
    let mut source = source(&http);
    let mut all = Vec::new();
    while all.len() < 3 {
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(700), source.next_event()).await {
            all.push(event.unwrap().unwrap().data().to_owned());
        }
    }
    assert_eq!(all, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_comment_now_and_then_keeps_events_alive_and_silence_does_not() {
    let pieces = |delay| {
        let silence: Vec<Piece> = (0..10).map(|_| (delay, Ok(":\n"))).collect();
        silence.into_iter().chain([(0, Ok("data: a\n\n"))]).collect::<Vec<_>>()
    };
    for (kind, delay, comes) in [
        ("Text/Event-Stream; charset=utf-8", 20, true),
        ("text/event-stream", 31, false),
        ("text/plain", 20, true),
        ("text/plain", 31, false),
    ] {
        let http = Script::client([Act::Answer(200, kind, pieces(delay))]);
        let mut stream = SseStream::new(http.send(&get().streamed()).await.unwrap().body);
        let read = stream.next_event().await;
        assert_eq!(read.is_ok_and(|event| event.is_some()), comes, "{kind}, {delay}");
    }
    let http = Script::client([Act::Answer(200, "text/event-stream", pieces(31))])
        .with_settings(HttpSettings::new().with_idle_timeout(Duration::from_secs(60)))
        .unwrap();
    let (all, _) = told(source(&http).with_max_failures(1)).await;
    assert_eq!(all[..2], ["connected", "a"]);
}
