//! However bytes are cut into chunks, the same comes out: what a reader says that has all of them at once.

use bytes::Bytes;
use external_http::json_lines::JsonLines;
use external_http::sse::{SseParser, SseStream};
use external_http::{ByteStream, Result};
use proptest::prelude::*;
use serde_json::Value;

/// Type, data and id of an event.
type Read = (String, String, String);

/// What fields are made of, and what nearly is one.
fn words(dictionary: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => prop::sample::select(dictionary).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

const EVENTS: &[&[u8]] = &[
    b"data",
    b"event",
    b"id",
    b"retry",
    b":",
    b": ",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"data: x\n",
    b"id: 7\r",
    b"data\n\n",
    b"\xEF\xBB\xBF",
    b"\0",
    b"\xC3",
    b"\xC3\xA9",
    b"12",
    b"hello",
];

const LINES: &[&[u8]] = &[
    b"{\"a\":1}",
    b"[",
    b"]",
    b"1",
    b",",
    b"\n",
    b"\r\n",
    b" ",
    b"\"x\"",
    b"null",
    b"\xEF\xBB\xBF",
    b"\xC3",
];

/// The bytes in chunks that end at these places, some of them empty.
fn cut(bytes: &[u8], at: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut places: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| Bytes::copy_from_slice(&bytes[ends[0]..ends[1]])).collect()
}

fn body(chunks: Vec<Bytes>) -> ByteStream {
    ByteStream::new(futures_util::stream::iter(chunks.into_iter().map(Ok)))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn events(chunks: Vec<Bytes>) -> (Vec<Read>, String) {
    run(async {
        let mut stream = SseStream::new(body(chunks)).with_parser(SseParser::new().with_last_event_id("0"));
        let mut all = Vec::new();
        while let Some(event) = stream.next_event().await.unwrap() {
            all.push((event.event().to_owned(), event.data().to_owned(), event.id().to_owned()));
        }
        let parser = stream.parser();
        (all, format!("{} {:?}", parser.last_event_id(), parser.retry()))
    })
}

/// The standard, sentence by sentence, with all of the text at hand (HTML, 9.2.6).
fn by_the_standard(bytes: &[u8]) -> (Vec<Read>, String) {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut all, mut kind, mut data, mut id, mut last, mut retry) =
        (Vec::new(), String::new(), String::new(), "0".to_owned(), "0".to_owned(), None);
    let Some((whole, _)) = text.rsplit_once('\n') else { return (all, format!("{last} {retry:?}")) };
    for line in whole.split('\n') {
        if line.is_empty() {
            last.clone_from(&id);
            if !data.is_empty() {
                data.pop();
                let named = if kind.is_empty() { "message".to_owned() } else { kind };
                all.push((named, data, last.clone()));
            }
            (data, kind) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => kind = value.to_owned(),
            "data" => data += &format!("{value}\n"),
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                retry = Some(std::time::Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    (all, format!("{last} {retry:?}"))
}

fn values(chunks: Vec<Bytes>) -> Vec<String> {
    run(async {
        let mut lines = JsonLines::<Value>::new(body(chunks));
        let mut all = Vec::new();
        while let Some(value) = lines.next_value().await.transpose() {
            all.push(told(value));
        }
        all
    })
}

fn told(value: Result<Value>) -> String {
    match value {
        Ok(value) => value.to_string(),
        Err(error) => format!("no value in line {}", error.context_value("line").unwrap()),
    }
}

/// Line by line, with all of them at hand.
fn line_by_line(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).split(|byte| *byte == b'\n');
    let lines = lines.enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    lines
        .map(|(at, line)| match serde_json::from_slice::<Value>(line) {
            Ok(value) => value.to_string(),
            Err(_) => format!("no value in line {}", at + 1),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn events_are_those_of_the_standard_however_they_are_cut(
        bytes in words(EVENTS),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let expected = by_the_standard(&bytes);
        prop_assert_eq!(&events(vec![Bytes::from(bytes.clone())]), &expected);
        prop_assert_eq!(&events(cut(&bytes, &at)), &expected);
        prop_assert_eq!(&events(bytes.chunks(1).map(Bytes::copy_from_slice).collect()), &expected);
    }

    #[test]
    fn values_are_those_of_the_lines_however_they_are_cut(
        bytes in words(LINES),
        at in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let expected = line_by_line(&bytes);
        prop_assert_eq!(&values(vec![Bytes::from(bytes.clone())]), &expected);
        prop_assert_eq!(&values(cut(&bytes, &at)), &expected);
        prop_assert_eq!(&values(bytes.chunks(1).map(Bytes::copy_from_slice).collect()), &expected);
    }
}

#[test]
fn a_line_of_json_beyond_the_limit_ends_it_and_is_not_shown() {
    run(async {
        let chunks = vec![Bytes::from_static(b"1\n\n\"s3cr"), Bytes::from_static(b"et s3cret\"\n2\n")];
        let mut lines = JsonLines::<u32>::new(body(chunks)).with_max_line(8);
        assert_eq!(lines.next_value().await.unwrap(), Some(1));
        let error = lines.next_value().await.unwrap_err();
        assert_eq!(error.kind(), external_http::ErrorKind::PayloadTooLarge);
        assert_eq!(error.context_value("line"), Some("3"));
        assert_eq!(lines.next_value().await.unwrap(), None);
    });
}

#[test]
fn what_json_is_wrong_is_not_shown() {
    run(async {
        let text = "\"s3cret\"\n{\"s3cret\": 1}\ns3cret\n[\"s3cret\"\n";
        let mut lines = JsonLines::<u32>::new(body(vec![Bytes::from_static(text.as_bytes())]));
        for line in ["1", "2", "3", "4"] {
            let error = lines.next_value().await.unwrap_err();
            assert_eq!(error.context_value("line"), Some(line));
            assert!(!error.report().contains("s3cret"), "{}", error.report());
        }
        assert_eq!(lines.next_value().await.unwrap(), None);
    });
}
