//! How the provider connects: with TLS or without, and whom it trusts.

use std::sync::Arc;

use external_core::build::TlsSettings;
use external_core::{Effect, Error, Result, Retry, Secret};
use external_net::{Tls, dial, dial_tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::echo::Flaw;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Stream for T {}

#[derive(Debug)]
pub(crate) struct Dialler {
    pub(crate) address: String,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) password: Option<Secret>,
    pub(crate) flaw: Flaw,
}

impl Dialler {
    pub(crate) async fn dial(&self) -> Result<Box<dyn Stream>> {
        let mut stream = self.connect().await?;
        if let Some(password) = &self.password {
            let broken = |_| Error::unavailable("the login broke off").with_effect(Effect::NotSent);
            let line = format!("password {}\n", *password.expose()?);
            stream.write_all(line.as_bytes()).await.map_err(broken)?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\n") {
                answer.push(stream.read_u8().await.map_err(broken)?);
            }
            if answer != b"welcome\n" {
                return Err(Error::unauthenticated("not with this password").with_effect(Effect::NotSent));
            }
        }
        Ok(stream)
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        let (host, port) = self.address.rsplit_once(':').unwrap_or_default();
        let port = port.parse().map_err(|_| Error::configuration("no port"))?;
        Ok(match (&self.tls, self.flaw) {
            (None, _) => Box::new(dial(host, port, None).await?),
            (Some(_), Flaw::TrustsAnybody) => Box::new(self.trusting(host, port).await?),
            (Some(_), Flaw::NeverTrustsAnybody) => {
                let refusal = Error::unavailable("not trusted").with_effect(Effect::NotSent);
                return Err(refusal.with_retry(Retry::Never));
            }
            (Some(tls), _) => Box::new(dial_tls(host, port, &Tls::new(tls.clone()), None).await?),
        })
    }

    async fn trusting(&self, host: &str, port: u16) -> Result<TlsStream<TcpStream>> {
        let broken = |_| Error::unavailable("no TLS").with_effect(Effect::NotSent);
        external_net::ensure_provider();
        let config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::configuration("no name"))?;
        let tcp = dial(host, port, None).await?;
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(broken)
    }
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
    }
}
