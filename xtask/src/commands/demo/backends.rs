//! The servers behind the demo: those of the suites, but they keep what they took when they are killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::servers::{self, Fleet, Host, Place, Program, Server, given};
use crate::tool::Tool;

/// Tells the name of the bucket.
pub const BUCKET: &str = "EXTERNAL_TEST_S3_BUCKET";

/// Redis whose every write is on disk before it is answered.
const REDIS: Server = Server { what: "Redis, with its data on disk", command: durable, ..servers::REDIS };

fn durable(program: &Program, place: &Place) -> Result<Command> {
    let mut command = (servers::REDIS.command)(program, place)?;
    // What stands last holds.
    command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    Ok(command)
}

/// Where servers put what people may want to look at.
pub struct Kept {
    /// The mails, one `.eml` file each.
    pub mails: PathBuf,
    /// The buckets, one folder each, with an object as a plain file at its key.
    pub buckets: PathBuf,
}

/// All that stand behind it.
const ALL: [&Server; 3] = [&REDIS, &servers::S3, &servers::SMTP];

/// Whether a variable of the environment says something.
pub fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The variable that gives a server's address, if it says something: then no such server is started.
fn giver(server: &Server, is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    server.variables.first().copied().filter(|variable| is_set(variable))
}

/// Refuses what is to be killed and restarted, if some of it would not be ours.
pub fn all_ours(is_set: impl Fn(&str) -> bool) -> Result<()> {
    let given: Vec<&str> = ALL.iter().filter_map(|server| giver(server, &is_set)).collect();
    if given.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--servers --fault kills and restarts servers, which it can do only with its own: unset {}, and \
         they are started here, or leave --fault out",
        given.join(" and ")
    )))
}

/// Starts them all, but for those whose addresses the environment gives.
pub fn start(tool: &Tool, fleet: &mut Fleet, kept: &Kept) -> Result<()> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let none: Option<&Path> = None;
    // Before anything is started for it.
    let given: Vec<&Server> = ALL.into_iter().filter(|server| giver(server, is_set).is_some()).collect();
    given::check_all(&given)?;
    for (server, keep) in ALL.into_iter().zip([none, Some(&*kept.buckets), Some(&*kept.mails)]) {
        match giver(server, is_set) {
            Some(variable) => eprintln!("{}: given by {variable}", server.name),
            None => eprintln!("starting {} …", server.what),
        }
        fleet.add(server, &host, &tool.folder(), keep);
    }
    let absent: Vec<String> = fleet.absent().map(|(server, why)| format!("{}: {why}", server.name)).collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("servers that cannot be had: {}", absent.join("; "))))
    }
}

/// Which of the servers a configuration asks for. One that is no TOML asks for all: what is wrong with it, the demo tells.
#[derive(Clone, Copy)]
pub struct Asked {
    redis: bool,
    s3: bool,
    pub smtp: bool,
}

impl Asked {
    pub fn of(config: &Path) -> Self {
        let text = std::fs::read_to_string(config).unwrap_or_default();
        let Ok(table) = text.parse::<toml::Table>() else {
            return Self { redis: true, s3: true, smtp: true };
        };
        // Under any name: in the shipped configuration with faults the bucket stands behind another instance.
        let has = |domain: &str, id: &str| {
            let instances = table.get(domain).and_then(toml::Value::as_table);
            let is_it =
                |instance: &toml::Value| instance.get("provider").and_then(toml::Value::as_str) == Some(id);
            instances.is_some_and(|instances| instances.values().any(is_it))
        };
        Self { redis: has("cache", "redis"), s3: has("storage", "s3"), smtp: has("email", "smtp") }
    }
}

/// The variables that lay the servers' addresses over a configuration that asks for them, in which the storage instance of
/// this name is the bucket.
pub fn overrides(fleet: &Fleet, storage: &str, asked: &Asked) -> Result<Vec<(String, String)>> {
    let bucket = |key: &str| format!("EXTERNAL__STORAGE__{storage}__{key}");
    let variables = [
        (asked.redis, "EXTERNAL__CACHE__DEFAULT__URL".to_owned(), "EXTERNAL_TEST_REDIS_URL"),
        (asked.s3, bucket("ENDPOINT"), "EXTERNAL_TEST_S3_ENDPOINT"),
        (asked.s3, bucket("BUCKET"), BUCKET),
        (asked.s3, bucket("ACCESS_KEY_ID"), "EXTERNAL_TEST_S3_ACCESS_KEY"),
        (asked.s3, bucket("SECRET_ACCESS_KEY"), "EXTERNAL_TEST_S3_SECRET_KEY"),
        (asked.smtp, "EXTERNAL__EMAIL__DEFAULT__URL".to_owned(), "EXTERNAL_TEST_SMTP_URL"),
    ];
    let asked = variables.into_iter().filter(|(asked, ..)| *asked);
    asked.map(|(_, set, from)| Ok((set, value(fleet, from)?))).collect()
}

/// What a variable says: of a server that was started, or of one that the environment gives.
pub fn value(fleet: &Fleet, name: &str) -> Result<String> {
    let set = || std::env::var(name).ok().filter(|value| !value.is_empty());
    fleet
        .variables()
        .get(name)
        .cloned()
        .or_else(set)
        .ok_or_else(|| Failure::new(format!("{name} is not known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_not_ours_are_named_by_their_variables() {
        all_ours(|_| false).unwrap();
        // What else is known of a server does not say that it runs.
        all_ours(|name| name == BUCKET).unwrap();
        let given = ["EXTERNAL_TEST_REDIS_URL", "EXTERNAL_TEST_SMTP_URL"];
        let told = all_ours(|name| given.contains(&name)).unwrap_err().to_string();
        assert!(told.contains("unset EXTERNAL_TEST_REDIS_URL and EXTERNAL_TEST_SMTP_URL, and"), "{told}");
        assert!(!told.contains('\n') && told.contains("leave --fault out"), "{told}");
    }
}

#[cfg(test)]
mod asked {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn a_configuration_is_told_only_of_the_servers_that_it_asks_for() {
        let folder = Workspace::load().unwrap().root.join("crates/external-demo/config");
        for (file, is_asked) in
            [("servers.toml", true), ("servers-fault.toml", true), ("embedded.toml", false)]
        {
            let Asked { redis, s3, smtp } = Asked::of(&folder.join(file));
            assert_eq!([redis, s3, smtp], [is_asked; 3], "{file}");
        }
        let unread = Asked::of(&folder.join("no-such.toml"));
        assert!(!unread.s3, "nothing is laid over what is not there");
    }
}
