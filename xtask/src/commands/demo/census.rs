//! The count after a run, by a program that is not the demo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::backends::{self, Kept};
use crate::failure::{Context, Failure, Result};
use crate::servers::{self, Fleet};
use crate::tool::Tool;

/// Where the census looks.
pub struct Places {
    /// The address of Redis; `None` if the records were in the demo's own memory.
    redis: Option<String>,
    /// The folder of the objects.
    pub objects: PathBuf,
    /// The folder of the mails.
    mails: PathBuf,
}

impl Places {
    /// Where servers keep what they took; `None` if some are not of this run alone.
    pub fn of_servers(fleet: &Fleet, kept: &Kept) -> Result<Option<Self>> {
        if ![servers::REDIS.name, servers::S3.name, servers::SMTP.name].iter().all(|name| fleet.runs(name)) {
            return Ok(None);
        }
        Ok(Some(Self {
            redis: Some(backends::value(fleet, "EXTERNAL_TEST_REDIS_URL")?),
            objects: kept.buckets.join(backends::value(fleet, backends::BUCKET)?),
            mails: kept.mails.clone(),
        }))
    }

    /// Where the embedded providers put what they keep; the cache keeps nothing that outlives the demo.
    pub fn of_embedded(out: &Path) -> Result<Self> {
        let own = own_folder(out)?;
        Ok(Self { redis: None, objects: own.join("objects"), mails: own.join("mails") })
    }

    /// Counts what the run left behind, and says whether every user has exactly one of each.
    pub fn census(&self, tool: &Tool, program: &Path, users: &Path) -> Result<bool> {
        let mut command = Command::new(program);
        command.arg("--users").arg(users);
        if let Some(url) = &self.redis {
            command.arg("--redis").arg(url.strip_prefix("redis://").unwrap_or(url).trim_end_matches('/'));
        }
        command.arg("--objects").arg(&self.objects).arg("--mails").arg(&self.mails);
        println!("\ncounted by a program that is not the demo");
        println!("  objects  {}", self.objects.display());
        println!("  mails    {}", self.mails.display());
        let ok = tool.groups().status("census", &mut command)?.success();
        println!("{}", if ok { "everybody has exactly one of each" } else { "CENSUS FAILED" });
        Ok(ok)
    }
}

/// The folder that the demo made for itself under `out`, where there was none before.
fn own_folder(out: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(out).context(format!("cannot read {}", out.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("run-") {
            return Ok(entry.path());
        }
    }
    Err(Failure::new(format!("the demo made no folder in {}", out.display())))
}
