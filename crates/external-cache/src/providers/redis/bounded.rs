//! A connection on which no answer may be larger than configured: a server that never ends one does not fill our memory.
//! And one that ends in the middle of an answer says so. Nor may there be more answers than questions: whoever went on behind
//! one would take what belongs to another call for its own.
//!
//! The library keeps an answer until it is whole, however large, and looks for the end of a line from near its beginning
//! whenever a piece has come. So the pieces are measured before the library sees them: lengths are believed when they are
//! announced, so that what will not fit is refused before it has come, and a line that does not end is ended here.
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use ::redis::RedisError;
use external_core::Sharded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a value costs in memory beside its bytes: a list of ten million numbers is small only on the wire.
const EACH: u64 = 64;

/// The longest line that may announce a length. A number of 64 bits has 20 digits.
const HEAD: usize = 32;

/// The longest line at all: a status, a number, the text of an error. Values have announced lengths instead.
pub(super) const LINE: usize = 1 << 20;

/// The connection, which fails once an answer is larger than that, or is one to nothing.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    inner: S,
    most: u64,
    answer: Answer,
    asked: Arc<Asked>,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, most: u64) -> Self {
        Self { inner, most, answer: Answer::default(), asked: Arc::default() }
    }

    /// Where questions are counted.
    pub(super) fn asked(&self) -> Arc<Asked> {
        self.asked.clone()
    }
}

/// How many questions there were, counted where they are asked, by thread. Before the count begins anything may come.
#[derive(Debug, Default)]
pub(super) struct Asked {
    is_counted: AtomicBool,
    questions: Sharded<AtomicU64>,
}

impl Asked {
    /// From here on there is no answer without a question. All that was asked until now has its answer.
    pub(super) fn begin(&self) {
        self.is_counted.store(true, Ordering::Release);
    }

    /// So many more are about to leave: the count is never behind what has.
    #[inline]
    pub(super) fn ask(&self, questions: u64) {
        self.questions.here().fetch_add(questions, Ordering::Relaxed);
    }

    fn all(&self) -> u64 {
        self.questions.iter().map(|shard| shard.load(Ordering::Relaxed)).sum()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, most, answer, asked } = &mut *self;
        let before = buffer.filled().len();
        ready!(Pin::new(inner).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() && buffer.remaining() > 0 && !answer.is_whole() {
            // The library would say that it cannot be understood, which is no fault of the server's words.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut grown = answer.grow(fresh, *most);
        if !asked.is_counted.load(Ordering::Acquire) {
            answer.ended = 0;
        } else if answer.begun() > asked.all() {
            grown = Err(Refusal::NotAsked);
        }
        Poll::Ready(grown.map_err(|refusal| io::Error::new(io::ErrorKind::InvalidData, refusal)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Why a connection was ended from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// An answer is larger than this.
    TooLarge(u64),
    /// A line of an answer is longer than any.
    EndlessLine,
    /// Nobody has asked for this answer.
    NotAsked,
}

impl Refusal {
    /// What ended a connection, if that was this side.
    pub(super) fn of(error: &RedisError) -> Option<Self> {
        error
            .source()
            .and_then(|source| source.downcast_ref::<Arc<dyn StdError + Send + Sync>>())
            .and_then(|shared| shared.downcast_ref::<io::Error>())
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<Self>())
            .copied()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(most) => write!(f, "an answer is larger than {most} bytes"),
            Self::EndlessLine => write!(f, "a line of an answer is longer than {LINE} bytes"),
            Self::NotAsked => f.write_str("there are more answers than questions"),
        }
    }
}

impl StdError for Refusal {}

/// The answer under way, as far as it has come. Between answers all is zero, but for how many there were.
#[derive(Debug, Default)]
struct Answer {
    /// How many came before it.
    ended: u64,
    /// What it costs, what was announced included.
    cost: u64,
    /// The values still to come behind the one under way.
    behind: u64,
    /// The bytes still to come of a value whose length was announced, its line end included.
    rest: u64,
    /// The beginning of the line under way: its kind, and a number.
    head: Vec<u8>,
    /// How much of the line under way has come.
    length: usize,
    /// Its last byte.
    last: u8,
    /// Nothing can be told apart any more: the library will say so, and until it does all is one answer.
    is_lost: bool,
}

impl Answer {
    fn grow(&mut self, mut bytes: &[u8], most: u64) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let taken = match usize::try_from(self.rest) {
                _ if self.is_lost => self.charge(bytes.len()),
                Ok(0) => self.line(bytes),
                rest => {
                    let taken = rest.map_or(bytes.len(), |rest| rest.min(bytes.len()));
                    self.rest -= taken as u64;
                    taken
                }
            };
            if self.cost > most {
                return Err(Refusal::TooLarge(most));
            }
            if self.length > LINE {
                return Err(Refusal::EndlessLine);
            }
            if self.is_whole() {
                self.cost = 0;
                self.ended += 1;
            }
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// How many have begun, those that have ended included.
    fn begun(&self) -> u64 {
        self.ended + u64::from(!self.is_whole())
    }

    /// Whether what comes next is another answer.
    fn is_whole(&self) -> bool {
        self.rest == 0 && self.behind == 0 && self.head.is_empty() && !self.is_lost
    }

    /// What the line under way takes of these bytes. It ends where the library says that it ends.
    fn line(&mut self, bytes: &[u8]) -> usize {
        if self.head.is_empty() {
            self.behind = self.behind.saturating_sub(1);
        }
        let mut before = self.last;
        let end =
            bytes.iter().position(|byte| std::mem::replace(&mut before, *byte) == b'\r' && *byte == b'\n');
        self.last = before;
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let room = HEAD.saturating_sub(self.head.len()).min(taken);
        self.head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.charge(taken);
        self.length += taken;
        if end.is_some() && self.length <= LINE {
            self.value();
            (self.length, self.last) = (0, 0);
            self.head.clear();
        }
        taken
    }

    /// A line is whole: what is announced by it.
    fn value(&mut self) {
        let Some((kind, number)) = self.head.split_first() else { return };
        let whole = number.strip_suffix(b"\r\n").and_then(|number| std::str::from_utf8(number).ok());
        let number = whole.and_then(|number| number.trim().parse::<i64>().ok());
        let count = number.and_then(|number| u64::try_from(number).ok());
        let (values, bytes) = match (*kind, number, count) {
            (b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(', ..) => (0, 0),
            // None, by a negative length.
            (b'$' | b'*' | b'~' | b'>', Some(..0), _) => (0, 0),
            (b'$' | b'=' | b'!', _, Some(length)) => (0, length.saturating_add(2)),
            (b'*' | b'~' | b'>', _, Some(count)) => (count, 0),
            (b'%', _, Some(pairs)) => (pairs.saturating_mul(2), 0),
            (b'|', _, Some(pairs)) => (pairs.saturating_mul(2).saturating_add(1), 0),
            _ => {
                self.is_lost = true;
                return;
            }
        };
        self.rest = bytes;
        self.behind = self.behind.saturating_add(values);
        self.cost = self.cost.saturating_add(bytes).saturating_add(values.saturating_mul(EACH));
    }

    fn charge(&mut self, bytes: usize) -> usize {
        self.cost = self.cost.saturating_add(bytes as u64);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers of every kind, and what each costs.
    const ANSWERS: &[(&str, u64)] = &[
        ("+OK\r\n", 5),
        ("+a\nb\rc\r\n", 8),
        ("-ERR no\r\n", 9),
        ("$-1\r\n", 5),
        ("$0\r\n\r\n", 6),
        ("$3\r\na\r\n\r\n", 9),
        ("*-1\r\n", 5),
        ("*0\r\n", 4),
        ("*2\r\n$1\r\na\r\n*1\r\n:7\r\n", 4 + 2 * EACH + 7 + 4 + EACH + 4),
        ("%1\r\n+a\r\n_\r\n", 4 + 2 * EACH + 4 + 3),
        ("|1\r\n+a\r\n#t\r\n:1\r\n", 4 + 3 * EACH + 4 + 4 + 4),
        ("~1\r\n,1.5\r\n", 4 + EACH + 6),
        (">2\r\n+a\r\n=5\r\ntxt:b\r\n", 4 + 2 * EACH + 4 + 11),
        ("!3\r\nERR\r\n", 9),
        ("(123456789012345678901234567890123456789012345678\r\n", 51),
    ];

    /// In pieces of this many bytes.
    fn fits(text: &[u8], most: u64, piece: usize) -> bool {
        let mut answer = Answer::default();
        text.chunks(piece).all(|piece| answer.grow(piece, most).is_ok())
    }

    #[test]
    fn each_answer_is_measured_by_itself_however_it_is_cut() {
        for (text, cost) in ANSWERS {
            assert!(::redis::parse_redis_value(text.as_bytes()).is_ok(), "{text:?}");
            let many = text.repeat(3);
            for piece in [1, 2, 3, 7, many.len()] {
                assert!(fits(many.as_bytes(), *cost, piece), "{text:?} in pieces of {piece}");
                assert!(!fits(many.as_bytes(), cost - 1, piece), "{text:?} in pieces of {piece}");
            }
        }
        let all: String = ANSWERS.iter().map(|(text, _)| *text).collect();
        let largest = ANSWERS.iter().map(|(_, cost)| *cost).max().unwrap();
        assert!(fits(all.as_bytes(), largest, 5));
    }

    /// What a connection says on which these pieces come, each after so many more questions.
    async fn heard(pieces: &[(u64, &str)]) -> io::Result<()> {
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let mut bounded = Bounded::new(ours, 1000);
        let asked = bounded.asked();
        let mut buffer = [0; 100];
        for (at, (questions, piece)) in pieces.iter().enumerate() {
            asked.ask(*questions);
            theirs.write_all(piece.as_bytes()).await?;
            bounded.read_exact(&mut buffer[..piece.len()]).await?;
            // The login.
            if at == 0 {
                asked.begin();
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn there_are_no_more_answers_than_questions() {
        let login = (0, "+OK\r\n");
        for pieces in [
            &[login, (1, ":1\r\n"), (2, ":1\r\n$2\r\nab"), (0, "\r\n"), (1, "*2\r\n:1\r\n:2\r\n")][..],
            // Asked, and given up before it left.
            &[login, (2, ":1\r\n"), (1, ":1\r\n")],
        ] {
            heard(pieces).await.unwrap();
        }
        for pieces in [
            &[login, (1, ":1\r\n:2\r\n")][..],
            &[login, (1, ":1\r\n"), (0, ":2\r\n")],
            // Half of one: what the next call gets would be put to it.
            &[login, (1, "*1\r\n:1\r\n$5\r\na")],
            &[login, (0, "-")],
        ] {
            let refused = heard(pieces).await.unwrap_err();
            let refusal = refused.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
            assert_eq!(refusal, Some(&Refusal::NotAsked), "{pieces:?}");
        }
    }

    #[test]
    fn what_is_announced_is_not_waited_for() {
        for text in
            ["$1001\r\n", "*16\r\n", "*1\r\n%8\r\n", "=9223372036854775807\r\n", "*9223372036854775807\r\n"]
        {
            assert!(!fits(text.as_bytes(), 1000, 1), "{text:?}");
        }
    }

    #[test]
    fn a_line_ends_or_is_ended() {
        let line = |length: usize| format!("+{}\r\n", "a".repeat(length - 3)).into_bytes();
        for piece in [1000, LINE, 2 * LINE] {
            let grow = |text: &[u8]| {
                let mut answer = Answer::default();
                text.chunks(piece).try_for_each(|piece| answer.grow(piece, u64::MAX))
            };
            assert_eq!(grow(&line(LINE).repeat(2)), Ok(()), "in pieces of {piece}");
            assert_eq!(grow(&line(LINE + 1)), Err(Refusal::EndlessLine), "in pieces of {piece}");
            assert_eq!(
                grow(&"+".repeat(LINE + 1).into_bytes()),
                Err(Refusal::EndlessLine),
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_one_answer() {
        for text in
            ["what\r\n", "$5x\r\n", "$00000000000000000000000000000000000000000000000000001\r\n", "%-1\r\n"]
        {
            assert!(fits(text.as_bytes(), 100, 1), "{text:?}");
            assert!(!fits(text.repeat(30).as_bytes(), 100, 1), "{text:?}");
        }
        // No line ends with a line feed alone: what follows is no answer of its own.
        assert!(!fits("+a\n".repeat(40).as_bytes(), 100, 3));
    }
}
