//! Listings that end too early, from stores and gateways that speak half of the protocol.

use external_core::storage::{
    ListPage, ListRequest, ListUploadsRequest, ListVersionsRequest, UploadPage, VersionPage,
};
use external_core::{CallContext, ErrorKind, Result};
use external_storage::{S3Store, StorageService};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{as_service, config, context};

/// Every kind of listing out of one page, whichever way a store lists.
async fn listed(page: &str, store: S3Store) -> (Result<ListPage>, Result<UploadPage>, Result<VersionPage>) {
    let server = MockServer::start().await;
    let kinds = [
        ("uploads", "ListMultipartUploadsResult"),
        ("versions", "ListVersionsResult"),
        ("list-type", "ListBucketResult"),
    ];
    for (parameter, root) in kinds {
        let body = format!("<{root}>{page}</{root}>");
        Mock::given(move |request: &Request| request.url.query_pairs().any(|(name, _)| name == parameter))
            .respond_with(ResponseTemplate::new(200).set_body_raw(body, "application/xml"))
            .mount(&server)
            .await;
    }
    let storage = config(&server).with_store(store).with_versions().build(&context()).unwrap();
    let (service, cx) = (as_service(&storage), CallContext::default());
    (
        storage.list_page(&cx, &ListRequest::new("")).await,
        service.multipart().unwrap().list_uploads(&cx, &ListUploadsRequest::new("")).await,
        service.versions().unwrap().list_versions(&cx, &ListVersionsRequest::new("")).await,
    )
}

/// Who takes such a page for the last one copies, counts or deletes by a part of what is there.
#[tokio::test]
async fn a_page_that_says_more_follows_and_not_where_is_corrupt() {
    let page = "<Name>bucket</Name><Bucket>bucket</Bucket><IsTruncated>true</IsTruncated>";
    for store in [S3Store::Amazon, S3Store::Minio] {
        let (objects, uploads, versions) = listed(page, store).await;
        let errors = [objects.unwrap_err(), uploads.unwrap_err(), versions.unwrap_err()];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{store:?}");
            assert_eq!(
                error.context_value("field"),
                Some("the token of the next page"),
                "{store:?}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_where_it_says_and_ends_where_it_says() {
    let page = |truncated: bool| {
        format!(
            "<Name>bucket</Name><Bucket>bucket</Bucket><IsTruncated>{truncated}</IsTruncated>\
            <NextContinuationToken>t</NextContinuationToken><NextKeyMarker>k</NextKeyMarker>"
        )
    };
    for truncated in [true, false] {
        let (objects, uploads, versions) = listed(&page(truncated), S3Store::Amazon).await;
        let nexts = [objects.unwrap().next, uploads.unwrap().next, versions.unwrap().next];
        assert!(nexts.iter().all(|next| next.is_some() == truncated), "{nexts:?}");
    }
}
