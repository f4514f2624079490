//! A minimal CA: names, keys, PKCS#10 requests, profiles, certificates.
//!
//! A [`CertificateAuthority`] is a CA certificate with its key and the URLs that its certificates
//! name. What it issues follows from a [`Profile`] (RFC 5280 §4.2, BR §7.1.2): a request can wish for
//! names, never for rights. Names are carried byte for byte: the issuer of a certificate is the
//! subject of the CA's certificate as it stands there, a subject is the one of the request.
//!
//! A serial number is recorded durably before anything is signed with it ([`SerialRegister`]), so
//! that no certificate can exist whose status is not known. What a signer returned is verified, and
//! the finished certificate is read again and judged, before it is handed out.
//!
//! No certificate outlives its CA or begins before it: such a [`Validity`] is refused, and
//! [`Validity::clamped_to`] is there for who would rather have it cut.

mod authority;
mod build;
mod delegate_request;
mod error;
mod extensions;
mod generated_key;
mod key_type;
mod lint;
mod name;
mod name_builder;
mod name_text;
mod pkcs10;
mod profile;
mod serial_register;
mod subject_key;
#[cfg(test)]
mod tests;
mod urls;
mod validity;
mod wishes;

pub use authority::{CertificateAuthority, CertificateRequest, RootRequest};
pub use delegate_request::delegate_request;
pub use error::{Breach, CaError};
pub use generated_key::{GeneratedKey, KeyGenerationError};
pub use key_type::{KeyType, KeyTypeError};
pub use name::{Attribute, Name, NameError};
pub use name_builder::{AttributeType, NameBuilder};
pub use pkcs10::{Pkcs10, Pkcs10Error};
pub use profile::{Profile, ProfileError};
pub use serial_register::{
    IssuedCertificate, PlannedCertificate, RegisterError, SerialRegister, SinkRegister,
    UnrecordedSerials,
};
pub use subject_key::{SubjectKey, SubjectKeyError};
pub use urls::Urls;
pub use validity::{Validity, ValidityError};
pub use wishes::{Wish, Wishes};
