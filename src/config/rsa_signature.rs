//! How an RSA key signs.

use std::fmt;

use serde::Deserialize;

/// `signature` of a signer or a CRL: how its RSA key signs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum RsaSignature {
    /// PKCS#1 v1.5 with SHA-256, which every client reads.
    Pkcs1,
    /// RSASSA-PSS with SHA-256, MGF1 over it and a salt of 32 octets.
    Pss,
    /// RSASSA-PSS with SHA-384, MGF1 over it and a salt of 48 octets. GnuTLS 3.7 takes every RSASSA-PSS in an OCSP
    /// answer for that with SHA-256, and refuses it.
    PssSha384,
}

/// As it is written in the configuration.
impl fmt::Display for RsaSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1 => "pkcs1",
            Self::Pss => "pss",
            Self::PssSha384 => "pss-sha384",
        })
    }
}
