//! MinIO, the S3 server whose answers count most: versions, tags, the region. Plain, and behind TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::go_module::Module;
use super::{Host, Place, Program, Server, Source, container, fleet, s3};
use crate::failure::{Context, Failure, Result};
use crate::process::Groups;

/// Plain HTTP.
pub const PLAIN: Server = Server {
    name: "minio",
    what: "MinIO: S3 with versions and tags",
    note: "path-style; region us-east-1, any other is refused; the versioned bucket keeps versions",
    variables: &[
        "EXTERNAL_TEST_MINIO_ENDPOINT",
        s3::ACCESS_KEY.variable,
        s3::SECRET_KEY.variable,
        s3::BUCKET.variable,
        s3::VERSIONED_BUCKET.variable,
    ],
    ports: 1,
    sources,
    prepare,
    command: |program, place| Ok(command(program, place)),
    ready: |place| s3::lists(place.ports[0]),
    addresses: |place| addresses("http", place),
};

/// HTTPS with a certificate of the tests' CA.
pub const TLS: Server = Server {
    name: "minio-tls",
    what: "MinIO behind TLS",
    note: "as minio; its certificate is of the CA in EXTERNAL_TEST_CA",
    variables: &[
        "EXTERNAL_TEST_MINIO_TLS_ENDPOINT",
        s3::ACCESS_KEY.variable,
        s3::SECRET_KEY.variable,
        s3::BUCKET.variable,
        s3::VERSIONED_BUCKET.variable,
        "EXTERNAL_TEST_CA",
    ],
    command: tls_command,
    ready: tls_ready,
    addresses: |place| {
        let mut all = addresses("https", place);
        all.push(place.tls("ca.pem").display().to_string());
        all
    },
    ..PLAIN
};

const MODULE: Module = Module {
    path: "github.com/minio/minio",
    version: "v0.0.0-20260212201848-7aac2a2c5b7c",
    program: "minio",
    go: (1, 24),
    takes: "6 minutes on two cores, 250 MB fetched, 2 GB of disk meanwhile",
};

/// The last release that was published as an image.
const IMAGE: &str = "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z";

/// What configures it; the names are MinIO's.
const SETTINGS: &[&str] = &[
    "MINIO_ROOT_USER",
    "MINIO_ROOT_PASSWORD",
    "MINIO_SITE_REGION",
    "MINIO_BROWSER",
    "MINIO_UPDATE",
    "MINIO_CALLHOME_ENABLE",
    "HOME",
];

fn sources(host: &Host<'_>) -> Vec<Source> {
    vec![Source::on_path("minio"), MODULE.source(host), container::source(IMAGE, "minio", SETTINGS)]
}

/// Folders are buckets, but only a call makes one keep versions: without TLS, also where the server has it later.
fn prepare(groups: &Groups, program: &Program, place: &Place) -> Result<()> {
    for bucket in [s3::BUCKET, s3::VERSIONED_BUCKET] {
        fs::create_dir_all(place.data.join("objects").join(bucket.value()))?;
    }
    let mut group = fleet::start(groups, &PLAIN, program, place)?;
    s3::keep_versions(place.ports[0])?;
    group.stop().map(drop)
}

fn addresses(scheme: &str, place: &Place) -> Vec<String> {
    let endpoint = format!("{scheme}://127.0.0.1:{}", place.ports[0]);
    let [access_key, secret_key] = [s3::ACCESS_KEY.value(), s3::SECRET_KEY.value()];
    vec![endpoint, access_key, secret_key, s3::BUCKET.value(), s3::VERSIONED_BUCKET.value()]
}

fn command(program: &Program, place: &Place) -> Command {
    let mut command = program.command();
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MINIO_")) {
        command.env_remove(name);
    }
    let values = [&*s3::ACCESS_KEY.value(), &*s3::SECRET_KEY.value(), s3::REGION, "off", "off", "off"];
    command.envs(SETTINGS.iter().zip(values));
    // It makes a folder there.
    command.env("HOME", &place.data);
    command.arg("server").arg(place.data.join("objects"));
    command.args(["--address", &format!("127.0.0.1:{}", place.ports[0])]);
    command
}

fn tls_command(program: &Program, place: &Place) -> Result<Command> {
    let folder = place.data.join("certificates");
    fs::create_dir_all(&folder)?;
    for (from, to) in [("server.pem", "public.crt"), ("server.key", "private.key")] {
        fs::copy(place.tls(from), folder.join(to)).context(format!("cannot copy {from}"))?;
    }
    let mut command = command(program, place);
    command.arg("--certs-dir").arg(folder);
    Ok(command)
}

/// Without a TLS client: its own refusal of plain HTTP shows that it listens, and its log that it can serve, which comes a
/// moment later.
fn tls_ready(place: &Place) -> Result<()> {
    let port = place.ports[0];
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.0 400 ") {
        return Err(Failure::new(format!("answered {:?}", answer.trim())));
    }
    let log = fs::read_to_string(fleet::log(place)).unwrap_or_default();
    let serves = format!("https://127.0.0.1:{port}");
    if log.contains(&serves) { Ok(()) } else { Err(Failure::new("listens, but does not serve yet")) }
}
