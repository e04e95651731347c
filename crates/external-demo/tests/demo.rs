//! The whole program, as it is run: with the shipped input, and with input and configurations that are wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its ground gives way")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn demo(out: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_external-demo"))
        .arg("--out")
        .arg(out)
        .arg("--report")
        .arg(out.join("report.json"))
        .args(arguments)
        .output()
        .unwrap()
}

fn report(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap()
}

/// The folders of the runs under `out`.
fn runs(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn registers_everybody_and_reads_everything_back() {
    let out = tempfile::tempdir().unwrap();
    for turn in 1..=2 {
        let output = demo(out.path(), &[]);
        let shown = text(&output.stdout);
        assert!(output.status.success(), "{shown}\n{}", text(&output.stderr));
        assert!(shown.contains("[ 30/30]") && shown.contains("all checks passed"), "{shown}");
        assert!(!shown.contains("FAIL"), "{shown}");
        let written = format!("report   {}", out.path().join("report.json").display());
        assert!(shown.lines().any(|line| line == written), "{shown}");
        assert_eq!(runs(out.path()).len(), turn, "each run has a folder of its own");
        let report = report(out.path());
        assert_eq!(report["ok"], true);
        let calls = report["calls"].as_array().unwrap();
        let count = |domain: &str, operation: &str| {
            let of = |call: &&serde_json::Value| call["domain"] == domain && call["operation"] == operation;
            calls.iter().filter(of).count()
        };
        assert_eq!(count("storage", "put"), 30);
        assert_eq!(count("email", "send"), 30);
        assert!(
            calls
                .iter()
                .all(|call| call["outcome"] == "ok" && call["attempts"] == 1 && call["ms"].is_number())
        );
    }
}

#[test]
fn a_broken_input_registers_nobody() {
    let out = tempfile::tempdir().unwrap();
    let users = out.path().join("users.jsonl");
    let portrait = here("data/portraits/01-ada.jpg");
    let good = format!(
        r#"{{"name": "Ada", "email": "ada@example.com", "locale": "en", "portrait": {:?}}}"#,
        portrait.to_str().unwrap()
    );
    let words = out.path().join("words.jpg");
    fs::write(&words, "no image").unwrap();
    let no_image = good.replace(portrait.to_str().unwrap(), words.to_str().unwrap()).replace("ada@", "bob@");
    fs::write(&users, format!("{good}\n{{\"name\": \n{no_image}\n")).unwrap();

    let output = demo(out.path(), &["--users", users.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("the input cannot be used; nobody was registered"), "{said}");
    assert!(said.contains("users.jsonl:2: column 9: EOF while parsing a value"), "{said}");
    assert!(
        said.contains("users.jsonl:3: portrait ") && said.contains("is not an image that can be used"),
        "{said}"
    );
    assert!(runs(out.path()).is_empty(), "nothing was made");
    assert_eq!(report(out.path()), serde_json::json!({ "ok": false, "calls": [] }));
}

#[test]
fn a_broken_configuration_is_named_by_file_key_and_line() {
    let out = tempfile::tempdir().unwrap();
    let config = out.path().join("mine.toml");
    let shipped = fs::read_to_string(here("config/embedded.toml")).unwrap();
    for (from, to, named) in [
        ("root =", "rout =", "mine.toml:8:1"),
        (
            "provider = \"memory\"",
            "provider = \"paper\"",
            "no cache provider has this id; compiled in: memory",
        ),
        ("[demo]", "[demos]", "unknown top-level key `demos`"),
        ("mailbox =", "mailbocks =", "key=demo.mailbocks"),
    ] {
        fs::write(&config, shipped.replace(from, to)).unwrap();
        let output = demo(out.path(), &["--config", config.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains(named), "{named} is not in: {said}");
    }
}

#[test]
fn ctrl_c_closes_everything_and_still_reports() {
    let out = tempfile::tempdir().unwrap();
    // The mails are looked for in a folder where none arrives: that takes a while.
    let empty = out.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let mut running = Command::new(env!("CARGO_BIN_EXE_external-demo"))
        .arg("--out")
        .arg(out.path().join("runs"))
        .arg("--report")
        .arg(out.path().join("report.json"))
        .arg("--mailbox")
        .arg(&empty)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "reading everything back"));
    let interrupted = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let rest: Vec<String> = lines.collect();
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("interrupted"), "{}", text(&ended.stderr));
    assert!(rest.iter().any(|line| line.trim_start().starts_with("email")), "the table is shown: {rest:#?}");
    let report = report(out.path());
    assert_eq!(report["ok"], false);
    assert!(report["calls"].as_array().unwrap().len() > 100);
}

/// With every provider compiled in, Redis is known, and the address where nobody listens is named.
#[cfg(feature = "all-providers")]
#[test]
fn a_host_that_cannot_be_reached_is_named_and_nobody_is_registered() {
    let out = tempfile::tempdir().unwrap();
    let config = out.path().join("mine.toml");
    let shipped = fs::read_to_string(here("config/embedded.toml")).unwrap();
    let redis = "provider = \"redis\"\nurl = \"redis://app:hunter2@127.0.0.1:1/0\"";
    fs::write(&config, shipped.replace("provider = \"memory\"", redis)).unwrap();
    let output = demo(out.path(), &["--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(said.contains("127.0.0.1:1") && said.contains("nobody was registered"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// Each system goes down in the middle and answers are lost; in the end a program that is not the demo counts one
/// portrait and one mail for everybody.
#[test]
fn injected_faults_are_recovered_from_and_nothing_is_done_twice() {
    let out = tempfile::tempdir().unwrap();
    let output = demo(out.path(), &["--fault"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", text(&output.stderr));
    assert!(
        shown.contains("OUTCOME UNKNOWN") && shown.contains("by its Message-ID; not sent again"),
        "{shown}"
    );
    assert!(shown.contains("3 systems went down, and the service recovered"), "{shown}");
    let report = report(out.path());
    let systems = report["systems"].as_array().unwrap();
    assert_eq!(systems.len(), 3);
    for system in systems {
        for what in ["retries", "openings", "recoveries"] {
            assert!(system[what].as_u64().unwrap() > 0, "{what}: {system}");
        }
        assert_eq!(system["unknown"], system["reconciled"], "{system}");
        assert_eq!(system["impatient"], 0, "{system}");
        assert_eq!(system["throttled"], u64::from(system["domain"] == "storage"), "{system}");
        assert_eq!(system["held"].as_u64() > Some(0), system["domain"] == "storage", "{system}");
    }
    assert!(
        systems.iter().any(|system| system["domain"] == "email" && system["unknown"].as_u64() >= Some(2))
    );

    let census = |users: &Path| {
        let run = runs(out.path()).remove(0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_census"));
        command.arg("--users").arg(users);
        command.arg("--objects").arg(run.join("objects")).arg("--mails").arg(run.join("mails"));
        command.output().unwrap()
    };
    let users = here("data/users.jsonl");
    let counted = census(&users);
    let said = text(&counted.stdout);
    assert!(counted.status.success(), "{said}");
    assert!(said.contains("portraits  30 found; 30 of 30 users have exactly one"), "{said}");
    assert!(said.contains("mails      30 found; 30 of 30 users have exactly one"), "{said}");

    // A census that finds nothing wrong whatever there is would be worth nothing.
    let mails = runs(out.path()).remove(0).join("mails");
    let mail = fs::read_dir(&mails).unwrap().next().unwrap().unwrap().path();
    fs::copy(&mail, mails.join("again.eml")).unwrap();
    let counted = census(&users);
    assert!(!counted.status.success() && text(&counted.stdout).contains("once more, by its Message-ID"));
}

#[test]
fn a_script_that_cannot_be_played_is_refused_before_anybody_is_registered() {
    let out = tempfile::tempdir().unwrap();
    let config = here("config/embedded.toml");
    let output = demo(out.path(), &["--fault", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("[demo.fault] names nothing that can be taken down"), "{said}");
    assert!(report(out.path())["calls"].as_array().unwrap().is_empty());
}
