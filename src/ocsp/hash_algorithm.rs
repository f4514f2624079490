//! The hashes that CertIDs are made with.

use std::fmt;

use aws_lc_rs::digest;

/// A hash that a CertID may name its issuer by (RFC 9919 §3.1.1 requires the first two).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HashAlgorithm {
    /// id-sha1: what most clients still ask with.
    Sha1,
    /// id-sha256
    Sha256,
    /// id-sha384
    Sha384,
    /// id-sha512
    Sha512,
}

impl HashAlgorithm {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The content octets of its OBJECT IDENTIFIER.
    #[must_use]
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
            Self::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        }
    }

    /// The algorithm with this OID (content octets); `None` for one that CertIDs are not made with
    /// here.
    #[must_use]
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.oid() == oid)
    }

    /// The AlgorithmIdentifier with NULL parameters, as RFC 9919 appendix B has it: some clients
    /// compare CertIDs octet for octet.
    #[must_use]
    #[rustfmt::skip]
    pub const fn algorithm_identifier_der(self) -> &'static [u8] {
        match self {
            Self::Sha1 =>
                &[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00],
            Self::Sha256 =>
                &[0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
                  0x05, 0x00],
            Self::Sha384 =>
                &[0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
                  0x05, 0x00],
            Self::Sha512 =>
                &[0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
                  0x05, 0x00],
        }
    }

    /// Octets of a hash.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of `data`.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> HashValue {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        HashValue::new(digest::digest(algorithm, data).as_ref())
    }

    /// The octet that stands for it in files.
    #[must_use]
    pub const fn stored_code(self) -> u8 {
        match self {
            Self::Sha1 => 1,
            Self::Sha256 => 2,
            Self::Sha384 => 3,
            Self::Sha512 => 4,
        }
    }

    /// The algorithm that [`Self::stored_code`] wrote; `None` for an octet that it never writes.
    #[must_use]
    pub fn from_stored_code(code: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.stored_code() == code)
    }
}

/// `SHA-1`, `SHA-256`…
impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// A hash of up to 64 octets, in place.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct HashValue {
    octets: [u8; 64],
    len: u8,
}

impl HashValue {
    /// `octets`, or none of them when there are more than 64.
    #[inline]
    pub(super) fn new(octets: &[u8]) -> Self {
        let mut value = Self {
            octets: [0; 64],
            len: 0,
        };
        if let (Some(places), Ok(len)) = (
            value.octets.get_mut(..octets.len()),
            u8::try_from(octets.len()),
        ) {
            places.copy_from_slice(octets);
            value.len = len;
        }
        value
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512};
    use der::Decode;
    use hex_literal::hex;

    use super::*;

    #[test]
    fn identifiers_have_their_oid_and_null() {
        for (algorithm, oid) in HashAlgorithm::ALL
            .into_iter()
            .zip([ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512])
        {
            let der = algorithm.algorithm_identifier_der();
            let parsed = spki::AlgorithmIdentifierRef::from_der(der).unwrap();
            assert_eq!(parsed.oid, oid);
            assert!(parsed.parameters.is_some_and(|any| any.is_null()));
            assert_eq!(algorithm.oid(), oid.as_bytes());
            assert_eq!(HashAlgorithm::from_oid(oid.as_bytes()), Some(algorithm));
            assert_eq!(
                HashAlgorithm::from_stored_code(algorithm.stored_code()),
                Some(algorithm)
            );
            assert_eq!(
                algorithm.digest(b"").as_bytes().len(),
                algorithm.output_len()
            );
        }
        assert_eq!(HashAlgorithm::from_oid(&[0x2a]), None);
        assert_eq!(HashAlgorithm::from_stored_code(0), None);
    }

    #[test]
    fn digests_are_those_of_fips_180() {
        let sha1 = hex!("a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(HashAlgorithm::Sha1.digest(b"abc").as_bytes(), sha1);
        let sha256 = hex!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(HashAlgorithm::Sha256.digest(b"abc").as_bytes(), sha256);
    }
}
