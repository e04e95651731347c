//! The input file: one user a line. The whole of it is checked before the first external call, so that a broken
//! line leaves nothing half done; every problem is named with file and line.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use external_email::EmailAddress;
use serde::Deserialize;

use crate::portrait::Portrait;

/// A user who asked for an account.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// The line of the input file, counted from 1: the account's number as well.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) email: EmailAddress,
    pub(crate) locale: String,
    pub(crate) portrait: Portrait,
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    email: String,
    locale: String,
    portrait: PathBuf,
}

/// Everything that is wrong with an input file.
#[derive(Debug)]
pub(crate) struct BadInput(Vec<String>);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the input cannot be used; nobody was registered:")?;
        for problem in &self.0 {
            writeln!(f, "  {problem}")?;
        }
        Ok(())
    }
}

/// Names are part of an object's key, whose segments have room for 255 bytes.
const NAME_BYTES: usize = 200;
/// A portrait is a small picture.
const PORTRAIT_BYTES: u64 = 5 << 20;

/// Reads and checks the whole file.
///
/// # Errors
///
/// Every problem of every line, each with file and line.
pub(crate) fn read(file: &Path) -> Result<Vec<Registration>, BadInput> {
    let bytes = fs::read(file).map_err(|error| BadInput(vec![format!("{}: {error}", file.display())]))?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut users = Vec::new();
    let mut problems = Vec::new();
    let mut seen = HashMap::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let found = parse(line, number, folder).and_then(|user| {
            match seen.insert(user.email.to_string().to_lowercase(), number) {
                Some(first) => {
                    Err(format!("email {:?} is already used by line {first}", user.email.to_string()))
                }
                None => Ok(user),
            }
        });
        match found {
            Ok(user) => users.push(user),
            Err(problem) => problems.push(format!("{}:{number}: {problem}", file.display())),
        }
    }
    if users.is_empty() && problems.is_empty() {
        problems.push(format!("{}: there is no user in it", file.display()));
    }
    if problems.is_empty() { Ok(users) } else { Err(BadInput(problems)) }
}

fn parse(line: &[u8], number: usize, folder: &Path) -> Result<Registration, String> {
    let line = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    let line: Line = serde_json::from_str(line).map_err(|error| broken(&error))?;
    if line.name.trim().is_empty() || line.name.len() > NAME_BYTES {
        return Err(format!("name {:?} must have 1 to {NAME_BYTES} bytes", line.name));
    }
    if line.name.chars().any(char::is_control) || line.name.contains('/') {
        return Err(format!("name {:?} holds a control character or a slash", line.name));
    }
    let email = EmailAddress::parse(&line.email).map_err(|error| {
        let why = error.context_value("because").unwrap_or_else(|| error.message());
        format!("email {:?} is not an address: {why}", line.email)
    })?;
    let portrait = portrait(&folder.join(&line.portrait)).map_err(|error| {
        format!(
            "portrait {:?} is not an image that can be used: {error}",
            line.portrait.display().to_string()
        )
    })?;
    Ok(Registration { line: number, name: line.name, email, locale: line.locale, portrait })
}

/// The JSON parser counts lines from the start of what it was given, which is one line.
fn broken(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}", error.column())
}

fn portrait(file: &Path) -> Result<Portrait, String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > PORTRAIT_BYTES {
        return Err(format!("it has {size} bytes, more than {PORTRAIT_BYTES}"));
    }
    Portrait::parse(fs::read(file).map_err(|error| error.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/users.jsonl")
    }

    /// The problems of an input of these lines; `ok.jpg` is an image beside it, `text.jpg` is not.
    fn problems(lines: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(shipped().with_file_name("portraits/01-ada.jpg"), folder.path().join("ok.jpg")).unwrap();
        fs::write(folder.path().join("text.jpg"), "I am a text").unwrap();
        let file = folder.path().join("users.jsonl");
        fs::write(&file, lines.join("\n")).unwrap();
        let place = file.display().to_string();
        let BadInput(problems) = read(&file).unwrap_err();
        problems.into_iter().map(|problem| problem.replace(&place, "users.jsonl")).collect()
    }

    const GOOD: &str = r#"{"name": "Ada", "email": "ada@example.com", "locale": "en", "portrait": "ok.jpg"}"#;

    #[test]
    fn takes_the_shipped_users() {
        let users = read(&shipped()).unwrap();
        assert!(users.len() >= 25);
        assert!(users.iter().any(|user| user.name == "王小明"));
        let different: std::collections::HashSet<_> =
            users.iter().map(|user| user.portrait.bytes.clone()).collect();
        assert_eq!(different.len(), users.len());
    }

    #[test]
    fn names_every_broken_line() {
        let seen = problems(&[
            GOOD,
            r#"{"name": "Bob", "email": "bob@example.com""#,
            r#"{"name": "Bob", "email": "bob@example.com", "locale": "en", "portrait": "ok.jpg", "age": 7}"#,
            "",
            r#"{"name": "Bob", "email": "bob@example.com", "locale": "en", "portrait": "text.jpg"}"#,
            r#"{"name": "Bob", "email": "bob@example.com", "locale": "en", "portrait": "missing.jpg"}"#,
            r#"{"name": " ", "email": "bob@example.com", "locale": "en", "portrait": "ok.jpg"}"#,
            r#"{"name": "Bob", "email": "ADA@example.com", "locale": "en", "portrait": "ok.jpg"}"#,
        ]);
        let expected = [
            "users.jsonl:2: column 42: EOF while parsing an object",
            "users.jsonl:3: column 87: unknown field `age`, expected one of `name`, `email`, `locale`, `portrait`",
            "users.jsonl:5: portrait \"text.jpg\" is not an image that can be used: it starts neither like a PNG nor like a JPEG",
            "users.jsonl:6: portrait \"missing.jpg\" is not an image that can be used: No such file or directory (os error 2)",
            "users.jsonl:7: name \" \" must have 1 to 200 bytes",
            "users.jsonl:8: email \"ADA@example.com\" is already used by line 1",
        ];
        assert_eq!(seen.len(), expected.len(), "{seen:#?}");
        for (seen, expected) in seen.iter().zip(expected) {
            assert!(seen.contains(expected), "{seen}\n{expected}");
        }
    }

    #[test]
    fn refuses_an_address_that_is_none() {
        let long = format!(
            r#"{{"name": "B", "email": "{}@example.com", "locale": "en", "portrait": "ok.jpg"}}"#,
            "x".repeat(200)
        );
        let inject = r#"{"name": "B", "email": "b@example.com\r\nBcc: all@example.com", "locale": "en", "portrait": "ok.jpg"}"#;
        for (line, why) in [(long.as_str(), "longer than 64 octets"), (inject, "not allowed")] {
            let seen = problems(&[GOOD, line]);
            assert!(seen[0].starts_with("users.jsonl:2: email \"") && seen[0].contains(why), "{seen:?}");
        }
    }

    #[test]
    fn refuses_an_empty_file() {
        assert_eq!(problems(&["", " "]), ["users.jsonl: there is no user in it"]);
    }
}
