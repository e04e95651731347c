//! The items of a list, one by one.

use std::fmt;
use std::vec;

use external_core::Result;
use futures_core::Stream;
use futures_util::stream;
use serde::de::DeserializeOwned;

use super::{Checkpoint, Pages};

/// The items of a list, read page by page: see [`Pages::items`].
pub struct Items<T> {
    pages: Pages<T>,
    /// The page that is being read, and where it is.
    page: vec::IntoIter<T>,
    here: Option<Checkpoint>,
}

impl<T> Items<T> {
    pub(super) fn of(pages: Pages<T>) -> Self {
        Self { pages, page: Vec::new().into_iter(), here: None }
    }

    /// Goes on where a list like this one was left, within a page too.
    ///
    /// # Errors
    ///
    /// As [`Pages::resume`].
    pub fn resume(self, from: Checkpoint) -> Result<Self> {
        self.pages.resume(from).map(Self::of)
    }

    /// Where the next item is; `None` after the last one. Within a page it counts the items that were read: who goes on
    /// there reads that page again, and skips as many.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        match &self.here {
            Some(here) if self.page.len() > 0 => Some(here.clone()),
            _ => self.pages.checkpoint().cloned(),
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Items<T> {
    /// The next item; `None` after the last one.
    ///
    /// # Errors
    ///
    /// As [`Pages::next`].
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(item) = self.page.next() {
                if let Some(here) = &mut self.here {
                    here.skip += 1;
                }
                return Ok(Some(item));
            }
            let here = self.pages.checkpoint().cloned();
            match self.pages.next().await? {
                Some(page) => (self.page, self.here) = (page.items.into_iter(), here),
                None => return Ok(None),
            }
        }
    }

    /// All items that are left, in memory.
    ///
    /// # Errors
    ///
    /// As [`Pages::next`].
    pub async fn all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }

    /// The items as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<T>> + Send + Unpin + 'static {
        Box::pin(stream::try_unfold(self, |mut items| async move {
            let item = items.next().await?;
            Ok(item.map(|item| (item, items)))
        }))
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("pages", &self.pages).finish_non_exhaustive()
    }
}
