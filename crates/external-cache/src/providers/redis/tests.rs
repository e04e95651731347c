//! What a real server does not do on demand: stall, break, lie. Against a server of a few lines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_core::build::{FileStamp, SecretFiles};
use external_core::cache::{CacheKey, CacheService, GetRequest, IncrementRequest, SubscribeRequest, Ttl};
use external_core::{BuildContext, CallContext, Effect, ErrorKind, Provider, Secret};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{RedisCache, RedisConfig};

enum Answer {
    Say(&'static str),
    /// As fast as it is taken, until the caller ends the connection.
    NoEnd,
    Nothing,
    HangUp,
}

type Script = dyn Fn(usize, &[String]) -> Answer + Send + Sync;

/// Every command it heard, with the number of its connection.
type Heard = Arc<Mutex<Vec<(usize, Vec<String>)>>>;

/// A server that answers by a script, from the number of the connection and the command.
async fn server(script: impl Fn(usize, &[String]) -> Answer + Send + Sync + 'static) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let (script, log): (Arc<Script>, _) = (Arc::new(script), heard.clone());
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((socket, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(serve(connection, socket, script.clone(), log.clone()));
        }
    });
    (url, heard)
}

async fn serve(connection: usize, socket: TcpStream, script: Arc<Script>, heard: Heard) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let parts: usize = line.trim().strip_prefix('*')?.parse().ok()?;
        let mut command = Vec::new();
        for _ in 0..parts {
            line.clear();
            socket.read_line(&mut line).await.ok()?;
            let length: usize = line.trim().strip_prefix('$')?.parse().ok()?;
            let mut bytes = vec![0; length + 2];
            socket.read_exact(&mut bytes).await.ok()?;
            command.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        heard.lock().unwrap().push((connection, command.clone()));
        match script(connection, &command) {
            Answer::Say(answer) => socket.write_all(answer.as_bytes()).await.ok()?,
            Answer::NoEnd => loop {
                socket.write_all(&[b'+'; 16 << 10]).await.ok()?;
            },
            Answer::Nothing => {}
            Answer::HangUp => return None,
        }
    }
}

fn cache(url: &str) -> RedisCache {
    RedisConfig::new(url).build(&BuildContext::default()).unwrap()
}

fn get() -> GetRequest {
    GetRequest::new(CacheKey::parse("k").unwrap())
}

#[tokio::test]
async fn a_first_call_is_one_connection_and_one_command() {
    let (url, heard) = server(|_, _| Answer::Say("$-1\r\n")).await;
    let cache = cache(&url);
    let cx = CallContext::default();
    let request = get();
    for outcome in join_all((0..50).map(|_| cache.get(&cx, &request))).await {
        assert!(outcome.unwrap().is_none());
    }
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 50);
    assert!(heard.iter().all(|(connection, command)| *connection == 0 && command == &["GET", "k"]));
}

#[tokio::test]
async fn a_connection_that_stalls_is_put_aside() {
    let (url, _) = server(|connection, _| match connection {
        0 => Answer::Nothing,
        _ => Answer::Say("$1\r\nv\r\n"),
    })
    .await;
    let cache = cache(&url);
    let cx = CallContext::default();
    let gave_up = tokio::time::timeout(Duration::from_millis(600), cache.get(&cx, &get())).await;
    assert!(gave_up.is_err() && cx.was_sent());
    let found = cache.get(&CallContext::default(), &get()).await.unwrap();
    assert_eq!(&found.unwrap().value[..], b"v");
}

#[tokio::test]
async fn an_impatient_caller_does_not_cost_the_others_their_connection() {
    let (url, heard) = server(|_, command| match command[1].as_str() {
        "slow" => Answer::Nothing,
        _ => Answer::Say("$-1\r\n"),
    })
    .await;
    let cache = cache(&url);
    cache.get(&CallContext::default(), &get()).await.unwrap();
    let slow = GetRequest::new(CacheKey::parse("slow").unwrap());
    let cx = CallContext::default();
    let _ = tokio::time::timeout(Duration::from_millis(20), cache.get(&cx, &slow)).await;
    // The fake server skipped an answer, so the next one would be taken for it: what counts is the connection.
    let _ = tokio::time::timeout(Duration::from_millis(20), cache.get(&cx, &get())).await;
    assert!(heard.lock().unwrap().iter().all(|(connection, _)| *connection == 0));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_doubt_and_the_next_call_makes_another() {
    let (url, _) = server(|connection, _| match connection {
        0 => Answer::HangUp,
        _ => Answer::Say(":7\r\n"),
    })
    .await;
    let cache = cache(&url);
    let request = IncrementRequest::new(CacheKey::parse("k").unwrap(), 7);
    let error = cache.increment(&CallContext::default(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
    assert_eq!(cache.increment(&CallContext::default(), &request).await.unwrap(), 7);
}

#[tokio::test]
async fn a_connection_that_ended_while_idle_costs_nobody_a_call() {
    let (url, heard) = server(|_, command| match command[0].as_str() {
        "PING" => Answer::HangUp,
        _ => Answer::Say("$-1\r\n"),
    })
    .await;
    let cache = cache(&url);
    cache.get(&CallContext::default(), &get()).await.unwrap();
    assert!(cache.probe(&CallContext::default()).await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    cache.get(&CallContext::default(), &get()).await.unwrap();
    assert_eq!(heard.lock().unwrap().last().unwrap().0, 1);
}

struct OneFile(Mutex<&'static str>);

impl SecretFiles for OneFile {
    // The stamp never changes: only doubt makes the secret look again.
    fn stamp(&self, _: &std::path::Path) -> std::io::Result<FileStamp> {
        Ok(FileStamp { modified: None, length: 6, identity: 1 })
    }

    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.lock().unwrap().as_bytes().to_vec())
    }
}

#[tokio::test]
async fn a_refused_password_file_is_read_again() {
    let (url, heard) = server(|_, command| match command {
        [auth, .., password] if auth == "AUTH" && password == "canary-old" => {
            Answer::Say("-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        }
        [auth, ..] if auth == "AUTH" => Answer::Say("+OK\r\n"),
        _ => Answer::Say("$-1\r\n"),
    })
    .await;
    let file = Arc::new(OneFile(Mutex::new("canary-old")));
    let world = BuildContext::default().with_secret_files(file.clone());
    let config = RedisConfig::new(url.as_str()).with_credentials("app", Secret::from_file("/run/redis"));
    let cache = config.build(&world).unwrap();
    let error = cache.get(&CallContext::default(), &get()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::NotSent));
    assert!(!error.report().contains("canary"), "{}", error.report());
    *file.0.lock().unwrap() = "canary-new";
    cache.get(&CallContext::default(), &get()).await.unwrap();
    let heard = heard.lock().unwrap();
    let last = &heard[heard.len() - 2].1;
    assert_eq!(last, &["AUTH", "app", "canary-new"]);
}

#[tokio::test]
async fn a_login_that_is_not_answered_is_known_not_sent() {
    let (url, _) = server(|_, _| Answer::Nothing).await;
    let config =
        RedisConfig::new(url.as_str()).with_database(3).with_connect_timeout(Duration::from_millis(100));
    let cache = config.build(&BuildContext::default()).unwrap();
    let cx = CallContext::default();
    let error = cache.get(&cx, &get()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::NotSent));
    assert!(!cx.was_sent());
}

#[tokio::test]
async fn answers_that_make_no_sense_are_corrupt() {
    for answer in [
        "+canary\r\n",
        ":1\r\n",
        "*1\r\n$6\r\ncanary\r\n",
        "?canary\r\n",
        "$canary\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+canary\r\n",
        "%1\r\n+canary\r\n:1\r\n",
    ] {
        let (url, _) = server(move |_, _| Answer::Say(answer)).await;
        let error = cache(&url).get(&CallContext::default(), &get()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{answer:?}: {error}");
        assert!(!error.report().contains("canary"), "{answer:?}: {}", error.report());
    }
}

#[tokio::test]
async fn a_transaction_says_why_it_was_refused() {
    let (url, _) = server(|_, command| match command[0].as_str() {
        "MULTI" => Answer::Say("+OK\r\n"),
        "EXEC" => Answer::Say("-EXECABORT Transaction discarded because of previous errors.\r\n"),
        _ => Answer::Say("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    })
    .await;
    let ttl = Ttl::new(Duration::from_secs(9)).unwrap();
    let request = IncrementRequest::new(CacheKey::parse("k").unwrap(), 1).with_ttl(ttl);
    let error = cache(&url).increment(&CallContext::default(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::QuotaExhausted, Effect::NotApplied));
}

#[tokio::test]
async fn closing_ends_subscriptions() {
    let (url, _) = server(|_, command| match command[0].as_str() {
        "HELLO" => Answer::Say("%1\r\n+proto\r\n:3\r\n"),
        _ => Answer::Say("+OK\r\n"),
    })
    .await;
    let cache = cache(&url);
    let cx = CallContext::default();
    let mut changes = cache.invalidation().unwrap().subscribe(&cx, &SubscribeRequest::new()).await.unwrap();
    cache.close().await.unwrap();
    assert!(changes.next().await.unwrap().is_err());
    assert!(changes.next().await.is_none());
    assert_eq!(cache.get(&cx, &get()).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_told_so_and_costs_one_connection() {
    let (url, heard) = server(|connection, _| match connection {
        0 => Answer::Say("$5000\r\n"),
        _ => Answer::Say("$1\r\nv\r\n"),
    })
    .await;
    let config = RedisConfig::new(url.as_str()).with_max_value_bytes(1000).with_max_answer_bytes(2000);
    let cache = config.build(&BuildContext::default()).unwrap();
    let error = cache.get(&CallContext::default(), &get()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.effect()),
        (ErrorKind::PayloadTooLarge, Effect::MaybeApplied),
        "{error:?}"
    );
    assert_eq!(error.context_value("setting"), Some("max_answer_bytes"));
    let found = cache.get(&CallContext::default(), &get()).await.unwrap();
    assert_eq!(&found.unwrap().value[..], b"v");
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_without_an_end_is_no_answer_and_costs_one_connection() {
    let (url, heard) = server(|connection, _| match connection {
        0 => Answer::NoEnd,
        _ => Answer::Say("$1\r\nv\r\n"),
    })
    .await;
    let cache = cache(&url);
    let error = cache.get(&CallContext::default(), &get()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::MaybeApplied), "{error:?}");
    assert!(error.report().contains("a line"), "{}", error.report());
    let found = cache.get(&CallContext::default(), &get()).await.unwrap();
    assert_eq!(&found.unwrap().value[..], b"v");
    assert_eq!(heard.lock().unwrap().len(), 2);
}
