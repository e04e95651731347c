//! WS-Security: made anew for each attempt, and never shown.

use std::collections::BTreeSet;
use std::time::Duration;

use external_api::external_http::{BuildContext, HttpClient, MemoryAnswer, MemoryConfig, MemoryHttp, Repeat};
use external_api::soap::{Element, SoapClient, SoapVersion, WsSecurity};
use external_api::{Effect, ErrorKind, Secret};
use external_simulator::HttpAnswer;

use super::service::{add, answer, both, envelope, xml};

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";

fn header(body: &[u8]) -> Element {
    let sent = Element::from_xml(body).unwrap();
    sent.child("Header").unwrap().child_in(WSSE, "Security").unwrap().clone()
}

#[tokio::test]
async fn each_attempt_has_a_nonce_of_its_own() {
    for service in both(|_| HttpAnswer::new(503)).await {
        let security = WsSecurity::new()
            .with_password_digest("app", Secret::new("s3cret"))
            .with_timestamp(Duration::from_secs(60));
        let client = service.client().with_security(security);
        let error = client.send(&add().with_repeat(Repeat::Safe)).await.unwrap_err();
        assert!(!format!("{client:?} {}", error.report()).contains("s3cret"));
        let asked = service.asked();
        assert_eq!(asked.len(), 3);
        let headers: Vec<_> = asked.iter().map(|question| header(&question.body)).collect();
        let nonces: BTreeSet<_> = headers
            .iter()
            .map(|header| {
                let token = header.child_in(WSSE, "UsernameToken").unwrap();
                token.child_in(WSSE, "Nonce").unwrap().text().into_owned()
            })
            .collect();
        assert_eq!(nonces.len(), 3);
        for (question, header) in asked.iter().zip(&headers) {
            assert!(!String::from_utf8_lossy(&question.body).contains("s3cret"));
            let envelope = SoapVersion::V1_1.namespace();
            assert_eq!(header.attribute_in(envelope, "mustUnderstand"), Some("1"));
            let stamp = header.child_in(WSU, "Timestamp").unwrap();
            assert!(stamp.required("Created").unwrap().text() < stamp.required("Expires").unwrap().text());
            let password = header.child("UsernameToken").unwrap().child("Password").unwrap();
            assert_eq!(password.attribute("Type"), Some(format!("{PROFILE}#PasswordDigest").as_str()));
        }
    }
}

#[tokio::test]
async fn a_password_in_text_arrives_as_it_is() {
    for service in both(|_| answer("<r/>")).await {
        let security = WsSecurity::new().with_password_text("app", Secret::new("p<&>w"));
        service.client().with_security(security).send(&add()).await.unwrap();
        let header = header(&service.asked()[0].body);
        let token = header.child_in(WSSE, "UsernameToken").unwrap();
        assert_eq!(token.required("Username").unwrap().text(), "app");
        let password = token.required("Password").unwrap();
        assert_eq!(password.text(), "p<&>w");
        assert_eq!(password.attribute("Type"), Some(format!("{PROFILE}#PasswordText").as_str()));
        assert!(header.child("Timestamp").is_none() && token.child("Nonce").is_none());
    }
}

/// A client of a service that answers everything.
fn client(base: &str, endpoint: &str) -> SoapClient {
    let double = MemoryConfig::new().with_base_url(base).build(&BuildContext::default()).unwrap();
    let double = double.with_fallback(|_| {
        let body = envelope(SoapVersion::V1_1, "", "<r/>");
        MemoryAnswer::new(200).with_header("content-type", "text/xml").with_body(body)
    });
    SoapClient::over(HttpClient::over(double), endpoint).unwrap()
}

#[tokio::test]
async fn a_password_in_text_goes_to_no_other_machine_without_tls_unless_it_may() {
    let text = || WsSecurity::new().with_password_text("app", Secret::new("s3cret"));
    for (base, endpoint) in
        [("https://soap.example", "http://soap.example/math"), ("http://soap.example", "/math")]
    {
        let client = client(base, endpoint);
        let error = client.clone().with_security(text()).send(&add()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotSent), "{endpoint}");
        assert!(client.http().provider::<MemoryHttp>().unwrap().received().is_empty());
        let digest = WsSecurity::new().with_password_digest("app", Secret::new("s3cret"));
        for security in [digest, text().with_insecure_http(true)] {
            client.clone().with_security(security).send(&add()).await.unwrap();
        }
    }
    for (base, endpoint) in
        [("http://soap.example", "https://soap.example/math"), ("http://127.0.0.1", "/math")]
    {
        client(base, endpoint).with_security(text()).send(&add()).await.unwrap();
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_keeps_the_message_here() {
    for service in both(|_| answer("<r/>")).await {
        let security = WsSecurity::new().with_password_text("app", Secret::from_env("NOBODY_SET_THIS"));
        let error = service.client().with_security(security).send(&add()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(service.asked().is_empty());
    }
}

#[tokio::test]
async fn the_servers_own_header_is_understood_where_ours_is_sent_and_may_have_expired() {
    for (expires, is_good) in [("2999-01-01T00:00:00Z", true), ("2001-01-01T00:00:00Z", false)] {
        let services = both(move |_| {
            let version = SoapVersion::V1_1;
            let header = format!(
                "<w:Security xmlns:w='{WSSE}' xmlns:u='{WSU}' xmlns:e='{}' e:mustUnderstand='1'>
                 <u:Timestamp><u:Expires>{expires}</u:Expires></u:Timestamp></w:Security>",
                version.namespace()
            );
            xml(200, envelope(version, &header, "<r/>"))
        });
        for service in services.await {
            let client = service.client();
            assert_eq!(client.send(&add()).await.unwrap_err().kind(), ErrorKind::Unsupported);
            let secured = client.with_security(WsSecurity::new().with_timestamp(Duration::from_secs(60)));
            match secured.send(&add()).await {
                Ok(_) => assert!(is_good),
                Err(error) => assert!(!is_good && error.kind() == ErrorKind::Corrupt, "{error}"),
            }
        }
    }
}
