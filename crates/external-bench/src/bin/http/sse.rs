//! Server-sent events out of chunks in memory: what the parsers themselves take.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eventsource_stream::Eventsource;
use external_bench::{Contestant, Rounds};
use external_core::ByteStream;
use external_http::sse::SseStream;
use futures_util::{Stream, StreamExt};

/// As a connection hands them over.
const CHUNK: usize = 16 << 10;
/// Of the text that is read again and again.
const SIZE: usize = 4 << 20;

pub(crate) fn measure(rounds: &mut Rounds, slice: Duration) {
    let token = r#"{"id":"c-7","object":"chat.completion.chunk","created":1704164645,"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}"#;
    let page = "x".repeat(4096);
    for (name, event) in [
        ("tokens of a model, 150 bytes each", format!("data: {token}\n\n")),
        (
            "events with type and id, 20 bytes each",
            "event: price\nid: 4711\ndata: {\"cents\": 1234567}\n\n".to_owned(),
        ),
        ("events of 4 KiB", format!("event: page\r\ndata: {page}\r\n\r\n")),
    ] {
        let text = Bytes::from(event.repeat(SIZE / event.len()));
        let events = SIZE / event.len();
        let contestants = vec![
            Contestant::new("ours", || {
                megabytes(&text, events, slice, async |chunks| {
                    let mut stream = SseStream::new(ByteStream::new(chunks.map(Ok)));
                    let (mut count, mut bytes) = (0, 0);
                    while let Some(event) = stream.next_event().await.expect("an event") {
                        count += 1;
                        bytes += event.data().len();
                    }
                    (count, bytes)
                })
            }),
            Contestant::new("eventsource-stream", || {
                megabytes(&text, events, slice, async |chunks| {
                    let mut stream = chunks.map(Ok::<_, std::io::Error>).eventsource();
                    let (mut count, mut bytes) = (0, 0);
                    while let Some(event) = stream.next().await {
                        count += 1;
                        bytes += event.expect("an event").data.len();
                    }
                    (count, bytes)
                })
            }),
            Contestant::new("sse-stream", || {
                megabytes(&text, events, slice, async |chunks| {
                    let mut stream =
                        sse_stream::SseStream::from_bytes_stream(chunks.map(Ok::<_, std::io::Error>));
                    let (mut count, mut bytes) = (0, 0);
                    while let Some(event) = stream.next().await {
                        count += 1;
                        bytes += event.expect("an event").data.map_or(0, |data| data.len());
                    }
                    (count, bytes)
                })
            }),
        ];
        rounds.case("http", &format!("server-sent events: {name}"), "MB/s", contestants);
    }
}

/// How many megabytes of `text` a second `read` gets through, which says how many events it found and how long they were.
fn megabytes(
    text: &Bytes,
    events: usize,
    slice: Duration,
    read: impl AsyncFn(Chunks) -> (usize, usize),
) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (start, mut times) = (Instant::now(), 0);
        while start.elapsed() < slice {
            let (count, bytes) = read(chunks(text)).await;
            assert_eq!(count, events);
            assert!(bytes > 10 * events);
            times += 1;
        }
        (times * text.len()) as f64 / 1e6 / start.elapsed().as_secs_f64()
    })
}

type Chunks = std::pin::Pin<Box<dyn Stream<Item = Bytes> + Send>>;

fn chunks(text: &Bytes) -> Chunks {
    let text = text.clone();
    let cut = (0..text.len()).step_by(CHUNK).map(move |at| text.slice(at..text.len().min(at + CHUNK)));
    Box::pin(futures_util::stream::iter(cut))
}
