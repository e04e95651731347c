//! The packages as a registry would get them: made, unpacked and looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Context, Result};
use crate::scratch;
use crate::tool::Tool;

/// What a package must hold.
const MUST: &[&str] =
    &["Cargo.toml", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"];

/// What may lie beside that at its top, written by cargo or read by it.
const MAY: &[&str] = &["Cargo.toml.orig", "Cargo.lock", ".cargo_vcs_info.json"];

/// Folders of a package.
const FOLDERS: &[&str] = &["src", "tests", "examples", "benches"];

/// Endings of what is compiled, included or read by tests. Anything else belongs into a folder `fixtures`.
const ENDINGS: &[&str] = &["rs", "toml", "html", "txt", "subject"];

/// No file of ours needs more; a larger one is something that was left there.
const FILE_BYTES: u64 = 64 << 10;

/// A tenth of what a registry takes.
const PACKAGE_BYTES: u64 = 1 << 20;

/// A package, unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// The crate's name.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Size of the package itself.
    pub bytes: u64,
}

/// Packages every published crate and unpacks it below `scratch`.
pub fn make(tool: &Tool, scratch: &Path) -> Result<Vec<Unpacked>> {
    let out = scratch.join("package");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir_all(scratch)?;
    // Nothing that the lock file names needs the registry again; where it does, the second try asks it.
    if package(tool, scratch, true).is_err() {
        package(tool, scratch, false)?;
    }
    let (fresh, kept) = (scratch.join("fresh"), scratch.join("packages"));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh)?;
    let mut unpacked = Vec::new();
    for member in tool.workspace().packages.iter().filter(|member| member.is_published()) {
        let stem = format!("{}-{}", member.name, member.version);
        let file = out.join("package").join(format!("{stem}.crate"));
        let mut tar = Command::new("tar");
        tool.groups().check("tar", tar.arg("-xzf").arg(&file).arg("-C").arg(&fresh))?;
        let folder = kept.join(&member.name);
        // Packages carry one fixed time for all files, by which cargo could not see that a file has changed.
        scratch::hold(&folder, &scratch::read(&fresh.join(&stem))?)?;
        let bytes = fs::metadata(&file).context("the package is gone")?.len();
        unpacked.push(Unpacked { name: member.name.clone(), folder, bytes });
    }
    Ok(unpacked)
}

fn package(tool: &Tool, scratch: &Path, offline: bool) -> Result<()> {
    let mut command = tool.workspace().cargo();
    command.args(["package", "--quiet", "--workspace", "--no-verify", "--allow-dirty", "--target-dir"]);
    command.arg(scratch.join("package"));
    let members = &tool.workspace().packages;
    command.args(members.iter().filter(|p| !p.is_published()).flat_map(|p| ["--exclude", &p.name]));
    if offline {
        command.arg("--offline");
    }
    tool.groups().check("cargo package", &mut command).map(drop)
}

/// What is wrong with the packages.
pub fn judge(packages: &[Unpacked]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in packages {
        if package.bytes > PACKAGE_BYTES {
            findings.push(format!(
                "package {}: {} KiB, above {}",
                package.name,
                package.bytes >> 10,
                PACKAGE_BYTES >> 10
            ));
        }
        let mut sizes = Vec::new();
        for path in scratch::paths(&package.folder)? {
            let bytes = fs::metadata(package.folder.join(&path))?.len();
            sizes.push((path, bytes));
        }
        findings.extend(contents(&sizes).into_iter().map(|said| format!("package {}: {said}", package.name)));
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let text = |package: &Unpacked| fs::read(package.folder.join(licence)).unwrap_or_default();
            if text(package) != text(&packages[0]) {
                findings.push(format!(
                    "package {}: its {licence} is not that of {}",
                    package.name, packages[0].name
                ));
            }
        }
    }
    Ok(findings)
}

/// What is missing, and what should not be there.
fn contents(files: &[(String, u64)]) -> Vec<String> {
    let mut findings = Vec::new();
    for wanted in MUST {
        if !files.iter().any(|(path, bytes)| path == wanted && *bytes > 0) {
            findings.push(format!("no {wanted}, or an empty one"));
        }
    }
    for (path, bytes) in files {
        let is_ours = match path.split_once('/') {
            None => MUST.contains(&path.as_str()) || MAY.contains(&path.as_str()),
            Some((folder, inside)) => {
                let ending = inside.rsplit('.').next().unwrap_or_default();
                FOLDERS.contains(&folder) && (ENDINGS.contains(&ending) || inside.contains("fixtures/"))
            }
        };
        if !is_ours {
            findings.push(format!("{path} is a stray file: remove it, or `exclude` it in the manifest"));
        }
        if *bytes > FILE_BYTES && path != "Cargo.lock" {
            findings.push(format!("{path} has {} KiB, above {}", bytes >> 10, FILE_BYTES >> 10));
        }
    }
    findings
}

#[derive(Deserialize)]
struct Manifests {
    packages: Vec<Described>,
}

/// What a registry's page is made of.
#[derive(Deserialize)]
struct Described {
    manifest_path: PathBuf,
    description: Option<String>,
    readme: Option<PathBuf>,
    license: Option<String>,
    repository: Option<String>,
    rust_version: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    features: std::collections::BTreeMap<String, Vec<String>>,
    metadata: Option<serde_json::Value>,
}

/// What is missing on the registry's page of each package; `metadata` is what cargo says of the scratch workspace.
pub fn described(packages: &[Unpacked], metadata: &[u8]) -> Result<Vec<String>> {
    let metadata: Manifests = serde_json::from_slice(metadata).context("cannot read cargo metadata")?;
    let mut findings = Vec::new();
    for package in packages {
        let manifest = package.folder.join("Cargo.toml");
        let said = metadata.packages.iter().find(|described| described.manifest_path == manifest);
        let said = said.map_or_else(|| vec!["no service depends on it".to_owned()], page);
        findings.extend(said.into_iter().map(|said| format!("package {}: {said}", package.name)));
    }
    Ok(findings)
}

fn page(package: &Described) -> Vec<String> {
    let mut findings = Vec::new();
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let texts = [
        ("description", &package.description),
        ("repository", &package.repository),
        ("rust-version", &package.rust_version),
    ];
    findings.extend(
        texts.iter().filter(|(_, text)| is_empty(text)).map(|(name, _)| format!("no {name} in its manifest")),
    );
    if package.readme.is_none() {
        findings.push("no readme in its manifest".to_owned());
    }
    if package.license.as_deref() != Some("MIT OR Apache-2.0") {
        findings.push("its license is not `MIT OR Apache-2.0`".to_owned());
    }
    if !(1..=5).contains(&package.keywords.len()) {
        findings.push(format!("{} keywords: a registry takes one to five", package.keywords.len()));
    }
    if !(1..=5).contains(&package.categories.len()) {
        findings.push(format!("{} categories: a registry takes one to five", package.categories.len()));
    }
    let docs = package.metadata.as_ref().and_then(|metadata| metadata.pointer("/docs/rs"));
    if package.features.keys().any(|name| name != "default") && docs.is_none() {
        findings
            .push("it has features, and no [package.metadata.docs.rs] says which its docs show".to_owned());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_whole_and_holds_nothing_else() {
        let whole = MUST.iter().map(|name| ((*name).to_owned(), 9));
        let mut files: Vec<(String, u64)> =
            whole.chain([("src/a/fixtures/mail.eml".to_owned(), 9)]).collect();
        assert_eq!(contents(&files), Vec::<String>::new());
        files.retain(|(path, _)| path != "LICENSE-MIT");
        files.extend([
            ("notes.md".to_owned(), 1),
            ("src/core.dump".to_owned(), 1),
            ("src/big.rs".to_owned(), 1 << 20),
        ]);
        let said = contents(&files);
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].contains("LICENSE-MIT"), "{said:?}");
    }

    #[test]
    fn a_registry_page_needs_its_texts() {
        let text = r#"{"manifest_path":"/p/Cargo.toml","description":"A.","readme":"README.md","license":"MIT OR Apache-2.0","repository":"https://x",
            "rust_version":"1.94","keywords":["a"],"categories":["b"],"features":{},"metadata":null}"#;
        let whole: Described = serde_json::from_str(text).unwrap();
        assert_eq!(page(&whole), Vec::<String>::new());
        let text = text.replace("\"A.\"", "\"\"").replace("[\"a\"]", "[]").replace("{},", "{\"one\":[]},");
        let less: Described = serde_json::from_str(&text).unwrap();
        assert_eq!(page(&less).len(), 3, "{:?}", page(&less));
    }
}
