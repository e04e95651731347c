//! How large the parts of an upload are: small at first, growing, so that the highest part number is never the limit.

use external_core::{Capabilities, Error, Result};

use crate::client::StorageSettings;

/// Over a provider's part numbers the size doubles so often; the sum of all parts is then about 102 times that of equal
/// parts of the first size.
const DOUBLINGS: u32 = 10;

/// The sizes of the parts of one upload, in order.
#[derive(Debug, Clone)]
pub(super) struct PartSizes {
    next: u32,
    first: u64,
    most: u64,
    parts_max: u32,
}

impl PartSizes {
    pub(super) fn new(capabilities: &Capabilities, settings: &StorageSettings) -> Self {
        let limit = |id: &str| capabilities.get_limit(id);
        let parts_max = u32::try_from(limit("parts-max").unwrap_or(10_000)).unwrap_or(u32::MAX).max(1);
        let most = limit("part-bytes-max").unwrap_or(u64::MAX).min(usize::MAX as u64 / 2).max(1);
        // A store of very large objects and few parts needs larger ones from the beginning.
        let growth = (1_u64 << DOUBLINGS) - 1;
        let needed = limit("object-bytes-max").map_or(0, |bytes| {
            (bytes.saturating_mul(DOUBLINGS.into()) / growth).div_ceil(u64::from(parts_max))
        });
        let least = limit("part-bytes-min").unwrap_or(1).max(1);
        let first =
            settings.part_bytes.max(needed).max(least).min(limit("put-bytes-max").unwrap_or(most)).min(most);
        Self { next: 1, first: first.max(1), most, parts_max }
    }

    /// The number that the next size is for.
    pub(super) fn number(&self) -> u32 {
        self.next
    }

    /// The size of the next part.
    pub(super) fn next_size(&mut self) -> Result<usize> {
        if self.next > self.parts_max {
            return Err(Error::payload_too_large("the upload is larger than the provider's parts can hold")
                .with_context("parts", self.parts_max));
        }
        let doublings = u64::from(self.next - 1) * u64::from(DOUBLINGS) / u64::from(self.parts_max);
        let size = self.first.saturating_mul(1 << doublings).min(self.most);
        self.next += 1;
        usize::try_from(size).map_err(|_| Error::payload_too_large("the part does not fit into memory"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(sizes: &mut PartSizes) -> u128 {
        std::iter::from_fn(|| sizes.next_size().ok()).map(|size| size as u128).sum()
    }

    #[test]
    fn ten_thousand_parts_hold_the_largest_object() {
        let s3 = Capabilities::new()
            .limit("parts-max", 10_000)
            .limit("part-bytes-min", 5 << 20)
            .limit("part-bytes-max", 5 << 30)
            .limit("object-bytes-max", 5 << 40);
        let mut sizes = PartSizes::new(&s3, &StorageSettings::default());
        assert_eq!(sizes.clone().next_size().unwrap(), 8 << 20);
        assert!(sum(&mut sizes) >= 5 << 40);
    }

    proptest! {
        #[test]
        fn parts_hold_the_largest_object_whatever_the_limits(
            parts in 10_u32..20_000, first in 1_u64..1 << 26, object in 1_u64..1 << 42,
        ) {
            let limits = Capabilities::new().limit("parts-max", parts.into()).limit("object-bytes-max", object);
            let settings = StorageSettings::default().with_part_bytes(first);
            let mut sizes = PartSizes::new(&limits, &settings);
            // Doublings fall on whole numbers: up to a tenth of the parts may be missing from the last step.
            prop_assert!(sum(&mut sizes) * 2 >= u128::from(object));
        }
    }
}
