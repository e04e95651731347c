//! s3s-fs: objects as files, checked as strictly as S3 does. No versions, no tags.

use std::process::Command;

use super::crates_io::Crate;
use super::{Place, Program, Server, Source, s3};
use crate::failure::Result;

/// Plain HTTP.
pub const S3: Server = Server {
    name: "s3",
    what: "S3 (s3s-fs): signatures, checksums and conditions, without versions",
    note: "path-style; region us-east-1; one bucket",
    variables: &[
        "EXTERNAL_TEST_S3_ENDPOINT",
        s3::ACCESS_KEY.variable,
        s3::SECRET_KEY.variable,
        s3::BUCKET.variable,
    ],
    ports: 1,
    sources: |host| vec![Source::on_path("s3s-fs"), S3S_FS.source(host)],
    // A folder is a bucket.
    prepare: |_, _, place| Ok(std::fs::create_dir_all(place.keep.join(s3::BUCKET.value()))?),
    command,
    ready: |place| s3::lists(place.ports[0]),
    addresses: |place| {
        let endpoint = format!("http://127.0.0.1:{}", place.ports[0]);
        vec![endpoint, s3::ACCESS_KEY.value(), s3::SECRET_KEY.value(), s3::BUCKET.value()]
    },
};

const S3S_FS: Crate =
    Crate { name: "s3s-fs", version: "0.14.1", features: "binary", takes: "3 to 5 minutes on two cores" };

fn command(program: &Program, place: &Place) -> Result<Command> {
    let mut command = program.command();
    command.args(["--host", "127.0.0.1", "--port", &place.ports[0].to_string()]);
    command.args(["--access-key", &s3::ACCESS_KEY.value(), "--secret-key", &s3::SECRET_KEY.value()]);
    command.arg(&place.keep);
    Ok(command)
}
