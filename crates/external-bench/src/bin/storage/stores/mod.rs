//! The contestants: each puts, gets, uploads and downloads as its documentation says to.

mod object_store;
mod opendal;
mod ours;
mod sdk;

use std::path::PathBuf;

use bytes::Bytes;

pub(crate) use ours::{Ours, Protection};
pub(crate) use sdk::Sdk;

use crate::source::Pattern;

/// Why something failed, for people.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    /// Whom its certificate is of, where it has one.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) bucket: String,
}

impl Server {
    /// The one without TLS, where all contestants meet.
    pub(crate) fn plain() -> Result<Self, String> {
        Self::at(read("EXTERNAL_TEST_MINIO_ENDPOINT")?)
    }

    /// The one behind TLS.
    pub(crate) fn tls() -> Result<Self, String> {
        let server = Self::at(read("EXTERNAL_TEST_MINIO_TLS_ENDPOINT")?)?;
        Ok(Self { ca_file: Some(read("EXTERNAL_TEST_CA")?.into()), ..server })
    }

    fn at(endpoint: String) -> Result<Self, String> {
        Ok(Self {
            endpoint,
            ca_file: None,
            access_key: read("EXTERNAL_TEST_S3_ACCESS_KEY")?,
            secret_key: read("EXTERNAL_TEST_S3_SECRET_KEY")?,
            bucket: read("EXTERNAL_TEST_S3_BUCKET")?,
        })
    }
}

fn read(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set: run `cargo xtask bench --domain storage`"))
}

pub(crate) const REGION: &str = "us-east-1";

/// How a body is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integrity {
    /// By a checksum that the server verifies.
    Checked,
    /// By nothing.
    Bare,
}

impl Integrity {
    pub(crate) const BOTH: [Self; 2] = [Self::Checked, Self::Bare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Bare => "bare",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|integrity| integrity.name() == name)
    }
}

/// The names of all, ours first.
pub(crate) const NAMES: [&str; 4] = ["ours", "aws-sdk-s3 by hand", "OpenDAL", "object_store"];

/// One contestant.
#[derive(Clone)]
pub(crate) enum Store {
    Ours(Ours),
    Sdk(Sdk),
    OpenDal(opendal::OpenDal),
    ObjectStore(object_store::ObjectStore),
}

macro_rules! each {
    ($store:expr, $inner:ident => $call:expr) => {
        match $store {
            Store::Ours($inner) => $call,
            Store::Sdk($inner) => $call,
            Store::OpenDal($inner) => $call,
            Store::ObjectStore($inner) => $call,
        }
    };
}

impl Store {
    /// The contestant of a name among [`NAMES`].
    pub(crate) fn named(name: &str, server: &Server, integrity: Integrity) -> Result<Self, Failed> {
        Ok(match NAMES.iter().position(|known| *known == name) {
            Some(0) => Self::Ours(Ours::new(server, integrity.into())?),
            Some(1) => Self::Sdk(Sdk::new(server, integrity)),
            Some(2) => Self::OpenDal(opendal::OpenDal::new(server, integrity)?),
            Some(3) => Self::ObjectStore(object_store::ObjectStore::new(server, integrity)?),
            _ => return Err(format!("no contestant {name}").into()),
        })
    }

    /// Writes a small object in one request.
    pub(crate) async fn put(&self, key: &str, body: Bytes) -> Result<(), Failed> {
        each!(self, store => store.put(key, body).await)
    }

    /// Reads all of an object in one request and answers its size.
    pub(crate) async fn get(&self, key: &str) -> Result<u64, Failed> {
        each!(self, store => store.get(key).await)
    }

    /// Writes an object of any size, in parts where it has more than one.
    pub(crate) async fn upload(&self, key: &str, source: Pattern) -> Result<(), Failed> {
        each!(self, store => store.upload(key, source).await)
    }
}
