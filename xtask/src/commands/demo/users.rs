//! Whom to register, as the command line says it.

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use crate::failure::{Context, Failure, Result};

/// How many users a run with faults needs at least. The demo asks for as many itself (`FEWEST` in its `fault` module), but
/// only once it is built and the servers run.
const FEWEST_WITH_FAULTS: usize = 10;

/// Whom to register.
#[derive(Debug, Clone)]
pub enum Users {
    /// So many of those that are shipped.
    Count(usize),
    /// Those of a file.
    File(PathBuf),
}

impl FromStr for Users {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Count))
    }
}

impl Users {
    /// Refuses too few of them.
    pub fn enough(&self, fault: bool) -> Result<()> {
        let (count, named) = match self {
            Self::Count(count) => (*count, format!("--users {count}")),
            Self::File(file) => {
                let bytes = fs::read(file).context(format!("cannot read {}", file.display()))?;
                let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                let count = lines.count();
                (count, format!("--users {}: {count} in it", file.display()))
            }
        };
        if fault && count < FEWEST_WITH_FAULTS {
            return Err(Failure::new(format!("{named}: --fault needs at least {FEWEST_WITH_FAULTS} users")));
        }
        if count == 0 {
            return Err(Failure::new(format!("{named}: there must be at least 1 user")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn too_few_are_told_with_the_number_that_is_needed() {
        for (count, fault, told) in [
            (0, false, "--users 0: there must be at least 1 user"),
            (3, true, "--users 3: --fault needs at least 10 users"),
            (9, true, "--users 9: --fault needs at least 10 users"),
        ] {
            assert_eq!(Users::Count(count).enough(fault).unwrap_err().to_string(), told);
        }
        Users::Count(1).enough(false).unwrap();
        Users::Count(10).enough(true).unwrap();
    }

    #[test]
    fn those_of_a_file_are_counted() {
        let file = std::env::temp_dir().join(format!("xtask-users-{}.jsonl", std::process::id()));
        fs::write(&file, "{}\n".repeat(9) + "\n \n").unwrap();
        let users: Users = file.to_str().unwrap().parse().unwrap();
        let told = users.enough(true).unwrap_err().to_string();
        assert!(told.ends_with(": 9 in it: --fault needs at least 10 users"), "{told}");
        users.enough(false).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(users.enough(false).unwrap_err().to_string().starts_with("cannot read "));
    }

    #[test]
    fn the_demo_asks_for_as_many() {
        let root = Workspace::load().unwrap().root;
        let demo = fs::read_to_string(root.join("crates/external-demo/src/fault/mod.rs")).unwrap();
        assert!(demo.contains(&format!("const FEWEST: usize = {FEWEST_WITH_FAULTS};")));
    }
}
