//! A SOAP service called by its description: `eval "$(cargo xtask servers up soap)"`, then
//! `cargo run -p external-api --example soap --features soap`.
//!
//! Where no server is named it asks a double that describes itself.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_api::Result;
use external_api::external_http::{
    BuildContext, HttpClient, MemoryAnswer, MemoryHttp, Method, Repeat, ReqwestConfig,
};
use external_api::soap::{SoapFault, SoapService, Wsdl};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let context = BuildContext::default();
    let (http, url) = match context.env("EXTERNAL_TEST_SOAP_URL") {
        Some(server) => {
            let transport = ReqwestConfig::new().build(&context)?;
            (HttpClient::over(transport), format!("{server}/soap11?wsdl"))
        }
        None => (HttpClient::over(double()), "https://math.example.org/soap?wsdl".to_owned()),
    };
    let wsdl = Wsdl::load(&http, &url).await?;
    for port in wsdl.ports() {
        println!(
            "{} ({}): {}",
            port.name(),
            port.version(),
            port.operations().collect::<Vec<_>>().join(", ")
        );
    }

    // It only reads, so it may be tried again.
    let math = SoapService::over(http, &wsdl)?.with_repeat("add", Repeat::Safe);
    let sum: Value = math.call("add", json!({"a": 40, "b": 2})).await?;
    println!("40 + 2: {sum}");

    if let Err(error) = math.call::<Value>("add", json!({"a": 40, "c": 2})).await {
        println!("before it was sent: {error}");
    }
    if let Err(error) = math.call::<Value>("fail", json!({"code": "Client.Odd", "detail": "no reason"})).await
    {
        println!("{error}");
        if let Some(detail) = SoapFault::of(&error).and_then(SoapFault::detail) {
            println!("its detail: {}", detail.to_xml()?);
        }
    }
    Ok(())
}

/// What answers where there is no server.
fn double() -> MemoryHttp {
    let wsdl = include_str!("fixtures/math.wsdl");
    let answer = |body: &str| {
        format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>{body}</e:Body></e:Envelope>"
        )
    };
    let sum = answer("<m:addResponse xmlns:m=\"urn:math\"><m:addResult>42</m:addResult></m:addResponse>");
    let fault = answer(
        "<e:Fault><faultcode>e:Client.Odd</faultcode><faultstring>it failed</faultstring><detail><why>no reason</why></detail></e:Fault>",
    );
    MemoryHttp::new()
        .with_route(Method::GET, "/soap", move |_| MemoryAnswer::new(200).with_body(wsdl))
        .with_route(Method::POST, "/soap", move |request| {
            let (status, body) = match request.header("soapaction") {
                Some("\"urn:math/add\"") => (200, sum.clone()),
                _ => (500, fault.clone()),
            };
            MemoryAnswer::new(status).with_header("content-type", "text/xml").with_body(body)
        })
}
