//! What only the reqwest provider has: proxies, versions, connections that are used again, and errors told truly.
#![cfg(feature = "reqwest")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use external_contract::external_simulator::{Authority, HttpAnswer, HttpServer, Proxy};
use external_http::external_core::CallContext;
use external_http::external_core::build::TlsSettings;
use external_http::{
    BuildContext, Effect, ErrorKind, FileBody, HttpBody, HttpRequest, HttpTransport, HttpVersion, Provider,
    ProxyConfig, ReqwestConfig, ReqwestHttp, Secret,
};

fn built(config: ReqwestConfig) -> ReqwestHttp {
    config.build(&BuildContext::default()).unwrap()
}

async fn server() -> HttpServer {
    HttpServer::start(|_| HttpAnswer::new(200).with_body("from the proxy or the origin")).await.unwrap()
}

#[tokio::test]
async fn a_proxy_is_asked_with_its_login_and_a_bypassed_host_is_not() {
    let proxy = server().await;
    let config = ProxyConfig::new(format!("http://{}", proxy.address()))
        .with_login("app", Secret::new("pr0xy"))
        .with_bypass("127.0.0.1");
    let http = built(ReqwestConfig::new().with_proxy(config));
    let cx = CallContext::default();
    // Nobody resolves this name: it is the proxy that answers.
    http.execute(&cx, &HttpRequest::get("http://upstream.invalid/a").unwrap()).await.unwrap();
    let login = proxy.asked()[0].headers["proxy-authorization"].to_str().unwrap().to_owned();
    assert_eq!(login, "Basic YXBwOnByMHh5");
    let origin = server().await;
    let url = format!("http://{}/b", origin.address());
    http.execute(&cx, &HttpRequest::get(&url).unwrap()).await.unwrap();
    assert_eq!((proxy.asked().len(), origin.asked().len()), (1, 1));
    assert!(!origin.asked()[0].headers.contains_key("proxy-authorization"));
}

#[tokio::test]
async fn connections_are_used_again_and_given_back() {
    let origin = server().await;
    let proxy = Proxy::start(origin.address().to_string()).await.unwrap();
    let http = built(ReqwestConfig::new().with_base_url(format!("http://{}", proxy.address())));
    let cx = CallContext::default();
    for _ in 0..10 {
        let answer = http.execute(&cx, &HttpRequest::get("/").unwrap()).await.unwrap();
        answer.bytes().await.unwrap();
    }
    assert_eq!(proxy.connections(), 1);
    http.close().await.unwrap();
    let error = http.execute(&cx, &HttpRequest::get("/").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn over_tls_the_versions_are_agreed_and_the_authority_is_ones_own() {
    let authority = Authority::new().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let identity = authority.identity(&["localhost"]).unwrap();
    let origin = HttpServer::start_tls(identity, |question| {
        // HTTP/2 has no `Host`.
        HttpAnswer::new(200).with_body(if question.headers.contains_key("host") { "1" } else { "2" })
    });
    let origin = origin.await.unwrap();
    let url = format!("https://localhost:{}/", origin.address().port());
    for (version, spoken) in [(HttpVersion::Auto, "2"), (HttpVersion::Http1, "1"), (HttpVersion::Http2, "2")]
    {
        let config = ReqwestConfig::new().with_version(version);
        let trusting = built(config.clone().with_tls(TlsSettings::new().with_only_ca_file(file.path())));
        let request = HttpRequest::get(&url).unwrap();
        let answer = trusting.execute(&CallContext::default(), &request).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), spoken, "{version:?}");
    }
}

#[tokio::test]
async fn a_file_is_sent_as_it_is() {
    let origin = server().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..251_u8).cycle().take(300_000).collect();
    std::fs::write(file.path(), &content).unwrap();
    let body = HttpBody::from_source(FileBody::of(file.path()).await.unwrap());
    let request = HttpRequest::put(&format!("http://{}/", origin.address())).unwrap().with_body(body);
    let http = built(ReqwestConfig::new());
    for _ in 0..2 {
        http.execute(&CallContext::default(), &request).await.unwrap();
    }
    for question in origin.asked() {
        assert!(question.body == content, "{} bytes", question.body.len());
        assert_eq!(question.headers["content-length"], "300000");
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_said_is_the_callers_mistake() {
    let origin = server().await;
    let http = built(ReqwestConfig::new().with_base_url(format!("http://{}", origin.address())));
    for told in [3, 7] {
        let make = || external_http::ByteStream::from_bytes("hello".into());
        let request = HttpRequest::put("/").unwrap().with_body(HttpBody::from_factory(Some(told), make));
        let error = http.execute(&CallContext::default(), &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{}", error.report());
    }
    assert!(origin.asked().is_empty());
}

#[tokio::test]
async fn a_post_without_a_body_says_so() {
    let origin = server().await;
    let http = built(ReqwestConfig::new().with_base_url(format!("http://{}", origin.address())));
    http.execute(&CallContext::default(), &HttpRequest::post("/").unwrap()).await.unwrap();
    http.execute(&CallContext::default(), &HttpRequest::get("/").unwrap()).await.unwrap();
    let asked = origin.asked();
    assert_eq!(asked[0].headers["content-length"], "0");
    assert!(!asked[1].headers.contains_key("content-length"));
    assert!(asked[0].headers["user-agent"].to_str().unwrap().starts_with("external-http/"));
}

#[tokio::test]
async fn without_a_base_a_probe_has_nobody_to_ask() {
    let http = built(ReqwestConfig::new().with_connect_timeout(Duration::from_secs(1)));
    let error = http.probe(&CallContext::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let request = HttpRequest::get("/a").unwrap();
    let error = http.execute(&CallContext::default(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// A peer that says this, again and again if it is to be endless, to whoever asks, and then goes away.
async fn peer(says: &'static [u8], endless: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let _ = client.read(&mut asked).await;
            let mut said = client.write_all(says).await;
            while said.is_ok() && !endless.is_empty() {
                said = client.write_all(endless).await;
            }
        }
    });
    url
}

#[tokio::test]
async fn hostile_answers_are_errors_of_bounded_size() {
    use ErrorKind::{Corrupt, PayloadTooLarge, Unavailable};
    let http = built(ReqwestConfig::new());
    for (says, endless, kinds) in [
        (
            &b"HTTP/1.1 200 OK\r\n"[..],
            &b"x-endless: 0123456789012345678901234567890123456789\r\n"[..],
            &[Corrupt][..],
        ),
        (b"HTTP/1.1 200 OK\r\nx: ", b"01234567890123456789012345678901234567890123456789", &[Corrupt]),
        (
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"01234567890123456789012345678901234567890123456789",
            &[PayloadTooLarge],
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", b"", &[Corrupt, Unavailable]),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", b"", &[Corrupt, Unavailable]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", b"", &[Unavailable]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhel", b"", &[Corrupt]),
        (b"<html>busy</html>", b"", &[Corrupt]),
        (b"", b"", &[Unavailable]),
    ] {
        let request = HttpRequest::post(&peer(says, endless).await).unwrap().with_body_limit(100_000);
        let cx = CallContext::default();
        let error = http.execute(&cx, &request).await.unwrap_err();
        let said = String::from_utf8_lossy(says);
        assert!(kinds.contains(&error.kind()), "{said:?}: {}", error.report());
        assert_eq!(error.effect(), Effect::MaybeApplied, "{said:?}: {}", error.report());
        assert!(cx.was_sent(), "{said:?}");
    }
}
