//! Files of this machine as sources and targets: pipes, links, names of every kind.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

fn pipe(path: PathBuf) -> PathBuf {
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_pipe_is_read_and_written_and_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (pipe(folder.path().join("from")), pipe(folder.path().join("to")));
    let sent = bytes(1 << 20);
    let child = command(&["cp", path(&from), path(&to)]).spawn().unwrap();
    let (writer, all) = (from.clone(), sent.clone());
    std::thread::spawn(move || fs::write(writer, all).unwrap());
    let reader = to.clone();
    assert!(in_time(|| fs::read(reader).unwrap()) == sent, "the bytes differ");
    assert_eq!(in_time(|| text(&child.wait_with_output().unwrap())).0, Some(0));
    for pipe in [from, to] {
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "{pipe:?}");
    }
}

/// A pipe opens when there is somebody at its other end: until then the program waits, and can be ended.
#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (pipe(folder.path().join("from")), pipe(folder.path().join("to")));
    let child = command(&["cp", path(&from), path(&to)]).spawn().unwrap();
    // The source opens when the program does: from then on it listens for signals.
    let source = in_time(|| fs::OpenOptions::new().write(true).open(from).unwrap());
    let (code, said) = in_time(|| interrupt(child));
    assert_eq!(code, Some(130), "{said}");
    drop(source);
}

#[test]
fn where_a_link_leads_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("new"), "the new one").unwrap();
    fs::write(at("file"), "the old one").unwrap();
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("file", at("link")).unwrap();
    symlink("nothing", at("dangling")).unwrap();

    succeed(&["cp", path(&at("new")), path(&at("link"))]);
    assert!(at("link").is_symlink());
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "the new one");
    assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o777, 0o600);

    let said = fail(1, &["cp", path(&at("new")), path(&at("dangling"))]);
    assert!(said.contains("dangling: it is a link that leads nowhere"), "{said}");
    assert!(at("dangling").is_symlink() && !at("nothing").exists());
    let said = fail(1, &["cp", path(&at("new")), path(&at("none/new"))]);
    assert!(said.contains("cannot write") && said.contains("none/new"), "{said}");
}

/// The folder cannot be brought onto the disk then, and the file is there all the same.
#[test]
fn a_folder_may_be_one_to_write_in_only() {
    let folder = tempfile::tempdir().unwrap();
    let (file, inbox) = (folder.path().join("file"), folder.path().join("inbox"));
    fs::write(&file, "x").unwrap();
    fs::create_dir(&inbox).unwrap();
    fs::set_permissions(&inbox, fs::Permissions::from_mode(0o300)).unwrap();
    succeed(&["cp", path(&file), path(&inbox)]);
    assert_eq!(fs::read(inbox.join("file")).unwrap(), b"x");
    fs::set_permissions(&inbox, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn names_may_be_as_long_as_names_can_be_and_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let long = "n".repeat(255);
    fs::write(folder.path().join("a"), "x").unwrap();
    succeed(&["cp", path(&folder.path().join("a")), path(&folder.path().join(&long))]);
    assert_eq!(fs::read(folder.path().join(&long)).unwrap(), b"x");

    let odd = folder.path().join(OsString::from_vec(b"caf\xe9".to_vec()));
    fs::write(&odd, "coffee").unwrap();
    let store = folder.path().join("store");
    let copy = |from: &Path, to: &str| {
        let output = command(&[OsStr::new("cp"), from.as_os_str(), OsStr::new(to)]).output().unwrap();
        text(&output)
    };
    let (code, _, said) = copy(&odd, &format!("local:{}/", path(&store)));
    assert!(code == Some(1) && said.contains("say the whole key"), "{code:?}: {said}");
    let (code, _, said) = copy(&odd, &format!("local:{}//coffee", path(&store)));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read(store.join("coffee")).unwrap(), b"coffee");
}
