//! What a certificate is for, and what follows from it (RFC 5280 §4.2, BR §7.1.2).

use std::net::IpAddr;

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_KP_CLIENT_AUTH, ID_KP_CODE_SIGNING, ID_KP_OCSP_SIGNING, ID_KP_SERVER_AUTH,
        ID_KP_TIME_STAMPING,
    },
};

use super::{AttributeType, Name, SubjectKey};
use crate::asn1::KeyUsage;

/// A kind of certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// A person who signs documents. keyUsage digitalSignature and nonRepudiation; no
    /// extendedKeyUsage, so that every verifier of documents and of S/MIME takes it.
    DocumentSigning,
    /// An official who signs documents: the same, with title, givenName, surname, serialNumber and
    /// organizationIdentifier in the subject.
    DocumentSigningOfficial,
    /// A TLS server with these names; at least one.
    TlsServer {
        /// dNSName: host names in ASCII (A-labels), a leading `*.` allowed.
        dns_names: Vec<String>,
        /// iPAddress
        ip_addresses: Vec<IpAddr>,
    },
    /// A TLS client.
    TlsClient,
    /// A signer of programs.
    CodeSigning,
    /// A time stamping unit: extendedKeyUsage critical and alone (RFC 3161 §2.3).
    Timestamping,
    /// A delegate that signs OCSP answers for the CA that issues it (BR §7.1.2.8): nocheck, and no
    /// AIA, CRLDP or names, since nobody can ask for its status. Keep it short-lived.
    OcspSigning,
    /// A CA below this one.
    IntermediateCa {
        /// pathLenConstraint: how many CAs may follow below it.
        path_len: Option<u8>,
    },
    /// A self-signed CA.
    Root {
        /// pathLenConstraint.
        path_len: Option<u8>,
    },
}

/// The keyUsage bits of RFC 5280 §4.2.1.3, the first bit highest.
const DIGITAL_SIGNATURE: u8 = 0x80;
const NON_REPUDIATION: u8 = 0x40;
const KEY_ENCIPHERMENT: u8 = 0x20;
const KEY_CERT_SIGN: u8 = 0x04;
const CRL_SIGN: u8 = 0x02;

impl Profile {
    /// A TLS server with one host name.
    #[must_use]
    pub fn tls_server(dns_name: impl Into<String>) -> Self {
        Self::TlsServer {
            dns_names: vec![dns_name.into()],
            ip_addresses: Vec::new(),
        }
    }

    /// Whether it is that of a CA.
    #[must_use]
    pub const fn is_ca(&self) -> bool {
        matches!(self, Self::IntermediateCa { .. } | Self::Root { .. })
    }

    /// Its one extendedKeyUsage, if it has one.
    #[must_use]
    pub const fn purpose(&self) -> Option<ObjectIdentifier> {
        match self {
            Self::TlsServer { .. } => Some(ID_KP_SERVER_AUTH),
            Self::TlsClient => Some(ID_KP_CLIENT_AUTH),
            Self::CodeSigning => Some(ID_KP_CODE_SIGNING),
            Self::Timestamping => Some(ID_KP_TIME_STAMPING),
            Self::OcspSigning => Some(ID_KP_OCSP_SIGNING),
            Self::DocumentSigning
            | Self::DocumentSigningOfficial
            | Self::IntermediateCa { .. }
            | Self::Root { .. } => None,
        }
    }

    /// pathLenConstraint of a CA's profile.
    pub(super) const fn path_len(&self) -> Option<u8> {
        match self {
            Self::IntermediateCa { path_len } | Self::Root { path_len } => *path_len,
            _ => None,
        }
    }

    /// The first octet of keyUsage; no profile sets decipherOnly, the one bit of the second.
    pub(super) fn key_usage_bits(&self, key: &SubjectKey) -> u8 {
        match self {
            Self::DocumentSigning | Self::DocumentSigningOfficial => {
                DIGITAL_SIGNATURE | NON_REPUDIATION
            }
            // RSA key transport of TLS 1.2; the other keys cannot encipher (RFC 8410 §5, RFC 5480 §3).
            Self::TlsServer { .. } if key.is_rsa() => DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
            Self::TlsServer { .. }
            | Self::TlsClient
            | Self::CodeSigning
            | Self::Timestamping
            | Self::OcspSigning => DIGITAL_SIGNATURE,
            Self::IntermediateCa { .. } | Self::Root { .. } => KEY_CERT_SIGN | CRL_SIGN,
        }
    }

    /// What keyUsage has to contain, for the check of the finished certificate.
    pub(super) const fn required_usages(&self) -> &'static [KeyUsage] {
        if self.is_ca() {
            &[KeyUsage::KEY_CERT_SIGN, KeyUsage::CRL_SIGN]
        } else {
            &[KeyUsage::DIGITAL_SIGNATURE]
        }
    }

    /// Whether the certificate names where its status is asked.
    pub(super) const fn names_status_urls(&self) -> bool {
        !matches!(self, Self::OcspSigning | Self::Root { .. })
    }

    /// Whether subject and alternative names fit the profile.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub(super) fn judge(&self, subject: &Name) -> Result<(), ProfileError> {
        match self {
            Self::TlsServer {
                dns_names,
                ip_addresses,
            } => {
                if dns_names.is_empty() && ip_addresses.is_empty() {
                    return Err(ProfileError::NoAlternativeName);
                }
                match dns_names.iter().find(|name| !is_host_name(name)) {
                    Some(name) => return Err(ProfileError::HostName { name: name.clone() }),
                    // Its names stand in subjectAltName, so the subject may be empty.
                    None => return Ok(()),
                }
            }
            Self::DocumentSigningOfficial => {
                for required in OFFICIAL {
                    if !subject
                        .attributes()
                        .any(|it| it.oid == required.oid().as_bytes())
                    {
                        return Err(ProfileError::MissingAttribute { required });
                    }
                }
            }
            _ => {}
        }
        if subject.is_empty() {
            return Err(ProfileError::EmptySubject);
        }
        Ok(())
    }
}

/// What an official's subject says beside other things.
const OFFICIAL: [AttributeType; 5] = [
    AttributeType::Title,
    AttributeType::GivenName,
    AttributeType::Surname,
    AttributeType::SerialNumber,
    AttributeType::OrganizationIdentifier,
];

/// The preferred name syntax of RFC 1034 §3.5 as RFC 5280 §4.2.1.6 wants it, with `_` as it occurs,
/// and a wildcard as the whole leftmost label (BR §7.1.4.2).
pub(super) fn is_host_name(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && labels.split('.').all(is_label)
        // All digits at the end is an address, and belongs into iPAddress.
        && !labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|it| it.is_ascii_digit()))
}

/// Why subject or names do not fit a profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Nobody is named.
    #[error("the subject is empty: name the certificate's holder")]
    EmptySubject,
    /// A server without a name.
    #[error("a TLS server needs a DNS name or an IP address: clients look at nothing else")]
    NoAlternativeName,
    /// Not a DNS name.
    #[error(
        "{name:?} is no DNS name that can stand in a certificate: letters, digits, `-` and `.`, names in \
         other scripts in their xn-- form, a wildcard only as the whole first label"
    )]
    HostName {
        /// The name.
        name: String,
    },
    /// An official whose subject lacks something.
    #[error("the subject of an official's certificate needs {required}")]
    MissingAttribute {
        /// What it lacks.
        required: AttributeType,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_told_from_what_is_none() {
        for fine in [
            "localhost",
            "a.example.ir",
            "*.example.ir",
            "xn--mgba3a4f16a.ir",
            "a_b.ir",
        ] {
            assert!(is_host_name(fine), "{fine}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a.ir",
            "a-.ir",
            "*",
            "a.*.ir",
            "*a.ir",
            "نمونه.ir",
            "a b",
            "127.0.0.1",
            "a.",
            &"a".repeat(64),
            &["abcdefgh"; 32].join("."),
        ] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
