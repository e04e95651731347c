//! `cp`: what is copied, and where each of it goes.

use std::ffi::OsString;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use indicatif::BinaryBytes;

use super::address::Address;
use super::failure::{Failure, Outcome};
use super::progress::Progress;
use super::stores::{Place, Stores, Use};
use super::tally::Tally;
use super::transfer::{End, name, transfer};
use super::tree::Tree;

/// How many objects of a recursive copy move side by side.
const SIDE_BY_SIDE: usize = 4;

/// Copies an object or a file, or with --recursive all below a prefix or a folder.
///
/// Bytes pass through in a stream: memory stays bounded whatever the size, and nothing is seen at the target before it
/// is whole. Large objects go in parts, side by side. Between two objects content type, metadata and tags go along, and
/// within one store the store copies by itself what is not too large for it. What is at the target is replaced: also
/// where a link leads to. Devices and pipes are written into.
#[derive(Debug, Args)]
pub(super) struct Cp {
    /// What to copy: an object, a file, or `-`. With --recursive a prefix or a folder.
    source: Address,
    /// Where to. An address that ends with `/`, a store without a key and a folder keep the source's name.
    target: Address,
    /// Copies all below a prefix or a folder, each under the rest of its name. Each that cannot be copied is named, and
    /// so is what is left out of a folder: links, pipes, sockets, devices.
    #[arg(long, short)]
    recursive: bool,
    /// With --recursive: copies what links in a folder lead to, files and folders.
    #[arg(long, short = 'L', requires = "recursive")]
    follow_links: bool,
    /// The media type of the copies. By default an object keeps its own, and a file has the one its name suggests.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

type Pair = (End, End);

impl Cp {
    pub(super) async fn run(&self, stores: &mut Stores, progress: &Progress) -> Outcome {
        let source = end(stores, &self.source, Use::Read)?;
        let target = end(stores, &self.target, Use::Write)?;
        if !self.recursive {
            let pair = one(source, target, &self.source)?;
            return self.copy(&pair, progress).await;
        }
        let tally = &Tally::new(progress, "copied");
        let pairs = self.many(source, target, tally).await?;
        let pairs = pairs.take_while(|_| ready(tally.goes_on()));
        pairs
            .for_each_concurrent(SIDE_BY_SIDE, |pair| async move {
                tally.count(match pair {
                    Ok(pair) => self
                        .copy(&pair, progress)
                        .await
                        .map_err(|failure| failure.about(&format!("{} -> {}", name(&pair.0), name(&pair.1)))),
                    Err(failure) => Err(failure),
                });
            })
            .await;
        if tally.total() == 0 {
            return Err(Failure::new(format!("there is nothing below {}", self.source)));
        }
        tally.conclude()
    }

    /// Sources and targets of a recursive copy.
    async fn many(
        &self,
        source: End,
        target: End,
        tally: &Tally<'_>,
    ) -> Outcome<BoxStream<'static, Outcome<Pair>>> {
        if matches!(target, End::Standard) {
            return Err(Failure::new("standard output takes one object: leave --recursive out"));
        }
        match source {
            End::Standard => Err(Failure::new("standard input is one file: leave --recursive out")),
            End::File(folder) => {
                // Found before anything is copied: the target may be below. On a thread of its own: a folder may be large.
                let follow = self.follow_links;
                let looking = tokio::task::spawn_blocking(move || Tree::below(&folder, follow));
                let tree = looking.await.map_err(|_| Failure::new("the search was ended"))??;
                tree.left_out.iter().for_each(|why| tally.leave_out(why));
                let pairs = tree.files.into_iter();
                let pairs = pairs.map(move |(path, name)| Ok((End::File(path), below(&target, &name)?)));
                Ok(stream::iter(pairs).boxed())
            }
            End::Object(_) if self.follow_links => {
                Err(Failure::new("a store has no links: leave --follow-links out"))
            }
            End::Object(place) => {
                let prefix = as_folder(&place.key);
                if holds(&place, &prefix, &target) {
                    return Err(Failure::new(
                        "the target is below the source: the copies would be copied too",
                    ));
                }
                let mut listing = place.client.list(prefix.as_str());
                if may_hold(&place, &prefix, &target) {
                    // Found before anything is copied, or copies would be found, and copied, without end.
                    listing = stream::iter(listing.collect::<Vec<_>>().await).boxed();
                }
                let pairs = listing.map(move |entry| {
                    let entry = entry.map_err(|error| place.failed(error).in_general())?;
                    let (key, size) = (entry.key.as_str().to_owned(), Some(entry.size));
                    let target = below(&target, key.strip_prefix(&prefix).unwrap_or(&key))?;
                    Ok((End::Object(Place { key, size, ..place.clone() }), target))
                });
                Ok(pairs.boxed())
            }
        }
    }

    async fn copy(&self, (source, target): &Pair, progress: &Progress) -> Outcome {
        let size = transfer(source, target, self.content_type.as_deref(), progress).await?;
        if matches!(target, End::Standard) {
            return Ok(());
        }
        let size = size.map_or_else(|| "by the store".to_owned(), |size| BinaryBytes(size).to_string());
        progress.done(&format!("{} -> {} ({size})", name(source), name(target)))
    }
}

fn end(stores: &mut Stores, address: &Address, purpose: Use) -> Outcome<End> {
    Ok(match address {
        Address::Standard => End::Standard,
        Address::File(path) => End::File(path.clone()),
        Address::Store { store, rest } => End::Object(stores.open(store, rest, purpose)?),
    })
}

/// Source and target of a single copy.
fn one(source: End, target: End, address: &Address) -> Outcome<Pair> {
    let own: Option<OsString> = match &source {
        End::Standard => None,
        End::File(path) if path.is_dir() => {
            return Err(Failure::new(format!(
                "{address} is a folder: add --recursive to copy what is in it"
            )));
        }
        End::File(path) => path.file_name().map(ToOwned::to_owned),
        End::Object(Place { key, .. }) if key.is_empty() || key.ends_with('/') => {
            return Err(Failure::new(format!(
                "{address} names a prefix: add --recursive to copy what is below it"
            )));
        }
        End::Object(Place { key, .. }) => key.rsplit('/').next().map(Into::into),
    };
    let named = |own: Option<OsString>| {
        own.ok_or_else(|| Failure::new("standard input has no name: say the whole name of the target"))
    };
    let target = match target {
        End::File(path) if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            End::File(path.join(named(own)?))
        }
        End::Object(place) if place.key.is_empty() || place.key.ends_with('/') => {
            let own = named(own)?.into_string().map_err(|_| {
                Failure::new(format!(
                    "{address}: the name is not UTF-8 text: say the whole key of the target"
                ))
            })?;
            End::Object(Place { key: format!("{}{own}", place.key), ..place })
        }
        target => target,
    };
    // Two names of the configuration may stand for one store, or for two: the copy is made, and at worst changes nothing.
    let is_same = match (&source, &target) {
        (End::Object(from), End::Object(to)) if from.store == to.store => from.key == to.key,
        _ => source.on_disk().is_some_and(|from| target.on_disk() == Some(from)),
    };
    if is_same {
        return Err(Failure::new(format!("{address} would be copied onto itself")));
    }
    Ok((source, target))
}

/// Whether what is written to the target would be listed below the source.
fn holds(source: &Place, prefix: &str, target: &End) -> bool {
    match target {
        End::Object(to) if to.store == source.store => as_folder(&to.key).starts_with(prefix),
        _ => source.on_disk().is_some_and(|from| target.on_disk().is_some_and(|to| to.starts_with(from))),
    }
}

/// Whether [`holds`] is true if two names stand for one store.
fn may_hold(source: &Place, prefix: &str, target: &End) -> bool {
    match target {
        End::Object(to) => to.may_share_store(source) && as_folder(&to.key).starts_with(prefix),
        _ => false,
    }
}

/// The target of one object of a recursive copy. Keys have no segments that lead out of a folder.
fn below(target: &End, name: &str) -> Outcome<End> {
    match target {
        End::Standard => Ok(End::Standard),
        End::File(folder) => {
            let path: PathBuf = folder.join(name);
            let parent = path.parent().unwrap_or_else(|| Path::new("."));
            fs::create_dir_all(parent).map_err(|error| Failure::file("make", parent, &error))?;
            Ok(End::File(path))
        }
        End::Object(place) => {
            Ok(End::Object(Place { key: format!("{}{name}", as_folder(&place.key)), ..place.clone() }))
        }
    }
}

/// A prefix that holds what is below it, and not its neighbours: `a` is not the beginning of `ab`.
pub(super) fn as_folder(key: &str) -> String {
    if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") }
}
