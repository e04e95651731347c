//! Every fault, as the client sees it and as the server does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_simulator::{Damage, End, Fault, Garbage, Length, Pace, Proxy, Rule};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const LONG: Duration = Duration::from_secs(10);

/// Answers each line `<line> done`, and counts what it hears.
#[derive(Clone, Default)]
struct Server(Arc<AtomicUsize>);

impl Server {
    async fn start() -> (Self, String) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = server.0.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heard = heard.clone();
                tokio::spawn(async move {
                    let (reader, mut writer) = stream.split();
                    let mut lines = BufReader::new(reader).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        heard.fetch_add(line.len(), Ordering::SeqCst);
                        if writer.write_all(format!("{line} done").as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (server, address)
    }

    fn heard(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

async fn dial(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\n").as_bytes()).await
}

async fn ask(stream: &mut TcpStream, text: &str) -> io::Result<String> {
    say(stream, text).await?;
    let mut answer = vec![0; text.len() + 5];
    timeout(LONG, stream.read_exact(&mut answer)).await.expect("an answer or an end")?;
    Ok(String::from_utf8(answer).unwrap())
}

/// All that comes after this was said, to the end of the connection.
async fn ask_to_the_end(stream: &mut TcpStream, text: &str) -> io::Result<Vec<u8>> {
    say(stream, text).await?;
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.expect("an end")?;
    Ok(answer)
}

/// A proxy on whose first connection this goes wrong when "bad" is said.
async fn faulty(fault: Fault) -> (Server, Proxy, TcpStream) {
    let (server, address) = Server::start().await;
    let proxy = Proxy::start_seeded(address, 7).await.unwrap();
    proxy.inject(Rule::on_marker("bad", fault));
    let mut stream = dial(&proxy).await;
    assert_eq!(ask(&mut stream, "good").await.unwrap(), "good done");
    (server, proxy, stream)
}

#[tokio::test]
async fn counts_markers_turns_and_bytes() {
    let (server, address) = Server::start().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut stream = dial(&proxy).await;
    assert_eq!(ask(&mut stream, "one m7 two").await.unwrap(), "one m7 two done");
    assert_eq!(ask(&mut stream, "m7m7").await.unwrap(), "m7m7 done");
    assert_eq!((proxy.count("m7"), proxy.passed("m7"), proxy.turns()), (3, 3, 2));
    assert_eq!((proxy.connections(), proxy.bytes(), proxy.answered_bytes()), (1, 16, 24));
    assert_eq!((server.heard(), proxy.faults(), proxy.handshakes()), (14, 0, 0));
}

#[tokio::test]
async fn a_lost_request_reaches_nobody() {
    for (end, is_reset) in [(End::Close, false), (End::Reset, true)] {
        let (server, proxy, mut stream) = faulty(Fault::LoseRequest(end)).await;
        let answer = ask_to_the_end(&mut stream, "bad").await;
        assert_eq!(answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset), is_reset);
        assert_eq!((proxy.count("bad"), proxy.passed("bad"), server.heard()), (1, 0, 4));
        // The rule is used up.
        assert_eq!(ask(&mut dial(&proxy).await, "bad").await.unwrap(), "bad done");
    }
}

#[tokio::test]
async fn a_lost_answer_leaves_its_request_at_the_server() {
    for (end, is_reset) in [(End::Close, false), (End::Reset, true)] {
        let (server, proxy, mut stream) = faulty(Fault::LoseAnswer(end)).await;
        let answer = ask_to_the_end(&mut stream, "bad").await;
        assert_eq!(answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset), is_reset);
        assert_eq!((proxy.passed("bad"), server.heard(), proxy.faults()), (1, 7, 1));
    }
}

#[tokio::test]
async fn a_half_closed_connection_still_listens() {
    let (server, proxy, mut stream) = faulty(Fault::HalfClose).await;
    assert_eq!(ask_to_the_end(&mut stream, "bad").await.unwrap(), b"");
    say(&mut stream, "more").await.unwrap();
    until(|| server.heard() == 11).await;
    drop(stream);
    until(|| proxy.open_connections() == 0).await;
}

#[tokio::test]
async fn a_blackhole_swallows_and_says_nothing() {
    let (server, proxy, mut stream) = faulty(Fault::Blackhole).await;
    say(&mut stream, "bad").await.unwrap();
    until(|| proxy.count("bad") == 1).await;
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
    assert_eq!((proxy.passed("bad"), server.heard(), proxy.open_connections()), (0, 4, 1));
    drop(stream);
    until(|| proxy.open_connections() == 0).await;
}

#[tokio::test]
async fn an_answer_is_cut_where_the_seed_has_it() {
    let (_server, _proxy, mut stream) = faulty(Fault::Truncate(Length::Bytes(4))).await;
    assert_eq!(ask_to_the_end(&mut stream, "bad").await.unwrap(), b"bad ");
    let mut lengths = Vec::new();
    for _ in 0..2 {
        let (_server, _proxy, mut stream) = faulty(Fault::Truncate(Length::Drawn)).await;
        let cut = ask_to_the_end(&mut stream, "bad").await.unwrap();
        assert!(!cut.is_empty() && cut.len() < 8 && b"bad done".starts_with(&cut));
        lengths.push(cut.len());
    }
    assert_eq!(lengths[0], lengths[1], "the same seed");
}

#[tokio::test]
async fn a_stalled_answer_begins_and_does_not_go_on() {
    let (_server, _proxy, mut stream) = faulty(Fault::Stall(Length::Bytes(4))).await;
    say(&mut stream, "bad").await.unwrap();
    let mut begin = [0; 4];
    timeout(LONG, stream.read_exact(&mut begin)).await.unwrap().unwrap();
    assert_eq!(&begin, b"bad ");
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn a_late_answer_comes() {
    let (_server, _proxy, mut stream) = faulty(Fault::Late(Duration::from_millis(80))).await;
    let began = Instant::now();
    assert_eq!(ask(&mut stream, "bad").await.unwrap(), "bad done");
    assert!(began.elapsed() >= Duration::from_millis(80));
    assert_eq!(ask(&mut stream, "more").await.unwrap(), "more done");
}

#[tokio::test]
async fn a_dripping_answer_comes_byte_by_byte() {
    let (_server, _proxy, mut stream) = faulty(Fault::Drip(Duration::from_millis(20))).await;
    let began = Instant::now();
    say(&mut stream, "bad").await.unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 1);
    let mut rest = [0; 7];
    timeout(LONG, stream.read_exact(&mut rest)).await.unwrap().unwrap();
    assert_eq!(&rest, b"ad done");
    assert!(began.elapsed() >= Duration::from_millis(7 * 20));
}

#[tokio::test]
async fn garbage_and_damage_stand_in_the_answers_place() {
    for garbage in Garbage::ALL {
        let (_server, _proxy, mut stream) = faulty(Fault::Garbage(garbage)).await;
        let answer = ask_to_the_end(&mut stream, "bad").await.unwrap();
        assert!(!answer.is_empty() && !answer.starts_with(b"bad"), "{garbage:?}");
    }
    let (_server, _proxy, mut stream) = faulty(Fault::Damage(Damage::Bytes)).await;
    let answer = ask_to_the_end(&mut stream, "bad").await.unwrap();
    assert!(answer.len() == 8 && answer != b"bad done");
}

#[tokio::test]
async fn a_flood_ends_where_the_client_hangs_up() {
    let flood = Fault::Flood { after: Length::Bytes(3), bytes: 100_000 };
    let (_server, proxy, mut stream) = faulty(flood).await;
    let whole = ask_to_the_end(&mut stream, "bad").await.unwrap();
    assert_eq!((whole.len(), proxy.answered_bytes()), (100_003, 100_012));
    let endless = Fault::Flood { after: Length::Bytes(3), bytes: usize::MAX };
    let (_server, proxy, mut stream) = faulty(endless).await;
    say(&mut stream, "bad").await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    until(|| proxy.open_connections() == 0).await;
}

#[tokio::test]
async fn a_connection_goes_wrong_from_the_beginning_or_at_a_turn() {
    let (_, address) = Server::start().await;
    let proxy = Proxy::start(address).await.unwrap();
    proxy.inject(Rule::on_connect(Fault::LoseRequest(End::Reset)).on_connection(2));
    proxy.inject(Rule::on_turn(2, Fault::LoseAnswer(End::Close)).always());
    let mut first = dial(&proxy).await;
    assert_eq!(ask(&mut first, "one").await.unwrap(), "one done");
    assert!(ask(&mut first, "two").await.is_err());
    assert!(ask(&mut dial(&proxy).await, "one").await.is_err());
    let mut third = dial(&proxy).await;
    assert_eq!(ask(&mut third, "one").await.unwrap(), "one done");
    assert!(ask(&mut third, "two").await.is_err());
    proxy.clear();
    let mut fourth = dial(&proxy).await;
    for text in ["one", "two"] {
        assert_eq!(ask(&mut fourth, text).await.unwrap(), format!("{text} done"));
    }
    assert_eq!(proxy.faults(), 3);
}

#[tokio::test]
async fn a_slow_unsteady_line_loses_nothing() {
    let (_, address) = Server::start().await;
    let proxy = Proxy::start(address).await.unwrap();
    let pace = Pace::new().with_latency(Duration::from_millis(20)).with_jitter(Duration::from_millis(5));
    proxy.set_pace(pace.with_piece(2));
    let began = Instant::now();
    assert_eq!(ask(&mut dial(&proxy).await, "slowly").await.unwrap(), "slowly done");
    // There and back.
    assert!(began.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn severs_what_is_open_and_holds_back_answers() {
    let (server, address) = Server::start().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut stream = dial(&proxy).await;
    proxy.stall(true);
    say(&mut stream, "x").await.unwrap();
    until(|| server.heard() == 1).await;
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
    proxy.stall(false);
    assert_eq!(timeout(LONG, stream.read_u8()).await.unwrap().unwrap(), b'x');
    proxy.sever();
    let mut rest = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut rest)).await.expect("an end");
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LONG, waiting).await.expect("it comes to hold");
}
