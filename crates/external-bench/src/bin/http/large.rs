//! 1 GiB down and up, streamed: a child process for each transfer, so that memory and processor time are its own.

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use external_api::rest::{Download, RestClient, RestRequest};
use external_bench::{Contestant, Options, Process, Rounds};
use external_core::ByteStream;
use external_http::{HttpBody, HttpRequest};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt as _;

use crate::rest::{ours, raw};
use crate::server::{PIECE, Server};

/// What makes this program a child: followed by contestant, direction, size and URL.
pub(crate) const FLAG: &str = "--child";

const NAMES: [&str; 2] = ["ours", "reqwest"];

/// The client for interfaces: it downloads into a file that is on the disk when it says so, which costs most of its time.
const REST: &str = "RestClient";

/// The same by hand.
const FILE: &str = "reqwest, into a file that is synced";

pub(crate) fn measure(rounds: &mut Rounds, options: &Options, server: &Server) -> Result<(), String> {
    let (size, told) = if options.quick { (64_usize << 20, "64 MiB") } else { (1 << 30, "1 GiB") };
    let failed = RefCell::new(None);
    for (direction, url) in [("down", server.url(&format!("/large/{size}"))), ("up", server.url("/large"))] {
        let name = format!("{told} {direction}");
        let (processor, memory) = (format!("{name}: processor"), format!("{name}: memory grown by"));
        let cases =
            [(name.as_str(), "MB/s"), (processor.as_str(), "CPU seconds a GiB"), (memory.as_str(), "MiB")];
        let contestant = |who: &'static str| {
            let (failed, url) = (&failed, url.clone());
            Contestant::of_many(who, move || {
                child(who, direction, size, &url).unwrap_or_else(|why| {
                    failed.borrow_mut().get_or_insert(why);
                    vec![0.0; 3]
                })
            })
        };
        let mut contestants: Vec<_> = NAMES.into_iter().map(contestant).collect();
        contestants.push(contestant(REST).apart());
        if direction == "down" {
            contestants.push(contestant(FILE).apart());
        }
        rounds.long_cases(3, "http", &cases, contestants);
    }
    failed.take().map_or(Ok(()), Err)
}

/// Starts a child and reads what it took, a figure for each case.
fn child(who: &str, direction: &str, size: usize, url: &str) -> Result<Vec<f64>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let task = [FLAG, who, direction, &size.to_string(), url];
    let output = Command::new(program).args(task).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("the child: {error}"))?;
    if !output.status.success() {
        return Err(format!("{who} {direction} ended with {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the child said: {error}"))
}

/// The child's work.
pub(crate) fn work(task: &[String]) -> Result<(), String> {
    let [who, direction, size, url] = task else {
        return Err(format!("{FLAG} CONTESTANT down|up BYTES URL"));
    };
    let size: usize = size.parse().map_err(|_| "no size")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let taken = runtime.block_on(transfer(who, direction, size, url))?;
    println!("{}", serde_json::to_string(&taken).map_err(|error| error.to_string())?);
    Ok(())
}

async fn transfer(who: &str, direction: &str, size: usize, url: &str) -> Result<Vec<f64>, String> {
    let ours = ours()?;
    let items = format!("{}/items", url.split("/large").next().unwrap_or_default());
    // Connected, and everything that is loaded once is loaded: what TLS is made by, too.
    ours.get(&items).await.map_err(|error| error.report().to_string())?;
    let raw = raw()?;
    raw.get(&items).send().await.map_err(|error| error.to_string())?;
    let (before, start) = (Process::now(), Instant::now());
    let moved = match (who, direction) {
        ("ours", "down") => {
            let request = HttpRequest::get(url).map_err(|error| error.to_string())?.streamed();
            let mut body = ours.send(&request).await.map_err(|error| error.report().to_string())?.body;
            let mut read = 0;
            while let Some(chunk) = body.next_chunk().await.map_err(|error| error.report().to_string())? {
                read += chunk.len();
            }
            read
        }
        ("reqwest", "down") => {
            let mut answer = raw.get(url).send().await.map_err(|error| error.to_string())?;
            let mut read = 0;
            while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
                read += chunk.len();
            }
            read
        }
        ("ours", "up") => {
            let body = HttpBody::from_factory(None, move || ByteStream::new(zeros(size).map(Ok)));
            let answer = ours.put(url, body).await.map_err(|error| error.report().to_string())?;
            said(&answer.bytes().await.map_err(|error| error.report().to_string())?)
        }
        ("reqwest", "up") => {
            let body = reqwest::Body::wrap_stream(zeros(size).map(Ok::<_, std::io::Error>));
            let answer = raw.put(url).body(body).send().await.map_err(|error| error.to_string())?;
            said(&answer.bytes().await.map_err(|error| error.to_string())?)
        }
        (REST, "down") => {
            let target = std::env::temp_dir().join(format!("external-bench-{}", std::process::id()));
            let rest = RestClient::over(ours);
            let done = rest.download(&RestRequest::get(url.to_owned()), Download::to(&target)).await;
            // Gone before it is told how it went.
            let removed = std::fs::remove_file(&target);
            let done = done.map_err(|error| error.report().to_string())?;
            removed.map_err(|error| error.to_string())?;
            usize::try_from(done.bytes).unwrap_or_default()
        }
        (FILE, "down") => {
            let target = std::env::temp_dir().join(format!("external-bench-{}", std::process::id()));
            let written = into_file(&raw, url, &target).await;
            let removed = std::fs::remove_file(&target);
            let written = written?;
            removed.map_err(|error| error.to_string())?;
            written
        }
        (REST, "up") => {
            let body = HttpBody::from_factory(None, move || ByteStream::new(zeros(size).map(Ok)));
            let request = RestRequest::put(url.to_owned()).with_body("application/octet-stream", body);
            let rest = RestClient::over(ours);
            let answer = rest.fetch::<u64>(&request).await.map_err(|error| error.report().to_string())?;
            usize::try_from(answer).unwrap_or_default()
        }
        _ => return Err(format!("no contestant {who}, or no direction {direction}")),
    };
    if moved != size {
        return Err(format!("{moved} bytes instead of {size}"));
    }
    let (seconds, after) = (start.elapsed().as_secs_f64(), Process::now());
    Ok(vec![
        size as f64 / 1e6 / seconds,
        (after.cpu_seconds - before.cpu_seconds) * f64::from(1 << 30) / size as f64,
        after.peak_bytes.saturating_sub(before.resident_bytes) as f64 / f64::from(1 << 20),
    ])
}

async fn into_file(http: &reqwest::Client, url: &str, target: &std::path::Path) -> Result<usize, String> {
    let told = |error: std::io::Error| error.to_string();
    let file = tokio::fs::File::create(target).await.map_err(told)?;
    let mut file = tokio::io::BufWriter::with_capacity(256 << 10, file);
    let mut answer = http.get(url).send().await.map_err(|error| error.to_string())?;
    let mut written = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
        file.write_all(&chunk).await.map_err(told)?;
        written += chunk.len();
    }
    file.flush().await.map_err(told)?;
    file.get_ref().sync_all().await.map_err(told)?;
    Ok(written)
}

/// A body of so many bytes, of a length that is not told.
fn zeros(size: usize) -> impl Stream<Item = Bytes> + Send + Sync {
    let piece = Bytes::from(vec![0; PIECE]);
    futures_util::stream::iter((0..size).step_by(PIECE)).map(move |at| piece.slice(..PIECE.min(size - at)))
}

fn said(body: &[u8]) -> usize {
    std::str::from_utf8(body).ok().and_then(|size| size.parse().ok()).unwrap_or_default()
}
