//! Keys that signatures are checked with.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::{Error, Result, Secret};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use x509_parser::pem::parse_x509_pem;
use zeroize::Zeroizing;

/// A key that signatures are checked with: one that both sides know, or the public one of the vendor.
///
/// Public keys come as their vendors write them: PEM, or the base64 of a `SubjectPublicKeyInfo` in DER; those of Ed25519
/// also as their 32 bytes in base64 or hex, those of RSA also as PKCS#1.
#[derive(Clone)]
pub struct WebhookKey(Kind);

#[derive(Clone)]
enum Kind {
    /// Whether the bytes of the key are told in base64.
    Hmac {
        secret: Secret,
        is_base64: bool,
    },
    Public(Arc<ParsedPublicKey>),
}

impl WebhookKey {
    /// HMAC with SHA-256. The key are the bytes of this text.
    #[must_use]
    pub fn hmac_sha256(secret: Secret) -> Self {
        Self(Kind::Hmac { secret, is_base64: false })
    }

    /// HMAC with SHA-256. The key are the bytes whose base64 this text is; `whsec_` may stand before it, as Standard
    /// Webhooks has it.
    #[must_use]
    pub fn hmac_sha256_base64(secret: Secret) -> Self {
        Self(Kind::Hmac { secret, is_base64: true })
    }

    /// RSA with SHA-256 and the padding of PKCS#1 v1.5, of 2048 bits at least.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that is no such key.
    pub fn rsa_sha256(public_key: &str) -> Result<Self> {
        Self::public(&RSA_PKCS1_2048_8192_SHA256, &decoded(public_key)?)
    }

    /// RSA with SHA-1, for vendors that still sign so: who can make two messages of one SHA-1 can swap them.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that is no such key.
    pub fn insecure_rsa_sha1(public_key: &str) -> Result<Self> {
        Self::public(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, &decoded(public_key)?)
    }

    /// ECDSA over P-256 with SHA-256; the signature is the DER of both its numbers.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that is no such key.
    pub fn ecdsa_p256(public_key: &str) -> Result<Self> {
        Self::public(&ECDSA_P256_SHA256_ASN1, &decoded(public_key)?)
    }

    /// Ed25519.
    ///
    /// # Errors
    ///
    /// `Configuration` for anything that is no such key.
    pub fn ed25519(public_key: &str) -> Result<Self> {
        let text = public_key.trim();
        let key = match hex::decode(text) {
            Ok(raw) if raw.len() == 32 => raw,
            _ => decoded(text)?,
        };
        Self::public(&ED25519, &key)
    }

    /// The key of a certificate, with SHA-256 or (`is_sha1`) SHA-1.
    pub(super) fn of_certificate(key: &[u8], is_sha1: bool) -> Result<Self> {
        match is_sha1 {
            false => Self::public(&RSA_PKCS1_2048_8192_SHA256, key),
            true => Self::public(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key),
        }
    }

    fn public(algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> Result<Self> {
        let key = ParsedPublicKey::new(algorithm, key).map_err(|_| not_a_key())?;
        Ok(Self(Kind::Public(Arc::new(key))))
    }

    /// Whether the holder of this key signed `content`.
    ///
    /// # Errors
    ///
    /// `Configuration` for a secret that cannot be read, or is none.
    pub(super) fn signed(&self, content: &[u8], signature: &[u8]) -> Result<bool> {
        match &self.0 {
            Kind::Public(key) => Ok(key.verify_sig(content, signature).is_ok()),
            Kind::Hmac { secret, is_base64 } => {
                let text = secret.expose()?;
                let key = match is_base64 {
                    false => Zeroizing::new(text.as_bytes().to_vec()),
                    true => {
                        let coded = text.strip_prefix("whsec_").unwrap_or(&text);
                        Zeroizing::new(STANDARD.decode(coded).map_err(|_| not_a_key())?)
                    }
                };
                if key.is_empty() {
                    return Err(Error::configuration("the secret of a webhook is empty"));
                }
                let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| not_a_key())?;
                mac.update(content);
                // Takes as long for every signature of the right length.
                Ok(mac.verify_slice(signature).is_ok())
            }
        }
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Hmac { secret, .. } => f.debug_tuple("Hmac").field(secret).finish(),
            Kind::Public(key) => write!(f, "{:?}", key.algorithm()),
        }
    }
}

/// The bytes of a key in PEM or base64.
fn decoded(text: &str) -> Result<Vec<u8>> {
    let text = text.trim();
    if text.starts_with("-----") {
        let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| not_a_key())?;
        // Whoever puts a private key here has mixed them up, and would spread it.
        return match pem.label.as_str() {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Ok(pem.contents),
            _ => Err(not_a_key()),
        };
    }
    STANDARD.decode(text).map_err(|_| not_a_key())
}

fn not_a_key() -> Error {
    Error::configuration("not a key that signatures of a webhook can be checked with")
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;
    use serde_json::Value;

    use super::*;

    fn made() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/webhook/keys/signed.json")).unwrap()
    }

    fn base64(value: &Value) -> Vec<u8> {
        STANDARD.decode(value.as_str().unwrap()).unwrap()
    }

    #[test]
    fn keys_in_every_form_know_the_signatures_that_others_made() {
        let made = made();
        let text = |path: &str| made.pointer(path).unwrap().as_str().unwrap();
        let keys = [
            (WebhookKey::ecdsa_p256(text("/ecdsa_p256/spki")), "/ecdsa_p256/signature"),
            (WebhookKey::ecdsa_p256(text("/ecdsa_p256/pem")), "/ecdsa_p256/signature"),
            (WebhookKey::ed25519(text("/ed25519/spki")), "/ed25519/signature"),
            (WebhookKey::ed25519(text("/ed25519/pem")), "/ed25519/signature"),
            (WebhookKey::ed25519(text("/ed25519/raw_base64")), "/ed25519/signature"),
            (WebhookKey::ed25519(text("/ed25519/raw_hex")), "/ed25519/signature"),
            (WebhookKey::rsa_sha256(text("/rsa/spki")), "/rsa/sha256"),
            (WebhookKey::rsa_sha256(text("/rsa/pem")), "/rsa/sha256"),
            (WebhookKey::rsa_sha256(text("/rsa/pkcs1")), "/rsa/sha256"),
            (WebhookKey::insecure_rsa_sha1(text("/rsa/spki")), "/rsa/sha1"),
        ];
        let content = text("/text").as_bytes();
        for (key, of) in keys {
            let (key, signature) = (key.unwrap(), base64(made.pointer(of).unwrap()));
            assert!(key.signed(content, &signature).unwrap(), "{of}");
            assert!(!key.signed(&content[1..], &signature).unwrap(), "{of}");
            for at in 0..signature.len() {
                let mut other = signature.clone();
                other[at] ^= 1;
                assert!(!key.signed(content, &other).unwrap(), "{of}, byte {at}");
            }
            for wrong in [&[][..], &signature[1..], &[0; 64][..]] {
                assert!(!key.signed(content, wrong).unwrap(), "{of}");
            }
        }
    }

    #[test]
    fn a_hash_or_padding_is_not_taken_for_another() {
        let made = made();
        let content = made["text"].as_str().unwrap().as_bytes();
        let spki = made["rsa"]["spki"].as_str().unwrap();
        let (new, old) =
            (WebhookKey::rsa_sha256(spki).unwrap(), WebhookKey::insecure_rsa_sha1(spki).unwrap());
        let signature = |of: &str| base64(&made["rsa"][of]);
        assert!(!new.signed(content, &signature("sha1")).unwrap());
        assert!(!new.signed(content, &signature("pss")).unwrap());
        assert!(!old.signed(content, &signature("sha256")).unwrap());
    }

    #[test]
    fn what_is_no_key_of_the_kind_is_refused_when_it_is_configured() {
        let made = made();
        let rsa = made["rsa"]["spki"].as_str().unwrap();
        let p384 = made["ecdsa_p384_spki"].as_str().unwrap();
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "AAAA", "%", "-----BEGIN", private, rsa, p384] {
            let errors = [WebhookKey::ecdsa_p256(text).unwrap_err(), WebhookKey::ed25519(text).unwrap_err()];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
            }
        }
        assert!(WebhookKey::rsa_sha256(p384).is_err());
        assert!(WebhookKey::rsa_sha256(made["ecdsa_p256"]["spki"].as_str().unwrap()).is_err());
    }

    #[test]
    fn a_secret_is_text_or_base64_and_never_empty_nor_shown() {
        let made = made();
        let content = made["text"].as_str().unwrap().as_bytes();
        let signature = hex::decode(made["hmac_sha256_hex"].as_str().unwrap()).unwrap();
        let text = made["hmac_secret_text"].as_str().unwrap();
        let coded = STANDARD.encode(text);
        for key in [
            WebhookKey::hmac_sha256(text.into()),
            WebhookKey::hmac_sha256_base64(coded.as_str().into()),
            WebhookKey::hmac_sha256_base64(format!("whsec_{coded}").into()),
        ] {
            assert!(key.signed(content, &signature).unwrap());
            assert!(!key.signed(content, &signature[..31]).unwrap());
            assert!(!format!("{key:?}").contains("s3cret"));
        }
        assert!(!WebhookKey::hmac_sha256(coded.as_str().into()).signed(content, &signature).unwrap());
        for key in [
            WebhookKey::hmac_sha256("".into()),
            WebhookKey::hmac_sha256_base64("whsec_".into()),
            WebhookKey::hmac_sha256_base64("%".into()),
            WebhookKey::hmac_sha256(Secret::from_env("NOT_BOUND")),
        ] {
            assert_eq!(key.signed(content, &signature).unwrap_err().kind(), ErrorKind::Configuration);
        }
    }
}
