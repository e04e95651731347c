//! Messages and answers: what is sent, what is read, what is repeated.

use std::sync::atomic::{AtomicUsize, Ordering};

use external_api::external_http::Repeat;
use external_api::soap::{Element, Name, SoapHeader, SoapRequest, SoapVersion, XmlLimits};
use external_api::{Effect, ErrorKind};
use external_simulator::HttpAnswer;

use super::service::{add, answer, both, envelope, field, xml};

const SUM: &str = "<m:AddResponse xmlns:m='urn:math'><m:sum>3</m:sum></m:AddResponse>";

#[tokio::test]
async fn each_version_has_its_own_content_type_and_place_for_the_action() {
    for service in both(|_| answer(SUM)).await {
        let bare = SoapRequest::new(Element::new("urn:math", "Ping"));
        for (version, request, media, action) in [
            (SoapVersion::V1_1, add(), "text/xml; charset=utf-8", Some("\"urn:math/Add\"")),
            (SoapVersion::V1_1, bare.clone(), "text/xml; charset=utf-8", Some("\"\"")),
            (SoapVersion::V1_2, add(), "application/soap+xml; charset=utf-8; action=\"urn:math/Add\"", None),
            (SoapVersion::V1_2, bare, "application/soap+xml; charset=utf-8", None),
        ] {
            service.client().with_version(version).send(&request).await.unwrap();
            let asked = service.asked();
            assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].path()), (1, "POST", "/soap"));
            assert_eq!(field(&asked[0], "content-type"), Some(media), "{}", service.transport);
            assert_eq!(field(&asked[0], "soapaction"), action);
            let sent = Element::from_xml(&asked[0].body).unwrap();
            assert!(sent.is(version.namespace(), "Envelope"));
            assert!(sent.child("Header").is_none());
            let body = sent.child_in(version.namespace(), "Body").unwrap();
            assert_eq!(body.children().collect::<Vec<_>>(), request.body.iter().collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn an_answer_is_read_whatever_its_prefixes_order_and_version() {
    for version in [SoapVersion::V1_1, SoapVersion::V1_2] {
        let services = both(move |_| {
            let header = "<h:Session xmlns:h='urn:h'>7</h:Session>";
            let body = "<AddResponse xmlns='urn:math' xmlns:q='urn:math'><extra/><q:sum><![CDATA[3]]></q:sum></AddResponse>";
            HttpAnswer::new(200)
                .with_header("content-type", "APPLICATION/SOAP+XML;charset=UTF-8")
                .with_header("x-request-id", "r-1")
                .with_body(envelope(version, header, body))
        });
        for service in services.await {
            let answer = service.client().send(&add()).await.unwrap();
            assert_eq!((answer.version, answer.request_id.as_deref()), (version, Some("r-1")));
            assert_eq!(answer.header("urn:h", "Session").unwrap().text(), "7");
            assert_eq!(answer.body().unwrap().required("sum").unwrap().parse::<i32>().unwrap(), 3);
        }
    }
}

#[tokio::test]
async fn headers_arrive_with_what_they_demand() {
    for service in both(|_| answer(SUM)).await {
        let request = add()
            .with_header(Element::new("urn:h", "Tenant").with_text("7"))
            .with_header(SoapHeader::new(Element::new("urn:h", "Route")).required().for_role("urn:gateway"));
        service.client().with_version(SoapVersion::V1_2).send(&request).await.unwrap();
        let sent = Element::from_xml(&service.asked()[0].body).unwrap();
        let blocks = sent.child("Header").unwrap();
        let namespace = SoapVersion::V1_2.namespace();
        assert_eq!(blocks.child("Tenant").unwrap().attribute_in(namespace, "mustUnderstand"), None);
        let route = blocks.child("Route").unwrap();
        assert_eq!(route.attribute_in(namespace, "mustUnderstand"), Some("1"));
        assert_eq!(route.attribute_in(namespace, "role"), Some("urn:gateway"));
    }
}

#[tokio::test]
async fn what_must_be_understood_and_is_not_is_refused() {
    let demanding = |_: &_| {
        let version = SoapVersion::V1_1;
        let header =
            format!("<h:Pay xmlns:h='urn:h' xmlns:e='{}' e:mustUnderstand='1'/>", version.namespace());
        xml(200, envelope(version, &header, SUM))
    };
    for service in both(demanding).await {
        let error = service.client().send(&add()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::MaybeApplied));
        assert_eq!(error.context_value("header"), Some("{urn:h}Pay"));
        let heeding = service.client().with_understood(Name::new("urn:h", "Pay"));
        assert!(heeding.send(&add()).await.is_ok());
    }
}

#[tokio::test]
async fn an_empty_answer_is_one_to_who_wants_none() {
    for status in [200, 202, 204] {
        for service in both(move |_| HttpAnswer::new(status)).await {
            let answer = service.client().send(&add()).await.unwrap();
            assert_eq!(answer.body().unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_soap_is_told_by_what_it_is() {
    let html = "<html><body>s3cret maintenance page</body></html>";
    for (status, media, body, kind) in [
        (200, "text/html", html, ErrorKind::Corrupt),
        (200, "text/xml", html, ErrorKind::Corrupt),
        (200, "text/xml", "<a", ErrorKind::Corrupt),
        (200, "application/json", "{}", ErrorKind::Corrupt),
        (200, "multipart/related; boundary=x", "--x", ErrorKind::Corrupt),
        (200, "text/xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", ErrorKind::Corrupt),
        (404, "text/html", html, ErrorKind::NotFound),
        (401, "text/html", html, ErrorKind::Unauthenticated),
        (500, "text/html", html, ErrorKind::Unavailable),
        (503, "text/xml", html, ErrorKind::Unavailable),
        (500, "text/xml", "", ErrorKind::Unavailable),
        (302, "text/html", html, ErrorKind::Unexpected),
    ] {
        let services =
            both(move |_| HttpAnswer::new(status).with_header("content-type", media).with_body(body));
        for service in services.await {
            let error = service.client().send(&add()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.http_status()),
                (kind, Some(status)),
                "{status} {media}: {error}"
            );
            assert!(!error.report().to_string().contains("s3cret"));
            assert_eq!(service.asked().len(), 1, "nothing of this is repeated: {status} {media}");
        }
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limits_is_an_error_and_no_burden() {
    let many = format!("<m:R xmlns:m='urn:math'>{}</m:R>", "<m:i/>".repeat(5000));
    for service in both(move |_| answer(&many)).await {
        for limits in [XmlLimits::new().with_nodes(1000), XmlLimits::new().with_bytes(10_000)] {
            let error = service.client().with_limits(limits).send(&add()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
            assert_eq!(error.effect(), Effect::MaybeApplied);
        }
        assert!(service.client().send(&add()).await.is_ok());
    }
}

#[tokio::test]
async fn a_message_is_repeated_only_where_it_says_that_this_is_harmless() {
    for (repeat, attempts) in
        [(Repeat::Once, 1), (Repeat::Keyed, 1), (Repeat::Idempotent, 3), (Repeat::Safe, 3)]
    {
        for service in both(|_| HttpAnswer::new(503)).await {
            let error = service.client().send(&add().with_repeat(repeat)).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
            assert_eq!(
                (service.asked().len(), error.attempts() as usize),
                (attempts, attempts),
                "{repeat:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_that_recovers_is_asked_until_it_answers() {
    let asked = AtomicUsize::new(0);
    let services = both(move |_| match asked.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => HttpAnswer::new(503),
        1 => xml(
            500,
            envelope(
                SoapVersion::V1_1,
                "",
                "<e:Fault xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><faultcode>e:Server</faultcode></e:Fault>",
            ),
        ),
        _ => answer(SUM),
    });
    for service in services.await {
        let answer = service.client().send(&add().with_repeat(Repeat::Safe)).await.unwrap();
        assert!(answer.body().unwrap().is("urn:math", "AddResponse"));
        let bodies: Vec<_> = service.asked().into_iter().map(|question| question.body).collect();
        assert_eq!(bodies.len(), 3);
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    }
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    for service in both(|_| answer(SUM)).await {
        for wrong in [
            SoapRequest::new(Element::new("urn:math", "Add").with_text("\u{0}")),
            SoapRequest::new(Element::new("urn:math", "a b")),
            add().with_action("urn:\"math\""),
            add().with_action("urn:math\r\nX: y"),
            add().with_action("urn:mäth"),
        ] {
            let error = service.client().send(&wrong).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
        }
        assert!(service.asked().is_empty());
    }
}

#[tokio::test]
async fn the_breaker_and_the_end_are_those_of_the_http_client() {
    for service in both(|_| answer(SUM)).await {
        let client = service.client();
        assert!(service.http.pipeline().isolate());
        assert_eq!(client.send(&add()).await.unwrap_err().kind(), ErrorKind::Unavailable);
        service.http.pipeline().reset_breaker();
        assert!(client.send(&add()).await.is_ok());
        client.close(std::time::Duration::from_secs(1)).await;
        assert_eq!(client.send(&add()).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(service.asked().len(), 1);
    }
}
