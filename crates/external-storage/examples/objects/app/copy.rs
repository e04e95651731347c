//! `cp`: what is copied, and where each of it goes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::BinaryBytes;

use super::address::Address;
use super::failure::{Failure, Outcome};
use super::files;
use super::progress::Progress;
use super::stores::{Place, Stores, Use};
use super::transfer::{End, name, transfer};

/// How many objects of a recursive copy move side by side.
const SIDE_BY_SIDE: usize = 4;

/// Copies an object or a file, or with --recursive all below a prefix or a folder.
///
/// Bytes pass through in a stream: memory stays bounded whatever the size, and nothing is seen at the target before it
/// is whole. Large objects go in parts, side by side. Between two objects content type, metadata and tags go along, and
/// within one store the store copies by itself. What is at the target is replaced.
#[derive(Debug, Args)]
pub(super) struct Cp {
    /// What to copy: an object, a file, or `-`. With --recursive a prefix or a folder.
    source: Address,
    /// Where to. An address that ends with `/`, a store without a key and a folder keep the source's name.
    target: Address,
    /// Copies all below a prefix or a folder, each under the rest of its name. Ends at the first failure; what was
    /// copied by then stays.
    #[arg(long, short)]
    recursive: bool,
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
        let copied = many(source, target)?
            .map_ok(|pair| async move { self.copy(&pair, progress).await })
            .try_buffer_unordered(SIDE_BY_SIDE)
            .try_fold(0_u64, |count, ()| async move { Ok(count + 1) })
            .await?;
        if copied == 0 {
            return Err(Failure::new(format!("there is nothing below {}", self.source)));
        }
        progress.note(&format!("{copied} copied"));
        Ok(())
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
    let own = match &source {
        End::Standard => None,
        End::File(path) if path.is_dir() => {
            return Err(Failure::new(format!(
                "{address} is a folder: add --recursive to copy what is in it"
            )));
        }
        End::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        End::Object(Place { key, .. }) if key.is_empty() || key.ends_with('/') => {
            return Err(Failure::new(format!(
                "{address} names a prefix: add --recursive to copy what is below it"
            )));
        }
        End::Object(Place { key, .. }) => key.rsplit('/').next().map(str::to_owned),
    };
    let named = |own: Option<String>| {
        own.ok_or_else(|| Failure::new("standard input has no name: say the whole name of the target"))
    };
    let target = match target {
        End::File(path) if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') => {
            End::File(path.join(named(own)?))
        }
        End::Object(place) if place.key.is_empty() || place.key.ends_with('/') => {
            let key = format!("{}{}", place.key, named(own)?);
            End::Object(Place { key, ..place })
        }
        target => target,
    };
    let is_same = match (&source, &target) {
        (End::File(from), End::File(to)) => {
            fs::canonicalize(from).ok().is_some_and(|from| fs::canonicalize(to).is_ok_and(|to| from == to))
        }
        (End::Object(from), End::Object(to)) => from.store == to.store && from.key == to.key,
        _ => false,
    };
    if is_same {
        return Err(Failure::new(format!("{address} would be copied onto itself")));
    }
    Ok((source, target))
}

/// Sources and targets of a recursive copy.
fn many<'a>(source: End, target: End) -> Outcome<BoxStream<'a, Outcome<Pair>>> {
    match source {
        End::Standard => Err(Failure::new("standard input is one file: leave --recursive out")),
        End::File(folder) => {
            // Found before anything is copied: the target may be below.
            let found = files::below(&folder)?;
            let pairs =
                found.into_iter().map(move |(path, name)| Ok((End::File(path), below(&target, &name)?)));
            Ok(stream::iter(pairs).boxed())
        }
        End::Object(place) => {
            let prefix = as_folder(&place.key);
            if let End::Object(to) = &target
                && to.store == place.store
                && as_folder(&to.key).starts_with(&prefix)
            {
                return Err(Failure::new("the target is below the source: the copies would be copied too"));
            }
            let listing = place.client.list(prefix.as_str());
            let pairs = listing.map_err(Failure::from).map(move |entry| {
                let key = entry?.key.as_str().to_owned();
                let target = below(&target, key.strip_prefix(&prefix).unwrap_or(&key))?;
                Ok((End::Object(Place { key, ..place.clone() }), target))
            });
            Ok(pairs.boxed())
        }
    }
}

/// The target of one object of a recursive copy. Keys have no segments that lead out of a folder.
fn below(target: &End, name: &str) -> Outcome<End> {
    match target {
        End::Standard => Err(Failure::new("standard output takes one object: leave --recursive out")),
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
