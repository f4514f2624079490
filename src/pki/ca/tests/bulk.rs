//! Ten thousand at once.

use std::time::Instant;

use super::*;

#[test]
fn ten_thousand_certificates_take_about_a_second_of_all_cores() {
    let root = root(KeyType::EcP256);
    let keys: Vec<SubjectKey> = (0..64).map(|_| subject_key(KeyType::EcP256)).collect();
    let requests: Vec<CertificateRequest> = (0..10_000)
        .map(|number| {
            let subject = named(&format!("شهروند {number}"));
            let key = keys[number % keys.len()].clone();
            CertificateRequest::new(subject, key, Profile::DocumentSigning, a_year())
        })
        .collect();
    let begun = Instant::now();
    let issued = root.issue_many(&requests, &mut UnrecordedSerials).unwrap();
    let took = begun.elapsed();
    assert_eq!(issued.len(), requests.len());
    let mut serials: Vec<Vec<u8>> = issued
        .iter()
        .zip(&requests)
        .map(|(der, request)| {
            let certificate = certificate(der);
            assert_eq!(certificate.subject_der(), request.subject.as_der());
            certificate.serial_number().to_vec()
        })
        .collect();
    assert!(
        serials
            .iter()
            .all(|serial| serial.len() == 16 && (1..0x80).contains(&serial[0]))
    );
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), requests.len());
    // Sign and verify cost 0.1 ms of one core; a busy machine is given a lot more.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
