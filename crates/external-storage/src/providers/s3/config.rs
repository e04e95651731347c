//! What can be set for S3 and for stores that speak its protocol.

use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::storage::CAPABILITIES;
use external_core::{BuildContext, Error, ProviderInfo, Result, Secret};
use external_net::Tls;
use http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use super::S3Storage;
use super::credentials::{Keys, Life, Role, Source};
use super::sdk::{Sdk, Setup};
use super::transport::Transport;

/// A bucket in Amazon S3, or in a store that speaks its protocol.
///
/// Without keys the credentials are found as by AWS's own tools: environment, profile, web identity, container,
/// instance metadata.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct S3Config {
    /// The bucket: its name, or the ARN of an access point. It must exist.
    pub bucket: String,
    /// The region, for example `eu-central-1`. Default: the one AWS's own tools would find; `us-east-1` with an
    /// `endpoint`.
    #[serde(default)]
    pub region: Option<String>,
    /// The URL of a store that is not Amazon's: `http(s)://host[:port]`. Default: Amazon's for the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path (`host/bucket/key`) instead of the host name (`bucket.host/key`).
    /// Default: yes with an `endpoint`, since most stores that are not Amazon's need it; else no.
    #[serde(default)]
    pub path_style: Option<bool>,
    /// The access key. Needs `secret_access_key`. Default: none, and the credentials are found.
    #[serde(default)]
    pub access_key_id: Option<Secret>,
    /// The secret key. Needs `access_key_id`. Both are read whenever a request is signed, so that a changed file is
    /// taken up.
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
    /// The session token of temporary keys.
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// The profile in AWS's configuration files. Default: `AWS_PROFILE`, else `default`.
    #[serde(default)]
    pub profile: Option<String>,
    /// A role to assume with the credentials (AWS STS `AssumeRole`). Default: none.
    #[serde(default)]
    pub role: Option<RoleConfig>,
    /// Whether versioning is switched on for the bucket, so that the facet `versions` is there. Default: no.
    #[serde(default)]
    pub versioned: bool,
    /// Which store it is, so that what it lacks is known. Default: `amazon`.
    #[serde(default)]
    pub store: Store,
    /// Capabilities that this store does not have although S3 does, by their ids: for example `tags`,
    /// `delete-if-match`, `copy-create-only`. They are declared unsupported and refused before anything is sent.
    /// Default: none.
    #[serde(default)]
    pub without: Vec<String>,
    /// Whether the SHA-256 of a body is part of the request's signature. Default: `over_http`.
    #[serde(default)]
    pub payload_signing: PayloadSigning,
    /// Whether keys in listings are asked for percent-encoded, without which some characters cannot be told in XML.
    /// Default: yes; no for stores that claim the encoding and leave it out.
    #[serde(default = "yes")]
    pub encoded_listings: bool,
    /// How long making a connection may take, TLS included, within the deadline of the call. Default 3 s.
    #[serde(default = "default_connect_timeout", with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// TLS settings. Default: those of the container.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

/// Which store speaks the protocol. What others lack is named in `without`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Store {
    /// Amazon S3, or a store that has all of it.
    #[default]
    Amazon,
    /// MinIO, as seen with the release of 2026-02:
    ///
    /// - It ignores the conditions of a deletion and those on a copy's destination, so these are unsupported.
    /// - It lists unfinished uploads by whole keys alone, so all of the bucket's are asked for and sorted out here: those
    ///   that the node asked knows of, which may not be those from before it was started, or begun at another node.
    /// - Pages folded by another delimiter than `/` never end there, so it is the only one.
    /// - It takes no object beside a folder of its name, and no segment above 255 bytes.
    Minio,
}

impl Store {
    fn lacks(self) -> &'static [&'static str] {
        match self {
            Self::Amazon => &[],
            Self::Minio => &["delete-if-match", "copy-create-only", "copy-compare-and-swap"],
        }
    }

    /// Whether listings can be folded by `delimiter`.
    pub(super) fn folds_by(self, delimiter: &str) -> bool {
        self != Self::Minio || delimiter == "/"
    }

    /// Whether the prefix of a listing of uploads is one, instead of a whole key.
    pub(super) fn lists_uploads_by_prefix(self) -> bool {
        self != Self::Minio
    }
}

/// When the SHA-256 of a body is part of the request's signature. The body's checksum travels in a signed header either
/// way, so a changed body is noticed; without TLS nobody else vouches for the body itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PayloadSigning {
    /// Over plain HTTP only: under TLS the connection itself is proof against changes.
    #[default]
    OverHttp,
    /// Always. Costs one SHA-256 of each body.
    Always,
    /// Never.
    Never,
}

/// A role to assume. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RoleConfig {
    /// The role's ARN.
    pub arn: String,
    /// The name of the session, as it appears in AWS's logs. Default: `external-storage`.
    #[serde(default)]
    pub session_name: Option<String>,
    /// The external id that the role's owner asks for.
    #[serde(default)]
    pub external_id: Option<String>,
    /// How long the temporary keys live: 15 minutes to 12 hours. Default 1 h.
    #[serde(default = "default_session", with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// The URL of a token service that is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
}

impl RoleConfig {
    /// The role with this ARN.
    #[must_use]
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            session_name: None,
            external_id: None,
            duration: default_session(),
            endpoint: None,
        }
    }
}

fn yes() -> bool {
    true
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(3)
}

fn default_session() -> Duration {
    Duration::from_secs(3600)
}

impl S3Config {
    /// The bucket in Amazon S3, with region and credentials found as by AWS's own tools.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            region: None,
            endpoint: None,
            path_style: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            profile: None,
            role: None,
            versioned: false,
            store: Store::default(),
            without: Vec::new(),
            payload_signing: PayloadSigning::default(),
            encoded_listings: true,
            connect_timeout: default_connect_timeout(),
            tls: None,
        }
    }

    /// Sets the region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// A store that is not Amazon's.
    #[must_use]
    pub fn with_endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets whether the bucket stands in the path instead of the host name.
    #[must_use]
    pub fn with_path_style(mut self, path_style: bool) -> Self {
        self.path_style = Some(path_style);
        self
    }

    /// Sets the keys.
    #[must_use]
    pub fn with_keys(mut self, access_key_id: impl Into<Secret>, secret: impl Into<Secret>) -> Self {
        self.access_key_id = Some(access_key_id.into());
        self.secret_access_key = Some(secret.into());
        self
    }

    /// Sets the session token of temporary keys.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<Secret>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Sets the role to assume.
    #[must_use]
    pub fn with_role(mut self, role: RoleConfig) -> Self {
        self.role = Some(role);
        self
    }

    /// Says that the bucket keeps old versions.
    #[must_use]
    pub fn with_versions(mut self) -> Self {
        self.versioned = true;
        self
    }

    /// Says which store it is.
    #[must_use]
    pub fn with_store(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    /// Names a capability that this store does not have although S3 does.
    #[must_use]
    pub fn without_capability(mut self, id: impl Into<String>) -> Self {
        self.without.push(id.into());
        self
    }

    /// Sets when the SHA-256 of a body is part of the signature.
    #[must_use]
    pub fn with_payload_signing(mut self, when: PayloadSigning) -> Self {
        self.payload_signing = when;
        self
    }

    /// Sets the TLS settings.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the provider. Credentials are found and connections made on first use.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn build(self, context: &BuildContext) -> Result<S3Storage> {
        // Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; ARNs are longer.
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
        if !(3..=255).contains(&self.bucket.len()) || !self.bucket.chars().all(letter) {
            return Err(wrong("bucket", "not the name of a bucket nor the ARN of an access point"));
        }
        if self.region.as_deref().is_some_and(|region| !is_region(region)) {
            return Err(wrong("region", "not the name of a region, such as `eu-central-1`"));
        }
        if self.connect_timeout.is_zero() {
            return Err(wrong("connect_timeout", "a connection cannot be made in no time"));
        }
        let endpoint = self.endpoint.as_deref().map(|url| endpoint("endpoint", url)).transpose()?;
        let encrypted = endpoint.as_ref().is_none_or(|uri| uri.scheme_str() == Some("https"));
        let named = self.without.iter().map(|id| known(id)).collect::<Result<Vec<_>>>()?;
        let without = named.into_iter().chain(self.store.lacks().iter().copied());
        let capabilities = super::capabilities(self.versioned, self.store, without);
        let source = self.source(context)?;
        let role = self.role.map(|role| role.check()).transpose()?;
        let tls = Tls::new(self.tls.unwrap_or_else(|| context.tls().clone()));
        let setup = Setup {
            region: self.region,
            endpoint: self.endpoint,
            path_style: self.path_style.unwrap_or_else(|| endpoint.is_some()),
            source,
            role,
            clock: context.clone(),
            transport: Transport::new(
                tls,
                self.connect_timeout,
                self.payload_signing == PayloadSigning::Never,
            ),
            life: Life::default(),
        };
        let sign_bodies = match self.payload_signing {
            PayloadSigning::OverHttp => !encrypted,
            PayloadSigning::Always => true,
            PayloadSigning::Never => false,
        };
        Ok(S3Storage {
            info: ProviderInfo::new("s3", "storage", format!("s3://{}", self.bucket), capabilities),
            bucket: self.bucket,
            sdk: Sdk::new(setup),
            store: self.store,
            sign_bodies,
            encoded_listings: self.encoded_listings,
        })
    }

    fn source(&self, context: &BuildContext) -> Result<Source> {
        let keys = match (&self.access_key_id, &self.secret_access_key) {
            (Some(id), Some(secret)) => Keys {
                id: context.secret(id)?,
                secret: context.secret(secret)?,
                session: self.session_token.as_ref().map(|token| context.secret(token)).transpose()?,
            },
            (None, None) if self.session_token.is_none() => return Ok(Source::Found(self.profile.clone())),
            (None, Some(_)) => {
                return Err(wrong(
                    "access_key_id",
                    "`secret_access_key` is set, and `access_key_id` is missing",
                ));
            }
            (Some(_), None) => {
                return Err(wrong(
                    "secret_access_key",
                    "`access_key_id` is set, and `secret_access_key` is missing",
                ));
            }
            (None, None) => {
                let rule = "`session_token` is set, and `access_key_id` and `secret_access_key` are missing";
                return Err(wrong("access_key_id", rule));
            }
        };
        if self.profile.is_some() {
            return Err(wrong("profile", "a profile has its own keys: give one or the other"));
        }
        Ok(Source::Given(keys))
    }
}

impl RoleConfig {
    fn check(self) -> Result<Role> {
        if !self.arn.starts_with("arn:") {
            return Err(wrong("role.arn", "not an ARN"));
        }
        // https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html, DurationSeconds
        if !(900..=43_200).contains(&self.duration.as_secs()) {
            return Err(wrong("role.duration", "temporary keys live 15 minutes to 12 hours"));
        }
        self.endpoint.as_deref().map(|url| endpoint("role.endpoint", url)).transpose()?;
        Ok(Role {
            arn: self.arn,
            session_name: self.session_name.unwrap_or_else(|| "external-storage".to_owned()),
            external_id: self.external_id,
            duration: self.duration,
            endpoint: self.endpoint,
        })
    }
}

fn wrong(field: &'static str, rule: &'static str) -> Error {
    Error::configuration(rule).with_context("field", field)
}

fn is_region(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn endpoint(field: &'static str, url: &str) -> Result<Uri> {
    let refused = || wrong(field, "not a URL of the form http(s)://host[:port]");
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    if scheme && plain && bare { Ok(uri) } else { Err(refused()) }
}

fn known(id: &str) -> Result<&'static str> {
    let found = CAPABILITIES.iter().find(|(known, _)| *known == id);
    found.map(|(known, _)| *known).ok_or_else(|| {
        wrong("without", "not a capability of storage").with_context("capability", format_args!("{id:?}"))
    })
}

#[cfg(test)]
mod tests {
    use external_core::Provider;

    use super::*;

    fn config() -> S3Config {
        S3Config::new("portraits").with_region("eu-central-1").with_keys("AKIDEXAMPLE", "canary")
    }

    #[test]
    fn says_where_it_points_without_credentials() {
        assert!(!format!("{:?}", config()).contains("canary"));
        let storage = config().build(&BuildContext::default()).unwrap();
        assert_eq!(storage.info().location(), "s3://portraits");
        assert!(!format!("{storage:?}").contains("canary"));
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let half = |field: &'static str| {
            let mut config = config();
            match field {
                "access_key_id" => config.access_key_id = None,
                _ => config.secret_access_key = None,
            }
            (field, config)
        };
        let mut profile = config();
        profile.profile = Some("work".to_owned());
        let mut short = RoleConfig::new("arn:aws:iam::123456789012:role/reader");
        short.duration = Duration::from_secs(60);
        for (field, config) in [
            half("access_key_id"),
            half("secret_access_key"),
            ("profile", profile),
            ("bucket", S3Config::new("a b")),
            ("region", config().with_region("eu central")),
            ("endpoint", config().with_endpoint("localhost:9000")),
            ("endpoint", config().with_endpoint("http://localhost:9000/base")),
            ("endpoint", config().with_endpoint("http://user:pass@localhost:9000")),
            ("without", config().without_capability("wings")),
            ("role.arn", config().with_role(RoleConfig::new("reader"))),
            ("role.duration", config().with_role(short)),
        ] {
            let error = config.build(&BuildContext::default()).unwrap_err();
            assert_eq!(error.context_value("field"), Some(field), "{error}");
            if ["access_key_id", "secret_access_key"].contains(&field) {
                assert!(error.message().contains(&format!("`{field}` is missing")), "{error}");
            }
        }
    }
}
