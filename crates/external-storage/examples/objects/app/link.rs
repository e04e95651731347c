//! `presign`: a link that any HTTP client opens.

use std::time::Duration;

use clap::Args;
use external_core::BuildContext;
use external_core::config::duration;
use external_storage::{ObjectKey, PresignRequest};

use super::address::Address;
use super::failure::{Failure, Outcome};
use super::progress::Progress;
use super::stores::{Stores, Use, is_embedded};

/// Prints a link that reads an object, or with --put stores one.
///
/// Whoever has the link needs no credentials. Links to a store of this machine (`local`) are answered by this program, which goes on until they expire or Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Presign {
    /// The object.
    address: Address,
    /// How long the link is valid: `90s`, `10m`, `24h`.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
    expires: Duration,
    /// The link stores an object instead of reading one.
    #[arg(long)]
    put: bool,
    /// The media type that must be sent when the link is used.
    #[arg(long, value_name = "TYPE", requires = "put")]
    content_type: Option<String>,
}

impl Presign {
    pub(super) async fn run(&self, stores: &mut Stores, progress: &Progress) -> Outcome {
        let Address::Store { store, rest } = &self.address else {
            return Err(Failure::new(format!("{} is no object of a store", self.address)));
        };
        let place = stores.open(store, rest, Use::Link)?;
        let failed = |error| place.failed(error);
        let key = ObjectKey::parse(&place.key).map_err(failed)?;
        if !self.put && !place.client.exists(key.clone()).await.map_err(failed)? {
            return Err(Failure::new(format!("there is no object {}", self.address)));
        }
        let request = if self.put { PresignRequest::put(key) } else { PresignRequest::get(key) };
        let mut request = request.with_expires_in(self.expires);
        request.content_type.clone_from(&self.content_type);
        let link = place.client.presign(&request).await.map_err(failed)?;
        // Temporary credentials end it sooner.
        let left = link.expires_at.duration_since(BuildContext::default().now()).unwrap_or_default();
        if left + Duration::from_secs(60) < self.expires {
            progress.warn(&format!(
                "the credentials end before the link would: it works for {} s",
                left.as_secs()
            ));
        }
        for (name, value) in &link.headers {
            progress.note(&format!("send this header with it: {name}: {value}"));
        }
        progress.result(&link.url)?;
        if is_embedded(&place.client) {
            progress.note("this program answers the link: it goes on until the link expires, or Ctrl-C");
            tokio::time::sleep(self.expires).await;
        }
        Ok(())
    }
}

/// A time as people write it.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "a number and its unit, such as 90s, 10m or 24h".to_owned())
}
