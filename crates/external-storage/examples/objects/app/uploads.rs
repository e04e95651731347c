//! `uploads`: what interrupted uploads left behind.

use std::time::Duration;

use clap::Args;
use external_core::BuildContext;
use external_storage::PendingUpload;
use futures_util::TryStreamExt;

use super::address::Address;
use super::failure::Outcome;
use super::link::lifetime;
use super::objects::{open, when};
use super::progress::Progress;
use super::stores::{Place, Stores};
use super::tally::Tally;

/// Lists uploads that were neither completed nor ended, below a prefix.
///
/// No listing of objects shows their parts, but a store keeps them, and may charge for them. One line for each: time of its
/// beginning (UTC, where the store tells), key, id. An upload that is under way is one of them.
#[derive(Debug, Args)]
pub(super) struct Uploads {
    /// The prefix: `avatars:` for all, `avatars:users/` for a folder, `avatars:users/a` for what begins so.
    address: Address,
    /// Ends them: what was sent of them is gone. One that is under way fails then; --older-than spares it.
    #[arg(long)]
    abort: bool,
    /// Only those that began so long ago: `90s`, `10m`, `24h`. Not one of which the store does not tell when.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    older_than: Option<Duration>,
}

impl Uploads {
    pub(super) async fn run(&self, stores: &mut Stores, progress: &Progress) -> Outcome {
        let place = open(stores, &self.address)?;
        let mut uploads = place.client.list_uploads(&*place.key);
        let tally = Tally::new(progress, "aborted");
        let mut is_empty = true;
        while let Some(pending) = uploads.try_next().await.map_err(|error| place.failed(error))? {
            if !self.is_meant(&pending) {
                continue;
            }
            is_empty = false;
            if self.abort {
                tally.count(abort(&place, pending, progress).await);
                if !tally.goes_on() {
                    break;
                }
            } else {
                let time = pending.started.map(when).unwrap_or_default();
                progress.result(&format!("{time:19}  {}  {}", pending.upload.key, pending.upload.id))?;
            }
        }
        if is_empty {
            progress.note("there are none");
            return Ok(());
        }
        if self.abort { tally.conclude() } else { Ok(()) }
    }

    fn is_meant(&self, pending: &PendingUpload) -> bool {
        let now = BuildContext::default().now();
        let age = pending.started.and_then(|began| now.duration_since(began).ok());
        self.older_than.is_none_or(|least| age.is_some_and(|age| age >= least))
    }
}

async fn abort(place: &Place, pending: PendingUpload, progress: &Progress) -> Outcome {
    let (key, id) = (pending.upload.key.as_str().to_owned(), pending.upload.id.clone());
    match place.client.abort_upload(pending.upload).await {
        Ok(()) => progress.done(&format!("aborted {key}  {id}")),
        Err(error) => Err(Place { key, ..place.clone() }.failed(error)),
    }
}
