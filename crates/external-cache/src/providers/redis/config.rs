//! Configuration of the Redis provider.

use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::cache::CacheKey;
use external_core::{BuildContext, Error, Result, Secret};
use external_net::Tls;
use schemars::JsonSchema;
use serde::Deserialize;

use super::RedisCache;
use super::address::Address;
use super::connection::Endpoint;

/// A Redis server (6.0 or later), standalone. Cluster and Sentinel are not spoken yet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RedisConfig {
    /// `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. The port is 6379 by default. It
    /// is treated as a secret, since it may hold one; a password that rotates belongs in `password`.
    pub url: Secret,
    /// The ACL user; replaces the one in `url`. Default: none, which is Redis' user `default`.
    #[serde(default)]
    pub username: Option<String>,
    /// The password; replaces the one in `url`. Read whenever a connection is made, so a changed file is taken up.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The database number; replaces the one in `url`. Default 0.
    #[serde(default)]
    pub database: Option<u32>,
    /// Stands before every key, with a `:` between. At most 128 bytes, no `:` and no control characters. Default
    /// empty: keys are used as they are.
    #[serde(default)]
    pub namespace: String,
    /// How long making a connection may take, TLS and login included, within the deadline of the call. Default 5 s.
    #[serde(default = "default_connect_timeout", with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// The largest value, in bytes; at most 536870912 (512 MiB, the server's own limit). Default 16777216 (16 MiB):
    /// one connection carries all calls, and a large value holds up those behind it.
    #[serde(default = "default_max_value_bytes")]
    pub max_value_bytes: u64,
    /// The largest answer of the server, in bytes, each value of a batch counted with 64 bytes more: nothing larger is
    /// kept in memory. The call fails with `PayloadTooLarge` then, and its connection is made anew. More than
    /// `max_value_bytes`, at most 17179869184 (16 GiB). Default: twice `max_value_bytes`, and at least 134217728 (128 MiB).
    /// A batch of 1000 keys whose values are larger than 128 KiB each needs more.
    #[serde(default)]
    pub max_answer_bytes: Option<u64>,
    /// TLS settings for `rediss://`. Default: those of the container.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

fn default_max_value_bytes() -> u64 {
    16 << 20
}

/// Room for the largest batch of middling values, where one value may not be large.
const LEAST_ANSWER_BYTES: u64 = 128 << 20;

/// What an answer of one value has beside that value: more than any kind of answer.
const AROUND_A_VALUE: u64 = 1 << 10;

impl RedisConfig {
    /// The server at `url`: `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS.
    #[must_use]
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            database: None,
            namespace: String::new(),
            connect_timeout: default_connect_timeout(),
            max_value_bytes: default_max_value_bytes(),
            max_answer_bytes: None,
            tls: None,
        }
    }

    /// The ACL user and its password; replaces those in the URL.
    #[must_use]
    pub fn with_credentials(mut self, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.username = Some(username.into());
        self.password = Some(password.into());
        self
    }

    /// The database number; replaces the one in the URL.
    #[must_use]
    pub fn with_database(mut self, database: u32) -> Self {
        self.database = Some(database);
        self
    }

    /// Stands before every key, with a `:` between. It may not hold one itself.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long making a connection may take.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The largest value, in bytes.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// The largest answer of the server, in bytes.
    #[must_use]
    pub fn with_max_answer_bytes(mut self, bytes: u64) -> Self {
        self.max_answer_bytes = Some(bytes);
        self
    }

    /// TLS settings for `rediss://`.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the provider. It connects on first use.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn build(self, context: &BuildContext) -> Result<RedisCache> {
        let address = Address::parse(&context.secret(&self.url)?.expose()?)?;
        let wrong =
            |field: &'static str, rule: &'static str| Error::configuration(rule).with_context("field", field);
        let prefix = match self.namespace.as_str() {
            "" => String::new(),
            // With a `:` in it, `a:b` would lie within `a`: each could read and overwrite the other's keys.
            name if name.len() <= 128 && !name.contains(':') && CacheKey::parse(name).is_ok() => {
                format!("{name}:")
            }
            _ => {
                return Err(wrong(
                    "namespace",
                    "a namespace has at most 128 bytes, no `:` and no control characters",
                ));
            }
        };
        if self.connect_timeout.is_zero() {
            return Err(wrong("connect_timeout", "a connection cannot be made in no time"));
        }
        if self.max_value_bytes == 0 || self.max_value_bytes > 512 << 20 {
            return Err(wrong("max_value_bytes", "the largest value in Redis is 1 byte to 512 MiB"));
        }
        let max_answer_bytes = match self.max_answer_bytes {
            None => (2 * self.max_value_bytes).max(LEAST_ANSWER_BYTES),
            Some(bytes) if bytes > self.max_value_bytes && bytes <= 16 << 30 => bytes,
            Some(_) => {
                return Err(wrong(
                    "max_answer_bytes",
                    "the largest answer is more than the largest value, and at most 16 GiB",
                ));
            }
        };
        let password = match (self.password, address.password) {
            (Some(password), _) => Some(context.secret(&password)?),
            (None, password) => password,
        };
        let username = self.username.or(address.username);
        if username.is_some() && password.is_none() {
            return Err(wrong("password", "an ACL user needs a password"));
        }
        let endpoint = Endpoint {
            host: address.host,
            port: address.port,
            tls: address.tls.then(|| Tls::new(self.tls.unwrap_or_else(|| context.tls().clone()))),
            username,
            password,
            database: self.database.or(address.database).unwrap_or(0),
            connect_timeout: self.connect_timeout,
            max_answer_bytes: max_answer_bytes.saturating_add(AROUND_A_VALUE),
        };
        Ok(RedisCache::new(endpoint, prefix, self.max_value_bytes))
    }
}

#[cfg(test)]
mod tests {
    use external_core::Provider;

    use super::*;

    #[test]
    fn says_where_it_points_without_credentials() {
        let config = RedisConfig::new("rediss://app:canary@cache.example/2").with_namespace("sessions");
        assert!(!format!("{config:?}").contains("canary"));
        let cache = config.build(&BuildContext::default()).unwrap();
        assert_eq!(cache.info().location(), "rediss://cache.example:6379/2");
        assert!(!format!("{cache:?}").contains("canary"));
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let config = || RedisConfig::new("redis://localhost");
        for (field, config) in [
            ("namespace", config().with_namespace("a\nb")),
            ("namespace", config().with_namespace("a:b")),
            ("namespace", config().with_namespace("a:")),
            ("connect_timeout", config().with_connect_timeout(Duration::ZERO)),
            ("max_value_bytes", config().with_max_value_bytes(0)),
            ("max_answer_bytes", config().with_max_value_bytes(1000).with_max_answer_bytes(1000)),
            ("max_answer_bytes", config().with_max_answer_bytes((16 << 30) + 1)),
            ("password", RedisConfig::new("redis://user@localhost")),
        ] {
            let error = config.build(&BuildContext::default()).unwrap_err();
            assert_eq!(error.context_value("field"), Some(field));
        }
    }
}
