//! The report: what ours did, what each peer did, and how the two compare.

use serde::{Deserialize, Serialize};

/// Everything that one run measured: `{"benches": [...]}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One entry a case.
    pub benches: Vec<Bench>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// `cache`, `email`, `storage`.
    pub domain: String,
    /// What was done.
    pub name: String,
    /// Ours, in [`unit`](Self::unit).
    pub ours: f64,
    /// Where it ends in `/s` more is better, else less is better.
    pub unit: String,
    /// The others.
    pub peers: Vec<Peer>,
}

/// Another way to do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The library, and how it was used where that matters.
    pub name: String,
    /// In the unit of the case.
    pub value: f64,
    /// [`ratio`] of ours to this peer.
    pub ratio: f64,
    /// Between which two the ratio is in 19 of 20 runs, as far as the rounds of this one tell: [`middle`]. For those who judge;
    /// it is no part of the report that people ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

impl Bench {
    /// A case with its peers, each as name and value.
    #[must_use]
    pub fn new(domain: &str, name: &str, unit: &str, ours: f64, peers: Vec<(String, f64)>) -> Self {
        let peers = peers
            .into_iter()
            .map(|(name, value)| Peer {
                name,
                value: rounded(value),
                ratio: rounded(ratio(unit, ours, value)),
                range: None,
            })
            .collect();
        Self { domain: domain.into(), name: name.into(), ours: rounded(ours), unit: unit.into(), peers }
    }
}

impl Peer {
    /// As [`ratio`](Self::ratio), of each round by itself: what disturbs a round disturbs both of its figures.
    pub fn compare(&mut self, unit: &str, rounds: impl Iterator<Item = (f64, f64)>) {
        self.range =
            middle(rounds.map(|(ours, peer)| ratio(unit, ours, peer)).collect()).map(|r| r.map(rounded));
    }
}

/// Where the median of what `figures` are a sample of lies, with a confidence of 95 %, whatever its distribution: between the
/// two figures before and behind which a fair coin would put it once in forty times. All that were measured where they are
/// fewer than six; `None` where that is but one.
fn middle(mut figures: Vec<f64>) -> Option<[f64; 2]> {
    figures.sort_by(f64::total_cmp);
    let tosses = figures.len();
    let mut ways = 0.5_f64.powi(i32::try_from(tosses).ok()?);
    let (mut at, mut outside) = (0, ways);
    if outside > 0.025 {
        return None;
    }
    // While one more figure on either side may be left out: the median is beyond it once in forty times at most.
    while outside <= 0.025 {
        at += 1;
        ways *= (tosses + 1 - at) as f64 / at as f64;
        outside += ways;
    }
    Some([figures[at - 1], figures[tosses - at]])
}

/// How ours compares: above 1 ours is better, whatever the unit. Of a unit that ends in `/s` it is ours divided by the
/// peer's, of every other unit the peer's divided by ours.
#[must_use]
pub fn ratio(unit: &str, ours: f64, peer: f64) -> f64 {
    if more_is_better(unit) { ours / peer } else { peer / ours }
}

/// Whether more of this unit is better.
#[must_use]
pub fn more_is_better(unit: &str) -> bool {
    unit.ends_with("/s")
}

/// Four significant digits: what is behind them is noise, and JSON has no infinity.
fn rounded(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return 0.0;
    }
    let digits = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * digits).round() / digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_one_is_better_in_both_directions() {
        assert_eq!(ratio("gets/s", 300.0, 100.0), 3.0);
        assert_eq!(ratio("MB/s", 100.0, 200.0), 0.5);
        assert_eq!(ratio("ns", 50.0, 100.0), 2.0);
        assert_eq!(ratio("CPU s/GiB", 1.0, 0.5), 0.5);
        assert_eq!(ratio("MiB", 10.0, 20.0), 2.0);
    }

    #[test]
    fn the_report_has_exactly_the_agreed_fields() {
        let bench = Bench::new("cache", "get", "gets/s", 123_456.0, vec![("redis-rs".into(), 100_000.0)]);
        let text = serde_json::to_string(&Report { benches: vec![bench] }).unwrap();
        assert_eq!(
            text,
            r#"{"benches":[{"domain":"cache","name":"get","ours":123500.0,"unit":"gets/s","peers":[{"name":"redis-rs","value":100000.0,"ratio":1.235}]}]}"#
        );
    }

    /// By the table of the binomial distribution: of 25 tosses 7 or fewer are heads in 2.16 of 100 cases, 8 or fewer in 5.39.
    #[test]
    fn the_middle_is_where_a_coin_would_put_it() {
        let figures = |count: u32| (1..=count).map(f64::from).collect::<Vec<_>>();
        assert_eq!(middle(figures(25)), Some([8.0, 18.0]));
        assert_eq!(middle(figures(9)), Some([2.0, 8.0]));
        assert_eq!(middle(figures(6)), Some([1.0, 6.0]));
        assert_eq!((middle(figures(5)), middle(figures(0))), (None, None));
    }

    #[test]
    fn figures_are_compared_round_by_round() {
        let mut bench = Bench::new("cache", "get", "ns", 2.0, vec![("other".into(), 3.0)]);
        // The machine was half as fast in the second round, for both.
        let rounds = (0..6).map(|round| if round == 1 { (4.0, 6.0) } else { (2.0, 3.0) });
        bench.peers[0].compare("ns", rounds);
        assert_eq!(bench.peers[0].range, Some([1.5, 1.5]));
    }

    #[test]
    fn nothing_measured_is_no_infinity() {
        let bench = Bench::new("cache", "get", "ns", 0.0, vec![("other".into(), 0.0)]);
        assert_eq!((bench.ours, bench.peers[0].ratio), (0.0, 0.0));
        assert_eq!(rounded(-0.012_345), -0.01235);
    }
}
