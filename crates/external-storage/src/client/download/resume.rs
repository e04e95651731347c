//! What a download asks for, once and again where its body broke.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, GetRequest, GetResult, ObjectBody, VersionId, VersionToken,
};
use external_core::{CallContext, Error, ErrorKind, Result};
use futures_util::stream;
use tokio::time::Instant;

use super::{GET, Sum};
use crate::client::{StorageClient, pause};

/// The first wait before a body is resumed; each further one without progress doubles it.
const RESUME_WAIT: Duration = Duration::from_millis(100);

/// Why a body is not resumed, where there is no time left for it: as the pipeline says it of a retry.
const DEADLINE: &str = "deadline";

/// What a download asks for, in as many calls as it takes.
pub(super) struct Asked {
    client: StorageClient,
    request: GetRequest,
    /// The version that it began with, once that is known.
    version: Option<VersionId>,
    /// When all of it must be over, if its caller said so.
    end: Option<Instant>,
    sum: Sum,
}

impl Asked {
    pub(super) fn new(client: StorageClient, request: GetRequest, end: Option<Instant>) -> Self {
        Self { client, request, version: None, end, sum: Sum::default() }
    }

    /// It goes on with this version.
    pub(super) fn of_version(mut self, version: Option<VersionId>) -> Self {
        self.version = version;
        self
    }

    /// The content that the request names, from the versions that were stored if it is not the current one any more. The
    /// version is not named at once, since reading one may need a permission of its own.
    pub(super) async fn get(&mut self) -> Result<ObjectBody> {
        let current = self.call(&self.request).await;
        let client = &self.client;
        let changed = |error: &Error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
        if let (Err(error), None, Some(version)) = (&current, &self.request.version, &self.version)
            && changed(error)
            && client.can("versions")
        {
            let stored = self.request.clone().with_version(version.clone());
            // Where that cannot be had either, what became of the object is the better answer.
            if let Ok(object) = self.call(&stored).await {
                self.request = stored;
                return object.into_object();
            }
        }
        current?.into_object()
    }

    /// As [`get`](Self::get); other content than `token` stands for is `Conflict`.
    pub(super) async fn get_same(&mut self, token: &VersionToken) -> Result<ObjectBody> {
        let object = self.get().await?;
        if object.info.token == *token {
            return Ok(object);
        }
        let changed = Error::conflict("the object was replaced while it was downloaded");
        self.client.locate(GET, Err(changed.with_context("key", &object.info.key)))
    }

    /// One call, which has no time of its own where all of them together have one.
    async fn call(&self, request: &GetRequest) -> Result<GetResult> {
        let cx = CallContext::new(&request.call).with_deadline(self.end);
        self.client.get_summed(&cx, request, Some(&self.sum)).await
    }

    /// Whether a wait of this length would last until all must be over.
    fn is_over_within(&self, wait: Duration) -> bool {
        self.end.is_some_and(|end| end.saturating_duration_since(Instant::now()) <= wait)
    }

    /// `object`, which was answered, as a body that goes on where it breaks.
    pub(super) fn resuming(mut self, object: ObjectBody) -> ObjectBody {
        let ObjectBody { info, range, body, .. } = object;
        self.version.clone_from(&info.version);
        let resuming =
            Resuming { asked: self, token: info.token.clone(), left: range.clone(), body, failures: 0 };
        let body = stream::unfold(Some(resuming), |state| async move {
            let mut state = state?;
            match state.next().await {
                Ok(chunk) => chunk.map(|chunk| (Ok(chunk), Some(state))),
                Err(error) => {
                    let Self { client, request, .. } = &state.asked;
                    Some((client.about(&request.key, Err(error)), None))
                }
            }
        });
        ObjectBody::new(info, range, ByteStream::new(body))
    }
}

/// A body that is asked for again where it broke.
struct Resuming {
    asked: Asked,
    token: VersionToken,
    left: Range<u64>,
    body: ByteStream,
    /// Breaks since the last byte.
    failures: u32,
}

impl Resuming {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let broken = match self.body.next_chunk().await {
                // An empty chunk is no progress.
                Ok(Some(chunk)) if chunk.is_empty() => continue,
                Ok(Some(chunk)) => {
                    self.failures = 0;
                    self.left.start += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                // Whole, and verified beneath.
                Ok(None) => return Ok(None),
                // Behind the last byte only what is about the whole counts, not what becomes of the connection.
                Err(error) if self.left.is_empty() && error.kind() == ErrorKind::Corrupt => {
                    return Err(error);
                }
                Err(_) if self.left.is_empty() => {
                    let verdict = self.asked.sum.verdict();
                    return self.asked.client.locate(GET, verdict).map(|()| None);
                }
                Err(error) => error,
            };
            self.resume(broken).await?;
        }
    }

    /// Asks for the rest, as often as the settings let it. A resumption that fails in passing is one without progress:
    /// the store may be starting again.
    ///
    /// Each is a call of its own under the whole pipeline. None is paid from the retry budget: to ask for the rest is less
    /// for the store than to ask for all of it again, which is what the caller of a broken download does.
    async fn resume(&mut self, mut broken: Error) -> Result<()> {
        loop {
            let wait = self.wait(&broken);
            let is_late = wait.is_some_and(|wait| self.asked.is_over_within(wait));
            let Some(wait) = wait.filter(|_| !is_late) else {
                let error = broken.with_context("resumed", self.failures);
                let error = if is_late { error.with_ended_by(DEADLINE) } else { error };
                return self.asked.client.locate(GET, Err(error));
            };
            tokio::time::sleep(wait).await;
            self.failures += 1;
            match self.ask_for_the_rest().await {
                Err(error) => broken = error,
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
            }
        }
    }

    /// How long to wait before the next resumption; `None` if there is none: also where the store asks for more time than a
    /// body may stall.
    fn wait(&self, broken: &Error) -> Option<Duration> {
        use ErrorKind::{Corrupt, RateLimited, Timeout, Unavailable};
        let client = &self.asked.client;
        let settings = &client.inner.settings;
        let passing = matches!(broken.kind(), Unavailable | Timeout | RateLimited | Corrupt);
        let own = RESUME_WAIT.saturating_mul(1 << self.failures.min(6));
        pause(broken, own)
            .filter(|_| passing && self.failures < settings.resumes && client.can("range"))
            .filter(|wait| *wait <= own.max(settings.idle_timeout))
    }

    async fn ask_for_the_rest(&mut self) -> Result<ByteStream> {
        let Asked { client, request, .. } = &mut self.asked;
        request.range = Some(ByteRange::from(self.left.clone()));
        if client.can("if-match") {
            request.if_match = Some(self.token.clone());
        }
        Ok(self.asked.get_same(&self.token).await?.body)
    }
}
