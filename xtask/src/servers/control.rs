//! The control port: suites and the demo ask it to stop, kill and restart servers.
//!
//! One line a request, one line an answer: `stop redis`, `kill smtp`, `start redis`, `pause redis` (the connections stay
//! open and nothing answers), `resume redis` -> `ok`, or `error: why`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::Fleet;
use crate::failure::{Context, Failure, Result};

/// Serves the port until the process ends, and says where.
pub fn serve(fleet: Arc<Mutex<Fleet>>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open the control port")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let fleet = Arc::clone(&fleet);
            std::thread::spawn(move || {
                let _ = converse(&fleet, &stream);
            });
        }
    });
    Ok(address)
}

fn converse(fleet: &Mutex<Fleet>, stream: &TcpStream) -> Result<()> {
    let mut out = stream;
    stream.set_nodelay(true)?;
    for line in BufReader::new(stream).lines() {
        let answer = match obey(&mut fleet.lock().unwrap_or_else(PoisonError::into_inner), &line?) {
            Ok(()) => "ok".to_owned(),
            Err(failure) => format!("error: {}", failure.to_string().replace('\n', " ")),
        };
        out.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn obey(fleet: &mut Fleet, line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("stop"), Some(name), None) => fleet.stop(name),
        (Some("kill"), Some(name), None) => fleet.kill(name),
        (Some("start"), Some(name), None) => fleet.start(name),
        (Some("pause"), Some(name), None) => fleet.pause(name),
        (Some("resume"), Some(name), None) => fleet.resume(name),
        _ => Err(Failure::new(format!(
            "cannot read {line:?}: say stop, kill, start, pause or resume, and a server"
        ))),
    }
}
