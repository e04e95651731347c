//! Mutations that nobody wrote down: cargo-mutants makes them, over the crates on which everything stands.
//!
//! It works in the scratch copy. What it makes is dumber than a mistake (a function that returns its type's default, a `<`
//! for a `<=`), but leaves no line out. Who survives is explained in `xtask/mutations/generated.toml`, or a finding.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::copy::Copy;
use super::list::survivors;
use crate::failure::{Context, Failure, Result};
use crate::servers::{Crate, Host};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// The crates.
pub const PACKAGES: &[&str] = &["external-core", "external-resilience"];

const CARGO_MUTANTS: Crate =
    Crate { name: "cargo-mutants", version: "27.1.0", features: "", takes: "3 minutes on two cores" };

/// How long one takes on two cores, build and tests: about.
const SECONDS: usize = 4;

/// Which of them.
#[derive(Debug, Default)]
pub struct Selection<'a> {
    /// Files from the root, with `*` and `**`; none: all.
    pub files: &'a [String],
    /// `1/4`: the second of four equal shares.
    pub shard: Option<&'a str>,
}

/// One of them as it is told apart from others, also after lines have moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The file, from the root.
    pub file: String,
    /// What cargo-mutants calls it: `replace < with <= in Permits<C>::try_take`.
    pub mutation: String,
    /// The line of code that it changes, without its indentation.
    pub code: String,
}

/// A survivor that may survive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explained {
    file: String,
    mutation: String,
    code: String,
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivors {
    #[serde(default)]
    survivor: Vec<Explained>,
}

/// What a run saw.
#[derive(Debug, Default)]
pub struct Seen {
    missed: BTreeSet<Mutant>,
    caught: BTreeSet<Mutant>,
    /// Caught, or stopped because they did not end.
    killed: usize,
    unviable: usize,
}

/// What a run found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Survivors that nobody has explained.
    pub unexplained: Vec<Mutant>,
    /// Survivors that are explained.
    pub explained: usize,
    /// Explanations of what does not survive, or is not made any more.
    pub stale: Vec<Mutant>,
}

impl Explained {
    fn mutant(&self) -> Mutant {
        Mutant { file: self.file.clone(), mutation: self.mutation.clone(), code: self.code.clone() }
    }
}

impl Mutant {
    /// As an entry of the list, to be filled in.
    pub fn as_entry(&self) -> String {
        let Self { file, mutation, code } = self;
        format!("[[survivor]]\nfile = '{file}'\nmutation = '{mutation}'\ncode = '{code}'\nreason = \"…\"")
    }

    /// Reads `crates/a/src/b.rs:12:9: replace …`, with the files below `root`.
    fn read(line: &str, root: &Path) -> Option<Self> {
        let (place, mutation) = line.split_once(": ")?;
        let (place, _column) = place.rsplit_once(':')?;
        let (file, number) = place.rsplit_once(':')?;
        let text = fs::read_to_string(root.join(file)).ok()?;
        let code = text.lines().nth(number.parse::<usize>().ok()?.checked_sub(1)?)?;
        Some(Self { file: file.to_owned(), mutation: mutation.to_owned(), code: code.trim().to_owned() })
    }

    fn read_all(text: &str, root: &Path) -> Result<BTreeSet<Self>> {
        let read =
            |line: &str| Self::read(line, root).ok_or_else(|| Failure::new(format!("cannot read {line}")));
        text.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
    }
}

/// Lists them.
pub fn list(tool: &Tool, copy: &Copy, selection: &Selection<'_>) -> Result<String> {
    let program = program(tool)?;
    let mut command = command(tool, copy, &program, selection);
    let out = tool.groups().check("cargo-mutants", command.arg("--list"))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Makes them, one after the other, and compares who survives with the explanations.
pub fn run(tool: &Tool, copy: &Copy, selection: &Selection<'_>) -> Result<(Seen, Found)> {
    let workspace = tool.workspace();
    let explained = explanations(workspace)?;
    let listed = list(tool, copy, selection)?;
    let made = Mutant::read_all(&listed, copy.root())?;
    // Two of a line may look alike.
    let count = listed.lines().count();
    if count == 0 {
        return Err(Failure::new("nothing is made of these files: name them from the root, crates/…/src/…"));
    }
    eprintln!("  {count} mutants, about {} minutes on two cores", (count * SECONDS).div_ceil(60));
    let program = program(tool)?;
    let out = tool.folder().join("mutants");
    let mut command = command(tool, copy, &program, selection);
    command.args(["--in-place", "--no-shuffle", "--colors", "never", "--output"]).arg(&out);
    // Doc tests take longer than all others together, and show how to use things rather than hold them to anything.
    command.args(["--", "--lib", "--tests"]);
    let status = tool.groups().status("cargo-mutants", &mut command)?;
    // 2: some were missed; 3: some ran out of time. Everything else is no verdict.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(Failure::new(format!("cargo-mutants ended with {status}")));
    }
    let read = |name: &str| {
        let path = out.join("mutants.out").join(name);
        fs::read_to_string(&path).context(format!("cannot read {}", path.display()))
    };
    let (caught, timeouts) = (read("caught.txt")?, read("timeout.txt")?);
    let seen = Seen {
        missed: Mutant::read_all(&read("missed.txt")?, copy.root())?,
        caught: Mutant::read_all(&caught, copy.root())?,
        killed: caught.lines().count() + timeouts.lines().count(),
        unviable: read("unviable.txt")?.lines().count(),
    };
    // Of what was not looked at nobody knows whether it still exists.
    let all = match selection.shard {
        None => Some(made),
        Some(_) => None,
    };
    let found = compare(&seen, &explained, all.as_ref());
    Ok((seen, found))
}

/// `made` is everything that was tried, if it was all that the files have.
fn compare(seen: &Seen, explained: &[Mutant], made: Option<&BTreeSet<Mutant>>) -> Found {
    let unexplained = seen.missed.iter().filter(|mutant| !explained.contains(mutant)).cloned().collect();
    let tried = |file: &str| made.is_some_and(|made| made.iter().any(|mutant| mutant.file == file));
    let is_stale = |mutant: &&Mutant| {
        let gone = tried(&mutant.file) && !seen.missed.contains(mutant);
        gone || (seen.caught.contains(mutant) && !seen.missed.contains(mutant))
    };
    Found {
        unexplained,
        explained: seen.missed.iter().filter(|mutant| explained.contains(mutant)).count(),
        stale: explained.iter().filter(is_stale).cloned().collect(),
    }
}

fn explanations(workspace: &Workspace) -> Result<Vec<Mutant>> {
    let path = survivors(workspace);
    let text = fs::read_to_string(&path).context(format!("cannot read {}", workspace.show(&path)))?;
    parse(&text).context(workspace.show(&path))
}

fn parse(text: &str) -> Result<Vec<Mutant>> {
    let read: Survivors = toml::from_str(text)?;
    for survivor in &read.survivor {
        if survivor.reason.trim().len() < 10 {
            return Err(Failure::new(format!(
                "{}: {}: say why it may survive",
                survivor.file, survivor.mutation
            )));
        }
    }
    Ok(read.survivor.iter().map(Explained::mutant).collect())
}

fn program(tool: &Tool) -> Result<PathBuf> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    if !CARGO_MUTANTS.is_here(&host) {
        eprintln!(
            "  getting  cargo-mutants {} ({}, first time only) …",
            CARGO_MUTANTS.version, CARGO_MUTANTS.takes
        );
    }
    Ok(CARGO_MUTANTS.obtain(&host)?.file)
}

fn command(tool: &Tool, copy: &Copy, program: &Path, selection: &Selection<'_>) -> Command {
    let workspace = tool.workspace();
    let mut command = workspace.command(program);
    command.current_dir(copy.root()).env("CARGO", workspace.cargo().get_program());
    command.env("CARGO_TARGET_DIR", &workspace.target);
    command.args(["mutants", "--no-config", "--dir"]).arg(copy.root());
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    command.args(selection.files.iter().flat_map(|file| ["--file", file.as_str()]));
    command.args(selection.shard.iter().flat_map(|shard| ["--shard", shard]));
    command
}

impl Seen {
    /// The last line.
    pub fn counts(&self, found: &Found) -> String {
        let mut line = format!(
            "{} killed, {} survived, {} stale",
            self.killed,
            found.unexplained.len(),
            found.stale.len()
        );
        line += &format!(", {} explained, {} not compiled", found.explained, self.unviable);
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(file: &str, mutation: &str) -> Mutant {
        Mutant { file: file.into(), mutation: mutation.into(), code: "x".into() }
    }

    #[test]
    fn a_mutant_is_known_by_its_line_of_code() {
        let root = std::env::temp_dir().join(format!("xtask-generated-{}", std::process::id()));
        fs::create_dir_all(root.join("crates/a/src")).unwrap();
        fs::write(root.join("crates/a/src/b.rs"), "one\n    two < three\n").unwrap();
        let read = Mutant::read("crates/a/src/b.rs:2:9: replace < with == in A<C>::f", &root).unwrap();
        let code = "two < three".to_owned();
        let mutation = "replace < with == in A<C>::f".to_owned();
        assert_eq!(read, Mutant { file: "crates/a/src/b.rs".into(), mutation, code });
        assert_eq!(Mutant::read("crates/a/src/b.rs:9:9: replace", &root), None);
        assert_eq!(parse(&read.as_entry().replace('…', "it is only a hint")).unwrap(), [read]);
    }

    #[test]
    fn an_explanation_says_something() {
        let entry = mutant("a", "m").as_entry();
        assert!(parse(&entry).unwrap_err().to_string().contains("say why"));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn survivors_are_explained_or_told_and_explanations_go_with_them() {
        let (one, two, three) = (mutant("a", "1"), mutant("a", "2"), mutant("b", "3"));
        let seen = Seen {
            missed: [one.clone(), two.clone()].into(),
            caught: [three.clone()].into(),
            ..Seen::default()
        };
        let explained = [one.clone(), three.clone(), mutant("a", "gone"), mutant("c", "elsewhere")];
        let made = [one, two.clone(), three.clone()].into();
        let found = compare(&seen, &explained, Some(&made));
        assert_eq!((found.unexplained, found.explained), (vec![two], 1));
        assert_eq!(found.stale, [three.clone(), mutant("a", "gone")]);
        assert_eq!(compare(&seen, &explained, None).stale, [three]);
    }

    #[test]
    fn the_checked_in_explanations_can_be_read() {
        explanations(&Workspace::load().unwrap()).unwrap();
    }
}
