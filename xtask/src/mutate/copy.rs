//! The scratch copy of the workspace, in which mistakes are made.
//!
//! It has the workspace's target directory: what does not belong to the workspace is compiled already, and a mistake costs
//! the build of its crate and of one test program. Its own packages have other versions than the workspace's, since cargo
//! tells packages of two workspaces apart by nothing else: a library with a mistake must not pass for the right one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::contract::report::fingerprint;
use crate::failure::{Context, Failure, Result};
use crate::scratch;
use crate::tidy::Tree;
use crate::workspace::{Package, Workspace};

use super::list::Mutation;

/// The copy; as long as this lives, it belongs to this run.
pub struct Copy {
    root: PathBuf,
    packages: Vec<Package>,
    lock: File,
}

/// A file of the copy with a mistake in it; put right when this goes.
pub struct Mistake {
    path: PathBuf,
    right: String,
}

impl Drop for Mistake {
    fn drop(&mut self) {
        // What stays wrong here, the next run's copy puts right.
        let _ = fs::write(&self.path, &self.right);
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Closing is not enough: a program that is being started at this moment has the file open as well.
        let _ = self.lock.unlock();
    }
}

impl Copy {
    /// Brings the copy up to date. Files that are as they should be are left alone, so that cargo does not compile them
    /// again; one with a mistake that a killed run left in it is not.
    pub fn of(workspace: &Workspace) -> Result<Self> {
        // Worktrees may share a target directory.
        let name = fingerprint([workspace.root.to_string_lossy().as_ref()]);
        let root = workspace.own().join("mutate").join(name);
        fs::create_dir_all(&root).context(format!("cannot make {}", root.display()))?;
        let lock = File::create(root.with_extension("lock"))?;
        if lock.try_lock().is_err() {
            return Err(Failure::new("another run of mutate works in the same copy"));
        }
        let wanted = paths(workspace)?;
        let there = Workspace { root: root.clone(), target: workspace.target.clone(), packages: Vec::new() };
        for path in paths(&there)?.difference(&wanted) {
            fs::remove_file(root.join(path)).context(format!("cannot remove {path}"))?;
        }
        for path in &wanted {
            let content = fs::read(workspace.root.join(path))?;
            scratch::put(&root.join(path), &told_apart(path, content))?;
        }
        let packages = workspace.packages.iter().map(|package| package.moved(workspace, &root)).collect();
        Ok(Self { root, packages, lock })
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The workspace's packages where they are in the copy.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Makes a mistake, or says why it cannot be made.
    pub fn make(&self, mutation: &Mutation) -> std::result::Result<Mistake, String> {
        let path = self.root.join(&mutation.file);
        let wrong = mutation.apply_below(&self.root)?;
        let right = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let mistake = Mistake { path, right };
        fs::write(&mistake.path, wrong).map_err(|error| error.to_string())?;
        Ok(mistake)
    }
}

/// Manifests and the lock file with a mark in the version of each package of the workspace.
fn told_apart(path: &str, content: Vec<u8>) -> Vec<u8> {
    let name = path.rsplit('/').next();
    match (name, String::from_utf8(content)) {
        (Some("Cargo.toml"), Ok(manifest)) => marked(&manifest).into_bytes(),
        (Some("Cargo.lock"), Ok(lock)) => {
            let packages = lock.split_inclusive("\n\n").map(|package| {
                // What comes from elsewhere says from where.
                if package.contains("\nsource = ") { package.to_owned() } else { marked(package) }
            });
            packages.collect::<String>().into_bytes()
        }
        (_, Ok(text)) => text.into_bytes(),
        (_, Err(bytes)) => bytes.into_bytes(),
    }
}

/// With build metadata (<https://semver.org>, 10) in the version of the package: requirements do not look at it.
fn marked(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let version = line.strip_prefix("version = \"").and_then(|rest| rest.split_once('"'));
        match version {
            Some((version, rest)) => format!("version = \"{version}+copy\"{rest}"),
            None => line.to_owned(),
        }
    });
    lines.collect()
}

/// Every file from the root.
fn paths(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let paths = Tree::read(workspace)?.paths;
    Ok(paths.into_iter().filter(|path| !path.ends_with('/')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("xtask-mutate-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let root = folder.join("root");
        fs::create_dir_all(root.join("crates/a/src")).unwrap();
        fs::write(root.join("crates/a/src/lib.rs"), "one();\n").unwrap();
        Workspace { root, target: folder.join("target"), packages: Vec::new() }
    }

    fn mutation(before: &str) -> Mutation {
        let text = format!(
            "id = 'a'\nfile = 'crates/a/src/lib.rs'\nwhy = 'w'\nbefore = '{before}'\nafter = 'two'\n\
             noticed_by = {{ test = 'lib', name = 'x' }}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_mistake_is_made_in_the_copy_and_put_right() {
        let workspace = workspace();
        let copy = Copy::of(&workspace).unwrap();
        let file = copy.root().join("crates/a/src/lib.rs");
        let mistake = copy.make(&mutation("one")).ok().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two();\n");
        assert_eq!(fs::read_to_string(workspace.root.join("crates/a/src/lib.rs")).unwrap(), "one();\n");
        drop(mistake);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one();\n");
        assert!(copy.make(&mutation("three")).is_err());
    }

    #[test]
    fn what_a_killed_run_left_is_put_right_and_what_is_right_is_not_touched() {
        let workspace = workspace();
        let copy = Copy::of(&workspace).unwrap();
        let file = copy.root().join("crates/a/src/lib.rs");
        let written = || fs::metadata(&file).unwrap().modified().unwrap();
        let first = written();
        fs::write(copy.root().join("crates/a/src/gone.rs"), "").unwrap();
        drop(copy);
        let copy = Copy::of(&workspace).unwrap();
        assert_eq!(written(), first);
        assert!(!copy.root().join("crates/a/src/gone.rs").exists());
        std::mem::forget(copy.make(&mutation("one")).ok().unwrap());
        drop(copy);
        drop(Copy::of(&workspace).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one();\n");
    }

    #[test]
    fn its_packages_have_versions_of_their_own() {
        let told = |path: &str, text: &str| String::from_utf8(told_apart(path, text.into())).unwrap();
        assert_eq!(
            told(
                "crates/a/Cargo.toml",
                "[package]\nversion = \"0.1.0\"\n[dependencies]\nb = { version = \"1\" }\n"
            ),
            "[package]\nversion = \"0.1.0+copy\"\n[dependencies]\nb = { version = \"1\" }\n"
        );
        let lock = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"0.1.0\"\n";
        assert_eq!(told("Cargo.lock", lock), lock.replace("0.1.0", "0.1.0+copy"));
        assert_eq!(told("crates/a/src/lib.rs", "version = \"1\"\n"), "version = \"1\"\n");
    }

    #[test]
    fn a_copy_belongs_to_one_run() {
        let workspace = workspace();
        let _copy = Copy::of(&workspace).unwrap();
        assert!(Copy::of(&workspace).err().unwrap().to_string().contains("another run"));
    }
}
