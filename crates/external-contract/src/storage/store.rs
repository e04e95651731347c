//! Short forms of the contract's calls, for clauses to read well.

use std::future::Future;

use bytes::Bytes;
use external_core::storage::{
    DeleteRequest, GetRequest, GetResult, HeadRequest, ListEntry, ListRequest, ObjectAttributes, ObjectBody,
    ObjectInfo, ObjectKey, PutReceipt, PutRequest,
};
use external_core::{Effect, Error, ErrorKind, Result};

use super::S;
use crate::{Case, Finding, Verdict, ensure, ensure_eq, ensure_error};

/// More than any clause stores.
const MOST: u64 = 64 << 20;

/// A service and the namespace in it.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) case: &'a Case<S>,
    pub(super) service: &'a S,
}

impl<'a> Store<'a> {
    pub(super) fn of(case: &'a Case<S>) -> Self {
        Self { case, service: case.service() }
    }

    pub(super) fn on(case: &'a Case<S>, service: &'a S) -> Self {
        Self { case, service }
    }

    /// Those of `names` that the server takes. The facts of a target say what its server does not, although the contract
    /// does: `beside-folder = "no"`, no `a` beside an `a/b`; `segment-bytes-max`, no longer segment.
    pub(super) fn fitting<N: AsRef<str> + Clone>(&self, names: &[N]) -> Vec<N> {
        let beside = self.case.fact("beside-folder").as_deref() != Some("no");
        let most =
            self.case.fact("segment-bytes-max").and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
        let takes = |name: &&N| {
            let folder = format!("{}/", name.as_ref());
            let short = self.case.name(name.as_ref()).split('/').all(|segment| segment.len() <= most);
            short && (beside || !names.iter().any(|other| other.as_ref().starts_with(&folder)))
        };
        names.iter().filter(takes).cloned().collect()
    }

    pub(super) fn key(&self, name: &str) -> Result<ObjectKey> {
        ObjectKey::parse(self.case.name(name))
    }

    pub(super) fn put_request(&self, name: &str, body: impl Into<Bytes>) -> Result<PutRequest> {
        Ok(PutRequest::new(self.key(name)?, body))
    }

    pub(super) async fn send(&self, request: &PutRequest) -> Result<PutReceipt> {
        self.service.put(&self.case.cx(), request).await
    }

    pub(super) async fn put(&self, name: &str, body: impl Into<Bytes>) -> Result<PutReceipt> {
        let request = self.put_request(name, body)?;
        self.send(&request).await
    }

    pub(super) async fn put_with(
        &self,
        name: &str,
        body: impl Into<Bytes>,
        attributes: ObjectAttributes,
    ) -> Result<PutReceipt> {
        let request = self.put_request(name, body)?.with_attributes(attributes);
        self.send(&request).await
    }

    pub(super) async fn get(&self, request: &GetRequest) -> Result<GetResult> {
        self.service.get(&self.case.cx(), request).await
    }

    /// The object and its bytes, checked against each other.
    pub(super) async fn open(
        &self,
        request: &GetRequest,
    ) -> std::result::Result<(ObjectInfo, Bytes), Finding> {
        let ObjectBody { info, range, body, .. } = self.get(request).await?.into_object()?;
        let bytes = body.collect(MOST).await?;
        ensure_eq("the length of the range told", &(range.end - range.start), &(bytes.len() as u64))?;
        Ok((info, bytes))
    }

    pub(super) async fn read_key(&self, key: &ObjectKey) -> std::result::Result<Bytes, Finding> {
        Ok(self.open(&GetRequest::new(key.clone())).await?.1)
    }

    pub(super) async fn read(&self, name: &str) -> std::result::Result<Bytes, Finding> {
        self.read_key(&self.key(name)?).await
    }

    pub(super) async fn head(&self, name: &str) -> Result<ObjectInfo> {
        self.service.head(&self.case.cx(), &HeadRequest::new(self.key(name)?)).await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<Option<bool>> {
        let request = DeleteRequest::new(self.key(name)?);
        Ok(self.service.delete(&self.case.cx(), &request).await?.existed)
    }

    /// Every page of a listing. Keys are checked to be in order within the whole.
    pub(super) async fn list_all(
        &self,
        request: ListRequest,
    ) -> std::result::Result<(Vec<ListEntry>, Vec<String>), Finding> {
        let mut objects: Vec<ListEntry> = Vec::new();
        let mut prefixes: Vec<String> = Vec::new();
        let mut request = request;
        for _ in 0..10_000 {
            let page = self.service.list_page(&self.case.cx(), &request).await?;
            objects.extend(page.objects);
            prefixes.extend(page.prefixes);
            match page.next {
                Some(token) => request.token = Some(token),
                None => return Ok((objects, prefixes)),
            }
        }
        Err(Finding::failed("a listing that ends", "page after page"))
    }

    /// The names (without the namespace) that a listing of this request holds.
    pub(super) async fn names(&self, request: ListRequest) -> std::result::Result<Vec<String>, Finding> {
        let (objects, _) = self.list_all(request).await?;
        Ok(objects.iter().map(|entry| self.bare(entry.key.as_str())).collect())
    }

    /// A key or prefix without the namespace.
    pub(super) fn bare(&self, text: &str) -> String {
        let namespace = self.case.name("");
        text.strip_prefix(&namespace).unwrap_or(text).to_owned()
    }

    /// Lists what is in this namespace and begins with `prefix`.
    pub(super) fn listing(&self, prefix: &str) -> ListRequest {
        ListRequest::new(self.case.name(prefix))
    }

    pub(super) async fn holds(&self, name: &str, body: &[u8]) -> Verdict {
        ensure_eq(&format!("what `{name}` holds"), &self.read(name).await?, body)
    }

    pub(super) async fn lacks(&self, name: &str) -> Verdict {
        ensure_error(&format!("head of `{name}`"), self.head(name).await, ErrorKind::NotFound)?;
        let read = self.get(&GetRequest::new(self.key(name)?)).await;
        ensure_error(&format!("get of `{name}`"), read, ErrorKind::NotFound)?;
        let names = self.names(self.listing(name)).await?;
        let listed = names.iter().any(|listed| listed == name);
        ensure(!listed, format!("no listing holds `{name}`"), "one does")
    }
}

/// Checks that a write was refused by a precondition or a check of the server's, and not applied.
pub(super) fn not_applied<T>(
    what: &str,
    result: Result<T>,
    kind: ErrorKind,
) -> std::result::Result<Error, Finding> {
    let error = ensure_error(what, result, kind)?;
    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotApplied)?;
    Ok(error)
}

/// Bytes that look random but are not.
pub(super) fn pattern(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

/// Runs something `count` times side by side, on several threads.
pub(super) async fn side_by_side<T, F>(
    count: usize,
    work: impl Fn(usize) -> F,
) -> std::result::Result<Vec<T>, Finding>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..count).map(|n| tokio::spawn(work(n))).collect();
    let mut results = Vec::new();
    for task in running {
        results.push(task.await.map_err(|error| Finding::failed("no panic", error.to_string()))?);
    }
    Ok(results)
}
