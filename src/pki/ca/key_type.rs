//! The kinds of keys that are made here.

use std::{fmt, str::FromStr};

/// A kind of key pair. Shown and read as `ec-p256`, `ec-p384`, `ed25519`, `rsa-2048`, `rsa-3072`,
/// `rsa-4096`, `ml-dsa-44`, `ml-dsa-65`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum KeyType {
    /// ECDSA on P-256: small, fast, read by everything.
    #[default]
    EcP256,
    /// ECDSA on P-384.
    EcP384,
    /// Ed25519 (RFC 8410); not read by older clients.
    Ed25519,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ML-DSA-44 (RFC 9881): holds against quantum computers; read by few clients yet.
    MlDsa44,
    /// ML-DSA-65 (RFC 9881).
    MlDsa65,
}

impl KeyType {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::EcP256,
        Self::EcP384,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::MlDsa44,
        Self::MlDsa65,
    ];

    /// The name that people type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyType {
    type Err = KeyTypeError;

    fn from_str(text: &str) -> Result<Self, KeyTypeError> {
        Self::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| KeyTypeError {
                text: text.to_owned(),
            })
    }
}

/// A text that names no kind of key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{text:?} is no key type that can be made here: ec-p256, ec-p384, ed25519, rsa-2048, rsa-3072, \
     rsa-4096, ml-dsa-44 or ml-dsa-65"
)]
pub struct KeyTypeError {
    /// What was read.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for key_type in KeyType::ALL {
            assert_eq!(key_type.to_string().parse(), Ok(key_type));
        }
        assert_eq!("EC-P256".parse(), Ok(KeyType::EcP256));
        let error = "dsa".parse::<KeyType>().unwrap_err().to_string();
        assert!(
            error.contains("\"dsa\"") && error.contains("rsa-4096"),
            "{error}"
        );
    }
}
