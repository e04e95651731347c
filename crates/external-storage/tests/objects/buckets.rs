//! Buckets: one under two names, two under one name, and objects that are larger than one copies by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use wiremock::matchers::{any, header_exists, method, query_param};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;

fn xml(body: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "application/xml")
}

fn stored() -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("etag", "\"e\"")
}

fn entry(key: &str, size: u64) -> String {
    format!(
        "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag>\
         <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
    )
}

/// A bucket that lists one key a page, each page as the bucket is when it is asked for.
#[derive(Clone)]
struct Bucket(Arc<Mutex<BTreeSet<String>>>);

impl Bucket {
    async fn serve(keys: &[&str]) -> (Self, MockServer) {
        let bucket = Self(Arc::new(Mutex::new(keys.iter().map(|key| (*key).to_owned()).collect())));
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(bucket.clone()).mount(&server).await;
        (bucket, server)
    }

    fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }

    fn list(&self, after: &str) -> ResponseTemplate {
        let keys = self.keys();
        let rest: Vec<_> = keys.iter().filter(|key| key.as_str() > after).take(2).collect();
        let page = match rest[..] {
            [] => "<IsTruncated>false</IsTruncated>".to_owned(),
            [last] => format!("<IsTruncated>false</IsTruncated>{}", entry(last, 1)),
            [key, ..] => format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{key}</NextContinuationToken>{}",
                entry(key, 1)
            ),
        };
        xml(&format!("<ListBucketResult><Name>bucket</Name>{page}</ListBucketResult>"))
    }
}

impl Respond for Bucket {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        match request.method.as_str() {
            "GET" if asked("list-type").is_some() => {
                self.list(&asked("continuation-token").unwrap_or_default())
            }
            "GET" => stored().set_body_bytes("x"),
            "PUT" => {
                let key = request.url.path().strip_prefix("/bucket/").unwrap();
                self.0.lock().unwrap().insert(key.to_owned());
                stored()
            }
            _ => ResponseTemplate::new(501),
        }
    }
}

/// A configuration with these instances, all of one name of a bucket.
fn config(folder: &Path, instances: &[(&str, &MockServer)]) -> String {
    let config = folder.join("external.toml");
    let tables = instances.iter().map(|(name, server)| {
        format!(
            "[storage.{name}]\nprovider = \"s3\"\nbucket = \"bucket\"\nendpoint = \"{}\"\n\
             access_key_id = \"id\"\nsecret_access_key = \"secret\"\nwithout = [\"tags\"]\n",
            server.uri()
        )
    });
    fs::write(&config, tables.collect::<String>()).unwrap();
    path(&config).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bucket_under_two_names_is_not_copied_without_end() {
    let own = ["a", "b", "c", "d", "e", "f"];
    let (bucket, server) = Bucket::serve(&own).await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[("avatars", &server), ("archive", &server)]);
    let (_, said) =
        tokio::task::block_in_place(|| succeed(&["-c", &config, "cp", "-r", "avatars:", "archive:z/"]));
    assert!(said.contains("6 copied"), "{said}");
    let copies = own.iter().map(|key| format!("z/{key}"));
    let expected: Vec<_> = own.iter().map(ToString::to_string).chain(copies).collect();
    assert_eq!(bucket.keys(), expected);
}

/// They look alike: nothing of one may be taken for the other's.
#[tokio::test(flavor = "multi_thread")]
async fn two_buckets_of_one_name_are_two() {
    let ((from, source), (to, target)) = (Bucket::serve(&["a", "b"]).await, Bucket::serve(&[]).await);
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[("avatars", &source), ("archive", &target)]);
    tokio::task::block_in_place(|| {
        succeed(&["-c", &config, "cp", "avatars:a", "archive:a"]);
        succeed(&["-c", &config, "cp", "-r", "avatars:", "archive:z/"]);
    });
    assert_eq!([from, to].map(|bucket| bucket.keys().join(" ")), ["a b", "a z/a z/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_is_too_small_to_copy_passes_through_here() {
    let server = MockServer::start().await;
    let contents = [entry("a/large", 6 << 30), entry("a/small", 1)].concat();
    let listed = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>");
    let listing = Mock::given(method("GET")).and(query_param("list-type", "2"));
    listing.respond_with(xml(&listed)).mount(&server).await;
    // The listing and this tell of a large object; the one that is read is small.
    let head = stored().insert_header("content-length", (6_u64 << 30).to_string());
    Mock::given(method("HEAD")).respond_with(head).mount(&server).await;
    Mock::given(method("GET")).respond_with(stored().set_body_bytes("bytes")).mount(&server).await;
    let answer = xml("<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>");
    let copy = Mock::given(method("PUT")).and(header_exists("x-amz-copy-source"));
    copy.respond_with(answer).mount(&server).await;
    Mock::given(method("PUT")).respond_with(stored()).mount(&server).await;

    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[("bucket", &server)]);
    let (many, one) = tokio::task::block_in_place(|| {
        let many = succeed(&["-c", &config, "cp", "-r", "bucket:a", "bucket:b"]).0;
        (many, succeed(&["-c", &config, "cp", "bucket:a/large", "bucket:c"]).0)
    });
    assert!(many.contains("bucket:a/large -> bucket:b/large (5 B)"), "{many}");
    assert!(many.contains("bucket:a/small -> bucket:b/small (by the store)"), "{many}");
    assert!(one.contains("bucket:a/large -> bucket:c (5 B)"), "{one}");
    let requests = server.received_requests().await.unwrap();
    let puts = requests.iter().filter(|request| request.method.as_str() == "PUT");
    let copied = |put: &Request| (put.url.path().to_owned(), put.headers.contains_key("x-amz-copy-source"));
    let mut puts: Vec<_> = puts.map(copied).collect();
    puts.sort_unstable();
    let expected = [("/bucket/b/large", false), ("/bucket/b/small", true), ("/bucket/c", false)];
    assert_eq!(puts, expected.map(|(path, is_native)| (path.to_owned(), is_native)));
}
