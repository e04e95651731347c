//! The checksums of an upload while its bytes pass by.

use bytes::Bytes;
use external_core::Result;
use external_core::storage::{Checksum, ChecksumKind};

use crate::checksum::Hasher;

/// What is summed up of one upload.
#[derive(Debug)]
pub(super) struct Sums {
    /// What is verified against the checksum given beforehand, and told.
    pub(super) whole: Option<Hasher>,
    /// What the provider is told, where it takes another kind.
    sent: Option<Hasher>,
}

impl Sums {
    pub(super) fn new(kind: Option<ChecksumKind>) -> Result<Self> {
        Ok(Self { whole: kind.map(Hasher::new).transpose()?, sent: None })
    }

    /// Sums up `part` as well. Answers the checksum of `part` alone, of the kind that is sent, where that comes out of the
    /// same pass over its bytes.
    pub(super) async fn update_with_part(&mut self, part: &Bytes) -> Result<Option<Checksum>> {
        let own = match &mut self.whole {
            Some(whole) => whole.update_with_part(part).await?,
            None => None,
        };
        match &mut self.sent {
            Some(sent) => sent.update_with_part(part).await,
            None => Ok(own),
        }
    }

    /// Starts to sum up what is sent with its first part.
    pub(super) async fn send_as(&mut self, kind: Option<ChecksumKind>, first: &Bytes) -> Result<()> {
        if let (Some(kind), Some(whole)) = (kind, &self.whole)
            && whole.kind() != kind
        {
            let mut sent = Hasher::new(kind)?;
            sent.update_aside(first).await?;
            self.sent = Some(sent);
        }
        Ok(())
    }

    /// What the whole sums up to, and what the provider is told if that is of another kind.
    pub(super) fn finish(self) -> (Option<Hasher>, Option<Checksum>) {
        (self.whole, self.sent.map(Hasher::finish))
    }
}
