//! Answers of SOAP services: an envelope, a fault, a status, or an error that shows nothing of what came.

use std::sync::{Arc, Mutex};

use external_api::external_http::{HttpClient, MemoryAnswer, MemoryHttp, Policy};
use external_api::soap::{Element, SoapClient, SoapFault, SoapRequest};
use external_api::{Effect, ErrorKind};
use external_contract::fuzz::Fuzz;

use super::{CANARY, XML, run};

const ENVELOPE: &str = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>";

#[test]
fn envelopes_and_faults() {
    let parts = [
        ENVELOPE,
        "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'>",
        "</e:Envelope>",
        "<e:Header>",
        "</e:Header>",
        "<h e:mustUnderstand='1'/>",
        "<e:Body>",
        "</e:Body>",
        "<e:Fault>",
        "</e:Fault>",
        "<faultcode>e:Server</faultcode>",
        "<faultcode>e:Client.s3cret! ä</faultcode>",
        "<faultstring>s3cret!</faultstring>",
        "<detail><a>s3cret!</a></detail>",
        "<e:Code><e:Value>e:Sender</e:Value></e:Code>",
        "<e:Reason><e:Text xml:lang='en'>s3cret!</e:Text></e:Reason>",
    ];
    let words: Vec<&str> = XML.iter().chain(&parts).copied().collect();
    let body = Arc::new(Mutex::new(Vec::new()));
    let said = body.clone();
    let double = MemoryHttp::new().with_fallback(move |_| {
        let mut said: Vec<u8> = said.lock().unwrap().clone();
        // Its last byte is the status.
        let status = [200, 202, 302, 400, 500, 503][usize::from(said.pop().unwrap_or_default()) % 6];
        MemoryAnswer::new(status).with_header("content-type", "text/xml").with_body(said)
    });
    let client = SoapClient::over(HttpClient::over(double).with_policy(Policy::off()), "/").unwrap();
    let question = SoapRequest::new(Element::new("urn:a", "Ask"));
    let fault = format!(
        "{ENVELOPE}<e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>s3cret!</faultstring>\
         <detail><a>s3cret!</a></detail></e:Fault></e:Body></e:Envelope>"
    );
    Fuzz::of("answers")
        .with_words(&words)
        .with_example(fault)
        .with_example(format!(
            "{ENVELOPE}<e:Header><h/></e:Header><e:Body><a>s3cret!</a></e:Body></e:Envelope>"
        ))
        .with_cases(20_000)
        .run(|input| {
            *body.lock().unwrap() = input.to_vec();
            let Err(error) = run(client.send(&question)) else { return };
            let fault = SoapFault::of(&error);
            assert!(!format!("{error} {error:?} {} {fault:?}", error.report()).contains(CANARY));
            // What nobody understood may have been done.
            assert!(error.kind() != ErrorKind::Corrupt || error.effect() == Effect::MaybeApplied);
        });
}
