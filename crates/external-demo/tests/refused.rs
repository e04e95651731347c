//! What cannot work is refused before anybody is registered, and named with what to do about it.
#![allow(clippy::unwrap_used, reason = "a test ends where its ground gives way")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// What a run that is refused says.
fn refused(arguments: &[&str]) -> String {
    let out = tempfile::tempdir().unwrap();
    refused_in(out.path(), arguments)
}

fn refused_in(out: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_external-demo"));
    let output = command.arg("--out").arg(out).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// The same for a configuration.
fn refused_configuration(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, bytes).unwrap();
    refused(&["--config", file.to_str().unwrap()])
}

#[test]
fn a_configuration_that_does_not_say_where_mails_arrive() {
    let shipped = fs::read_to_string(here("config/embedded.toml")).unwrap();
    let (without_table, _) = shipped.split_once("[demo]").unwrap();
    for text in [without_table, &*shipped.replace("mailbox =", "# mailbox =")] {
        let said = refused_configuration(text.as_bytes());
        for part in ["write `mailbox = \"FOLDER\"` below `[demo]`", "mine.toml", "key=demo.mailbox"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_utf_8() {
    let said = refused_configuration(b"[demo]\nmailbox = \"caf\xe9\"\n");
    for part in ["not UTF-8 text: byte 21, counted from 0, is 0xe9", "mine.toml", "line=2"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_configuration_that_is_not_there() {
    let out = tempfile::tempdir().unwrap();
    let said = refused_in(out.path(), &["--config", "/nowhere/mine.toml"]);
    assert!(said.contains("/nowhere/mine.toml") && said.contains("caused by: No such file"), "{said}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "no folder of a run is left");
}

#[test]
fn too_few_users_for_faults() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.jsonl");
    let portrait = here("data/portraits/01-ada.jpg");
    let portrait = portrait.to_str().unwrap();
    let line = |n: u32| {
        format!(
            r#"{{"name": "A {n}", "email": "a{n}@example.com", "locale": "en", "portrait": "{portrait}"}}"#
        )
    };
    fs::write(&users, (0..9).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let said = refused(&["--fault", "--users", users.to_str().unwrap()]);
    assert!(said.contains("at least 10 users") && said.contains("users=9"), "{said}");
    assert!(said.contains("users.jsonl"), "{said}");
}

#[test]
fn a_report_whose_folder_is_not_there() {
    let said = refused(&["--report", "/nowhere/report.json"]);
    assert!(said.contains("/nowhere/report.json") && said.contains("there is no folder /nowhere"), "{said}");
}
