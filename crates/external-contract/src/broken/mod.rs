//! Providers that are wrong in one way each: what a suite must not let pass.
//!
//! A [`Flaw`] is laid over a right provider, so that everything but the flaw is real: it swallows a condition on the way
//! in, or embellishes an answer on the way out. [`judge`] runs the clauses that each flaw is made for and tells which of
//! them caught it, which let it pass, and which clauses no flaw is made for.
//!
//! ```
//! # mod mine {
//! #     use external_contract::{Suite, clause, ensure_eq};
//! #     use external_core::{CallContext, Capabilities, Capability, Provider, ProviderInfo, Result, async_trait};
//! #     #[derive(Debug)]
//! #     pub struct Greeter(pub ProviderInfo);
//! #     impl Greeter {
//! #         pub fn at(location: &str) -> Self {
//! #             Self(ProviderInfo::new("greeter", "greeting", location, Capabilities::new()))
//! #         }
//! #     }
//! #     #[async_trait]
//! #     impl Provider for Greeter {
//! #         fn info(&self) -> &ProviderInfo { &self.0 }
//! #         async fn probe(&self, _: &CallContext) -> Result<()> { Ok(()) }
//! #     }
//! #     pub fn suite() -> Suite<dyn Provider> {
//! #         Suite::of_contract("greeting", &[], |_, _| Capability::Unsupported, vec![]).only(&[]).with(clause!(
//! #             "greeting.info.1", "A greeter says where it is.", |case| {
//! #                 ensure_eq("the location", case.service().info().location(), "here:")?;
//! #             }))
//! #     }
//! # }
//! use std::sync::Arc;
//!
//! use external_contract::Harness;
//! use external_contract::broken::{Flaw, judge};
//! use external_core::Provider;
//!
//! let right = || Ok(Arc::new(mine::Greeter::at("here:")) as Arc<dyn Provider>);
//! let lost = Flaw::<dyn Provider>::new("Lost", "It does not know where it is.", &["greeting.info.1"], |_| {
//!     Arc::new(mine::Greeter::at("nowhere:"))
//! });
//! let judgement = judge(mine::suite, &[Harness::embedded("greeter", right)], &[lost], &[]);
//! assert_eq!(judgement.findings(), Vec::<String>::new());
//! println!("{judgement}");
//! ```

mod any_domain;
mod cache;
mod email;
mod http;
mod judgement;
mod storage;
mod wrapped;

use std::fmt;
use std::sync::Arc;

use external_core::Provider;

use crate::Harness;

pub use cache::flaws as cache;
pub use email::flaws as email;
pub use http::flaws as http;
pub use judgement::{Judgement, judge};
pub use storage::flaws as storage;

/// Lays a flaw over a right provider.
type Over<S> = Arc<dyn Fn(Arc<S>) -> Arc<S> + Send + Sync>;

/// One way to be wrong.
pub struct Flaw<S: ?Sized + 'static> {
    /// Its name.
    pub name: &'static str,
    /// What is wrong.
    pub sentence: &'static str,
    /// The clauses that are there to catch it. Others may as well.
    pub caught_by: &'static [&'static str],
    over: Over<S>,
}

impl<S: ?Sized + 'static> Flaw<S> {
    /// A flaw that `over` lays over a right provider.
    pub fn new(
        name: &'static str,
        sentence: &'static str,
        caught_by: &'static [&'static str],
        over: impl Fn(Arc<S>) -> Arc<S> + Send + Sync + 'static,
    ) -> Self {
        Self { name, sentence, caught_by, over: Arc::new(over) }
    }

    /// The provider, wrong in this way.
    #[must_use]
    pub fn over(&self, right: Arc<S>) -> Arc<S> {
        (self.over)(right)
    }

    /// The same harnesses, whose providers are wrong in this way.
    #[must_use]
    pub fn laid_over(&self, harnesses: &[Harness<S>]) -> Vec<Harness<S>>
    where
        S: Provider,
    {
        let flawed = harnesses.iter().cloned().map(|harness| {
            let flaw = self.clone();
            harness.wrapped(move |right| flaw.over(right))
        });
        flawed.collect()
    }
}

impl<S: ?Sized + 'static> Clone for Flaw<S> {
    fn clone(&self) -> Self {
        Self { over: Arc::clone(&self.over), ..*self }
    }
}

impl<S: ?Sized + 'static> fmt::Debug for Flaw<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flaw")
            .field("name", &self.name)
            .field("caught_by", &self.caught_by)
            .finish_non_exhaustive()
    }
}

const WIRE: &str =
    "a fault between a provider and its back end: external-contract, tests/wire and tests/http";
const INSIDE: &str = "a secret shown, a call told wrongly: external-contract, tests/inside";
const CLIENT: &str = "a fault of the client, over any provider";

/// Clauses of the common block that no flaw is shipped for in any domain, with the reason: for [`judge`].
pub const EXEMPT: &[(&str, &str)] = &[
    ("common.1.", WIRE),
    ("common.2.", WIRE),
    ("common.3.", WIRE),
    ("common.5.1", WIRE),
    ("common.5.3", WIRE),
    ("common.5.4", WIRE),
    ("common.5.5", WIRE),
    ("common.6.", WIRE),
    ("common.10.", WIRE),
    ("common.11.", WIRE),
    ("common.4.5", INSIDE),
    ("common.7.", INSIDE),
    ("common.8.", INSIDE),
    ("common.4.3", CLIENT),
    ("common.9.4", CLIENT),
    ("common.9.6", WIRE),
];

/// A row of a domain's table: the flaw, its name, what is wrong, and which clauses are to catch it.
type Row<W> = (W, &'static str, &'static str, &'static [&'static str]);

/// A domain's own flaws, and behind them those that any provider may have. `lay` lays one of either over a right provider.
fn with_common<S: ?Sized + 'static, W: Copy + Send + Sync + 'static>(
    own: &'static [Row<W>],
    lay: fn(Arc<S>, Option<W>, Option<any_domain::Wrong>) -> Arc<S>,
) -> Vec<Flaw<S>> {
    let own = own.iter().map(|&(wrong, name, sentence, caught_by)| {
        Flaw::new(name, sentence, caught_by, move |right| lay(right, Some(wrong), None))
    });
    let common = any_domain::Wrong::ALL.iter().map(|&(wrong, name, sentence, caught_by)| {
        Flaw::new(name, sentence, caught_by, move |right| lay(right, None, Some(wrong)))
    });
    own.chain(common).collect()
}

/// The flaws of a domain as an enum for its wrapper to look at, with what is wrong and which clauses are to catch it.
macro_rules! flaws {
    ($($name:ident: $sentence:literal [$($clause:literal),+];)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Wrong {
            $(#[doc = $sentence] $name,)+
        }

        impl Wrong {
            pub(super) const ALL: &'static [crate::broken::Row<Self>] =
                &[$((Self::$name, stringify!($name), $sentence, &[$($clause),+])),+];
        }
    };
}
use flaws;
