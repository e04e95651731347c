//! How large the parts of an upload are: small at first, growing, so that the highest part number is not the limit before the
//! budget is.

use external_core::{Capabilities, Effect, Error, Result};

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
    /// What is expected, and not yet given a part. Parts do not grow before it is.
    expected: u64,
}

impl PartSizes {
    /// Parts of `first` bytes to begin with and of at most `most`, but within the provider's limits in any case.
    pub(super) fn new(capabilities: &Capabilities, first: u64, most: u64, expected: Option<u64>) -> Self {
        let limit = |id: &str| capabilities.get_limit(id);
        let parts_max = u32::try_from(limit("parts-max").unwrap_or(10_000)).unwrap_or(u32::MAX).max(1);
        let least = limit("part-bytes-min").unwrap_or(1).max(1);
        let most =
            most.max(least).min(limit("part-bytes-max").unwrap_or(u64::MAX)).clamp(1, usize::MAX as u64 / 2);
        let needed = match expected {
            Some(bytes) => bytes.div_ceil(u64::from(parts_max)),
            // A store of very large objects and few parts needs larger ones from the beginning.
            None => limit("object-bytes-max").map_or(0, |bytes| {
                let growth = (1_u64 << DOUBLINGS) - 1;
                (bytes.saturating_mul(DOUBLINGS.into()) / growth).div_ceil(u64::from(parts_max))
            }),
        };
        let first = first.max(needed).max(least).min(limit("put-bytes-max").unwrap_or(most)).min(most);
        Self { next: 1, first: first.max(1), most, parts_max, expected: expected.unwrap_or(0) }
    }

    /// The number that the next size is for.
    pub(super) fn number(&self) -> u32 {
        self.next
    }

    /// Whether what is expected has room at all.
    pub(super) fn check_expected(&self) -> Result<()> {
        let room = self.first.saturating_mul(self.parts_max.into());
        if self.expected <= room {
            return Ok(());
        }
        Err(self.too_large().with_effect(Effect::NotSent).with_context("bytes", self.expected))
    }

    /// The size of the next part.
    pub(super) fn next_size(&mut self) -> Result<usize> {
        if self.next > self.parts_max {
            return Err(self.too_large());
        }
        let size = if self.expected > 0 {
            self.expected = self.expected.saturating_sub(self.first);
            self.first
        } else {
            let doublings = u64::from(self.next - 1) * u64::from(DOUBLINGS) / u64::from(self.parts_max);
            self.first.saturating_mul(1 << doublings).min(self.most)
        };
        self.next += 1;
        usize::try_from(size).map_err(|_| Error::payload_too_large("the part does not fit into memory"))
    }

    fn too_large(&self) -> Error {
        Error::payload_too_large(
            "the upload is larger than the provider's parts hold, of which none is larger than half of the upload budget",
        )
        .with_context("parts", self.parts_max)
        .with_context("part_bytes_max", self.most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn s3() -> Capabilities {
        Capabilities::new()
            .limit("parts-max", 10_000)
            .limit("part-bytes-min", 5 * MIB)
            .limit("part-bytes-max", 5 * GIB)
    }

    fn all(sizes: PartSizes) -> Vec<u64> {
        let mut sizes = sizes;
        std::iter::from_fn(|| sizes.next_size().ok()).map(|size| size as u64).collect()
    }

    #[test]
    fn parts_grow_up_to_what_the_budget_lets_them_be() {
        let sizes = all(PartSizes::new(&s3(), 8 * MIB, 32 * MIB, None));
        assert_eq!(
            (sizes[0], sizes[1000], sizes[2000], sizes[9999]),
            (8 * MIB, 16 * MIB, 32 * MIB, 32 * MIB)
        );
        assert_eq!(sizes.iter().sum::<u64>() / GIB, 273);
        // With the memory for it ten thousand parts hold the largest object.
        let sizes = all(PartSizes::new(&s3(), 8 * MIB, 5 * GIB, None));
        assert!(sizes.iter().sum::<u64>() >= 5 << 40);
    }

    #[test]
    fn what_is_known_beforehand_needs_no_growth() {
        let sizes = PartSizes::new(&s3(), 8 * MIB, 32 * MIB, Some(100 * GIB));
        assert!(sizes.check_expected().is_ok());
        let sizes = all(sizes);
        let needed: Vec<_> = sizes
            .iter()
            .scan(100 * GIB, |left, size| (*left > 0).then(|| *left = left.saturating_sub(*size)))
            .collect();
        assert!(
            needed.len() <= 10_000
                && sizes[0] < 11 * MIB
                && sizes[..needed.len()].iter().all(|size| *size == sizes[0])
        );
        // Small ones stay as they are; one that turns out to be larger grows on.
        let sizes = all(PartSizes::new(&s3(), 8 * MIB, 32 * MIB, Some(20 * MIB)));
        assert_eq!((sizes[0], sizes[2], sizes[9999]), (8 * MIB, 8 * MIB, 32 * MIB));
        let error = PartSizes::new(&s3(), 8 * MIB, 32 * MIB, Some(5 << 40)).check_expected().unwrap_err();
        assert_eq!(error.effect(), Effect::NotSent);
        assert!(PartSizes::new(&s3(), 8 * MIB, 32 * MIB, Some(312 * GIB)).check_expected().is_ok());
    }

    #[test]
    fn the_smallest_part_of_a_provider_is_never_too_large() {
        assert_eq!(all(PartSizes::new(&s3(), 1, 1, None))[0], 5 * MIB);
    }

    proptest! {
        #[test]
        fn parts_hold_the_largest_object_whatever_the_limits(
            parts in 10_u32..20_000, first in 1_u64..1 << 26, object in 1_u64..1 << 42,
        ) {
            let limits = Capabilities::new().limit("parts-max", parts.into()).limit("object-bytes-max", object);
            let sizes = all(PartSizes::new(&limits, first, u64::MAX, None));
            // Doublings fall on whole numbers: up to a tenth of the parts may be missing from the last step.
            prop_assert!(sizes.iter().map(|size| u128::from(*size)).sum::<u128>() * 2 >= u128::from(object));
        }

        #[test]
        fn no_part_is_larger_than_the_budget_lets_it_be(
            first in 1_u64..1 << 26, most in 1_u64..1 << 26, expected in proptest::option::of(1_u64..1 << 42),
        ) {
            let limits = Capabilities::new().limit("parts-max", 100);
            prop_assert!(all(PartSizes::new(&limits, first, most, expected)).iter().all(|size| *size <= most));
        }
    }
}
