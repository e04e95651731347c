//! What the S3 servers share: keys, buckets, and the one signed request with which they are asked and set up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result};

/// The region of every S3 server here.
pub const REGION: &str = "us-east-1";
/// The same on every S3 server, also where the environment gives the address of one of them and its keys.
pub const ACCESS_KEY: Setting =
    Setting { variable: "EXTERNAL_TEST_S3_ACCESS_KEY", default: "external-access" };
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: Setting =
    Setting { variable: "EXTERNAL_TEST_S3_SECRET_KEY", default: "external-secret-key" };
/// The bucket for everything.
pub const BUCKET: Setting = Setting { variable: "EXTERNAL_TEST_S3_BUCKET", default: "contract" };
/// The bucket that keeps versions, where the server can.
pub const VERSIONED_BUCKET: Setting =
    Setting { variable: "EXTERNAL_TEST_S3_VERSIONED_BUCKET", default: "versioned" };

/// A value that tests learn from a variable.
pub struct Setting {
    /// The variable.
    pub variable: &'static str,
    /// What it is unless somebody set it.
    default: &'static str,
}

impl Setting {
    /// What holds now.
    pub fn value(&self) -> String {
        let set = std::env::var(self.variable).ok().filter(|value| !value.is_empty());
        set.unwrap_or_else(|| self.default.to_owned())
    }
}

/// Asks for the list of the bucket, which answers only when keys and data are there.
pub fn lists(port: u16) -> Result<()> {
    request(port, "GET", &BUCKET.value(), "list-type=2&max-keys=1", "")
}

/// Makes a bucket keep versions.
pub fn keep_versions(port: u16) -> Result<()> {
    let body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <Status>Enabled</Status></VersioningConfiguration>";
    request(port, "PUT", &VERSIONED_BUCKET.value(), "versioning=", body)
}

/// One signed request about a bucket on loopback, without TLS; anything but 200 is a failure.
fn request(port: u16, method: &str, bucket: &str, query: &str, body: &str) -> Result<()> {
    let host = format!("127.0.0.1:{port}");
    let time = timestamp(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let sum = hex(&Sha256::digest(body));
    let signed = Signed { method, bucket, query, host: &host, time: &time, sum: &sum };
    let authorization = signed.authorization(&ACCESS_KEY.value(), &SECRET_KEY.value())?;
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let head = format!(
        "{method} /{bucket}?{query} HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {time}\r\n\
         x-amz-content-sha256: {sum}\r\nauthorization: {authorization}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let said = code.map_or_else(|| answer.lines().next().unwrap_or_default(), |(code, _)| code);
    Err(Failure::new(format!("{method} of bucket {bucket} was answered {said:?}")))
}

/// What a signature (AWS Signature Version 4) covers.
struct Signed<'a> {
    method: &'a str,
    bucket: &'a str,
    query: &'a str,
    host: &'a str,
    time: &'a str,
    sum: &'a str,
}

impl Signed<'_> {
    fn authorization(&self, access_key: &str, secret_key: &str) -> Result<String> {
        let Self { method, bucket, query, host, time, sum } = self;
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n/{bucket}\n{query}\nhost:{host}\nx-amz-content-sha256:{sum}\nx-amz-date:{time}\n\n{names}\n{sum}"
        );
        let date = &time[..8];
        let scope = format!("{date}/{REGION}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
        let mut key = format!("AWS4{secret_key}").into_bytes();
        for part in [date, REGION, "s3", "aws4_request"] {
            key = hmac(&key, part)?;
        }
        let signature = hex(&hmac(&key, &text)?);
        Ok(format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"
        ))
    }
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20130524T000000Z` for seconds since 1970.
fn timestamp(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{:02}Z", days + 1, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples "Get Bucket Lifecycle" and "Get Bucket (List Objects)" in Amazon's documentation of the signature.
    #[test]
    fn signs_as_the_published_examples_do() {
        for (query, signature) in [
            ("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let signed = Signed {
                method: "GET",
                bucket: "",
                query,
                host: "examplebucket.s3.amazonaws.com",
                time: "20130524T000000Z",
                sum: &hex(&Sha256::digest("")),
            };
            let secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
            let authorization = signed.authorization("AKIAIOSFODNN7EXAMPLE", secret_key).unwrap();
            assert!(authorization.ends_with(signature), "{authorization}");
        }
    }

    #[test]
    fn timestamps_know_leap_years_and_ends_of_months() {
        assert_eq!(timestamp(0), "19700101T000000Z");
        assert_eq!(timestamp(951_782_400), "20000229T000000Z");
        assert_eq!(timestamp(1_369_353_600), "20130524T000000Z");
        assert_eq!(timestamp(1_767_225_599), "20251231T235959Z");
    }
}
