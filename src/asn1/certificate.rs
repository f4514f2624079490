//! X.509 certificates, byte-exact (RFC 5280 §4.1).
//!
//! Names and keys are handed out as the very octets that the certificate carries: CertID hashes are
//! computed over them, and a name that was rebuilt from its parts would hash differently. Well-formed
//! is all that is judged here: no signature, no path, no profile, no clock.

use std::ops::Range;

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_AD_OCSP, ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS,
        ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
        ID_CE_SUBJECT_KEY_IDENTIFIER, ID_PE_AUTHORITY_INFO_ACCESS,
    },
};

use super::{
    DerError, Extension, ExtensionError, KeyUsage, PemError, TimeError, UnixTime,
    der_reader::{Element, Elements, tag},
    distinct_extensions, distribution_point_urls, pem_blocks,
};
use crate::identity::IssuerId;

/// A certificate: its DER, and where its parts lie.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: Range<usize>,
    serial_number: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    public_key: Range<usize>,
    extensions: Range<usize>,
    signature_algorithm: Range<usize>,
    signature: Range<usize>,
    not_before: UnixTime,
    not_after: UnixTime,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Vec<ObjectIdentifier>,
    is_ca: bool,
    is_v3: bool,
}

impl Certificate {
    /// Reads one certificate that fills `der` exactly.
    ///
    /// # Errors
    /// [`CertificateError`] when it is not DER, repeats an extension, or carries a keyUsage,
    /// extendedKeyUsage, basicConstraints, key identifier or authorityInfoAccess that cannot be read.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        let parts = Parts::decode(&der)?;
        let known = KnownExtensions::decode(parts.extensions)?;
        let at = |part: &[u8]| range_within(&der, part);
        Ok(Self {
            tbs: at(parts.tbs),
            serial_number: at(parts.serial_number),
            issuer: at(parts.issuer),
            subject: at(parts.subject),
            spki: at(parts.spki),
            public_key: at(parts.public_key),
            extensions: at(parts.extensions),
            signature_algorithm: at(parts.signature_algorithm),
            signature: at(parts.signature),
            not_before: parts.not_before,
            not_after: parts.not_after,
            key_usage: known.key_usage,
            extended_key_usage: known.extended_key_usage,
            is_ca: known.is_ca,
            is_v3: parts.is_v3,
            der,
        })
    }

    /// Reads a PEM file that holds exactly one certificate, among whatever else.
    ///
    /// # Errors
    /// [`CertificateError`], of [`Self::from_der`] or naming the fault of the file.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let mut found = None;
        for block in pem_blocks(text) {
            let block = block?;
            if !matches!(block.label, "CERTIFICATE" | "X509 CERTIFICATE") {
                continue;
            }
            if found.replace(block.der).is_some() {
                return Err(CertificateError::SeveralCertificates);
            }
        }
        Self::from_der(found.ok_or(CertificateError::NoCertificate)?)
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// tbsCertificate: the octets that are signed.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        self.part(&self.tbs)
    }

    /// The content octets of serialNumber; not checked for sign, length or minimal encoding.
    #[must_use]
    pub fn serial_number(&self) -> &[u8] {
        self.part(&self.serial_number)
    }

    /// issuer, the whole `Name`.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.part(&self.issuer)
    }

    /// subject, the whole `Name`.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.part(&self.subject)
    }

    /// subjectPublicKeyInfo, the whole SEQUENCE.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.part(&self.spki)
    }

    /// The octets of subjectPublicKey without tag, length and unused-bits octet: what issuerKeyHash
    /// and a byKey responderID are computed over (RFC 6960 §4.1.1, §4.2.1).
    #[must_use]
    pub fn public_key_octets(&self) -> &[u8] {
        self.part(&self.public_key)
    }

    /// signatureAlgorithm, the whole AlgorithmIdentifier (the same octets inside and outside of
    /// tbsCertificate).
    #[must_use]
    pub fn signature_algorithm_der(&self) -> &[u8] {
        self.part(&self.signature_algorithm)
    }

    /// The octets of signatureValue.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.part(&self.signature)
    }

    /// notBefore; the epoch for an earlier one.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// notAfter; the epoch for an earlier one.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The identity of what this certificate names, as an issuer: its subject and its key.
    #[must_use]
    pub fn issuer_id(&self) -> IssuerId {
        IssuerId::new(self.subject_der(), self.spki_der())
    }

    /// keyUsage, if there is one.
    #[must_use]
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The KeyPurposeIds of extendedKeyUsage; empty when there is none.
    #[must_use]
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage
    }

    /// pathLenConstraint of basicConstraints, 255 for a longer one.
    #[must_use]
    pub fn path_len(&self) -> Option<u8> {
        let extension = self.extension(&ID_CE_BASIC_CONSTRAINTS)?;
        let mut fields = Elements::inside(extension.value, tag::SEQUENCE).ok()?;
        fields.optional(tag::BOOLEAN).ok()?;
        match fields.integer().ok()? {
            [small] | [0, small] => Some(*small),
            _ => Some(u8::MAX),
        }
    }

    /// cA of basicConstraints; false when there is none.
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether its version is v3, the one that has extensions.
    #[must_use]
    pub const fn is_v3(&self) -> bool {
        self.is_v3
    }

    /// keyIdentifier of authorityKeyIdentifier.
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        let extension = self.extension(&ID_CE_AUTHORITY_KEY_IDENTIFIER)?;
        authority_key_id(extension.value).ok().flatten()
    }

    /// subjectKeyIdentifier.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        let extension = self.extension(&ID_CE_SUBJECT_KEY_IDENTIFIER)?;
        subject_key_id(extension.value).ok()
    }

    /// The URIs under id-ad-ocsp of authorityInfoAccess, in order.
    #[must_use]
    pub fn ocsp_urls(&self) -> Vec<&str> {
        self.extension(&ID_PE_AUTHORITY_INFO_ACCESS)
            .and_then(|extension| access_urls(extension.value, &ID_AD_OCSP).ok())
            .unwrap_or_default()
    }

    /// The URIs of cRLDistributionPoints, in order.
    #[must_use]
    pub fn crl_urls(&self) -> Vec<&str> {
        self.extension(&ID_CE_CRL_DISTRIBUTION_POINTS)
            .and_then(|extension| distribution_point_urls(extension.value).ok())
            .unwrap_or_default()
    }

    /// The extension with this OID.
    #[must_use]
    pub fn extension(&self, oid: &ObjectIdentifier) -> Option<Extension<'_>> {
        self.extensions()
            .find(|extension| extension.oid == oid.as_bytes())
    }

    /// Every extension, in order; each OID occurs once.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        let mut list = Elements::new(self.part(&self.extensions));
        // `from_der` has read the list, so the first error is its end.
        std::iter::from_fn(move || Extension::decode(&mut list).ok())
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("octets", &self.der.len())
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// ```text
/// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm AlgorithmIdentifier,
///     signatureValue BIT STRING }
/// TBSCertificate ::= SEQUENCE { version [0] EXPLICIT DEFAULT v1, serialNumber INTEGER,
///     signature AlgorithmIdentifier, issuer Name, validity SEQUENCE { notBefore, notAfter },
///     subject Name, subjectPublicKeyInfo, issuerUniqueID [1] OPTIONAL,
///     subjectUniqueID [2] OPTIONAL, extensions [3] EXPLICIT SEQUENCE OPTIONAL }
/// ```
struct Parts<'a> {
    is_v3: bool,
    tbs: &'a [u8],
    serial_number: &'a [u8],
    issuer: &'a [u8],
    not_before: UnixTime,
    not_after: UnixTime,
    subject: &'a [u8],
    spki: &'a [u8],
    public_key: &'a [u8],
    extensions: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn decode(der: &'a [u8]) -> Result<Self, CertificateError> {
        let mut certificate = Elements::inside(der, tag::SEQUENCE)?;
        let tbs = certificate.required(tag::SEQUENCE)?;
        let signature_algorithm = certificate.required(tag::SEQUENCE)?.der;
        let signature = octet_aligned(certificate.required(tag::BIT_STRING)?)?;
        certificate.finish()?;

        let mut fields = Elements::new(tbs.content);
        let version = fields.optional(tag::constructed(0))?;
        let serial_number = fields.required(tag::INTEGER)?.content;
        if serial_number.is_empty() {
            return Err(DerError::Integer.into());
        }
        if fields.required(tag::SEQUENCE)?.der != signature_algorithm {
            return Err(CertificateError::SignatureAlgorithmsDiffer);
        }
        let issuer = fields.required(tag::SEQUENCE)?.der;
        let mut validity = fields.nested(tag::SEQUENCE)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.finish()?;
        let subject = fields.required(tag::SEQUENCE)?.der;
        let spki = fields.required(tag::SEQUENCE)?;
        let mut spki_fields = Elements::new(spki.content);
        spki_fields.required(tag::SEQUENCE)?;
        let public_key = octet_aligned(spki_fields.required(tag::BIT_STRING)?)?;
        spki_fields.finish()?;
        fields.optional(tag::primitive(1))?;
        fields.optional(tag::primitive(2))?;
        let extensions = match fields.optional(tag::constructed(3))? {
            Some(wrapper) => Elements::only(wrapper.content, tag::SEQUENCE)?.content,
            None => &[],
        };
        fields.finish()?;

        Ok(Self {
            is_v3: version.is_some_and(|version| version.content == [tag::INTEGER, 1, 2]),
            tbs: tbs.der,
            serial_number,
            issuer,
            not_before,
            not_after,
            subject,
            spki: spki.der,
            public_key,
            extensions,
            signature_algorithm,
            signature,
        })
    }
}

/// What is read once, so that its accessors cannot fail.
#[derive(Default)]
struct KnownExtensions {
    key_usage: Option<KeyUsage>,
    extended_key_usage: Vec<ObjectIdentifier>,
    is_ca: bool,
}

impl KnownExtensions {
    fn decode(list: &[u8]) -> Result<Self, CertificateError> {
        let mut known = Self::default();
        distinct_extensions(list, |extension| {
            let value = extension.value;
            let is = |oid: &ObjectIdentifier| extension.oid == oid.as_bytes();
            let judged = if is(&ID_CE_KEY_USAGE) {
                KeyUsage::from_extension_value(value).map(|usage| known.key_usage = Some(usage))
            } else if is(&ID_CE_EXT_KEY_USAGE) {
                extended_key_usage(value).map(|usage| known.extended_key_usage = usage)
            } else if is(&ID_CE_BASIC_CONSTRAINTS) {
                is_ca(value).map(|is_ca| known.is_ca = is_ca)
            } else if is(&ID_CE_AUTHORITY_KEY_IDENTIFIER) {
                authority_key_id(value).map(|_| ())
            } else if is(&ID_CE_SUBJECT_KEY_IDENTIFIER) {
                subject_key_id(value).map(|_| ())
            } else if is(&ID_PE_AUTHORITY_INFO_ACCESS) {
                access_urls(value, &ID_AD_OCSP).map(|_| ())
            } else {
                Ok(())
            };
            judged.map_err(|source| CertificateError::ExtensionValue {
                oid: ObjectIdentifier::from_bytes(extension.oid).ok(),
                source,
            })
        })?;
        Ok(known)
    }
}

/// `ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId` (RFC 5280 §4.2.1.12)
fn extended_key_usage(value: &[u8]) -> Result<Vec<ObjectIdentifier>, DerError> {
    let mut list = Elements::inside(value, tag::SEQUENCE)?;
    let mut purposes = Vec::new();
    while !list.is_empty() || purposes.is_empty() {
        let purpose = ObjectIdentifier::from_bytes(list.oid()?);
        purposes.push(purpose.map_err(|_| DerError::ObjectIdentifier)?);
    }
    Ok(purposes)
}

/// `BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }`
fn is_ca(value: &[u8]) -> Result<bool, DerError> {
    let mut fields = Elements::inside(value, tag::SEQUENCE)?;
    let is_ca = match fields
        .optional(tag::BOOLEAN)?
        .map(|element| element.content)
    {
        None | Some([0x00]) => false, // A written FALSE: see `Extension`.
        Some([0xff]) => true,
        Some(_) => return Err(DerError::Boolean),
    };
    fields.optional(tag::INTEGER)?;
    fields.finish()?;
    Ok(is_ca)
}

/// `AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] OPTIONAL, authorityCertIssuer [1]
/// OPTIONAL, authorityCertSerialNumber [2] OPTIONAL }` (RFC 5280 §4.2.1.1)
pub(crate) fn authority_key_id(value: &[u8]) -> Result<Option<&[u8]>, DerError> {
    let mut fields = Elements::inside(value, tag::SEQUENCE)?;
    let key_id = fields.optional(tag::primitive(0))?;
    fields.optional(tag::constructed(1))?;
    fields.optional(tag::primitive(2))?;
    fields.finish()?;
    Ok(key_id.map(|element| element.content))
}

fn subject_key_id(value: &[u8]) -> Result<&[u8], DerError> {
    Ok(Elements::only(value, tag::OCTET_STRING)?.content)
}

/// `AuthorityInfoAccessSyntax ::= SEQUENCE OF SEQUENCE { accessMethod OBJECT IDENTIFIER,
/// accessLocation GeneralName }` (RFC 5280 §4.2.2.1): the locations that are URIs in ASCII.
fn access_urls<'a>(value: &'a [u8], method: &ObjectIdentifier) -> Result<Vec<&'a str>, DerError> {
    let mut list = Elements::inside(value, tag::SEQUENCE)?;
    let mut urls = Vec::new();
    while !list.is_empty() {
        let mut description = list.nested(tag::SEQUENCE)?;
        let is_method = description.oid()? == method.as_bytes();
        let location = description.any()?;
        description.finish()?;
        let is_uri = location.tag == tag::primitive(6) && location.content.is_ascii();
        if is_method && is_uri {
            urls.extend(std::str::from_utf8(location.content));
        }
    }
    Ok(urls)
}

/// A BIT STRING of whole octets.
fn octet_aligned(bit_string: Element<'_>) -> Result<&[u8], DerError> {
    match bit_string.content {
        [0, octets @ ..] if !octets.is_empty() => Ok(octets),
        _ => Err(DerError::BitString),
    }
}

/// `Time ::= CHOICE { utcTime, generalTime }`. A time before 1970 is taken as the epoch: such
/// certificates exist (PKITS has one of 1950), and no answer depends on how long before.
fn time(fields: &mut Elements<'_>) -> Result<UnixTime, CertificateError> {
    let element = fields.any()?;
    let time = match element.tag {
        tag::UTC_TIME => UnixTime::from_utc_time(element.content),
        tag::GENERALIZED_TIME => UnixTime::from_generalized_time(element.content),
        found => {
            let expected = tag::UTC_TIME;
            return Err(DerError::UnexpectedTag { expected, found }.into());
        }
    };
    match time {
        Err(TimeError::Range) => Ok(UnixTime::EPOCH),
        other => Ok(other?),
    }
}

/// Where `part`, a slice of `whole`, lies in it. An empty one may come from elsewhere.
fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    if part.is_empty() {
        return 0..0;
    }
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Why octets or a file are no certificate that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not the DER of a certificate.
    #[error("not a DER certificate: {0}")]
    Der(#[from] DerError),
    /// A list of extensions that RFC 5280 §4.2 does not allow.
    #[error("the certificate's extensions: {0}")]
    Extensions(#[from] ExtensionError),
    /// An extension that is needed and cannot be read.
    #[error("the certificate's extension {}: {source}", oid.map_or_else(String::new, |oid| oid.to_string()))]
    ExtensionValue {
        /// Which one.
        oid: Option<ObjectIdentifier>,
        /// What is wrong with its value.
        source: DerError,
    },
    /// notBefore or notAfter.
    #[error("the certificate's validity: {0}")]
    Time(#[from] TimeError),
    /// The AlgorithmIdentifier that is signed is not the one outside (RFC 5280 §4.1.1.2).
    #[error("the certificate names two different signature algorithms")]
    SignatureAlgorithmsDiffer,
    /// The PEM cannot be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The PEM file has no certificate.
    #[error("no certificate in the file")]
    NoCertificate,
    /// The PEM file has more than one certificate where one is asked for.
    #[error("more than one certificate in the file")]
    SeveralCertificates,
}

#[cfg(test)]
mod tests {
    use const_oid::db::rfc5280::ID_KP_OCSP_SIGNING;
    use der::{Decode, Encode};
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn load(name: &str) -> Certificate {
        Certificate::from_pem(&fixture(name)).unwrap()
    }

    #[test]
    fn every_part_is_what_another_parser_finds() {
        for name in ["ca.pem", "delegate.pem"] {
            let ours = load(name);
            let theirs = x509_cert::Certificate::from_der(ours.der()).unwrap();
            let tbs = theirs.tbs_certificate();
            assert_eq!(ours.tbs_der(), tbs.to_der().unwrap());
            assert_eq!(ours.serial_number(), tbs.serial_number().as_bytes());
            assert_eq!(ours.issuer_der(), tbs.issuer().to_der().unwrap());
            assert_eq!(ours.subject_der(), tbs.subject().to_der().unwrap());
            let spki = tbs.subject_public_key_info();
            assert_eq!(ours.spki_der(), spki.to_der().unwrap());
            assert_eq!(
                ours.public_key_octets(),
                spki.subject_public_key.raw_bytes()
            );
            let algorithm = theirs.signature_algorithm();
            assert_eq!(ours.signature_algorithm_der(), algorithm.to_der().unwrap());
            assert_eq!(ours.signature(), theirs.signature().raw_bytes());
            let secs = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
            assert_eq!(ours.not_before().as_secs(), secs(tbs.validity().not_before));
            assert_eq!(ours.not_after().as_secs(), secs(tbs.validity().not_after));
            let extensions = tbs.extensions().unwrap();
            assert_eq!(ours.extensions().count(), extensions.len());
            for (ours, theirs) in ours.extensions().zip(extensions) {
                assert_eq!(ours.oid, theirs.extn_id.as_bytes());
                assert_eq!(ours.critical, theirs.critical);
                assert_eq!(ours.value, theirs.extn_value.as_bytes());
            }
        }
    }

    #[test]
    fn a_delegate_is_told_from_its_ca() {
        let (ca, delegate) = (load("ca.pem"), load("delegate.pem"));
        assert_eq!(delegate.issuer_der(), ca.subject_der());
        assert_ne!(ca.issuer_id(), delegate.issuer_id());
        assert_eq!(
            ca.issuer_id(),
            IssuerId::new(ca.subject_der(), ca.spki_der())
        );

        assert!(ca.is_ca() && ca.extended_key_usage().is_empty());
        let usage = ca.key_usage().unwrap();
        assert!(usage.contains(KeyUsage::KEY_CERT_SIGN) && usage.contains(KeyUsage::CRL_SIGN));

        assert!(!delegate.is_ca());
        assert_eq!(delegate.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
        assert_eq!(delegate.extended_key_usage(), [ID_KP_OCSP_SIGNING]);
        assert_eq!(delegate.authority_key_id(), ca.subject_key_id());
        assert_eq!(delegate.ocsp_urls(), ["http://ocsp.example/"]);
        assert_eq!(ca.authority_key_id(), None);
        assert!(ca.ocsp_urls().is_empty());
    }

    #[test]
    fn a_pem_file_must_hold_exactly_one() {
        let (ca, delegate) = (fixture("ca.pem"), fixture("delegate.pem"));
        let two = [&ca[..], &delegate].concat();
        assert_eq!(
            Certificate::from_pem(&two),
            Err(CertificateError::SeveralCertificates)
        );
        assert_eq!(
            Certificate::from_pem(b"nothing"),
            Err(CertificateError::NoCertificate)
        );
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let with_key = [key, &ca[..]].concat();
        assert_eq!(Certificate::from_pem(&with_key), Certificate::from_pem(&ca));
        let cut = &ca[..ca.len() - 30];
        assert!(matches!(
            Certificate::from_pem(cut),
            Err(CertificateError::Pem(_))
        ));
    }

    /// A certificate of nothing but structure, with these extensions and notBefore.
    fn built(extensions: &[u8], not_before: &[u8]) -> Vec<u8> {
        let tlv = |tag, parts: &[&[u8]]| {
            let mut out = Vec::new();
            crate::asn1::put_tlv(&mut out, tag, &parts.concat());
            out
        };
        let algorithm = hex!("3005 0603 2b6570");
        let name = hex!("3000");
        let not_after = tlv(tag::GENERALIZED_TIME, &[b"20510101000000Z"]);
        let validity = tlv(tag::SEQUENCE, &[not_before, &not_after]);
        let spki = hex!("300b 3005 0603 2b6570 0302 0004");
        let extensions = match extensions {
            [] => Vec::new(),
            list => tlv(tag::constructed(3), &[&tlv(tag::SEQUENCE, &[list])]),
        };
        let head = hex!("a003 020102 0203 00ffff");
        let tbs = tlv(
            tag::SEQUENCE,
            &[
                &head,
                &algorithm,
                &name,
                &validity,
                &name,
                &spki,
                &extensions,
            ],
        );
        tlv(tag::SEQUENCE, &[&tbs, &algorithm, &hex!("0302 00aa")])
    }

    const NOT_BEFORE: &[u8] = b"\x17\x0d260101000000Z";

    #[test]
    fn a_certificate_without_extensions_allows_and_forbids_nothing() {
        let plain = Certificate::from_der(built(&[], NOT_BEFORE)).unwrap();
        assert_eq!(plain.serial_number(), [0x00, 0xff, 0xff]);
        assert_eq!(plain.extensions().count(), 0);
        assert!(!plain.is_ca() && plain.key_usage().is_none());
        assert_eq!(plain.not_after().to_string(), "2051-01-01T00:00:00Z");
    }

    #[test]
    fn a_start_before_1970_is_the_epoch() {
        let old = built(&[], b"\x17\x0d500101000000Z");
        assert_eq!(
            Certificate::from_der(old).unwrap().not_before(),
            UnixTime::EPOCH
        );
        let odd = built(&[], b"\x17\x0d261301000000Z");
        assert_eq!(
            Certificate::from_der(odd),
            Err(CertificateError::Time(TimeError::Date))
        );
    }

    #[test]
    fn extensions_that_matter_must_be_readable() {
        for broken in [
            &hex!("3009 0603 551d0f 0402 0300")[..], // keyUsage of no octets
            &hex!("3009 0603 551d25 0402 3000"),     // no purpose
            &hex!("300c 0603 551d13 0405 3003 010101"), // cA neither true nor false
            &hex!("300b 0603 551d23 0404 3002 0401"), // authorityKeyIdentifier
            &hex!("3009 0603 551d0e 0402 0401"),     // subjectKeyIdentifier
            &hex!("300e 0608 2b06010505070101 0402 0500"), // authorityInfoAccess
        ] {
            let error = Certificate::from_der(built(broken, NOT_BEFORE)).unwrap_err();
            assert!(
                matches!(error, CertificateError::ExtensionValue { .. }),
                "{error}"
            );
        }
        let duplicate = hex!("3009 0603 551d0e 0402 0400").repeat(2);
        assert_eq!(
            Certificate::from_der(built(&duplicate, NOT_BEFORE)),
            Err(CertificateError::Extensions(ExtensionError::Duplicate))
        );
    }

    #[test]
    fn two_signature_algorithms_are_one_too_many() {
        let mut der = built(&[], NOT_BEFORE);
        let last = der.len() - 5; // the last octet of the outer OID
        der[last] = 0x71;
        assert_eq!(
            Certificate::from_der(der),
            Err(CertificateError::SignatureAlgorithmsDiffer)
        );
    }

    proptest! {
        #[test]
        fn changed_certificates_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut der = load("delegate.pem").der().to_vec();
            for (place, octet) in changes {
                let place = place.index(der.len());
                der[place] = octet;
            }
            if let Some(cut) = cut {
                der.truncate(cut.index(der.len()));
            }
            if let Ok(read) = Certificate::from_der(der) {
                prop_assert!(!read.tbs_der().is_empty() && !read.spki_der().is_empty());
                prop_assert!(!read.serial_number().is_empty() && !read.signature().is_empty());
                prop_assert!(read.extensions().count() <= crate::asn1::EXTENSIONS_MAX);
            }
        }
    }
}
