//! Object stores that are wrong in one way each.

mod door;
mod facets;
mod listing;
mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use external_core::storage::{
    Checksum, DeleteRequest, HeadRequest, ListEntry, ListRequest, MultipartUpload, ObjectInfo, ObjectKey,
    PartReceipt, PutReceipt, StorageService, VersionId, VersionToken,
};
use external_core::{CallContext, ErrorKind, Result};

use super::wrapped::Wrapped;
use super::{Flaw, flaws};

flaws! {
    CutsBodies: "Only the first 64 KiB of a body are stored." ["storage.put.1"];
    KeepsOldMetadata: "Metadata of an overwritten object shines through." ["storage.put.2", "storage.model.1"];
    DropsHeaders: "Content headers are lost." ["storage.put.3"];
    DropsMetadata: "User metadata is lost." ["storage.put.13"];
    IgnoresPreconditions: "A write under a condition is a write."
        ["storage.put.4", "storage.put.5", "storage.put.6", "storage.put.7", "storage.complete_multipart.2",
         "storage.complete_multipart.3", "storage.copy.5", "storage.copy.6", "storage.model.1"];
    ChecksBeforeWriting: "A condition is looked at some time before the write." ["storage.put.5", "storage.put.7"];
    DeniesEffect: "A refused condition is told as if nothing had been sent." ["storage.put.4"];
    TokensOfSize: "A token is made of the size." ["storage.put.8"];
    IgnoresChecksums: "Checksums are kept and never looked at." ["storage.put.9", "storage.get.9"];
    ForgetsChecksums: "Checksums are not kept." ["storage.put.10"];
    DropsOddAttributes: "Attributes that cannot be stored are left out." ["storage.put.11"];
    TakesAnySize: "A body that is too large is stored, or so it says." ["storage.put.12"];
    ReadsStale: "What was read once is read again as it was." ["storage.service.1", "storage.head.2"];
    WritesInTwo: "A write is visible half done." ["storage.service.2"];
    MissingStoreIsEmpty: "A store that is not there lists nothing." ["storage.service.3"];
    MissingIsEmpty: "An object that is not there has no bytes." ["storage.get.1"];
    RangesInclusive: "A range holds its end." ["storage.get.2", "storage.model.1"];
    RangesAreWhole: "A range is answered with the whole." ["storage.get.2", "storage.get.3", "storage.model.1"];
    SuffixesFromStart: "The last bytes are the first." ["storage.get.3"];
    VoidRangesAreWhole: "A range that selects nothing selects all." ["storage.get.4", "storage.get.10"];
    IgnoresIfMatch: "A get under `if_match` is a get." ["storage.get.5"];
    IgnoresIfNoneMatch: "A get under `if_none_match` is a get." ["storage.get.6"];
    GetsTellLess: "Get tells less of an object than head." ["storage.get.7"];
    BodiesFollowWrites: "A body goes on with what is written meanwhile." ["storage.get.8"];
    FoldersExist: "What is the beginning of a key exists." ["storage.head.1"];
    KeepsDeleted: "Deleting does nothing." ["storage.delete.1", "storage.delete_batch.2"];
    AlwaysExisted: "Deleting always finds something." ["storage.delete.2"];
    DeletesBelow: "Deleting an object deletes what lies below it." ["storage.delete.3", "storage.model.1"];
    IgnoresDeleteIfMatch: "A delete under `if_match` is a delete." ["storage.delete.4"];
    BatchLosesResults: "The last key of a batch has no result." ["storage.delete_batch.1"];
    SplitsBatches: "A batch above the limit is deleted in several." ["storage.delete_batch.3"];
    RefusesEmptyBatches: "A batch of nothing is an error." ["storage.delete_batch.4"];
    SkipsOddKeys: "A key that cannot be sent in a batch is told as deleted." ["storage.delete_batch.5"];
    PagesOverlap: "A page begins with the last entry of the one before." ["storage.list_page.1", "storage.model.1"];
    ListsWithoutLimit: "A page is as large as it can be." ["storage.list_page.2"];
    PrefixesRepeat: "A common prefix is listed on every page it spans." ["storage.list_page.3"];
    AfterIsInclusive: "A listing holds the text that it begins after." ["storage.list_page.4"];
    PagesByOffset: "The next page begins so many entries behind the start." ["storage.list_page.5"];
    ListsOtherSizes: "Sizes listed are not those of the objects." ["storage.list_page.6"];
    NeverEnds: "There is always one more page." ["storage.list_page.7"];
    PrefixBySegment: "A prefix ends at a slash." ["storage.list_page.8", "storage.model.1"];
    TakesForeignTokens: "What makes no sense in a listing is left out." ["storage.list_page.9"];
    ListsOnePage: "What is behind the first page is lost." ["storage.list_page.10", "storage.list_page.1"];
    BackslashIsSlash: "A backslash separates segments." ["storage.key.1"];
    FoldsKeys: "Keys that differ in letter case are one." ["storage.key.2", "storage.model.1"];
    ListsAbove: "A prefix may lead out of the store." ["storage.key.3"];
    ShowsUploads: "An upload is an empty object until it is completed." ["storage.begin_multipart.1"];
    OneUploadPerKey: "A second upload to a key is the first." ["storage.begin_multipart.2"];
    BeginsWithoutOddAttributes: "An upload leaves out attributes that cannot be stored." ["storage.begin_multipart.3"];
    PartsInOrder: "Parts must come one after the other." ["storage.put_part.1"];
    FirstPartStays: "A part sent again changes nothing." ["storage.put_part.2", "storage.model.1"];
    TakesPartsOfNothing: "A part of no upload is taken." ["storage.put_part.3"];
    TakesAnyNumber: "A part may have any number." ["storage.put_part.4"];
    IgnoresPartChecksums: "The checksum of a part is not looked at." ["storage.put_part.5"];
    UploadsForgetAttributes: "An upload forgets its attributes." ["storage.complete_multipart.1", "storage.model.1"];
    CompletesAnything: "Parts that do not fit make an object all the same." ["storage.complete_multipart.4"];
    IgnoresWholeChecksum: "The checksum of the whole is not looked at." ["storage.complete_multipart.5"];
    CompletesAgain: "Completing an upload again writes it again." ["storage.complete_multipart.6"];
    AbortsNothing: "An aborted upload leaves its parts behind." ["storage.abort_multipart.1", "storage.complete_multipart.7"];
    RefusesEmptyParts: "A part has at least one byte." ["storage.complete_multipart.8"];
    RefusesSecondAbort: "Aborting what is gone is an error." ["storage.abort_multipart.2"];
    UploadsBackwards: "Uploads are listed backwards." ["storage.list_uploads.1"];
    UploadsWithoutLimit: "A page of uploads is as large as it can be." ["storage.list_uploads.2"];
    CopiesBytesOnly: "A copy has the bytes and nothing else." ["storage.copy.1", "storage.model.1"];
    CopyKeepsAttributes: "A copy always has the attributes of its source." ["storage.copy.2"];
    CopiesNothing: "A copy of nothing is an empty object." ["storage.copy.3"];
    CopyIgnoresIfMatch: "A copy under `if_match` is a copy." ["storage.copy.4"];
    CopiesOntoItself: "A copy onto itself is fine." ["storage.copy.7"];
    CopiesPlainKeys: "Only plain keys can be copied, and linked to." ["storage.copy.8", "storage.presign.7"];
    DropsTags: "Tags are lost." ["storage.get_tags.1"];
    TagsNothing: "What is not there has no tags, and takes some." ["storage.get_tags.2", "storage.put_tags.2"];
    MergesTags: "Tags are added to those that are there." ["storage.put_tags.1", "storage.model.1"];
    TakesAnyTags: "Too many tags are cut." ["storage.put_tags.3"];
    VersionsBackwards: "Versions are listed from the oldest." ["storage.list_versions.1"];
    IgnoresVersion: "A read of a version reads the latest." ["storage.list_versions.2"];
    KeepsVersions: "Removing a version does nothing." ["storage.delete_version.1"];
    RefusesSecondRemoval: "Removing a version again is an error." ["storage.delete_version.2"];
    RestoreMoves: "Restoring a version removes the old one." ["storage.restore_version.1"];
    RestoresAnything: "Restoring what is not there succeeds." ["storage.restore_version.2"];
    LinksLiveLess: "A link lives for a minute." ["storage.presign.1"];
    LinksOnlyRead: "Every link is one to read by." ["storage.presign.2"];
    LinksIgnoreType: "A link to write by takes any media type." ["storage.presign.3"];
    LinksAreNotLookedAt: "A link opens, whatever of it is changed." ["storage.presign.4"];
    LinksLiveLonger: "A link lives an hour longer than asked." ["storage.presign.5"];
    LinksTakeAnyLifetime: "A lifetime that cannot be is corrected." ["storage.presign.6"];
    LogsContents: "The content of each object is written into the log." ["common.7.1"];
}

/// Every flaw of object stores, those that any provider may have among them.
#[must_use]
pub fn flaws() -> Vec<Flaw<dyn StorageService>> {
    super::with_common(Wrong::ALL, |right, wrong, common| Arc::new(Broken::new(right, wrong, common)))
}

/// A right store with a flaw over it.
type Broken = Wrapped<dyn StorageService, Wrong, Seen>;

/// What the flaws remember.
#[derive(Default)]
struct Seen {
    infos: BTreeMap<ObjectKey, ObjectInfo>,
    checksums: BTreeMap<ObjectKey, Checksum>,
    tokens: BTreeMap<String, VersionToken>,
    last: BTreeMap<String, (Vec<ListEntry>, Vec<String>)>,
    uploads: BTreeMap<ObjectKey, MultipartUpload>,
    parts: BTreeMap<(String, u32), PartReceipt>,
    bodies: BTreeMap<String, BTreeMap<u32, Bytes>>,
    aborted: BTreeSet<String>,
    removed: BTreeSet<VersionId>,
}

impl Broken {
    /// The answer, unless the call was refused with this kind and the flaw makes something else of that.
    fn instead<T>(
        &self,
        wrong: Wrong,
        kind: ErrorKind,
        answer: Result<T>,
        other: impl FnOnce() -> T,
    ) -> Result<T> {
        match answer {
            Err(error) if self.is(wrong) && error.kind() == kind => Ok(other()),
            answer => answer,
        }
    }

    fn key(&self, key: &ObjectKey) -> Result<ObjectKey> {
        match self.wrong {
            Some(Wrong::FoldsKeys) => ObjectKey::parse(key.as_str().to_lowercase()),
            Some(Wrong::BackslashIsSlash) => ObjectKey::parse(key.as_str().replace('\\', "/")),
            _ => Ok(key.clone()),
        }
    }

    async fn head_right(&self, cx: &CallContext, key: &ObjectKey) -> Result<ObjectInfo> {
        self.right.head(cx, &HeadRequest::new(key.clone())).await
    }

    /// All keys below a key that begin with it.
    async fn below(&self, cx: &CallContext, key: &ObjectKey) -> Result<Vec<ObjectKey>> {
        let request = ListRequest::new(format!("{key}/"));
        Ok(self.right.list_page(cx, &request).await?.objects.into_iter().map(|entry| entry.key).collect())
    }

    async fn delete_below(&self, cx: &CallContext, key: &ObjectKey) -> Result<()> {
        for key in self.below(cx, key).await? {
            self.right.delete(cx, &DeleteRequest::new(key)).await?;
        }
        Ok(())
    }
}

/// A receipt for what was never stored.
fn no_receipt() -> PutReceipt {
    PutReceipt::new(VersionToken::new("nothing"))
}
