//! A certificate, in DER or PEM: what x509-cert takes as well, both read alike.
#![no_main]

use estelam::asn1::{Certificate, EXTENSIONS_MAX, KeyUsage};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode as _, Encode};
use x509_cert::ext::pkix;
use x509_cert::time::Time;

fuzz_target!(|input: &[u8]| {
    let budget = budget::for_input(input);
    if let Ok(ours) = budget::within(budget, || Certificate::from_der(input)) {
        exercise(&ours);
        if let Ok(theirs) = CertificateInner::<Raw>::from_der(input) {
            compare(&ours, &theirs);
        }
    }
    if let Ok(ours) = budget::within(budget, || Certificate::from_pem(input)) {
        exercise(&ours);
    }
});

fn exercise(ours: &Certificate) {
    assert!(ours.extensions().count() <= EXTENSIONS_MAX);
    assert!(!ours.serial_number().is_empty());
    let _ = (ours.ocsp_urls(), ours.issuer_id());
    let _ = (ours.authority_key_id(), ours.subject_key_id());
    let again = Certificate::from_der(ours.der()).expect("it was read before");
    assert_eq!(&again, ours);
}

fn compare(ours: &Certificate, theirs: &CertificateInner<Raw>) {
    let tbs = theirs.tbs_certificate();
    assert_eq!(ours.serial_number(), tbs.serial_number().as_bytes());
    assert_eq!(ours.issuer_der(), der(tbs.issuer()));
    assert_eq!(ours.subject_der(), der(tbs.subject()));
    assert_eq!(ours.spki_der(), der(tbs.subject_public_key_info()));
    let key = &tbs.subject_public_key_info().subject_public_key;
    assert_eq!(Some(ours.public_key_octets()), key.as_bytes());
    assert_eq!(
        ours.signature_algorithm_der(),
        der(theirs.signature_algorithm())
    );
    assert_eq!(Some(ours.signature()), theirs.signature().as_bytes());
    // They take defaults that are spelled out, and leave them out again.
    if der(theirs) == ours.der() {
        assert_eq!(ours.tbs_der(), der(tbs));
    }
    let secs = |time: &Time| time.to_unix_duration().as_secs();
    assert_eq!(
        ours.not_before().as_secs(),
        secs(&tbs.validity().not_before)
    );
    assert_eq!(ours.not_after().as_secs(), secs(&tbs.validity().not_after));

    if let Ok(Some((_, theirs))) = tbs.get_extension::<pkix::KeyUsage>() {
        let ours = ours.key_usage().expect("keyUsage");
        for (bit, theirs) in [
            (KeyUsage::DIGITAL_SIGNATURE, theirs.digital_signature()),
            (KeyUsage::KEY_CERT_SIGN, theirs.key_cert_sign()),
            (KeyUsage::CRL_SIGN, theirs.crl_sign()),
        ] {
            assert_eq!(ours.contains(bit), theirs);
        }
    }
    if let Ok(Some((_, theirs))) = tbs.get_extension::<pkix::BasicConstraints>() {
        assert_eq!(ours.is_ca(), theirs.ca);
    }
    if let Ok(Some((_, theirs))) = tbs.get_extension::<pkix::ExtendedKeyUsage>() {
        assert_eq!(ours.extended_key_usage(), theirs.0);
    }
    if let Ok(Some((_, theirs))) = tbs.get_extension::<pkix::SubjectKeyIdentifier>() {
        assert_eq!(ours.subject_key_id(), Some(theirs.0.as_bytes()));
    }
    if let Ok(Some((_, theirs))) = tbs.get_extension::<pkix::AuthorityKeyIdentifier>() {
        let theirs = theirs
            .key_identifier
            .as_ref()
            .map(|octets| octets.as_bytes());
        assert_eq!(ours.authority_key_id(), theirs);
    }
}

fn der(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("what was read can be written")
}
