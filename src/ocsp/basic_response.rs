//! Around tbsResponseData: BasicOCSPResponse inside ResponseBytes inside OCSPResponse (RFC 6960
//! §4.2.1).
//!
//! ```text
//! OCSPResponse ::= SEQUENCE {
//!     responseStatus      OCSPResponseStatus,
//!     responseBytes       [0] EXPLICIT ResponseBytes OPTIONAL }
//! ResponseBytes ::= SEQUENCE {
//!     responseType        OBJECT IDENTIFIER,  -- id-pkix-ocsp-basic
//!     response            OCTET STRING }      -- BasicOCSPResponse
//! BasicOCSPResponse ::= SEQUENCE {
//!     tbsResponseData     ResponseData,
//!     signatureAlgorithm  AlgorithmIdentifier,
//!     signature           BIT STRING,
//!     certs               [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
//! ```

use super::EncodeError;
use crate::asn1::{EcdsaSignature, SignatureAlgorithm, put_header, put_tlv, tag, tlv_len, total};

/// The whole successful OCSPResponse around a tbsResponseData that was signed.
///
/// `stored_signature` has the form that signers return: r‖s for ECDSA. Without `certificates` the
/// field is left out (the CA signs itself); a delegate's goes first.
///
/// # Errors
/// [`EncodeError::SignatureLength`] when the signature is not as long as the algorithm's are.
pub fn basic_response(
    tbs_response_data: &[u8],
    signature_algorithm: SignatureAlgorithm,
    stored_signature: &[u8],
    certificates: &[&[u8]],
) -> Result<Vec<u8>, EncodeError> {
    let signature = SignatureBits::new(signature_algorithm, stored_signature)?;
    let algorithm = signature_algorithm.algorithm_identifier_der();
    let certs = certs_der(certificates);
    let envelope = Envelope::around(total([
        tbs_response_data.len(),
        algorithm.len(),
        signature.der_len(),
        certs.len(),
    ]));
    let mut out = Vec::with_capacity(envelope.len());
    envelope.put(&mut out);
    out.extend_from_slice(tbs_response_data);
    out.extend_from_slice(algorithm);
    signature.put(&mut out);
    out.extend_from_slice(&certs);
    Ok(out)
}

/// `certs [0] EXPLICIT SEQUENCE OF Certificate`, or nothing.
pub(super) fn certs_der(certificates: &[&[u8]]) -> Vec<u8> {
    if certificates.is_empty() {
        return Vec::new();
    }
    let list = certificates.concat();
    let mut der = Vec::with_capacity(tlv_len(tlv_len(list.len())));
    put_header(&mut der, tag::constructed(0), tlv_len(list.len()));
    put_tlv(&mut der, tag::SEQUENCE, &list);
    der
}

/// Everything before tbsResponseData: the headers of five nested elements, the status and the type.
#[derive(Clone, Copy)]
pub(super) struct Envelope {
    basic_content: usize,
}

impl Envelope {
    /// responseStatus successful.
    const STATUS: [u8; 3] = [tag::ENUMERATED, 1, 0];
    /// responseType id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
    const TYPE: [u8; 11] = [
        tag::OBJECT_IDENTIFIER,
        9,
        0x2b,
        0x06,
        0x01,
        0x05,
        0x05,
        0x07,
        0x30,
        0x01,
        0x01,
    ];

    /// For a BasicOCSPResponse with this many content octets.
    #[inline]
    pub(super) const fn around(basic_content: usize) -> Self {
        Self { basic_content }
    }

    #[inline]
    const fn octet_string_content(self) -> usize {
        tlv_len(self.basic_content)
    }

    #[inline]
    const fn response_bytes_content(self) -> usize {
        Self::TYPE
            .len()
            .saturating_add(tlv_len(self.octet_string_content()))
    }

    #[inline]
    const fn response_content(self) -> usize {
        Self::STATUS
            .len()
            .saturating_add(tlv_len(tlv_len(self.response_bytes_content())))
    }

    /// Octets of the whole OCSPResponse.
    #[inline]
    pub(super) const fn len(self) -> usize {
        tlv_len(self.response_content())
    }

    /// Appends everything up to the first content octet of BasicOCSPResponse.
    #[inline]
    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_header(out, tag::SEQUENCE, self.response_content());
        out.extend_from_slice(&Self::STATUS);
        put_header(
            out,
            tag::constructed(0),
            tlv_len(self.response_bytes_content()),
        );
        put_header(out, tag::SEQUENCE, self.response_bytes_content());
        out.extend_from_slice(&Self::TYPE);
        put_header(out, tag::OCTET_STRING, self.octet_string_content());
        put_header(out, tag::SEQUENCE, self.basic_content);
    }
}

/// The signature BIT STRING, from the stored form.
#[derive(Clone, Copy)]
pub(super) enum SignatureBits<'a> {
    Ecdsa(EcdsaSignature<'a>),
    Octets(&'a [u8]),
}

impl<'a> SignatureBits<'a> {
    #[inline]
    pub(super) fn new(
        algorithm: SignatureAlgorithm,
        stored: &'a [u8],
    ) -> Result<Self, EncodeError> {
        let wrong_length = EncodeError::SignatureLength {
            expected: algorithm.stored_len(),
            actual: stored.len(),
        };
        if stored.len() != algorithm.stored_len() {
            return Err(wrong_length);
        }
        if algorithm.is_ecdsa() {
            EcdsaSignature::from_r_s(stored)
                .map(Self::Ecdsa)
                .ok_or(wrong_length)
        } else {
            Ok(Self::Octets(stored))
        }
    }

    #[inline]
    fn content_len(&self) -> usize {
        let octets = match self {
            Self::Ecdsa(signature) => signature.der_len(),
            Self::Octets(octets) => octets.len(),
        };
        octets.saturating_add(1)
    }

    #[inline]
    pub(super) fn der_len(&self) -> usize {
        tlv_len(self.content_len())
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_header(out, tag::BIT_STRING, self.content_len());
        out.push(0); // no unused bits
        match self {
            Self::Ecdsa(signature) => signature.put(out),
            Self::Octets(octets) => out.extend_from_slice(octets),
        }
    }
}
