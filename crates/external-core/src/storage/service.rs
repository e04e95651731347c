//! `StorageService`: the base trait of object storage, with every promise it makes.

use async_trait::async_trait;

use super::{
    CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, MultipartStorage, ObjectInfo, PresignStorage, PutReceipt, PutRequest, TagStorage,
    VersionStorage,
};
use crate::{CallContext, Provider, Result};

/// A store of objects by key. Each method is one exchange that can be attempted again.
///
/// An option that a provider cannot honour is `Unsupported` before anything is sent; a value that no provider
/// can store is `InvalidArgument` before anything is sent.
///
/// - A write is seen by every read, head and list that begins after it was answered. (storage.service.1)
/// - Concurrent writes of one key leave one of them whole, never a mixture; a concurrent read answers one of them
///   whole. (storage.service.2)
/// - A store that is not there (bucket, root) is an error on use, never an empty listing. (storage.service.3)
/// - Whatever calls follow one another, each answers what the promises make of the calls before it: options,
///   conditions, pages, parts, tags and versions in any mixture. (storage.model.1)
#[async_trait]
pub trait StorageService: Provider {
    /// Stores one object whole.
    ///
    /// - What was put is read back byte for byte: empty, small, and megabytes. (storage.put.1)
    /// - A put over an existing key replaces content, headers, metadata, checksum and tags; nothing of the old
    ///   object shines through. (storage.put.2)
    /// - Content headers come back from head and get. (storage.put.3)
    /// - User metadata comes back from head and get, values beyond ASCII included. (storage.put.13)
    /// - A create-only put over an existing key is `AlreadyExists` with effect `NotApplied` and changes nothing; on
    ///   a free key it stores. (storage.put.4)
    /// - Of concurrent create-only puts of one key exactly one stores. (storage.put.5)
    /// - A compare-and-swap with the token of the current content stores; with any other token, and on a free key,
    ///   it is `Conflict` with effect `NotApplied` and changes nothing. (storage.put.6)
    /// - Of concurrent compare-and-swaps with one token exactly one stores. (storage.put.7)
    /// - Two writes of one key never have the same token while their content differs; the receipt's token is the
    ///   one head answers. (storage.put.8)
    /// - A body that does not match its checksum is `Corrupt` with effect `NotApplied` and changes nothing.
    ///   (storage.put.9)
    /// - A checksum given is answered by head and get. (storage.put.10)
    /// - A header or metadata value with a control character, a metadata name outside its alphabet, too much
    ///   metadata and too many tags are `InvalidArgument`; nothing is stored. (storage.put.11)
    /// - A body larger than the limit `put-bytes-max` is `PayloadTooLarge`; nothing is stored. (storage.put.12)
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, `Conflict`, `Corrupt`, `InvalidArgument`, `PayloadTooLarge`, `QuotaExhausted`,
    /// `Unsupported`, and those of every call.
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt>;

    /// Reads an object or a part of it.
    ///
    /// - An object that is not there is `NotFound`. (storage.get.1)
    /// - A range is answered with exactly its bytes, clipped at the object's end; `info.size` stays the size of the
    ///   whole. (storage.get.2)
    /// - A suffix is answered with the last bytes, and with all of a shorter object. (storage.get.3)
    /// - A range that selects no byte is `InvalidArgument`. (storage.get.4)
    /// - A suffix of no bytes, and any suffix of an empty object, is `InvalidArgument`. (storage.get.10)
    /// - `if_match` with another token than the current one is `Conflict`; no body is transferred. (storage.get.5)
    /// - `if_none_match` with the current token is `NotModified`; with any other the object is answered.
    ///   (storage.get.6)
    /// - `info` is what head answers; a read of a part may leave out the checksum. (storage.get.7)
    /// - A body begun is not disturbed by a later write or delete of the key: it ends with the old bytes whole, or
    ///   with an error, never with a mixture. (storage.get.8)
    /// - Bytes that do not match the stored checksum end a whole read with `Corrupt`. (storage.get.9)
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict`, `InvalidArgument`, `Corrupt`, `Unsupported`, and those of every call.
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult>;

    /// Tells what is known of an object.
    ///
    /// - An object that is not there is `NotFound`; so is a prefix of keys that is itself none. (storage.head.1)
    /// - Size, token, headers, metadata and time of storing are those of the last write. (storage.head.2)
    ///
    /// # Errors
    ///
    /// `NotFound`, `Unsupported`, and those of every call.
    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo>;

    /// Deletes an object.
    ///
    /// - Afterwards get and head are `NotFound` and no listing holds it. (storage.delete.1)
    /// - Deleting what is not there is `Ok`; `existed`, where the provider tells, is true once only.
    ///   (storage.delete.2)
    /// - Deleting `a` leaves `a/b`, and the reverse. (storage.delete.3)
    /// - `if_match` with another token than the current one, or on a free key, is `Conflict` and deletes nothing.
    ///   (storage.delete.4)
    ///
    /// # Errors
    ///
    /// `Conflict`, `Unsupported`, and those of every call.
    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted>;

    /// Deletes several objects in one exchange.
    ///
    /// - One result a key, in the request's order; a key that was not there is `Ok`. (storage.delete_batch.1)
    /// - All keys named are gone afterwards, and no other. (storage.delete_batch.2)
    /// - More keys than the limit `delete-batch-max` are `InvalidArgument`, and nothing is deleted.
    ///   (storage.delete_batch.3)
    /// - No keys are no results. (storage.delete_batch.4)
    /// - A key that an exchange of many cannot carry is `Unsupported` with effect `NotSent`; the others are deleted, and
    ///   `delete` takes it. (storage.delete_batch.5)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, and those of every call if none of the keys has a result of its own.
    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>>;

    /// Lists one page of objects.
    ///
    /// - Pages together hold every key with the prefix exactly once, in byte order. (storage.list_page.1)
    /// - A page holds at most `limit` entries, and never more than the limit `list-page-max`. (storage.list_page.2)
    /// - With a delimiter, keys that contain it behind the prefix appear only as their common prefix, each once over
    ///   all pages, counted as one entry. (storage.list_page.3)
    /// - `start_after` leaves out its own text and all keys before it. (storage.list_page.4)
    /// - A key that was there before the first page and is not touched is listed, whatever is written and deleted
    ///   between pages. (storage.list_page.5)
    /// - Sizes, and tokens where listed, are those head answers. (storage.list_page.6)
    /// - Nothing that matches is an empty last page. (storage.list_page.7)
    /// - The prefix is plain text: it may end inside a segment, and `a` matches `a`, `a/b` and `ab`.
    ///   (storage.list_page.8)
    /// - A token that the provider did not give, a limit of 0 and an empty delimiter are `InvalidArgument`.
    ///   (storage.list_page.9)
    /// - Hundreds of keys, written side by side, are listed whole. (storage.list_page.10)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, and those of every call.
    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage>;

    /// Writing in parts; `None` if the store cannot.
    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        None
    }

    /// Links for plain HTTP clients; `None` if the store cannot.
    fn presigner(&self) -> Option<&dyn PresignStorage> {
        None
    }

    /// Copies inside the store; `None` if it cannot.
    fn copier(&self) -> Option<&dyn CopyStorage> {
        None
    }

    /// Tags; `None` if the store has none.
    fn tags(&self) -> Option<&dyn TagStorage> {
        None
    }

    /// Old versions; `None` if the store keeps none.
    fn versions(&self) -> Option<&dyn VersionStorage> {
        None
    }
}
