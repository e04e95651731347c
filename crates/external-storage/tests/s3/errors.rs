//! What S3 answers, as our errors: kind, effect, whether it is of use to try again. No call is ever repeated here.

use external_core::storage::{
    AbortMultipartRequest, CompleteMultipartRequest, CopyRequest, DeleteBatchRequest, DeleteRequest,
    DeleteVersionRequest, GetRequest, HeadRequest, ListRequest, ListUploadsRequest, ListVersionsRequest,
    MultipartUpload, PartReceipt, PartToken, Precondition, PutRequest, UploadId, VersionId, VersionToken,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Provider, Retry};
use external_storage::{S3Config, S3Store, StorageService};
use wiremock::ResponseTemplate;

use super::{answering, as_service, config, context, key, refusal, storage};

use Effect::{MaybeApplied, NotApplied};
use ErrorKind::{
    Configuration, Conflict, Corrupt, InvalidArgument, NotFound, PayloadTooLarge, PermissionDenied,
    QuotaExhausted, RateLimited, Timeout, Unauthenticated, Unavailable, Unexpected, Unsupported,
};

async fn put(answer: ResponseTemplate) -> Error {
    let server = answering(answer).await;
    let error =
        storage(&server).put(&CallContext::default(), &PutRequest::new(key("k"), "body")).await.unwrap_err();
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "nothing is repeated: {error}");
    error
}

#[tokio::test]
async fn the_table_of_codes() {
    for (status, code, kind, effect, useful) in [
        (400, "BadDigest", Corrupt, NotApplied, true),
        (400, "EntityTooLarge", PayloadTooLarge, NotApplied, false),
        (400, "ExpiredToken", Unauthenticated, NotApplied, true),
        (400, "IncompleteBody", Unavailable, NotApplied, true),
        (400, "InvalidArgument", InvalidArgument, NotApplied, false),
        (400, "InvalidToken", Unauthenticated, NotApplied, true),
        (400, "KeyTooLongError", InvalidArgument, NotApplied, false),
        (400, "MetadataTooLarge", InvalidArgument, NotApplied, false),
        (400, "RequestTimeout", Timeout, NotApplied, true),
        (400, "XAmzContentSHA256Mismatch", Corrupt, NotApplied, true),
        (401, "Unauthorized", Unauthenticated, NotApplied, false),
        (403, "AccessDenied", PermissionDenied, NotApplied, false),
        (403, "InvalidAccessKeyId", Unauthenticated, NotApplied, false),
        (403, "InvalidObjectState", PermissionDenied, NotApplied, false),
        (403, "RequestTimeTooSkewed", Unauthenticated, NotApplied, true),
        (403, "SignatureDoesNotMatch", Unauthenticated, NotApplied, false),
        (404, "NoSuchBucket", Configuration, NotApplied, false),
        (404, "NoSuchKey", NotFound, NotApplied, false),
        (404, "NoSuchUpload", NotFound, NotApplied, false),
        (408, "", Timeout, NotApplied, true),
        (409, "ConditionalRequestConflict", Conflict, NotApplied, true),
        (409, "OperationAborted", Conflict, NotApplied, true),
        (412, "PreconditionFailed", Conflict, NotApplied, false),
        (413, "", PayloadTooLarge, NotApplied, false),
        (416, "InvalidRange", InvalidArgument, NotApplied, false),
        (429, "TooManyRequests", RateLimited, NotApplied, true),
        (500, "InternalError", Unavailable, MaybeApplied, true),
        (501, "NotImplemented", Unsupported, NotApplied, false),
        (502, "", Unavailable, MaybeApplied, true),
        (503, "ServiceUnavailable", Unavailable, MaybeApplied, true),
        (503, "SlowDown", RateLimited, NotApplied, true),
        (504, "", Unavailable, MaybeApplied, true),
        (507, "XMinioStorageFull", QuotaExhausted, NotApplied, false),
        (418, "Teapot", Unexpected, NotApplied, false),
    ] {
        let answer = if code.is_empty() { ResponseTemplate::new(status) } else { refusal(status, code) };
        let error = put(answer).await;
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status} {code}: {error}");
        assert_eq!(error.retry() != Retry::Never, useful, "{status} {code}: {error}");
        assert_eq!(error.http_status(), Some(status));
        if !code.is_empty() {
            assert_eq!((error.vendor_code(), error.request_id()), (Some(code), Some("R1")));
        }
    }
}

#[tokio::test]
async fn a_wait_that_the_store_asks_for_is_passed_on() {
    let error = put(refusal(503, "SlowDown").insert_header("retry-after", "7")).await;
    assert_eq!(error.retry(), Retry::After(std::time::Duration::from_secs(7)));
    let dated = refusal(503, "SlowDown")
        .insert_header("date", "Sun, 22 Nov 2026 12:00:00 GMT")
        .insert_header("retry-after", "Sun, 22 Nov 2026 12:00:30 GMT");
    assert_eq!(put(dated).await.retry(), Retry::After(std::time::Duration::from_secs(30)));
    let in_millis =
        refusal(503, "SlowDown").insert_header("x-amz-retry-after", "250").insert_header("retry-after", "7");
    assert_eq!(put(in_millis).await.retry(), Retry::After(std::time::Duration::from_millis(250)));
}

#[tokio::test]
async fn a_bucket_in_another_region_is_named() {
    let moved = |status, code: &str| refusal(status, code).insert_header("x-amz-bucket-region", "eu-west-1");
    for (status, code) in [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")] {
        let error = put(moved(status, code)).await;
        assert_eq!((error.kind(), error.effect()), (Configuration, NotApplied));
        assert_eq!(error.context_value("bucket_region"), Some("eu-west-1"));
    }
    // A HEAD has no body to say it in.
    for status in [301, 400] {
        let answer = ResponseTemplate::new(status).insert_header("x-amz-bucket-region", "eu-west-1");
        let server = answering(answer).await;
        let error = storage(&server).probe(&CallContext::default()).await.unwrap_err();
        assert_eq!(error.context_value("bucket_region"), Some("eu-west-1"), "{error}");
    }
    // It is also told with other refusals, of a bucket that is where it is looked for.
    let answer = ResponseTemplate::new(400).insert_header("x-amz-bucket-region", "us-east-1");
    let server = answering(answer).await;
    let error = storage(&server).probe(&CallContext::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.context_value("bucket_region")), (InvalidArgument, None), "{error}");
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_object() {
    let server = answering(refusal(404, "NoSuchBucket")).await;
    let storage = storage(&server);
    let cx = CallContext::default();
    let errors = [
        storage.get(&cx, &GetRequest::new(key("k"))).await.unwrap_err(),
        storage.list_page(&cx, &ListRequest::new("")).await.unwrap_err(),
        storage.delete(&cx, &DeleteRequest::new(key("k"))).await.unwrap_err(),
        storage.probe(&cx).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.effect()), (Configuration, NotApplied), "{error}");
    }
}

/// A load balancer's page is no word of S3 that there is nothing to take away.
#[tokio::test]
async fn a_404_of_somebody_on_the_way_deletes_and_aborts_nothing() {
    let page = || ResponseTemplate::new(404).set_body_raw("<html>no such site</html>", "text/html");
    let server = answering(page()).await;
    let storage = config(&server).with_versions().build(&context()).unwrap();
    let (cx, service) = (CallContext::default(), as_service(&storage));
    let upload = MultipartUpload::new(key("k"), UploadId::new("u"));
    let abort = AbortMultipartRequest::new(upload);
    let version = DeleteVersionRequest::new(key("k"), VersionId::new("v"));
    let errors = [
        storage.delete(&cx, &DeleteRequest::new(key("k"))).await.unwrap_err(),
        service.multipart().unwrap().abort_multipart(&cx, &abort).await.unwrap_err(),
        service.versions().unwrap().delete_version(&cx, &version).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.http_status() == Some(404)));
}

/// Of the refusals with 400 only one says that a version is not there.
#[tokio::test]
async fn a_refused_request_about_a_version_is_not_a_missing_version() {
    let cx = CallContext::default();
    for (code, kind) in
        [("InvalidArgument", NotFound), ("InvalidRequest", InvalidArgument), ("", InvalidArgument)]
    {
        let answer = if code.is_empty() { ResponseTemplate::new(400) } else { refusal(400, code) };
        let server = answering(answer).await;
        let storage = config(&server).with_versions().build(&context()).unwrap();
        let get = GetRequest::new(key("k")).with_version(VersionId::new("v"));
        assert_eq!(storage.get(&cx, &get).await.unwrap_err().kind(), kind, "{code}");
        let delete = DeleteVersionRequest::new(key("k"), VersionId::new("v"));
        let deleted = as_service(&storage).versions().unwrap().delete_version(&cx, &delete).await;
        assert_eq!(deleted.err().map(|error| error.kind()), (kind != NotFound).then_some(kind), "{code}");
    }
}

/// After this conflict the parts are to be sent again, says the vendor: repeating the completion is of no use.
#[tokio::test]
async fn a_conflict_of_a_completion_is_not_repeated() {
    let server = answering(refusal(409, "ConditionalRequestConflict")).await;
    let upload = MultipartUpload::new(key("k"), UploadId::new("u"));
    let parts = vec![PartReceipt::new(1, 4, PartToken::new("\"e\""))];
    let complete = CompleteMultipartRequest::new(upload, parts).with_precondition(Precondition::Absent);
    let storage = storage(&server);
    let completed = as_service(&storage)
        .multipart()
        .unwrap()
        .complete_multipart(&CallContext::default(), &complete)
        .await;
    let error = completed.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.retry()), (Conflict, NotApplied, Retry::Never));
}

/// S3 begins the answer to a long completion, copy or deletion with 200 before it knows how it ends.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
#[tokio::test]
async fn an_error_inside_of_a_200_is_an_error() {
    for (code, kind, effect) in [
        ("InternalError", Unavailable, MaybeApplied),
        ("SlowDown", RateLimited, NotApplied),
        ("PreconditionFailed", Conflict, NotApplied),
    ] {
        let server = answering(refusal(200, code)).await;
        let storage = storage(&server);
        let cx = CallContext::default();
        let parts = vec![PartReceipt::new(1, 4, PartToken::new("\"e\""))];
        let upload = MultipartUpload::new(key("k"), UploadId::new("u"));
        let service = as_service(&storage);
        let complete = CompleteMultipartRequest::new(upload, parts);
        let completed = service.multipart().unwrap().complete_multipart(&cx, &complete).await;
        let copy = CopyRequest::new(key("a"), key("b"));
        let copied = service.copier().unwrap().copy(&cx, &copy).await;
        let deleted = storage.delete_batch(&cx, &DeleteBatchRequest::new(vec![key("k")])).await;
        for error in [completed.unwrap_err(), copied.unwrap_err(), deleted.unwrap_err()] {
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
        }
        assert_eq!(server.received_requests().await.unwrap().len(), 3);
        // It also tells there that somebody was first.
        let complete = complete.with_precondition(Precondition::Absent);
        let completed = service.multipart().unwrap().complete_multipart(&cx, &complete).await;
        let copy = copy.with_precondition(Precondition::Absent);
        let copied = service.copier().unwrap().copy(&cx, &copy).await;
        let kind = if kind == Conflict { ErrorKind::AlreadyExists } else { kind };
        for error in [completed.unwrap_err(), copied.unwrap_err()] {
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
        }
    }
}

/// While it works on a completion S3 sends white space to keep the connection open, before what it says in the end.
#[tokio::test]
async fn white_space_before_the_end_of_a_completion_is_no_answer() {
    const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let done = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
    let failed = "<Error><Code>InternalError</Code><Message>no</Message></Error>";
    let space = " \n".repeat(1000);
    for (body, kind) in [
        (format!("{XML}{space}{done}"), None),
        (format!("{space}{done}"), None),
        (format!("{XML}{space}{failed}"), Some(Unavailable)),
        (format!("{space}{failed}"), Some(Unavailable)),
        // Neither well-formed nor a success.
        (format!("{space}{XML}{failed}"), Some(Corrupt)),
        (space.clone(), Some(Corrupt)),
        (format!("{XML}{space}"), Some(Corrupt)),
    ] {
        let server =
            answering(ResponseTemplate::new(200).set_body_raw(body.clone(), "application/xml")).await;
        let storage = storage(&server);
        let parts = vec![PartReceipt::new(1, 4, PartToken::new("\"e\""))];
        let complete =
            CompleteMultipartRequest::new(MultipartUpload::new(key("k"), UploadId::new("u")), parts);
        let multipart = as_service(&storage).multipart().unwrap();
        let completed = multipart.complete_multipart(&CallContext::default(), &complete).await;
        let told = completed.as_ref().err().map(|error| (error.kind(), error.effect()));
        assert_eq!(told, kind.map(|kind| (kind, MaybeApplied)), "{}: {completed:?}", body.trim());
    }
}

#[tokio::test]
async fn each_key_of_a_batch_has_its_own_outcome() {
    let body = "<DeleteResult><Deleted><Key>a</Key></Deleted>\
        <Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>\
        <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
    let server = answering(ResponseTemplate::new(200).set_body_raw(body, "application/xml")).await;
    let keys = ["a", "b", "c", "d"].map(key).to_vec();
    let results =
        storage(&server).delete_batch(&CallContext::default(), &DeleteBatchRequest::new(keys)).await.unwrap();
    let kinds: Vec<_> = results.iter().map(|one| one.as_ref().err().map(Error::kind)).collect();
    // Of `d` the answer says nothing: nobody can claim that it is gone.
    assert_eq!(kinds, [None, Some(PermissionDenied), None, Some(Corrupt)]);
}

#[tokio::test]
async fn what_a_refused_precondition_means() {
    let cx = CallContext::default();
    let request = |precondition| PutRequest::new(key("k"), "x").with_precondition(precondition);
    let swap = || Precondition::Matches(VersionToken::new("\"old\""));
    for (status, code, precondition, kind) in [
        (412, "PreconditionFailed", Precondition::Absent, ErrorKind::AlreadyExists),
        (409, "ConditionalRequestConflict", Precondition::Absent, Conflict),
        (412, "PreconditionFailed", swap(), Conflict),
        (404, "NoSuchKey", swap(), Conflict),
    ] {
        let server = answering(refusal(status, code)).await;
        let error = storage(&server).put(&cx, &request(precondition)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, NotApplied), "{status} {code}");
    }
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_corrupt() {
    let cx = CallContext::default();
    for body in ["<ListBucketResult><Contents>", "not xml", "\u{0}\u{1}", "<a><b></a></b>"] {
        let server = answering(ResponseTemplate::new(200).set_body_raw(body, "application/xml")).await;
        let error = storage(&server).list_page(&cx, &ListRequest::new("")).await.unwrap_err();
        assert_eq!(error.kind(), Corrupt, "{body:?}: {error}");
    }
    // Listings of every kind, whichever way a store lists.
    for store in [S3Store::Amazon, S3Store::Minio] {
        let server = answering(ResponseTemplate::new(200).set_body_raw("<page/>", "application/xml")).await;
        let storage = config(&server).with_store(store).with_versions().build(&context()).unwrap();
        let service = as_service(&storage);
        let uploads = service.multipart().unwrap().list_uploads(&cx, &ListUploadsRequest::new("")).await;
        let versions = service.versions().unwrap().list_versions(&cx, &ListVersionsRequest::new("")).await;
        assert_eq!(uploads.unwrap_err().kind(), Corrupt, "{store:?}");
        assert_eq!(versions.unwrap_err().kind(), Corrupt, "{store:?}");
    }
    // Nor is an endless one read to its end.
    let endless = ResponseTemplate::new(200).set_body_bytes(vec![b' '; 33 << 20]);
    let server = answering(endless).await;
    let error = storage(&server).list_page(&cx, &ListRequest::new("")).await.unwrap_err();
    assert_eq!(error.kind(), Corrupt, "{error}");
    // A put was applied, whatever its answer lacks.
    let error = put(ResponseTemplate::new(200)).await;
    assert_eq!((error.kind(), error.effect()), (Corrupt, MaybeApplied));
}

#[tokio::test]
async fn a_head_says_what_it_can() {
    let cx = CallContext::default();
    for (status, kind) in
        [(404, NotFound), (403, PermissionDenied), (400, InvalidArgument), (503, Unavailable)]
    {
        let server = answering(ResponseTemplate::new(status)).await;
        let error = storage(&server).head(&cx, &HeadRequest::new(key("k"))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cx = CallContext::default();
    let storage = S3Config::new("bucket")
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_keys("id", "secret")
        .build(&context())
        .unwrap();
    let error = storage.put(&cx, &PutRequest::new(key("k"), "x")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (Unavailable, Effect::NotSent));
    assert!(!cx.was_sent(), "the mark is set only once there is a connection");
    storage.close().await.unwrap();
    let error = storage.put(&cx, &PutRequest::new(key("k"), "x")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Closed, Effect::NotSent));
}

#[tokio::test]
async fn no_answer_and_no_credential_stands_in_an_error() {
    let answer = ResponseTemplate::new(403).set_body_raw(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><StringToSign>canary</StringToSign></Error>",
        "application/xml",
    );
    let server = answering(answer).await;
    let error = storage(&server).get(&CallContext::default(), &GetRequest::new(key("k"))).await.unwrap_err();
    let shown = format!("{error} {error:?} {}", error.report());
    assert!(
        !shown.contains("canary") && !shown.contains("AKIDEXAMPLE") && !shown.contains("Signature="),
        "{shown}"
    );
}
