//! Public keys that certificates are issued for (RFC 5280 §4.1.2.7, BR §6.1.1.3).

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ML_DSA_44 as VERIFIES_ML_DSA_44,
        ML_DSA_65 as VERIFIES_ML_DSA_65, ParsedPublicKey, VerificationAlgorithm,
    },
};
use hex_literal::hex;
use spki::{SubjectPublicKeyInfoRef, der::Decode as _};

use crate::{
    asn1::{
        ML_DSA_44, ML_DSA_65, PSS_SHA256, PSS_SHA384, PSS_SHA512, SignatureAlgorithm, put_header,
        tag, tlv_len, total,
    },
    signer::{Hash, KeyKind, PublicKeyError, Signer, key_kind, rsa_numbers},
};

/// A SubjectPublicKeyInfo in DER that was judged: a kind of key that is supported, long enough, sound.
///
/// Cheap to clone, so that many certificates can share one.
#[derive(Clone, Eq, PartialEq)]
pub struct SubjectKey {
    spki: Arc<[u8]>,
    kind: KeyKind,
    /// Where in `spki` the octets of the BIT STRING begin.
    key_start: usize,
    key_id: [u8; 20],
}

impl SubjectKey {
    /// A key from a SubjectPublicKeyInfo that fills `spki_der` exactly, kept as it is.
    ///
    /// # Errors
    /// [`SubjectKeyError`].
    pub fn from_spki(spki_der: &[u8]) -> Result<Self, SubjectKeyError> {
        let kind = key_kind(spki_der)?;
        let spki =
            SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| PublicKeyError::Malformed)?;
        let octets = spki.subject_public_key.raw_bytes();
        judge_octets(kind, octets)?;
        // The one way to write each key: nothing else would be read by every client.
        if encode(algorithm_of(kind)?, octets) != spki_der {
            return Err(SubjectKeyError::Parameters);
        }
        Ok(Self {
            key_start: spki_der.len().saturating_sub(octets.len()),
            key_id: key_id(octets),
            spki: spki_der.into(),
            kind,
        })
    }

    /// The public key of a signer; of an RSA key as a plain one, whatever it signs with.
    ///
    /// # Errors
    /// [`SubjectKeyError`] for a key that no certificate should be issued for.
    pub fn of_signer(signer: &dyn Signer) -> Result<Self, SubjectKeyError> {
        let algorithm = match signer.algorithm() {
            SignatureAlgorithm::EcdsaSha256P256 => EC_P256,
            SignatureAlgorithm::EcdsaSha384P384 => EC_P384,
            SignatureAlgorithm::Ed25519 => ED25519,
            SignatureAlgorithm::RsaPkcs1Sha256 { .. }
            | SignatureAlgorithm::RsaPssSha256 { .. }
            | SignatureAlgorithm::RsaPssSha384 { .. } => RSA,
            SignatureAlgorithm::MlDsa44 => ML_DSA_44,
            SignatureAlgorithm::MlDsa65 => ML_DSA_65,
        };
        Self::from_spki(&encode(algorithm, signer.public_key_octets()))
    }

    /// The whole SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The octets of the BIT STRING.
    #[must_use]
    pub fn public_key_octets(&self) -> &[u8] {
        self.spki.get(self.key_start..).unwrap_or_default()
    }

    /// The subjectKeyIdentifier: SHA-1 over the octets of the BIT STRING (RFC 5280 §4.2.1.2 (1)).
    ///
    /// SHA-1 rather than the longer hashes of RFC 7093, because the number is then the same as
    /// issuerKeyHash of a SHA-1 CertID and as a byKey responderID, and the same that OpenSSL and
    /// GnuTLS compute; nothing depends on it being free of collisions.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 20] {
        &self.key_id
    }

    pub(super) const fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(super) const fn is_rsa(&self) -> bool {
        matches!(self.kind, KeyKind::Rsa)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey")
            .field("kind", &self.kind)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// SHA-1 over the octets of a key's BIT STRING.
pub(super) fn key_id(public_key_octets: &[u8]) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, public_key_octets).as_ref());
    id
}

/// `SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }`
fn encode(algorithm: &[u8], octets: &[u8]) -> Vec<u8> {
    let bits_len = octets.len().saturating_add(1);
    let content_len = total([algorithm.len(), tlv_len(bits_len)]);
    let mut der = Vec::with_capacity(tlv_len(content_len));
    put_header(&mut der, tag::SEQUENCE, content_len);
    der.extend_from_slice(algorithm);
    put_header(&mut der, tag::BIT_STRING, bits_len);
    der.push(0);
    der.extend_from_slice(octets);
    der
}

const fn algorithm_of(kind: KeyKind) -> Result<&'static [u8], SubjectKeyError> {
    Ok(match kind {
        KeyKind::P256 => EC_P256,
        KeyKind::P384 => EC_P384,
        KeyKind::Ed25519 => ED25519,
        KeyKind::Rsa => RSA,
        KeyKind::RsaPss(None) => PSS_UNBOUND,
        KeyKind::RsaPss(Some(Hash::Sha256)) => PSS_SHA256,
        KeyKind::RsaPss(Some(Hash::Sha384)) => PSS_SHA384,
        KeyKind::RsaPss(Some(Hash::Sha512)) => PSS_SHA512,
        KeyKind::MlDsa44 => ML_DSA_44,
        KeyKind::MlDsa65 => ML_DSA_65,
        KeyKind::MlDsa87 => return Err(SubjectKeyError::MlDsa87),
        KeyKind::P521 => return Err(SubjectKeyError::P521),
    })
}

// RFC 5480 §2.1.1: id-ecPublicKey with the named curve.
const EC_P256: &[u8] = &hex!("3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107");
const EC_P384: &[u8] = &hex!("3010 0607 2a8648ce3d0201 0605 2b81040022");
// RFC 8410 §3: parameters absent.
const ED25519: &[u8] = &hex!("3005 0603 2b6570");
// RFC 3279 §2.3.1: parameters NULL.
const RSA: &[u8] = &hex!("300d 0609 2a864886f70d010101 0500");

// RFC 4055 §3.1: without parameters good for every hash.
const PSS_UNBOUND: &[u8] = &hex!("300b 0609 2a864886f70d01010a");

fn judge_octets(kind: KeyKind, octets: &[u8]) -> Result<(), SubjectKeyError> {
    let read = |algorithm: &'static dyn VerificationAlgorithm, error| {
        ParsedPublicKey::new(algorithm, octets)
            .map(|_| ())
            .map_err(|_| error)
    };
    match kind {
        KeyKind::P256 => read(&ECDSA_P256_SHA256_ASN1, SubjectKeyError::NotOnCurve),
        KeyKind::P384 => read(&ECDSA_P384_SHA384_ASN1, SubjectKeyError::NotOnCurve),
        KeyKind::P521 => Err(SubjectKeyError::P521),
        KeyKind::Ed25519 => judge_ed25519(octets),
        KeyKind::Rsa | KeyKind::RsaPss(_) => judge_rsa(octets),
        KeyKind::MlDsa44 => read(&VERIFIES_ML_DSA_44, PublicKeyError::Malformed.into()),
        KeyKind::MlDsa65 => read(&VERIFIES_ML_DSA_65, PublicKeyError::Malformed.into()),
        KeyKind::MlDsa87 => Err(SubjectKeyError::MlDsa87),
    }
}

/// A point of small order verifies signatures that nobody made.
fn judge_ed25519(octets: &[u8]) -> Result<(), SubjectKeyError> {
    let octets = octets.try_into().map_err(|_| PublicKeyError::Malformed)?;
    match ed25519_dalek::VerifyingKey::from_bytes(octets) {
        Ok(key) if key.is_weak() => Err(SubjectKeyError::SmallOrder),
        Ok(_) => Ok(()),
        Err(_) => Err(SubjectKeyError::NotOnCurve),
    }
}

/// BR §6.1.6: an odd exponent above 1, an odd modulus without small factors.
fn judge_rsa(octets: &[u8]) -> Result<(), SubjectKeyError> {
    let (modulus, exponent) = rsa_numbers(octets).ok_or(PublicKeyError::Malformed)?;
    let is_even = |number: &[u8]| number.last().is_none_or(|octet| octet % 2 == 0);
    if is_even(exponent) || exponent == [1] {
        return Err(SubjectKeyError::RsaExponent);
    }
    let divisor = (2..SMALL_FACTORS_END).find(|divisor| remainder(modulus, *divisor) == 0);
    divisor.map_or(Ok(()), |divisor| {
        Err(SubjectKeyError::RsaFactor { divisor })
    })
}

/// The remainder of a big-endian number; no divisor is 0.
fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest: u32, octet| {
        ((rest << 8) | u32::from(*octet)) % divisor
    })
}

/// BR §6.1.6: "have no factors smaller than 752". Divisors that are no primes change nothing.
const SMALL_FACTORS_END: u32 = 752;

/// Why no certificate is issued for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectKeyError {
    /// Not a key, of a kind that is not supported, or too short.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
    /// P-521 can be verified, but is not issued for: few clients read it.
    #[error("EC keys on the curve P-521 are not supported: use P-256 or P-384")]
    P521,
    /// ML-DSA-87 can be verified, but is not issued for: its signatures are larger than any need here.
    #[error("ML-DSA-87 keys are not supported: use ML-DSA-44 or ML-DSA-65")]
    MlDsa87,
    /// Other parameters than the standards name, or an encoding that is not DER.
    #[error(
        "its SubjectPublicKeyInfo is not encoded as RFC 3279, 4055, 5480, 8410 and 9881 demand"
    )]
    Parameters,
    /// Coordinates that are no point.
    #[error("its point is not on the curve")]
    NotOnCurve,
    /// An Ed25519 point of small order.
    #[error("its Ed25519 point has a small order, so that anybody can sign for it")]
    SmallOrder,
    /// An even RSA exponent, or 1.
    #[error("its RSA exponent is even or 1, so that signatures prove nothing")]
    RsaExponent,
    /// An RSA modulus with a small factor.
    #[error("its RSA modulus is divisible by {divisor}: the key was made wrongly")]
    RsaFactor {
        /// A divisor.
        divisor: u32,
    },
}
