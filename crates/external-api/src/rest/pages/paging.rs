//! How an API tells one page from the next.

use external_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{Link, RestAnswer, RestRequest, json};
use super::Page;
use super::checkpoint::{Checkpoint, Position};

/// More pages than anybody reads in one go.
const MAX_PAGES: u64 = 100_000;

/// How the next page is asked for, and where the items are.
///
/// ```
/// use external_api::rest::Paging;
///
/// let github = Paging::by_link();
/// let slack = Paging::by_cursor("cursor", "/response_metadata/next_cursor").with_items("/messages");
/// let shop = Paging::by_page("page").with_size("per_page", 50).with_items("/orders");
/// ```
///
/// Places in a body are JSON pointers (RFC 6901): `/meta/next`.
#[derive(Debug, Clone)]
pub struct Paging {
    way: Way,
    /// Where the items are; `None`: the body is their array.
    items: Option<String>,
    size: Option<(String, u64)>,
    pub(super) max_pages: u64,
}

#[derive(Debug, Clone)]
enum Way {
    /// Pages are counted from `first`.
    Number { parameter: String, first: u64 },
    /// Items are counted from 0.
    Offset { parameter: String },
    /// What the answer gives is a parameter of the next request.
    Token { parameter: String, from: Given },
    /// What the answer gives is where the next page is.
    Url { from: Given },
}

/// Where an answer gives what leads to the next page.
#[derive(Debug, Clone)]
enum Given {
    Link,
    Header(String),
    Body(String),
}

impl Paging {
    /// Pages are numbered, from 1: `?page=2`. The list ends with a page that is empty, or shorter than the
    /// [size](Self::with_size).
    #[must_use]
    pub fn by_page(parameter: impl Into<String>) -> Self {
        Self::of(Way::Number { parameter: parameter.into(), first: 1 })
    }

    /// Items are counted, from 0: `?offset=100&limit=50`. The list ends with a page that is shorter than `size`.
    #[must_use]
    pub fn by_offset(parameter: impl Into<String>, limit: impl Into<String>, size: u64) -> Self {
        Self::of(Way::Offset { parameter: parameter.into() }).with_size(limit, size)
    }

    /// The body gives a cursor for the next page, at `pointer`: `?cursor=…`. The list ends where there is none.
    #[must_use]
    pub fn by_cursor(parameter: impl Into<String>, pointer: impl Into<String>) -> Self {
        Self::of(Way::Token { parameter: parameter.into(), from: Given::Body(pointer.into()) })
    }

    /// A header field gives a token for the next page: `?page_token=…`. The list ends where there is none.
    #[must_use]
    pub fn by_header(parameter: impl Into<String>, header: impl Into<String>) -> Self {
        Self::of(Way::Token { parameter: parameter.into(), from: Given::Header(header.into()) })
    }

    /// A `Link` header field leads to the next page (RFC 8288). The list ends where there is none.
    #[must_use]
    pub fn by_link() -> Self {
        Self::of(Way::Url { from: Given::Link })
    }

    /// The body says where the next page is, at `pointer`.
    #[must_use]
    pub fn by_url(pointer: impl Into<String>) -> Self {
        Self::of(Way::Url { from: Given::Body(pointer.into()) })
    }

    /// A header field says where the next page is: its value is a URL.
    #[must_use]
    pub fn by_url_header(header: impl Into<String>) -> Self {
        Self::of(Way::Url { from: Given::Header(header.into()) })
    }

    fn of(way: Way) -> Self {
        Self { way, items: None, size: None, max_pages: MAX_PAGES }
    }

    /// The items are an array within the body, at `pointer`. Default: the body is that array.
    #[must_use]
    pub fn with_items(mut self, pointer: impl Into<String>) -> Self {
        self.items = Some(pointer.into());
        self
    }

    /// Asks for so many items a page.
    #[must_use]
    pub fn with_size(mut self, parameter: impl Into<String>, size: u64) -> Self {
        self.size = Some((parameter.into(), size));
        self
    }

    /// The number of the first page, where they are numbered and it is not 1.
    #[must_use]
    pub fn with_first_page(mut self, number: u64) -> Self {
        if let Way::Number { first, .. } = &mut self.way {
            *first = number;
        }
        self
    }

    /// How many pages are read in one go. Default 100 000; a list that is longer is an error by then.
    #[must_use]
    pub fn with_max_pages(mut self, pages: u64) -> Self {
        self.max_pages = pages;
        self
    }

    /// The first page.
    pub(super) fn first(&self) -> Position {
        match &self.way {
            Way::Number { first, .. } => Position::Number(*first),
            Way::Offset { .. } => Position::Number(0),
            Way::Token { .. } | Way::Url { .. } => Position::First,
        }
    }

    /// Whether a page of such a list can be there.
    pub(super) fn takes(&self, position: &Position) -> bool {
        matches!(
            (&self.way, position),
            (Way::Number { .. } | Way::Offset { .. }, Position::Number(_))
                | (Way::Token { .. }, Position::First | Position::Token(_))
                | (Way::Url { .. }, Position::First | Position::Url(_))
        )
    }

    pub(super) fn goes_by_number(&self) -> bool {
        matches!(self.way, Way::Number { .. } | Way::Offset { .. })
    }

    /// The request for a page.
    pub(super) fn at(&self, request: RestRequest, position: &Position) -> Result<RestRequest> {
        let request = request.accepting(Some("application/json"));
        let sized = |request: RestRequest| match &self.size {
            Some((parameter, size)) => request.with_query_pair(parameter, &size.to_string()),
            None => request,
        };
        Ok(match (&self.way, position) {
            // The place says all there is to say.
            (_, Position::Url(url)) => request.moved(&url.parse()?),
            (_, Position::First) => sized(request),
            (Way::Token { parameter, .. }, Position::Token(token)) => {
                sized(request).with_query_pair(parameter, token)
            }
            (Way::Number { parameter, .. } | Way::Offset { parameter }, Position::Number(number)) => {
                sized(request).with_query_pair(parameter, &number.to_string())
            }
            _ => return Err(Error::invalid_argument("a checkpoint of a list with other pages")),
        })
    }

    /// A page from an answer, and what comes after it.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &RestAnswer, here: &Position) -> Result<Page<T>> {
        let given_in_body = match &self.way {
            Way::Token { from: Given::Body(pointer), .. } | Way::Url { from: Given::Body(pointer) } => {
                Some(pointer)
            }
            _ => None,
        };
        let (items, given): (Vec<T>, _) = match (&self.items, given_in_body) {
            (None, None) => (answer.json()?, None),
            (items, given) => {
                let mut body: Value = answer.json()?;
                let given = given.map(|pointer| text_at(&body, pointer)).transpose()?.flatten();
                let items = match items {
                    None => json::decode_value(body)?,
                    Some(pointer) => array_at(&mut body, pointer)?,
                };
                (items, given)
            }
        };
        let next = self.after(answer, here, items.len() as u64, given)?;
        Ok(Page { items, next: next.map(Checkpoint::of), headers: answer.headers.clone() })
    }

    /// Where the page after this one is.
    fn after(
        &self,
        answer: &RestAnswer,
        here: &Position,
        items: u64,
        given_in_body: Option<String>,
    ) -> Result<Option<Position>> {
        let is_short = items == 0 || self.size.as_ref().is_some_and(|(_, size)| items < *size);
        let given = |from: &Given| match from {
            Given::Link => Link::next_of(&answer.headers),
            Given::Header(name) => answer.header(name).map(str::to_owned).filter(|text| !text.is_empty()),
            Given::Body(_) => given_in_body,
        };
        Ok(match (&self.way, here) {
            (Way::Number { .. }, Position::Number(page)) if !is_short => {
                page.checked_add(1).map(Position::Number)
            }
            (Way::Offset { .. }, Position::Number(at)) if !is_short => {
                at.checked_add(items).map(Position::Number)
            }
            (Way::Number { .. } | Way::Offset { .. }, _) => None,
            (Way::Token { from, .. }, _) => given(from).map(Position::Token),
            (Way::Url { from }, _) => match given(from) {
                Some(url) => Some(Position::Url(place(answer, &url)?)),
                None => None,
            },
        })
    }
}

/// Where a link leads, if it leads to the origin that was asked: what the request bears is for that one, also where a redirect
/// led elsewhere without it.
fn place(answer: &RestAnswer, link: &str) -> Result<String> {
    let wrong = |why: &'static str| Error::unexpected(why);
    let there = answer.given_at().redirected(link);
    let there = there.map_err(|_| wrong("a next page at something that is no URL"))?;
    match there.has_origin_of(&answer.url) {
        true => Ok(there.expose()),
        false => Err(wrong("a next page at another origin").with_context("to", &there)),
    }
}

/// A text or a number; nothing at all, `null` and an empty text are none.
fn text_at(body: &Value, pointer: &str) -> Result<Option<String>> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => {
            Err(Error::corrupt("what leads to the next page is no text").with_context("path", pointer))
        }
    }
}

fn array_at<T: DeserializeOwned>(body: &mut Value, pointer: &str) -> Result<Vec<T>> {
    let missing = || Error::corrupt("a page without items where they should be");
    let items = body.pointer_mut(pointer).map(Value::take);
    let items = items.ok_or_else(missing).and_then(json::decode_value);
    items.map_err(|error| error.with_context("items", pointer))
}
