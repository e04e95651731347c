//! The list of mutations: `xtask/mutations/<domain>.toml`, and how one is made.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::failure::{Context, Failure, Result};
use crate::graph::SUITES;
use crate::workspace::Workspace;

/// The name by which the list calls a crate's unit tests.
pub const UNIT_TESTS: &str = "lib";

/// A small mistake that somebody could make in a file, and who should notice it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// `storage`, …: the name of the file that it stands in.
    #[serde(skip)]
    pub domain: String,
    /// Unique in its domain.
    pub id: String,
    /// The file that it changes, from the workspace's root.
    pub file: String,
    /// Why a person could write this.
    pub why: String,
    /// The text that is there, exactly once.
    pub before: String,
    /// What it becomes.
    pub after: String,
    /// The clause or the test that should notice it.
    pub noticed_by: Notice,
}

/// A clause of a suite, or a test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The package of the test target, if that is not the changed file's.
    package: Option<String>,
    /// The test target: `contract`, `client`, another one, or `lib` for unit tests.
    pub test: String,
    /// Of a suite: the provider against which the clause is run.
    pub provider: Option<String>,
    /// Of a suite: the clause, or what several begin with.
    pub clause: Option<String>,
    /// Of other tests: the test, or a part of the names of several.
    pub name: Option<String>,
}

/// Where tests are that notice something: one program, and for suites one provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The package of the test target.
    pub package: String,
    /// The test target.
    pub test: String,
    /// Of a suite: the provider.
    pub provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutations {
    mutation: Vec<Mutation>,
}

/// All mutations, by domain, in the order in which they are written down.
pub fn read(workspace: &Workspace) -> Result<Vec<Mutation>> {
    let folder = workspace.root.join("xtask/mutations");
    let entries = fs::read_dir(&folder).context(format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.collect::<std::io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut all = Vec::new();
    for path in files.iter().map(fs::DirEntry::path).filter(|path| path != &survivors(workspace)) {
        let text = fs::read_to_string(&path).context(format!("cannot read {}", workspace.show(&path)))?;
        let domain = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        all.extend(parse(&domain, &text).context(workspace.show(&path))?);
    }
    Ok(all)
}

/// Where the survivors of generated mutations are explained.
pub fn survivors(workspace: &Workspace) -> std::path::PathBuf {
    workspace.root.join("xtask/mutations/generated.toml")
}

fn parse(domain: &str, text: &str) -> Result<Vec<Mutation>> {
    let mut mutations = toml::from_str::<Mutations>(text)?.mutation;
    for at in 0..mutations.len() {
        let id = mutations[at].id.clone();
        mutations[at].check().context(&id)?;
        if mutations[..at].iter().any(|other| other.id == id) {
            return Err(Failure::new(format!("{id}: two mutations have this id")));
        }
        domain.clone_into(&mut mutations[at].domain);
    }
    Ok(mutations)
}

impl Mutation {
    fn check(&self) -> Result<()> {
        let said = [&self.id, &self.file, &self.why, &self.before];
        if said.iter().any(|text| text.trim().is_empty()) {
            return Err(Failure::new("id, file, why and before are not empty"));
        }
        if self.before == self.after {
            return Err(Failure::new("it changes nothing: before and after are the same"));
        }
        if self.package().is_none() {
            return Err(Failure::new(format!("{} lies in no crate", self.file)));
        }
        self.noticed_by.check()
    }

    /// The package of the file that it changes.
    fn package(&self) -> Option<&str> {
        self.file.strip_prefix("crates/")?.split('/').next()
    }

    /// `<domain>/<id>`.
    pub fn title(&self) -> String {
        format!("{}/{}", self.domain, self.id)
    }

    /// Where it should be noticed.
    pub fn place(&self) -> Place {
        let Notice { package, test, provider, .. } = &self.noticed_by;
        // That there is one was checked when the list was read.
        let package = package.as_deref().or_else(|| self.package()).unwrap_or_default();
        Place { package: package.to_owned(), test: test.clone(), provider: provider.clone() }
    }

    /// The text of its file with the mistake in it, or why it cannot be made there.
    pub fn apply(&self, text: &str) -> std::result::Result<String, String> {
        match text.matches(self.before.as_str()).count() {
            1 => Ok(text.replacen(&self.before, &self.after, 1)),
            0 => Err("the text that it replaces is not there any more".to_owned()),
            n => Err(format!("the text that it replaces is there {n} times")),
        }
    }

    /// As [`apply`](Self::apply), with the file below `root`.
    pub fn apply_below(&self, root: &Path) -> std::result::Result<String, String> {
        let text = fs::read_to_string(root.join(&self.file));
        self.apply(&text.map_err(|error| format!("its file cannot be read: {error}"))?)
    }
}

impl Notice {
    fn check(&self) -> Result<()> {
        let Self { provider, clause, name, .. } = self;
        let fits = match self.is_of_suite() {
            true => provider.is_some() && clause.is_some() && name.is_none(),
            false => provider.is_none() && clause.is_none() && name.is_some(),
        };
        if fits {
            return Ok(());
        }
        Err(Failure::new("noticed_by names a suite's test, provider and clause, or another test and name"))
    }

    /// Whether it is a clause.
    pub fn is_of_suite(&self) -> bool {
        SUITES.contains(&self.test.as_str())
    }

    /// The clause or the test.
    pub fn wanted(&self) -> &str {
        self.clause.as_deref().or(self.name.as_deref()).unwrap_or_default()
    }

    /// Whether this clause or test is meant, by the rule by which the test program itself selects.
    pub fn means(&self, seen: &str) -> bool {
        let wanted = self.wanted();
        match self.is_of_suite() {
            true => seen.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            false => seen.contains(wanted),
        }
    }
}

impl Place {
    /// `external-storage contract s3`.
    pub fn title(&self) -> String {
        let provider = self.provider.as_deref().unwrap_or_default();
        format!("{} {} {provider}", self.package, self.test).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
[[mutation]]
id = "a"
file = "crates/external-cache/src/lib.rs"
why = "It happens."
before = '''
    one();
'''
after = ''
noticed_by = { test = "contract", provider = "memory", clause = "cache.get.1" }
"#;

    fn one() -> Mutation {
        parse("cache", ONE).unwrap().remove(0)
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(ONE.contains(from), "{from}");
        parse("cache", &ONE.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn a_mutation_says_where_it_is_made_and_where_it_is_noticed() {
        let one = one();
        assert_eq!(one.title(), "cache/a");
        assert_eq!(one.place().title(), "external-cache contract memory");
        let text = ONE.replace(
            r#"{ test = "contract", provider = "memory", clause = "cache.get.1" }"#,
            r#"{ package = "external-net", test = "lib", name = "tests::x" }"#,
        );
        let other = parse("cache", &text).unwrap().remove(0);
        assert_eq!(other.place().title(), "external-net lib");
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        assert!(refusal("'''\n    one();\n'''", "''").contains("not empty"));
        assert!(refusal("after = ''", "after = \"    one();\\n\"").contains("changes nothing"));
        assert!(refusal("crates/external-cache", "xtask").contains("no crate"));
        assert!(refusal("\"contract\"", "\"lib\"").contains("noticed_by"));
        assert!(refusal("provider = \"memory\", ", "").contains("noticed_by"));
        assert!(refusal("why =", "reason =").contains("reason"));
        let twice = parse("cache", &format!("{ONE}{ONE}")).unwrap_err().to_string();
        assert!(twice.contains("two mutations"), "{twice}");
    }

    #[test]
    fn it_is_made_where_its_text_is_once() {
        let one = one();
        assert_eq!(one.apply("fn f() {\n    one();\n}\n").unwrap(), "fn f() {\n}\n");
        assert!(one.apply("fn f() {\n    two();\n}\n").unwrap_err().contains("not there any more"));
        assert!(one.apply("    one();\n    one();\n").unwrap_err().contains("2 times"));
    }

    #[test]
    fn a_clause_is_meant_whole_and_a_test_by_a_part_of_its_name() {
        let clause = one().noticed_by;
        assert!(clause.means("cache.get.1") && !clause.means("cache.get.10"));
        let clause = Notice { clause: Some("cache.get".into()), ..clause };
        assert!(clause.means("cache.get.1") && !clause.means("cache.get_many.1"));
        let test =
            Notice { test: "lib".into(), provider: None, clause: None, name: Some("x".into()), ..clause };
        assert!(test.means("tests::x_holds") && !test.means("tests::y"));
    }

    /// A change that touches a mutation's text has to look at the mutation as well.
    #[test]
    fn every_mutation_of_the_list_can_be_made() {
        let workspace = Workspace::load().unwrap();
        let all = read(&workspace).unwrap();
        assert!(all.len() >= 30, "{}", all.len());
        let stale: Vec<String> = all
            .iter()
            .filter_map(|m| Some(format!("{}: {}", m.title(), m.apply_below(&workspace.root).err()?)))
            .collect();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
        for mutation in &all {
            let place = mutation.place();
            let package = workspace.packages.iter().find(|package| package.name == place.package).unwrap();
            let known = place.test == UNIT_TESTS || package.targets_of("test").any(|t| t == place.test);
            assert!(known, "{}: {} has no such test", mutation.title(), place.title());
        }
    }
}
