//! Keys that signatures are made with.

use std::fmt;
use std::io;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A key of a simulated vendor: signs what it sends.
pub struct Signer(Kind);

enum Kind {
    Hmac(Vec<u8>),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// HMAC with SHA-256. The key are these bytes.
    #[must_use]
    pub fn hmac_sha256(key: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Hmac(key.into()))
    }

    /// ECDSA over P-256 with SHA-256, with a new key; signatures are the DER of both numbers.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn ecdsa_p256() -> io::Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(io::Error::other)?;
        Ok(Self(Kind::Ecdsa(pair)))
    }

    /// Ed25519, with a new key.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn ed25519() -> io::Result<Self> {
        Ok(Self(Kind::Ed25519(Ed25519KeyPair::generate().map_err(io::Error::other)?)))
    }

    /// A key of the same kind that is not this one.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn another(&self) -> io::Result<Self> {
        match &self.0 {
            Kind::Hmac(key) => Ok(Self::hmac_sha256([&key[..], b"another"].concat())),
            Kind::Ecdsa(_) => Self::ecdsa_p256(),
            Kind::Ed25519(_) => Self::ed25519(),
        }
    }

    /// The public key: the base64 of its `SubjectPublicKeyInfo` in DER. `None` for HMAC, which has none.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn public_key(&self) -> io::Result<Option<String>> {
        let der: PublicKeyX509Der<'_> = match &self.0 {
            Kind::Hmac(_) => return Ok(None),
            Kind::Ecdsa(pair) => pair.public_key().as_der().map_err(io::Error::other)?,
            Kind::Ed25519(pair) => pair.public_key().as_der().map_err(io::Error::other)?,
        };
        Ok(Some(STANDARD.encode(der.as_ref())))
    }

    /// The signature of this.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn sign(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        match &self.0 {
            Kind::Hmac(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(io::Error::other)?;
                mac.update(content);
                Ok(mac.finalize().into_bytes().to_vec())
            }
            Kind::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), content).map_err(io::Error::other)?;
                Ok(signature.as_ref().to_vec())
            }
            Kind::Ed25519(pair) => Ok(pair.sign(content).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Hmac(_) => "Signer(HMAC)",
            Kind::Ecdsa(_) => "Signer(ECDSA)",
            Kind::Ed25519(_) => "Signer(Ed25519)",
        })
    }
}
