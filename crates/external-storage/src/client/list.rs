//! Listings as streams: the client turns the pages.

use std::collections::VecDeque;

use external_core::storage::{ListEntry, ListPage, ListRequest, PageToken};
use external_core::{CallContext, Error, Result};
use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::StorageClient;

/// An entry of a listing with a delimiter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ListItem {
    /// An object.
    Object(ListEntry),
    /// A common prefix, which ends with the delimiter.
    Prefix(String),
}

impl ListItem {
    /// The key of the object, or the common prefix.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Object(entry) => entry.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl StorageClient {
    /// Every object whose key begins with `prefix`, in byte order of the keys.
    ///
    /// - The stream holds every key of every page, each once. (storage.list.1)
    ///
    /// It ends with the first error.
    pub fn list(&self, prefix: impl Into<String>) -> BoxStream<'static, Result<ListEntry>> {
        let objects = self.list_with(ListRequest::new(prefix)).try_filter_map(|item| async move {
            match item {
                ListItem::Object(entry) => Ok(Some(entry)),
                ListItem::Prefix(_) => Ok(None),
            }
        });
        objects.boxed()
    }

    /// Every entry of a listing, common prefixes included, in byte order. The request's limit is the size of a page,
    /// not of the whole, and its token is where the first page begins.
    ///
    /// - A provider that answers one page token twice in a row ends the stream with `Corrupt`, instead of listing
    ///   for ever. (storage.list.2)
    pub fn list_with(&self, request: ListRequest) -> BoxStream<'static, Result<ListItem>> {
        let client = self.clone();
        let pages = stream::unfold(Some(request), move |request| {
            let client = client.clone();
            async move {
                let mut request = request?;
                match client.list_page(&request).await {
                    Ok(page) => {
                        let next = page.next.clone();
                        if next.is_some() && next == request.token {
                            let error = Error::corrupt("the provider answered the token of the page itself");
                            return Some((client.locate(request.operation(), Err(error)), None));
                        }
                        let following = next.map(|token: PageToken| {
                            request.token = Some(token);
                            request
                        });
                        Some((Ok(page), following))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        pages.map_ok(|page| stream::iter(in_order(page).into_iter().map(Ok))).try_flatten().boxed()
    }

    /// One page of a listing.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, and those of every call.
    pub async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        self.list_page_call(&CallContext::new(&request.call), request).await
    }

    pub(super) async fn list_page_call(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        let operation = request.operation();
        self.locate(operation, self.check_list(request))?;
        self.pipeline().run(operation, cx, |cx, _| self.service().list_page(cx, request)).await
    }
}

/// Objects and common prefixes, each sorted, as one sorted row.
fn in_order(page: ListPage) -> Vec<ListItem> {
    let mut items = Vec::with_capacity(page.objects.len() + page.prefixes.len());
    let mut prefixes = VecDeque::from(page.prefixes);
    for object in page.objects {
        while prefixes.front().is_some_and(|prefix| prefix.as_str() < object.key.as_str()) {
            items.extend(prefixes.pop_front().map(ListItem::Prefix));
        }
        items.push(ListItem::Object(object));
    }
    items.extend(prefixes.into_iter().map(ListItem::Prefix));
    items
}

/// Turns pages of anything into one stream: `turn` takes where a page begins and answers its entries and where the
/// next one does.
pub(super) fn all_pages<T, F, R>(turn: F) -> impl Stream<Item = Result<T>> + Send + 'static
where
    T: Send + 'static,
    F: Fn(Option<PageToken>) -> R + Send + 'static,
    R: Future<Output = Result<(Vec<T>, Option<PageToken>)>> + Send + 'static,
{
    let pages = stream::unfold(Some(None), move |token: Option<Option<PageToken>>| {
        let page = token.clone().map(&turn);
        async move {
            match page?.await {
                Ok((_, next)) if next.is_some() && Some(&next) == token.as_ref() => {
                    Some((Err(Error::corrupt("the provider answered the token of the page itself")), None))
                }
                Ok((entries, next)) => Some((Ok(entries), next.map(Some))),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    pages.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten()
}
