//! The checksums that other writers left, of kinds that the contract has no name for.

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use aws_smithy_types::base64;
use external_core::storage::{ForeignChecksum, Verifier};

/// The checksum of the whole object as `kind` and as S3 tells it. One of parts (`…-3`) says nothing about the bytes as they
/// are read: it is no base64 either.
pub(super) fn foreign(kind: ChecksumAlgorithm, told: Option<&str>) -> Option<ForeignChecksum> {
    let told = told?;
    let expected = base64::decode(told).ok()?;
    let text = format!("{}:{told}", kind.as_str());
    Some(ForeignChecksum::new(text, move || {
        Box::new(Sum { sum: kind.into_impl(), expected: expected.clone() })
    }))
}

/// Of an answer the first of the kinds that its writer may have chosen.
macro_rules! foreign_checksum {
    ($answer:expr) => {{
        use aws_smithy_checksums::ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha1};
        let told = super::verify::foreign;
        told(Crc64Nvme, $answer.checksum_crc64_nvme())
            .or_else(|| told(Crc32, $answer.checksum_crc32()))
            .or_else(|| told(Sha1, $answer.checksum_sha1()))
    }};
}

pub(super) use foreign_checksum;

struct Sum {
    sum: Box<dyn HttpChecksum>,
    expected: Vec<u8>,
}

impl Verifier for Sum {
    fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    fn matches(self: Box<Self>) -> bool {
        self.sum.finalize() == self.expected
    }
}
