//! OCSPRequest as x509-ocsp reads it, beside what the responder reads.

use der_07::oid::AssociatedOid as _;
use der_07::{Decode as _, Encode as _, ErrorKind};
use estelam::asn1::{DerError, ExtensionError};
use estelam::ocsp::{Nonce, OcspRequest, RequestError};

use x509_ocsp::ext::AcceptableResponses;

use crate::der;

/// Fails unless both readers agree, but for differences that are meant.
pub fn compare(body: &[u8], ours: Result<&OcspRequest<'_>, &RequestError>) {
    match (ours, x509_ocsp::OcspRequest::from_der(body)) {
        (Ok(ours), Ok(theirs)) => compare_values(ours, &theirs),
        (Err(_), Err(_)) => {}
        (Ok(ours), Err(error)) => assert!(
            theirs_is_stricter(body, ours, error),
            "they refuse: {error}"
        ),
        (Err(error), Ok(theirs)) => {
            assert!(ours_is_stricter(body, &theirs, error), "we refuse: {error}");
        }
    }
}

fn compare_values(ours: &OcspRequest<'_>, theirs: &x509_ocsp::OcspRequest) {
    assert_eq!(ours.is_signed(), theirs.optional_signature.is_some());
    let requests = &theirs.tbs_request.request_list;
    assert_eq!(ours.cert_ids().count(), requests.len());
    for (ours, theirs) in ours.cert_ids().zip(requests) {
        let theirs = &theirs.req_cert;
        assert_eq!(ours.issuer_name_hash, theirs.issuer_name_hash.as_bytes());
        assert_eq!(ours.issuer_key_hash, theirs.issuer_key_hash.as_bytes());
        assert_eq!(
            ours.der,
            theirs.to_der().expect("what was read can be written")
        );
        let serial = theirs.serial_number.as_bytes();
        // x509-cert drops the sign octet of what it takes for an unsigned number.
        assert!(
            ours.serial_number == serial || ours.serial_number.strip_prefix(&[0]) == Some(serial)
        );
        if let Some(algorithm) = ours.hash_algorithm {
            assert_eq!(algorithm.oid(), theirs.hash_algorithm.oid.as_bytes());
        }
    }
    match (ours.nonce(), theirs.nonce()) {
        (Nonce::Usable(ours), Some(theirs)) => assert_eq!(ours, theirs.0.as_bytes()),
        (Nonce::Absent | Nonce::Ignorable, None) => {}
        (ours, theirs) => panic!("nonce {ours:?}, and they read {theirs:?}"),
    }
}

/// Requests that are taken on purpose though they are not DER, or not as X.509 has it. What is opaque to
/// us (names, signatures, parameters of hashes that are not known) is not judged.
fn theirs_is_stricter(body: &[u8], ours: &OcspRequest<'_>, error: der_07::Error) -> bool {
    let tbs_request = der::content(body).and_then(der::content);
    let begins_with_request_list = tbs_request.and_then(|content| content.first()) == Some(&0x30);
    // const-oid has no room for arcs of more than 32 bits.
    matches!(error.kind(), ErrorKind::OidMalformed)
        || ours.is_signed()
        || !begins_with_request_list
        || ours
            .cert_ids()
            .any(|asked| asked.hash_algorithm.is_none() || asked.serial_number.len() > 20)
        || body.windows(3).any(|octets| octets == [0x01, 0x01, 0x00])
}

/// What is DER, and refused all the same; and what they take though they would not write it (`der` passes
/// over context-specific fields that it does not know).
fn ours_is_stricter(body: &[u8], theirs: &x509_ocsp::OcspRequest, error: &RequestError) -> bool {
    if theirs.to_der().ok().as_deref() != Some(body) {
        return true;
    }
    // They leave the values of extensions unread.
    let extensions = theirs.tbs_request.request_extensions.iter().flatten();
    let mut acceptable =
        extensions.filter(|extension| extension.extn_id == AcceptableResponses::OID);
    acceptable
        .any(|extension| AcceptableResponses::from_der(extension.extn_value.as_bytes()).is_err())
        || matches!(
            error,
            RequestError::TooLarge(_)
                | RequestError::Extensions(ExtensionError::Duplicate | ExtensionError::TooMany)
                // const-oid takes subidentifiers that begin with 0x80.
                | RequestError::Der(DerError::ObjectIdentifier)
                | RequestError::Extensions(ExtensionError::Der(DerError::ObjectIdentifier))
                | RequestError::NoCertId
                | RequestError::TooManyCertIds(_)
                | RequestError::HashLength(_)
                | RequestError::HashParameters
                | RequestError::UnknownCriticalExtension
                | RequestError::BasicNotAcceptable
                | RequestError::NonceLength(_)
                | RequestError::PreferredAlgorithms(_)
        )
}
