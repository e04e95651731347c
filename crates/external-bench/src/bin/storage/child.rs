//! One large transfer in a process of its own, so that memory and processor time are the transfer's alone.

use std::process::{Command, Stdio};
use std::time::Instant;

use external_bench::Process;
use serde::{Deserialize, Serialize};

use crate::source::Pattern;
use crate::stores::{Failed, Integrity, Server, Store};

/// What makes this program a child: followed by contestant, integrity, direction and size.
pub(crate) const FLAG: &str = "--child";

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Up, Self::Down];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What a transfer took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Of the processor, in user and kernel mode, by this process.
    pub(crate) cpu_seconds: f64,
    /// By how many bytes the resident memory was larger at its peak than before.
    pub(crate) grown_bytes: u64,
}

/// Where everything lies that a contestant's children write.
pub(crate) fn folder(contestant: &str) -> String {
    format!("bench/large/{}/", contestant.replace(' ', "-"))
}

/// The object of a contestant that [`Direction::Up`] writes and [`Direction::Down`] reads.
fn key(contestant: &str, size: u64) -> String {
    format!("{}{size}", folder(contestant))
}

/// Starts a child and waits for what it took.
pub(crate) fn measure(
    contestant: &str,
    integrity: Integrity,
    direction: Direction,
    size: u64,
) -> Result<Taken, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let size = size.to_string();
    let task = [FLAG, contestant, integrity.name(), direction.name(), &size];
    let output = Command::new(program)
        .args(task)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("the child: {error}"))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", task.join(" "), output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the child said: {error}"))
}

/// The child's work.
pub(crate) fn work(task: &[String]) -> Result<(), String> {
    let [contestant, integrity, direction, size] = task else {
        return Err(format!("{FLAG} CONTESTANT checked|bare up|down BYTES"));
    };
    let integrity = Integrity::parse(integrity).ok_or("checked or bare")?;
    let direction =
        Direction::BOTH.into_iter().find(|known| known.name() == direction).ok_or("up or down")?;
    let size: u64 = size.parse().map_err(|_| "no size")?;
    let server = Server::plain()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let taken = runtime.block_on(transfer(contestant, &server, integrity, direction, size));
    let taken = taken.map_err(|error| format!("{contestant} {}: {error}", direction.name()))?;
    println!("{}", serde_json::to_string(&taken).map_err(|error| error.to_string())?);
    Ok(())
}

async fn transfer(
    contestant: &str,
    server: &Server,
    integrity: Integrity,
    direction: Direction,
    size: u64,
) -> Result<Taken, Failed> {
    let store = Store::named(contestant, server, integrity)?;
    let small = key(contestant, 1024);
    // Connected, and everything that is loaded once is loaded.
    store.upload(&small, Pattern::new(1024)).await?;
    store.get(&small).await?;
    let object = key(contestant, size);
    let before = Process::now();
    let start = Instant::now();
    match direction {
        Direction::Up => store.upload(&object, Pattern::new(size)).await?,
        Direction::Down => {
            let read = store.get(&object).await?;
            if read != size {
                return Err(format!("{read} bytes instead of {size}").into());
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = Process::now();
    Ok(Taken {
        seconds,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        grown_bytes: after.peak_bytes.saturating_sub(before.resident_bytes),
    })
}
