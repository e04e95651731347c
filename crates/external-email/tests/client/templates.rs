//! Templates through the client: what is shipped, own ones, locales, what is missing.

use std::collections::BTreeMap;

use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::ErrorKind;
use external_email::{EmailClient, InlineImage, Templates};

use super::S;
use super::delivered::{address, delivered};

type Data = BTreeMap<&'static str, &'static str>;

fn data() -> Data {
    BTreeMap::from([
        ("app", "Shop"),
        ("name", "Ada & <Bob>"),
        ("url", "https://example.org/?a=1&b=2"),
        ("minutes", "30"),
    ])
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("email.template.2", "The shipped templates arrive as HTML and text, values escaped in HTML alone.", |case: S| {
            let service = case.bare()?;
            let email = EmailClient::from(service.clone()).with_from("shop@example.org".parse()?);
            for template in ["welcome", "reset_password"] {
                let to = address(case, template);
                email.send_template(template, to.as_str(), &data()).await?;
                let mail = delivered(case, &*service, &to, 1).await?.remove(0);
                ensure(mail.subject.contains("Shop"), "the subject is filled", &mail.subject)?;
                ensure(mail.text.contains("Ada & <Bob>") && mail.text.contains("?a=1&b=2"), "the text is filled", &mail.text)?;
                let html = mail.html.unwrap_or_default();
                ensure(html.contains("Ada &amp; &lt;Bob&gt;") && html.contains("</html>"), "the HTML is filled and laid out", html)?;
            }
        })
        .of_client(),
        clause!("email.template.3", "A message made from a template takes recipients and an inline image.", |case: S| {
            let service = case.bare()?;
            let email = EmailClient::from(service.clone()).with_from("shop@example.org".parse()?);
            let to = address(case, "portrait");
            let mut data = data();
            data.insert("portrait", "face@example.org");
            let image = InlineImage::new("face@example.org".parse()?, "image/png".parse()?, vec![0_u8, 1, 2, 255]);
            email.send(email.message("welcome", None, &data)?.with_to(to.clone()).with_inline(image)).await?;
            let mail = delivered(case, &*service, &to, 1).await?.remove(0);
            let html = mail.html.unwrap_or_default();
            ensure(html.contains("cid:face@example.org"), "the HTML shows the image", html)?;
            ensure(mail.all.contains("Content-ID: <face@example.org>"), "the image comes along", "it does not")?;
        })
        .of_client(),
        clause!("email.template.4", "A missing value is an error that names template and value; nothing is sent.", |case: S| {
            let email = EmailClient::from(case.bare()?).with_from("shop@example.org".parse()?);
            let mut data = data();
            data.remove("url");
            let to = address(case, "nobody");
            let error = ensure_error("a missing value", email.send_template("welcome", to.as_str(), &data).await, ErrorKind::InvalidArgument)?;
            let told = error.to_string();
            ensure(told.contains("url") && told.contains("welcome"), "it names url and welcome", &told)?;
            ensure(!told.contains("Ada"), "it repeats no value", told)?;
            let absent = email.send_template("no such", to.as_str(), &data).await;
            ensure_error("a missing template", absent, ErrorKind::NotFound)?;
        })
        .of_client(),
        clause!("email.template.5", "Own templates stand on own layouts and partials, in the locale asked for or the fallback; text is made from HTML.", |case: S| {
            let service = case.bare()?;
            let templates = Templates::shipped()
                .with_template("base.html", "<body>{% block body %}{% endblock %}{% include 'sign.html' %}</body>")?
                .with_template("sign.html", "<p>{{ app }}</p>")?
                .with_template("order.subject", "Order for {{ name }}")?
                .with_template("order.html", "{% extends 'base.html' %}{% block body %}<p>Thanks, {{ name }}</p>{% endblock %}")?
                .with_template("order.de.subject", "Bestellung von {{ name }}")?
                .with_template("order.de.html", "{% extends 'base.html' %}{% block body %}<p>Danke, {{ name }}</p>{% endblock %}")?;
            let email = EmailClient::from(service.clone()).with_from("shop@example.org".parse()?).with_templates(templates);
            for (locale, subject, text) in [
                (Some("de-CH"), "Bestellung von Ada & <Bob>", "Danke, Ada & <Bob>\n\nShop"),
                (Some("fr"), "Order for Ada & <Bob>", "Thanks, Ada & <Bob>\n\nShop"),
            ] {
                let to = address(case, locale.unwrap_or("none"));
                email.send(email.message("order", locale, &data())?.with_to(to.clone())).await?;
                let mail = delivered(case, &*service, &to, 1).await?.remove(0);
                ensure_eq("subject and text", &(mail.subject.as_str(), mail.text.trim_end()), &(subject, text))?;
            }
        })
        .of_client(),
        clause!("email.template.6", "A value with a line break does not reach the subject.", |case: S| {
            let email = EmailClient::from(case.bare()?).with_from("shop@example.org".parse()?);
            let mut data = data();
            data.insert("app", "Shop\r\nBcc: eve@example.org");
            let error = ensure_error("an injection", email.send_template("welcome", "a@example.org", &data).await, ErrorKind::InvalidArgument)?;
            ensure(!error.to_string().contains("eve"), "it repeats nothing", &error)?;
        })
        .of_client(),
    ]
}
