//! CertID: the certificate an OCSP request asks about (RFC 6960 §4.1.1).

use super::{HashAlgorithm, IssuerHashes, request::RequestError};
use crate::asn1::{Elements, tag};

/// One CertID, borrowed from the request. It is well formed, not recognised: whether the issuer is
/// one that is answered for is decided in `responder`.
///
/// ```text
/// CertID ::= SEQUENCE {
///     hashAlgorithm   AlgorithmIdentifier,
///     issuerNameHash  OCTET STRING,
///     issuerKeyHash   OCTET STRING,
///     serialNumber    CertificateSerialNumber }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CertId<'a> {
    /// The hash; `None` for one that no issuer is known by here, so the answer is `unauthorized`.
    pub hash_algorithm: Option<HashAlgorithm>,
    /// Over the issuer's DER `Name`. As long as the hash is, if the hash is known.
    pub issuer_name_hash: &'a [u8],
    /// Over the issuer's subjectPublicKey bits. As long as the hash is, if the hash is known.
    pub issuer_key_hash: &'a [u8],
    /// serialNumber content octets, minimal, of any length: a leading 0x00 sign octet is kept.
    pub serial_number: &'a [u8],
    /// The whole CertID as asked, for the echo in a live answer.
    pub der: &'a [u8],
}

impl<'a> CertId<'a> {
    /// The issuer asked about, as the tables have it; `None` under a hash that is not known.
    #[must_use]
    pub fn issuer_hashes(&self) -> Option<IssuerHashes> {
        IssuerHashes::from_hashes(
            self.hash_algorithm?,
            self.issuer_name_hash,
            self.issuer_key_hash,
        )
    }

    /// Whether this asks about a certificate of the issuer with these hashes. Absent and NULL
    /// parameters of the hashAlgorithm are equal.
    #[must_use]
    #[inline]
    pub fn is_of(&self, issuer: &IssuerHashes) -> bool {
        self.hash_algorithm == Some(issuer.algorithm())
            && self.issuer_name_hash == issuer.name_hash()
            && self.issuer_key_hash == issuer.key_hash()
    }

    #[inline]
    pub(super) fn decode(fields: &mut Elements<'a>) -> Result<Self, RequestError> {
        let cert_id = fields.required(tag::SEQUENCE)?;
        let mut fields = Elements::new(cert_id.content);
        let hash_algorithm = hash_algorithm(fields.nested(tag::SEQUENCE)?)?;
        let issuer_name_hash = fields.required(tag::OCTET_STRING)?.content;
        let issuer_key_hash = fields.required(tag::OCTET_STRING)?.content;
        let serial_number = fields.integer()?;
        fields.finish()?;
        if let Some(hash) = hash_algorithm {
            let len = hash.output_len();
            if issuer_name_hash.len() != len || issuer_key_hash.len() != len {
                return Err(RequestError::HashLength(hash));
            }
        }
        Ok(Self {
            hash_algorithm,
            issuer_name_hash,
            issuer_key_hash,
            serial_number,
            der: cert_id.der,
        })
    }
}

/// `AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }`
#[inline]
fn hash_algorithm(mut fields: Elements<'_>) -> Result<Option<HashAlgorithm>, RequestError> {
    let algorithm = HashAlgorithm::from_oid(fields.oid()?);
    if !fields.is_empty() {
        let parameters = fields.any()?;
        // Absent and NULL mean the same (RFC 5754 §2); a known hash has no others.
        let is_null = parameters.tag == tag::NULL && parameters.content.is_empty();
        if algorithm.is_some() && !is_null {
            return Err(RequestError::HashParameters);
        }
    }
    fields.finish()?;
    Ok(algorithm)
}
