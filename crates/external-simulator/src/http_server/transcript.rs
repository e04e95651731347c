//! What passed between a server and its clients.

use std::collections::VecDeque;

use http::StatusCode;

use super::HttpQuestion;

/// A question that came whole, and what was said to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpExchange {
    /// The question.
    pub question: HttpQuestion,
    /// The status that it was answered; `None` where the connection ended in place of the answer.
    pub status: Option<StatusCode>,
}

/// How many exchanges are remembered, and how much of their questions' bodies: the last ones.
const REMEMBERED: (usize, usize) = (1000, 16 << 20);

#[derive(Default)]
pub(super) struct Transcript {
    pub(super) exchanges: VecDeque<HttpExchange>,
    /// Of all their bodies.
    bytes: usize,
}

impl Transcript {
    pub(super) fn add(&mut self, exchange: HttpExchange) {
        self.bytes += exchange.question.body.len();
        self.exchanges.push_back(exchange);
        while self.exchanges.len() > REMEMBERED.0 || self.bytes > REMEMBERED.1 {
            let Some(oldest) = self.exchanges.pop_front() else { break };
            self.bytes -= oldest.question.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    #[test]
    fn old_questions_and_large_ones_are_forgotten() {
        let exchange = |path: &str, bytes| HttpExchange {
            question: HttpQuestion::new(Method::PUT, path, HeaderMap::new(), vec![0; bytes]),
            status: None,
        };
        let oldest =
            |transcript: &Transcript| transcript.exchanges.front().map(|one| one.question.target.clone());
        let mut transcript = Transcript::default();
        for at in 0..1002 {
            transcript.add(exchange(&at.to_string(), 1));
        }
        assert_eq!((transcript.exchanges.len(), oldest(&transcript).as_deref()), (1000, Some("2")));
        transcript.add(exchange("large", REMEMBERED.1 - 1));
        assert_eq!((transcript.exchanges.len(), oldest(&transcript).as_deref()), (2, Some("1001")));
        transcript.add(exchange("too large", REMEMBERED.1 + 1));
        assert_eq!((transcript.exchanges.len(), transcript.bytes), (0, 0));
    }
}
