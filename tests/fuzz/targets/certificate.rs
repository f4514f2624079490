//! A certificate, in DER or PEM: what both readers take, they read alike.
#![no_main]

use estelam::asn1::{Certificate, KeyUsage};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix;

fuzz_target!(|input: &[u8]| {
    let ours = budget::within(budget::for_input(input), || Certificate::from_der(input));
    if let Ok(ours) = ours {
        exercise(&ours);
        if let Ok(theirs) =
            x509_cert::certificate::CertificateInner::<x509_cert::certificate::Raw>::from_der(input)
        {
            compare(&ours, &theirs);
        }
    }
    if let Ok(ours) = budget::within(budget::for_input(input), || Certificate::from_pem(input)) {
        exercise(&ours);
    }
});

fn exercise(ours: &Certificate) {
    let count = ours.extensions().count();
    assert!(count <= estelam::asn1::EXTENSIONS_MAX);
    assert!(!ours.serial_number().is_empty());
    assert!(ours.not_before() <= estelam::asn1::UnixTime::MAX);
    let _ = (ours.has_ocsp_nocheck(), ours.ocsp_urls(), ours.issuer_id());
    let _ = (ours.authority_key_id(), ours.subject_key_id());
    let again = Certificate::from_der(ours.der()).expect("it was read before");
    assert_eq!(&again, ours);
}

fn compare(
    ours: &Certificate,
    theirs: &x509_cert::certificate::CertificateInner<x509_cert::certificate::Raw>,
) {
    let tbs = theirs.tbs_certificate();
    let der = |value: &dyn Fn() -> Vec<u8>| value();
    assert_eq!(ours.serial_number(), tbs.serial_number().as_bytes());
    assert_eq!(ours.issuer_der(), der(&|| tbs.issuer().to_der().unwrap()));
    assert_eq!(ours.subject_der(), der(&|| tbs.subject().to_der().unwrap()));
    assert_eq!(
        ours.spki_der(),
        der(&|| tbs.subject_public_key_info().to_der().unwrap())
    );
    assert_eq!(ours.tbs_der(), der(&|| tbs.to_der().unwrap()));
    assert_eq!(Some(ours.signature()), theirs.signature().as_bytes());
    let secs = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    assert_eq!(
        ours.not_before().as_secs(),
        secs(&tbs.validity().not_before)
    );
    assert_eq!(ours.not_after().as_secs(), secs(&tbs.validity().not_after));
    if let Ok(Some((_, usage))) = tbs.get_extension::<pkix::KeyUsage>() {
        let ours = ours.key_usage().expect("keyUsage");
        for (bit, flag) in [(KeyUsage::DIGITAL_SIGNATURE, usage.digital_signature())] {
            assert_eq!(ours.contains(bit), flag);
        }
    }
    if let Ok(Some((_, constraints))) = tbs.get_extension::<pkix::BasicConstraints>() {
        assert_eq!(ours.is_ca(), constraints.ca);
    }
    if let Ok(Some((_, usage))) = tbs.get_extension::<pkix::ExtendedKeyUsage>() {
        assert_eq!(ours.extended_key_usage(), usage.0);
    }
}
