//! Certificates made for one run: an authority of its own, and what a server shows that is as it should be, or is not.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;

/// A certificate authority that nobody knows but who is told.
///
/// ```
/// use external_simulator::Authority;
///
/// let authority = Authority::new()?;
/// let server = authority.identity(&["localhost", "127.0.0.1"])?;
/// assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// # drop(server);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a TLS server shows: a certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub(crate) config: Arc<ServerConfig>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn new() -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)? })
    }

    /// Its own certificate, for those who are to trust it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server of these names and addresses.
    ///
    /// # Errors
    ///
    /// If one is neither a name nor an address.
    pub fn identity(&self, names: &[&str]) -> io::Result<Identity> {
        self.issue(names, |_| {})
    }

    /// The same server, some years after its certificate has expired.
    ///
    /// # Errors
    ///
    /// As [`identity`](Self::identity).
    pub fn expired(&self, names: &[&str]) -> io::Result<Identity> {
        self.issue(names, |params| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        })
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> io::Result<Identity> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        change(&mut params);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &*self.issuer).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(io::Error::other)?;
        Ok(Identity { config: Arc::new(config) })
    }
}
