//! One large transfer in a process of its own, so that memory and processor time are the transfer's alone.

use std::process::{Command, Stdio};
use std::time::Instant;

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

/// What Linux tells of a process; elsewhere nothing, and the figures are 0.
struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    peak_bytes: u64,
}

impl Process {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            cpu_seconds: cpu_seconds(&stat).unwrap_or_default(),
            resident_bytes: kibibytes(&status, "VmRSS:").unwrap_or_default() << 10,
            peak_bytes: kibibytes(&status, "VmHWM:").unwrap_or_default() << 10,
        }
    }
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15, in hundredths of a second; the second field is the program's name and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((kibibytes(status, "VmHWM:"), kibibytes(status, "VmRSS:")), (Some(2048), Some(1024)));
        assert_eq!(cpu_seconds("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 250 50 0 0"), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }
}
