//! OCSP on the wire (RFC 6960, profile RFC 9919): requests in, responses out.
//!
//! A request is decoded without copying or allocating ([`OcspRequest`], [`decode_get_path`]). A
//! response is either one of the constant error bodies ([`OcspResponseStatus`]), assembled from a
//! [`Template`] and a stored signature (the hot path), or built around the CertIDs of a request for
//! the live signer ([`response_data()`], [`basic_response()`]). No file, socket, key, clock or policy is
//! known here: which status is true and who may sign it is decided above.

mod basic_response;
mod cert_id;
mod cert_status;
#[cfg(test)]
mod encoding_tests;
mod extensions;
mod get_path;
mod hash_algorithm;
mod issuer_hashes;
mod nonce;
mod preferred_algorithms;
mod request;
mod responder_id;
mod response_data;
mod response_status;
mod template;

pub use basic_response::basic_response;
pub use cert_id::CertId;
pub use cert_status::CertStatus;
pub use extensions::{invalidity_date_extension, with_archive_cutoff};
pub use get_path::{GetPathError, decode_get_path};
pub use hash_algorithm::{HashAlgorithm, HashValue};
pub use issuer_hashes::IssuerHashes;
pub use nonce::Nonce;
pub use preferred_algorithms::{AlgorithmOffer, PreferredAlgorithms};
pub use request::{CertIds, OcspRequest, RequestError, RequestLimits};
pub use responder_id::ResponderId;
pub use response_data::{EncodeError, ResponseDataParams, SingleResponse, response_data};
pub use response_status::OcspResponseStatus;
pub use template::{Template, TemplateError, TemplateParams};
