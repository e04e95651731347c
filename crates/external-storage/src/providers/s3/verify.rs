//! Whether a whole read is what was stored, by whichever checksum its writer left.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_types::base64;
use external_core::Error;
use external_core::storage::ByteStream;

use super::wire;
use crate::checksum;

/// Ends `body` with `Corrupt` if it does not match. Where the caller verifies by the checksum of the contract, that is
/// left to it; other writers' kinds are not.
pub(super) fn whole(body: ByteStream, answer: &GetObjectOutput, caller_verifies: bool) -> ByteStream {
    let told = wire::checksum(answer.checksum_crc32_c(), answer.checksum_sha256()).is_some();
    if told && caller_verifies {
        return body;
    }
    // Where there are several, the cheapest of those that are as good.
    let sums = [
        (ChecksumAlgorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
        (ChecksumAlgorithm::Crc32c, answer.checksum_crc32_c()),
        (ChecksumAlgorithm::Crc32, answer.checksum_crc32()),
        (ChecksumAlgorithm::Sha256, answer.checksum_sha256()),
        (ChecksumAlgorithm::Sha1, answer.checksum_sha1()),
    ];
    // The sum of parts (`…-3`) says nothing about the bytes as they are read: it is no base64 either.
    let known = sums.into_iter().find_map(|(kind, sum)| Some((kind, base64::decode(sum?).ok()?)));
    let Some((kind, expected)) = known else { return body };
    checksum::verify_by(
        body,
        kind.into_impl(),
        |sum, bytes| sum.update(bytes),
        move |sum| if sum.finalize() == expected { Ok(()) } else { Err(differs()) },
    )
}

fn differs() -> Error {
    Error::corrupt("the checksum does not match the bytes")
}
