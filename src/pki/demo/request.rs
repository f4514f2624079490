//! The URL by which a client gets the answer about one certificate (RFC 6960 appendix A.1).

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::DemoError;
use crate::{
    asn1::{Certificate, put_tlv, tag},
    config::read_certificate,
    identity::SerialNumber,
    ocsp::{HashAlgorithm, IssuerHashes},
};

/// `{url}/{escaped base64 of the OCSPRequest}`, with a SHA-1 CertID, which is what most clients send.
///
/// # Errors
/// [`DemoError::Record`] when the issuer's certificate cannot be read or `serial` is no serial number.
pub fn get_url(url: &str, issuer: &Path, serial: &str) -> Result<String, DemoError> {
    let refuse = |why: String| DemoError::Record {
        path: issuer.to_owned(),
        why,
    };
    let certificate = read_certificate(issuer).map_err(|error| refuse(error.to_string()))?;
    let serial = SerialNumber::from_hex(serial).map_err(|error| refuse(error.to_string()))?;
    let mut path = String::new();
    for character in STANDARD.encode(request(&certificate, &serial)).chars() {
        match character {
            '+' => path.push_str("%2B"),
            '/' => path.push_str("%2F"),
            '=' => path.push_str("%3D"),
            other => path.push(other),
        }
    }
    Ok(format!("{url}/{path}"))
}

/// An OCSPRequest for one certificate, without extensions (RFC 6960 §4.1.1).
fn request(issuer: &Certificate, serial: &SerialNumber) -> Vec<u8> {
    let hashes = IssuerHashes::new(
        HashAlgorithm::Sha1,
        issuer.subject_der(),
        issuer.public_key_octets(),
    );
    let mut cert_id = SHA1_IDENTIFIER.to_vec();
    put_tlv(&mut cert_id, tag::OCTET_STRING, hashes.name_hash());
    put_tlv(&mut cert_id, tag::OCTET_STRING, hashes.key_hash());
    put_tlv(&mut cert_id, tag::INTEGER, serial.as_bytes());
    // CertID, Request, requestList, tbsRequest, OCSPRequest: each a SEQUENCE of the one before.
    (0..5).fold(cert_id, |content, _| {
        let mut der = Vec::with_capacity(content.len().saturating_add(4));
        put_tlv(&mut der, tag::SEQUENCE, &content);
        der
    })
}

/// AlgorithmIdentifier of SHA-1 with NULL parameters.
const SHA1_IDENTIFIER: [u8; 11] = hex_literal::hex!("3009 06052b0e03021a 0500");
