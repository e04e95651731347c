//! Certificates made for one run: an authority of its own, and what a server shows that is as it should be, or is not.

use std::fmt;
use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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

/// What a TLS server shows, or a client that is asked for it: a certificate and its key.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: Arc<KeyPair>,
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
        // Two authorities of one name would be taken for one whose signatures are broken.
        let name = format!("an authority of this run, {:016x}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
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
        let (pem, certificate) = (certificate.pem(), certificate.der().clone());
        let config = Arc::new(serving(&certificate, &key, None, ALL_VERSIONS)?);
        Ok(Identity { certificate, pem, key: Arc::new(key), config })
    }
}

impl Identity {
    /// The same server, which takes only clients that show a certificate of this authority.
    ///
    /// # Errors
    ///
    /// None but what keeps TLS from being set up.
    pub fn demanding(self, clients_of: &Authority) -> io::Result<Self> {
        self.with(clients_of, ALL_VERSIONS)
    }

    /// As [`demanding`](Self::demanding), and over TLS 1.2 alone: there a client is told before the handshake ends that it
    /// is not taken, in TLS 1.3 after that.
    ///
    /// # Errors
    ///
    /// As [`demanding`](Self::demanding).
    pub fn demanding_over_tls12(self, clients_of: &Authority) -> io::Result<Self> {
        self.with(clients_of, &[&rustls::version::TLS12])
    }

    fn with(
        self,
        clients_of: &Authority,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let config = Arc::new(serving(&self.certificate, &self.key, Some(clients_of), versions)?);
        Ok(Self { config, ..self })
    }

    /// The certificate, for clients that are to show it.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.pem.clone()
    }

    /// Its private key.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn serving(
    certificate: &CertificateDer<'static>,
    key: &KeyPair,
    clients_of: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?;
    let builder = match clients_of {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.issuer.der().clone()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    builder.with_single_cert(vec![certificate.clone()], key).map_err(io::Error::other)
}
