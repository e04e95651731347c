//! The caller's trace context: carried unless switched off.

use external_contract::{Clause, clause, ensure_eq};
use external_http::{HeaderMap, HttpClient, HttpSettings, Policy};

use super::S;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "http.trace.1",
            "Requests carry the caller's trace context, unless the settings say no.",
            |case| {
                let traced = |headers: &mut HeaderMap| {
                    headers.insert("traceparent", PARENT.parse().unwrap());
                };
                let http = HttpClient::from(case.shared_service()).with_policy(Policy::off());
                for (client, carries) in [
                    (http.clone(), false),
                    (http.clone().with_trace_context(traced), true),
                    (
                        http.with_trace_context(traced)
                            .with_settings(HttpSettings::new().with_traceparent(false))?,
                        false,
                    ),
                ] {
                    let seen = client.get("/echo/traced").await?.text().await?;
                    ensure_eq("whether it is carried", &seen.contains(PARENT), &carries)?;
                }
            }
        )
        .of_provider(),
    ]
}
