//! Random programs of calls on a store: what a step is, and how steps are drawn.

mod answer;
mod perform;
mod reference;

use std::fmt;

use external_core::storage::{ByteRange, ObjectAttributes, supports};
use futures_util::future::BoxFuture;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::{collection, option, prop_oneof};

use super::S;
use super::store::Store;
use crate::programs::{Difference, LIMIT, explore};
use crate::{Case, Clause, clause, ensure_eq};
use perform::Place;
use reference::Reference;

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.model.1",
            "Whatever calls follow one another, each answers what the promises make of the calls before it: options, conditions, pages, parts, tags and versions in any mixture.",
            |case| {
                let able = Able::of(case);
                explore(case, steps(able.clone()), &able.ending(), run).await?;
            }
        )
        .with_limit(LIMIT),
    ]
}

fn run<'a>(case: &'a Case<S>, place: u64, steps: &'a [Step]) -> BoxFuture<'a, Result<(), Difference>> {
    Box::pin(async move {
        let place = Place::new(case, place);
        let mut reference = Reference::of(case.service());
        for (at, step) in steps.iter().enumerate() {
            let seen = place.perform(step, &reference, at).await;
            let seen = seen.map_err(|finding| Difference::at(at, finding))?;
            Difference::between(at, &seen, &reference.answer(step, at, &seen))?;
        }
        let end = |finding| Difference::at(steps.len().saturating_sub(1), finding);
        match place.pending().await.map_err(end)? {
            Some(pending) => {
                ensure_eq("the number of uploads left", &pending, &reference.open()).map_err(end)
            }
            None => Ok(()),
        }
    })
}

/// The keys of programs: few, so that calls meet, and each other's prefixes and neighbours.
const NAMES: [&str; 6] = ["a", "b/c", "a/b", "ab", "b/cd/e", "AB"];
const PREFIXES: [&str; 6] = ["", "a", "b/", "b/c", "a/b", "x"];

/// Which token a condition names. A program that knows none yet has no condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// That of what the key holds; where it holds nothing, the last one known.
    Current,
    /// One that stands for something else.
    Stale,
}

/// Under which condition a write takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    Absent,
    Matches(Which),
}

/// What is stored with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extras {
    None,
    Some,
    All,
}

impl Extras {
    /// As far as the store takes them.
    fn attributes(self, service: &S) -> ObjectAttributes {
        let has = |id| supports(service, id).is_supported();
        let mut attributes = ObjectAttributes::new();
        if self != Self::None && has("content-headers") {
            attributes = attributes.with_content_type("text/plain");
        }
        if self != Self::None && has("metadata") {
            attributes = attributes.with_user_metadata("owner", "Ada");
        }
        if self == Self::All && has("content-headers") {
            attributes.headers = super::put::headers().headers;
        }
        if self == Self::All && has("metadata") {
            attributes.metadata = super::put::metadata().metadata;
        }
        if self == Self::All && has("tags") {
            attributes = attributes.with_tag("colour", "blue").with_tag("empty", "");
        }
        attributes
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Head {
        key: &'static str,
    },
    Get {
        key: &'static str,
        range: Option<ByteRange>,
        if_match: Option<Which>,
        if_none_match: Option<Which>,
    },
    List {
        prefix: &'static str,
        folded: bool,
        after: Option<&'static str>,
        limit: Option<usize>,
    },
    Put {
        key: &'static str,
        length: usize,
        extras: Extras,
        condition: Condition,
    },
    PutChecked {
        key: &'static str,
        sha256: bool,
        damaged: bool,
    },
    Delete {
        key: &'static str,
        if_match: Option<Which>,
    },
    DeleteBatch {
        keys: Vec<&'static str>,
    },
    Copy {
        from: &'static str,
        to: &'static str,
        if_match: Option<Which>,
        replace: Option<Extras>,
        condition: Condition,
    },
    GetTags {
        key: &'static str,
    },
    PutTags {
        key: &'static str,
        count: usize,
    },
    Begin {
        key: &'static str,
        extras: Extras,
    },
    Part {
        back: usize,
        number: u32,
        large: bool,
    },
    Complete {
        back: usize,
        condition: Condition,
    },
    Abort {
        back: usize,
    },
    ReadVersion {
        key: &'static str,
        back: usize,
    },
    DeleteVersion {
        key: &'static str,
        back: usize,
    },
    RestoreVersion {
        key: &'static str,
        back: usize,
    },
    ListVersions {
        prefix: &'static str,
    },
}

/// What the store can do, and which keys its server takes.
#[derive(Clone)]
struct Able {
    names: Vec<&'static str>,
    lacks: Vec<&'static str>,
    many_parts: bool,
    folds: bool,
    folds_after: bool,
}

impl Able {
    fn of(case: &Case<S>) -> Self {
        let service = case.service();
        let ids = external_core::storage::CAPABILITIES.iter().map(|(id, _)| *id);
        let least = service.info().capabilities().get_limit("part-bytes-min").unwrap_or(0);
        Self {
            names: Store::of(case).fitting(&NAMES),
            lacks: ids.filter(|id| !supports(service, id).is_supported()).collect(),
            // Parts of megabytes are for the clauses about them.
            many_parts: least <= 1 << 16,
            folds: case.fact("folds-deleted").as_deref() != Some("yes"),
            folds_after: case.fact("folds-after").as_deref() != Some("no"),
        }
    }

    fn has(&self, id: &str) -> bool {
        !self.lacks.contains(&id)
    }

    /// A condition that the store knows.
    fn condition(&self, condition: Condition, absent: &str, matches: &str) -> Condition {
        match condition {
            Condition::Absent if self.has(absent) => condition,
            Condition::Matches(_) if self.has(matches) => condition,
            _ => Condition::None,
        }
    }

    /// Looks at everything that a program may have left: in pages and by a prefix too, in part and as it was before.
    fn ending(&self) -> Vec<Step> {
        let list = |prefix, limit| Step::List { prefix, folded: false, after: None, limit };
        let each = self.names.iter().flat_map(|key| {
            let get = |range| Step::Get { key, range, if_match: None, if_none_match: None };
            let part = ByteRange::Within { start: 1, end: 4 };
            let asked = [
                Some(get(None)),
                self.has("range").then(|| get(Some(part))),
                self.has("tags").then_some(Step::GetTags { key }),
                self.has("versions").then_some(Step::ReadVersion { key, back: 1 }),
            ];
            asked.into_iter().flatten()
        });
        [list("", None), list("", Some(2)), list("a", None)].into_iter().chain(each).collect()
    }

    /// The step without what the store lacks; of a step that it lacks altogether a read is left.
    fn without_what_is_lacking(&self, step: Step) -> Step {
        let needs = match &step {
            Step::PutChecked { .. } => "checksum",
            Step::DeleteBatch { .. } => "delete-batch",
            Step::Copy { .. } => "copy",
            Step::GetTags { .. } | Step::PutTags { .. } => "tags",
            Step::Begin { .. } | Step::Part { .. } | Step::Complete { .. } | Step::Abort { .. } => {
                "multipart"
            }
            Step::ReadVersion { .. }
            | Step::DeleteVersion { .. }
            | Step::RestoreVersion { .. }
            | Step::ListVersions { .. } => "versions",
            _ => "",
        };
        match step {
            _ if !needs.is_empty() && !self.has(needs) => {
                Step::Head { key: self.names.first().copied().unwrap_or("ab") }
            }
            Step::Get { key, range, if_match, if_none_match } => Step::Get {
                key,
                range: range.filter(|range| {
                    self.has(if matches!(range, ByteRange::Suffix(_)) { "suffix-range" } else { "range" })
                }),
                if_match: if_match.filter(|_| self.has("if-match")),
                // Both at once is a question that nobody asks.
                if_none_match: if_none_match.filter(|_| self.has("if-none-match") && if_match.is_none()),
            },
            Step::List { prefix, folded, after, limit } => Step::List {
                prefix,
                folded: folded
                    && self.has("list-delimiter")
                    && self.folds
                    && (self.folds_after || after.is_none()),
                after: after.filter(|_| self.has("list-start-after")),
                limit,
            },
            Step::Put { key, length, extras, condition } => Step::Put {
                key,
                length,
                extras,
                condition: self.condition(condition, "create-only", "compare-and-swap"),
            },
            Step::Delete { key, if_match } => {
                Step::Delete { key, if_match: if_match.filter(|_| self.has("delete-if-match")) }
            }
            Step::Copy { from, to, if_match, replace, condition } => Step::Copy {
                from,
                to,
                if_match,
                replace,
                condition: self.condition(condition, "copy-create-only", "copy-compare-and-swap"),
            },
            Step::Part { back, number, .. } if !self.many_parts => {
                Step::Part { back, number: number.min(1), large: false }
            }
            Step::Complete { back, condition } => {
                let condition =
                    self.condition(condition, "multipart-create-only", "multipart-compare-and-swap");
                Step::Complete { back, condition }
            }
            step => step,
        }
    }
}

/// Draws a step, or a whole upload. What comes first is what a failing program is simplified to.
fn steps(able: Able) -> impl Strategy<Value = Vec<Step>, Tree: Send> + Send {
    let names = able.names.clone();
    let key = || select(names.clone());
    let keys = collection::vec(key(), 0..=4);
    let prefix = || select(&PREFIXES[..]);
    let which = || prop_oneof![Just(Which::Current), Just(Which::Stale)];
    let condition = || prop_oneof![2 => Just(Condition::None), 1 => Just(Condition::Absent), 2 => which().prop_map(Condition::Matches)];
    let extras = || prop_oneof![Just(Extras::None), Just(Extras::Some), Just(Extras::All)];
    // At, within and beyond the ends of what is stored.
    let offset = || select(&[0, 1, 3, 5, 20, 34, 35, 40][..]);
    let range = prop_oneof![
        1 => offset().prop_map(ByteRange::From),
        3 => (offset(), offset()).prop_map(|(start, end)| ByteRange::Within { start, end }),
        1 => offset().prop_map(ByteRange::Suffix),
    ];
    let length = prop_oneof![3 => Just(35_usize), 1 => Just(5), 1 => Just(0)];
    let reading = prop_oneof![
        1 => key().prop_map(|key| Step::Head { key }),
        3 => (key(), option::of(range), option::of(which()), option::of(which()))
            .prop_map(|(key, range, if_match, if_none_match)| Step::Get { key, range, if_match, if_none_match }),
        2 => (prefix(), any::<bool>(), option::of(key()), option::of(1..4_usize))
            .prop_map(|(prefix, folded, after, limit)| Step::List { prefix, folded, after, limit }),
    ];
    let writing = prop_oneof![
        6 => (key(), length, extras(), condition())
            .prop_map(|(key, length, extras, condition)| Step::Put { key, length, extras, condition }),
        1 => (key(), any::<bool>(), any::<bool>())
            .prop_map(|(key, sha256, damaged)| Step::PutChecked { key, sha256, damaged }),
        2 => (key(), option::of(which())).prop_map(|(key, if_match)| Step::Delete { key, if_match }),
        1 => keys.prop_map(|keys| Step::DeleteBatch { keys }),
        2 => (key(), key(), option::of(which()), option::of(extras()), condition()).prop_map(
            |(from, to, if_match, replace, condition)| Step::Copy { from, to, if_match, replace, condition }
        ),
        1 => key().prop_map(|key| Step::GetTags { key }),
        2 => (key(), 0..3_usize).prop_map(|(key, count)| Step::PutTags { key, count }),
    ];
    let parts = prop_oneof![
        2 => (key(), extras()).prop_map(|(key, extras)| Step::Begin { key, extras }),
        4 => (0..3_usize, 0..4_u32, any::<bool>())
            .prop_map(|(back, number, large)| Step::Part { back, number, large }),
        3 => (0..3_usize, condition()).prop_map(|(back, condition)| Step::Complete { back, condition }),
        1 => (0..3_usize).prop_map(|back| Step::Abort { back }),
    ];
    let versions = prop_oneof![
        (key(), 0..4_usize).prop_map(|(key, back)| Step::ReadVersion { key, back }),
        (key(), 0..4_usize).prop_map(|(key, back)| Step::DeleteVersion { key, back }),
        (key(), 0..4_usize).prop_map(|(key, back)| Step::RestoreVersion { key, back }),
        prefix().prop_map(|prefix| Step::ListVersions { prefix }),
    ];
    // One after the other and by chance, uploads seldom come to an end.
    let sent = collection::vec((1..3_u32, any::<bool>()), 1..4);
    let upload = (key(), extras(), sent, condition()).prop_map(|(key, extras, parts, condition)| {
        let parts = parts.into_iter().map(|(number, large)| Step::Part { back: 0, number, large });
        let begin = std::iter::once(Step::Begin { key, extras });
        begin.chain(parts).chain([Step::Complete { back: 0, condition }]).collect::<Vec<_>>()
    });
    let (parted, versioned) = (u32::from(able.has("multipart")), u32::from(able.has("versions")));
    let one = prop_oneof![6 => reading, 8 => writing, 4 * parted => parts, 3 * versioned => versions];
    prop_oneof![20 => one.prop_map(|step| vec![step]), parted => upload]
        .prop_map(move |steps| steps.into_iter().map(|step| able.without_what_is_lacking(step)).collect())
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "the current token",
            Self::Stale => "a stale token",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Absent => f.write_str(" if absent"),
            Self::Matches(which) => write!(f, " if it matches {which}"),
        }
    }
}

impl fmt::Display for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Some => " with a type and metadata",
            Self::All => " with headers, metadata and tags",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |f: &mut fmt::Formatter<'_>, word: &str, which: &Option<Which>| match which {
            Some(which) => write!(f, " if it {word} {which}"),
            None => Ok(()),
        };
        match self {
            Self::Head { key } => write!(f, "head {key}"),
            Self::Get { key, range, if_match, if_none_match } => {
                write!(f, "get {key}")?;
                if let Some(range) = range {
                    write!(f, ", {range:?}")?;
                }
                when(f, "matches", if_match)?;
                when(f, "does not match", if_none_match)
            }
            Self::List { prefix, folded, after, limit } => {
                write!(f, "list {prefix:?}")?;
                if *folded {
                    f.write_str(" folded by /")?;
                }
                if let Some(after) = after {
                    write!(f, " after {after}")?;
                }
                limit.map_or(Ok(()), |limit| write!(f, " in pages of {limit}"))
            }
            Self::Put { key, length, extras, condition } => {
                write!(f, "put {length} bytes at {key}{extras}{condition}")
            }
            Self::PutChecked { key, sha256, damaged } => {
                let sum = if *sha256 { "SHA-256" } else { "CRC-32C" };
                write!(
                    f,
                    "put {} at {key} with a {sum}",
                    if *damaged { "damaged bytes" } else { "a sentence" }
                )
            }
            Self::Delete { key, if_match } => {
                write!(f, "delete {key}")?;
                when(f, "matches", if_match)
            }
            Self::DeleteBatch { keys } => write!(f, "delete together {}", keys.join(", ")),
            Self::Copy { from, to, if_match, replace, condition } => {
                write!(f, "copy {from} to {to}{condition}")?;
                if if_match.is_some() {
                    when(f, "also: the source matches", if_match)?;
                }
                replace.map_or(Ok(()), |extras| write!(f, ", its attributes replaced{extras}"))
            }
            Self::GetTags { key } => write!(f, "get the tags of {key}"),
            Self::PutTags { key, count } => write!(f, "put {count} tags to {key}"),
            Self::Begin { key, extras } => write!(f, "begin an upload to {key}{extras}"),
            Self::Part { back, number, large } => {
                let size = if *large { "a large" } else { "a small" };
                write!(f, "put {size} part {number} of the upload begun {back} uploads ago")
            }
            Self::Complete { back, condition } => {
                write!(f, "complete the upload begun {back} uploads ago{condition}")
            }
            Self::Abort { back } => write!(f, "abort the upload begun {back} uploads ago"),
            Self::ReadVersion { key, back } => write!(f, "get {key} as it was {back} writes ago"),
            Self::DeleteVersion { key, back } => write!(f, "delete the version of {key} {back} writes ago"),
            Self::RestoreVersion { key, back } => write!(f, "restore {key} as it was {back} writes ago"),
            Self::ListVersions { prefix } => write!(f, "list the versions of {prefix:?}"),
        }
    }
}
