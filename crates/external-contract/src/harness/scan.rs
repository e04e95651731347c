//! Finds the `contract.toml` of every provider of a domain crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use external_core::{Provider, ProviderEntry, ProviderKind};

use super::{Behind, Harness};

/// A harness for every target of every provider of a crate: `src/providers/<id>/contract.toml` (or
/// `src/composites/<id>/`), built through the registry's own rows, behind the client that `behind` makes.
///
/// A row without a file is a failing clause; a file without a row is a provider that this build does not hold,
/// and is told as not run.
pub fn harnesses<S: ?Sized + Provider + 'static>(
    crate_folder: &str,
    entries: &[ProviderEntry<S>],
    behind: Behind<S>,
) -> Vec<Harness<S>> {
    let mut files = described(Path::new(crate_folder));
    let mut harnesses = Vec::new();
    for entry in entries {
        let file = files.remove(entry.id);
        match file.map(|path| (std::fs::read_to_string(&path), path)) {
            Some((Ok(text), _)) => harnesses.extend(Harness::from_toml(entry, &text)),
            Some((Err(error), path)) => {
                harnesses.push(Harness::broken(entry.id, format!("{}: {error}", path.display())));
            }
            None if entry.kind == ProviderKind::Composite => {}
            None => harnesses.push(Harness::broken(
                entry.id,
                format!("{crate_folder}/src/providers/{}/contract.toml: not found", entry.id),
            )),
        }
    }
    for id in files.into_keys() {
        let why = format!("this build does not hold the provider `{id}`: its feature is off");
        harnesses.push(Harness::absent(&id, why));
    }
    harnesses.into_iter().map(|harness| harness.behind(behind)).collect()
}

fn described(crate_folder: &Path) -> BTreeMap<String, PathBuf> {
    ["providers", "composites"]
        .into_iter()
        .filter_map(|kind| std::fs::read_dir(crate_folder.join("src").join(kind)).ok())
        .flat_map(|folder| folder.flatten())
        .map(|provider| (provider.file_name(), provider.path().join("contract.toml")))
        .filter(|(_, file)| file.is_file())
        .filter_map(|(id, file)| Some((id.into_string().ok()?, file)))
        .collect()
}
