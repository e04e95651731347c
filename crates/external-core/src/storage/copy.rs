//! Copying an object inside the store: request of the facet `copier`.

use super::{ObjectAttributes, ObjectKey, Precondition, VersionId, VersionToken};
use crate::{CallOptions, Error, Operation, Result};

/// A copy to be made by the provider, without the bytes passing through the caller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyRequest {
    /// The source.
    pub from: ObjectKey,
    /// The destination.
    pub to: ObjectKey,
    /// Copy this stored version of the source. Capability `versions`.
    pub from_version: Option<VersionId>,
    /// Copy only the content this token stands for; any other is `Conflict`.
    pub if_match: Option<VersionToken>,
    /// What must hold of the destination. Default: nothing.
    pub precondition: Precondition,
    /// Content headers, metadata and tags for the destination instead of the source's. Default: the source's.
    pub replace_attributes: Option<ObjectAttributes>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(CopyRequest);

impl CopyRequest {
    /// Copies `from` to `to`.
    #[must_use]
    pub fn new(from: ObjectKey, to: ObjectKey) -> Self {
        Self {
            from,
            to,
            from_version: None,
            if_match: None,
            precondition: Precondition::None,
            replace_attributes: None,
            call: CallOptions::default(),
        }
    }

    /// Copies a stored version of the source.
    #[must_use]
    pub fn with_from_version(mut self, version: VersionId) -> Self {
        self.from_version = Some(version);
        self
    }

    /// Copies only the content `token` stands for.
    #[must_use]
    pub fn with_if_match(mut self, token: VersionToken) -> Self {
        self.if_match = Some(token);
        self
    }

    /// Sets what must hold of the destination.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Stores the copy with attributes of its own.
    #[must_use]
    pub fn with_replace_attributes(mut self, attributes: ObjectAttributes) -> Self {
        self.replace_attributes = Some(attributes);
        self
    }

    /// Whether the request makes sense on any provider.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`: a copy onto itself that changes nothing, attributes that cannot be stored.
    pub fn validate(&self) -> Result<()> {
        match &self.replace_attributes {
            Some(attributes) => attributes.validate(),
            None if self.from == self.to && self.from_version.is_none() => Err(Error::invalid_argument(
                "a copy of an object onto itself needs attributes to replace or a version to bring back",
            )),
            None => Ok(()),
        }
    }

    /// `storage.copy`: `Idempotent`; with a precondition, or `if_match` onto itself, `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        let onto_itself = self.from == self.to && self.if_match.is_some();
        let repeat = if onto_itself { crate::Repeat::Once } else { self.precondition.repeat() };
        Operation::new("storage", "copy", repeat)
    }
}
