//! Listings.

use external_core::storage::{ListPage, ListRequest, PageToken};
use external_core::{CallContext, ErrorKind, Result};

use super::{Broken, Wrong};

/// Where a page of a store that counts offsets begins.
const OFFSET: &str = "offset ";

impl Broken {
    pub(super) async fn list(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::FoldsKeys) => request.prefix = request.prefix.to_lowercase(),
            Some(Wrong::ListsWithoutLimit) => request.limit = None,
            Some(Wrong::AfterIsInclusive) => {
                request.start_after = request.start_after.map(|mut after| {
                    after.pop();
                    after
                });
            }
            Some(Wrong::PagesByOffset) => return self.list_by_offset(cx, request).await,
            Some(Wrong::ListsAbove) => request.prefix = request.prefix.trim_start_matches("../").to_owned(),
            _ => {}
        }
        let page = match self.right.list_page(cx, &request).await {
            Err(error)
                if self.is(Wrong::TakesForeignTokens) && error.kind() == ErrorKind::InvalidArgument =>
            {
                ListPage::default()
            }
            Err(_) if self.is(Wrong::MissingStoreIsEmpty) => ListPage::default(),
            page => page?,
        };
        Ok(self.told_page(&request, page))
    }

    fn told_page(&self, request: &ListRequest, mut page: ListPage) -> ListPage {
        let before = request.token.as_ref().and_then(|token| self.seen().last.get(token.as_str()).cloned());
        if let Some(next) = &page.next {
            let last = (
                page.objects.last().cloned().into_iter().collect(),
                page.prefixes.last().cloned().into_iter().collect(),
            );
            self.seen().last.insert(next.as_str().to_owned(), last);
        }
        match (self.wrong, before) {
            (Some(Wrong::PagesOverlap), Some((objects, _))) => drop(page.objects.splice(0..0, objects)),
            (Some(Wrong::PrefixesRepeat), Some((_, prefixes))) => drop(page.prefixes.splice(0..0, prefixes)),
            (Some(Wrong::ListsOtherSizes), _) => page.objects.iter_mut().for_each(|entry| entry.size += 1),
            (Some(Wrong::NeverEnds), _) => {
                page.next.get_or_insert_with(|| PageToken::new("one more"));
            }
            (Some(Wrong::PrefixBySegment), _)
                if !request.prefix.ends_with('/') && request.delimiter.is_none() =>
            {
                let below = format!("{}/", request.prefix);
                page.objects.retain(|entry| {
                    entry.key.as_str() == request.prefix || entry.key.as_str().starts_with(&below)
                });
            }
            (Some(Wrong::ListsOnePage), _) => page.next = None,
            _ => {}
        }
        page
    }

    /// Counts from the start, whatever has come and gone meanwhile.
    async fn list_by_offset(&self, cx: &CallContext, request: ListRequest) -> Result<ListPage> {
        let token = request.token.as_ref().and_then(|token| token.as_str().strip_prefix(OFFSET));
        let from: usize = token.and_then(|offset| offset.parse().ok()).unwrap_or_default();
        let limit = request.limit.unwrap_or(1000);
        let (mut all, mut next) = (Vec::new(), request.clone());
        (next.token, next.limit) = (None, None);
        loop {
            let page = self.right.list_page(cx, &next).await?;
            all.extend(page.objects);
            match page.next {
                Some(token) => next.token = Some(token),
                None => break,
            }
        }
        let more = all.len() > from + limit;
        let objects = all.into_iter().skip(from).take(limit).collect();
        Ok(ListPage::new(
            objects,
            Vec::new(),
            more.then(|| PageToken::new(format!("{OFFSET}{}", from + limit))),
        ))
    }
}
