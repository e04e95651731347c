//! Every block of TOML in the documentation is what it says it is: a configuration builds a container.
#![cfg(feature = "all-providers")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use external_container::Container;

/// Top-level tables that are no configuration of a service: manifests, and the contract suite's targets. They are parsed.
const OTHERS: &[&str] = &["dependencies", "dev-dependencies", "test", "target"];

/// Where documentation is: the README at the top, those of the crates, and the first pages of their docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let of_crates = crates.flat_map(|folder| [folder.join("README.md"), folder.join("src/lib.rs")]);
    let mut pages: Vec<PathBuf> =
        of_crates.chain([root.join("README.md")]).filter(|page| page.is_file()).collect();
    pages.sort();
    pages
}

/// The blocks of a page with the number of the line that opens each.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.strip_prefix("//!").map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        match &mut open {
            None if line.trim() == "```toml" => open = Some((at + 1, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

fn build(name: &str, block: &str) -> Result<(), external_core::Error> {
    let secrets = ["REDIS_URL", "REDIS_PASSWORD", "LINK_KEY", "MINIO_KEY", "PROXY_PASSWORD", "CLIENT_SECRET"];
    let value =
        |name: &str| if name.ends_with("URL") { "redis://localhost" } else { "sixteen bytes at least" };
    let mut builder = Container::builder()
        .domain(external_storage::registry())
        .domain(external_cache::registry())
        .domain(external_email::registry())
        .domain(external_http::registry())
        .env(secrets.map(|name| (name, value(name))))
        .ignore("app");
    for other in OTHERS {
        builder = builder.ignore(*other);
    }
    builder.from_str(name, block).map(drop)
}

#[test]
fn blocks_of_toml_can_be_used() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        for (line, block) in blocks(&fs::read_to_string(&page).unwrap()) {
            seen += 1;
            if let Err(error) = build("block.toml", &block) {
                wrong.push(format!("{}:{line}: {}", page.display(), error.report()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 10, "only {seen} blocks of TOML were found");
}

#[test]
fn a_block_that_is_wrong_is_found() {
    assert!(build("block.toml", "[storage.default]\nprovider = 'local'\nrot = '/srv'\n").is_err());
    assert!(build("block.toml", "[dependencies]\nexternal-core = 0.1.2\n").is_err());
    assert_eq!(blocks("a\n```toml\n[app]\n```\n//! ```toml\n//! x = 1\n//! ```\n").len(), 2);
}
