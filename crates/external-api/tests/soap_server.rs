//! The SOAP client against a service that others wrote (spyne, which `cargo xtask contract-test` starts), as clauses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite;

use std::process::ExitCode;
use std::time::Duration;

use external_api::external_http::Repeat;
use external_api::soap::{FaultCode, SoapClient, SoapFault, SoapService, SoapVersion, WsSecurity, Wsdl};
use external_api::{Effect, Error, ErrorKind, Secret};
use external_contract::{Case, Clause, Finding, clause, ensure, ensure_eq, ensure_error};
use serde_json::{Value, json};
use suite::{S, http};

/// The doors, and what they speak.
const DOORS: [(&str, SoapVersion); 2] = [("soap11", SoapVersion::V1_1), ("soap12", SoapVersion::V1_2)];

fn main() -> ExitCode {
    suite::run(clauses(), include_str!("soap/contract.toml"))
}

/// The service behind a door, by its own description.
async fn service(case: &Case<S>, door: &str) -> Result<SoapService, Finding> {
    let http = http(case);
    let wsdl = Wsdl::load(&http, &format!("/{door}?wsdl")).await?;
    let client = SoapClient::over(http, &format!("/{door}"))?;
    Ok(SoapService::of(client, &wsdl, "External")?)
}

fn order() -> Value {
    json!({
        "@priority": 3, "id": "A-1 <&> ä", "state": "paid", "weight": 1.5, "due": "2024-02-29T12:00:00", "day": "2024-02-29",
        "page": "https://example.org/?a=1&b=2", "payload": "AAEC/w==", "huge": "123456789012345678901234567890",
        "note": null, "tag": ["a", "b"],
        "items": {"Item": [{"sku": "x", "count": 2, "price": "12.30", "gift": true}, {"sku": "y", "count": 1}]},
    })
}

fn fault_of(error: &Error) -> Result<&SoapFault, Finding> {
    SoapFault::of(error).ok_or_else(|| Finding::failed("a fault", error.to_string()))
}

fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "api.soap.1",
            "A description is read at run time: version, endpoint and operations.",
            |case| {
                for (door, version) in DOORS {
                    let http = http(case);
                    let wsdl = Wsdl::load(&http, &format!("/{door}?wsdl")).await?;
                    let port = wsdl.port(None)?;
                    ensure_eq("the version", &port.version(), &version)?;
                    let operations: Vec<_> = port.operations().collect();
                    ensure_eq(
                        "the operations",
                        &operations,
                        &vec!["add", "echo_order", "echo_text", "fail", "flaky"],
                    )?;
                    ensure(port.endpoint().ends_with(door), "an endpoint at the door", port.endpoint())?;
                }
            }
        )
        .of_provider(),
        clause!(
            "api.soap.2",
            "An operation is called by name with plain values, over both versions.",
            |case| {
                for (door, _) in DOORS {
                    let service = service(case, door).await?;
                    let sum: Value = service.call("add", json!({"a": 2_000_000_000, "b": -7})).await?;
                    ensure_eq("the sum", &sum, &json!({"addResult": 1_999_999_993}))?;
                    let text: String = service.call("echo_text", "<ä> & ]]>").await?;
                    ensure_eq("the text", text.as_str(), "<ä> & ]]>")?;
                }
            }
        )
        .of_provider(),
        clause!("api.soap.3", "Values of every kind of type arrive, and come back as they were.", |case| {
            for (door, _) in DOORS {
                let service = service(case, door).await?;
                let answer: Value = service.call("echo_order", json!({"order": order()})).await?;
                // That there is no note the server says by leaving it out.
                let mut expected = order();
                expected.as_object_mut().and_then(|order| order.remove("note"));
                ensure_eq("the order", &answer["echo_orderResult"], &expected)?;
            }
        })
        .of_provider(),
        clause!(
            "api.soap.4",
            "What the description does not let through is refused here, as the server would there.",
            |case| {
                for (door, _) in DOORS {
                    let service = service(case, door).await?;
                    let refused = service.call::<Value>("add", json!({"a": "x", "b": 1})).await;
                    let error = ensure_error("a text for a number", refused, ErrorKind::InvalidArgument)?;
                    ensure_eq("the effect", &error.effect(), &Effect::NotSent)?;
                    // The server thinks so, too.
                    let mut request = service.request("add", json!({"a": 1, "b": 1}))?;
                    let add = request.body.remove(0);
                    request.body.push(
                        external_api::soap::Element::named(add.name().clone())
                            .with_field("a", "x")
                            .with_field("b", "1"),
                    );
                    let refused = service.client().send(&request).await;
                    let error =
                        ensure_error("the same, past the check", refused, ErrorKind::InvalidArgument)?;
                    ensure_eq("the effect", &error.effect(), &Effect::NotApplied)?;
                    ensure_eq("the fault", &fault_of(&error)?.code(), &FaultCode::Sender)?;
                }
            }
        )
        .of_provider(),
        clause!("api.soap.5", "Faults of both versions are errors with code, reason and detail.", |case| {
            for (door, version) in DOORS {
                let service = service(case, door).await?;
                let failed =
                    service.call::<Value>("fail", json!({"code": "Client.Odd", "detail": "why not"})).await;
                let error = ensure_error("a fault", failed, ErrorKind::InvalidArgument)?;
                let fault = fault_of(&error)?;
                ensure_eq("the version", &fault.version(), &version)?;
                ensure_eq("the code", &fault.code(), &FaultCode::Sender)?;
                ensure_eq("the finer code", &error.vendor_code(), &Some("Odd"))?;
                ensure_eq("the reason", fault.reason(), "it failed")?;
                let why =
                    fault.detail().and_then(|detail| detail.child("why")).map(|why| why.text().into_owned());
                ensure_eq("the detail", &why.as_deref(), &Some("why not"))?;
                let failed = service.call::<Value>("fail", json!({"code": "Server"})).await;
                let error = ensure_error("a fault of the server", failed, ErrorKind::Unavailable)?;
                ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
            }
        })
        .of_provider(),
        clause!(
            "api.soap.6",
            "A fault of the server is tried again where that is harmless, and nowhere else.",
            |case| {
                for (door, _) in DOORS {
                    let service = service(case, door).await?;
                    let key = case.name(door);
                    let once = service.call::<Value>("flaky", json!({"key": key, "failures": 1})).await;
                    ensure_error("the first", once, ErrorKind::Unavailable)?;
                    let times: Value = service.call("flaky", json!({"key": key, "failures": 1})).await?;
                    ensure_eq("asked", &times, &json!({"flakyResult": 2}))?;
                    let safe = service.with_repeat("flaky", Repeat::Safe);
                    let times: Value =
                        safe.call("flaky", json!({"key": format!("{key}-safe"), "failures": 2})).await?;
                    ensure_eq("asked", &times, &json!({"flakyResult": 3}))?;
                }
            }
        )
        .of_provider(),
        clause!(
            "api.soap.7",
            "WS-Security lets in who knows the password, as text and as digest, each time anew.",
            |case| {
                let service = service(case, "secure").await?;
                let secured = |security: WsSecurity| {
                    service.clone().with_client(|client| client.with_security(security))
                };
                let stamped = || WsSecurity::new().with_timestamp(Duration::from_secs(60));
                let good = || Secret::new("s3cret");
                for security in [
                    stamped().with_password_text("app", good()),
                    stamped().with_password_digest("app", good()),
                ] {
                    let service = secured(security);
                    for _ in 0..2 {
                        let sum: Value = service.call("add", json!({"a": 1, "b": 2})).await?;
                        ensure_eq("the sum", &sum, &json!({"addResult": 3}))?;
                    }
                }
                for security in [
                    stamped().with_password_digest("app", Secret::new("other")),
                    stamped().with_password_text("app", Secret::new("other")),
                    stamped().with_password_digest("other", good()),
                    WsSecurity::new().with_password_digest("app", good()),
                ] {
                    let refused = secured(security).call::<Value>("add", json!({"a": 1, "b": 2})).await;
                    let error = ensure_error("somebody else", refused, ErrorKind::Unauthenticated)?;
                    ensure_eq("the effect", &error.effect(), &Effect::NotApplied)?;
                }
                let refused = service.call::<Value>("add", json!({"a": 1, "b": 2})).await;
                ensure_error("nobody", refused, ErrorKind::Unauthenticated)?;
            }
        )
        .of_provider(),
        clause!("api.soap.8", "A place where there is no service is told by its status.", |case| {
            let client = SoapClient::over(http(case), "/nothing")?;
            let request = service(case, "soap11").await?.request("add", json!({"a": 1, "b": 2}))?;
            let error = ensure_error("no service", client.send(&request).await, ErrorKind::NotFound)?;
            ensure_eq("what came", &error.context_value("content_type"), &Some("text/html"))?;
        })
        .of_provider(),
    ]
}
