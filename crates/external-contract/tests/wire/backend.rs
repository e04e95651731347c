//! A back end of the echo that can be stopped and started again, and the control port through which a suite does so.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use crate::echo::echo;

pub(crate) struct Backend {
    address: SocketAddr,
    control: SocketAddr,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let control = port.local_addr().unwrap();
        spawn(move || obey(&port, Running::on(free)));
        Self { address, control }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn control(&self) -> String {
        self.control.to_string()
    }
}

/// One line a connection, answered once it is done.
fn obey(port: &TcpListener, running: Running) {
    let address = running.address;
    let mut running = Some(running);
    for mut stream in port.incoming().flatten() {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let answer = match line.trim() {
            "stop echo" => {
                running.take().into_iter().for_each(Running::stop);
                "ok"
            }
            "start echo" => {
                running.get_or_insert_with(|| Running::on(TcpListener::bind(address).unwrap()));
                "ok"
            }
            _ => "no such command",
        };
        let _ = writeln!(stream, "{answer}");
    }
}

/// The server while it runs.
struct Running {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Running {
    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (over, streams): (Arc<AtomicBool>, Arc<Mutex<Vec<TcpStream>>>) = Default::default();
        let (ended, all) = (over.clone(), streams.clone());
        let accepting = spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                all.lock().unwrap().push(stream.try_clone().unwrap());
                spawn(move || echo(stream));
            }
        });
        Self { address, over, streams, accepting }
    }

    /// Ends it, with all its connections.
    fn stop(self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
        self.accepting.join().unwrap();
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
