//! One object from here to there: by the store itself where both ends are in it and it can, else as a stream.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use external_storage::{
    Capability, Checksum, DownloadRequest, Error, ObjectAttributes, ObjectBody, ObjectKey, Result,
    StorageClient, UploadRequest,
};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::io::AsyncWriteExt;

use super::failure::{Failure, Outcome};
use super::files::{Sink, chunks};
use super::progress::{Moving, Progress};
use super::stores::Place;
use super::tree::real;

/// One end of a transfer.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// Standard input or output.
    Standard,
    /// A file.
    File(PathBuf),
    /// An object.
    Object(Place),
}

impl End {
    /// Where on this machine it is, if it is there.
    pub(super) fn on_disk(&self) -> Option<PathBuf> {
        match self {
            Self::Standard => None,
            Self::File(path) => Some(real(path)),
            Self::Object(place) => place.on_disk(),
        }
    }

    /// What went wrong at this end rather than at the other.
    fn failed(&self, error: Error) -> Failure {
        match self {
            Self::Object(place) => place.failed(error),
            end => Failure::from(error).about(&name(end)),
        }
    }
}

/// What moves.
struct Load<'a> {
    bytes: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'a>>,
    size: Option<u64>,
    attributes: ObjectAttributes,
    checksum: Option<Checksum>,
}

/// Moves one object. Answers its size, where the bytes passed through here.
pub(super) async fn transfer(
    source: &End,
    target: &End,
    content_type: Option<&str>,
    progress: &Progress,
) -> Outcome<Option<u64>> {
    if let (End::Object(from), End::Object(to), None) = (source, target, content_type)
        && from.store == to.store
        && is_copied_by_store(from).await?
    {
        to.client.copy(&*from.key, &*to.key).await.map_err(|error| from.failed(error))?;
        return Ok(None);
    }
    let mut load = open(source, target).await?;
    if let Some(content_type) = content_type {
        load.attributes = load.attributes.with_content_type(content_type);
    }
    let moving = progress.begin(&name(target), load.size);
    let unreadable = |error| source.failed(error);
    match target {
        End::Object(place) => upload(load, source, place, &moving).await?,
        End::File(path) => {
            let mut file = Sink::open(path).await?;
            while let Some(chunk) = load.bytes.try_next().await.map_err(unreadable)? {
                moving.add(chunk.len());
                file.write(&chunk).await?;
            }
            file.finish().await?;
        }
        End::Standard => {
            let mut out = tokio::io::stdout();
            while let Some(chunk) = load.bytes.try_next().await.map_err(unreadable)? {
                moving.add(chunk.len());
                out.write_all(&chunk).await.map_err(|error| Failure::output(&error))?;
            }
            out.flush().await.map_err(|error| Failure::output(&error))?;
        }
    }
    Ok(Some(moving.bytes()))
}

/// Whether the store copies the object by itself. What it cannot the client would read and write unseen: that is done
/// here, where it shows.
async fn is_copied_by_store(place: &Place) -> Outcome<bool> {
    let Place { client, key, size, .. } = place;
    if client.supports("copy") != Capability::Native {
        return Ok(false);
    }
    let Some(most) = client.info().capabilities().get_limit("copy-bytes-max") else { return Ok(true) };
    let size = match size {
        Some(size) => *size,
        None => client.head(key.as_str()).await.map_err(|error| place.failed(error))?.size,
    };
    Ok(size <= most)
}

async fn upload(load: Load<'_>, source: &End, place: &Place, moving: &Moving) -> Outcome {
    let key = ObjectKey::parse(&place.key).map_err(|error| place.failed(error))?;
    let mut request = UploadRequest::new(key).with_attributes(load.attributes);
    request.checksum = load.checksum.filter(|_| place.client.supports("checksum").is_supported());
    request.expected_size = load.size;
    // An upload ends with the error of its source, if that has one.
    let is_unreadable = AtomicBool::new(false);
    let bytes = load.bytes.inspect_ok(|chunk| moving.add(chunk.len()));
    let bytes = bytes.inspect_err(|_| is_unreadable.store(true, Ordering::Relaxed));
    match place.client.upload_stream(bytes, request).await {
        Ok(_) => Ok(()),
        Err(error) if is_unreadable.load(Ordering::Relaxed) => Err(source.failed(error)),
        Err(error) => Err(place.failed(error)),
    }
}

async fn open<'a>(source: &End, target: &End) -> Outcome<Load<'a>> {
    let plain = |bytes, size| Load { bytes, size, attributes: ObjectAttributes::new(), checksum: None };
    match source {
        End::Standard => Ok(plain(chunks(tokio::io::stdin()).boxed(), None)),
        End::File(path) => {
            let unreadable = |error| Failure::file("read", path, &error);
            // On a thread of its own: a pipe opens when somebody writes to it.
            let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            let told = file.metadata().await.map_err(unreadable)?;
            let size = told.is_file().then_some(told.len());
            Ok(plain(chunks(file).boxed(), size))
        }
        End::Object(place) => {
            let failed = |error| place.failed(error);
            let request = DownloadRequest::new(ObjectKey::parse(&place.key).map_err(failed)?);
            let object = place.client.download_stream(&request).await.map_err(failed)?;
            let attributes = match target {
                End::Object(target) => {
                    attributes(&place.client, &object, &target.client).await.map_err(failed)?
                }
                _ => ObjectAttributes::new(),
            };
            let checksum = object.info.checksum;
            Ok(Load { size: Some(object.info.size), bytes: object.body.boxed(), attributes, checksum })
        }
    }
}

/// What the source says of its object and the target can keep.
async fn attributes(
    from: &StorageClient,
    object: &ObjectBody,
    to: &StorageClient,
) -> Result<ObjectAttributes> {
    let can = |client: &StorageClient, capability| client.supports(capability).is_supported();
    let mut attributes = ObjectAttributes::new();
    if can(to, "content-headers") {
        attributes.headers = object.info.headers.clone();
    }
    if can(to, "metadata") {
        attributes.metadata = object.info.metadata.clone();
    }
    if can(from, "tags") && can(to, "tags") {
        attributes.tags = from.get_tags(object.info.key.clone()).await?;
    }
    Ok(attributes)
}

/// What an end is called in a line for people.
pub(super) fn name(end: &End) -> String {
    match end {
        End::Standard => "-".to_owned(),
        End::File(path) => path.display().to_string(),
        End::Object(place) => place.to_string(),
    }
}
