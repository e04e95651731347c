//! The draw: what a seed says of the n-th call of an operation, whatever runs beside it.

use external_core::Operation;

/// Numbers for one call. They follow from seed, operation and the call's number alone, and not from how calls of
/// several tasks interleave. SplitMix64, written here: another release of a library must not change what a seed means.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn of(seed: u64, operation: &Operation, number: u64) -> Self {
        let name = operation.domain.bytes().chain([b'.']).chain(operation.name.bytes());
        // FNV-1a.
        let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut by_operation = Self(seed ^ hash);
        let mut by_number = Self(by_operation.next() ^ number);
        Self(by_number.next())
    }

    /// True in this share of all draws.
    pub(super) fn hits(&mut self, probability: f64) -> bool {
        // The upper 53 bits are a fraction that an `f64` holds exactly.
        let fraction = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        fraction < probability
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use external_core::Repeat;

    use super::*;

    const GET: Operation = Operation::new("cache", "get", Repeat::Safe);

    #[test]
    fn splitmix_is_what_its_authors_publish() {
        let mut draw = Draw(1_234_567);
        let first = [draw.next(), draw.next(), draw.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn hits_are_as_frequent_as_asked() {
        for probability in [0.0, 0.1, 0.5, 1.0] {
            let hits = (0..10_000).filter(|number| Draw::of(7, &GET, *number).hits(probability)).count();
            let share = hits as f64 / 10_000.0;
            assert!((share - probability).abs() < 0.02, "{probability}: {share}");
        }
    }
}
