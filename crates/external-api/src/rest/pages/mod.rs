//! Lists that come in pages: as a stream of pages or of items, from the beginning or from where somebody stopped.

mod checkpoint;
mod items;
mod paging;

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use external_core::{Error, Result};
use external_http::HttpUrl;
use futures_core::Stream;
use futures_util::stream;
use http::HeaderMap;
use serde::de::DeserializeOwned;

pub use checkpoint::Checkpoint;
use checkpoint::Position;
pub use items::Items;
pub use paging::Paging;

use super::client::named;
use super::{RestClient, RestRequest};

/// So many equal pages in a row may be: items that are plain values can be alike.
const EQUAL_PAGES: u32 = 3;

/// The pages of a list, read one by one: nothing is asked before it is wanted.
///
/// ```
/// use external_api::rest::{Paging, RestClient, RestRequest};
/// use external_http::{HttpClient, MemoryAnswer, MemoryHttp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new().with_fallback(|request| match request.url.query() {
///     Some("page=2") => MemoryAnswer::json(200, "[3]"),
///     _ => MemoryAnswer::json(200, "[1, 2]").with_header("link", "</numbers?page=2>; rel=next"),
/// });
/// let rest = RestClient::over(HttpClient::over(double));
/// let numbers = RestRequest::get("/numbers");
///
/// let mut pages = rest.pages::<u32>(&numbers, Paging::by_link());
/// let first = pages.next().await?.unwrap();
/// assert_eq!(first.items, [1, 2]);
///
/// // What comes after it can be kept, and read later by somebody else.
/// let kept = serde_json::to_string(&first.next).unwrap();
/// let resumed = rest.pages::<u32>(&numbers, Paging::by_link()).resume(serde_json::from_str(&kept).unwrap())?;
/// assert_eq!(resumed.items().all().await?, [3]);
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
///
/// A list ends where the API says so. What would never end is an error: `Corrupt` for a page that was read before, and
/// for numbers that are answered with the same page again and again; `Unexpected` beyond [`Paging::with_max_pages`]. So is what
/// leads to another origin than the list's own: what the request bears is not for others.
pub struct Pages<T> {
    client: RestClient,
    request: RestRequest,
    paging: Paging,
    /// Where the next page is; `None` after the last one.
    next: Option<Checkpoint>,
    read: u64,
    /// Hashes of the places that were read, and of the last page: what is kept does not grow with what is read.
    seen: HashSet<u64>,
    last: Option<u64>,
    /// How many pages in a row were equal, up to the last one.
    equal: u32,
    items: PhantomData<fn() -> T>,
}

/// A page of a list.
#[derive(Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one is; `None` if this is the last one.
    pub next: Option<Checkpoint>,
    /// The header fields of the answer: totals stand there, and what is left of a rate limit.
    pub headers: HeaderMap,
}

impl<T> Pages<T> {
    pub(super) fn new(client: RestClient, request: RestRequest, paging: Paging) -> Self {
        let next = Some(Checkpoint::of(paging.first()));
        let seen = HashSet::new();
        Self { client, request, paging, next, read: 0, seen, last: None, equal: 0, items: PhantomData }
    }

    /// Goes on where a list like this one was left.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a checkpoint of another kind of list, or one that leads to another origin.
    pub fn resume(mut self, from: Checkpoint) -> Result<Self> {
        if !self.paging.takes(&from.position) {
            return Err(Error::invalid_argument("a checkpoint of a list with other pages"));
        }
        if let Position::Url(url) = &from.position {
            let url =
                HttpUrl::parse(url).map_err(|_| Error::invalid_argument("a checkpoint that is none"))?;
            let here = self.client.place(&self.request)?;
            if !url.has_origin_of(&here) {
                return Err(Error::invalid_argument("a checkpoint of a list at another place"));
            }
        }
        self.next = Some(from);
        Ok(self)
    }

    /// The items of all pages, one by one.
    #[must_use]
    pub fn items(self) -> Items<T> {
        Items::of(self)
    }

    /// Where the next page is; `None` after the last one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.next.as_ref()
    }
}

impl<T: DeserializeOwned + Send + 'static> Pages<T> {
    /// The next page; `None` after the last one. After an error the same page is asked for again.
    ///
    /// # Errors
    ///
    /// As [`RestClient::send`]; `Corrupt` for what is no page of `T`, and for pages that go in circles; `Unexpected` for
    /// more of them than allowed, and for a next page at another origin.
    pub async fn next(&mut self) -> Result<Option<Page<T>>> {
        let name = self.request.name();
        self.read_next().await.map_err(|error| named(error, name))
    }

    async fn read_next(&mut self) -> Result<Option<Page<T>>> {
        let Some(here) = self.next.clone() else { return Ok(None) };
        if self.read == self.paging.max_pages {
            return Err(Error::unexpected("a list of more pages than allowed")
                .with_context("max_pages", self.paging.max_pages));
        }
        let request = self.paging.at(self.request.clone(), &here.position)?;
        let answer = self.client.whole(request).await?;
        let body_hash = hash_of(&answer.body);
        let mut page = self.paging.read::<T>(&answer, &here.position).map_err(|error| answer.told(error))?;
        let equal = if self.last == Some(body_hash) { self.equal + 1 } else { 1 };
        if self.paging.goes_by_number() && !page.items.is_empty() && equal > EQUAL_PAGES {
            return Err(circular("other numbers were answered with the same page"));
        }
        // What is there to come leads on, or it would never end.
        if let Some(next) = &page.next {
            self.seen.insert(hash_of(&here.position));
            if self.seen.contains(&hash_of(&next.position)) {
                return Err(circular("the next page is one that was read before"));
            }
        }
        page.items.drain(..here.skip.min(page.items.len()));
        (self.last, self.equal) = (Some(body_hash), equal);
        self.read += 1;
        self.next.clone_from(&page.next);
        Ok(Some(page))
    }

    /// The pages as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Page<T>>> + Send + Unpin + 'static {
        Box::pin(stream::try_unfold(self, |mut pages| async move {
            let page = pages.next().await?;
            Ok(page.map(|page| (page, pages)))
        }))
    }
}

fn circular(why: &'static str) -> Error {
    Error::corrupt(why).with_retry(external_core::Retry::Never)
}

fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("request", &self.request)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("items", &self.items.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
