//! The origin of the suite: what answers the requests of its clauses.

use bytes::Bytes;
use external_simulator::{HttpAnswer, HttpQuestion};
use percent_encoding::percent_decode_str;

use super::web::Seen;

/// [`TEXT`] by gzip.
const TEXT_GZ: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 44, 86, 200, 44, 81, 40, 79, 44, 86, 72, 74, 77, 203, 47, 74, 5, 0,
    64, 34, 119, 82, 16, 0, 0, 0,
];

/// What stands behind `gzip=text`.
pub(super) const TEXT: &str = "as it was before";

/// What the origin answers. It knows three places:
///
/// - `/echo/…` tells, as JSON, what it saw;
/// - `/answer/…` does as the query says: `status=404`, `header=name:value` (any number), `say=text`, `gzip=text` or
///   `gzip=bomb`, `length=no`;
/// - `/bytes/<n>` gives so many bytes, with `length=no` without telling how many.
#[must_use]
pub fn answer(question: &HttpQuestion) -> HttpAnswer {
    let mut segments = question.path().split('/').skip(1);
    let answer = match segments.next() {
        Some("echo") => echo(question),
        Some("answer") => scripted(question),
        Some("bytes") => match segments.next().and_then(|count| count.parse().ok()) {
            Some(count) => HttpAnswer::new(200).with_header("x-kind", "bytes").with_body(bytes(count)),
            None => HttpAnswer::new(404),
        },
        _ => HttpAnswer::new(200),
    };
    let tells_length = pairs(question).iter().all(|(name, _)| name != "length");
    if tells_length { answer } else { answer.without_length() }
}

/// What `/bytes/<n>` gives.
pub(super) fn bytes(count: usize) -> Bytes {
    (0..251_u8).cycle().take(count).collect()
}

fn echo(question: &HttpQuestion) -> HttpAnswer {
    let fields = question.headers.iter();
    let seen = Seen {
        method: question.method.to_string(),
        target: question.target.clone(),
        headers: fields
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: question.body.to_vec(),
    };
    match serde_json::to_vec(&seen) {
        Ok(json) => HttpAnswer::new(200).with_header("content-type", "application/json").with_body(json),
        Err(_) => HttpAnswer::new(500),
    }
}

fn scripted(question: &HttpQuestion) -> HttpAnswer {
    pairs(question).iter().fold(HttpAnswer::new(200), |mut answer, (name, value)| match (&**name, &**value) {
        ("status", status) => {
            answer.status = HttpAnswer::new(status.parse().unwrap_or(500)).status;
            answer
        }
        ("header", field) => match field.split_once(':') {
            Some((name, value)) => answer.with_header(name, value),
            None => answer,
        },
        ("say", text) => answer.with_body(text.as_bytes().to_vec()),
        ("gzip", "text") => answer.with_header("content-encoding", "gzip").with_body(TEXT_GZ),
        ("gzip", _) => answer.with_header("content-encoding", "gzip").with_body(bomb()),
        _ => answer,
    })
}

/// Eight mebibytes of zeroes by gzip (RFC 1951 and 1952): some of them as they are, then "258 times the byte before", again
/// and again, all in one block of fixed codes.
fn bomb() -> Vec<u8> {
    const LENGTH: u32 = 8 << 20;
    const CRC: u32 = 0x1ad2_bc45;
    let (plain, repeated) = (1 + (LENGTH - 1) % 258, (LENGTH - 1) / 258);
    let zeroes = std::iter::repeat_n("00110000", plain as usize);
    let repetitions = std::iter::repeat_n("1100010100000", repeated as usize);
    // The last block, of fixed codes; at the end the code that ends it.
    let bits: Vec<u8> = ["110"]
        .into_iter()
        .chain(zeroes)
        .chain(repetitions)
        .chain(["0000000"])
        .flat_map(str::bytes)
        .collect();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | (bit - b'0'))));
    gzip.extend(CRC.to_le_bytes());
    gzip.extend(LENGTH.to_le_bytes());
    gzip
}

/// The pairs of the query, decoded.
fn pairs(question: &HttpQuestion) -> Vec<(String, String)> {
    let query = question.query().unwrap_or_default();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
