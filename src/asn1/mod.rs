//! The few DER helpers that `der` and `x509-cert` lack: times, reasons, lengths, an element reader
//! that borrows, signature algorithms and byte-exact certificates.
//!
//! Everything here is about encodings. What a certificate may do, whom it speaks for and whether its
//! signature holds is decided above.

mod certificate;
mod certificate_url;
mod crl_number;
mod crl_reason;
mod der_len;
mod der_reader;
mod distribution_points;
mod ecdsa_signature;
mod extension;
mod key_usage;
mod pem;
mod signature_algorithm;
mod time;

pub(crate) use certificate::authority_key_id;
pub use certificate::{Certificate, CertificateError};
pub use certificate_url::{UrlError, judge_url};
pub use crl_number::{CrlNumber, CrlNumberError};
pub use crl_reason::CrlReason;
pub(crate) use der_len::total;
pub use der_len::{put_header, put_tlv, tlv_len};
pub use der_reader::DerError;
pub(crate) use der_reader::{Element, Elements, split_header, tag};
pub(crate) use distribution_points::distribution_point_urls;
pub use ecdsa_signature::EcdsaSignature;
pub(crate) use extension::distinct_extensions;
pub use extension::{EXTENSIONS_MAX, Extension, ExtensionError};
pub use key_usage::KeyUsage;
pub use pem::{PemBlock, PemError, pem_blocks};
pub use signature_algorithm::SignatureAlgorithm;
pub(crate) use signature_algorithm::{
    ML_DSA_44, ML_DSA_65, ML_DSA_87, PSS_SHA256, PSS_SHA384, PSS_SHA512,
};
pub use time::{TimeError, UnixTime};
