//! One connection: what the client says goes to the server, what the server says to the client, unless something goes wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::sleep;

use super::fault::Said;
use super::{End, Fault, Length, Log, Shared, tls};
use crate::Identity;

/// How much is read at a time.
const CHUNK: usize = 16 << 10;

/// Why a connection is not served any more.
enum Over {
    Ended(End),
    /// The client began a TLS handshake with these bytes.
    Handshake(Identity, Vec<u8>),
}

/// What the two directions of one connection know of each other.
struct Line<'a> {
    /// Counted from 1.
    number: usize,
    shared: &'a Shared,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    turns: u64,
    client_spoke: bool,
    /// What becomes of the next answer.
    fault: Option<Fault>,
    /// Nothing more will come from the server.
    mute: bool,
    /// Nothing more will reach the server either.
    deaf: bool,
}

/// Serves one connection to its end.
pub(super) async fn serve(client: TcpStream, number: usize, shared: &Shared) {
    let mut severed = shared.severed.subscribe();
    let line = Line { number, shared, state: Mutex::default() };
    // Small packets must not wait for each other: the proxy would distort time.
    let _ = client.set_nodelay(true);
    match line.opened() {
        Some(Fault::LoseRequest(end)) => {
            if end == End::Reset {
                let _ = client.set_zero_linger();
            }
            return;
        }
        Some(fault) => line.strike(fault),
        None => {}
    }
    let Ok(server) = TcpStream::connect(&shared.upstream).await else {
        return;
    };
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let over = tokio::select! {
        over = line.requests(&mut from_client, &mut to_server) => over,
        end = line.answers(&mut from_server, &mut to_client) => Over::Ended(end),
        _ = severed.changed() => Over::Ended(End::Close),
    };
    match over {
        Over::Ended(End::Close) => {}
        Over::Ended(End::Reset) => {
            let _ = to_client.as_ref().set_zero_linger();
            // Dropped it would say an orderly goodbye first.
            to_client.forget();
        }
        Over::Handshake(identity, begun) => {
            let Ok(client) = from_client.reunite(to_client) else {
                return;
            };
            tokio::select! {
                () = line.meet(identity, begun, client) => {}
                _ = severed.changed() => {}
            }
        }
    }
}

impl Line<'_> {
    async fn requests(&self, client: &mut OwnedReadHalf, server: &mut OwnedWriteHalf) -> Over {
        let mut random = self.random(0);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match client.read(&mut buffer).await {
                Ok(0) if !self.state().mute => {
                    // The client only stopped talking: the answer may still come.
                    let _ = server.shutdown().await;
                    return std::future::pending().await;
                }
                Ok(0) | Err(_) => return Over::Ended(End::Close),
                Ok(read) => read,
            };
            let said = &buffer[..read];
            if let Some(identity) = self.shared.identity().filter(|_| self.meets_handshake(said)) {
                return Over::Handshake(identity, said.to_vec());
            }
            match self.said(said) {
                Some(Fault::LoseRequest(end)) => return Over::Ended(end),
                Some(fault) => self.strike(fault),
                None => {}
            }
            if self.state().deaf {
                continue;
            }
            // Counted before it goes: how much of a write that fails has arrived is not known.
            self.log(|log, line| log.lines[line].passed = log.lines[line].text.len());
            if self.shared.pace().write(server, said, &mut random).await.is_err() {
                return Over::Ended(End::Close);
            }
        }
    }

    async fn answers(&self, server: &mut OwnedReadHalf, client: &mut OwnedWriteHalf) -> End {
        let mut random = self.random(1);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = server.read(&mut buffer).await.unwrap_or(0);
            if self.state().mute {
                return std::future::pending().await;
            }
            let answer = &mut buffer[..read];
            let fault = self.state().fault.take();
            match fault {
                Some(Fault::LoseAnswer(end)) => return end,
                _ if answer.is_empty() => return End::Close,
                Some(Fault::HalfClose) => {
                    self.state().mute = true;
                    let _ = client.shutdown().await;
                    return std::future::pending().await;
                }
                Some(Fault::Truncate(length)) => {
                    let passes = length.of(answer.len(), &mut random);
                    let _ = self.deliver(client, &answer[..passes], &mut random).await;
                    return End::Close;
                }
                Some(Fault::Stall(length)) => {
                    self.state().mute = true;
                    let passes = length.of(answer.len(), &mut random);
                    let _ = self.deliver(client, &answer[..passes], &mut random).await;
                    return std::future::pending().await;
                }
                Some(Fault::Garbage(garbage)) => {
                    let _ = self.deliver(client, &garbage.bytes(&mut random), &mut random).await;
                    return End::Close;
                }
                Some(Fault::Damage(damage)) => {
                    damage.inflict(answer, &mut random);
                    let _ = self.deliver(client, answer, &mut random).await;
                    return End::Close;
                }
                Some(Fault::Flood { after, bytes }) => {
                    return self.flood(client, answer, after, bytes, &mut random).await;
                }
                Some(Fault::Drip(wait)) => {
                    for byte in answer.chunks(1) {
                        if self.deliver(client, byte, &mut random).await.is_err() {
                            return End::Close;
                        }
                        sleep(wait).await;
                    }
                    continue;
                }
                Some(Fault::Late(wait)) => sleep(wait).await,
                None | Some(Fault::LoseRequest(_) | Fault::Blackhole) => {}
            }
            if self.deliver(client, answer, &mut random).await.is_err() {
                return End::Close;
            }
        }
    }

    async fn flood(
        &self,
        client: &mut OwnedWriteHalf,
        answer: &[u8],
        after: Length,
        bytes: usize,
        random: &mut fastrand::Rng,
    ) -> End {
        const FILLER: [u8; CHUNK] = [b'a'; CHUNK];
        let passes = after.of(answer.len(), random);
        let mut delivered = self.deliver(client, &answer[..passes], random).await;
        let mut left = bytes;
        while delivered.is_ok() && left > 0 {
            let some = left.min(CHUNK);
            delivered = self.deliver(client, &FILLER[..some], random).await;
            left -= some;
        }
        End::Close
    }

    async fn deliver(
        &self,
        client: &mut OwnedWriteHalf,
        bytes: &[u8],
        random: &mut fastrand::Rng,
    ) -> std::io::Result<()> {
        let mut stalled = self.shared.stalled.subscribe();
        let _ = stalled.wait_for(|stalled| !stalled).await;
        self.state().client_spoke = false;
        self.shared.pace().write(client, bytes, random).await?;
        self.shared.log().answered += bytes.len();
        Ok(())
    }

    async fn meet(&self, identity: Identity, begun: Vec<u8>, client: TcpStream) {
        // An error is a client that does not trust what it was shown, or has gone.
        if let Ok(mut trusting) = tls::shake_hands(identity, begun, client).await {
            self.shared.log().handshakes += 1;
            let _ = trusting.shutdown().await;
        }
    }

    /// What goes wrong with this connection from the beginning.
    fn opened(&self) -> Option<Fault> {
        let mut log = self.shared.log();
        let fault = log.script.on_connect(self.number)?;
        log.faults += 1;
        Some(fault)
    }

    /// Remembers what the client said; answers what goes wrong now.
    fn said(&self, said: &[u8]) -> Option<Fault> {
        let (turn, begins) = {
            let mut state = self.state();
            let begins = !std::mem::replace(&mut state.client_spoke, true);
            state.turns += u64::from(begins);
            (state.turns, begins)
        };
        self.log(|log, line| {
            log.turns += u64::from(begins);
            let text = &mut log.lines[line].text;
            let before = text.len();
            text.extend_from_slice(said);
            let said = Said { connection: self.number, turn, begins, text, before };
            let fault = log.script.on_said(&said)?;
            log.faults += 1;
            Some(fault)
        })
    }

    /// Whether this is the beginning of a TLS handshake. In the middle of what a client says it is chance.
    fn meets_handshake(&self, said: &[u8]) -> bool {
        !self.state().client_spoke && tls::begins_handshake(said)
    }

    fn strike(&self, fault: Fault) {
        let mut state = self.state();
        if fault == Fault::Blackhole {
            (state.mute, state.deaf) = (true, true);
        } else {
            state.fault = Some(fault);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log<T>(&self, note: impl FnOnce(&mut Log, usize) -> T) -> T {
        note(&mut self.shared.log(), self.number - 1)
    }

    /// Each direction of each connection draws for itself, so that none depends on how fast others are.
    fn random(&self, direction: u64) -> fastrand::Rng {
        let stream = (self.number as u64) << 1 | direction;
        fastrand::Rng::with_seed(self.shared.seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}
