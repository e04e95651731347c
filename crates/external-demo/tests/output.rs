//! A reader of the output that goes away (`| head`) ends the demo as it ends other programs.
#![allow(clippy::unwrap_used, reason = "a test ends where its ground gives way")]

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_reader_that_goes_away_ends_the_demo_silently() {
    let (here, out) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    let mut demo = Command::new(env!("CARGO_BIN_EXE_external-demo"))
        .arg("--config")
        .arg(here.join("config/embedded.toml"))
        .arg("--users")
        .arg(here.join("data/users.jsonl"))
        .arg("--out")
        .arg(out.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(demo.stdout.take());
    let output = demo.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(141), ""));
}
