//! Bodies that are read as they arrive: server-sent events, newline-delimited JSON.

use bytes::Bytes;
use external_contract::fuzz::Fuzz;
use external_http::json_lines::JsonLines;
use external_http::sse::{SseParser, SseStream};
use external_http::{ByteStream, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use super::{CANARY, run};

/// The rest of the input in pieces, of sizes that its first byte decides.
fn pieces(input: &[u8]) -> ByteStream {
    let (size, input) =
        input.split_first().map_or((1, input), |(size, rest)| (usize::from(*size) % 40 + 1, rest));
    let pieces: Vec<_> = input.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    ByteStream::new(futures_util::stream::iter(pieces))
}

#[test]
fn events() {
    const LINE: usize = 60;
    const EVENT: usize = 100;
    let words = [
        "data:",
        "data: ",
        "data",
        "event: a",
        "id: 7",
        "id: \0",
        "retry: 10",
        ":",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "é",
        CANARY,
    ];
    Fuzz::of("events")
        .with_words(&words)
        .with_example("\u{1}\u{feff}: hello\r\nevent: price\r\nid: 1\r\ndata: 10\r\ndata: 11\r\n\r\nretry: 99\rdata:x\r\r")
        .with_cases(20_000)
        .run(|input| {
            let parser = SseParser::new().with_max_line(LINE).with_max_event(EVENT);
            let mut stream = SseStream::new(pieces(input)).with_parser(parser);
            run(async {
                loop {
                    match stream.next_event().await {
                        Ok(Some(event)) => {
                            // What is no UTF-8 becomes three bytes.
                            assert!(event.data().len() <= 3 * EVENT && event.event().len() <= 3 * LINE);
                            assert!(!event.id().contains(['\0', '\n', '\r']) && !event.data().contains('\r'));
                            assert!(!event.event().is_empty());
                        }
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
                            assert!(!error.report().contains(CANARY));
                            assert!(stream.next_event().await.unwrap().is_none());
                            break;
                        }
                    }
                }
            });
        });
}

#[test]
fn lines_of_json() {
    #[derive(Deserialize)]
    struct Line {
        id: u32,
        #[allow(dead_code, reason = "it is read")]
        name: Option<String>,
    }
    const LIMIT: usize = 200;
    let words = [
        "{", "}", "[", "]", "\"id\":", "7", "-1", ",", "\"", "\\u00e9", "\n", "\r\n", "null", "1e999", CANARY,
    ];
    Fuzz::of("lines of JSON")
        .with_words(&words)
        .with_example("\u{4}{\"id\": 1}\n{\"id\": 2, \"name\": \"s3cret\"}\r\n\n[\"s3cret\"]\n{\"id\": 4}")
        .with_cases(20_000)
        .run(|input| {
            run(async {
                let mut lines = JsonLines::<Line>::new(pieces(input)).with_max_line(LIMIT);
                let mut last = 0;
                while let Some(value) = lines.next_value().await.transpose() {
                    match value {
                        Ok(value) => {
                            assert!(String::from_utf8_lossy(input).contains(&value.id.to_string()));
                        }
                        Err(error) => {
                            let line: usize = error.context_value("line").unwrap().parse().unwrap();
                            assert!(line > last, "lines are told in their order");
                            last = line;
                            assert!(!error.report().contains(CANARY), "{}", error.report());
                        }
                    }
                }
                assert!(lines.next_value().await.unwrap().is_none());
                // As deep as it likes.
                let mut values = JsonLines::<Value>::new(pieces(input));
                while values.next_value().await.transpose().is_some() {}
            });
        });
}
