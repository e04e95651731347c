//! The servers behind the demo: those of the suites, but they keep what they took when they are killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::servers::{self, Fleet, Host, Place, Program, Server};
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

/// Starts them all.
pub fn start(tool: &Tool, fleet: &mut Fleet, kept: &Kept) -> Result<()> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let none: Option<&Path> = None;
    for (server, keep) in
        [(&REDIS, none), (&servers::S3, Some(&*kept.buckets)), (&servers::SMTP, Some(&*kept.mails))]
    {
        eprintln!("starting {} …", server.what);
        fleet.add(server, &host, &tool.folder(), keep);
    }
    let absent: Vec<String> = fleet.absent().map(|(server, why)| format!("{}: {why}", server.name)).collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("servers that cannot be had: {}", absent.join("; "))))
    }
}

/// The variables that lay the servers' addresses over the shipped configuration, in which the storage instance of this
/// name is the bucket.
pub fn overrides(fleet: &Fleet, storage: &str) -> Result<Vec<(String, String)>> {
    let bucket = |key: &str| format!("EXTERNAL__STORAGE__{storage}__{key}");
    let variables = [
        ("EXTERNAL__CACHE__DEFAULT__URL".to_owned(), "EXTERNAL_TEST_REDIS_URL"),
        (bucket("ENDPOINT"), "EXTERNAL_TEST_S3_ENDPOINT"),
        (bucket("BUCKET"), BUCKET),
        (bucket("ACCESS_KEY_ID"), "EXTERNAL_TEST_S3_ACCESS_KEY"),
        (bucket("SECRET_ACCESS_KEY"), "EXTERNAL_TEST_S3_SECRET_KEY"),
        ("EXTERNAL__EMAIL__DEFAULT__URL".to_owned(), "EXTERNAL_TEST_SMTP_URL"),
    ];
    variables.into_iter().map(|(set, from)| Ok((set, value(fleet, from)?))).collect()
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
