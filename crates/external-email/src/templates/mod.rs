//! Templates: subject, HTML and text of a mail, by name and locale.
//!
//! A template is up to three files: `welcome.subject`, `welcome.html` and `welcome.txt`, the first and one of the others
//! required; in another locale `welcome.de.subject`, `welcome.de.html` and so on. They are minijinja: layouts by
//! `{% extends "layout.html" %}`, pieces by `{% include "footer.html" %}`, values escaped in `.html` and nowhere else. A
//! variable without a value is an error, never an empty place; `{% if name is defined %}` asks first. The variable
//! `locale` holds the locale that was found.
//!
//! Without a `.txt` file the text is made from the HTML. Styles are put on the elements by
//! [`Templates::with_inlined_styles`].

mod plain;
mod styles;

use std::collections::BTreeSet;
use std::path::Path;

use external_core::email::HeaderText;
use external_core::{Error, Result};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};
use serde::Serialize;

pub use plain::text_of_html;

/// What a template may compute before it counts as endless.
const FUEL: u64 = 2_000_000;

/// What is shipped: a layout for each kind of body, and two mails.
const SHIPPED: &[(&str, &str)] = &[
    ("layout.html", include_str!("shipped/layout.html")),
    ("layout.txt", include_str!("shipped/layout.txt")),
    ("welcome.subject", include_str!("shipped/welcome.subject")),
    ("welcome.html", include_str!("shipped/welcome.html")),
    ("welcome.txt", include_str!("shipped/welcome.txt")),
    ("reset_password.subject", include_str!("shipped/reset_password.subject")),
    ("reset_password.html", include_str!("shipped/reset_password.html")),
    ("reset_password.txt", include_str!("shipped/reset_password.txt")),
];

/// A set of templates.
///
/// ```
/// use external_email::Templates;
///
/// #[derive(serde::Serialize)]
/// struct Order<'a> {
///     number: u32,
///     name: &'a str,
/// }
///
/// let templates = Templates::shipped()
///     .with_template("order.subject", "Order {{ number }}")?
///     .with_template("order.html", "<p>Thank you, {{ name }}!</p>")?
///     .with_template("order.de.subject", "Bestellung {{ number }}")?
///     .with_template("order.de.html", "<p>Danke, {{ name }}!</p>")?;
/// let order = Order { number: 7, name: "A & B" };
/// let mail = templates.render("order", Some("de-AT"), &order)?;
/// assert_eq!(mail.subject.as_str(), "Bestellung 7");
/// assert_eq!(mail.html.as_deref(), Some("<p>Danke, A &amp; B!</p>"));
/// assert_eq!(mail.text, "Danke, A & B!\n");
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Templates {
    environment: Environment<'static>,
    names: BTreeSet<String>,
    fallback: String,
    inline_styles: bool,
}

/// A template with its values in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderedTemplate {
    /// The subject.
    pub subject: HeaderText,
    /// The HTML, if the template has one.
    pub html: Option<String>,
    /// The text: the template's, or made from its HTML.
    pub text: String,
    /// The locale that was found; empty for that of a template without one.
    pub locale: String,
}

impl Default for Templates {
    fn default() -> Self {
        Self::shipped()
    }
}

impl Templates {
    /// No templates.
    pub fn empty() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        });
        environment.set_fuel(Some(FUEL));
        Self { environment, names: BTreeSet::new(), fallback: "en".to_owned(), inline_styles: false }
    }

    /// `welcome` (values: `app`, `name`, `url`, and `portrait`, the content id of an inline image, if there is one) and
    /// `reset_password` (values: `app`, `name`, `url`, `minutes`), with the layouts they stand on.
    pub fn shipped() -> Self {
        let mut templates = Self::empty();
        for &(name, source) in SHIPPED {
            // That they parse is a test; a template that did not would be missing, which rendering tells.
            if templates.environment.add_template(name, source).is_ok() {
                templates.names.insert(name.to_owned());
            }
        }
        templates
    }

    /// Adds a template file, or replaces one: `welcome.html`, `welcome.de.txt`, `footer.html`.
    ///
    /// # Errors
    ///
    /// `Configuration` with name and line if it cannot be parsed, or if its name does not end in `.subject`, `.html` or
    /// `.txt`.
    pub fn with_template(mut self, name: impl Into<String>, source: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if !name
            .rsplit_once('.')
            .is_some_and(|(stem, end)| !stem.is_empty() && ["subject", "html", "txt"].contains(&end))
        {
            return Err(Error::configuration("the name of a template must end in .subject, .html or .txt")
                .with_context("template", name));
        }
        self.environment.add_template_owned(name.clone(), source.into()).map_err(|error| {
            Error::configuration("a template cannot be parsed")
                .with_context("template", &name)
                .with_context("line", error.line().unwrap_or_default())
                .with_context("because", error.detail().unwrap_or("of a syntax error").to_owned())
        })?;
        self.names.insert(name);
        Ok(self)
    }

    /// Adds every `.subject`, `.html` and `.txt` file of a folder, those of its own folders under `folder/file.html`.
    /// Reads the disk: to be called at start.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the file that cannot be read or parsed.
    pub fn with_folder(self, path: impl AsRef<Path>) -> Result<Self> {
        self.with_folder_under(path.as_ref(), "")
    }

    fn with_folder_under(mut self, path: &Path, prefix: &str) -> Result<Self> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Error::configuration("a template cannot be read")
                .with_context("path", path.display())
                .with_source(error)
        };
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(path, error))?;
            let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
            if path.is_dir() {
                self = self.with_folder_under(&path, &format!("{name}/"))?;
            } else if [".subject", ".html", ".txt"].iter().any(|end| name.ends_with(end)) {
                let source = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                self = self.with_template(name, source)?;
            }
        }
        Ok(self)
    }

    /// Replaces the locale that is used when a template is asked for in none, or in one it does not have. Default: `en`.
    ///
    /// # Errors
    ///
    /// `Configuration` if it is not a locale (`de`, `de-AT`, `zh_Hant_TW`).
    pub fn with_fallback_locale(mut self, locale: &str) -> Result<Self> {
        if chain(locale).is_empty() {
            return Err(Error::configuration("not a locale").with_context("locale", locale.escape_debug()));
        }
        locale.clone_into(&mut self.fallback);
        Ok(self)
    }

    /// Puts the rules of a mail's own `<style>` on its elements, where mail programs read them. What cannot be put there
    /// (`:hover`, `@media`, and selectors of more than names, classes, ids and `*`, one within the other) stays in
    /// `<style>`. Default: the HTML stays as it is; the shipped templates have their styles inline.
    #[must_use]
    pub fn with_inlined_styles(mut self) -> Self {
        self.inline_styles = true;
        self
    }

    /// The names of all template files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Renders a template: in the locale asked for (`de-AT`, then `de`), else in the fallback locale, else in that without
    /// a name. All its parts come from the same locale.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such template in any of these locales; `InvalidArgument` naming template, line and
    /// variable if a value is missing or does not fit, or if a value puts a line break into the subject.
    pub fn render(
        &self,
        name: &str,
        locale: Option<&str>,
        data: &impl Serialize,
    ) -> Result<RenderedTemplate> {
        let (stem, locale) = self.find(name, locale)?;
        let values = context! { locale => &locale, ..Value::from(Serde(data)) };
        let part = |end: &str| {
            let file = format!("{stem}.{end}");
            self.names.contains(&file).then(|| self.render_file(&file, &values)).transpose()
        };
        let subject = part("subject")?
            .ok_or_else(|| Error::not_found("the template has no subject").with_context("template", &stem))?;
        let subject = HeaderText::parse(subject.trim_matches(['\r', '\n', ' ']))
            .map_err(|error| error.with_context("template", format!("{stem}.subject")))?;
        let html = part("html")?;
        let text = match (part("txt")?, &html) {
            (Some(text), _) => text,
            (None, Some(html)) => text_of_html(html),
            (None, None) => return Err(missing(name)),
        };
        let html = html.map(|html| if self.inline_styles { styles::inline(&html) } else { html });
        Ok(RenderedTemplate { subject, html, text, locale })
    }

    /// The first of the locales that has a body for this template.
    fn find(&self, name: &str, locale: Option<&str>) -> Result<(String, String)> {
        let asked = locale.map(chain).unwrap_or_default();
        for locale in asked.into_iter().chain(chain(&self.fallback)).chain([String::new()]) {
            let stem = if locale.is_empty() { name.to_owned() } else { format!("{name}.{locale}") };
            let has = |end: &str| {
                let file = format!("{stem}.{end}");
                self.names
                    .iter()
                    .find(|known| known.replace('_', "-").eq_ignore_ascii_case(&file.replace('_', "-")))
            };
            if let Some(file) = has("html").or_else(|| has("txt")) {
                let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
                return Ok((stem.to_owned(), locale));
            }
        }
        Err(missing(name))
    }

    fn render_file(&self, file: &str, values: &Value) -> Result<String> {
        let template = self.environment.get_template(file).map_err(|error| explain(file, &error))?;
        template.render(values).map_err(|error| {
            let told = explain(file, &error);
            if error.kind() != ErrorKind::UndefinedError {
                return told;
            }
            // The engine says where, not which: what the template asks for and nobody gave.
            let absent = |name: &String| values.get_attr(name).is_ok_and(|value| value.is_undefined());
            let mut names: Vec<String> =
                template.undeclared_variables(false).into_iter().filter(absent).collect();
            names.sort();
            if names.is_empty() { told } else { told.with_context("variable", names.join(", ")) }
        })
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates")
            .field("names", &self.names)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

/// A locale and what it falls back to: `zh-Hant-TW`, `zh-Hant`, `zh`. Empty for what is none.
fn chain(locale: &str) -> Vec<String> {
    let pieces: Vec<&str> = locale.split(['-', '_']).collect();
    let fine = |piece: &&str| {
        !piece.is_empty() && piece.len() <= 8 && piece.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if !pieces.iter().all(fine) {
        return Vec::new();
    }
    (1..=pieces.len()).rev().map(|n| pieces[..n].join("-")).collect()
}

fn missing(name: &str) -> Error {
    Error::not_found("there is no such template").with_context("template", name.escape_debug())
}

/// What the engine says, without the values it may have printed.
fn explain(file: &str, error: &minijinja::Error) -> Error {
    let message = match error.kind() {
        ErrorKind::UndefinedError => "a template needs a value that was not given",
        ErrorKind::TemplateNotFound => "a template needs another one that is not there",
        ErrorKind::OutOfFuel => "a template computes without end",
        _ => "a template cannot be rendered",
    };
    // Only these two kinds have details that are names out of the template; others may quote values.
    let named = matches!(error.kind(), ErrorKind::TemplateNotFound | ErrorKind::UnknownFilter);
    let mut told = Error::invalid_argument(message)
        .with_context("template", error.name().unwrap_or(file).to_owned())
        .with_context("kind", format!("{:?}", error.kind()));
    if let Some(line) = error.line() {
        told = told.with_context("line", line);
    }
    match error.detail().filter(|_| named) {
        Some(detail) => told.with_context("because", detail.to_owned()),
        None => told,
    }
}

#[cfg(test)]
mod tests;
