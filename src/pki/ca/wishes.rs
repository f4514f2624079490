//! What a PKCS#10 request wishes for beside a name and a key. Nothing of it is a right.

use std::net::IpAddr;

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ANY_EXTENDED_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
        ID_CE_SUBJECT_ALT_NAME, ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_OCSP_SIGNING,
    },
};

use super::Profile;
use crate::asn1::{DerError, Elements, Extension, tag};

/// The extensionRequest of a PKCS#10 request (RFC 2985 §5.4.2), understood as far as it matters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wishes {
    /// dNSName of subjectAltName.
    pub dns_names: Vec<String>,
    /// iPAddress of subjectAltName.
    pub ip_addresses: Vec<IpAddr>,
    /// Other names of subjectAltName: e-mail addresses, URIs…
    pub other_names: usize,
    /// cA of basicConstraints, or keyCertSign or cRLSign of keyUsage.
    pub ca: bool,
    /// extendedKeyUsage
    pub purposes: Vec<ObjectIdentifier>,
    /// Every other extension.
    pub others: Vec<ObjectIdentifier>,
}

/// A wish that is not granted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Wish {
    /// To be a CA.
    #[error("the request asks for the rights of a CA: not granted")]
    Ca,
    /// To sign OCSP answers.
    #[error("the request asks for OCSPSigning: not granted, since it would speak for the CA")]
    OcspSigning,
    /// Another purpose than the profile's.
    #[error("the request asks for the purpose {0}, which the profile does not have: not granted")]
    Purpose(ObjectIdentifier),
    /// Names that the profile has no place for.
    #[error("the request asks for {0} alternative names that the profile does not take: left out")]
    Names(usize),
    /// An extension that only the CA decides on.
    #[error("the request asks for the extension {0}: left out, the profile decides")]
    Extension(ObjectIdentifier),
}

impl Wishes {
    /// What a certificate of this profile does not grant.
    #[must_use]
    pub fn not_granted(&self, profile: &Profile) -> Vec<Wish> {
        let mut not_granted = Vec::new();
        if self.ca && !profile.is_ca() {
            not_granted.push(Wish::Ca);
        }
        for purpose in &self.purposes {
            if profile.purpose() == Some(*purpose) {
                continue;
            }
            // anyExtendedKeyUsage includes it.
            not_granted.push(match *purpose {
                ID_KP_OCSP_SIGNING | ANY_EXTENDED_KEY_USAGE => Wish::OcspSigning,
                other => Wish::Purpose(other),
            });
        }
        let host_names = self.dns_names.len().saturating_add(self.ip_addresses.len());
        let names = match profile {
            Profile::TlsServer { .. } => self.other_names,
            _ => self.other_names.saturating_add(host_names),
        };
        if names > 0 {
            not_granted.push(Wish::Names(names));
        }
        not_granted.extend(self.others.iter().copied().map(Wish::Extension));
        not_granted
    }

    pub(super) fn add(&mut self, extension: &Extension<'_>) -> Result<(), DerError> {
        let oid =
            ObjectIdentifier::from_bytes(extension.oid).map_err(|_| DerError::ObjectIdentifier)?;
        let value = extension.value;
        match oid {
            ID_CE_SUBJECT_ALT_NAME => self.add_names(value)?,
            ID_CE_BASIC_CONSTRAINTS => {
                let mut fields = Elements::inside(value, tag::SEQUENCE)?;
                let is_ca = fields.optional(tag::BOOLEAN)?;
                self.ca |= is_ca.is_some_and(|element| element.content != [0]);
            }
            ID_CE_KEY_USAGE => {
                let bits = Elements::only(value, tag::BIT_STRING)?.content;
                self.ca |= matches!(bits, [_, first, ..] if first & CA_USAGES != 0);
            }
            ID_CE_EXT_KEY_USAGE => {
                let mut list = Elements::inside(value, tag::SEQUENCE)?;
                while !list.is_empty() {
                    let purpose = ObjectIdentifier::from_bytes(list.oid()?);
                    self.purposes
                        .push(purpose.map_err(|_| DerError::ObjectIdentifier)?);
                }
            }
            // OpenSSL puts it there of its own accord, and it is what we compute anyway.
            ID_CE_SUBJECT_KEY_IDENTIFIER => {}
            other => self.others.push(other),
        }
        Ok(())
    }

    /// `GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName`
    fn add_names(&mut self, value: &[u8]) -> Result<(), DerError> {
        let mut names = Elements::inside(value, tag::SEQUENCE)?;
        while !names.is_empty() {
            let name = names.any()?;
            let text = std::str::from_utf8(name.content);
            match (name.tag, text, address(name.content)) {
                (DNS_NAME, Ok(text), _) => self.dns_names.push(text.to_owned()),
                (IP_ADDRESS, _, Some(address)) => self.ip_addresses.push(address),
                _ => self.other_names = self.other_names.saturating_add(1),
            }
        }
        Ok(())
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// keyCertSign and cRLSign in the first octet of keyUsage.
const CA_USAGES: u8 = 0x04 | 0x02;

const DNS_NAME: u8 = tag::primitive(2);
const IP_ADDRESS: u8 = tag::primitive(7);
