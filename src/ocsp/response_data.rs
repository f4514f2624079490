//! tbsResponseData for live answers: several CertIDs, echoed as they were asked (RFC 6960 §4.2.1).

use super::{
    CertStatus, ResponderId,
    cert_status::{GENERALIZED_TIME_LEN, put_generalized_time},
    extensions::{put_wrapped, response_extensions, sequence, wrapped_len},
};
use crate::asn1::{UnixTime, put_header, tag, tlv_len, total};

/// What is to be signed.
///
/// ```text
/// ResponseData ::= SEQUENCE {
///     version             [0] EXPLICIT Version DEFAULT v1,  -- left out
///     responderID         ResponderID,
///     producedAt          GeneralizedTime,
///     responses           SEQUENCE OF SingleResponse,
///     responseExtensions  [1] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseDataParams<'a> {
    /// The signer.
    pub responder_id: &'a ResponderId,
    /// When it is signed.
    pub produced_at: UnixTime,
    /// In the order that the certificates were asked for; at least one.
    pub responses: &'a [SingleResponse<'a>],
    /// The nonce octets to echo, without their OCTET STRING.
    pub nonce: Option<&'a [u8]>,
    /// Whether to say that serials never issued may be answered `revoked` (RFC 6960 §4.4.8).
    pub extended_revoke: bool,
}

/// The answer for one certificate.
///
/// ```text
/// SingleResponse ::= SEQUENCE {
///     certID            CertID,
///     certStatus        CertStatus,
///     thisUpdate        GeneralizedTime,
///     nextUpdate        [0] EXPLICIT GeneralizedTime OPTIONAL,
///     singleExtensions  [1] EXPLICIT Extensions OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SingleResponse<'a> {
    /// The whole CertID, octet for octet as it was asked.
    pub cert_id_der: &'a [u8],
    /// certStatus.
    pub status: CertStatus,
    /// When the status was known to be right.
    pub this_update: UnixTime,
    /// nextUpdate; RFC 9919 §3.2.4 wants it always.
    pub next_update: UnixTime,
    /// A whole `Extensions` SEQUENCE; an empty one is left out.
    pub single_extensions: Option<&'a [u8]>,
}

/// The DER of ResponseData: what is signed, and the first part of [`basic_response()`](super::basic_response()).
///
/// # Errors
/// [`EncodeError::NoResponse`] without a single response: an empty SEQUENCE is never written.
pub fn response_data(params: &ResponseDataParams<'_>) -> Result<Vec<u8>, EncodeError> {
    if params.responses.is_empty() {
        return Err(EncodeError::NoResponse);
    }
    let extensions = response_extensions(params.nonce, params.extended_revoke);
    let extensions = (!extensions.is_empty()).then(|| sequence(&extensions));
    let extensions = extensions.as_deref();
    let responses_len = (params.responses.iter())
        .map(|response| tlv_len(response.content_len()))
        .fold(0, usize::saturating_add);
    let content_len = total([
        params.responder_id.der_len(),
        GENERALIZED_TIME_LEN,
        tlv_len(responses_len),
        wrapped_len(extensions),
    ]);
    let mut out = Vec::with_capacity(tlv_len(content_len));
    put_header(&mut out, tag::SEQUENCE, content_len);
    params.responder_id.put(&mut out);
    put_generalized_time(&mut out, params.produced_at);
    put_header(&mut out, tag::SEQUENCE, responses_len);
    for response in params.responses {
        response.put(&mut out);
    }
    put_wrapped(&mut out, extensions);
    Ok(out)
}

impl SingleResponse<'_> {
    fn content_len(&self) -> usize {
        total([
            self.cert_id_der.len(),
            self.status.der_len(),
            UPDATES_LEN,
            wrapped_len(self.single_extensions),
        ])
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_header(out, tag::SEQUENCE, self.content_len());
        out.extend_from_slice(self.cert_id_der);
        self.status.put(out);
        put_updates(out, self.this_update, self.next_update);
        put_wrapped(out, self.single_extensions);
    }
}

/// Octets of thisUpdate and `[0] EXPLICIT` nextUpdate.
pub(super) const UPDATES_LEN: usize = GENERALIZED_TIME_LEN + tlv_len(GENERALIZED_TIME_LEN);

pub(super) fn put_updates(out: &mut Vec<u8>, this_update: UnixTime, next_update: UnixTime) {
    put_generalized_time(out, this_update);
    put_header(out, tag::constructed(0), GENERALIZED_TIME_LEN);
    put_generalized_time(out, next_update);
}

/// Why a response was not encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A stored signature that its algorithm cannot have made.
    #[error("a signature of {actual} octets where its algorithm makes {expected}")]
    SignatureLength {
        /// [`SignatureAlgorithm::stored_len`](crate::asn1::SignatureAlgorithm::stored_len).
        expected: usize,
        /// The octets given.
        actual: usize,
    },
    /// No SingleResponse.
    #[error("a response that answers nothing")]
    NoResponse,
    /// Single extensions that are no SEQUENCE.
    #[error("single extensions that are not one DER SEQUENCE")]
    SingleExtensions,
    /// A serialNumber without octets: no INTEGER is empty.
    #[error("an empty serial number")]
    EmptySerialNumber,
}
