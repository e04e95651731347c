//! Python and packages for it, from wherever they can be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, Program, Source, debian, kept, on_path};
use crate::failure::{Context, Failure, Result};

/// A Python package that a script of ours needs.
#[derive(Clone, Copy)]
pub struct Module {
    /// For people.
    pub name: &'static str,
    /// What `import` says.
    pub import: &'static str,
    /// The Debian package, if there is one.
    pub debian: Option<&'static str>,
    /// The requirements for pip, with their exact versions.
    pub pip: &'static [&'static str],
    /// What fetching it costs, for people.
    pub cost: &'static str,
}

/// An interpreter that can import `module`: as it is here, with Debian's package, with pip's.
pub fn sources(host: &Host<'_>, module: Module) -> Vec<Source> {
    let installed = Source {
        what: format!("the {} of this machine's Python", module.name),
        cost: String::new(),
        here: true,
        obtain: Box::new(move |host| with_packages(host, module, None, "this machine's Python")),
    };
    let debian = module.debian.map(|package| Source {
        what: format!("Debian package {package}"),
        cost: module.cost.to_owned(),
        here: debian::is_here(host, package),
        obtain: Box::new(move |host| {
            let tree = debian::unpack(host, package)?;
            let packages = tree.join("usr/lib/python3/dist-packages");
            let origin = format!("Debian package {package}");
            with_packages(host, module, Some(&packages), &origin).or_else(|failure| {
                // No Python on this machine: the package's closure brought one.
                let python = Program::of_tree(&tree, "usr/bin/python3", &origin);
                let python = python.with_variable("PYTHONPATH", packages.as_os_str());
                try_import(host, &python, module).map(|()| python).map_err(|_| failure)
            })
        }),
    });
    let pip = Source {
        what: format!("pip install {} into the target directory", module.pip.join(" ")),
        cost: module.cost.to_owned(),
        here: pip_folder(host, module).is_dir(),
        obtain: Box::new(move |host| {
            let packages = pip_install(host, module)?;
            with_packages(host, module, Some(&packages), &format!("PyPI: {}", module.pip.join(" ")))
        }),
    };
    [Some(installed), debian, Some(pip)].into_iter().flatten().collect()
}

fn pip_folder(host: &Host<'_>, module: Module) -> PathBuf {
    let names: Vec<_> = module.pip.iter().filter_map(|requirement| requirement.split(';').next()).collect();
    host.workspace.own().join("python").join(names.join("+"))
}

fn pip_install(host: &Host<'_>, module: Module) -> Result<PathBuf> {
    kept::make(&pip_folder(host, module), |work| install(host, module.pip, work))
}

/// Installs requirements into a folder, with an interpreter of this machine.
pub fn install(host: &Host<'_>, requirements: &[&str], folder: &Path) -> Result<()> {
    let python = on_path("python3").ok_or_else(|| Failure::new("no python3 on PATH"))?;
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    host.groups
        .check("pip", install.arg(folder).args(requirements))
        .context("cannot install by pip")
        .map(drop)
}

/// The first interpreter that can import the module, with `packages` on its path if given.
fn with_packages(host: &Host<'_>, module: Module, packages: Option<&Path>, origin: &str) -> Result<Program> {
    let mut failure = Failure::new("no python3 on PATH");
    for python in [on_path("python3"), Some(PathBuf::from("/usr/bin/python3"))].into_iter().flatten() {
        let mut program = Program::of(python, origin);
        if let Some(packages) = packages {
            program = program.with_variable("PYTHONPATH", packages);
        }
        match try_import(host, &program, module) {
            Ok(()) => return Ok(program),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn try_import(host: &Host<'_>, python: &Program, module: Module) -> Result<()> {
    // ssl and asyncio too: a Python can lack them.
    let script = format!("import asyncio, ssl, {}", module.import);
    host.groups.check("python3", python.command().args(["-c", &script])).map(drop)
}
