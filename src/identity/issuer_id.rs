//! The issuer of a certificate: its name and its key together.

use std::fmt;

use aws_lc_rs::digest;

/// SHA-256 over the issuer's DER `Name` followed by its DER `SubjectPublicKeyInfo`, both exactly as
/// its certificate carries them.
///
/// Both parts are self-delimiting DER, so no two issuers share the digest's input.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IssuerId([u8; 32]);

impl IssuerId {
    /// The id of the issuer whose certificate carries this subject and this key.
    #[must_use]
    pub fn new(subject_der: &[u8], subject_public_key_info_der: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(subject_der);
        context.update(subject_public_key_info_der);
        let mut id = [0; 32];
        id.copy_from_slice(context.finish().as_ref());
        Self(id)
    }

    /// An id read back from a file.
    #[must_use]
    pub const fn from_bytes(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets that files carry.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerId({self})")
    }
}
