//! Signature algorithms: their AlgorithmIdentifier octets and the form in which signatures are kept.

use hex_literal::hex;

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
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets (RFC 4055 §3).
    RsaPssSha256 {
        /// Octets of the modulus, so of every signature: 256 to 512.
        modulus_octets: u16,
    },
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 octets (RFC 4055 §3).
    RsaPssSha384 {
        /// Octets of the modulus, so of every signature: 256 to 512.
        modulus_octets: u16,
    },
    /// ML-DSA-44 over the message itself, with an empty context (RFC 9881 §2 and §3).
    MlDsa44,
    /// ML-DSA-65 over the message itself, with an empty context (RFC 9881 §2 and §3).
    MlDsa65,
}

impl SignatureAlgorithm {
    /// The smallest and the largest RSA modulus, in octets: 2048 and 4096 bits.
    const MODULUS_OCTETS: std::ops::RangeInclusive<u16> = 256..=512;

    /// The AlgorithmIdentifier as it goes into a response: parameters absent for ECDSA (RFC 5758
    /// §3.2), Ed25519 (RFC 8410 §3) and ML-DSA (RFC 9881 §2), NULL for RSA PKCS#1 v1.5 (RFC 4055 §5), all
    /// of them spelled out for RSASSA-PSS.
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
            Self::RsaPssSha256 { .. } => PSS_SHA256,
            Self::RsaPssSha384 { .. } => PSS_SHA384,
            Self::MlDsa44 => ML_DSA_44,
            Self::MlDsa65 => ML_DSA_65,
        }
    }

    /// Octets of a signature as signers return it and files store it: r‖s for ECDSA, else the octets
    /// of the BIT STRING.
    #[must_use]
    pub fn stored_len(self) -> usize {
        match self {
            Self::EcdsaSha256P256 | Self::Ed25519 => 64,
            Self::EcdsaSha384P384 => 96,
            Self::RsaPkcs1Sha256 { modulus_octets }
            | Self::RsaPssSha256 { modulus_octets }
            | Self::RsaPssSha384 { modulus_octets } => usize::from(modulus_octets),
            // FIPS 204 table 2.
            Self::MlDsa44 => 2_420,
            Self::MlDsa65 => 3_309,
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
            Self::RsaPkcs1Sha256 { modulus_octets } => Self::code_of_rsa(4, modulus_octets),
            Self::RsaPssSha256 { modulus_octets } => Self::code_of_rsa(5, modulus_octets),
            Self::RsaPssSha384 { modulus_octets } => Self::code_of_rsa(6, modulus_octets),
            Self::MlDsa44 => [7, 0, 0],
            Self::MlDsa65 => [8, 0, 0],
        }
    }

    const fn code_of_rsa(code: u8, modulus_octets: u16) -> [u8; 3] {
        let [high, low] = modulus_octets.to_be_bytes();
        [code, high, low]
    }

    /// The algorithm that [`Self::stored_code`] wrote; `None` for octets that it never writes.
    #[must_use]
    pub fn from_stored_code(code: [u8; 3]) -> Option<Self> {
        match code {
            [1, 0, 0] => Some(Self::EcdsaSha256P256),
            [2, 0, 0] => Some(Self::EcdsaSha384P384),
            [3, 0, 0] => Some(Self::Ed25519),
            [7, 0, 0] => Some(Self::MlDsa44),
            [8, 0, 0] => Some(Self::MlDsa65),
            [code, high, low] => {
                let modulus_octets = u16::from_be_bytes([high, low]);
                let algorithm = match code {
                    4 => Self::RsaPkcs1Sha256 { modulus_octets },
                    5 => Self::RsaPssSha256 { modulus_octets },
                    6 => Self::RsaPssSha384 { modulus_octets },
                    _ => return None,
                };
                Self::MODULUS_OCTETS
                    .contains(&modulus_octets)
                    .then_some(algorithm)
            }
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
            Self::RsaPssSha256 { .. } => "RSASSA-PSS with SHA-256",
            Self::RsaPssSha384 { .. } => "RSASSA-PSS with SHA-384",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
        })
    }
}

// The three that Mozilla's root store policy §5.1.1 allows: one hash throughout, a salt as long as it.
pub(crate) const PSS_SHA256: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040201 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040201 0500 a203 020120"
);
pub(crate) const PSS_SHA384: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040202 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040202 0500 a203 020130"
);
pub(crate) const PSS_SHA512: &[u8] = &hex!(
    "3041 0609 2a864886f70d01010a 3034"
    "a00f 300d 0609 608648016503040203 0500"
    "a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040203 0500 a203 020140"
);
// RFC 9881 §2: 2.16.840.1.101.3.4.3.17 to .19, parameters absent, the same for key and signature.
pub(crate) const ML_DSA_44: &[u8] = &hex!("300b 0609 608648016503040311");
pub(crate) const ML_DSA_65: &[u8] = &hex!("300b 0609 608648016503040312");
pub(crate) const ML_DSA_87: &[u8] = &hex!("300b 0609 608648016503040313");

#[cfg(test)]
mod tests {
    use const_oid::db::{
        fips204::{ID_ML_DSA_44, ID_ML_DSA_65},
        rfc5912::{ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, SHA_256_WITH_RSA_ENCRYPTION},
        rfc8410::ID_ED_25519,
    };
    use der::Decode;
    use spki::AlgorithmIdentifierRef;

    use super::*;

    const RSA: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1Sha256 {
        modulus_octets: 384,
    };
    const PSS_256: SignatureAlgorithm = SignatureAlgorithm::RsaPssSha256 {
        modulus_octets: 256,
    };
    const PSS_384: SignatureAlgorithm = SignatureAlgorithm::RsaPssSha384 {
        modulus_octets: 512,
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
            (SignatureAlgorithm::MlDsa44, ID_ML_DSA_44, false),
            (SignatureAlgorithm::MlDsa65, ID_ML_DSA_65, false),
        ] {
            let der = algorithm.algorithm_identifier_der();
            let parsed = AlgorithmIdentifierRef::from_der(der).unwrap();
            assert_eq!(parsed.oid, oid);
            assert_eq!(parsed.parameters.is_some_and(|any| any.is_null()), null);
            assert_eq!(parsed.parameters.is_some(), null);
        }
    }

    #[test]
    fn pss_parameters_say_one_hash_throughout() {
        use const_oid::db::rfc5912::{ID_MGF_1, ID_RSASSA_PSS, ID_SHA_256, ID_SHA_384};
        use der::asn1::{AnyRef, ContextSpecific};

        for (algorithm, hash, salt) in [(PSS_256, ID_SHA_256, 32_u8), (PSS_384, ID_SHA_384, 48)] {
            let der = algorithm.algorithm_identifier_der();
            let parsed = AlgorithmIdentifierRef::from_der(der).unwrap();
            assert_eq!(parsed.oid, ID_RSASSA_PSS);
            let mut fields = der::SliceReader::new(parsed.parameters.unwrap().value()).unwrap();
            let hashed =
                ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode(&mut fields).unwrap();
            let masked =
                ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode(&mut fields).unwrap();
            let salted = ContextSpecific::<u8>::decode(&mut fields).unwrap();
            der::Reader::finish(fields).unwrap();
            assert_eq!(hashed.value.oid, hash);
            assert_eq!(hashed.value.parameters, Some(AnyRef::NULL));
            assert_eq!(masked.value.oid, ID_MGF_1);
            let mask_hash: AlgorithmIdentifierRef<'_> =
                masked.value.parameters.unwrap().decode_as().unwrap();
            assert_eq!(mask_hash, hashed.value);
            assert_eq!(salted.value, salt);
        }
    }

    #[test]
    fn stored_codes_come_back_and_others_do_not() {
        for algorithm in [
            SignatureAlgorithm::EcdsaSha256P256,
            SignatureAlgorithm::EcdsaSha384P384,
            SignatureAlgorithm::Ed25519,
            RSA,
            PSS_256,
            PSS_384,
            SignatureAlgorithm::MlDsa44,
            SignatureAlgorithm::MlDsa65,
        ] {
            let code = algorithm.stored_code();
            assert_eq!(SignatureAlgorithm::from_stored_code(code), Some(algorithm));
        }
        for code in [
            [0, 0, 0],
            [1, 0, 1],
            [4, 0, 255],
            [4, 2, 1],
            [5, 0, 0],
            [6, 2, 1],
            [7, 1, 0],
            [8, 0, 1],
            [9, 1, 0],
        ] {
            assert_eq!(SignatureAlgorithm::from_stored_code(code), None);
        }
    }
}
