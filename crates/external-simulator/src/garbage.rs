//! Answers that no server gives: what stands in the place of one, and what becomes of one, as a seed has it.

/// What comes in place of an answer. None of it is an answer in any protocol in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Garbage {
    /// Bytes without a meaning, and no UTF-8.
    Noise,
    /// Lines of words.
    Words,
    /// What opens lists, objects and elements, thousands of them within each other, and nothing that closes them.
    Nested,
}

impl Garbage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Noise, Self::Words, Self::Nested];

    /// Some of it.
    #[must_use]
    pub fn bytes(self, random: &mut fastrand::Rng) -> Vec<u8> {
        match self {
            // No text begins like that in UTF-8, and no reply, head or frame in what is spoken.
            Self::Noise => {
                std::iter::once(0xff).chain((0..random.usize(1..LONG)).map(|_| random.u8(..))).collect()
            }
            Self::Words => (0..random.usize(1..500)).flat_map(|_| line(random)).collect(),
            Self::Nested => random.choice(OPENERS).copied().unwrap_or(b"[").repeat(DEPTH),
        }
    }
}

const LONG: usize = 64 << 10;

/// Enough for any parser that calls itself once a level.
const DEPTH: usize = 100_000;

/// What opens something in JSON, RESP, XML and S-expressions.
const OPENERS: &[&[u8]] = &[b"[", b"{\"a\":", b"*1\r\n", b"<a>", b"("];

fn line(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut line: Vec<u8> = (0..random.usize(1..80))
        .map(|_| if random.u8(..6) > 0 { random.lowercase() } else { ' ' } as u8)
        .collect();
    // Behind a blank a line might look like a continuation.
    line.insert(0, b'q');
    line.extend_from_slice(b"\r\n");
    line
}

/// What is done to a true answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Some of its bytes become others.
    Bytes,
    /// Some of its digits become others: codes, numbers and lengths that lie.
    Numbers,
    /// What announces a kind of thing announces another: the first byte becomes another one of the answer's punctuation,
    /// digits or letters.
    Kinds,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bytes, Self::Numbers, Self::Kinds];

    /// Does it.
    pub fn inflict(self, answer: &mut [u8], random: &mut fastrand::Rng) {
        match self {
            Self::Bytes => {
                for _ in 0..=answer.len() / 16 {
                    if let Some(byte) = random.choice(answer.iter_mut()) {
                        *byte = byte.wrapping_add(random.u8(1..));
                    }
                }
            }
            Self::Numbers => {
                let mut digits: Vec<_> = answer.iter_mut().filter(|byte| byte.is_ascii_digit()).collect();
                for _ in 0..=digits.len() / 4 {
                    if let Some(digit) = random.choice(digits.iter_mut()) {
                        **digit = b'0' + (**digit - b'0' + random.u8(1..10)) % 10;
                    }
                }
            }
            Self::Kinds => {
                if let Some(first) = answer.first_mut() {
                    let others = KINDS.iter().filter(|kind| *kind != first);
                    *first = random.choice(others.copied().collect::<Vec<_>>()).unwrap_or(b'-');
                }
            }
        }
    }
}

/// What announces a kind of thing: RESP's types, the classes of SMTP's codes, openings of JSON and XML.
const KINDS: &[u8] = b"+-:$*_#,!=%~>(|245[{<\"n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        for kind in Garbage::ALL {
            let made = |seed| kind.bytes(&mut fastrand::Rng::with_seed(seed));
            assert_eq!(made(1), made(1));
            assert!((2..50).any(|seed| made(seed) != made(1)), "{kind:?}");
        }
    }

    #[test]
    fn noise_is_no_text_and_words_are_no_reply() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            assert!(std::str::from_utf8(&Garbage::Noise.bytes(&mut random)).is_err());
            assert!(Garbage::Words.bytes(&mut random).first().is_some_and(u8::is_ascii_lowercase));
        }
    }

    #[test]
    fn damage_changes_an_answer_and_keeps_its_length() {
        for seed in 0..50 {
            for kind in [Damage::Bytes, Damage::Kinds] {
                let mut answer = b"$5\r\nhello\r\n".to_vec();
                kind.inflict(&mut answer, &mut fastrand::Rng::with_seed(seed));
                assert!(answer != b"$5\r\nhello\r\n" && answer.len() == 11, "{kind:?} {seed}");
            }
            let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
            Damage::Numbers.inflict(&mut answer, &mut fastrand::Rng::with_seed(seed));
            assert!(answer.iter().filter(|byte| byte.is_ascii_digit()).count() == 5);
            Damage::Numbers.inflict(&mut [], &mut fastrand::Rng::with_seed(seed));
            Damage::Kinds.inflict(&mut [], &mut fastrand::Rng::with_seed(seed));
        }
    }
}
