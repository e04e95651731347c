//! Looks for secrets in text as it is written, whatever its length: no more than a window of it is kept.

use std::fmt::{self, Write};

use aho_corasick::{AhoCorasick, MatchKind};

use super::encodings::forms;

/// What is shown of the text before a find.
const CONTEXT: usize = 30;
/// How much text is gathered before it is looked at.
const WINDOW: usize = 16 << 10;

/// Every form of every secret of a case.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    secrets: Vec<(String, String)>,
    forms: Vec<Form>,
    automaton: Option<AhoCorasick>,
    longest: usize,
}

#[derive(Debug)]
struct Form {
    encoding: &'static str,
    /// What the secret is called.
    of: String,
}

/// A secret that was found, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Find {
    pub(super) of: String,
    pub(super) encoding: &'static str,
    /// What stands before it.
    pub(super) context: String,
}

impl Matcher {
    /// The same, and one more. `None` if it is known already.
    pub(super) fn with(&self, name: &str, secret: &str) -> Option<Self> {
        if self.secrets.iter().any(|(_, known)| known == secret) {
            return None;
        }
        let mut secrets = self.secrets.clone();
        secrets.push((name.to_owned(), secret.to_owned()));
        let mut texts = Vec::new();
        let mut all = Vec::new();
        for (name, secret) in &secrets {
            for (encoding, text) in forms(secret) {
                texts.push(text);
                all.push(Form { encoding, of: name.clone() });
            }
        }
        let longest = texts.iter().map(String::len).max().unwrap_or(0);
        // No form is empty and there are few of them, so this cannot fail.
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&texts).ok();
        Some(Self { secrets, forms: all, automaton, longest })
    }

    /// The text with what it shows of secrets replaced.
    pub(super) fn masked(&self, text: &str) -> String {
        let Some(automaton) = &self.automaton else { return text.to_owned() };
        let mut masked = String::new();
        let mut from = 0;
        for found in automaton.find_iter(text) {
            masked.push_str(text.get(from..found.start()).unwrap_or_default());
            masked.push_str("***");
            from = found.end();
        }
        masked.push_str(text.get(from..).unwrap_or_default());
        masked
    }

    /// What is found in what `write` writes.
    pub(super) fn search(&self, write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> Vec<Find> {
        let mut search = Search { matcher: self, window: String::new(), done: 0, finds: Vec::new() };
        // A Debug that fails half-way has shown what it wrote.
        let _ = write(&mut search);
        search.look(true);
        search.finds
    }
}

struct Search<'a> {
    matcher: &'a Matcher,
    window: String,
    /// Up to where the window was looked at.
    done: usize,
    finds: Vec<Find>,
}

impl Write for Search<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A long text comes in pieces, or the window would be as long.
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(floor(rest, WINDOW));
            self.window.push_str(piece);
            rest = after;
            if self.window.len() >= WINDOW {
                self.look(false);
            }
        }
        Ok(())
    }
}

impl Search<'_> {
    fn look(&mut self, is_last: bool) {
        let Some(automaton) = &self.matcher.automaton else {
            return self.window.clear();
        };
        let mut shown = 0;
        let mut end = self.done;
        for found in automaton.find_iter(self.window.get(self.done..).unwrap_or_default()) {
            let (from, to) = (self.done + found.start(), self.done + found.end());
            let form = &self.matcher.forms[found.pattern().as_usize()];
            let before = self.window.get(shown..from).unwrap_or_default();
            let context =
                before.get(ceil(before, before.len().saturating_sub(CONTEXT))..).unwrap_or_default();
            let find = Find {
                of: form.of.clone(),
                encoding: form.encoding,
                context: context.replace(['\n', '\r'], " "),
            };
            let is_known = |known: &Find| known.of == find.of && known.encoding == find.encoding;
            if !self.finds.iter().any(is_known) {
                self.finds.push(find);
            }
            (shown, end) = (to, to);
        }
        if is_last {
            return;
        }
        // A form may have begun at the end of the window.
        let begun = self.window.len().saturating_sub(self.matcher.longest.saturating_sub(1));
        self.done = ceil(&self.window, begun.max(end));
        // What was found is not kept as anybody's context.
        let kept = ceil(&self.window, self.done.saturating_sub(CONTEXT).max(end));
        self.window.drain(..kept);
        self.done -= kept;
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher() -> Matcher {
        Matcher::default().with("password", "hunter-2").and_then(|one| one.with("key", "geheim/9")).unwrap()
    }

    #[test]
    fn finds_what_lies_across_windows() {
        let matcher = matcher();
        for before in WINDOW - 12..WINDOW + 4 {
            let finds = matcher.search(|out| {
                for _ in 0..before {
                    out.write_char('é')?;
                }
                for piece in ["hun", "ter", "-2 and ", "676568", "65696d2f39"] {
                    out.write_str(piece)?;
                }
                Ok(())
            });
            let found: Vec<_> = finds.iter().map(|find| (find.of.as_str(), find.encoding)).collect();
            assert_eq!(found, [("password", "plain"), ("key", "hex")], "{before}");
            assert!(finds.iter().all(|find| !find.context.contains("hunter")), "{finds:?}");
        }
    }

    #[test]
    fn keeps_no_more_than_a_window() {
        let matcher = matcher();
        let mut search = Search { matcher: &matcher, window: String::new(), done: 0, finds: Vec::new() };
        search.write_str(&"x".repeat(1 << 20)).unwrap();
        assert!(search.window.capacity() <= 4 * WINDOW, "{}", search.window.capacity());
    }

    #[test]
    fn masks_every_form() {
        let masked = matcher().masked("é hunter-2 geheim%2F9, 67656865696d2f39!");
        assert_eq!(masked, "é *** ***, ***!");
        assert_eq!(Matcher::default().masked("as it is"), "as it is");
    }

    #[test]
    fn a_secret_is_known_once() {
        assert!(matcher().with("another", "hunter-2").is_none());
    }
}
