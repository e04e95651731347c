//! Who is spoken to under TLS: the peer that the host's name stands for and an authority vouches for, or nobody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::{Effect, ErrorKind, Result, Retry};
use external_net::{Tls, dial_tls};
use external_simulator::{Authority, Identity, Proxy};

/// A TLS server, and the file of authorities that its clients trust.
struct Peer {
    proxy: Proxy,
    authorities: PathBuf,
    tls: Tls,
}

impl Peer {
    /// Shows this identity to clients that trust the authority alone.
    async fn showing(name: &str, identity: Identity, trusted: &Authority) -> Self {
        // The proxy connects to what is behind it, though nothing is ever said there.
        let behind = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(behind.local_addr().unwrap().to_string()).await.unwrap();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok(connection) = behind.accept().await {
                kept.push(connection);
            }
        });
        proxy.meet_tls_as(identity);
        let authorities =
            std::env::temp_dir().join(format!("external-net-{name}-{}.pem", std::process::id()));
        fs::write(&authorities, trusted.pem()).unwrap();
        let tls = Tls::new(TlsSettings::new().with_only_ca_file(&authorities));
        Self { proxy, authorities, tls }
    }

    async fn dial(&self, host: &str) -> Result<()> {
        dial_tls(host, self.proxy.address().port(), &self.tls, None).await.map(drop)
    }

    /// A peer that is not trusted is told nothing, and is not tried again.
    async fn refuses(&self, host: &str) {
        let error = self.dial(host).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent), "{error:?}");
        assert_eq!(error.retry(), Retry::Never, "{error:?}");
        assert_eq!(self.proxy.handshakes(), 0);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.authorities);
    }
}

#[tokio::test]
async fn a_certificate_is_for_the_name_that_was_dialled() {
    let authority = Authority::new().unwrap();
    let here = authority.identity(&["localhost", "127.0.0.1"]).unwrap();
    let peer = Peer::showing("here", here, &authority).await;
    peer.dial("localhost").await.unwrap();
    peer.dial("127.0.0.1").await.unwrap();
    let elsewhere = authority.identity(&["elsewhere.test"]).unwrap();
    Peer::showing("elsewhere", elsewhere, &authority).await.refuses("localhost").await;
}

#[tokio::test]
async fn nobody_vouches_but_who_is_trusted_and_only_for_a_time() {
    let (trusted, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let strange = other.identity(&["localhost"]).unwrap();
    Peer::showing("strange", strange, &trusted).await.refuses("localhost").await;
    let old = trusted.expired(&["localhost"]).unwrap();
    Peer::showing("old", old, &trusted).await.refuses("localhost").await;
}

#[tokio::test]
async fn authorities_that_changed_are_taken_up() {
    let (old, new) = (Authority::new().unwrap(), Authority::new().unwrap());
    let peer = Peer::showing("renewed", new.identity(&["localhost"]).unwrap(), &old).await;
    peer.refuses("localhost").await;
    fs::write(&peer.authorities, new.pem()).unwrap();
    // Two writes may fall into one tick of the file system's clock.
    let file = File::options().write(true).open(&peer.authorities).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() + Duration::from_secs(5)).unwrap();
    peer.dial("localhost").await.unwrap();
}
