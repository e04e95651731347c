//! The proxy as a TLS server: who trusts it, and who does not.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;

use external_simulator::{Authority, Identity, Proxy};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

fn connector(trusted: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A server that says "go ahead" to whatever it hears.
async fn talker() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    let _ = stream.write_all(b"go").await;
                }
            });
        }
    });
    address
}

async fn meet(trusted: &Authority, identity: Identity, in_clear_first: bool) -> Result<usize, String> {
    let proxy = Proxy::start(talker().await).await.unwrap();
    proxy.meet_tls_as(identity);
    let mut tcp = TcpStream::connect(proxy.address()).await.unwrap();
    if in_clear_first {
        tcp.write_all(b"STARTTLS").await.unwrap();
        let mut go = [0; 2];
        tcp.read_exact(&mut go).await.unwrap();
        assert_eq!(proxy.count("STARTTLS"), 1);
    }
    let name = ServerName::try_from("localhost").unwrap();
    let met = connector(trusted).connect(name, tcp).await.map_err(|error| error.to_string());
    if let Ok(mut trusting) = met {
        // It hangs up once it was trusted.
        assert_eq!(trusting.read(&mut [0; 8]).await.unwrap(), 0);
        return Ok(proxy.handshakes());
    }
    assert_eq!(proxy.handshakes(), 0);
    met.map(|_| 0)
}

#[tokio::test]
async fn is_trusted_with_what_is_as_it_should_be() {
    let authority = Authority::new().unwrap();
    for in_clear_first in [false, true] {
        let good = authority.identity(&["localhost", "127.0.0.1"]).unwrap();
        assert_eq!(meet(&authority, good, in_clear_first).await, Ok(1));
    }
}

#[tokio::test]
async fn is_not_trusted_with_anything_else_for_that_reason() {
    let authority = Authority::new().unwrap();
    for in_clear_first in [false, true] {
        let refused = async |identity| meet(&authority, identity, in_clear_first).await.unwrap_err();
        let wrong = refused(authority.identity(&["elsewhere.test"]).unwrap()).await;
        assert!(wrong.contains("not valid for name"), "{wrong}");
        let unknown = refused(Authority::new().unwrap().identity(&["localhost"]).unwrap()).await;
        assert!(unknown.contains("UnknownIssuer") || unknown.contains("BadSignature"), "{unknown}");
        let expired = refused(authority.expired(&["localhost"]).unwrap()).await;
        assert!(expired.contains("expired"), "{expired}");
    }
}
