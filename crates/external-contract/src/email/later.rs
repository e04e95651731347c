//! What sending later, and sending from a vendor's template, promise.

use std::time::Duration;

use external_core::email::{
    CancelRequest, ScheduleEmail, ScheduleRequest, VendorTemplate, VendorTemplateRequest, supports,
};
use external_core::{Effect, ErrorKind};

use super::S;
use super::post::Post;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, eventually};

const SOON: Duration = Duration::from_millis(1500);
const LONG: Duration = Duration::from_secs(10);

fn facet(case: &Case<S>) -> Result<&dyn ScheduleEmail, Finding> {
    case.service()
        .scheduler()
        .ok_or_else(|| Finding::failed("the facet `scheduler`, which is declared", "no facet"))
}

async fn arrives(post: &Post<'_>, who: &str) -> Verdict {
    eventually(LONG, async || post.only(who).await.map(drop)).await
}

/// What a template is filled with, and the words in it. They stand in nothing else: the case's name is in each address.
fn template_data(case: &Case<S>) -> (String, String) {
    let words = format!("filled-in-{}", case.namespace());
    let data = format!("{{\"name\":\"{words}\"}}");
    (words, data)
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("email.schedule.1", "Nothing is sent before that time, and the mail is there once it has come.", |case: S| {
            let post = Post::of(case);
            let message = post.message("later", "ada")?.with_text("hello");
            let at = case.now() + SOON;
            let receipt = facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(message, at)).await?;
            ensure(!receipt.id.is_empty(), "an id to take it back by", "none")?;
            loop {
                let seen = post.inbox(&post.address("ada")?).await?.len();
                // Looked at before the clock, so that a slow machine blames nobody.
                let early = case.now() < at;
                ensure(seen == 0 || !early, "no mail before its time", format!("{seen}"))?;
                if !early {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            arrives(&post, "ada").await?;
            post.only("ada").await?.says("plain", "hello")?;
        })
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!("email.schedule.2", "A time that has passed means at once.", |case: S| {
            let post = Post::of(case);
            let message = post.message("late", "ada")?.with_text("hello");
            let at = case.now() - Duration::from_secs(3600);
            facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(message, at)).await?;
            arrives(&post, "ada").await?;
        })
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.schedule.3",
            "A time further ahead than the limit `schedule-seconds` is `InvalidArgument`, `NotSent`.",
            |case: S| {
                let post = Post::of(case);
                let Some(most) = case.service().info().capabilities().get_limit("schedule-seconds") else {
                    // No limit is declared, so there is nothing to exceed.
                    return Ok(());
                };
                let message = post.message("far", "ada")?.with_text("hello");
                let at = case.now() + Duration::from_secs(most) + Duration::from_secs(60);
                let result = facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(message.clone(), at)).await;
                let error = ensure_error("a time too far ahead", result, ErrorKind::InvalidArgument)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                let at = case.now() + Duration::from_secs(most.saturating_sub(60));
                let receipt = facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(message, at)).await?;
                facet(case)?.cancel(&case.cx(), &CancelRequest::new(receipt.id)).await?;
            }
        )
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.schedule.4",
            "A template that is kept at the vendor waits and is taken back as any mail is; where `vendor-templates` are not supported it is `Unsupported`, `NotSent`.",
            |case: S| {
                let post = Post::of(case);
                let at = case.now() + SOON;
                let schedule = async |who: &str, template: VendorTemplate| {
                    let request = ScheduleRequest::new(post.message("x", who)?, at).with_template(template);
                    Ok::<_, Finding>(facet(case)?.schedule(&case.cx(), &request).await)
                };
                let (words, data) = template_data(case);
                if !supports(case.service(), "vendor-templates").is_supported() {
                    let result = schedule("ada", VendorTemplate::new("nothing", data)).await?;
                    let error = ensure_error("a template for later", result, ErrorKind::Unsupported)?;
                    ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                    return post.nothing_for(&[post.address("ada")?]).await;
                }
                let template = case.fact("template").ok_or_else(|| Finding::not_run("no fact `template`"))?;
                let taken = schedule("taken", VendorTemplate::new(&template, &data)).await??;
                facet(case)?.cancel(&case.cx(), &CancelRequest::new(taken.id)).await?;
                let is_in_time = case.now() < at;
                schedule("ada", VendorTemplate::new(&template, &data)).await??;
                arrives(&post, "ada").await?;
                let mail = post.only("ada").await?;
                ensure(mail.mentions(&words), "the data in the mail", String::from_utf8_lossy(&mail.bytes))?;
                if is_in_time {
                    post.nothing_for(&[post.address("taken")?]).await?;
                }
            }
        )
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!("email.cancel.1", "A mail that still waits is never sent, and `existed` is true.", |case: S| {
            let post = Post::of(case);
            let at = case.now() + SOON;
            let kept = post.message("kept", "kept")?.with_text("hello");
            facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(kept, at)).await?;
            let taken = post.message("taken", "taken")?.with_text("hello");
            let receipt = facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(taken, at)).await?;
            let cancelled = facet(case)?.cancel(&case.cx(), &CancelRequest::new(receipt.id)).await?;
            if case.now() < at {
                ensure(cancelled.existed, "`existed` is true", "`false`")?;
                // The other one shows that its time has come.
                arrives(&post, "kept").await?;
                post.nothing_for(&[post.address("taken")?]).await?;
            }
        })
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.cancel.2",
            "For a mail that was sent, was taken back before, or never was, `existed` is false.",
            |case: S| {
                let post = Post::of(case);
                let schedule = async |who: &str, at| {
                    let message = post.message("x", who)?.with_text("hello");
                    let receipt = facet(case)?.schedule(&case.cx(), &ScheduleRequest::new(message, at)).await?;
                    Ok::<_, Finding>(receipt.id)
                };
                let existed = async |id: String| {
                    Ok::<_, Finding>(facet(case)?.cancel(&case.cx(), &CancelRequest::new(id)).await?.existed)
                };
                let sent = schedule("sent", case.now() - Duration::from_secs(1)).await?;
                arrives(&post, "sent").await?;
                ensure(!existed(sent).await?, "`false` for a mail that was sent", "`true`")?;
                let taken = schedule("taken", case.now() + Duration::from_secs(600)).await?;
                ensure(existed(taken.clone()).await?, "`true` for a mail that waits", "`false`")?;
                ensure(!existed(taken).await?, "`false` for a mail taken back before", "`true`")?;
                ensure(!existed("no-such-mail".to_owned()).await?, "`false` for a mail that never was", "`true`")?;
            }
        )
        .capability("scheduling", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.template.1",
            "The template's name and the data reach the vendor unchanged, with one outcome for each recipient.",
            |case: S| {
                let post = Post::of(case);
                let facet = case.service().vendor_templates();
                let facet = facet.ok_or_else(|| Finding::failed("the facet `vendor_templates`, which is declared", "no facet"))?;
                let template = case.fact("template").ok_or_else(|| Finding::not_run("no fact `template`"))?;
                let mut message = post.message("x", "ada")?.with_to(post.mailbox("bob")?);
                message.text = None;
                let (words, data) = template_data(case);
                let request = VendorTemplateRequest::new(message, template, data);
                let receipt = facet.send_template(&case.cx(), &request).await?;
                ensure_eq("the number of outcomes", &receipt.recipients.len(), &2)?;
                // The vendor's side puts the data into what it delivers.
                let mail = post.only("ada").await?;
                ensure(mail.mentions(&words), "the data in the mail", String::from_utf8_lossy(&mail.bytes))?;
            }
        )
        .capability("vendor-templates", check!(|case| {
            ensure(case.service().vendor_templates().is_none(), "no facet `vendor_templates`", "one")?;
        })),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().scheduler().is_none(), "no facet `scheduler`", "one")
}
