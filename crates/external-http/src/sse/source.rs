//! Events that go on after their connection ended.

use std::fmt;
use std::time::Duration;

use external_core::http::HttpRequest;
use external_core::{BuildContext, Error, Repeat, Result, Retry};
use futures_core::Stream;
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep_until};

use super::{SseEvent, SseParser, SseStream};
use crate::HttpClient;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// However soon the server wants another connection.
const SHORTEST: Duration = Duration::from_millis(100);

/// The events that a request is answered with, connection after connection.
///
/// - A connection that ended is made again after a while, with `Last-Event-ID`: after 3 seconds, or as long as the server
///   asked for (`retry`, `Retry-After`), and twice as long after each failure, a minute at most. Up to half of it is added
///   by chance, so that not everybody comes back at once.
/// - A failure is a connection that could not be made, or that ended before it brought an event or had lasted as long as
///   the wait before it. After ten of them in a row the next one ends the source with its error, which is `Unavailable` for
///   connections that end as they should, but at once.
/// - The answer 204 ends it: the server wants no more connections. So does whatever would not be mended by time: an answer
///   that is no `text/event-stream`, missing credentials, an event beyond the limits of the parser.
/// - A request that it would be harmful to repeat (a `POST`, unless it is said to be
///   [harmless](HttpRequest::with_repeat)) is not made again once it may have taken effect.
/// - Where nothing comes for the [idle timeout](crate::HttpSettings::idle_timeout) the connection counts as lost; comments
///   keep it alive.
pub struct SseSource {
    http: HttpClient,
    request: HttpRequest,
    parser: Box<dyn Fn() -> SseParser + Send + Sync>,
    state: State,
    last_event_id: String,
    /// How long to wait after a connection that ended as they do.
    pause: Duration,
    max_pause: Duration,
    failures: u32,
    max_failures: u32,
    /// The last wait.
    waited: Duration,
}

enum State {
    Unconnected,
    Waiting(Instant),
    Connected(Box<SseStream>, Instant),
    Ended,
}

/// What a source has to tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum SseUpdate {
    /// There is a connection. Events of the time before may be missing, where the server does not keep them.
    Connected,
    /// An event.
    Event(SseEvent),
    /// The connection ended or could not be made; there will be another one.
    Disconnected {
        /// Why; `None` if the server ended it as it should.
        error: Option<Error>,
        /// How long until the next one.
        retry_in: Duration,
    },
}

impl SseSource {
    /// What the request is answered with. Nothing is sent before the first update is asked for.
    #[must_use]
    pub fn new(http: HttpClient, request: HttpRequest) -> Self {
        let mut request = request.streamed();
        request.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("text/event-stream"));
        request.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        Self {
            http,
            request,
            parser: Box::new(SseParser::new),
            state: State::Unconnected,
            last_event_id: String::new(),
            pause: Duration::from_secs(3),
            max_pause: Duration::from_secs(60),
            failures: 0,
            max_failures: 10,
            waited: Duration::ZERO,
        }
    }

    /// Begins after the event of this id.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Waits so long before a new connection, and no longer than `max` after failures or if the server asks for more.
    #[must_use]
    pub fn with_pause(mut self, pause: Duration, max: Duration) -> Self {
        (self.pause, self.max_pause) = (pause, max);
        self
    }

    /// Ends after so many failures in a row, from 1 on.
    #[must_use]
    pub fn with_max_failures(mut self, failures: u32) -> Self {
        self.max_failures = failures;
        self
    }

    /// Reads each connection with a parser made by this function: with other limits.
    #[must_use]
    pub fn with_parser(mut self, make: impl Fn() -> SseParser + Send + Sync + 'static) -> Self {
        self.parser = Box::new(make);
        self
    }

    /// The id of the last event that came: what another source may begin after.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        match &self.state {
            State::Connected(stream, _) => stream.parser().last_event_id(),
            _ => &self.last_event_id,
        }
    }

    /// What happened next; `None` when there will be nothing more. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// What ended it for good: as [`HttpClient::send`], [`SseStream::of`] and [`SseParser::next_event`]; `Unavailable` where
    /// one connection after the other ends before it brings anything.
    pub async fn next(&mut self) -> Result<Option<SseUpdate>> {
        loop {
            match &mut self.state {
                State::Unconnected => return self.connect().await,
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    self.state = State::Unconnected;
                }
                State::Connected(stream, _) => {
                    return match stream.next_event().await {
                        Ok(Some(event)) => {
                            self.failures = 0;
                            Ok(Some(SseUpdate::Event(event)))
                        }
                        Ok(None) => self.disconnected(None),
                        Err(error) => self.disconnected(Some(error)),
                    };
                }
                State::Ended => return Ok(None),
            }
        }
    }

    /// The next event, whatever becomes of the connection meanwhile; `None` when there will be none.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn next_event(&mut self) -> Result<Option<SseEvent>> {
        while let Some(update) = self.next().await? {
            if let SseUpdate::Event(event) = update {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The events alone, as a stream. After an error it yields nothing more.
    pub fn into_stream(self) -> impl Stream<Item = Result<SseEvent>> + Send {
        futures_util::stream::try_unfold(self, |mut source| async move {
            Ok(source.next_event().await?.map(|event| (event, source)))
        })
    }

    async fn connect(&mut self) -> Result<Option<SseUpdate>> {
        let mut request = self.request.clone();
        if !self.last_event_id.is_empty() {
            let Ok(id) = HeaderValue::from_bytes(self.last_event_id.as_bytes()) else {
                self.state = State::Ended;
                return Err(Error::corrupt("an event id that no header field can hold"));
            };
            request.headers.insert(LAST_EVENT_ID, id);
        }
        match self.http.send(&request).await {
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => {
                self.state = State::Ended;
                Ok(None)
            }
            Ok(answer) => {
                self.state = State::Ended;
                let parser = (self.parser)().with_last_event_id(self.last_event_id.clone());
                let stream = SseStream::of(answer)?.with_parser(parser);
                self.state = State::Connected(Box::new(stream), Instant::now());
                Ok(Some(SseUpdate::Connected))
            }
            Err(error) => self.disconnected(Some(error)),
        }
    }

    /// Decides whether there will be another connection, and when.
    fn disconnected(&mut self, error: Option<Error>) -> Result<Option<SseUpdate>> {
        if let State::Connected(stream, since) = &self.state {
            self.last_event_id = stream.parser().last_event_id().to_owned();
            self.pause = stream.parser().retry().map_or(self.pause, |told| told.max(SHORTEST));
            if since.elapsed() > self.waited {
                self.failures = 0;
            }
        }
        self.failures += 1;
        let operation = self.request.operation();
        let may_repeat = match &error {
            Some(error) => error.retry() != Retry::Never && error.may_repeat(&operation),
            None => matches!(operation.repeat, Repeat::Safe | Repeat::Idempotent),
        };
        if !may_repeat || self.failures > self.max_failures {
            self.state = State::Ended;
            return match error {
                Some(error) => Err(error),
                // That nothing comes any more is not what the server says by 204: who listens should hear of it.
                None if may_repeat => Err(Error::unavailable("the server ends each connection at once")),
                None => Ok(None),
            };
        }
        self.waited = self.wait(error.as_ref().map(Error::retry));
        self.state = State::Waiting(Instant::now() + self.waited);
        Ok(Some(SseUpdate::Disconnected { error, retry_in: self.waited }))
    }

    fn wait(&self, advice: Option<Retry>) -> Duration {
        let longer = self.pause.saturating_mul(1 << (self.failures - 1).min(16));
        let asked = match advice {
            Some(Retry::After(asked)) => asked.max(longer),
            _ => longer,
        };
        let asked = asked.min(self.max_pause);
        let mut drawn = [0];
        BuildContext::default().random(&mut drawn);
        asked + asked / 512 * u32::from(drawn[0])
    }
}

impl fmt::Debug for SseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseSource").field("failures", &self.failures).finish_non_exhaustive()
    }
}
