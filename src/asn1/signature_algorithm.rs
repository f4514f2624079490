//! Signature algorithms: their AlgorithmIdentifier octets and the form in which signatures are kept.

/// An algorithm that responses and CRLs are signed with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 by a P-256 key (RFC 5758 §3.2).
    EcdsaSha256P256,
    /// ecdsa-with-SHA384 by a P-384 key (RFC 5758 §3.2).
    EcdsaSha384P384,
    /// Ed25519 (RFC 8410 §3).
    Ed25519,
    /// sha256WithRSAEncryption, PKCS#1 v1.5 (RFC 4055 §5).
    RsaPkcs1Sha256 {
        /// Octets of the modulus, so of every signature: 256 to 512.
        modulus_octets: u16,
    },
}

impl SignatureAlgorithm {
    /// The smallest and the largest RSA modulus, in octets: 2048 and 4096 bits.
    const MODULUS_OCTETS: std::ops::RangeInclusive<u16> = 256..=512;

    /// The AlgorithmIdentifier as it goes into a response: parameters absent for ECDSA (RFC 5758
    /// §3.2) and Ed25519 (RFC 8410 §3), NULL for RSA (RFC 4055 §5).
    #[must_use]
    #[rustfmt::skip]
    pub const fn algorithm_identifier_der(self) -> &'static [u8] {
        match self {
            Self::EcdsaSha256P256 =>
                &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
            Self::EcdsaSha384P384 =>
                &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
            Self::Ed25519 =>
                &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
            Self::RsaPkcs1Sha256 { .. } =>
                &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b,
                  0x05, 0x00],
        }
    }

    /// Octets of a signature as signers return it and files store it: r‖s for ECDSA, else the octets
    /// of the BIT STRING.
    #[must_use]
    pub fn stored_len(self) -> usize {
        match self {
            Self::EcdsaSha256P256 | Self::Ed25519 => 64,
            Self::EcdsaSha384P384 => 96,
            Self::RsaPkcs1Sha256 { modulus_octets } => usize::from(modulus_octets),
        }
    }

    /// Whether signatures are stored as r‖s and sent as a DER SEQUENCE.
    #[must_use]
    pub const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaSha256P256 | Self::EcdsaSha384P384)
    }

    /// The three octets that stand for it in files: a code, then the modulus length (0 unless RSA).
    #[must_use]
    pub const fn stored_code(self) -> [u8; 3] {
        match self {
            Self::EcdsaSha256P256 => [1, 0, 0],
            Self::EcdsaSha384P384 => [2, 0, 0],
            Self::Ed25519 => [3, 0, 0],
            Self::RsaPkcs1Sha256 { modulus_octets } => {
                let [high, low] = modulus_octets.to_be_bytes();
                [4, high, low]
            }
        }
    }

    /// The algorithm that [`Self::stored_code`] wrote; `None` for octets that it never writes.
    #[must_use]
    pub fn from_stored_code(code: [u8; 3]) -> Option<Self> {
        match code {
            [1, 0, 0] => Some(Self::EcdsaSha256P256),
            [2, 0, 0] => Some(Self::EcdsaSha384P384),
            [3, 0, 0] => Some(Self::Ed25519),
            [4, high, low] => {
                let modulus_octets = u16::from_be_bytes([high, low]);
                Self::MODULUS_OCTETS
                    .contains(&modulus_octets)
                    .then_some(Self::RsaPkcs1Sha256 { modulus_octets })
            }
            _ => None,
        }
    }
}

/// The name that operators know: `ecdsa-with-SHA256`, `sha256WithRSAEncryption`…
impl std::fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::EcdsaSha256P256 => "ecdsa-with-SHA256 (P-256)",
            Self::EcdsaSha384P384 => "ecdsa-with-SHA384 (P-384)",
            Self::Ed25519 => "Ed25519",
            Self::RsaPkcs1Sha256 { .. } => "sha256WithRSAEncryption",
        })
    }
}

#[cfg(test)]
mod tests {
    use const_oid::db::{
        rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, SHA_256_WITH_RSA_ENCRYPTION},
        rfc8410::ID_ED_25519,
    };
    use der::Decode;
    use spki::AlgorithmIdentifierRef;

    use super::*;

    const RSA: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1Sha256 {
        modulus_octets: 384,
    };

    #[test]
    fn identifiers_have_the_oid_and_parameters_of_their_rfc() {
        for (algorithm, oid, null) in [
            (
                SignatureAlgorithm::EcdsaSha256P256,
                ECDSA_WITH_SHA_256,
                false,
            ),
            (
                SignatureAlgorithm::EcdsaSha384P384,
                ECDSA_WITH_SHA_384,
                false,
            ),
            (SignatureAlgorithm::Ed25519, ID_ED_25519, false),
            (RSA, SHA_256_WITH_RSA_ENCRYPTION, true),
        ] {
            let der = algorithm.algorithm_identifier_der();
            let parsed = AlgorithmIdentifierRef::from_der(der).unwrap();
            assert_eq!(parsed.oid, oid);
            assert_eq!(parsed.parameters.is_some_and(|any| any.is_null()), null);
            assert_eq!(parsed.parameters.is_some(), null);
        }
    }

    #[test]
    fn stored_codes_come_back_and_others_do_not() {
        for algorithm in [
            SignatureAlgorithm::EcdsaSha256P256,
            SignatureAlgorithm::EcdsaSha384P384,
            SignatureAlgorithm::Ed25519,
            RSA,
        ] {
            let code = algorithm.stored_code();
            assert_eq!(SignatureAlgorithm::from_stored_code(code), Some(algorithm));
        }
        for code in [[0, 0, 0], [1, 0, 1], [4, 0, 255], [4, 2, 1], [5, 0, 0]] {
            assert_eq!(SignatureAlgorithm::from_stored_code(code), None);
        }
    }
}
