//! Vendor-shaped servers as programs: a provider's folder that has a `simulator` names one, and the example `simulator` of
//! its crate runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::failure::{Context, Failure, Result};
use crate::graph;
use crate::process::Group;
use crate::tool::Tool;
use crate::workspace::{Package, Workspace};

/// The target that runs one, by the provider's id and a folder for what it delivers.
const EXAMPLE: &str = "simulator";

/// A vendor that can be stood in for.
pub struct Simulator {
    /// The provider's id.
    pub id: String,
    package: Package,
    folder: PathBuf,
}

/// All of them, by their ids.
pub fn simulators(workspace: &Workspace) -> Vec<Simulator> {
    let mut all = Vec::new();
    for package in
        workspace.packages.iter().filter(|package| package.targets_of("example").any(|t| t == EXAMPLE))
    {
        for entry in fs::read_dir(package.folder().join("src/providers")).into_iter().flatten().flatten() {
            let folder = entry.path();
            if folder.join("simulator.rs").is_file() || folder.join("simulator/mod.rs").is_file() {
                let id = entry.file_name().to_string_lossy().into_owned();
                all.push(Simulator { id, package: package.clone(), folder });
            }
        }
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// That of this provider.
pub fn simulator(workspace: &Workspace, id: &str) -> Result<Simulator> {
    let (mut found, others): (Vec<_>, Vec<_>) =
        simulators(workspace).into_iter().partition(|one| one.id == id);
    found.pop().ok_or_else(|| {
        let known: Vec<String> = others.into_iter().map(|one| one.id).collect();
        Failure::new(format!("no simulator of {id}; there are: {}", known.join(", ")))
    })
}

impl Simulator {
    /// Builds and starts it, and says where it listens. What it delivers goes to `deliveries`.
    pub fn start(&self, tool: &Tool, deliveries: &Path) -> Result<(Group, String)> {
        let mut command = tool.workspace().cargo();
        command.args(["build", "--example", EXAMPLE]);
        // The selection of everything else, so that nothing is compiled for this alone.
        graph::select(
            graph::with_a_test(&mut command, tool.workspace(), &self.package.name),
            tool.workspace(),
        );
        let built = graph::build(tool, &mut command)?;
        let built = built.into_iter().find(|one| one.package == self.package.name && one.target == EXAMPLE);
        let built =
            built.ok_or_else(|| Failure::new(format!("{} has no such example", self.package.name)))?;
        let mut command = tool.workspace().command(&built.file);
        command.arg(&self.id).arg(deliveries).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut group = tool.groups().spawn(&self.id, &mut command)?;
        let mut url = String::new();
        if let Some(out) = group.child().stdout.take() {
            BufReader::new(out).read_line(&mut url)?;
        }
        match url.trim() {
            "" => Err(Failure::new(format!("{} ended with {}", self.id, group.wait()?))),
            url => Ok((group, url.to_owned())),
        }
    }

    /// The configuration that points a client at it, as a file of the container has it.
    pub fn configuration(&self, url: &str) -> Result<String> {
        let file = self.folder.join("contract.toml");
        let text = fs::read_to_string(&file).context(format!("cannot read {}", file.display()))?;
        let domain = self.package.name.trim_start_matches("external-");
        configuration(&text, domain, &self.id, url).context(file.display().to_string())
    }
}

/// The first configuration that the contract suite uses with the simulator.
fn configuration(contract: &str, domain: &str, id: &str, url: &str) -> Result<String> {
    let contract: toml::Table = contract.parse()?;
    let targets = contract.get("target").and_then(toml::Value::as_array);
    let config = targets
        .into_iter()
        .flatten()
        .find(|target| target.get("lane").and_then(toml::Value::as_str) == Some("simulator"))
        .and_then(|target| target.get("config")?.as_table())
        .ok_or_else(|| Failure::new("no target on the lane `simulator` with a config"))?;
    let variable = format!("${{SIMULATOR_{}_URL}}", id.to_uppercase());
    let fields = toml::to_string(config)?.replace(&variable, url);
    Ok(format!("[{domain}.default]\nprovider = \"{id}\"\n{}", fields.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_simulator_is_one_and_others_are_not() {
        let root = std::env::temp_dir().join(format!("xtask-simulators-{}", std::process::id()));
        for file in ["a/simulator.rs", "b/simulator/mod.rs", "c/mod.rs"] {
            let file = root.join("src/providers").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let package = |name: &str, kind: &str| {
            serde_json::from_value(serde_json::json!({
                "name": name, "version": "0.1.0", "manifest_path": root.join("Cargo.toml"), "publish": [],
                "features": {}, "dependencies": [], "targets": [{ "name": "simulator", "kind": [kind] }],
            }))
        };
        let packages = vec![package("external-x", "example").unwrap(), package("external-y", "bin").unwrap()];
        let workspace = Workspace { root: root.clone(), target: root.clone(), packages };
        let ids: Vec<_> = simulators(&workspace).into_iter().map(|one| one.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(simulator(&workspace, "b").is_ok());
        let Err(failure) = simulator(&workspace, "c") else { panic!("there is none of c") };
        assert_eq!(failure.to_string(), "no simulator of c; there are: a, b");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_client_is_pointed_there_as_the_suite_points_it() {
        let contract = r#"
            [[target]]
            lane = "server"
            config = { base_url = "${ELSEWHERE}" }
            [[target]]
            lane = "simulator"
            config = { api_key = "k", base_url = "${SIMULATOR_MY_VENDOR_URL}/v1" }
        "#;
        let seen = configuration(contract, "sms", "my_vendor", "http://127.0.0.1:7").unwrap();
        assert_eq!(
            seen,
            "[sms.default]\nprovider = \"my_vendor\"\napi_key = \"k\"\nbase_url = \"http://127.0.0.1:7/v1\""
        );
        assert!(configuration("", "sms", "my_vendor", "u").is_err());
    }
}
