//! A response template as a segment stores it: there is one way to write each, and what is assembled has
//! the length that was announced.
#![no_main]

use estelam::ocsp::{CertStatus, Template};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stored: &[u8]| {
    let template = budget::within(budget::for_input(stored), || Template::from_bytes(stored));
    let Ok(template) = template else {
        return;
    };
    assert_eq!(template.to_bytes(), stored);

    let signature = vec![0x81; template.signature_algorithm().stored_len()];
    let (serial, status) = (&[0x01][..], CertStatus::Unknown);
    let mut body = Vec::new();
    let assembled = template.assemble(serial, &status, None, &signature, &mut body);
    assembled.expect("the signature has the right length");
    assert_eq!(body.capacity(), body.len());
    assert_eq!(
        estelam_fuzz::der::content(&body).map(<[u8]>::last),
        Some(body.last())
    );
});
