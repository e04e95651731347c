//! Point 1, TLS: a server with a certificate that is not as it should be is refused, and nothing is said to it. The fault
//! proxy is that server.

use std::io;
use std::time::Duration;

use external_core::{BuildContext, Effect, ErrorKind, Provider, Retry};
use external_simulator::{Authority, Identity};

use super::{any_call, marker};
use crate::clause::{Clause, Need};
use crate::{Case, Finding, Proxied, Resilience, Verdict, clause, ensure, ensure_eq, ensure_error, within};

const LONG: Duration = Duration::from_secs(10);

/// What the proxy is reached by.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.1.13",
            "A certificate for another name is refused before anything is said: `Unavailable`, `NotSent`, never tried again.",
            |case: S| {
                is_refused(case, "another name", |trusted| trusted.identity(&["elsewhere.test"])).await?;
            }
        )
        .requiring(Need::Tls),
        clause!(
            "common.1.14",
            "A certificate of an authority that nobody trusts is refused before anything is said: `Unavailable`, `NotSent`, \
             never tried again.",
            |case: S| {
                is_refused(case, "an unknown authority", |_| Authority::new()?.identity(NAMES)).await?;
            }
        )
        .requiring(Need::Tls),
        clause!(
            "common.1.15",
            "A certificate that has expired is refused before anything is said: `Unavailable`, `NotSent`, never tried again.",
            |case: S| {
                is_refused(case, "a time that is over", |trusted| trusted.expired(NAMES)).await?;
            }
        )
        .requiring(Need::Tls),
    ]
}

async fn is_refused<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    whose: &str,
    identity: fn(&Authority) -> io::Result<Identity>,
) -> Verdict {
    let authority = Authority::new().map_err(cannot)?;
    let file = case.scratch().join("authority.pem");
    std::fs::write(&file, authority.pem()).map_err(cannot)?;
    let trusting = |world: BuildContext| {
        let tls = world.tls().clone().with_only_ca_file(&file);
        world.with_tls(tls)
    };
    // Beside a certificate that is as it should be, so that what is refused below is refused for its fault.
    let Proxied { service, proxy } = case.proxied_in(Resilience::Off, trusting).await?;
    proxy.meet_tls_as(authority.identity(NAMES).map_err(cannot)?);
    let call = any_call(case)?;
    let good = within("a call", LONG, (call.run)(case, &service, &marker(case, "good"))).await?;
    ensure(proxy.handshakes() > 0, "a certificate as it should be is trusted", format!("{good:?}"))?;

    for call in case.sent_calls() {
        let Proxied { service, proxy } = case.proxied_in(Resilience::Off, trusting).await?;
        proxy.meet_tls_as(identity(&authority).map_err(cannot)?);
        let marker = marker(case, call.name);
        let what = format!("a {} to a server with a certificate of {whose}", call.name);
        let result = within(&what, LONG, (call.run)(case, &service, &marker)).await?;
        ensure_eq(&format!("the number of handshakes of {what}"), &proxy.handshakes(), &0)?;
        let error = ensure_error(&what, result, ErrorKind::Unavailable)?;
        ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotSent)?;
        ensure_eq(&format!("the retry advice of {what}"), &error.retry(), &Retry::Never)?;
        ensure_eq("the number of requests in clear text", &proxy.count(&marker), &0)?;
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn cannot(error: io::Error) -> Finding {
    Finding::not_run(format!("no certificates: {error}"))
}
