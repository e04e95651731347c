//! Point 4: what a provider declares is true both ways. That a declared capability works is the business of its
//! clauses; here is that the declarations make sense, and how a clause shows that something is refused unsent.

use external_core::{Capability, Effect, ErrorKind, Provider};
use futures_util::future::BoxFuture;

use crate::{Case, Clause, Finding, Verdict, clause, ensure, ensure_eq, ensure_error};

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.4.1",
            "Every declared capability is one of the contract's, and what is emulated says what is lost.",
            |case: S| {
                let known: Vec<_> = case.suite.capabilities.iter().map(|(id, _)| *id).collect();
                for (id, grade) in case.service().info().capabilities().iter() {
                    ensure(known.contains(&id), format!("`{id}` is one of {known:?}"), "it is not")?;
                    let empty = matches!(grade, Capability::Emulated(caveat) if caveat.trim().is_empty());
                    ensure(!empty, format!("the emulated `{id}` states its caveat"), "an empty text")?;
                }
            }
        ),
        clause!(
            "common.4.2",
            "What the contract demands natively of this provider is declared native.",
            |case: S| {
                let demanded = case.suite.natives.iter().filter(|(id, _)| *id == case.provider_id());
                let service = case.bare()?;
                for capability in demanded.flat_map(|(_, capabilities)| *capabilities) {
                    let what = format!("the grade of `{capability}`");
                    ensure_eq(&what, &supported(case, &*service, capability), &Capability::Native)?;
                }
            }
        )
        .of_provider(),
        clause!("common.4.3", "A client can do whatever its provider can.", |case: S| {
            let bare = case.bare()?;
            for (id, _) in case.suite.capabilities {
                if supported(case, &*bare, id).is_supported() {
                    let behind = supported(case, case.service(), id);
                    ensure(behind.is_supported(), format!("the client supports `{id}` too"), behind)?;
                }
            }
        })
        .of_client(),
        clause!(
            "common.4.4",
            "An instance says who it is and where it points, without credentials.",
            |case: S| {
                let info = case.service().info();
                ensure_eq("the domain", info.domain(), case.suite.domain)?;
                if case.configuration().is_ok() {
                    ensure_eq("the provider's id", info.id(), case.provider_id())?;
                }
                let location = info.location();
                case.watch().saw_instance("its location", &location);
                ensure(!location.is_empty(), "a location", "an empty one")?;
                let credentials = location
                    .split_once("://")
                    .map_or(location, |(_, rest)| rest)
                    .split('/')
                    .next()
                    .and_then(|authority| authority.rsplit_once('@'))
                    .is_some_and(|(user, _)| user.contains(':'));
                ensure(!credentials, "a location without credentials", "one with a password")?;
            }
        ),
        clause!(
            "common.4.5",
            "What is declared native is there: where it belongs to a facet, the facet can be reached.",
            |case: S| {
                let service = case.service();
                for (id, _) in case.suite.capabilities {
                    if service.info().capabilities().grade(id) == Capability::Native {
                        ensure_eq(
                            &format!("what can be reached of `{id}`"),
                            &supported(case, service, id),
                            &Capability::Native,
                        )?;
                    }
                }
            }
        ),
    ]
}

fn supported<S: ?Sized + Provider + 'static>(case: &Case<S>, service: &S, id: &str) -> Capability {
    match case.suite.supports {
        Some(supports) => supports(service, id),
        None => service.info().capabilities().grade(id),
    }
}

/// A call on a service, as [`refuses`] makes it.
pub type Attempt<S> = for<'a> fn(&'a Case<S>, &'a S) -> BoxFuture<'a, external_core::Result<()>>;

/// Checks that a call is refused with this kind before anything is sent: its effect says so, and where the
/// proxy can stand in between, it saw not one byte.
///
/// # Errors
///
/// A failure if it was not refused, refused in another way, or if something was sent.
pub async fn refuses<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    what: &str,
    kind: ErrorKind,
    attempt: Attempt<S>,
) -> Verdict {
    if !case.has_proxy() {
        return refused(what, kind, attempt(case, case.service()).await);
    }
    let proxied = case.proxied().await?;
    refused(what, kind, attempt(case, &proxied.service).await)?;
    let bytes = proxied.proxy.bytes();
    if bytes > 0 {
        let seen = format!("{bytes} bytes at the counting proxy");
        return Err(Finding::failed(format!("{what} sends nothing"), seen));
    }
    Ok(())
}

fn refused(what: &str, kind: ErrorKind, result: external_core::Result<()>) -> Verdict {
    let error = ensure_error(what, result, kind)?;
    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotSent)
}
