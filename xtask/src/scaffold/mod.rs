//! A new provider's folder and its registration, as texts: nothing is written here.

mod edit;

use crate::failure::{Failure, Result};

/// A domain that providers can be made for.
struct Domain {
    name: &'static str,
    /// What a provider's `mod.rs` begins as.
    module: &'static str,
    kind: &'static Kind,
}

/// What the providers of a domain are most often.
struct Kind {
    /// The files beside `mod.rs`.
    files: &'static [(&'static str, &'static str)],
    /// What the provider's feature switches on.
    enables: &'static [&'static str],
    /// Where a new one meets its suite.
    lane: &'static str,
}

impl Kind {
    /// Whether it brings a server shaped like the vendor.
    fn has_simulator(&self) -> bool {
        self.files.iter().any(|(name, _)| *name == "simulator.rs")
    }
}

/// By a protocol of their own, to a server that can be had.
const PLAIN: Kind = Kind {
    files: &[
        ("config.rs", include_str!("../../templates/provider/config.rs.tpl")),
        ("error.rs", include_str!("../../templates/provider/error.rs.tpl")),
        ("contract.toml", include_str!("../../templates/provider/contract.toml.tpl")),
    ],
    enables: &[],
    lane: "embedded",
};

/// What others speak HTTP by.
const TRANSPORT: Kind = Kind {
    files: &[
        ("config.rs", include_str!("../../templates/provider/config.rs.tpl")),
        ("error.rs", include_str!("../../templates/provider/error.rs.tpl")),
        ("contract.toml", include_str!("../../templates/http/contract.toml.tpl")),
    ],
    enables: &[],
    lane: "simulator",
};

/// By HTTP and JSON, to a vendor that has no server to run.
const VENDOR: Kind = Kind {
    files: &[
        ("config.rs", include_str!("../../templates/vendor/config.rs.tpl")),
        ("api.rs", include_str!("../../templates/vendor/api.rs.tpl")),
        ("error.rs", include_str!("../../templates/vendor/error.rs.tpl")),
        ("simulator.rs", include_str!("../../templates/vendor/simulator.rs.tpl")),
        ("contract.toml", include_str!("../../templates/vendor/contract.toml.tpl")),
    ],
    enables: &["vendor"],
    lane: "simulator",
};

const DOMAINS: &[Domain] = &[
    Domain { name: "cache", module: include_str!("../../templates/cache/mod.rs.tpl"), kind: &PLAIN },
    Domain { name: "email", module: include_str!("../../templates/email/mod.rs.tpl"), kind: &VENDOR },
    Domain { name: "http", module: include_str!("../../templates/http/mod.rs.tpl"), kind: &TRANSPORT },
    Domain { name: "storage", module: include_str!("../../templates/storage/mod.rs.tpl"), kind: &PLAIN },
];

/// Words that Rust keeps for itself, so that no module can be called so.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// A file as it is to be.
#[derive(Debug, Clone)]
pub struct Written {
    /// From the workspace's root.
    pub path: String,
    /// All of it.
    pub text: String,
    /// What became of it, for people.
    pub what: &'static str,
}

/// Every file that a new provider makes or changes. `read` answers a file of the workspace, `None` if it is not there.
pub fn plan(domain: &str, id: &str, read: impl Fn(&str) -> Option<String>) -> Result<Vec<Written>> {
    let Some(Domain { module, kind, .. }) = DOMAINS.iter().find(|known| known.name == domain) else {
        let known: Vec<&str> = DOMAINS.iter().map(|known| known.name).collect();
        return Err(Failure::new(format!("no domain `{domain}`: there are {}", known.join(", "))));
    };
    check_id(id)?;
    let package = format!("crates/external-{domain}");
    let folder = format!("{package}/src/providers/{id}");
    if read(&format!("{folder}/mod.rs")).is_some() {
        return Err(Failure::new(format!("{folder} is there already")));
    }
    let file = |name: &str, template: &str| Written {
        path: format!("{folder}/{name}"),
        text: fill(template, domain, id),
        what: "new",
    };
    let mut written = vec![file("mod.rs", module)];
    written.extend(kind.files.iter().map(|(name, template)| file(name, template)));
    let edited = |path: &str, what: &'static str, edit: &dyn Fn(&str) -> Result<String>| -> Result<Written> {
        let path = format!("{package}/{path}");
        let old = read(&path).ok_or_else(|| Failure::new(format!("{path} is not there")))?;
        let text = edit(&old).map_err(|failure| Failure::new(format!("{path}: {failure}")))?;
        Ok(Written { path, text, what })
    };
    let types = [format!("{}Config", name(id)), format!("{}{}", name(id), name(domain))];
    written.push(edited("Cargo.toml", "its feature, also in all-providers", &|text| {
        edit::manifest(text, id, kind.enables)
    })?);
    written.push(edited("src/providers/mod.rs", "its module, its row, its line in KNOWN", &|text| {
        let text = edit::table(text, id)?;
        if kind.has_simulator() { edit::simulator(&text, id) } else { Ok(text) }
    })?);
    written.push(edited("src/lib.rs", "its types", &|text| edit::exports(text, id, &types))?);
    Ok(written)
}

/// The domains that providers can be made for.
pub fn domains() -> impl Iterator<Item = &'static str> {
    DOMAINS.iter().map(|domain| domain.name)
}

/// The lane on which a new provider of this domain meets its suite.
pub fn lane(domain: &str) -> &'static str {
    DOMAINS.iter().find(|known| known.name == domain).map_or("embedded", |known| known.kind.lane)
}

/// An id is feature, folder, module and configuration value at once.
fn check_id(id: &str) -> Result<()> {
    let begins = id.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        let rule =
            "lower-case letters, digits and _, beginning with a letter: it is feature, folder and module";
        return Err(Failure::new(format!("`{id}` cannot be an id: {rule}")));
    }
    if KEYWORDS.contains(&id)
        || ["default", "memory", "serve", "simulator", "vendor", "webhook"].contains(&id)
    {
        return Err(Failure::new(format!("`{id}` cannot be an id: the word means something else already")));
    }
    Ok(())
}

/// `my_store` as `MyStore`.
fn name(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    id.split('_').map(capital).collect()
}

fn fill(template: &str, domain: &str, id: &str) -> String {
    template
        .replace("{{Domain}}", &name(domain))
        .replace("{{domain}}", domain)
        .replace("{{Name}}", &name(id))
        .replace("{{ID}}", &id.to_ascii_uppercase())
        .replace("{{id}}", id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Tree, check};
    use crate::workspace::Workspace;

    const ID: &str = "my_vendor2";

    fn planned(domain: &str, workspace: &Workspace) -> Vec<Written> {
        plan(domain, ID, |path| std::fs::read_to_string(workspace.root.join(path)).ok()).unwrap()
    }

    #[test]
    fn a_new_provider_is_tidy_in_every_domain() {
        let workspace = Workspace::load().unwrap();
        for Domain { name: domain, .. } in DOMAINS {
            let mut tree = Tree::read(&workspace).unwrap();
            for written in planned(domain, &workspace) {
                assert!(!written.text.contains("{{"), "{written:?}");
                tree.lay(&written.path, written.text);
            }
            let package = tree.packages.iter_mut().find(|p| p.name == format!("external-{domain}")).unwrap();
            package.features.insert(ID.into(), Vec::new());
            package.features.get_mut("all-providers").unwrap().push(ID.into());
            let findings: Vec<_> = check(&tree).iter().map(ToString::to_string).collect();
            assert!(findings.is_empty(), "{domain}: {}", findings.join("\n"));
        }
    }

    #[test]
    fn it_is_registered_everywhere() {
        let workspace = Workspace::load().unwrap();
        for Domain { name: domain, kind, .. } in DOMAINS {
            let planned = planned(domain, &workspace);
            let text = |end: &str| &planned.iter().find(|written| written.path.ends_with(end)).unwrap().text;
            let manifest: Vec<&str> = text("Cargo.toml").lines().collect();
            let feature = format!("my_vendor2 = {:?}", kind.enables);
            assert!(manifest.contains(&feature.as_str()), "{domain}");
            let table = text("src/providers/mod.rs");
            assert!(table.contains("#[cfg(feature = \"my_vendor2\")]\npub mod my_vendor2;\n"), "{table}");
            assert!(
                table.contains("    #[cfg(feature = \"my_vendor2\")]\n    my_vendor2::ENTRY,\n];"),
                "{table}"
            );
            assert!(
                table.contains("KnownProvider { id: \"my_vendor2\", feature: \"my_vendor2\" }"),
                "{table}"
            );
            let row = "    #[cfg(feature = \"my_vendor2\")]\n    (\"my_vendor2\", my_vendor2::simulator::simulate),\n];";
            assert_eq!(table.contains(row), kind.has_simulator(), "{table}");
            let exports =
                format!("pub use providers::my_vendor2::{{MyVendor2Config, MyVendor2{}}};", name(domain));
            assert!(text("src/lib.rs").contains(&exports));
            // Every method that the suite calls tells where to go on.
            assert!(text("my_vendor2/mod.rs").contains("Err(not_written(\"probe\""));
            assert!(
                text("my_vendor2/error.rs")
                    .contains(&format!("external-{domain}/src/providers/my_vendor2/mod.rs"))
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let nothing = |_: &str| None;
        for id in ["", "2go", "My", "a-b", "type", "memory", "../x"] {
            assert!(plan("cache", id, nothing).unwrap_err().to_string().contains("cannot be an id"), "{id}");
        }
        assert!(
            plan("weather", "x", nothing).unwrap_err().to_string().contains("cache, email, http, storage")
        );
        let there = |_: &str| Some(String::new());
        assert!(plan("cache", "redis", there).unwrap_err().to_string().contains("is there already"));
    }
}
