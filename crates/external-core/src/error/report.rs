//! How an error is printed: one line for logs, the whole chain for people.

use std::error::Error as _;
use std::fmt;

use super::{Error, Retry};

/// The pipeline's word for an error after which repeating the call might do it twice.
const NOT_SAFE: &str = "not_safe";

impl fmt::Display for Error {
    /// `storage.get on s3: not_found: no object at this key (key=a/b)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation() {
            write!(f, "{operation}")?;
        }
        match (self.operation(), self.provider()) {
            (Some(_), Some(provider)) => write!(f, " on {provider}: ")?,
            (None, Some(provider)) => write!(f, "{provider}: ")?,
            (Some(_), None) => write!(f, ": ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", self.kind(), self.message())?;
        let mut open = false;
        let mut pair = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            write!(f, "{}{name}={value}", if open { ", " } else { " (" })?;
            open = true;
            Ok::<_, fmt::Error>(())
        };
        for (name, value) in self.context() {
            pair(f, name, &value)?;
        }
        if let Some(code) = self.vendor_code() {
            pair(f, "code", &code)?;
        }
        if let Some(status) = self.http_status() {
            pair(f, "status", &status)?;
        }
        if let Some(id) = self.request_id() {
            pair(f, "request_id", &id)?;
        }
        if self.attempts() > 1 {
            pair(f, "attempts", &self.attempts())?;
        }
        // An answer that trying again does not change says so by itself, and a refusal which layer it came from.
        if let Some(reason) = self.ended_by().filter(|_| self.attempts() > 0 && self.retry() != Retry::Never)
        {
            pair(f, "ended_by", &reason)?;
        }
        if open {
            write!(f, ")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report())
    }
}

impl Error {
    /// The error and everything beneath it, over several lines, with effect and retry advice.
    #[must_use]
    pub fn report(&self) -> String {
        let retry = match (self.retry(), self.ended_by()) {
            (Retry::Never, _) => "never".to_owned(),
            // Of use it would be; the pipeline does not, and whoever does looks first.
            (_, Some(NOT_SAFE)) => "not unseen, for it may have taken effect already".to_owned(),
            (Retry::Backoff, _) => "with backoff".to_owned(),
            (Retry::After(delay), _) => format!("after {delay:?}"),
        };
        let mut text = format!("{self}\n  effect: {}; retry: {retry}", self.effect());
        if let Some(elapsed) = self.elapsed() {
            text.push_str(&format!("; {} attempt(s) in {elapsed:?}", self.attempts()));
        }
        if let Some(reason) = self.ended_by() {
            text.push_str(&format!(", ended by {reason}"));
        }
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  caused by: {cause}"));
            source = cause.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Operation, Repeat};

    #[test]
    fn display_is_one_line_without_the_source() {
        let error = Error::not_found("no object at this key")
            .with_context("key", "a/b")
            .with_provider("local")
            .with_operation(Operation::new("storage", "get", Repeat::Safe))
            .with_source(std::io::Error::other("disk says no"));
        assert_eq!(error.to_string(), "storage.get on local: not_found: no object at this key (key=a/b)");
        assert!(error.report().ends_with("caused by: disk says no"));
        assert_eq!(format!("{error:?}"), error.report());
    }

    #[test]
    fn attempts_are_told_where_there_were_several() {
        let error =
            |attempts| Error::timeout("late").with_attempts(attempts, std::time::Duration::from_secs(2));
        assert_eq!(error(1).to_string(), "timeout: late");
        assert_eq!(error(2).to_string(), "timeout: late (attempts=2)");
        assert!(error(1).report().contains("1 attempt(s) in 2s"));
    }

    #[test]
    fn what_ended_the_attempts_is_told_unless_the_answer_says_it() {
        let ended = |error: Error| {
            error.with_attempts(1, std::time::Duration::from_secs(2)).with_ended_by("not_safe")
        };
        let late = ended(Error::timeout("late"));
        assert_eq!(late.to_string(), "timeout: late (ended_by=not_safe)");
        assert!(late.report().contains("1 attempt(s) in 2s, ended by not_safe"));
        assert!(late.report().contains("retry: not unseen, for it may"), "{}", late.report());
        assert!(
            ended(Error::timeout("late")).with_ended_by("budget").report().contains("retry: with backoff")
        );
        let gone = ended(Error::not_found("gone"));
        assert_eq!(gone.to_string(), "not_found: gone");
        assert!(gone.report().contains("ended by not_safe"));
    }
}
