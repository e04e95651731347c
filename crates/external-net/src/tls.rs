//! From TLS settings to rustls' client configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use external_core::build::TlsSettings;
use external_core::{Effect, Error, Result};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Installs aws-lc-rs as the process's TLS provider unless the application installed one before: libraries that
/// build their own rustls configuration panic without, or with two candidates compiled in.
pub fn ensure_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing the race against another installer is as good as winning it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
}

/// TLS settings in use: the configuration is made at the first connection and again when a file changes.
#[derive(Debug)]
pub struct Tls {
    shared: Arc<Shared>,
}

/// What a loading on another thread needs.
#[derive(Debug)]
struct Shared {
    settings: TlsSettings,
    made: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    stamps: Vec<Option<SystemTime>>,
    config: Arc<ClientConfig>,
}

impl Tls {
    /// No file is read yet. A client key by reference must have been bound by the build context.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Self { shared: Arc::new(Shared { settings, made: Mutex::new(None) }) }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.shared.settings
    }

    /// Rustls' configuration. Reads the certificate files if they changed since the last time, on a thread that may
    /// block; connections that wait for the same files share what is read.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the file that cannot be read or holds no certificate, or a key that does not fit.
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.shared.settled() {
            return Ok(config);
        }
        let shared = self.shared.clone();
        match tokio::task::spawn_blocking(move || shared.load()).await {
            Ok(loaded) => loaded,
            Err(error) => Err(Error::unexpected("loading the TLS settings did not end")
                .with_effect(Effect::NotSent)
                .with_source(error)),
        }
    }
}

impl Shared {
    /// What was made, where no file can change: then no thread need look at one.
    fn settled(&self) -> Option<Arc<ClientConfig>> {
        if self.settings.ca_file.is_some() || self.settings.client_certificate.is_some() {
            return None;
        }
        // Who holds it is making it: that is waited for elsewhere.
        let made = self.made.try_lock().ok()?;
        made.as_ref().map(|made| made.config.clone())
    }

    /// Blocks on the files, and on whoever reads them already.
    fn load(&self) -> Result<Arc<ClientConfig>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.stamps();
        if let Some(made) = made.as_ref().filter(|made| made.stamps == stamps) {
            return Ok(made.config.clone());
        }
        let config = Arc::new(build(&self.settings)?);
        *made = Some(Made { stamps, config: config.clone() });
        Ok(config)
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.settings.ca_file, &self.settings.client_certificate];
        let stamp = |path: &PathBuf| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        files.into_iter().flatten().map(stamp).collect()
    }
}

fn build(settings: &TlsSettings) -> Result<ClientConfig> {
    ensure_provider();
    let verified = ClientConfig::builder().with_root_certificates(roots(settings)?);
    match (&settings.client_certificate, &settings.client_key) {
        (None, None) => Ok(verified.with_no_client_auth()),
        (Some(path), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.expose()?.as_bytes())
                .map_err(|_| Error::configuration("the TLS client key is not a PEM private key"))?;
            verified.with_client_auth_cert(certificates(path)?, key).map_err(|error| {
                unusable("the TLS client certificate and key do not fit", path).with_source(error)
            })
        }
        _ => Err(Error::configuration("TLS client_certificate and client_key need each other")),
    }
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable("not a usable authority", path).with_source(error))?;
        }
    }
    if !settings.only_ca_file {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
    }
    if roots.is_empty() {
        return Err(Error::configuration(
            "no certificate authority to trust: neither the system's nor a ca_file",
        ));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).map_err(|error| unusable("cannot be read", path).with_source(error))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable("not a PEM file of certificates", path))?;
    if found.is_empty() { Err(unusable("holds no certificate", path)) } else { Ok(found) }
}

fn unusable(reason: &'static str, path: &Path) -> Error {
    Error::configuration(reason).with_context("file", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_or_empty_authority_file_is_named() {
        let missing = Tls::new(TlsSettings::new().with_ca_file("/nowhere/ca.pem"));
        assert!(missing.client_config().await.unwrap_err().to_string().contains("/nowhere/ca.pem"));
        let empty = Tls::new(TlsSettings::new().with_only_ca_file("/dev/null"));
        assert!(empty.client_config().await.unwrap_err().to_string().contains("holds no certificate"));
    }

    #[tokio::test]
    async fn half_a_client_identity_is_refused() {
        let mut settings = TlsSettings::new();
        settings.client_key = Some("x".into());
        assert!(Tls::new(settings).client_config().await.is_err());
    }

    #[tokio::test]
    async fn connections_share_one_configuration() {
        let tls = Tls::new(TlsSettings::new());
        let (one, other) = tokio::join!(tls.client_config(), tls.client_config());
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    }

    #[tokio::test]
    async fn where_no_file_can_change_nobody_looks_again() {
        let tls = Tls::new(TlsSettings::new());
        let first = tls.client_config().await.unwrap();
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::pin!(tls.client_config()).poll(&mut task) {
            std::task::Poll::Ready(again) => assert!(Arc::ptr_eq(&first, &again.unwrap())),
            std::task::Poll::Pending => panic!("a thread looks for files"),
        }
    }

    /// The pipe has no content until this thread writes it: read by this thread, it would never come.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_slow_file_does_not_hold_up_the_runtime() {
        let pipe = std::env::temp_dir().join(format!("external-net-{}.pem", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let tls = Tls::new(TlsSettings::new().with_only_ca_file(&pipe));
        let (loaded, written) = tokio::join!(tls.client_config(), async { fs::write(&pipe, "") });
        written.unwrap();
        assert!(loaded.unwrap_err().to_string().contains("holds no certificate"));
        fs::remove_file(&pipe).unwrap();
    }
}
