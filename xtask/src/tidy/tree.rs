//! The workspace's files as the checks see them.

use std::fs;
use std::path::Path;

use crate::failure::{Context, Result};
use crate::workspace::{Package, Workspace};

/// All text files that a check reads, and the names of the others.
pub struct Tree {
    /// Rust sources and manifests.
    pub files: Vec<Source>,
    /// Those of them that cannot be read, by their paths, each with the reason.
    pub unread: Vec<(String, String)>,
    /// Every path from the root, folders with a `/` at their end.
    pub paths: Vec<String>,
    /// The members.
    pub packages: Vec<Package>,
}

/// One file.
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Lines with their numbers, up to the tests at the file's end.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let end = (0..lines.len())
            .find(|at| {
                lines[*at] == "#[cfg(test)]"
                    && lines[at + 1..].iter().find(|line| !line.starts_with("#[")).is_some_and(|line| {
                        line.trim_start_matches("pub(crate) ").starts_with("mod ") && line.ends_with('{')
                    })
            })
            .unwrap_or(lines.len());
        lines.into_iter().take(end).enumerate().map(|(at, line)| (at + 1, line))
    }

    /// As [`code`](Self::code), without lines that are comments.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is a test, example or benchmark rather than part of a library or program.
    pub fn is_test(&self) -> bool {
        ["/tests/", "/examples/", "/benches/"].iter().any(|folder| self.path.contains(folder))
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl Tree {
    /// Reads `crates/`, `xtask/` and the root's own files.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let packages = workspace.packages.clone();
        let mut tree = Self { files: Vec::new(), unread: Vec::new(), paths: Vec::new(), packages };
        tree.walk(&workspace.root, "", &workspace.target)?;
        Ok(tree)
    }

    fn walk(&mut self, folder: &Path, prefix: &str, target: &Path) -> Result<()> {
        let entries = fs::read_dir(folder).context(format!("cannot read {}", folder.display()))?;
        let mut entries: Vec<_> = entries.collect::<std::io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            // What begins with a dot is not visible, and `target` is where cargo puts its files by itself.
            if name.starts_with('.') || entry.path() == target || path == "target" || name == "__pycache__" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.paths.push(format!("{path}/"));
                self.walk(&entry.path(), &format!("{path}/"), target)?;
                continue;
            }
            if [".rs", ".toml", ".md"].iter().any(|end| name.ends_with(end)) {
                // Nobody may have meant it for the repository: it is a finding among others, and hides none.
                match fs::read_to_string(entry.path()) {
                    Ok(text) => self.files.push(Source { path: path.clone(), text }),
                    Err(error) => self.unread.push((path.clone(), error.to_string())),
                }
            }
            self.paths.push(path);
        }
        Ok(())
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// Whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|known| known == path)
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The folder of a member, from the root.
    pub fn folder(&self, package: &Package) -> String {
        let folder = package.folder();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if self.has(&format!("crates/{name}/")) { format!("crates/{name}") } else { name.into_owned() }
    }

    /// `(crate, id)` of every provider folder.
    pub fn providers(&self) -> Vec<(&str, &str)> {
        self.paths
            .iter()
            .filter_map(|path| {
                let (package, rest) = path.strip_prefix("crates/")?.split_once("/src/providers/")?;
                let id = rest.strip_suffix('/')?;
                (!id.contains('/')).then_some((package, id))
            })
            .collect()
    }

    /// Puts a file there, or another one in its place, as if it had been read.
    #[cfg(test)]
    pub fn lay(&mut self, path: &str, text: String) {
        let folders = path.match_indices('/').map(|(at, _)| path[..=at].to_owned());
        let new: Vec<String> = folders.chain([path.to_owned()]).filter(|path| !self.has(path)).collect();
        self.paths.extend(new);
        self.files.retain(|file| file.path != path);
        self.files.push(Source { path: path.to_owned(), text });
    }

    /// A tree of made-up files, for the checks' own tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut paths = Vec::new();
        for (path, _) in files {
            let parts: Vec<&str> = path.split('/').collect();
            paths.extend((1..parts.len()).map(|n| format!("{}/", parts[..n].join("/"))));
            paths.push((*path).to_owned());
        }
        paths.sort();
        paths.dedup();
        let files =
            files.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() }).collect();
        Self { files, unread: Vec::new(), paths, packages: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_remembered_and_the_rest_is_read() {
        let root = std::env::temp_dir().join(format!("xtask-tidy-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("crates/a")).unwrap();
        fs::write(root.join("crates/a/latin.toml"), b"name = \"Gr\xf6\xdfe\"").unwrap();
        fs::write(root.join("crates/a/utf8.toml"), "name = \"Größe\"").unwrap();
        let workspace = Workspace { root: root.clone(), target: root.join("target"), packages: Vec::new() };
        let tree = Tree::read(&workspace).unwrap();
        let unread: Vec<&str> = tree.unread.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(unread, ["crates/a/latin.toml"]);
        assert!(tree.file("crates/a/utf8.toml").is_some() && tree.has("crates/a/latin.toml"));
        fs::remove_dir_all(&root).unwrap();
    }
}
