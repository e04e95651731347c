//! Pages of a memory store: objects, uploads, versions.

use std::ops::Bound;

use external_core::storage::{
    ListEntry, ListPage, ListRequest, ListUploadsRequest, ListVersionsRequest, MultipartUpload,
    ObjectVersion, PageToken, PendingUpload, UploadPage, VersionPage,
};
use external_core::{Error, Result};

use super::state::State;

/// The last entry of a page, as a token.
fn token(last: &str) -> PageToken {
    PageToken::new(format!("after:{last}"))
}

/// The last entry of the page before.
fn after(token: Option<&PageToken>) -> Result<&str> {
    token.map_or(Ok(""), |token| token.as_str().strip_prefix("after:").ok_or_else(foreign))
}

fn foreign() -> Error {
    Error::invalid_argument("the page token is none that this store gave")
}

fn limit(asked: Option<usize>, max: usize) -> Result<usize> {
    match asked {
        Some(0) => Err(Error::invalid_argument("a page holds at least one entry").with_context("limit", 0)),
        asked => Ok(asked.map_or(max, |asked| asked.min(max))),
    }
}

pub(super) fn page(state: &State, request: &ListRequest, max: usize) -> Result<ListPage> {
    let limit = limit(request.limit, max)?;
    let last = after(request.token.as_ref())?;
    let behind = last.max(request.start_after.as_deref().unwrap_or_default());
    // A token that ends with the delimiter is a common prefix, since no key of a page contains the delimiter: what
    // lies under it was counted.
    let counted = request.delimiter.as_deref().filter(|delimiter| {
        last.strip_prefix(request.prefix.as_str()).is_some_and(|rest| rest.ends_with(delimiter))
    });
    let mut counted = counted.map(|_| last.to_owned());
    let mut page = ListPage::default();
    let mut newest = String::new();
    let start = Bound::Included(behind.max(&request.prefix));
    for (key, versions) in state.objects.range::<str, _>((start, Bound::Unbounded)) {
        let text = key.as_str();
        let Some(rest) = text.strip_prefix(request.prefix.as_str()) else {
            break;
        };
        let folded = counted.as_deref().is_some_and(|prefix| text.starts_with(prefix));
        let Some(stored) = versions.last().filter(|stored| stored.content.is_some()) else {
            continue;
        };
        if folded || (!behind.is_empty() && text <= behind) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == limit {
            page.next = Some(token(&newest));
            break;
        }
        let cut =
            request.delimiter.as_deref().and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        if let Some(cut) = cut {
            newest = text.get(..request.prefix.len() + cut).unwrap_or(text).to_owned();
            page.prefixes.push(newest.clone());
            counted = Some(newest.clone());
        } else {
            newest = text.to_owned();
            let size = stored.content.as_ref().map_or(0, |content| content.body.len() as u64);
            page.objects.push(
                ListEntry::new(key.clone(), size).with_token(stored.token()).with_modified(stored.modified),
            );
        }
    }
    Ok(page)
}

pub(super) fn uploads(state: &State, request: &ListUploadsRequest, max: usize) -> Result<UploadPage> {
    let limit = limit(request.limit, max)?;
    let behind = after(request.token.as_ref())?;
    let mut page = UploadPage::default();
    let mut newest = String::new();
    for ((key, id), upload) in &state.uploads {
        // A NUL is in no key, so the pair orders like its parts.
        let place = format!("{key}\0{id}");
        if !key.as_str().starts_with(&request.prefix) || place.as_str() <= behind {
            continue;
        }
        if page.uploads.len() == limit {
            page.next = Some(token(&newest));
            break;
        }
        page.uploads.push(
            PendingUpload::new(MultipartUpload::new(key.clone(), id.clone())).with_started(upload.started),
        );
        newest = place;
    }
    Ok(page)
}

pub(super) fn versions(state: &State, request: &ListVersionsRequest, max: usize) -> Result<VersionPage> {
    let limit = limit(request.limit, max)?;
    let behind = after(request.token.as_ref())?;
    let mut page = VersionPage::default();
    let mut newest = String::new();
    for (key, versions) in &state.objects {
        if !key.as_str().starts_with(&request.prefix) {
            continue;
        }
        for (age, stored) in versions.iter().rev().enumerate() {
            // Numbers grow, and the newest comes first: what is left of the largest number grows with the place.
            let place = format!("{key}\0{:020}", u64::MAX - stored.number);
            if place.as_str() <= behind {
                continue;
            }
            if page.versions.len() == limit {
                page.next = Some(token(&newest));
                return Ok(page);
            }
            let size = stored.content.as_ref().map_or(0, |content| content.body.len() as u64);
            page.versions.push(
                ObjectVersion::new(key.clone(), stored.id(), size)
                    .with_modified(stored.modified)
                    .with_latest(age == 0)
                    .with_deletion(stored.content.is_none()),
            );
            newest = place;
        }
    }
    Ok(page)
}
