//! Rounds: all contestants of a case take turns, so that what disturbs the machine disturbs each of them.

use std::ops::RangeInclusive;

use crate::report::{Bench, Peer, Report};

/// Who does the work, and how to measure it once.
pub struct Contestant<'a> {
    name: String,
    measure: Box<dyn FnMut() -> Vec<f64> + 'a>,
    apart: bool,
}

impl<'a> Contestant<'a> {
    /// `measure` does the work and gives its figure in the unit of the case.
    pub fn new(name: impl Into<String>, mut measure: impl FnMut() -> f64 + 'a) -> Self {
        Self::of_many(name, move || vec![measure()])
    }

    /// `measure` does the work once and gives a figure for each of the cases.
    pub fn of_many(name: impl Into<String>, measure: impl FnMut() -> Vec<f64> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure), apart: false }
    }

    /// Takes its turns with the others, but is told by itself: as a case of its own, which has no peers.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { apart: true, ..self }
    }
}

/// A case's name and unit.
pub type Measured<'a> = (&'a str, &'a str);

/// How thoroughly to measure, and where the results go.
pub struct Rounds {
    rounds: usize,
    only: Option<String>,
    alone: Option<String>,
    benches: Vec<Bench>,
}

impl Rounds {
    /// So many rounds a case, after one that is not counted; of the cases only those whose name holds `only`.
    #[must_use]
    pub fn new(rounds: usize, only: Option<String>) -> Self {
        Self { rounds: rounds.max(1), only, alone: None, benches: Vec::new() }
    }

    /// Of the contestants only this one.
    #[must_use]
    pub fn alone(self, alone: Option<String>) -> Self {
        Self { alone, ..self }
    }

    /// Whether a case of this name is to be measured.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// Measures one case; the first contestant is ours. Each figure is the median of the rounds.
    pub fn case(&mut self, domain: &str, name: &str, unit: &str, contestants: Vec<Contestant<'_>>) {
        self.cases(domain, &[(name, unit)], contestants);
    }

    /// As [`case`](Self::case), for work that takes long: see [`long_cases`](Self::long_cases).
    pub fn long_case(
        &mut self,
        most: usize,
        domain: &str,
        name: &str,
        unit: &str,
        contestants: Vec<Contestant<'_>>,
    ) {
        self.long_cases(most, domain, &[(name, unit)], contestants);
    }

    /// Measures several cases by the same work; the first contestant is ours. The work is done if one of them is wanted.
    pub fn cases(&mut self, domain: &str, cases: &[Measured<'_>], contestants: Vec<Contestant<'_>>) {
        self.take_turns(domain, cases, contestants, 0..=self.rounds);
    }

    /// As [`cases`](Self::cases), for work that takes long: so many rounds at most, and none to warm up, which such work
    /// does by itself.
    pub fn long_cases(
        &mut self,
        most: usize,
        domain: &str,
        cases: &[Measured<'_>],
        contestants: Vec<Contestant<'_>>,
    ) {
        self.take_turns(domain, cases, contestants, 1..=self.rounds.min(most));
    }

    fn take_turns(
        &mut self,
        domain: &str,
        cases: &[Measured<'_>],
        mut contestants: Vec<Contestant<'_>>,
        numbers: RangeInclusive<usize>,
    ) {
        if !cases.iter().any(|(name, _)| self.wants(name)) {
            return;
        }
        if let Some(alone) = &self.alone {
            contestants.retain(|contestant| contestant.name == *alone);
        }
        let mut rounds = vec![Vec::with_capacity(self.rounds); contestants.len()];
        for round in numbers {
            for turn in 0..contestants.len() {
                let who = whose_turn(round, turn, contestants.len());
                let figures = (contestants[who].measure)();
                if round > 0 {
                    rounds[who].push(figures);
                }
            }
        }
        for (at, (name, unit)) in cases.iter().enumerate() {
            if !self.wants(name) {
                continue;
            }
            let figures = |rounds: &Vec<Vec<f64>>| rounds.iter().filter_map(|r| r.get(at).copied()).collect();
            let results = contestants.iter().zip(rounds.iter().map(figures));
            let (apart, compared): (Vec<_>, Vec<_>) = results.partition(|(contestant, _)| contestant.apart);
            self.compare(domain, name, unit, &compared);
            for (contestant, figures) in apart {
                let name = format!("{name}: {}", contestant.name);
                self.record(Bench::new(domain, &name, unit, median(figures), Vec::new()));
            }
        }
    }

    /// The first is ours.
    fn compare(&mut self, domain: &str, name: &str, unit: &str, results: &[(&Contestant<'_>, Vec<f64>)]) {
        let Some(((_, ours), others)) = results.split_first() else { return };
        let medians = others.iter().map(|(peer, figures)| (peer.name.clone(), median(figures.clone())));
        let mut bench = Bench::new(domain, name, unit, median(ours.clone()), medians.collect());
        for (peer, (_, figures)) in bench.peers.iter_mut().zip(others) {
            peer.compare(unit, ours.iter().copied().zip(figures.iter().copied()));
        }
        self.record(bench);
    }

    /// Takes over what another program measured.
    pub fn add(&mut self, report: Report) {
        self.benches.extend(report.benches);
    }

    fn record(&mut self, bench: Bench) {
        let range = |peer: &Peer| {
            peer.range.map(|[low, high]| format!(", {low:.2} to {high:.2}")).unwrap_or_default()
        };
        let peers = bench
            .peers
            .iter()
            .map(|peer| format!("{} {} ({:.2}{})", peer.name, peer.value, peer.ratio, range(peer)));
        let peers = peers.collect::<Vec<_>>().join(", ");
        eprintln!("{} {}: {} {}; {peers}", bench.domain, bench.name, bench.ours, bench.unit);
        self.benches.push(bench);
    }

    /// All results.
    #[must_use]
    pub fn finish(self) -> Vec<Bench> {
        self.benches
    }
}

/// Every other round goes backwards, each pair begins one further: who follows the loudest, follows it once in a while.
fn whose_turn(round: usize, turn: usize, contestants: usize) -> usize {
    let turn = if round % 2 == 0 { turn } else { contestants - 1 - turn };
    (turn + round / 2) % contestants
}

/// The middle of the figures.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        length if length % 2 == 1 => figures[length / 2],
        length => f64::midpoint(figures[length / 2 - 1], figures[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 100.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn contestants_take_turns_and_the_first_round_does_not_count() {
        let order = RefCell::new(Vec::new());
        let contestant = |name: &'static str, figures: &'static [f64]| {
            let (order, mut at) = (&order, 0);
            Contestant::new(name, move || {
                order.borrow_mut().push(name);
                at += 1;
                figures[at - 1]
            })
        };
        let mut rounds = Rounds::new(3, None);
        rounds.case(
            "cache",
            "x",
            "ns",
            vec![contestant("ours", &[99.0, 1.0, 2.0, 3.0]), contestant("peer", &[99.0, 4.0, 4.0, 8.0])],
        );
        assert_eq!(*order.borrow(), ["ours", "peer", "peer", "ours", "peer", "ours", "ours", "peer"]);
        let bench = rounds.finish().remove(0);
        assert_eq!((bench.ours, bench.peers[0].value, bench.peers[0].ratio), (2.0, 4.0, 2.0));
    }

    #[test]
    fn nobody_always_follows_the_same() {
        let order = |round| (0..4).map(|turn| whose_turn(round, turn, 4)).collect::<Vec<_>>();
        assert_eq!([0, 1, 2, 3].map(order), [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0], [0, 3, 2, 1]]);
    }

    #[test]
    fn one_piece_of_work_may_have_several_figures() {
        let mut rounds = Rounds::new(2, None);
        let ours = Contestant::of_many("ours", || vec![10.0, 2.0]);
        let peer = Contestant::of_many("peer", || vec![5.0, 1.0]);
        rounds.cases("storage", &[("up", "MB/s"), ("up, CPU", "s/GiB")], vec![ours, peer]);
        let benches = rounds.finish();
        assert_eq!((benches[0].ours, benches[0].peers[0].ratio), (10.0, 2.0));
        // Seconds of work a GiB: less is better, though a slash is in it.
        assert_eq!((benches[1].unit.as_str(), benches[1].peers[0].ratio), ("s/GiB", 0.5));
    }

    #[test]
    fn long_work_has_few_rounds_and_all_of_them_count() {
        let mut turns = 0.0;
        let mut rounds = Rounds::new(9, None);
        let ours = Contestant::new("ours", || {
            turns += 1.0;
            turns
        });
        rounds.long_case(3, "storage", "1 GiB", "s", vec![ours]);
        assert_eq!(rounds.finish()[0].ours, 2.0);
        assert_eq!(turns, 3.0);
    }

    #[test]
    fn of_the_figures_of_one_piece_of_work_only_the_wanted_are_told() {
        let mut rounds = Rounds::new(1, Some("down".into()));
        let ours = Contestant::of_many("ours", || vec![1.0, 2.0]);
        rounds.cases("storage", &[("up", "MB/s"), ("down", "MB/s")], vec![ours]);
        let benches = rounds.finish();
        assert_eq!((benches.len(), benches[0].name.as_str(), benches[0].ours), (1, "down", 2.0));
    }

    #[test]
    fn who_is_told_apart_takes_turns_but_is_no_peer() {
        let mut rounds = Rounds::new(1, None);
        let noise = Contestant::new("noise", || 0.5).apart();
        let contestants = vec![noise, Contestant::new("ours", || 2.0), Contestant::new("peer", || 4.0)];
        rounds.case("pipeline", "added", "ns", contestants);
        let benches = rounds.finish();
        assert_eq!((benches[0].name.as_str(), benches[0].ours, benches[0].peers.len()), ("added", 2.0, 1));
        assert_eq!((benches[1].name.as_str(), benches[1].ours), ("added: noise", 0.5));
        assert!(benches[1].peers.is_empty());
    }

    #[test]
    fn a_case_that_is_not_asked_for_is_not_measured() {
        let mut rounds = Rounds::new(1, Some("get".into()));
        rounds.case("cache", "set", "ns", vec![Contestant::new("ours", || panic!("measured"))]);
        assert!(rounds.finish().is_empty());
    }
}
