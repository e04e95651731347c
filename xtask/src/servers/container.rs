//! A server from a container image: the last resort, where an engine runs.

use std::process::Command;

use super::{Host, Program, Source, on_path};
use crate::failure::{Failure, Result};

/// `program` of `image`, on the host's network, with the same paths inside as outside, and with these variables of its
/// command.
pub fn source(image: &'static str, program: &'static str, variables: &'static [&'static str]) -> Source {
    Source {
        what: format!("container image {image}"),
        cost: "50 to 200 MB".to_owned(),
        here: false,
        obtain: Box::new(move |host| obtain(host, image, program, variables)),
    }
}

fn obtain(host: &Host<'_>, image: &str, program: &str, variables: &[&str]) -> Result<Program> {
    let mut reasons = Vec::new();
    for engine in ["docker", "podman"] {
        let Some(file) = on_path(engine) else {
            reasons.push(format!("no {engine} on PATH"));
            continue;
        };
        if let Err(failure) = host.groups.check(engine, Command::new(&file).arg("info")) {
            reasons.push(format!("{failure}"));
            continue;
        }
        host.groups.check(engine, Command::new(&file).args(["pull", "--quiet", image]))?;
        let mut found = Program::of(file, format!("{engine} image {image}"));
        // `run` passes signals on to the server and ends with it; --init makes it heed them.
        let share = |path: &std::path::Path| format!("{0}:{0}", path.display());
        found.arguments = ["run", "--rm", "--init", "--network", "host", "--volume"].map(Into::into).to_vec();
        found.arguments.push(share(&host.workspace.target).into());
        found.arguments.extend(["--volume".into(), share(&host.workspace.root).into()]);
        for variable in variables {
            found.arguments.extend(["--env".into(), (*variable).into()]);
        }
        found.arguments.extend([image.into(), program.into()]);
        return Ok(found);
    }
    Err(Failure::new(reasons.join(", ")))
}
