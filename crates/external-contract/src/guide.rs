//! The rules of the suite, for authors of providers.
//!
//! # How to read a clause
//!
//! `storage.put.4`: domain, operation, number. A number is never used again, so an id found anywhere (in a report, in a
//! commit, in the docs of a contract) means one promise for ever. The promise itself is one sentence. It stands twice, in
//! the docs of the contract's method, where callers read it, and beside the function that checks it; the two are held
//! together by the id.
//!
//! A clause says three more things of itself:
//!
//! | | |
//! |---|---|
//! | level | `must`: every provider keeps it. A capability: who declares it keeps it, everybody else refuses |
//! | subject | the bare provider, the same trait behind its client, or both: then it is run twice |
//! | needs | a counting proxy, a configuration, a place where nobody listens, a fact: a target that lacks it has no such clause |
//!
//! A failure says what was expected, what was seen, and the command that runs this clause alone. Outcomes are four, and
//! never merged; "not run" always has a reason, and a reason is not a pass.
//!
//! # How to declare a capability
//!
//! In [`ProviderInfo`](external_core::ProviderInfo), when the provider is built: what is not declared is unsupported.
//!
//! ```
//! use external_core::{Capabilities, ProviderInfo};
//!
//! let capabilities = Capabilities::new()
//!     .all_native(&["conditional-set", "increment"])
//!     .emulated("batch", "several exchanges, one after the other")
//!     .limit("value-bytes", 1 << 20);
//! let info = ProviderInfo::new("mine", "cache", "mine://host", capabilities);
//! # assert!(info.capabilities().grade("increment").is_supported());
//! ```
//!
//! - **Declared is done.** Each clause of the capability is run, and all of it counts: half a capability is none.
//! - **Not declared is refused.** An option that the provider cannot honour is `Unsupported` *before anything is sent*.
//!   The second function of a clause shows it: no byte passes the proxy. Nothing is ever ignored in silence.
//! - **A facet is its own declaration.** `None` from `locks()` means that there are none. Accessor and info must agree.
//! - **Emulated has a caveat**: what is lost compared with the real thing, in a few words.
//! - **A limit is a promise too**: one more is refused before anything is sent, and exactly as much works. A limit that is
//!   not declared is not there.
//! - What a *server* does otherwise than its protocol says is no capability of the provider: it is a fact of the target
//!   (the first page of each suite's module lists the facts it knows).
//!
//! # How to write a harness
//!
//! A provider without configuration is made by code, [`Harness::embedded`](crate::Harness::embedded). Everything else is
//! better described by data beside the provider, `contract.toml`, and built through its
//! [`ProviderEntry`](external_core::ProviderEntry) as the container would build it
//! ([`Harness::from_toml`](crate::Harness::from_toml)): then the configuration is tested as well. The
//! [crate's first page](crate) describes the format. What decides how much is proven:
//!
//! | field | without it |
//! |---|---|
//! | `proxy` | nothing is counted: no clause about requests, effects and hidden repetition. A remote provider must have a target with it |
//! | `missing` | nobody knows what happens where nobody listens |
//! | `http` | nor what its statuses mean. `before` lists what is asked before a call, by `path`, with the `content_type` and `body` of the right answer: a login; `silent` lists the calls whose answer is a status and no more |
//! | `denied` | nor what wrong credentials do |
//! | `backend` | nothing is shown about a server that stops and starts again |
//! | `facts` | clauses that look behind the provider (a damaged file, a mailbox) are left out |
//!
//! `${NAMESPACE}` belongs into whatever keeps two instances apart (a prefix, a database, a folder): cases run side by side,
//! in several processes, and each must find nothing but its own. What is told to [`Case::name`](crate::Case::name) is
//! removed afterwards; a suite deletes nothing else.
//!
//! [`Harness::behind`](crate::Harness::behind) adds the clauses about your client. Without one they are told as not run.
//!
//! # How to put a vendor's SDK behind a contract
//!
//! An SDK knows the vendor's protocol, signatures and credentials, and has opinions on everything else. Take the former and
//! switch off the latter: the example is the provider `s3` of `external-storage` (`src/providers/s3`), over `aws-sdk-s3`.
//! Before you begin: a vendor whose interface is a few HTTP calls is less work over `HttpTransport`, without its SDK.
//!
//! | what | how | in `s3` |
//! |---|---|---|
//! | retries | Off, and shown to be off: N calls make N requests (`common.3`). A retry below the pipeline knows neither deadline nor budget, and repeats what must happen once | `sdk.rs`: `RetryConfig::disabled()` |
//! | timeouts, stall guards | Off: attempt, total and idle timeout are the pipeline's. Connecting alone may have its own | `sdk.rs`: `TimeoutConfig::disabled()`, `StalledStreamProtectionConfig::disabled()` |
//! | connections | Yours, if the SDK takes a transport: one TLS stack, and a connection that was never made is known as `NotSent` | `transport.rs`: an `HttpConnector` over `external_net::dial` |
//! | the sent mark | Set where the first byte leaves. Contexts are borrowed and SDKs want `'static`: the mark of the context (`cx.sent_mark()`) travels with the request. Where the SDK hides that moment, mark at entry and say so in the provider's docs | `transport.rs`: `Sent`, `Mark` |
//! | errors | One table in `error.rs`: the vendor's code first, the status where there is none, then what broke on the way. Kind, effect and retry advice for each; code, request id and status are kept, messages cleaned and cut. What the SDK could not even send is `NotSent` | `error.rs`: `failed`, `by_code`, `by_status` |
//! | what an error shows | The SDK's own Display may hold URLs, signatures and bodies: keep it as a source only after a look at what it prints. `common.7` searches it | `error.rs`: `Chain` |
//! | cancellation | An attempt is dropped at any await. Nothing may go on behind it (an SDK that spawns is asked not to, or told to stop by a guard), and nothing half read goes back to a pool | the request's future is the attempt's; a connection with an unread answer is closed |
//! | checksums, compression, redirects | Once, and by whom the contract says | `sdk.rs`: `WhenRequired`, both ways |
//! | clock and randomness | From the [`BuildContext`](external_core::BuildContext), so that signatures can be tested | `sdk.rs`: `Clock` |
//! | credentials | Asked for at use, never copied; what the SDK finds by itself (profiles, instance roles) is loaded at first use, not in `build()`, and again after a refusal | `sdk.rs`: `Sdk::client`, `Sdk::forget`; `credentials.rs` |
//! | telemetry | The pipeline's spans and records are all that is needed. The SDK's own spans stay below DEBUG, or are listed in `leaks` with the filter that keeps them out | `contract.toml`: `identifiers` names what the SDK shows and is no secret |
//! | types | None of the SDK's in a public signature. Its structs become ours in `wire.rs`, by pure functions with plain tests | `wire.rs` |
//! | features | Without default features: no second TLS stack, no runtime but tokio | `aws-sdk-s3` with `rt-tokio` alone |
//!
//! Then let the suite judge it: `proxy` in `contract.toml`, so that requests are counted, and a target with every answer of
//! the common block's table.
//!
//! # What the common block expects
//!
//! Clauses `common.<point>.<n>` know no domain. They hold for every provider, whatever it speaks:
//!
//! 1. Where nobody listens a call is `Unavailable` and `NotSent`; wrong credentials are `Unauthenticated`.
//! 2. **Effect is true.** Call `cx.mark_sent()` just before the first byte that can take effect, and say `NotSent` only if
//!    nothing was sent. A lost answer is `MaybeApplied`, never a success and never `NotSent`.
//! 3. **One call, one request.** No retry of your own, none of your SDK's, none of your HTTP library's, and no redirect
//!    followed. Dialling again before anything was sent is fine; repeating is the caller's.
//! 4. What is declared is true, both ways.
//! 5. **A caller may go away at any await.** Take what is half done with you: a connection with a half-read answer goes
//!    nowhere but to the ground. Permits, parts, locks come back.
//! 6. A deadline is kept while a server is silent, and while it drips.
//! 7. **No secret is shown**: not in Display or Debug, not in an event, a span, a metric, a panic. Ask for secrets as
//!    `Secret`, and the suite knows what to search for. What a vendor's crate shows at TRACE is listed (`leaks`).
//! 8. A client tells of each call once, and of each attempt.
//! 9. A hundred calls side by side do not wait for one another; `close` ends, also during calls, also twice.
//! 10. An unknown, missing or wrong field is `Configuration` and is named. Building does no I/O: no connection, no file.
//! 11. An answer that makes no sense is a typed error, never a panic and never another call's answer.
//!
//! A suite reaches your contract through the calls that it names ([`ProviderCall`](crate::ProviderCall)); a marker in each
//! request lets the proxy count it.
//!
//! # Random programs
//!
//! `<domain>.model.1` runs programs of random calls, thirty or so each, against your provider and against a map that keeps the
//! contract: 300 programs where a call is a function call, 60 where it goes to a disk, 12 where it is an exchange. A
//! difference is shortened and told as a program that can be read:
//!
//! ```text
//! expected: step 3 answers Listing { objects: [], prefixes: [] }
//! seen:     Listing { objects: [], prefixes: ["b/"] }
//! program:
//!   1. put 5 bytes at b/cd/e
//!   2. delete together b/cd/e
//!   3. list "" folded by /
//! seed:     17617282098276379217 (EXTERNAL_CONTRACT_SEED=17617282098276379217 repeats it)
//! ```
//!
//! Each run draws others, unless the variable says which. Capabilities that are not declared do not occur.
//!
//! # How to make a wrong provider fail a new clause
//!
//! A clause that nothing fails proves nothing. Before it is believed, a provider that is wrong in just that way must fail
//! it, and the failure must say where to look. Ask of each clause: which bug would it miss?
//!
//! 1. Think of the bug that the sentence forbids, as somebody would really make it: a condition looked at too early, a
//!    limit left out, a page that begins one entry too late. Not "everything is an error": that fails every clause.
//! 2. Lay it over a right provider as a [`Flaw`](crate::broken::Flaw), which names the clauses that are to catch it. The
//!    suites' own flaws ([`broken::storage`](fn@crate::broken::storage), [`broken::cache`](fn@crate::broken::cache),
//!    [`broken::email`](fn@crate::broken::email)) are there for your providers and clauses too.
//! 3. Let [`judge`](crate::broken::judge) run them: a flaw that passes and a clause that no flaw is made for are findings.
//!    What cannot be made wrong like this stands in a list with its reason.
//! 4. Where a clause waits, let it wait for something, never for a time: a slow machine is no broken promise.
//!
//! The [module `broken`](crate::broken) has an example from end to end.
