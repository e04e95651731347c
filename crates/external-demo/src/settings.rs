//! From the configuration file to a container, and the demo's own table in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use external_container::{Container, ContainerBuilder};
use external_core::{BuildContext, Error, Result};
use external_resilience::CallObserver;
use serde::Deserialize;

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
    observer: Arc<dyn CallObserver>,
) -> Result<(Container, Settings)> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| {
        Error::configuration("the configuration file cannot be read")
            .with_context("file", &name)
            .with_source(error)
    })?;
    let text = text.replace(OUT, plain(folder)?);
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
    let container = builder().ignore(TABLE).observer(observer).context(context).from_str(&name, &text)?;
    let settings = container.section(TABLE).parse()?;
    Ok((container, settings))
}

/// The domains that an account service needs.
fn builder() -> ContainerBuilder {
    Container::builder()
        .domain(external_storage::registry())
        .domain(external_cache::registry())
        .domain(external_email::registry())
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
