//! OCSPRequest (RFC 6960 §4.1.1, limited as RFC 9919 §3.1 and RFC 9654 §2.1 say).
//!
//! Strict DER with two exceptions that honest clients need: an explicit `version v1`, and an empty
//! list of extensions. Decoding borrows, allocates nothing and goes to a fixed depth; what is opaque
//! (requestorName, the signature, values of extensions that are not known) is not entered.

use const_oid::db::rfc6960::{
    ID_PKIX_OCSP_BASIC, ID_PKIX_OCSP_NONCE, ID_PKIX_OCSP_PREF_SIG_ALGS, ID_PKIX_OCSP_RESPONSE,
};

use super::{CertId, HashAlgorithm, Nonce, PreferredAlgorithms};
use crate::asn1::{DerError, Elements, Extension, ExtensionError, distinct_extensions, tag};

/// A request, borrowed from its octets.
///
/// ```text
/// OCSPRequest ::= SEQUENCE {
///     tbsRequest         TBSRequest,
///     optionalSignature  [0] EXPLICIT Signature OPTIONAL }
/// TBSRequest ::= SEQUENCE {
///     version            [0] EXPLICIT Version DEFAULT v1,
///     requestorName      [1] EXPLICIT GeneralName OPTIONAL,
///     requestList        SEQUENCE OF Request,
///     requestExtensions  [2] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OcspRequest<'a> {
    first: CertId<'a>,
    others: Elements<'a>,
    nonce: Nonce<'a>,
    preferred_algorithms: Option<PreferredAlgorithms<'a>>,
    is_signed: bool,
}

impl<'a> OcspRequest<'a> {
    /// Decodes a request that fills `body` exactly. Allocates nothing and cannot panic.
    ///
    /// # Errors
    /// [`RequestError`]; each is answered with `malformedRequest`.
    pub fn decode(body: &'a [u8], limits: &RequestLimits) -> Result<Self, RequestError> {
        if body.len() > limits.octets_max.max(limits.signed_octets_max) {
            return Err(RequestError::TooLarge(body.len()));
        }
        let mut request = Elements::inside(body, tag::SEQUENCE)?;
        let mut tbs_request = request.nested(tag::SEQUENCE)?;
        let signature = request.optional(tag::constructed(0))?;
        request.finish()?;
        let octets_max = match signature {
            None => limits.octets_max,
            Some(wrapper) => {
                check_signature(wrapper.content)?;
                limits.signed_octets_max
            }
        };
        if body.len() > octets_max {
            return Err(RequestError::TooLarge(body.len()));
        }

        if let Some(version) = tbs_request.optional(tag::constructed(0))? {
            check_version(version.content)?;
        }
        if let Some(wrapper) = tbs_request.optional(tag::constructed(1))? {
            // A GeneralName; of an unsigned request it says nothing (RFC 9919 §3.1.2).
            let mut name = Elements::new(wrapper.content);
            name.any()?;
            name.finish()?;
        }
        let mut request_list = tbs_request.nested(tag::SEQUENCE)?;
        let first = decode_request(&mut request_list)?;
        let others = request_list;
        let mut count: usize = 1;
        while !request_list.is_empty() {
            count = count.saturating_add(1);
            if count > limits.cert_ids_max {
                return Err(RequestError::TooManyCertIds(limits.cert_ids_max));
            }
            decode_request(&mut request_list)?;
        }
        let mut decoded = Self {
            first,
            others,
            nonce: Nonce::Absent,
            preferred_algorithms: None,
            is_signed: signature.is_some(),
        };
        if let Some(wrapper) = tbs_request.optional(tag::constructed(2))? {
            decoded.take_extensions(Elements::only(wrapper.content, tag::SEQUENCE)?.content)?;
        }
        tbs_request.finish()?;
        Ok(decoded)
    }

    /// The CertIDs in the order asked: at least one, at most [`RequestLimits::cert_ids_max`].
    #[must_use]
    pub fn cert_ids(&self) -> CertIds<'a> {
        CertIds {
            first: Some(self.first),
            others: self.others,
        }
    }

    /// The nonce.
    #[must_use]
    pub const fn nonce(&self) -> Nonce<'a> {
        self.nonce
    }

    /// Whether there is an optionalSignature. It is not verified (RFC 9919 §3.1.2 allows that).
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// id-pkix-ocsp-pref-sig-algs (RFC 6960 §4.4.7).
    #[must_use]
    pub const fn preferred_algorithms(&self) -> Option<PreferredAlgorithms<'a>> {
        self.preferred_algorithms
    }

    fn take_extensions(&mut self, list: &'a [u8]) -> Result<(), RequestError> {
        distinct_extensions(list, |extension| {
            let is = |oid: const_oid::ObjectIdentifier| extension.oid == oid.as_bytes();
            if is(ID_PKIX_OCSP_NONCE) {
                self.nonce = Nonce::from_extension_value(extension.value)?;
            } else if is(ID_PKIX_OCSP_RESPONSE) {
                check_acceptable_responses(extension.value)?;
            } else if is(ID_PKIX_OCSP_PREF_SIG_ALGS) {
                let list = PreferredAlgorithms::from_extension_value(extension.value)?;
                self.preferred_algorithms = Some(list);
            } else {
                refuse_critical(extension)?;
            }
            Ok(())
        })
    }
}

/// The CertIDs of a request, in the order asked.
#[derive(Clone, Debug)]
pub struct CertIds<'a> {
    first: Option<CertId<'a>>,
    others: Elements<'a>,
}

impl<'a> Iterator for CertIds<'a> {
    type Item = CertId<'a>;

    fn next(&mut self) -> Option<CertId<'a>> {
        // `OcspRequest::decode` has read them all, so the first error is the end.
        self.first
            .take()
            .or_else(|| decode_request(&mut self.others).ok())
    }
}

/// What a request may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestLimits {
    /// Octets of an unsigned request. Default 4 KiB: one CertID takes about 80, eight SHA-512 ones
    /// with a nonce about 1,500.
    pub octets_max: usize,
    /// Octets of a signed request, which may carry certificates. Default 64 KiB.
    pub signed_octets_max: usize,
    /// CertIDs in one request. Default 8.
    pub cert_ids_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            octets_max: 4 * 1024,
            signed_octets_max: 64 * 1024,
            cert_ids_max: 8,
        }
    }
}

/// `Request ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] EXPLICIT Extensions OPTIONAL }`
#[inline]
fn decode_request<'a>(list: &mut Elements<'a>) -> Result<CertId<'a>, RequestError> {
    if list.is_empty() {
        return Err(RequestError::NoCertId);
    }
    let mut request = list.nested(tag::SEQUENCE)?;
    let cert_id = CertId::decode(&mut request)?;
    if let Some(wrapper) = request.optional(tag::constructed(0))? {
        let list = Elements::only(wrapper.content, tag::SEQUENCE)?.content;
        // None is understood here: a service locator asks for forwarding, which is not done.
        distinct_extensions(list, refuse_critical)?;
    }
    request.finish()?;
    Ok(cert_id)
}

/// `Version ::= INTEGER { v1(0) }`. Spelled out it is not DER, since v1 is the default, but such
/// requests are seen in the wild.
fn check_version(content: &[u8]) -> Result<(), RequestError> {
    let mut fields = Elements::new(content);
    let version = fields.integer()?;
    fields.finish()?;
    if version == [0] {
        Ok(())
    } else {
        Err(RequestError::Version)
    }
}

/// `Signature ::= SEQUENCE { signatureAlgorithm AlgorithmIdentifier, signature BIT STRING,
/// certs [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }`
fn check_signature(content: &[u8]) -> Result<(), RequestError> {
    let mut fields = Elements::inside(content, tag::SEQUENCE)?;
    fields.required(tag::SEQUENCE)?;
    fields.required(tag::BIT_STRING)?;
    fields.optional(tag::constructed(0))?;
    Ok(fields.finish()?)
}

/// `AcceptableResponses ::= SEQUENCE OF OBJECT IDENTIFIER` (RFC 6960 §4.4.3): only the basic type can
/// be offered.
fn check_acceptable_responses(value: &[u8]) -> Result<(), RequestError> {
    let mut list = Elements::inside(value, tag::SEQUENCE)?;
    let mut has_basic = false;
    while !list.is_empty() {
        has_basic |= list.oid()? == ID_PKIX_OCSP_BASIC.as_bytes();
    }
    if has_basic {
        Ok(())
    } else {
        Err(RequestError::BasicNotAcceptable)
    }
}

fn refuse_critical(extension: Extension<'_>) -> Result<(), RequestError> {
    if extension.critical {
        Err(RequestError::UnknownCriticalExtension)
    } else {
        Ok(())
    }
}

/// Why a request was refused. Each is answered with `malformedRequest`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// More octets than [`RequestLimits`] allows. HTTP may have answered 413 before.
    #[error("the request has {0} octets, which is too many")]
    TooLarge(usize),
    /// Not the DER of an OCSPRequest.
    #[error("not a DER OCSPRequest: {0}")]
    Der(#[from] DerError),
    /// A list of extensions that is malformed, repeats one or has too many.
    #[error("the request's extensions: {0}")]
    Extensions(#[from] ExtensionError),
    /// A version other than v1.
    #[error("the request's version is not v1")]
    Version,
    /// An empty requestList.
    #[error("the request asks about no certificate")]
    NoCertId,
    /// More than [`RequestLimits::cert_ids_max`], the figure here.
    #[error("the request asks about more than {0} certificates")]
    TooManyCertIds(usize),
    /// A hash as long as its algorithm never makes it.
    #[error("a CertID's hash does not have the length of {0}")]
    HashLength(HashAlgorithm),
    /// Parameters other than NULL for a known hash.
    #[error("a CertID's hashAlgorithm has parameters")]
    HashParameters,
    /// A critical extension that is not understood (RFC 6960 §4.4).
    #[error("the request has a critical extension that is not understood")]
    UnknownCriticalExtension,
    /// Acceptable responses without id-pkix-ocsp-basic.
    #[error("the request does not accept basic responses")]
    BasicNotAcceptable,
    /// Something else in the place of PreferredSignatureAlgorithms.
    #[error("the request's list of preferred signature algorithms: {0}")]
    PreferredAlgorithms(DerError),
    /// A nonce of no octets, or of more than 128: how many.
    #[error("the request's nonce has {0} octets")]
    NonceLength(usize),
}

#[cfg(test)]
mod tests {
    use der_07::{Decode as _, Encode as _};
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        asn1::{Certificate, put_tlv},
        ocsp::{AlgorithmOffer, IssuerHashes},
    };

    // Written by hand from the ASN.1: our own encoder would share our own misreading.
    const SHA1: &[u8] = &hex!("3009 0605 2b0e03021a 0500");
    const SHA1_NO_PARAMETERS: &[u8] = &hex!("3007 0605 2b0e03021a");
    const SHA256: &[u8] = &hex!("300d 0609 608648016503040201 0500");
    const NONCE_OID: &[u8] = &hex!("0609 2b0601050507300102");

    fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        put_tlv(&mut out, tag, &parts.concat());
        out
    }

    fn cert_id(algorithm: &[u8], hash_len: usize, serial: &[u8]) -> Vec<u8> {
        let name = tlv(0x04, &[&vec![0x11; hash_len]]);
        let key = tlv(0x04, &[&vec![0x22; hash_len]]);
        tlv(0x30, &[algorithm, &name, &key, &tlv(0x02, &[serial])])
    }

    /// One request for serial 5 under SHA-1.
    fn one() -> Vec<u8> {
        tlv(0x30, &[&cert_id(SHA1, 20, &[5])])
    }

    /// An OCSPRequest from what comes before the requestList, the requestList's content, and what
    /// comes after it.
    fn request(before: &[u8], list: &[u8], after: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&tlv(0x30, &[before, &tlv(0x30, &[list]), after])])
    }

    fn with_extensions(list: &[&[u8]]) -> Vec<u8> {
        request(&[], &one(), &tlv(0xa2, &[&tlv(0x30, list)]))
    }

    fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
        let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
        tlv(0x30, &[oid, critical, &tlv(0x04, &[value])])
    }

    fn decode(body: &[u8]) -> Result<OcspRequest<'_>, RequestError> {
        OcspRequest::decode(body, &RequestLimits::default())
    }

    fn serials<'a>(request: &OcspRequest<'a>) -> Vec<&'a [u8]> {
        request
            .cert_ids()
            .map(|cert_id| cert_id.serial_number)
            .collect()
    }

    fn only_cert_id<'a>(request: &OcspRequest<'a>) -> CertId<'a> {
        let mut cert_ids = request.cert_ids();
        let only = cert_ids.next().unwrap();
        assert!(cert_ids.next().is_none());
        only
    }

    #[test]
    fn the_plainest_request_is_read() {
        let body = request(&[], &one(), &[]);
        let decoded = decode(&body).unwrap();
        let asked = only_cert_id(&decoded);
        assert_eq!(asked.hash_algorithm, Some(HashAlgorithm::Sha1));
        assert_eq!(
            (asked.issuer_name_hash, asked.issuer_key_hash),
            (&[0x11; 20][..], &[0x22; 20][..])
        );
        assert_eq!(
            (asked.serial_number, asked.der),
            (&[5][..], &cert_id(SHA1, 20, &[5])[..])
        );
        assert_eq!(
            (decoded.nonce(), decoded.is_signed()),
            (Nonce::Absent, false)
        );
        assert!(decoded.preferred_algorithms().is_none());
    }

    #[test]
    fn several_certificates_come_in_the_order_asked() {
        let list: Vec<u8> = [&[5][..], &[0x00, 0x80], &[7]]
            .iter()
            .flat_map(|serial| tlv(0x30, &[&cert_id(SHA256, 32, serial)]))
            .collect();
        let body = request(&[], &list, &[]);
        let decoded = decode(&body).unwrap();
        assert_eq!(serials(&decoded), [&[5][..], &[0x00, 0x80], &[7]]);
    }

    #[test]
    fn the_count_of_certificates_is_bounded() {
        assert!(decode(&request(&[], &one().repeat(8), &[])).is_ok());
        let nine = request(&[], &one().repeat(9), &[]);
        assert_eq!(decode(&nine).unwrap_err(), RequestError::TooManyCertIds(8));
        assert_eq!(
            decode(&request(&[], &[], &[])).unwrap_err(),
            RequestError::NoCertId
        );
    }

    #[test]
    fn absent_and_null_parameters_are_the_same_hash() {
        for algorithm in [SHA1, SHA1_NO_PARAMETERS] {
            let body = request(&[], &tlv(0x30, &[&cert_id(algorithm, 20, &[5])]), &[]);
            let asked = only_cert_id(&decode(&body).unwrap());
            assert_eq!(asked.issuer_hashes(), Some(issuer()));
            assert!(asked.is_of(&issuer()));
        }
    }

    /// The issuer that [`cert_id`] names.
    fn issuer() -> IssuerHashes {
        IssuerHashes::from_hashes(HashAlgorithm::Sha1, &[0x11; 20], &[0x22; 20]).unwrap()
    }

    #[test]
    fn an_unknown_hash_is_read_so_that_it_can_be_answered() {
        for algorithm in [
            &hex!("300c 0608 2a864886f70d0205 0500")[..], // MD5
            &hex!("300b 0609 608648016503040204"),        // SHA-224
            &hex!("300b 0603 2a0304 3004 0202 1234"),     // any parameters
        ] {
            let body = request(&[], &tlv(0x30, &[&cert_id(algorithm, 16, &[5])]), &[]);
            let asked = only_cert_id(&decode(&body).unwrap());
            assert_eq!((asked.hash_algorithm, asked.issuer_hashes()), (None, None));
            assert!(!asked.is_of(&issuer()));
        }
    }

    #[test]
    fn a_hash_of_another_length_is_malformed() {
        let body = request(&[], &tlv(0x30, &[&cert_id(SHA256, 20, &[5])]), &[]);
        assert_eq!(
            decode(&body).unwrap_err(),
            RequestError::HashLength(HashAlgorithm::Sha256)
        );
        let odd = hex!("300a 0605 2b0e03021a 020107");
        let body = request(&[], &tlv(0x30, &[&cert_id(&odd, 20, &[5])]), &[]);
        assert_eq!(decode(&body).unwrap_err(), RequestError::HashParameters);
    }

    #[test]
    fn serials_of_every_length_are_read_and_none_is_changed() {
        for serial in [
            &[0x00][..],
            &[0x01],
            &[0x7f],
            &[0x00, 0x80],
            &[0xff],
            &[0x7f; 20],
            &[0x01; 21],
            &[0x55; 300],
        ] {
            let body = request(&[], &tlv(0x30, &[&cert_id(SHA1, 20, serial)]), &[]);
            assert_eq!(serials(&decode(&body).unwrap()), [serial]);
        }
        for padded in [&[][..], &[0x00, 0x01], &[0xff, 0xff]] {
            let body = request(&[], &tlv(0x30, &[&cert_id(SHA1, 20, padded)]), &[]);
            assert_eq!(
                decode(&body).unwrap_err(),
                RequestError::Der(DerError::Integer)
            );
        }
    }

    #[test]
    fn only_version_1_is_answered_spelled_out_or_not() {
        assert!(decode(&request(&hex!("a003 020100"), &one(), &[])).is_ok());
        for version in [
            &hex!("a003 020101")[..],
            &hex!("a003 0201ff"),
            &hex!("a004 02020100"),
        ] {
            let body = request(version, &one(), &[]);
            assert_eq!(decode(&body).unwrap_err(), RequestError::Version);
        }
        for version in [
            &hex!("a000")[..],
            &hex!("a002 0200"),
            &hex!("a006 020100 020100"),
        ] {
            assert!(decode(&request(version, &one(), &[])).is_err());
        }
    }

    #[test]
    fn requestor_name_is_passed_over() {
        assert!(decode(&request(&hex!("a107 8205 612e636f6d"), &one(), &[])).is_ok());
        assert!(
            decode(&request(
                &hex!("a003 020100 a107 8205 612e636f6d"),
                &one(),
                &[]
            ))
            .is_ok()
        );
        for name in [
            &hex!("a100")[..],
            &hex!("a106 820161 820162"),
            &hex!("a107 8205 61 a003 020100"),
        ] {
            assert!(decode(&request(name, &one(), &[])).is_err());
        }
    }

    #[test]
    fn signed_requests_are_taken_and_flagged() {
        let tbs = tlv(0x30, &[&tlv(0x30, &[&one()])]);
        let signed = |signature: &[u8]| tlv(0x30, &[&tbs, &tlv(0xa0, &[signature])]);
        let ecdsa = hex!("300a 0608 2a8648ce3d040302");
        let bits = hex!("0303 00 abcd");
        assert!(
            decode(&signed(&tlv(0x30, &[&ecdsa, &bits])))
                .unwrap()
                .is_signed()
        );
        let certs = tlv(0xa0, &[&tlv(0x30, &[&vec![0x30; 6000]])]);
        let large = signed(&tlv(0x30, &[&ecdsa, &bits, &certs]));
        assert!(decode(&large).unwrap().is_signed());
        for signature in [
            &[][..],
            &ecdsa,
            &tlv(0x30, &[&ecdsa]),
            &tlv(0x30, &[&ecdsa, &bits, &bits]),
        ] {
            assert!(decode(&signed(signature)).is_err());
        }
    }

    #[test]
    fn octets_are_bounded_before_and_after_the_signature_is_seen() {
        let filler = extension(&hex!("0603 2a0304"), false, &vec![0; 5000]);
        let body = with_extensions(&[&filler]);
        assert_eq!(
            decode(&body).unwrap_err(),
            RequestError::TooLarge(body.len())
        );
        let body = vec![0x30; 64 * 1024 + 1];
        assert_eq!(
            decode(&body).unwrap_err(),
            RequestError::TooLarge(body.len())
        );
    }

    #[test]
    fn nonces_are_found() {
        let nonce = extension(NONCE_OID, false, &tlv(0x04, &[&[7; 32]]));
        assert_eq!(
            decode(&with_extensions(&[&nonce])).unwrap().nonce(),
            Nonce::Usable(&[7; 32])
        );
        let critical = extension(NONCE_OID, true, &tlv(0x04, &[&[7; 16]]));
        assert_eq!(
            decode(&with_extensions(&[&critical])).unwrap().nonce(),
            Nonce::Usable(&[7; 16])
        );
        let bare = extension(NONCE_OID, false, &[7; 16]);
        assert_eq!(
            decode(&with_extensions(&[&bare])).unwrap().nonce(),
            Nonce::Ignorable
        );
        let empty = extension(NONCE_OID, false, &[0x04, 0x00]);
        assert_eq!(
            decode(&with_extensions(&[&empty])).unwrap_err(),
            RequestError::NonceLength(0)
        );
    }

    #[test]
    fn acceptable_responses_must_list_the_basic_type() {
        let oid = &hex!("0609 2b0601050507300104");
        let basic = hex!("0609 2b0601050507300101");
        let other = hex!("0603 2a0304");
        let verdict = |list: &[&[u8]]| {
            let value = tlv(0x30, list);
            decode(&with_extensions(&[&extension(oid, false, &value)])).map(|_| ())
        };
        assert_eq!(verdict(&[&basic]), Ok(()));
        assert_eq!(verdict(&[&other, &basic]), Ok(()));
        assert_eq!(verdict(&[&other]), Err(RequestError::BasicNotAcceptable));
        assert_eq!(verdict(&[]), Err(RequestError::BasicNotAcceptable));
        assert!(verdict(&[&basic, &[0x05, 0x00]]).is_err());
    }

    #[test]
    fn preferred_algorithms_are_handed_on() {
        let value = hex!("300e 300c 300a 0608 2a8648ce3d040302");
        let extension = extension(&hex!("0609 2b0601050507300108"), false, &value);
        let body = with_extensions(&[&extension]);
        let preferred = decode(&body).unwrap().preferred_algorithms().unwrap();
        let offer = AlgorithmOffer::new(&value[4..], None).unwrap();
        assert!(preferred.begins_with(&offer));

        let body = with_extensions(&[&self::extension(
            &hex!("0609 2b0601050507300108"),
            false,
            &hex!("3002 0500"),
        )]);
        assert!(matches!(
            decode(&body),
            Err(RequestError::PreferredAlgorithms(_))
        ));
    }

    #[test]
    fn extensions_that_are_not_known_matter_only_when_critical() {
        let oid = &hex!("0603 2a0304");
        let (plain, critical) = (extension(oid, false, b"x"), extension(oid, true, b"x"));
        assert!(decode(&with_extensions(&[&plain])).is_ok());
        let unknown = RequestError::UnknownCriticalExtension;
        assert_eq!(decode(&with_extensions(&[&critical])).unwrap_err(), unknown);
        let single = |extension: &[u8]| {
            let wrapper = tlv(0xa0, &[&tlv(0x30, &[extension])]);
            let list = tlv(0x30, &[&cert_id(SHA1, 20, &[5]), &wrapper]);
            decode(&request(&[], &list, &[])).map(|_| ())
        };
        assert_eq!(single(&plain), Ok(()));
        assert_eq!(single(&critical), Err(unknown));
        let duplicate = RequestError::Extensions(ExtensionError::Duplicate);
        assert_eq!(
            single(&[plain.clone(), plain.clone()].concat()),
            Err(duplicate)
        );
        assert_eq!(
            decode(&with_extensions(&[&plain, &plain])).unwrap_err(),
            duplicate
        );
        // Empty lists are not DER, and harmless.
        assert!(decode(&with_extensions(&[])).is_ok());
        assert_eq!(single(&[]), Ok(()));
    }

    #[test]
    fn octets_after_the_end_are_refused_at_every_level() {
        let good = request(&[], &one(), &[]);
        assert!(decode(&[&good[..], &[0]].concat()).is_err());
        assert!(decode(&request(&[], &one(), &[0x05, 0x00])).is_err());
        assert!(decode(&request(&[], &[&one()[..], &[0x05, 0x00]].concat(), &[])).is_err());
        let list = tlv(0x30, &[&cert_id(SHA1, 20, &[5]), &[0x05, 0x00]]);
        assert!(decode(&request(&[], &list, &[])).is_err());
        for len in 0..good.len() {
            assert!(decode(&good[..len]).is_err(), "the first {len} octets");
        }
    }

    #[test]
    fn nesting_as_deep_as_the_body_allows_is_just_malformed() {
        let mut body = Vec::new();
        while body.len() < 4000 {
            body = tlv(0x30, &[&body]);
        }
        assert!(decode(&body).is_err());
        let mut name = hex!("8201 61").to_vec();
        while name.len() < 3500 {
            name = tlv(0xa4, &[&name]);
        }
        assert!(
            decode(&request(&tlv(0xa1, &[&name]), &one(), &[])).is_ok(),
            "opaque"
        );
    }

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    #[test]
    fn requests_of_openssl_are_read() {
        let issuer = Certificate::from_pem(&fixture("ca.pem")).unwrap();
        let names =
            |hash| IssuerHashes::new(hash, issuer.subject_der(), issuer.public_key_octets());
        let good = [&hex!("1f")[..], &[0; 18], &[1]].concat();
        let revoked = &hex!("00f2345678")[..];
        for (name, asked, nonce_len, is_signed) in [
            (
                "request-sha1.der",
                vec![(HashAlgorithm::Sha1, &good[..])],
                0,
                false,
            ),
            (
                "request-sha256-nonce.der",
                vec![(HashAlgorithm::Sha256, revoked)],
                16,
                false,
            ),
            (
                "request-three.der",
                vec![
                    (HashAlgorithm::Sha1, &good),
                    (HashAlgorithm::Sha1, revoked),
                    (HashAlgorithm::Sha384, &[0x7f]),
                ],
                0,
                false,
            ),
            (
                "request-signed.der",
                vec![(HashAlgorithm::Sha1, &good)],
                16,
                true,
            ),
        ] {
            let body = fixture(name);
            let decoded = decode(&body).unwrap();
            assert_eq!(decoded.is_signed(), is_signed, "{name}");
            match decoded.nonce() {
                Nonce::Usable(octets) => assert_eq!(octets.len(), nonce_len, "{name}"),
                other => assert_eq!((other, 0), (Nonce::Absent, nonce_len), "{name}"),
            }
            assert_eq!(decoded.cert_ids().count(), asked.len(), "{name}");
            for (cert_id, (hash, serial)) in decoded.cert_ids().zip(asked) {
                assert!(cert_id.is_of(&names(hash)), "{name}");
                assert_eq!(cert_id.serial_number, serial, "{name}");
            }
        }
    }

    /// A request with something of everything.
    fn rich() -> Vec<u8> {
        let nonce = extension(NONCE_OID, false, &tlv(0x04, &[&[7; 32]]));
        let acceptable = extension(
            &hex!("0609 2b0601050507300104"),
            false,
            &hex!("300b 0609 2b0601050507300101"),
        );
        let list = [one(), tlv(0x30, &[&cert_id(SHA256, 32, &[0, 0x80])])].concat();
        request(
            &hex!("a003 020100 a107 8205 612e636f6d"),
            &list,
            &tlv(0xa2, &[&tlv(0x30, &[&nonce, &acceptable])]),
        )
    }

    /// Decodes and, if that works, looks at everything; compares with another decoder where it can.
    fn exercise(body: &[u8]) {
        let ours = decode(body);
        let theirs = x509_ocsp::OcspRequest::from_der(body);
        let Ok(ours) = ours else { return };
        assert!((1..=8).contains(&ours.cert_ids().count()));
        for cert_id in ours.cert_ids() {
            assert!(!cert_id.serial_number.is_empty() && body.len() > cert_id.der.len());
            assert!(cert_id.hash_algorithm.is_none() || cert_id.issuer_hashes().is_some());
        }
        if let Ok(theirs) = theirs {
            assert_eq!(ours.is_signed(), theirs.optional_signature.is_some());
            let requests = &theirs.tbs_request.request_list;
            assert_eq!(ours.cert_ids().count(), requests.len());
            for (cert_id, request) in ours.cert_ids().zip(requests) {
                assert_eq!(
                    cert_id.issuer_name_hash,
                    request.req_cert.issuer_name_hash.as_bytes()
                );
                assert_eq!(
                    cert_id.issuer_key_hash,
                    request.req_cert.issuer_key_hash.as_bytes()
                );
                let serial = request.req_cert.serial_number.to_der().unwrap();
                let mut expected = Vec::new();
                put_tlv(&mut expected, 0x02, cert_id.serial_number);
                assert_eq!(serial, expected);
            }
        }
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            exercise(&body);
        }

        #[test]
        fn mutated_requests_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in prop::option::of(any::<prop::sample::Index>()),
            signed in any::<bool>(),
        ) {
            let mut body = if signed { fixture("request-signed.der") } else { rich() };
            for (place, octet) in changes {
                let place = place.index(body.len());
                body[place] = octet;
            }
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            exercise(&body);
        }
    }

    #[test]
    fn every_single_octet_change_is_survived() {
        let body = rich();
        assert!(decode(&body).is_ok());
        for place in 0..body.len() {
            for octet in 0..=255 {
                let mut changed = body.clone();
                changed[place] = octet;
                exercise(&changed);
            }
        }
    }
}
