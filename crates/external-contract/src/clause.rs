//! A clause: one promise of a contract, and how it is checked.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{Case, Verdict};

/// How binding a clause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every provider keeps it.
    Must,
    /// Every provider that declares this capability keeps it; every other one refuses.
    Capability(&'static str),
}

impl Level {
    /// As it stands in the report: `must` or the capability's id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Capability(id) => id,
        }
    }
}

/// Whose promise a clause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The bare provider's.
    Provider,
    /// The same trait's, behind its client.
    Client,
    /// Both: the clause is run twice.
    Both,
}

impl Subject {
    /// As it stands in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Client => "client",
            Self::Both => "both",
        }
    }
}

/// What a clause needs of a target beyond the provider itself. A target that lacks it has no such clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A counting proxy in front of the back end.
    Proxy,
    /// A counting proxy that can read what passes.
    Plain,
    /// TLS in front of the back end, so that the proxy can be the server that the provider meets.
    Tls,
    /// HTTP in clear text, so that any answer of HTTP can be put in the place of the back end's.
    Http,
    /// A configuration, so a target described by data.
    Configuration,
    /// A back end in another system.
    Remote,
    /// A configuration that points where nobody is.
    Missing,
    /// A configuration with wrong credentials.
    Denied,
    /// A back end that can be stopped and started.
    Backend,
    /// Something that the target tells about its back end.
    Fact(&'static str),
}

/// The function of a clause.
pub type Check<S> = for<'a> fn(&'a Case<S>) -> BoxFuture<'a, Verdict>;

/// One promise of a contract. Written with [`clause!`](crate::clause!).
pub struct Clause<S: ?Sized + 'static> {
    /// `<domain>.<operation>.<n>`, never used again for another promise.
    pub id: &'static str,
    /// The promise.
    pub sentence: &'static str,
    /// How binding it is.
    pub level: Level,
    /// Whose it is.
    pub subject: Subject,
    /// How it is checked.
    pub run: Check<S>,
    /// For a clause of a capability: how it is checked that a provider without it refuses.
    pub refused: Option<Check<S>>,
    /// How long it may take.
    pub limit: Duration,
    pub(crate) needs: Vec<Need>,
    pub(crate) alone: bool,
}

/// What a clause may take unless it says otherwise. Few take more than a second or two: this is there for what hangs, and
/// must leave a machine the time that compiles something else meanwhile.
const LIMIT: Duration = Duration::from_secs(120);

impl<S: ?Sized + 'static> Clause<S> {
    /// A promise that every provider keeps, bare and behind its client, within two minutes.
    #[must_use]
    pub fn new(id: &'static str, sentence: &'static str, run: Check<S>) -> Self {
        Self {
            id,
            sentence,
            level: Level::Must,
            subject: Subject::Both,
            run,
            refused: None,
            limit: LIMIT,
            needs: Vec::new(),
            alone: false,
        }
    }

    /// The same clause for providers with this capability alone; `refused` checks that the others refuse.
    #[must_use]
    pub fn capability(mut self, id: &'static str, refused: Check<S>) -> Self {
        self.level = Level::Capability(id);
        self.refused = Some(refused);
        self
    }

    /// The same clause about the bare provider alone.
    #[must_use]
    pub fn of_provider(mut self) -> Self {
        self.subject = Subject::Provider;
        self
    }

    /// The same clause about the client alone.
    #[must_use]
    pub fn of_client(mut self) -> Self {
        self.subject = Subject::Client;
        self
    }

    /// The same clause with another time limit.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same clause for targets that the counting proxy can stand in front of.
    #[must_use]
    pub fn needs_proxy(self) -> Self {
        self.requiring(Need::Proxy)
    }

    /// The same clause for targets that the counting proxy can stand in front of and read: not those with TLS.
    #[must_use]
    pub fn needs_plain_proxy(self) -> Self {
        self.requiring(Need::Plain)
    }

    /// The same clause for targets described by data.
    #[must_use]
    pub fn needs_configuration(self) -> Self {
        self.requiring(Need::Configuration)
    }

    /// The same clause for targets that tell a place where nobody is.
    #[must_use]
    pub fn needs_missing(self) -> Self {
        self.requiring(Need::Missing)
    }

    /// The same clause for targets that tell wrong credentials.
    #[must_use]
    pub fn needs_denied(self) -> Self {
        self.requiring(Need::Denied)
    }

    /// The same clause for targets that tell this fact about their back end.
    #[must_use]
    pub fn needs_fact(self, name: &'static str) -> Self {
        self.requiring(Need::Fact(name))
    }

    /// The same clause for targets whose back end can be stopped. Nothing else runs meanwhile in this process.
    #[must_use]
    pub fn stops_the_backend(mut self) -> Self {
        self.alone = true;
        self.requiring(Need::Backend)
    }

    pub(crate) fn requiring(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}

impl<S: ?Sized + 'static> Clone for Clause<S> {
    fn clone(&self) -> Self {
        Self { needs: self.needs.clone(), ..*self }
    }
}

impl<S: ?Sized + 'static> fmt::Debug for Clause<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clause")
            .field("id", &self.id)
            .field("sentence", &self.sentence)
            .field("level", &self.level)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Writes a clause: id, sentence, and a block in which `?` reports findings and failed calls.
///
/// ```
/// use external_contract::{Clause, clause, ensure};
/// use external_core::Provider;
///
/// let clause: Clause<dyn Provider> =
///     clause!("mine.info.1", "A provider says where it points.", |case| {
///         let location = case.service().info().location();
///         ensure(!location.is_empty(), "a location", "an empty one")?;
///     });
/// assert_eq!(clause.id, "mine.info.1");
/// ```
///
/// Where more is said about the clause, the contract stands beside the name, since the compiler cannot guess it:
///
/// ```
/// # use external_contract::{Subject, clause};
/// # use external_core::Provider;
/// let clause = clause!("mine.close.1", "A provider closes.", |case: dyn Provider| {
///     case.service().close().await?;
/// })
/// .of_provider();
/// assert_eq!(clause.subject, Subject::Provider);
/// ```
#[macro_export]
macro_rules! clause {
    ($id:literal, $sentence:literal, |$case:ident| $body:block $(,)?) => {
        $crate::Clause::new($id, $sentence, $crate::check!(|$case| $body))
    };
    ($id:literal, $sentence:literal, |$case:ident: $service:ty| $body:block $(,)?) => {
        $crate::Clause::<$service>::new($id, $sentence, $crate::check!(|$case| $body))
    };
}

/// Writes the function of a clause, as [`clause!`](crate::clause!) does: for [`Clause::capability`].
#[macro_export]
macro_rules! check {
    (|$case:ident| $body:block) => {
        |$case| {
            ::std::boxed::Box::pin(async move { $body::core::result::Result::<(), $crate::Finding>::Ok(()) })
        }
    };
}
