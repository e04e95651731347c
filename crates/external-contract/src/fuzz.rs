//! Fuzzing on stable Rust: bytes that nearly fit, so many cases, in an ordinary test.
//!
//! What is read by hand (a header field, a signature, a document) gets a [`Fuzz`]: it makes inputs of the words of the
//! format, of examples that are changed a little, and of noise. An input that fails is shortened, and told with what runs
//! it again.
//!
//! A fuzzer that learns which inputs reach new code (libFuzzer) needs a nightly compiler and instrumented builds. These
//! formats are small, and with their words in a dictionary a few thousand cases reach every branch: they run wherever
//! `cargo test` does. Say in the test what holds of every input, not only that nobody falls: what comes out is within its
//! limits, an error shows nothing of the input, nobody is believed.
//!
//! ```
//! use external_contract::fuzz::Fuzz;
//!
//! fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
//!     let at = text.iter().position(|byte| *byte == b'=')?;
//!     Some((&text[..at], &text[at + 1..]))
//! }
//!
//! Fuzz::of("pair").with_words(&["=", "key", "\""]).with_example("key=value").run(|input| {
//!     if let Some((name, value)) = pair(input) {
//!         assert_eq!(name.len() + 1 + value.len(), input.len());
//!     }
//! });
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `EXTERNAL_FUZZ_CASES` | so many cases, whatever the test says |
//! | `EXTERNAL_CONTRACT_SEED` | decides what is drawn; a failure tells it |

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::{Index, select};
use proptest::strategy::{BoxedStrategy, Strategy, Union};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::chance::{self, hashed};
use crate::harness::variable;

/// What is tried on one reader.
#[derive(Debug, Clone)]
pub struct Fuzz {
    name: &'static str,
    words: Vec<Vec<u8>>,
    examples: Vec<Vec<u8>>,
    cases: u32,
}

impl Fuzz {
    /// 5,000 cases of noise, until there are words and examples.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        Self { name, words: Vec::new(), examples: Vec::new(), cases: 5_000 }
    }

    /// Adds what inputs of this format are made of, and what nearly is.
    #[must_use]
    pub fn with_words<T: AsRef<[u8]>>(mut self, words: &[T]) -> Self {
        self.words.extend(words.iter().map(|word| word.as_ref().to_vec()));
        self
    }

    /// Adds an input that is tried as it is, and changed a little: one as it should be, or one that once failed.
    #[must_use]
    pub fn with_example(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.examples.push(input.into());
        self
    }

    /// Tries so many inputs.
    #[must_use]
    pub fn with_cases(mut self, cases: u32) -> Self {
        self.cases = cases;
        self
    }

    /// Tries them.
    ///
    /// # Panics
    ///
    /// If `test` does: with its message, the shortest input that was found, and what runs it again.
    #[allow(clippy::panic, reason = "it is the test that has failed")]
    pub fn run(self, test: impl Fn(&[u8])) {
        for example in &self.examples {
            test(example);
        }
        let told = variable("EXTERNAL_FUZZ_CASES").and_then(|cases| cases.parse().ok());
        let cases = told.unwrap_or(self.cases);
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let seed = chance::seed();
        let mut runner = TestRunner::new_with_rng(config, chance::drawing(seed ^ hashed(&self.name)));
        let tried = runner.run(&self.inputs(), |input| {
            test(&input);
            Ok::<(), TestCaseError>(())
        });
        match tried {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!(
                "{}: {why}\n  the shortest input: b\"{input}\"\n  `.with_example(b\"{input}\")` keeps it; \
                 EXTERNAL_CONTRACT_SEED={seed} draws the same {cases} cases again",
                self.name,
                input = input.escape_ascii(),
            ),
            Err(TestError::Abort(why)) => panic!("{}: nothing could be drawn: {why}", self.name),
        }
    }

    fn inputs(&self) -> BoxedStrategy<Vec<u8>> {
        let mut kinds = vec![(1, vec(any::<u8>(), 0..200).boxed())];
        let mut pieces = vec![(1, vec(any::<u8>(), 0..6).boxed())];
        if !self.words.is_empty() {
            let word = select(self.words.clone());
            pieces.push((12, word.clone().boxed()));
            // Depth and length: where somebody counts, or calls itself.
            pieces.push((1, (word, 0..300_usize).prop_map(|(word, times)| word.repeat(times)).boxed()));
        }
        let piece = Union::new_weighted(pieces).boxed();
        if !self.words.is_empty() {
            kinds.push((5, vec(piece.clone(), 0..40).prop_map(|pieces| pieces.concat()).boxed()));
        }
        if !self.examples.is_empty() {
            let change = (0..6_u8, any::<Index>(), any::<Index>(), piece);
            let changed = (select(self.examples.clone()), vec(change, 0..5))
                .prop_map(|(example, changes)| changes.iter().fold(example, changed));
            kinds.push((5, changed.boxed()));
        }
        Union::new_weighted(kinds).boxed()
    }
}

/// What is done to an example: from one place to another one, with a piece.
type Change = (u8, Index, Index, Vec<u8>);

fn changed(mut input: Vec<u8>, (kind, from, to, piece): &Change) -> Vec<u8> {
    let place = |index: &Index| index.index(input.len() + 1);
    let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
    match kind {
        0 => input.truncate(from),
        1 => drop(input.drain(from..to)),
        2 => drop(input.splice(from..from, piece.iter().copied())),
        3 => drop(input.splice(from..to, piece.iter().copied())),
        4 => {
            let again = input[from..to].to_vec();
            drop(input.splice(to..to, again));
        }
        _ => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= piece.first().map_or(1, |bits| *bits.max(&1));
            }
        }
    }
    input
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn every_example_and_as_many_cases_as_told_are_tried() {
        let tried = Cell::new(0);
        Fuzz::of("counted")
            .with_cases(300)
            .with_example("a")
            .with_example("b")
            .run(|_| tried.set(tried.get() + 1));
        assert_eq!(tried.get(), 302);
    }

    #[test]
    fn what_only_words_or_changed_examples_reach_is_found_and_shortened() {
        let fails = |fuzz: Fuzz, bad: &'static str| {
            let run =
                || fuzz.run(|input| assert!(!String::from_utf8_lossy(input).contains(bad), "{bad} is in it"));
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            panic.downcast::<String>().map_or_else(|_| String::new(), |told| *told)
        };
        let told = fails(Fuzz::of("words").with_words(&["<open", "close>", "other"]), "close><open");
        assert!(told.contains("the shortest input: b\"close><open\"") && told.contains("_SEED="), "{told}");
        let told = fails(Fuzz::of("examples").with_example("key=value;more").with_words(&["??"]), "key=??");
        assert!(told.contains("key=?? is in it"), "{told}");
    }

    #[test]
    fn one_seed_draws_the_same_inputs() {
        let drawn = || {
            let inputs = RefCell::new(Vec::new());
            let fuzz = Fuzz::of("drawn").with_cases(20).with_words(&["a", "b"]);
            fuzz.run(|input| inputs.borrow_mut().push(input.to_vec()));
            inputs.into_inner()
        };
        assert_eq!(drawn(), drawn());
    }
}
