//! Invalidation: the server tells a connection of its own which keys anybody changes.
//!
//! It uses client-side caching in broadcast mode (RESP3), so every change is heard, whoever makes it and by
//! whatever program. <https://redis.io/docs/latest/develop/reference/client-side-caching/>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::{AsyncPushSender, MultiplexedConnection, SendError};
use ::redis::{
    ErrorKind as RedisKind, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, Value, cmd,
};
use external_core::cache::{CacheKey, Invalidation, InvalidationStream};
use external_core::{CallContext, Effect, Error, Result};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::commands::Names;
use super::connection::{Connector, without_timeouts};
use super::error;

/// How far a listener may fall behind before it is told that anything may have changed.
const BACKLOG: usize = 1024;

/// A silent connection may be a dead one: how often it is asked, and how long it may take to answer.
const ASK_EVERY: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Takes what the server pushes; must not wait.
struct Inbox {
    queue: mpsc::Sender<PushInfo>,
    overflow: Arc<AtomicBool>,
}

impl AsyncPushSender for Inbox {
    fn send(&self, info: PushInfo) -> std::result::Result<(), SendError> {
        match self.queue.try_send(info) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.overflow.store(true, Ordering::Release);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(SendError),
        }
    }
}

struct Listener {
    names: Arc<Names>,
    queue: mpsc::Receiver<PushInfo>,
    overflow: Arc<AtomicBool>,
    commands: MultiplexedConnection,
    driver: JoinHandle<()>,
    closing: watch::Receiver<bool>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects, and returns once the server has confirmed that it will tell.
pub(super) async fn listen(
    connector: &Connector,
    names: &Arc<Names>,
    cx: &CallContext,
) -> Result<InvalidationStream> {
    if connector.is_closed() {
        return Err(Error::closed("the cache was closed"));
    }
    let endpoint = &connector.endpoint;
    let mut listener = endpoint.within(cx, connect(connector, names.clone())).await?;
    let mut tracking = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON").arg("BCAST");
    if !names.prefix().is_empty() {
        tracking.arg("PREFIX").arg(names.prefix());
    }
    cx.mark_sent();
    match listener.commands.send_packed_command(&tracking).await.map_err(error::on_the_way)? {
        Value::Okay => Ok(Box::pin(futures_util::stream::unfold(Some(listener), next))),
        Value::ServerError(refusal) => Err(endpoint.refused(error::answered(&refusal).0)),
        _ => Err(error::malformed()),
    }
}

async fn connect(connector: &Connector, names: Arc<Names>) -> Result<Listener> {
    let endpoint = &connector.endpoint;
    let socket = endpoint.dial().await?;
    let mut info =
        RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    if let Some(password) = &endpoint.password {
        info = info.set_password(password.expose()?.as_str());
    }
    if let Some(username) = &endpoint.username {
        info = info.set_username(username);
    }
    let (give, queue) = mpsc::channel(BACKLOG);
    let overflow = Arc::new(AtomicBool::new(false));
    let config = without_timeouts().set_push_sender(Inbox { queue: give, overflow: overflow.clone() });
    let (commands, driver) = MultiplexedConnection::new_with_config(&info, socket, config)
        .await
        .map_err(|refusal| endpoint.refused(login_failed(refusal)))?;
    Ok(Listener {
        names,
        queue,
        overflow,
        commands,
        driver: tokio::spawn(driver),
        closing: connector.closing(),
    })
}

/// The library logs in by itself on RESP3 connections; its texts are not repeated.
fn login_failed(refusal: RedisError) -> Error {
    match refusal.kind() {
        RedisKind::AuthenticationFailed => Error::unauthenticated("the server refused the login"),
        RedisKind::RESP3NotSupported => Error::unsupported("invalidation").with_effect(Effect::NotApplied),
        RedisKind::Io => error::on_the_way(refusal),
        _ => match refusal.into_server_errors().as_deref() {
            Some([(_, answered), ..]) => error::answered(answered).0,
            _ => error::malformed(),
        },
    }
}

type Step = Option<(Result<Invalidation>, Option<Listener>)>;

async fn next(listener: Option<Listener>) -> Step {
    let mut listener = listener?;
    loop {
        if listener.overflow.swap(false, Ordering::AcqRel) {
            return Some((Ok(Invalidation::All), Some(listener)));
        }
        let heard_or_closed = async {
            tokio::select! {
                push = listener.queue.recv() => push,
                _ = listener.closing.wait_for(|closed| *closed) => None,
            }
        };
        match tokio::time::timeout(ASK_EVERY, heard_or_closed).await {
            Ok(Some(push)) => match heard(push, &listener.names) {
                Heard::Change(change) => return Some((Ok(change), Some(listener))),
                Heard::Nothing => {}
                Heard::End => return ended(),
            },
            Ok(None) => return ended(),
            Err(_) => {
                let ping = cmd("PING");
                let asked = listener.commands.send_packed_command(&ping);
                if !matches!(tokio::time::timeout(ANSWER_WITHIN, asked).await, Ok(Ok(_))) {
                    return ended();
                }
            }
        }
    }
}

fn ended() -> Step {
    Some((Err(Error::unavailable("the connection of the subscription ended")), None))
}

enum Heard {
    Change(Invalidation),
    Nothing,
    End,
}

fn heard(push: PushInfo, names: &Names) -> Heard {
    match push.kind {
        PushKind::Disconnection => Heard::End,
        PushKind::Invalidate => match push.data.into_iter().next() {
            Some(Value::Array(changed)) => {
                let keys: Vec<CacheKey> = changed.iter().filter_map(|name| key_of(name, names)).collect();
                if keys.is_empty() { Heard::Nothing } else { Heard::Change(Invalidation::Keys(keys)) }
            }
            // The server was emptied.
            _ => Heard::Change(Invalidation::All),
        },
        _ => Heard::Nothing,
    }
}

fn key_of(name: &Value, names: &Names) -> Option<CacheKey> {
    match name {
        Value::BulkString(name) => names.parse(name),
        Value::SimpleString(name) => names.parse(name.as_bytes()),
        _ => None,
    }
}
