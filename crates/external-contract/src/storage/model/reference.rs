//! The reference: what the promises of the contract make of a sequence of calls, as a map of what was stored. Where the
//! contract leaves a choice, it follows what was seen.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use external_core::ErrorKind;
use external_core::storage::{
    Checksum, MultipartUpload, ObjectAttributes, PartToken, Precondition, StorageService, VersionId,
    VersionToken, supports,
};

use super::super::put::{TEXT, TEXT_CRC32C, TEXT_SHA256, is_no_type};
use super::answer::{About, Answer};
use super::{Condition, Extras, Step, Which};

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    attributes: ObjectAttributes,
    checksum: Option<Checksum>,
    token: VersionToken,
}

/// One write of a key; without an object a deletion.
#[derive(Debug, Clone)]
struct Past {
    id: Option<VersionId>,
    object: Option<Object>,
}

#[derive(Debug)]
struct Upload {
    key: &'static str,
    upload: MultipartUpload,
    attributes: ObjectAttributes,
    parts: BTreeMap<u32, (Bytes, PartToken)>,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Completed { token: VersionToken, version: Option<VersionId> },
    Aborted,
}

/// A part that was sent: its number, its size and its token.
pub(super) type Sent = (u32, u64, PartToken);

pub(super) struct Reference {
    versioned: bool,
    least: usize,
    attributes: [ObjectAttributes; 3],
    history: BTreeMap<&'static str, Vec<Past>>,
    /// Every token that was told, with what it stands for.
    tokens: Vec<(&'static str, VersionToken, Bytes)>,
    /// Every version that was told, also when it is gone.
    ids: Vec<(&'static str, VersionId)>,
    uploads: Vec<Upload>,
}

impl Reference {
    pub(super) fn of(service: &dyn StorageService) -> Self {
        let least = service.info().capabilities().get_limit("part-bytes-min").unwrap_or(0);
        Self {
            versioned: supports(service, "versions").is_supported(),
            least: usize::try_from(least).unwrap_or(usize::MAX),
            attributes: [Extras::None, Extras::Some, Extras::All].map(|extras| extras.attributes(service)),
            history: BTreeMap::new(),
            tokens: Vec::new(),
            ids: Vec::new(),
            uploads: Vec::new(),
        }
    }

    pub(super) fn attributes(&self, extras: Extras) -> ObjectAttributes {
        let [none, some, all] = &self.attributes;
        match extras {
            Extras::None => none.clone(),
            Extras::Some => some.clone(),
            Extras::All => all.clone(),
        }
    }

    fn current(&self, key: &str) -> Option<&Object> {
        self.history.get(key)?.last()?.object.as_ref()
    }

    /// The token that a condition about `key` names, if the program has seen one.
    pub(super) fn token(&self, key: &str, which: Which) -> Option<VersionToken> {
        let current = self.current(key);
        let mut known = self.tokens.iter().rev();
        match which {
            Which::Current => {
                let last = || self.tokens.iter().rev().find(|(of, ..)| *of == key);
                current
                    .map(|object| &object.token)
                    .or_else(|| last().or_else(|| known.next()).map(|(_, token, _)| token))
                    .cloned()
            }
            // Stores whose tokens are hashes cannot tell one content from the same content written again.
            Which::Stale => known
                .find(|(_, token, bytes)| {
                    current.is_none_or(|object| object.token != *token && object.bytes != *bytes)
                })
                .map(|(_, token, _)| token.clone()),
        }
    }

    pub(super) fn precondition(&self, key: &str, condition: Condition) -> Precondition {
        match condition {
            Condition::None => Precondition::None,
            Condition::Absent => Precondition::Absent,
            Condition::Matches(which) => {
                self.token(key, which).map_or(Precondition::None, Precondition::Matches)
            }
        }
    }

    /// The upload begun so many uploads ago, and its parts.
    pub(super) fn upload(&self, back: usize) -> Option<(&MultipartUpload, Vec<Sent>)> {
        let upload = self.uploads.get(self.at(back)?)?;
        let parts = upload.parts.iter();
        let parts =
            parts.map(|(number, (bytes, token))| (*number, bytes.len() as u64, token.clone())).collect();
        Some((&upload.upload, parts))
    }

    fn at(&self, back: usize) -> Option<usize> {
        let count = self.uploads.len();
        back.checked_rem(count).map(|back| count - 1 - back)
    }

    /// The version that was written so many writes ago, be it there or not.
    pub(super) fn version(&self, key: &str, back: usize) -> Option<VersionId> {
        let of: Vec<_> = self.ids.iter().filter(|(of, _)| *of == key).collect();
        of.iter().rev().nth(back).map(|(_, id)| id.clone())
    }

    pub(super) fn part(&self, at: usize, large: bool) -> Bytes {
        body(at, if large { self.least.max(20) } else { 3 })
    }

    /// How many uploads are neither completed nor aborted.
    pub(super) fn open(&self) -> usize {
        self.uploads.iter().filter(|upload| upload.end.is_none()).count()
    }

    /// What the step that stands at `at` answers; `seen` is followed where there is a choice, and for names that only a
    /// store can give.
    pub(super) fn answer(&mut self, step: &Step, at: usize, seen: &Answer) -> Answer {
        match step {
            Step::Head { key } => match self.current(key) {
                Some(object) => Answer::About(about(object, seen)),
                None => refused(seen, &[ErrorKind::NotFound]),
            },
            Step::Get { .. } => self.get(step, seen),
            Step::List { prefix, folded, after, .. } => self.list(prefix, *folded, *after),
            Step::Put { key, length, extras, condition } => {
                let attributes = self.attributes(*extras);
                self.write(key, *condition, Vec::new(), body(at, *length), attributes, None, seen)
            }
            Step::PutChecked { damaged: true, .. } => refused(seen, &[ErrorKind::Corrupt]),
            Step::PutChecked { key, sha256, .. } => {
                let (text, none) = (Bytes::from_static(TEXT), ObjectAttributes::new());
                self.write(key, Condition::None, Vec::new(), text, none, sum(*sha256), seen)
            }
            Step::Delete { key, if_match } => {
                let token = if_match.and_then(|which| self.token(key, which));
                let wrong =
                    token.is_some() && self.current(key).map(|object| &object.token) != token.as_ref();
                if wrong {
                    refused(seen, &[ErrorKind::Conflict])
                } else {
                    Answer::Existed(self.delete(key, seen))
                }
            }
            Step::DeleteBatch { keys } => Answer::ExistedEach(
                keys.iter().enumerate().map(|(n, key)| self.delete(key, &each(seen, n))).collect(),
            ),
            Step::Copy { from, to, if_match, replace, condition } => {
                let Some(source) = self.current(from).cloned() else {
                    let mut kinds = vec![ErrorKind::NotFound];
                    kinds.extend(self.refusal(to, *condition));
                    kinds.extend((from == to && replace.is_none()).then_some(ErrorKind::InvalidArgument));
                    return refused(seen, &kinds);
                };
                let mut wrong = Vec::new();
                if from == to && replace.is_none() {
                    wrong.push(ErrorKind::InvalidArgument);
                }
                if let Some(token) = if_match.and_then(|which| self.token(from, which))
                    && token != source.token
                {
                    wrong.push(ErrorKind::Conflict);
                }
                let attributes = replace.map_or(source.attributes, |extras| self.attributes(extras));
                self.write(to, *condition, wrong, source.bytes, attributes, source.checksum, seen)
            }
            Step::GetTags { key } => match self.current(key) {
                Some(object) => Answer::Tags(object.attributes.tags.clone()),
                None => refused(seen, &[ErrorKind::NotFound]),
            },
            Step::PutTags { key, count } => {
                let past = self.history.get_mut(key).and_then(|all| all.last_mut());
                match past.and_then(|past| past.object.as_mut()) {
                    Some(object) => {
                        object.attributes.tags = tags(*count);
                        Answer::Done
                    }
                    None => refused(seen, &[ErrorKind::NotFound]),
                }
            }
            Step::Begin { key, extras } => {
                let Answer::Begun(upload) = seen else { return Answer::Done };
                let (upload, attributes) = (upload.clone(), self.attributes(*extras));
                let begun = Answer::Begun(upload.clone());
                self.uploads.push(Upload { key, upload, attributes, parts: BTreeMap::new(), end: None });
                begun
            }
            Step::Part { back, number, large } => self.put_part(*back, *number, self.part(at, *large), seen),
            Step::Complete { back, condition } => self.complete(*back, *condition, seen),
            Step::Abort { back } => {
                let Some(upload) = self.at(*back).and_then(|n| self.uploads.get_mut(n)) else {
                    return Answer::Nothing;
                };
                upload.end.get_or_insert(End::Aborted);
                Answer::Done
            }
            Step::ReadVersion { key, back } => match self.past(key, *back) {
                None => Answer::Nothing,
                Some(None) => refused(seen, &[ErrorKind::NotFound]),
                Some(Some(object)) => Answer::Bytes(object.bytes),
            },
            Step::DeleteVersion { key, back } => {
                let Some(id) = self.version(key, *back) else { return Answer::Nothing };
                if let Some(past) = self.history.get_mut(key) {
                    past.retain(|past| past.id.as_ref() != Some(&id));
                }
                Answer::Done
            }
            Step::RestoreVersion { key, back } => match self.past(key, *back) {
                None => Answer::Nothing,
                Some(None) => refused(seen, &[ErrorKind::NotFound]),
                Some(Some(Object { bytes, attributes, checksum, .. })) => {
                    self.write(key, Condition::None, Vec::new(), bytes, attributes, checksum, seen)
                }
            },
            Step::ListVersions { prefix } => self.list_versions(prefix),
        }
    }

    fn get(&self, step: &Step, seen: &Answer) -> Answer {
        let Step::Get { key, range, if_match, if_none_match } = step else { return Answer::Nothing };
        let Some(object) = self.current(key) else {
            // A range that selects no byte of any object may be refused before anything is asked.
            let void = range.is_some_and(|range| range.resolve(u64::MAX).is_err());
            let kinds = [ErrorKind::NotFound, ErrorKind::InvalidArgument];
            return refused(seen, if void { &kinds } else { &kinds[..1] });
        };
        let size = object.bytes.len() as u64;
        let is = |which: &Option<Which>| {
            which.and_then(|which| self.token(key, which)).map(|token| token == object.token)
        };
        let selected = range.map_or(Ok(0..size), |range| range.resolve(size));
        let mut wrong = Vec::new();
        if is(if_match) == Some(false) {
            wrong.push(ErrorKind::Conflict);
        }
        if selected.is_err() {
            wrong.push(ErrorKind::InvalidArgument);
        }
        if is(if_none_match) == Some(true) && (wrong.is_empty() || *seen == Answer::NotModified) {
            return Answer::NotModified;
        }
        match selected {
            Ok(range) if wrong.is_empty() => {
                let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                let bytes = object.bytes.slice(within(range.start)..within(range.end));
                Answer::Object { about: about(object, seen), range, bytes }
            }
            _ => refused(seen, &wrong),
        }
    }

    fn list(&self, prefix: &str, folded: bool, after: Option<&str>) -> Answer {
        let (mut objects, mut prefixes) = (Vec::new(), BTreeSet::new());
        for key in self.history.keys() {
            let Some((object, rest)) = self.current(key).zip(key.strip_prefix(prefix)) else { continue };
            if after.is_some_and(|after| *key <= after) {
                continue;
            }
            match rest.find('/').filter(|_| folded) {
                Some(at) => drop(prefixes.insert(format!("{prefix}{}/", rest.get(..at).unwrap_or_default()))),
                None => objects.push(((*key).to_owned(), object.bytes.len() as u64)),
            }
        }
        Answer::Listing { objects, prefixes: prefixes.into_iter().collect() }
    }

    /// Why a write of `key` is refused, if it is.
    fn refusal(&self, key: &str, condition: Condition) -> Option<ErrorKind> {
        let current = self.current(key);
        match self.precondition(key, condition) {
            Precondition::Absent => current.map(|_| ErrorKind::AlreadyExists),
            Precondition::Matches(token) => {
                current.is_none_or(|object| object.token != token).then_some(ErrorKind::Conflict)
            }
            _ => None,
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are what is written")]
    fn write(
        &mut self,
        key: &'static str,
        condition: Condition,
        mut wrong: Vec<ErrorKind>,
        bytes: Bytes,
        attributes: ObjectAttributes,
        checksum: Option<Checksum>,
        seen: &Answer,
    ) -> Answer {
        wrong.extend(self.refusal(key, condition));
        if !wrong.is_empty() {
            return refused(seen, &wrong);
        }
        let Answer::Stored { token, version } = seen else { return Answer::Done };
        let known = self.tokens.iter().any(|(of, old, what)| *of == key && old == token && *what != bytes);
        let known = known || self.versioned != version.is_some();
        if known {
            let token = VersionToken::new("one that no other content had");
            return Answer::Stored { token, version: Some(VersionId::new("one where versions are kept")) };
        }
        self.tokens.push((key, token.clone(), bytes.clone()));
        self.ids.extend(version.clone().map(|id| (key, id)));
        let past = self.history.entry(key).or_default();
        if !self.versioned {
            past.clear();
        }
        let object = Some(Object { bytes, attributes, checksum, token: token.clone() });
        past.push(Past { id: version.clone(), object });
        seen.clone()
    }

    fn delete(&mut self, key: &'static str, seen: &Answer) -> Option<bool> {
        let existed = self.current(key).is_some();
        if self.versioned && existed {
            self.history.entry(key).or_default().push(Past { id: None, object: None });
        } else if !self.versioned {
            self.history.remove(key);
        }
        // A store need not tell.
        (*seen != Answer::Existed(None)).then_some(existed)
    }

    fn put_part(&mut self, back: usize, number: u32, bytes: Bytes, seen: &Answer) -> Answer {
        let Some(upload) = self.at(back).and_then(|n| self.uploads.get_mut(n)) else {
            return Answer::Nothing;
        };
        let mut wrong = Vec::new();
        if upload.end.is_some() {
            wrong.push(ErrorKind::NotFound);
        }
        if number == 0 {
            wrong.push(ErrorKind::InvalidArgument);
        }
        match seen {
            _ if !wrong.is_empty() => refused(seen, &wrong),
            Answer::Part { token, .. } => {
                let part = Answer::Part { size: bytes.len() as u64, token: token.clone() };
                upload.parts.insert(number, (bytes, token.clone()));
                part
            }
            _ => Answer::Done,
        }
    }

    fn complete(&mut self, back: usize, condition: Condition, seen: &Answer) -> Answer {
        let Some((n, upload)) = self.at(back).and_then(|n| Some((n, self.uploads.get(n)?))) else {
            return Answer::Nothing;
        };
        match &upload.end {
            // Once more: its receipt or nothing, and no change either way.
            Some(End::Completed { token, version }) if matches!(seen, Answer::Stored { .. }) => {
                return Answer::Stored { token: token.clone(), version: version.clone() };
            }
            Some(_) => {
                let mut kinds = vec![ErrorKind::NotFound];
                kinds.extend(self.refusal(upload.key, condition));
                kinds.extend(upload.parts.is_empty().then_some(ErrorKind::InvalidArgument));
                return refused(seen, &kinds);
            }
            None => {}
        }
        let short = upload.parts.values().rev().skip(1).any(|(bytes, _)| bytes.len() < self.least);
        let wrong = (short || upload.parts.is_empty()).then_some(ErrorKind::InvalidArgument);
        let whole: Vec<u8> = upload.parts.values().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        let (key, attributes) = (upload.key, upload.attributes.clone());
        let answer =
            self.write(key, condition, wrong.into_iter().collect(), whole.into(), attributes, None, seen);
        if let (Answer::Stored { token, version }, Some(upload)) = (&answer, self.uploads.get_mut(n)) {
            upload.end = Some(End::Completed { token: token.clone(), version: version.clone() });
        }
        answer
    }

    /// The version so many writes ago: none was told, it is gone, or what it holds.
    fn past(&self, key: &str, back: usize) -> Option<Option<Object>> {
        let id = self.version(key, back)?;
        let past = self.history.get(key).into_iter().flatten().find(|past| past.id.as_ref() == Some(&id));
        Some(past.and_then(|past| past.object.clone()))
    }

    fn list_versions(&self, prefix: &str) -> Answer {
        let mut versions = Vec::new();
        for (key, past) in self.history.iter().filter(|(key, _)| key.starts_with(prefix)) {
            for (n, past) in past.iter().rev().enumerate() {
                if let (Some(id), Some(object)) = (&past.id, &past.object) {
                    versions.push(((*key).to_owned(), id.clone(), object.bytes.len() as u64, n == 0));
                }
            }
        }
        Answer::Versions(versions)
    }
}

/// One of the refusals that are right here: the one seen, if it is one of them.
fn refused(seen: &Answer, kinds: &[ErrorKind]) -> Answer {
    match seen {
        Answer::Refused(refusal) if kinds.contains(&refusal.kind) => seen.clone(),
        _ => Answer::Refused(kinds.first().copied().unwrap_or(ErrorKind::InvalidArgument).into()),
    }
}

/// What is to be told of an object. Checksums that nobody gave and the type of what has none are the store's.
fn about(object: &Object, seen: &Answer) -> About {
    let mut about = About {
        size: object.bytes.len() as u64,
        token: object.token.clone(),
        headers: object.attributes.headers.clone(),
        metadata: object.attributes.metadata.clone(),
        checksum: object.checksum,
    };
    if let Answer::About(seen) | Answer::Object { about: seen, .. } = seen {
        let part = seen.checksum.is_none() && object.checksum.is_some();
        if about.checksum.is_none() || part {
            about.checksum = seen.checksum;
        }
        if about.headers.content_type.is_none() && is_no_type(&seen.headers) {
            about.headers.content_type.clone_from(&seen.headers.content_type);
        }
    }
    about
}

fn each(seen: &Answer, n: usize) -> Answer {
    match seen {
        Answer::ExistedEach(all) => all.get(n).map_or(Answer::Nothing, |existed| Answer::Existed(*existed)),
        _ => Answer::Nothing,
    }
}

/// Bytes that name the step that wrote them.
pub(super) fn body(at: usize, length: usize) -> Bytes {
    format!("#{at:02}").bytes().chain(std::iter::repeat(b'.')).take(length).collect()
}

pub(super) fn sum(sha256: bool) -> Option<Checksum> {
    (if sha256 { TEXT_SHA256 } else { TEXT_CRC32C }).parse().ok()
}

pub(super) fn tags(count: usize) -> BTreeMap<String, String> {
    ["one", "two"].iter().take(count).map(|name| ((*name).to_owned(), count.to_string())).collect()
}
