//! Templates: what is shipped, inheritance, locales, and what is missing.

use std::collections::BTreeMap;

use external_core::ErrorKind;
use minijinja::context;

use super::Templates;

#[test]
fn what_is_shipped_renders() {
    let templates = Templates::shipped();
    assert_eq!(templates.names().count(), super::SHIPPED.len());
    let data = context! { app => "Shop", name => "Ada <3 & Bob", url => "https://example.org/a?b=1&c=2" };
    let welcome = templates.render("welcome", None, &data).unwrap();
    assert_eq!(welcome.subject.as_str(), "Welcome to Shop, Ada <3 & Bob");
    let html = welcome.html.unwrap();
    assert!(html.contains("Welcome, Ada &lt;3 &amp; Bob!"), "{html}");
    assert!(!html.contains("cid:"));
    assert!(
        welcome.text.contains("Welcome, Ada <3 & Bob!")
            && welcome.text.contains("https://example.org/a?b=1&c=2")
    );
    let with = templates.render("welcome", None, &context! { portrait => "p1", ..data.clone() }).unwrap();
    assert!(with.html.unwrap().contains("src=\"cid:p1\""));
    let reset = templates.render("reset_password", Some("xx"), &context! { minutes => 30, ..data }).unwrap();
    assert!(reset.text.contains("30 minutes") && reset.html.unwrap().contains("30 minutes"));
}

#[test]
fn a_missing_value_is_an_error_that_names_it() {
    let templates = Templates::shipped();
    let error = templates
        .render("reset_password", None, &context! { app => "Shop", name => "Ada", url => "u" })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    assert!(
        text.contains("minutes") && text.contains("reset_password.html") && text.contains("line"),
        "{text}"
    );
    assert!(!text.contains("Ada"), "repeats a value: {text}");
}

#[test]
fn a_line_break_does_not_reach_the_subject() {
    let data = context! { app => "Shop\r\nBcc: eve@example.org", name => "Ada", url => "u" };
    let error = Templates::shipped().render("welcome", None, &data).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("welcome.subject") && !error.to_string().contains("eve"));
}

#[test]
fn locales_fall_back_step_by_step() {
    let mut templates = Templates::empty();
    for locale in ["", ".en", ".de", ".zh_Hant"] {
        templates = templates
            .with_template(format!("a{locale}.subject"), format!("s{locale}"))
            .unwrap()
            .with_template(format!("a{locale}.txt"), "{{ locale }}")
            .unwrap();
    }
    let found = |locale: Option<&str>| templates.render("a", locale, &context! {}).unwrap();
    assert_eq!(found(Some("de-AT")).subject.as_str(), "s.de");
    assert_eq!(found(Some("DE")).subject.as_str(), "s.de");
    assert_eq!(found(Some("zh-hant-TW")).subject.as_str(), "s.zh_Hant");
    assert_eq!(found(Some("fr")).subject.as_str(), "s.en");
    assert_eq!(found(None).locale, "en");
    assert_eq!(found(Some("../../etc")).subject.as_str(), "s.en");
    let german = templates.clone().with_fallback_locale("de").unwrap();
    assert_eq!(german.render("a", None, &context! {}).unwrap().subject.as_str(), "s.de");
    assert!(templates.with_fallback_locale("no locale!").is_err());
}

#[test]
fn what_is_not_there_or_wrong_is_told() {
    let templates = Templates::shipped();
    let data: BTreeMap<String, String> = BTreeMap::new();
    assert_eq!(templates.render("nothing", None, &data).unwrap_err().kind(), ErrorKind::NotFound);
    let error = templates.clone().with_template("x.html", "line\n{% if %}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("x.html") && error.to_string().contains('2'), "{error}");
    assert!(templates.clone().with_template("x.exe", "").is_err());
    let broken = templates
        .with_template("y.subject", "s")
        .unwrap()
        .with_template("y.html", "{% include 'gone.html' %}")
        .unwrap();
    let error = broken.render("y", None, &data).unwrap_err();
    assert!(error.to_string().contains("gone.html"), "{error}");
    let endless = Templates::empty()
        .with_template("z.subject", "s")
        .unwrap()
        .with_template(
            "z.txt",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        )
        .unwrap();
    assert!(endless.render("z", None, &data).unwrap_err().to_string().contains("without end"));
}

#[test]
fn partials_and_own_layouts_work_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("partials")).unwrap();
    std::fs::write(folder.path().join("partials/sign.html"), "<p>Your {{ app }}</p>").unwrap();
    std::fs::write(folder.path().join("base.html"), "<main>{% block body %}{% endblock %}</main>").unwrap();
    std::fs::write(
        folder.path().join("hi.html"),
        "{% extends 'base.html' %}{% block body %}Hi{% include 'partials/sign.html' %}{% endblock %}",
    )
    .unwrap();
    std::fs::write(folder.path().join("hi.subject"), "Hi\n").unwrap();
    std::fs::write(folder.path().join("readme.md"), "{% not a template").unwrap();
    let templates = Templates::empty().with_folder(folder.path()).unwrap();
    let mail = templates.render("hi", None, &context! { app => "Shop" }).unwrap();
    assert_eq!(mail.html.as_deref(), Some("<main>Hi<p>Your Shop</p></main>"));
    assert_eq!(mail.text, "Hi\n\nYour Shop\n");
    assert!(Templates::empty().with_folder(folder.path().join("none")).is_err());
}
