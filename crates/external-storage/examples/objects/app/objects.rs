//! `ls` and `rm`: what a store holds, and what it no longer shall.

use std::time::SystemTime;

use clap::Args;
use external_storage::{ListItem, ListRequest};
use futures_util::TryStreamExt;
use time::OffsetDateTime;
use time::macros::format_description;

use super::address::Address;
use super::copy::as_folder;
use super::failure::{Failure, Outcome};
use super::progress::Progress;
use super::stores::{Place, Stores, Use};
use super::tally::Tally;

/// How many objects are removed at a time.
const BATCH: usize = 1000;

/// Lists what begins with a prefix.
///
/// One line for each object: size in bytes, time (UTC), key. What lies deeper is one line for each `folder/`.
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// The prefix: `avatars:` for all, `avatars:users/` for a folder, `avatars:users/a` for what begins so.
    address: Address,
    /// Lists every object, however deep.
    #[arg(long, short)]
    recursive: bool,
}

impl Ls {
    pub(super) async fn run(&self, stores: &mut Stores, progress: &Progress) -> Outcome {
        let place = open(stores, &self.address)?;
        let mut request = ListRequest::new(&*place.key);
        if !self.recursive {
            request = request.with_delimiter("/");
        }
        let mut items = place.client.list_with(request);
        let mut is_empty = true;
        while let Some(item) = items.try_next().await.map_err(|error| place.failed(error))? {
            is_empty = false;
            match item {
                ListItem::Object(object) => {
                    let time = object.modified.map(when).unwrap_or_default();
                    progress.result(&format!("{:>14}  {time:19}  {}", object.size, object.key))?;
                }
                item => progress.result(&format!("{:>14}  {:19}  {}", "", "", item.text()))?,
            }
        }
        // An empty store is a fine one; a prefix that nothing has is likely a slip.
        if is_empty && !place.key.is_empty() {
            return Err(Failure::new(format!("nothing there begins with {}", self.address)));
        }
        Ok(())
    }
}

pub(super) fn when(time: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::from(time).format(format).unwrap_or_default()
}

/// Removes objects, or with --recursive all below a prefix.
///
/// Each that cannot be removed is named, and the others are.
#[derive(Debug, Args)]
pub(super) struct Rm {
    /// What to remove. With --recursive each is a prefix.
    #[arg(required = true)]
    addresses: Vec<Address>,
    /// Removes all below the prefixes.
    #[arg(long, short)]
    recursive: bool,
    /// With --recursive: a store without a prefix is meant, all of it.
    #[arg(long, requires = "recursive")]
    everything: bool,
}

impl Rm {
    pub(super) async fn run(&self, stores: &mut Stores, progress: &Progress) -> Outcome {
        // A slip is told before anything is removed.
        let mut places = Vec::new();
        for address in &self.addresses {
            places.push((address, self.fit(address, open(stores, address)?)?));
        }
        let is_one = places.len() == 1;
        let tally = Tally::new(progress, "removed");
        for (address, place) in places {
            let outcome = match self.recursive {
                true => remove_below(address, &place, progress, &tally).await,
                false => remove(address, &place, progress).await.map(|()| tally.count(Ok(()))),
            };
            match outcome {
                Err(failure) if is_one && tally.total() == 0 => return Err(failure),
                Err(failure) => tally.count(Err(failure)),
                Ok(()) => {}
            }
            if !tally.goes_on() {
                break;
            }
        }
        tally.conclude()
    }

    fn fit(&self, address: &Address, place: Place) -> Outcome<Place> {
        if self.recursive && place.key.is_empty() && !self.everything {
            return Err(Failure::new(format!(
                "{address} is a whole store: add --everything if that is meant"
            )));
        }
        if !self.recursive && (place.key.is_empty() || place.key.ends_with('/')) {
            return Err(Failure::new(format!(
                "{address} names a prefix: add --recursive to remove what is below it"
            )));
        }
        Ok(place)
    }
}

async fn remove_below(address: &Address, place: &Place, progress: &Progress, tally: &Tally<'_>) -> Outcome {
    let before = tally.total();
    let mut batches = place.client.list(as_folder(&place.key)).try_chunks(BATCH);
    while tally.goes_on() {
        let listed = batches.try_next().await;
        // What a listing does not tell stays.
        let Some(batch) = listed.map_err(|broken| place.failed(broken.1).in_general())? else { break };
        let removed = place.client.delete_many(batch.into_iter().map(|entry| entry.key)).await;
        for (key, deleted) in removed.map_err(|error| place.failed(error))? {
            tally.count(match deleted {
                Ok(_) => progress.done(&format!("removed {key}")),
                Err(error) => Err(Place { key: key.as_str().to_owned(), ..place.clone() }.failed(error)),
            });
        }
    }
    if tally.total() == before {
        return Err(Failure::new(format!("there is nothing below {address}")));
    }
    Ok(())
}

async fn remove(address: &Address, place: &Place, progress: &Progress) -> Outcome {
    let failed = |error| place.failed(error);
    if !place.client.exists(&*place.key).await.map_err(failed)? {
        return Err(Failure::new(format!("there is no object {address}")));
    }
    place.client.delete(&*place.key).await.map_err(failed)?;
    progress.done(&format!("removed {}", place.key))
}

pub(super) fn open(stores: &mut Stores, address: &Address) -> Outcome<Place> {
    match address {
        Address::Store { store, rest } => stores.open(store, rest, Use::Read),
        other => Err(Failure::new(format!(
            "{other} is no store: cp alone takes files. A folder is `local:{other}/`"
        ))),
    }
}
