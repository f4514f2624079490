//! A PKCS#10 request, in DER or PEM, or (behind any octet that begins neither) a subject and attributes
//! that are put into a request with a sound key and signature: what x509-cert takes as well, both read
//! alike, and no wish is lost.
#![no_main]

use std::sync::LazyLock;

use estelam::pki::ca::{Pkcs10, Profile, SubjectKey, Wish};
use estelam::signer::{Signer as _, SoftwareSigner};
use estelam_fuzz::budget;
use estelam_fuzz::der::tlv;
use hex_literal::hex;
use libfuzzer_sys::fuzz_target;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::request::CertReq;

fuzz_target!(|input: &[u8]| {
    // What is refused for its signature was read whole; the rest is read again from its own DER.
    let budget = 16 * budget::for_input(input);
    match input {
        [0x30, ..] => compare(
            input,
            budget::within(budget, || Pkcs10::from_der(input)).ok(),
        ),
        [b'-', ..] => {
            let _read = budget::within(budget, || Pkcs10::from_pem(input));
        }
        [_, parts @ ..] => {
            let request = forge(parts);
            compare(&request, Pkcs10::from_der(&request).ok());
        }
        [] => {}
    }
});

fn compare(der: &[u8], ours: Option<Pkcs10>) {
    let Some(ours) = ours else { return };
    assert_eq!(
        SubjectKey::from_spki(ours.key().spki_der()).as_ref(),
        Ok(ours.key())
    );
    let _shown = ours.subject().to_string();
    let wishes = ours.wishes();
    let not_granted = wishes.not_granted(&Profile::DocumentSigning);
    assert_eq!(not_granted.contains(&Wish::Ca), wishes.ca);
    let names = wishes.dns_names.len() + wishes.ip_addresses.len() + wishes.other_names;
    assert_eq!(not_granted.contains(&Wish::Names(names)), names > 0);
    let Ok(theirs) = CertReq::from_der(der) else {
        return;
    };
    let (subject, key) = (
        theirs.info.subject.to_der(),
        theirs.info.public_key.to_der(),
    );
    assert_eq!(ours.subject().as_der(), subject.expect("it was read"));
    assert_eq!(ours.key().spki_der(), key.expect("it was read"));
}

/// `parts`, which begin with a subject, between version and key; signed.
fn forge(parts: &[u8]) -> Vec<u8> {
    let subject_len = match parts {
        [_, len, ..] if *len < 0x80 => parts.len().min(2 + usize::from(*len)),
        _ => 0,
    };
    let (subject, attributes) = parts.split_at(subject_len);
    let key = tlv(
        0x30,
        &[ED25519, &tlv(0x03, &[&[0], SIGNER.public_key_octets()])],
    );
    let attributes = tlv(0xa0, &[attributes]);
    let info = tlv(0x30, &[&[0x02, 0x01, 0x00], subject, &key, &attributes]);
    let mut signature = [0; 64];
    SIGNER.sign(&info, &mut signature).expect("a sound key");
    tlv(0x30, &[&info, ED25519, &tlv(0x03, &[&[0], &signature])])
}

/// The key of RFC 8410 §10.3.
static SIGNER: LazyLock<SoftwareSigner> = LazyLock::new(|| {
    let pkcs8 = hex!(
        "302e 020100 3005 0603 2b6570 0422 0420"
        "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
    );
    SoftwareSigner::from_pkcs8(&pkcs8).expect("a sound key")
});

const ED25519: &[u8] = &hex!("3005 0603 2b6570");
