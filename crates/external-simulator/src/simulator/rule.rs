//! What goes wrong, and when.

use std::time::Duration;

use http::Method;

use super::route::fits;
use crate::{HttpAnswer, HttpQuestion};

/// What goes wrong.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HttpFault {
    /// This is answered, and nothing takes effect.
    Answer(HttpAnswer),
    /// The connection ends, and nothing takes effect.
    LoseRequest,
    /// It takes effect, and the connection ends in place of the answer.
    LoseAnswer,
    /// It takes effect, and the answer comes so much later.
    Late(Duration),
}

/// When something goes wrong: the next time that this is asked, unless [`after`](Self::after) and [`times`](Self::times) say
/// otherwise. What goes wrong below HTTP is a [`Proxy`](crate::Proxy)'s.
#[derive(Debug, Clone)]
pub struct HttpRule {
    method: Method,
    form: &'static str,
    fault: HttpFault,
    spared: usize,
    left: usize,
}

impl HttpRule {
    /// On this method, on paths of this form, as a route has it.
    #[must_use]
    pub fn on(method: Method, form: &'static str, fault: HttpFault) -> Self {
        Self { method, form, fault, spared: 0, left: 1 }
    }

    /// Spares so many questions first.
    #[must_use]
    pub fn after(mut self, questions: usize) -> Self {
        self.spared = questions;
        self
    }

    /// Happens so many times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    fn strikes(&mut self, question: &HttpQuestion) -> bool {
        if self.left == 0 || self.method != question.method || fits(self.form, question.path()).is_none() {
            return false;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return false;
        }
        self.left -= 1;
        true
    }
}

/// What goes wrong with this question.
pub(super) fn next(rules: &mut Vec<HttpRule>, question: &HttpQuestion) -> Option<HttpFault> {
    let fault = rules.iter_mut().find_map(|rule| rule.strikes(question).then(|| rule.fault.clone()));
    rules.retain(|rule| rule.left > 0);
    fault
}
