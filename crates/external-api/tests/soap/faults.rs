//! Faults of both versions, whatever the status that they come with.

use std::time::Duration;

use external_api::external_http::{Repeat, Retry};
use external_api::soap::{FaultCode, SoapFault, SoapVersion};
use external_api::{Effect, ErrorKind};
use external_simulator::HttpAnswer;

use super::service::{add, both, envelope, xml};

fn fault_1_1(code: &str, detail: &str) -> String {
    let fault = format!(
        "<e:Fault xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><faultcode>e:{code}</faultcode>
         <faultstring>it failed</faultstring><faultactor>urn:actor</faultactor>{detail}</e:Fault>"
    );
    envelope(SoapVersion::V1_1, "", &fault)
}

fn fault_1_2(code: &str, detail: &str) -> String {
    let fault = format!(
        "<e:Fault xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Code><e:Value>e:{code}</e:Value>
         <e:Subcode><e:Value xmlns:m='urn:m'>m:Fine</e:Value></e:Subcode></e:Code>
         <e:Reason><e:Text xml:lang='en'>it failed</e:Text></e:Reason>{detail}</e:Fault>"
    );
    envelope(SoapVersion::V1_2, "", &fault)
}

#[tokio::test]
async fn a_fault_is_a_fault_whatever_the_status() {
    for status in [200, 400, 500, 503] {
        let detail = "<detail><m:Why xmlns:m='urn:m'>s3cret</m:Why></detail>";
        for service in both(move |_| xml(status, fault_1_1("Client", detail))).await {
            let error = service.client().send(&add()).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotApplied));
            assert_eq!((error.http_status(), error.vendor_code()), (Some(status), Some("Client")));
            assert!(!error.report().to_string().contains("s3cret"));
            let fault = SoapFault::of(&error).unwrap();
            assert_eq!((fault.code(), fault.role()), (FaultCode::Sender, Some("urn:actor")));
            assert_eq!(fault.detail().unwrap().child_in("urn:m", "Why").unwrap().text(), "s3cret");
        }
    }
}

#[tokio::test]
async fn one_of_the_other_version_is_read_too() {
    for service in both(|_| {
        HttpAnswer::new(400)
            .with_header("content-type", "application/soap+xml")
            .with_body(fault_1_2("Sender", ""))
    })
    .await
    {
        let error = service.client().send(&add()).await.unwrap_err();
        let fault = SoapFault::of(&error).unwrap();
        assert_eq!((fault.version(), fault.code()), (SoapVersion::V1_2, FaultCode::Sender));
        assert_eq!((error.vendor_code(), fault.reason_in("en")), (Some("Fine"), Some("it failed")));
    }
}

#[tokio::test]
async fn a_fault_of_the_server_is_tried_again_where_that_is_harmless() {
    for (code, detail, repeat, attempts, kind) in [
        ("Server", "", Repeat::Safe, 3, ErrorKind::Unavailable),
        ("Server", "", Repeat::Once, 1, ErrorKind::Unavailable),
        ("Server", "<detail><x/></detail>", Repeat::Safe, 1, ErrorKind::InvalidArgument),
        ("Client", "", Repeat::Safe, 1, ErrorKind::InvalidArgument),
        ("MustUnderstand", "", Repeat::Safe, 1, ErrorKind::Unsupported),
    ] {
        for service in both(move |_| xml(500, fault_1_1(code, detail))).await {
            let error = service.client().send(&add().with_repeat(repeat)).await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(service.asked().len(), attempts, "{code} {detail} {repeat:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_says_when_is_heeded() {
    let busy = |_: &_| xml(500, fault_1_1("Server", "")).with_header("retry-after", "7");
    for service in both(busy).await {
        let error = service.client().send(&add()).await.unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn faults_of_the_server_open_the_breaker_and_those_of_the_client_do_not() {
    for (code, opens) in [("Server", true), ("Client", false)] {
        for service in both(move |_| xml(500, fault_1_1(code, ""))).await {
            for _ in 0..200 {
                service.client().send(&add()).await.unwrap_err();
            }
            assert_eq!(service.asked().len() < 200, opens, "{code}");
        }
    }
}

#[tokio::test]
async fn half_a_fault_is_corrupt() {
    let half = "<e:Fault xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'/>";
    for service in both(move |_| xml(500, envelope(SoapVersion::V1_1, "", half))).await {
        let error = service.client().send(&add()).await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Corrupt, Some(500)));
    }
}
