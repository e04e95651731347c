//! A service: one file, whose opening says what it takes and what it prints.
//!
//! ```text
//! //! What it is.
//! //!
//! //! features: local          features of the crate of its folder; absent: none
//! //! beside: tokio, serde     what else it depends on, in the versions of this workspace
//! //!
//! //! ```text
//! //! what it prints, line by line
//! //! ```
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Context, Failure, Result};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// How long a service may run. They take a moment; more is a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The crate that it takes.
    pub package: String,
    /// Its file's name without the ending.
    pub name: String,
    /// The file.
    pub source: PathBuf,
    /// First line of the file.
    pub what: String,
    /// Features of the crate that it asks for.
    pub features: Vec<String>,
    /// What else it depends on.
    pub beside: Vec<String>,
    /// What it must print.
    pub prints: Vec<String>,
}

/// All services, in order.
pub fn read(workspace: &Workspace) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for folder in sorted(&workspace.root.join("xtask/adoption"))? {
        let package = name_of(&folder);
        for source in sorted(&folder)? {
            let text = fs::read_to_string(&source).context(format!("cannot read {}", source.display()))?;
            let service = parse(&package, &source, &text).context(workspace.show(&source))?;
            services.push(service);
        }
    }
    Ok(services)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).context(format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn parse(package: &str, source: &Path, text: &str) -> Result<Service> {
    let head = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let head: Vec<&str> = head.collect();
    let list = |key: &str| -> Vec<String> {
        let value = head.iter().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let prints: Vec<String> = head
        .iter()
        .skip_while(|line| **line != "```text")
        .skip(1)
        .take_while(|line| **line != "```")
        .map(|line| (*line).to_owned())
        .collect();
    if prints.is_empty() {
        return Err(Failure::new("say in its opening what it prints, in a block ```text"));
    }
    Ok(Service {
        package: package.to_owned(),
        name: name_of(source),
        source: source.to_owned(),
        what: head.first().copied().unwrap_or_default().to_owned(),
        features: list("features: "),
        beside: list("beside: "),
        prints,
    })
}

impl Service {
    /// `<crate>/<service>`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.package, self.name)
    }

    /// The name of its package and program.
    pub fn program(&self) -> String {
        let package = self.package.strip_prefix("external-").unwrap_or(&self.package);
        format!("adopt-{package}-{}", self.name)
    }

    /// Runs its program in a folder of its own and compares what it prints.
    pub fn run(&self, tool: &Tool, program: &Path) -> Result<Vec<String>> {
        let folder = tool.folder().join(self.program());
        fs::create_dir_all(&folder)?;
        let (out, error) = (folder.with_extension("out"), folder.with_extension("err"));
        let mut command = Command::new(program);
        command.current_dir(&folder).stdin(Stdio::null());
        command.stdout(File::create(&out)?).stderr(File::create(&error)?);
        let mut group = tool.groups().spawn(&self.program(), &mut command)?;
        let started = Instant::now();
        while !group.is_over() {
            if started.elapsed() > LIMIT {
                group.kill()?;
                return Ok(vec![format!("it ran for more than {} s and was stopped", LIMIT.as_secs())]);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = group.wait()?;
        let (out, error) = (fs::read_to_string(&out)?, fs::read_to_string(&error)?);
        let _ = fs::remove_dir_all(&folder);
        let mut findings = Vec::new();
        if !status.success() {
            findings.push(format!("it ended with {status}: {}", error.trim()));
        }
        let printed: Vec<&str> = out.lines().collect();
        if printed != self.prints {
            findings.push(format!("it printed\n{}\nrather than\n{}", out.trim_end(), self.prints.join("\n")));
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_says_all() {
        let text = "//! What it is.\n//!\n//! features: a, b\n//! beside: tokio\n//!\n//! ```text\n//! one\n//!  two\n//! ```\n\nfn main() {}\n";
        let service = parse("external-x", Path::new("/w/xtask/adoption/external-x/both.rs"), text).unwrap();
        assert_eq!(
            (service.title().as_str(), service.program().as_str()),
            ("external-x/both", "adopt-x-both")
        );
        assert_eq!((service.features, service.beside), (vec!["a".into(), "b".into()], vec!["tokio".into()]));
        assert_eq!(service.prints, ["one", " two"]);
    }

    #[test]
    fn a_service_that_prints_nothing_shows_nothing() {
        assert!(parse("external-x", Path::new("a.rs"), "//! A.\nfn main() {}\n").is_err());
    }
}
