//! What can go wrong on a connection, and the rules that say when it does.

use std::time::Duration;

use crate::{Damage, Garbage};

/// What goes wrong. "The answer" is what the server says next after the moment that the [`Rule`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// What the client just said never reaches the server: the connection ends.
    LoseRequest(End),
    /// The server gets the request; the connection ends in place of the answer.
    LoseAnswer(End),
    /// The server gets the request; in place of the answer its direction of the connection ends. The other one stays
    /// open: the client may go on talking.
    HalfClose,
    /// Nothing passes any more, in neither direction, and the connection stays open.
    Blackhole,
    /// The beginning of the answer passes, then the connection ends.
    Truncate(Length),
    /// The beginning of the answer passes, then nothing more comes. The connection stays open.
    Stall(Length),
    /// The answer comes, so much later.
    Late(Duration),
    /// The answer comes a byte at a time, with so long a wait behind each.
    Drip(Duration),
    /// Something else in place of the answer, then the connection ends.
    Garbage(Garbage),
    /// The answer with some of its bytes replaced, then the connection ends.
    Damage(Damage),
    /// The beginning of the answer, then so many bytes of filler as fast as the client takes them, then the end.
    Flood {
        /// How much of the answer passes.
        after: Length,
        /// How many bytes of filler the client could get.
        bytes: usize,
    },
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: the other side reads to the end.
    Close,
    /// With a reset: the other side reads and writes errors.
    Reset,
}

/// How much of an answer passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes, or all that there are.
    Bytes(usize),
    /// At least one byte and not all of them, as the seed has it; none of an answer of one byte.
    Drawn,
}

impl Length {
    pub(super) fn of(self, whole: usize, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.min(whole),
            Self::Drawn if whole > 1 => random.usize(1..whole),
            Self::Drawn => 0,
        }
    }
}

/// One line of a proxy's script: when something goes wrong, on which connection, and what.
///
/// ```
/// use external_simulator::{End, Fault, Rule};
///
/// let once = Rule::on_marker("order-17", Fault::LoseAnswer(End::Reset));
/// let third_connection = Rule::on_connect(Fault::Blackhole).on_connection(3);
/// let every_second_request = Rule::on_turn(2, Fault::HalfClose).always();
/// # let _ = (once, third_connection, every_second_request);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    moment: Moment,
    connection: Option<usize>,
    always: bool,
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Moment {
    Connect,
    Marker(Vec<u8>),
    Turn(u64),
}

/// What a client just said, as rules look at it.
pub(super) struct Said<'a> {
    /// The connection, counted from 1.
    pub(super) connection: usize,
    /// The turn, counted from 1 on each connection.
    pub(super) turn: u64,
    /// Whether the turn began with it.
    pub(super) begins: bool,
    /// All that the client said on this connection.
    pub(super) text: &'a [u8],
    /// How much of it had been said before.
    pub(super) before: usize,
}

impl Rule {
    /// As soon as a client connects: what it says first, or the server's greeting.
    #[must_use]
    pub fn on_connect(fault: Fault) -> Self {
        Self::at(Moment::Connect, fault)
    }

    /// When a client sends this text.
    #[must_use]
    pub fn on_marker(marker: impl AsRef<[u8]>, fault: Fault) -> Self {
        Self::at(Moment::Marker(marker.as_ref().to_vec()), fault)
    }

    /// At the client's turn of this number, counted from 1 on each connection: a turn begins where the client speaks first,
    /// or after the server did.
    #[must_use]
    pub fn on_turn(turn: u64, fault: Fault) -> Self {
        Self::at(Moment::Turn(turn), fault)
    }

    fn at(moment: Moment, fault: Fault) -> Self {
        Self { moment, connection: None, always: false, fault }
    }

    /// The same rule for one connection, counted from 1.
    #[must_use]
    pub fn on_connection(mut self, number: usize) -> Self {
        self.connection = Some(number);
        self
    }

    /// The same rule as often as its moment comes. Without it a rule is used up by the first time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    fn concerns(&self, connection: usize) -> bool {
        self.connection.is_none_or(|wanted| wanted == connection)
    }

    fn strikes_at(&self, said: &Said<'_>) -> bool {
        self.concerns(said.connection)
            && match &self.moment {
                Moment::Connect => false,
                Moment::Turn(turn) => said.begins && *turn == said.turn,
                Moment::Marker(marker) => {
                    // It may have begun in what was said before.
                    let from = said.before.saturating_sub(marker.len().saturating_sub(1));
                    occurrences(said.text.get(from..).unwrap_or_default(), marker) > 0
                }
            }
    }
}

/// The rules that are left.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<Rule>);

impl Script {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with a connection that was just opened.
    pub(super) fn on_connect(&mut self, connection: usize) -> Option<Fault> {
        self.take(|rule| rule.moment == Moment::Connect && rule.concerns(connection))
    }

    /// What goes wrong after this was said.
    pub(super) fn on_said(&mut self, said: &Said<'_>) -> Option<Fault> {
        self.take(|rule| rule.strikes_at(said))
    }

    fn take(&mut self, strikes: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let at = self.0.iter().position(strikes)?;
        Some(if self.0.get(at)?.always { self.0.get(at)?.fault } else { self.0.remove(at).fault })
    }
}

pub(super) fn occurrences(text: &[u8], marker: &[u8]) -> usize {
    if marker.is_empty() {
        return 0;
    }
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = rest.windows(marker.len()).position(|window| window == marker) {
        count += 1;
        rest = rest.get(at + marker.len()..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(turn: u64, begins: bool, text: &str, before: usize) -> Said<'_> {
        Said { connection: 2, turn, begins, text: text.as_bytes(), before }
    }

    #[test]
    fn a_rule_strikes_at_its_moment_alone_and_once() {
        let mut script = Script::default();
        script.add(Rule::on_turn(2, Fault::HalfClose));
        script.add(Rule::on_marker("m7", Fault::Blackhole));
        script.add(Rule::on_marker("all", Fault::LoseRequest(End::Close)).on_connection(1));
        assert_eq!(script.on_connect(2), None);
        assert_eq!(script.on_said(&said(1, true, "a m", 0)), None);
        assert_eq!(script.on_said(&said(1, false, "a m7", 3)), Some(Fault::Blackhole), "in two pieces");
        assert_eq!(script.on_said(&said(1, false, "a m7 m7", 5)), None, "used up");
        assert_eq!(script.on_said(&said(2, false, "x", 0)), None, "in the middle of the turn");
        assert_eq!(script.on_said(&said(2, true, "x", 0)), Some(Fault::HalfClose));
        assert_eq!(script.on_said(&said(3, true, "all", 0)), None, "another connection");
    }

    #[test]
    fn a_rule_may_hold_for_good() {
        let mut script = Script::default();
        script.add(Rule::on_connect(Fault::Blackhole).always());
        assert_eq!(
            (script.on_connect(1), script.on_connect(2)),
            (Some(Fault::Blackhole), Some(Fault::Blackhole))
        );
        script.clear();
        assert_eq!(script.on_connect(3), None);
    }

    #[test]
    fn a_drawn_length_leaves_something_out() {
        let mut random = fastrand::Rng::with_seed(7);
        for whole in 0..50 {
            let length = Length::Drawn.of(whole, &mut random);
            assert!(length < whole.max(1) && (length > 0 || whole < 2), "{length} of {whole}");
        }
        assert_eq!((Length::Bytes(9).of(4, &mut random), Length::Bytes(2).of(4, &mut random)), (4, 2));
    }
}
