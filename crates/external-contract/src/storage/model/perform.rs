//! Does what a step says on the provider, in a place of its own.

use bytes::Bytes;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    DeleteBatchRequest, DeleteRequest, DeleteVersionRequest, GetRequest, GetResult, GetTagsRequest,
    HeadRequest, ListRequest, ListVersionsRequest, MultipartStorage, ObjectBody, ObjectKey, PartReceipt,
    PutPartRequest, PutReceipt, PutRequest, PutTagsRequest, RestoreVersionRequest, TagStorage,
    VersionStorage, supports,
};
use external_core::{Error, Result};

use super::super::put::TEXT;
use super::super::{S, mine, store::Store};
use super::Step;
use super::answer::Answer;
use super::reference::{Reference, body, sum, tags};
use crate::{Case, Finding, ensure};

/// More than any program stores at one key.
const MOST: u64 = 64 << 20;

/// Where the keys of one program lie.
pub(super) struct Place<'a> {
    store: Store<'a>,
    folder: String,
}

impl<'a> Place<'a> {
    pub(super) fn new(case: &'a Case<S>, number: u64) -> Self {
        Self { store: Store::of(case), folder: format!("{number}/") }
    }

    /// A refused call is an answer; `Err` is what no answer may be.
    pub(super) async fn perform(
        &self,
        step: &Step,
        reference: &Reference,
        at: usize,
    ) -> std::result::Result<Answer, Finding> {
        if let Step::List { prefix, folded, after, limit } = step {
            let mut request = ListRequest::new(self.name(prefix));
            request.delimiter = folded.then(|| "/".to_owned());
            request.start_after = after.map(|after| self.name(after));
            request.limit = *limit;
            return self.list(request).await;
        }
        if let Step::ListVersions { prefix } = step {
            return self.list_versions(ListVersionsRequest::new(self.name(prefix))).await;
        }
        let call = match step {
            Step::Begin { .. } | Step::Part { .. } | Step::Complete { .. } | Step::Abort { .. } => {
                self.upload(step, reference, at).await
            }
            Step::ReadVersion { .. } | Step::DeleteVersion { .. } | Step::RestoreVersion { .. } => {
                self.version(step, reference).await
            }
            step => self.object(step, reference, at).await,
        };
        Ok(call.unwrap_or_else(|error| Answer::Refused(error.into())))
    }

    /// How many uploads of this program the store still has; the reference's number where it does not tell.
    pub(super) async fn pending(&self) -> std::result::Result<Option<usize>, Finding> {
        match self.store.service.multipart() {
            Some(multipart) if supports(self.store.service, "list-uploads").is_supported() => {
                let uploads = mine(self.store.case, multipart).await?;
                let here = self.name("");
                Ok(Some(uploads.iter().filter(|upload| upload.key.as_str().starts_with(&here)).count()))
            }
            _ => Ok(None),
        }
    }

    fn name(&self, name: &str) -> String {
        self.store.case.name(&format!("{}{name}", self.folder))
    }

    fn key(&self, name: &str) -> Result<ObjectKey> {
        ObjectKey::parse(self.name(name))
    }

    /// As the program calls it.
    fn bare(&self, name: &str) -> String {
        name.strip_prefix(&self.name("")).unwrap_or(name).to_owned()
    }

    async fn object(&self, step: &Step, reference: &Reference, at: usize) -> Result<Answer> {
        let (service, cx) = (self.store.service, self.store.case.cx());
        match step {
            Step::Head { key } => {
                let info = service.head(&cx, &HeadRequest::new(self.key(key)?)).await?;
                Ok(Answer::About(info.into()))
            }
            Step::Get { key, range, if_match, if_none_match } => {
                let mut request = GetRequest::new(self.key(key)?);
                request.range = *range;
                request.if_match = if_match.and_then(|which| reference.token(key, which));
                request.if_none_match = if_none_match.and_then(|which| reference.token(key, which));
                match service.get(&cx, &request).await? {
                    GetResult::NotModified => Ok(Answer::NotModified),
                    found => {
                        let ObjectBody { info, range, body, .. } = found.into_object()?;
                        Ok(Answer::Object { about: info.into(), range, bytes: body.collect(MOST).await? })
                    }
                }
            }
            Step::Put { key, length, extras, condition } => {
                let request = PutRequest::new(self.key(key)?, body(at, *length))
                    .with_attributes(reference.attributes(*extras))
                    .with_precondition(reference.precondition(key, *condition));
                Ok(stored(service.put(&cx, &request).await?))
            }
            Step::PutChecked { key, sha256, damaged } => {
                let bytes = Bytes::from_static(if *damaged { b"damaged" } else { TEXT });
                let mut request = PutRequest::new(self.key(key)?, bytes);
                request.checksum = sum(*sha256);
                Ok(stored(service.put(&cx, &request).await?))
            }
            Step::Delete { key, if_match } => {
                let mut request = DeleteRequest::new(self.key(key)?);
                request.if_match = if_match.and_then(|which| reference.token(key, which));
                Ok(Answer::Existed(service.delete(&cx, &request).await?.existed))
            }
            Step::DeleteBatch { keys } => {
                let keys = keys.iter().map(|key| self.key(key)).collect::<Result<_>>()?;
                let results = service.delete_batch(&cx, &DeleteBatchRequest::new(keys)).await?;
                let existed = results.into_iter().map(|result| result.map(|deleted| deleted.existed));
                Ok(Answer::ExistedEach(existed.collect::<Result<_>>()?))
            }
            Step::Copy { from, to, if_match, replace, condition } => {
                let copier: &dyn CopyStorage = facet(service.copier())?;
                let mut request = CopyRequest::new(self.key(from)?, self.key(to)?);
                request.if_match = if_match.and_then(|which| reference.token(from, which));
                request.replace_attributes = replace.map(|extras| reference.attributes(extras));
                request.precondition = reference.precondition(to, *condition);
                Ok(stored(copier.copy(&cx, &request).await?))
            }
            Step::GetTags { key } => {
                let facet: &dyn TagStorage = facet(service.tags())?;
                Ok(Answer::Tags(facet.get_tags(&cx, &GetTagsRequest::new(self.key(key)?)).await?))
            }
            Step::PutTags { key, count } => {
                let facet: &dyn TagStorage = facet(service.tags())?;
                facet.put_tags(&cx, &PutTagsRequest::new(self.key(key)?, tags(*count))).await?;
                Ok(Answer::Done)
            }
            _ => Ok(Answer::Nothing),
        }
    }

    async fn upload(&self, step: &Step, reference: &Reference, at: usize) -> Result<Answer> {
        let (facet, cx) = (facet(self.store.service.multipart())?, self.store.case.cx());
        let multipart: &dyn MultipartStorage = facet;
        match step {
            Step::Begin { key, extras } => {
                let request =
                    BeginMultipartRequest::new(self.key(key)?).with_attributes(reference.attributes(*extras));
                Ok(Answer::Begun(multipart.begin_multipart(&cx, &request).await?))
            }
            Step::Part { back, number, large } => {
                let Some((upload, _)) = reference.upload(*back) else { return Ok(Answer::Nothing) };
                let request = PutPartRequest::new(upload.clone(), *number, reference.part(at, *large));
                let receipt = multipart.put_part(&cx, &request).await?;
                Ok(Answer::Part { size: receipt.size, token: receipt.token })
            }
            Step::Complete { back, condition } => {
                let Some((upload, parts)) = reference.upload(*back) else { return Ok(Answer::Nothing) };
                let parts =
                    parts.into_iter().map(|(number, size, token)| PartReceipt::new(number, size, token));
                let key = self.bare(upload.key.as_str());
                let request = CompleteMultipartRequest::new(upload.clone(), parts.collect())
                    .with_precondition(reference.precondition(&key, *condition));
                Ok(stored(multipart.complete_multipart(&cx, &request).await?))
            }
            Step::Abort { back } => {
                let Some((upload, _)) = reference.upload(*back) else { return Ok(Answer::Nothing) };
                multipart.abort_multipart(&cx, &AbortMultipartRequest::new(upload.clone())).await?;
                Ok(Answer::Done)
            }
            _ => Ok(Answer::Nothing),
        }
    }

    async fn version(&self, step: &Step, reference: &Reference) -> Result<Answer> {
        let (service, cx) = (self.store.service, self.store.case.cx());
        let versions: &dyn VersionStorage = facet(service.versions())?;
        match step {
            Step::ReadVersion { key, back } => {
                let Some(id) = reference.version(key, *back) else { return Ok(Answer::Nothing) };
                let request = GetRequest::new(self.key(key)?).with_version(id);
                let object = service.get(&cx, &request).await?.into_object()?;
                Ok(Answer::Bytes(object.body.collect(MOST).await?))
            }
            Step::DeleteVersion { key, back } => {
                let Some(id) = reference.version(key, *back) else { return Ok(Answer::Nothing) };
                versions.delete_version(&cx, &DeleteVersionRequest::new(self.key(key)?, id)).await?;
                Ok(Answer::Done)
            }
            Step::RestoreVersion { key, back } => {
                let Some(id) = reference.version(key, *back) else { return Ok(Answer::Nothing) };
                let request = RestoreVersionRequest::new(self.key(key)?, id);
                Ok(stored(versions.restore_version(&cx, &request).await?))
            }
            _ => Ok(Answer::Nothing),
        }
    }

    /// Every page, none larger than asked for.
    async fn list(&self, mut request: ListRequest) -> std::result::Result<Answer, Finding> {
        let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let page = self.store.service.list_page(&self.store.case.cx(), &request).await?;
            let most = request.limit.unwrap_or(usize::MAX);
            let size = page.objects.len() + page.prefixes.len();
            ensure(size <= most, format!("at most {most} entries a page"), size)?;
            objects.extend(page.objects.iter().map(|entry| (self.bare(entry.key.as_str()), entry.size)));
            prefixes.extend(page.prefixes.iter().map(|prefix| self.bare(prefix)));
            match page.next {
                Some(token) => request.token = Some(token),
                None => return Ok(Answer::Listing { objects, prefixes }),
            }
        }
        Err(Finding::failed("pages that end", "a hundred of them"))
    }

    async fn list_versions(&self, mut request: ListVersionsRequest) -> std::result::Result<Answer, Finding> {
        let versions: &dyn VersionStorage = facet(self.store.service.versions())?;
        let mut all = Vec::new();
        for _ in 0..100 {
            let page = versions.list_versions(&self.store.case.cx(), &request).await?;
            let contents = page.versions.into_iter().filter(|version| !version.deletion);
            all.extend(contents.map(|one| (self.bare(one.key.as_str()), one.id, one.size, one.latest)));
            match page.next {
                Some(token) => request.token = Some(token),
                None => return Ok(Answer::Versions(all)),
            }
        }
        Err(Finding::failed("pages that end", "a hundred of them"))
    }
}

fn facet<F: ?Sized>(facet: Option<&F>) -> Result<&F> {
    facet.ok_or_else(|| Error::unexpected("a facet is declared and not there"))
}

fn stored(receipt: PutReceipt) -> Answer {
    Answer::Stored { token: receipt.token, version: receipt.version }
}
