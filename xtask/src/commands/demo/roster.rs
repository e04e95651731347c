//! The users of a run: as many as asked for, one of them with an address whose mail the server takes without an answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Context, Failure, Result};

/// The local part by which `xtask/servers/smtp.py` takes a mail and closes the connection instead of answering.
const TAKES_AND_HANGS_UP: &str = "dropafterdata";
/// Whose mail that is, counted from 0: an early one, so that the answer is lost while the others go on.
const WHOSE: usize = 1;

type User = BTreeMap<String, Value>;

/// Writes `count` users into `file`, made from those of `shipped`: the first so many, or all of them again and again with
/// addresses of their own. Where an answer is to be lost, says whose.
pub fn write(
    shipped: &Path,
    count: Option<usize>,
    lose_an_answer: bool,
    file: &Path,
) -> Result<Option<String>> {
    let users = read(shipped)?;
    let mut users = repeat(&users, count.unwrap_or(users.len()))?;
    let mut loser = None;
    if lose_an_answer && let Some(user) = users.get_mut(WHOSE) {
        let address = format!("{TAKES_AND_HANGS_UP}+{}", text(user, "email")?);
        loser = Some(address.clone());
        user.insert("email".into(), address.into());
    }
    let lines = users.iter().map(serde_json::to_string).collect::<std::result::Result<Vec<_>, _>>()?;
    fs::write(file, lines.join("\n") + "\n").context(format!("cannot write {}", file.display()))?;
    Ok(loser)
}

/// The users of a file, their portraits found from anywhere.
fn read(file: &Path) -> Result<Vec<User>> {
    let text = fs::read_to_string(file).context(format!("cannot read {}", file.display()))?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let mut user: User = serde_json::from_str(line).context(file.display())?;
            let portrait: PathBuf = folder.join(self::text(&user, "portrait")?);
            user.insert("portrait".into(), portrait.display().to_string().into());
            Ok(user)
        })
        .collect()
}

fn repeat(users: &[User], count: usize) -> Result<Vec<User>> {
    if users.is_empty() || count == 0 {
        return Err(Failure::new("there must be at least one user"));
    }
    let rounds = (1..).flat_map(|round| users.iter().map(move |user| (round, user)));
    rounds
        .take(count)
        .map(|(round, user)| {
            let mut user = user.clone();
            if round > 1 {
                let email = text(&user, "email")?;
                let (local, domain) = email.rsplit_once('@').unwrap_or((&email, ""));
                let (name, email) =
                    (format!("{} {round}", text(&user, "name")?), format!("{local}+{round}@{domain}"));
                user.insert("name".into(), name.into());
                user.insert("email".into(), email.into());
            }
            Ok(user)
        })
        .collect()
}

fn text(user: &User, field: &str) -> Result<String> {
    let value = user.get(field).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| Failure::new(format!("a user has no {field}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_users_than_shipped_have_addresses_of_their_own() {
        let folder = std::env::temp_dir().join(format!("xtask-roster-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (shipped, made) = (folder.join("shipped.jsonl"), folder.join("made.jsonl"));
        let line = |name: &str| {
            format!(
                r#"{{"name": "{name}", "email": "{name}@example.com", "locale": "en", "portrait": "p/{name}.png"}}"#
            )
        };
        fs::write(&shipped, format!("{}\n{}\n", line("ada"), line("bob"))).unwrap();

        assert_eq!(write(&shipped, Some(3), true, &made).unwrap().unwrap(), "dropafterdata+bob@example.com");
        let users = read(&made).unwrap();
        let emails: Vec<String> = users.iter().map(|user| text(user, "email").unwrap()).collect();
        assert_eq!(emails, ["ada@example.com", "dropafterdata+bob@example.com", "ada+2@example.com"]);
        assert_eq!(text(&users[2], "portrait").unwrap(), folder.join("p/ada.png").display().to_string());

        assert_eq!(write(&shipped, Some(1), false, &made).unwrap(), None);
        assert_eq!(read(&made).unwrap().len(), 1);
        assert!(write(&shipped, Some(0), false, &made).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
