//! Listing objects in the order of their keys, reading only the folders that a page needs.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use external_core::storage::{ListEntry, ListPage, ListRequest, ObjectKey, PageToken};
use external_core::{Error, Result};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::error::from_errno;
use super::names::{self, CONTINUED, RESERVED, SELF};
use super::record::modified;
use super::tree::{Stamp, Store, entries, open_folder};

pub(super) const PAGE_MAX: usize = 1000;

/// What a page begins behind: the last entry of the one before.
pub(super) fn token(last: &str) -> PageToken {
    PageToken::new(format!("after:{last}"))
}

pub(super) fn after(token: Option<&PageToken>) -> Result<&str> {
    token.map_or(Ok(""), |token| {
        token
            .as_str()
            .strip_prefix("after:")
            .ok_or_else(|| Error::invalid_argument("the page token is none that this store gave"))
    })
}

pub(super) fn limit(asked: Option<usize>) -> Result<usize> {
    match asked {
        Some(0) => Err(Error::invalid_argument("a page holds at least one entry").with_context("limit", 0)),
        asked => Ok(asked.map_or(PAGE_MAX, |asked| asked.min(PAGE_MAX))),
    }
}

impl Store {
    pub(super) fn page(&self, request: &ListRequest) -> Result<ListPage> {
        let limit = limit(request.limit)?;
        let last = after(request.token.as_ref())?;
        let behind = last.max(request.start_after.as_deref().unwrap_or_default());
        let delimiter = request.delimiter.as_deref();
        // No key on a page contains the delimiter: a last entry that ends with it was a common prefix.
        let counted = delimiter.filter(|delimiter| {
            last.strip_prefix(&request.prefix).is_some_and(|rest| rest.ends_with(delimiter))
        });
        let mut walk = Walk {
            prefix: &request.prefix,
            behind,
            delimiter,
            limit,
            counted: counted.map(|_| last.to_owned()),
            newest: String::new(),
            page: ListPage::default(),
        };
        walk.folder(Rc::new(self.open_root()?), "")?;
        Ok(walk.page)
    }
}

/// One name of a folder, with the key it stands for.
struct Place {
    /// The key of an object; for a folder what all keys in it begin with, the slash included.
    text: String,
    folder: Rc<OwnedFd>,
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// Perhaps an object that shares its path with a folder.
    Within,
    Folder,
}

struct Walk<'a> {
    prefix: &'a str,
    behind: &'a str,
    delimiter: Option<&'a str>,
    limit: usize,
    /// The common prefix that the newest keys were folded into.
    counted: Option<String>,
    newest: String,
    page: ListPage,
}

impl Walk<'_> {
    /// Visits the keys below a folder in order. Answers whether the page is full.
    fn folder(&mut self, folder: Rc<OwnedFd>, base: &str) -> Result<bool> {
        let mut places = Vec::new();
        places_in(&folder, base, &[], &mut places).map_err(|error| error.with_context("folder", base))?;
        drop(folder);
        places.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        for place in places {
            let full = match place.kind {
                Kind::Folder if self.may_hold(&place.text) => {
                    match open_folder(&place.folder, &place.name)? {
                        Some(inner) => self.folder(Rc::new(inner), &place.text)?,
                        None => false,
                    }
                }
                Kind::Folder => false,
                Kind::File | Kind::Within => self.wants(&place.text) && self.object(&place)?,
            };
            if full {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether keys that begin with `base` can be on the page.
    fn may_hold(&self, base: &str) -> bool {
        let in_prefix = base.starts_with(self.prefix) || self.prefix.starts_with(base);
        let past = self.behind > base && !self.behind.starts_with(base);
        let folded = self.counted.as_deref().is_some_and(|counted| base.starts_with(counted));
        in_prefix && !past && !folded
    }

    fn wants(&self, key: &str) -> bool {
        let folded = self.counted.as_deref().is_some_and(|counted| key.starts_with(counted));
        key.starts_with(self.prefix) && (self.behind.is_empty() || key > self.behind) && !folded
    }

    /// Puts an object, or what it is folded into, on the page. Answers whether there is no room for it.
    fn object(&mut self, place: &Place) -> Result<bool> {
        let Some(stamp) = stamp(place)? else {
            return Ok(false);
        };
        let Ok(key) = ObjectKey::parse(&place.text) else {
            return Ok(false);
        };
        if self.page.objects.len() + self.page.prefixes.len() == self.limit {
            self.page.next = Some(token(&self.newest));
            return Ok(true);
        }
        let rest = place.text.get(self.prefix.len()..).unwrap_or_default();
        let cut = self.delimiter.and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        match cut.and_then(|cut| place.text.get(..self.prefix.len() + cut)) {
            Some(common) => {
                common.clone_into(&mut self.newest);
                self.page.prefixes.push(common.to_owned());
                self.counted = Some(common.to_owned());
            }
            None => {
                self.newest.clone_from(&place.text);
                self.page.objects.push(ListEntry::new(key, stamp.size).with_modified(modified(&stamp)));
            }
        }
        Ok(false)
    }
}

/// Adds what is in a folder. `pieces` are the names of a long segment so far, whose rest is in this folder.
fn places_in(folder: &Rc<OwnedFd>, base: &str, pieces: &[String], places: &mut Vec<Place>) -> Result<()> {
    for (name, kind) in entries(folder)? {
        if (base.is_empty() && name == RESERVED) || name == SELF {
            continue;
        }
        let mut names = pieces.to_vec();
        names.push(name.clone());
        if kind == FileType::Directory && name.ends_with(CONTINUED) {
            if let Some(inner) = open_folder(folder, &name)? {
                places_in(&Rc::new(inner), base, &names, places)?;
            }
            continue;
        }
        let Some(segment) = names::read(&names) else {
            continue;
        };
        let place = |text: String, kind| Place { text, folder: folder.clone(), name: name.clone(), kind };
        let key = format!("{base}{segment}");
        match kind {
            FileType::RegularFile => places.push(place(key, Kind::File)),
            FileType::Directory => {
                places.push(place(format!("{key}/"), Kind::Folder));
                places.push(place(key, Kind::Within));
            }
            // Links, pipes and devices are no objects.
            _ => {}
        }
    }
    Ok(())
}

/// Size and time of an object; `None` if there is none.
fn stamp(place: &Place) -> Result<Option<Stamp>> {
    let inner;
    let (folder, name) = match place.kind {
        Kind::Within => match open_folder(&place.folder, &place.name)? {
            Some(opened) => {
                inner = opened;
                (&inner, SELF)
            }
            None => return Ok(None),
        },
        _ => (&*place.folder, place.name.as_str()),
    };
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err(from_errno("stat", errno)),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // The fields' types differ between platforms.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
    Ok(Some(Stamp {
        inode: u64::from(stat.st_ino),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
    }))
}
