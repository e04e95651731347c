//! From the configuration file to a container, and the demo's own table in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use external_container::{Container, ContainerBuilder};
use external_core::{BuildContext, Error, Result};
use external_resilience::CallObserver;
use serde::Deserialize;

use crate::fault;

/// What stands for the folder of the run in a configuration.
const OUT: &str = "${OUT}";
/// The demo's own table.
const TABLE: &str = "demo";

/// The table `[demo]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The folder in which the mails arrive as `.eml` files.
    pub(crate) mailbox: PathBuf,
    /// How long a mail that was taken may be on its way there. Default: 2 s.
    #[serde(default = "two_seconds", with = "external_core::config::duration")]
    pub(crate) delivery: Duration,
    /// How long a registration is come back to while a system is down. Default: 60 s.
    #[serde(default = "a_minute", with = "external_core::config::duration")]
    pub(crate) patience: Duration,
    /// What `--fault` takes down. Default: nothing.
    #[serde(default)]
    pub(crate) fault: fault::Settings,
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

/// Opens the container that a configuration file describes.
///
/// # Errors
///
/// `Configuration` naming file, line and key of what does not fit.
pub(crate) fn open(
    file: &Path,
    folder: &Path,
    mailbox: Option<&Path>,
    with_faults: bool,
    observer: Arc<dyn CallObserver>,
) -> Result<(Container, Settings)> {
    let name = file.display().to_string();
    let text = read(file)?.replace(OUT, plain(folder)?);
    let context = BuildContext::default();
    // The argument is one more layer over the file: as a variable would be, and stronger than one.
    let context = match mailbox {
        Some(mailbox) => {
            let mut variables = context.variables("");
            variables.insert("EXTERNAL__DEMO__MAILBOX".into(), format!("'{}'", plain(mailbox)?));
            context.with_env(variables)
        }
        None => context,
    };
    let container =
        builder(with_faults).ignore(TABLE).observer(observer).context(context).from_str(&name, &text)?;
    let settings = container.section(TABLE).parse().map_err(|error| {
        if error.message() == "missing field `mailbox`" { no_mailbox(&name) } else { error }
    })?;
    Ok((container, settings))
}

/// The text of the file.
fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).map_err(|error| {
        Error::configuration("the configuration file cannot be read")
            .with_context("file", file.display())
            .with_source(error)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let message = format!(
            "the configuration file is not UTF-8 text: byte {at}, counted from 0, is 0x{:02x}; save it so",
            bytes[at]
        );
        Error::configuration(message).with_context("file", file.display()).with_context("line", line)
    })
}

/// Only the demo asks for it, so whoever comes with a service's own file has not written it.
fn no_mailbox(file: &str) -> Error {
    Error::configuration(
        "the demo reads every mail back and is not told where they arrive: write `mailbox = \"FOLDER\"` \
         below `[demo]`, the folder in which they are as .eml files, such as the `path` of the provider `file`",
    )
    .with_context("file", file)
    .with_context("key", "demo.mailbox")
}

/// The domains that an account service needs; with faults, each has one provider more.
fn builder(with_faults: bool) -> ContainerBuilder {
    let (mut storage, mut cache, mut email) =
        (external_storage::registry(), external_cache::registry(), external_email::registry());
    if with_faults {
        storage = storage.with(fault::inject::STORAGE);
        cache = cache.with(fault::inject::CACHE);
        email = email.with(fault::inject::EMAIL);
    }
    Container::builder().domain(storage).domain(cache).domain(email)
}

/// A path that can stand between quotes as it is.
fn plain(path: &Path) -> Result<&str> {
    let text =
        path.to_str().filter(|text| !text.contains(['"', '\'', '\\']) && !text.contains(char::is_control));
    text.ok_or_else(|| {
        Error::configuration("the path holds a quote, a backslash or what is not UTF-8")
            .with_context("path", path.display())
    })
}
