//! PKCS#10: somebody's name and key, with the proof that he holds the private one (RFC 2986).

use const_oid::ObjectIdentifier;

use super::{Name, NameError, SubjectKey, SubjectKeyError, Wishes};
use crate::{
    asn1::{DerError, Elements, ExtensionError, PemError, distinct_extensions, pem_blocks, tag},
    signer::{Defect, check_signature},
};

/// A certification request whose signature was verified with the key in it.
///
/// ```text
/// CertificationRequest ::= SEQUENCE { certificationRequestInfo, signatureAlgorithm, signature }
/// CertificationRequestInfo ::= SEQUENCE { version INTEGER { v1(0) }, subject Name,
///     subjectPKInfo SubjectPublicKeyInfo, attributes [0] IMPLICIT SET OF Attribute }
/// Attribute ::= SEQUENCE { type OBJECT IDENTIFIER, values SET OF ANY }
/// ```
#[derive(Clone, Debug)]
pub struct Pkcs10 {
    subject: Name,
    key: SubjectKey,
    wishes: Wishes,
}

impl Pkcs10 {
    /// The longest request that is taken, in octets: one with an RSA key of 8192 bits and many names
    /// has a quarter of it.
    pub const OCTETS_MAX: usize = 64 * 1024;

    /// Reads a request that fills `der` exactly, and verifies its signature.
    ///
    /// # Errors
    /// [`Pkcs10Error`].
    pub fn from_der(der: &[u8]) -> Result<Self, Pkcs10Error> {
        if der.len() > Self::OCTETS_MAX {
            return Err(Pkcs10Error::TooLong);
        }
        let mut request = Elements::inside(der, tag::SEQUENCE)?;
        let info = request.required(tag::SEQUENCE)?;
        let algorithm = request.required(tag::SEQUENCE)?.der;
        let signature = request.required(tag::BIT_STRING)?.content;
        request.finish()?;
        let [0, signature @ ..] = signature else {
            return Err(DerError::BitString.into());
        };

        let mut fields = Elements::new(info.content);
        if fields.integer()? != [0] {
            return Err(Pkcs10Error::Version);
        }
        let subject = Name::from_der(fields.required(tag::SEQUENCE)?.der)?;
        let key = SubjectKey::from_spki(fields.required(tag::SEQUENCE)?.der)?;
        // [0] is not OPTIONAL, but clients exist that leave an empty one out.
        let attributes = fields.optional(tag::constructed(0))?;
        fields.finish()?;
        let wishes = attributes.map_or_else(
            || Ok(Wishes::default()),
            |attributes| read_wishes(attributes.content),
        )?;

        let with_key = (key.kind(), key.public_key_octets());
        check_signature(with_key, algorithm, info.der, signature).map_err(
            |defect| match defect {
                Defect::NotSignedByIssuer => Pkcs10Error::Signature,
                other => Pkcs10Error::Algorithm(other),
            },
        )?;
        Ok(Self {
            subject,
            key,
            wishes,
        })
    }

    /// Reads a PEM file that holds exactly one request, among whatever else.
    ///
    /// # Errors
    /// [`Pkcs10Error`].
    pub fn from_pem(text: &[u8]) -> Result<Self, Pkcs10Error> {
        let mut found = None;
        for block in pem_blocks(text) {
            let block = block?;
            if !matches!(
                block.label,
                "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
            ) {
                continue;
            }
            if found.replace(block.der).is_some() {
                return Err(Pkcs10Error::SeveralRequests);
            }
        }
        Self::from_der(&found.ok_or(Pkcs10Error::NoRequest)?)
    }

    /// The name that it asks for, as it came.
    #[must_use]
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key that it asks a certificate for.
    #[must_use]
    pub const fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// What else it would like.
    #[must_use]
    pub const fn wishes(&self) -> &Wishes {
        &self.wishes
    }
}

/// The attributes but for extensionRequest are of no use here: challengePassword and the like.
fn read_wishes(attributes: &[u8]) -> Result<Wishes, Pkcs10Error> {
    let mut wishes = Wishes::default();
    let mut attributes = Elements::new(attributes);
    let mut seen = false;
    while !attributes.is_empty() {
        let mut attribute = attributes.nested(tag::SEQUENCE)?;
        let oid = attribute.oid()?;
        let mut values = attribute.nested(tag::SET)?;
        attribute.finish()?;
        if oid != EXTENSION_REQUEST.as_bytes() {
            continue;
        }
        // SINGLE VALUE TRUE (RFC 2985 §5.4.2).
        if std::mem::replace(&mut seen, true) {
            return Err(Pkcs10Error::ExtensionRequestTwice);
        }
        let list = values.required(tag::SEQUENCE)?.content;
        values.finish()?;
        distinct_extensions(list, |extension| {
            wishes.add(&extension).map_err(Pkcs10Error::from)
        })?;
    }
    Ok(wishes)
}

/// RFC 2985 §5.4.2
pub(super) const EXTENSION_REQUEST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

/// Why a request was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs10Error {
    /// Not DER, or not a certification request.
    #[error("it is not a PKCS#10 certification request: {0}")]
    Der(#[from] DerError),
    /// A PEM block that cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A PEM file without a request.
    #[error("no PEM block in it is a CERTIFICATE REQUEST")]
    NoRequest,
    /// A PEM file with more than one.
    #[error("it holds several requests: leave only the one that is meant")]
    SeveralRequests,
    /// Longer than any real one.
    #[error("it is longer than {} octets", Pkcs10::OCTETS_MAX)]
    TooLong,
    /// Another version than v1(0).
    #[error("its version is not v1(0) (RFC 2986 §4.1)")]
    Version,
    /// A subject that cannot stand in a certificate.
    #[error("its subject cannot be used: {0}")]
    Subject(#[from] NameError),
    /// A key that certificates are not issued for.
    #[error("its key is refused: {0}")]
    Key(#[from] SubjectKeyError),
    /// The extensions that it asks for cannot be read.
    #[error("its extensionRequest cannot be read: {0}")]
    Extensions(#[from] ExtensionError),
    /// Two extensionRequest attributes.
    #[error("it has several extensionRequest attributes")]
    ExtensionRequestTwice,
    /// Signed with an algorithm that is not supported, or is broken.
    #[error("its signature cannot be verified: {0}")]
    Algorithm(#[source] Defect),
    /// Not signed with the key that it names: no proof of possession.
    #[error(
        "its signature does not verify with its own key: it was altered, or whoever made it does not \
         hold the private key"
    )]
    Signature,
}
