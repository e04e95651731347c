//! The connection that carries all calls: made on first use, made anew at most once an attempt, never by itself.
//!
//! Calls share one connection and do not wait for each other's answers. A connection that broke, or that has not
//! answered anything for a while although it owes an answer, is put aside: calls on it keep waiting for their own
//! deadline, the next call makes a new one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisResult, Value,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Result, Secret};
use external_net::{Coalesced, Connection as Socket, Tls};
use tokio::sync::watch;
use tokio::time::Instant;

use super::bounded::Bounded;
use super::error::{self, Connection};
use super::link::{Handle, Idle, Link};

/// How many commands may wait to be written: as many as callers are to be served at a time without waiting for each
/// other. The library's own 50 make callers beyond them queue.
const WAITING: usize = 1024;

/// Where the server is and who we are there.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: u32,
    pub(super) connect_timeout: Duration,
    pub(super) max_answer_bytes: u64,
}

impl Endpoint {
    /// A URL without credentials.
    pub(super) fn location(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.database)
    }

    /// A new connection, within the call's deadline. Nothing that could take effect has left when this fails.
    pub(super) async fn within<T>(
        &self,
        cx: &CallContext,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit = cx.remaining().map_or(self.connect_timeout, |left| left.min(self.connect_timeout));
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome.map_err(|error| error.with_effect(Effect::NotSent)),
            Err(_) => Err(Error::timeout("no connection to the server in time")
                .with_effect(Effect::NotSent)
                .with_context("location", self.location())),
        }
    }

    pub(super) async fn dial(&self) -> Result<Bounded<Socket>> {
        // The deadline is around the whole of it, login included.
        let socket = match &self.tls {
            None => Socket::Plain(external_net::dial(&self.host, self.port, None).await?),
            Some(tls) => {
                Socket::Tls(Box::new(external_net::dial_tls(&self.host, self.port, tls, None).await?))
            }
        };
        Ok(Bounded::new(socket, self.max_answer_bytes))
    }

    /// Dials, logs in, selects the database.
    async fn connect(&self) -> Result<Box<Handle>> {
        let socket = self.dial().await?;
        let asked = socket.asked();
        // The login is ours, so that its errors go through the same table as all others.
        let info =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let (mut commands, driver) =
            MultiplexedConnection::new_with_config(&info, Coalesced::new(socket), without_timeouts())
                .await
                .map_err(error::on_the_way)?;
        let handle = Handle::new(Link::drive(driver, asked.clone()), commands.clone());
        let mut setup = ::redis::pipe();
        if let Some(password) = &self.password {
            let password = password.expose()?;
            let auth = setup.cmd("AUTH");
            if let Some(username) = &self.username {
                auth.arg(username);
            }
            auth.arg(password.as_str());
        }
        if self.database != 0 {
            setup.cmd("SELECT").arg(self.database);
        }
        if !setup.is_empty() {
            let answers =
                commands.send_packed_commands(&setup, 0, setup.len()).await.map_err(error::on_the_way)?;
            for answer in answers {
                if let Value::ServerError(refusal) = answer {
                    return Err(self.refused(error::answered(&refusal).0));
                }
            }
        }
        asked.begin();
        Ok(handle)
    }

    /// Looks at the credentials again next time if they were refused.
    pub(super) fn refused(&self, error: Error) -> Error {
        if let (ErrorKind::Unauthenticated, Some(password)) = (error.kind(), &self.password) {
            password.invalidate();
        }
        error
    }
}

/// The pipeline owns all deadlines.
pub(super) fn without_timeouts() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(WAITING)
}

/// The connection all calls share.
pub(super) struct Connector {
    pub(super) endpoint: Endpoint,
    /// What a call takes along: a handle that an earlier one has left here, or a copy of the first one.
    idle: Idle,
    live: Mutex<Option<Box<Handle>>>,
    dialling: tokio::sync::Mutex<()>,
    closed: watch::Sender<bool>,
}

impl Connector {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            idle: Idle::default(),
            live: Mutex::new(None),
            dialling: tokio::sync::Mutex::new(()),
            closed: watch::Sender::new(false),
        }
    }

    /// One command, one answer. An error that the server answered is an error here.
    pub(super) async fn ask(&self, cx: &CallContext, command: Cmd) -> Result<Value> {
        let mut handle = self.handle(cx).await?;
        let (link, sender) = handle.parts();
        let question = Question::ask(self, link, cx, 1);
        let answer = question.answered(sender.ask(command).await)?;
        let answer = self.check(link, answer);
        self.idle.put_back(handle);
        answer
    }

    /// Several commands in one write, one answer each. Errors that the server answered stay in their places.
    pub(super) async fn ask_all(&self, cx: &CallContext, commands: &Pipeline) -> Result<Vec<Result<Value>>> {
        let mut handle = self.handle(cx).await?;
        let (link, sender) = handle.parts();
        let question = Question::ask(self, link, cx, commands.len());
        let answers = question.answered(sender.ask_all(commands).await)?;
        if answers.len() != commands.len() {
            return Err(error::malformed());
        }
        let answers = answers.into_iter().map(|answer| self.check(link, answer)).collect();
        self.idle.put_back(handle);
        Ok(answers)
    }

    fn check(&self, link: &Arc<Link>, answer: Value) -> Result<Value> {
        let Value::ServerError(refusal) = answer else {
            return Ok(answer);
        };
        let (error, connection) = error::answered(&refusal);
        if connection == Connection::Replace {
            self.put_aside(link);
        }
        Err(self.endpoint.refused(error))
    }

    async fn handle(&self, cx: &CallContext) -> Result<Box<Handle>> {
        match self.idle.take().or_else(|| self.usable()) {
            Some(handle) => Ok(handle),
            // Boxed, for it is large, TLS and all, and every call would carry room for it.
            None => Box::pin(self.dial_once(cx)).await,
        }
    }

    /// A new connection, or the one that somebody else has made meanwhile.
    async fn dial_once(&self, cx: &CallContext) -> Result<Box<Handle>> {
        let connecting = async {
            let _turn = self.dialling.lock().await;
            // Whoever had the turn before may have made it.
            if let Some(handle) = self.usable() {
                return Ok(handle);
            }
            if self.is_closed() {
                return Err(Error::closed("the cache was closed"));
            }
            let handle = self.endpoint.connect().await?;
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            // A close in between has emptied the place already: nobody would end what is put there now.
            if self.is_closed() {
                return Err(Error::closed("the cache was closed"));
            }
            *live = handle.copy();
            Ok(handle)
        };
        self.endpoint.within(cx, connecting).await
    }

    fn usable(&self) -> Option<Box<Handle>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().filter(|handle| handle.link.is_usable())?.copy()
    }

    /// No further call uses this connection; calls under way on it wait for their own deadline.
    fn put_aside(&self, link: &Arc<Link>) {
        link.retire();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|current| Arc::ptr_eq(&current.link, link)) {
            *live = None;
        }
        self.idle.clear();
    }

    /// Calls under way end by themselves; the connection ends with the last of them. Subscriptions end now.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = live {
            handle.link.retire();
        }
        self.idle.clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Turns true when the provider is closed.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }
}

/// A question without an answer yet: given up on a connection that has stalled, it puts the connection aside.
struct Question<'a> {
    connector: &'a Connector,
    link: &'a Arc<Link>,
    asked: Instant,
    is_answered: bool,
}

impl<'a> Question<'a> {
    /// So many commands leave now.
    fn ask(connector: &'a Connector, link: &'a Arc<Link>, cx: &CallContext, commands: usize) -> Self {
        cx.mark_sent();
        link.asked.ask(commands as u64);
        Self { connector, link, asked: cx.started(), is_answered: false }
    }

    fn answered<T>(mut self, outcome: RedisResult<T>) -> Result<T> {
        self.is_answered = true;
        match outcome {
            Ok(answer) => {
                self.link.answered(self.asked);
                Ok(answer)
            }
            Err(broken) => {
                self.connector.put_aside(self.link);
                Err(error::on_the_way(broken))
            }
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if !self.is_answered && self.link.has_stalled_since(self.asked) {
            self.connector.put_aside(self.link);
        }
    }
}
