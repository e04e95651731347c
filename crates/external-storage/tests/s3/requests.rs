//! What is on the wire: the headers that make a promise hold.

use std::time::Duration;

use external_core::CallContext;
use external_core::storage::{
    ByteRange, Checksum, GetRequest, ListRequest, ObjectAttributes, Precondition, PresignRequest, PutRequest,
    VersionToken,
};
use external_storage::{ErrorKind, PayloadSigning, S3Store, StorageService};
use wiremock::ResponseTemplate;

use super::{answering, as_service, config, context, header, key, only_request, storage, stored};

#[tokio::test]
async fn a_put_says_everything_at_once() {
    let server = answering(stored()).await;
    let attributes = ObjectAttributes::new()
        .with_content_type("image/png")
        .with_cache_control("max-age=60")
        .with_user_metadata("owner", "Ada 鍵")
        .with_tag("colour", "light blue");
    let request = PutRequest::new(key("a b/ü"), "123456789")
        .with_attributes(attributes)
        .with_precondition(Precondition::Absent);
    storage(&server).put(&CallContext::default(), &request).await.unwrap();
    let seen = only_request(&server).await;
    assert_eq!(seen.url.path(), "/bucket/a%20b/%C3%BC");
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "max-age=60"),
        ("content-length", "9"),
        ("if-none-match", "*"),
        // The check value of CRC-32C.
        ("x-amz-checksum-crc32c", "4waSgw=="),
        ("x-amz-meta-owner", "=?UTF-8?B?QWRhIOmNtQ==?="),
        ("x-amz-tagging", "colour=light%20blue"),
        // The SHA-256 of the body: over plain HTTP it is signed.
        ("x-amz-content-sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("x-amz-date", "20261122T120000Z"),
    ] {
        assert_eq!(header(&seen, name).as_deref(), Some(value), "{name}");
    }
    let signed = header(&seen, "authorization").unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/s3/aws4_request"));
    assert!(signed.contains("x-amz-checksum-crc32c"), "the checksum is part of the signature: {signed}");
}

#[tokio::test]
async fn a_whole_read_asks_for_its_checksum_under_the_signature() {
    let server = answering(stored().set_body_string("x")).await;
    let get = GetRequest::new(key("k"));
    storage(&server).get(&CallContext::default(), &get).await.unwrap();
    let seen = only_request(&server).await;
    assert_eq!(header(&seen, "x-amz-checksum-mode").as_deref(), Some("ENABLED"));
    assert!(header(&seen, "authorization").unwrap().contains("x-amz-checksum-mode"));
}

#[tokio::test]
async fn a_given_checksum_replaces_our_own() {
    let server = answering(stored()).await;
    let sum: Checksum =
        "sha256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225".parse().unwrap();
    let request = PutRequest::new(key("k"), "123456789").with_checksum(sum);
    storage(&server).put(&CallContext::default(), &request).await.unwrap();
    let seen = only_request(&server).await;
    let sent = header(&seen, "x-amz-checksum-sha256");
    assert_eq!(sent.as_deref(), Some("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="));
    assert_eq!(header(&seen, "x-amz-checksum-crc32c"), None);
}

#[tokio::test]
async fn a_body_may_be_left_out_of_the_signature() {
    let server = answering(stored()).await;
    let config = config(&server).with_payload_signing(PayloadSigning::Never);
    let storage = config.build(&context()).unwrap();
    storage.put(&CallContext::default(), &PutRequest::new(key("k"), "x")).await.unwrap();
    let seen = only_request(&server).await;
    assert_eq!(header(&seen, "x-amz-content-sha256").as_deref(), Some("UNSIGNED-PAYLOAD"));
    assert!(header(&seen, "x-amz-checksum-crc32c").is_some(), "its checksum still is in it");
}

#[tokio::test]
async fn reads_ask_for_what_they_were_asked() {
    let found = ResponseTemplate::new(206)
        .insert_header("etag", "\"e1\"")
        .insert_header("content-range", "bytes 2-4/10")
        .set_body_raw("cde", "text/plain");
    let server = answering(found).await;
    let request = GetRequest::new(key("k"))
        .with_range(ByteRange::from(2..5))
        .with_if_match(VersionToken::new("\"e1\""));
    let object =
        storage(&server).get(&CallContext::default(), &request).await.unwrap().into_object().unwrap();
    assert_eq!((object.info.size, object.range.clone()), (10, 2..5));
    assert_eq!(object.body.collect(10).await.unwrap(), "cde");
    let seen = only_request(&server).await;
    assert_eq!(header(&seen, "range").as_deref(), Some("bytes=2-4"));
    assert_eq!(header(&seen, "if-match").as_deref(), Some("\"e1\""));
    assert_eq!(header(&seen, "x-amz-checksum-mode"), None);
}

#[tokio::test]
async fn listings_are_decoded_and_leave_out_what_is_no_key() {
    let body = "<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>\
        <NextContinuationToken>next</NextContinuationToken>\
        <Contents><Key>folder/</Key><Size>0</Size></Contents>\
        <Contents><Key>a+b%2Bc%01</Key><Size>3</Size><ETag>\"e\"</ETag></Contents>\
        <CommonPrefixes><Prefix>%E9%8D%B5/</Prefix></CommonPrefixes></ListBucketResult>";
    let server = answering(ResponseTemplate::new(200).set_body_raw(body, "application/xml")).await;
    let request = ListRequest::new("").with_delimiter("/").with_limit(5000);
    let page = storage(&server).list_page(&CallContext::default(), &request).await.unwrap();
    let keys: Vec<_> = page.objects.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!((keys, page.prefixes), (vec!["a b+c\u{1}"], vec!["鍵/".to_owned()]));
    assert_eq!(page.next.unwrap().as_str(), "next");
    let seen = only_request(&server).await;
    let query: Vec<_> = seen.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    for pair in ["list-type=2", "max-keys=1000", "delimiter=/", "encoding-type=url"] {
        assert!(query.iter().any(|seen| seen == pair), "{pair} in {query:?}");
    }
}

#[tokio::test]
async fn what_a_store_lacks_is_refused_before_anything_is_sent() {
    let server = answering(stored()).await;
    let storage =
        config(&server).with_store(S3Store::Minio).without_capability("tags").build(&context()).unwrap();
    let cx = CallContext::default();
    let put = PutRequest::new(key("k"), "x").with_tag("a", "b");
    assert_eq!(storage.put(&cx, &put).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let list = ListRequest::new("").with_delimiter("--");
    assert_eq!(storage.list_page(&cx, &list).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(as_service(&storage).tags().is_none());
    assert!(server.received_requests().await.unwrap().is_empty());
    assert!(!cx.was_sent());
}

#[tokio::test]
async fn the_mark_is_set_when_a_request_has_its_connection() {
    let server = answering(stored()).await;
    let cx = CallContext::default();
    storage(&server).put(&cx, &PutRequest::new(key("k"), "x")).await.unwrap();
    assert!(cx.was_sent());
}

/// A link is a function of its inputs: key, lifetime, clock, credentials.
#[tokio::test]
async fn links_are_signed_here() {
    let server = answering(stored()).await;
    let storage = storage(&server);
    let presigner = as_service(&storage).presigner().unwrap();
    let request = PresignRequest::put(key("a/b c"))
        .with_content_type("image/png")
        .with_expires_in(Duration::from_secs(60));
    let cx = CallContext::default();
    let link = presigner.presign(&cx, &request).await.unwrap();
    assert!(link.url.contains("/bucket/a/b%20c?"), "{}", link.url);
    for part in [
        "X-Amz-Expires=60",
        "X-Amz-Date=20261122T120000Z",
        "X-Amz-SignedHeaders=content-type%3Bhost",
        "X-Amz-Credential=AKIDEXAMPLE%2F20261122%2Fus-east-1%2Fs3%2Faws4_request",
        "X-Amz-Signature=",
    ] {
        assert!(link.url.contains(part), "{part} in {}", link.url);
    }
    assert_eq!(link.headers, [("content-type".to_owned(), "image/png".to_owned())]);
    let again = presigner.presign(&cx, &request).await.unwrap();
    assert_eq!(link.url, again.url);
    assert!(server.received_requests().await.unwrap().is_empty(), "nothing is sent");
}
