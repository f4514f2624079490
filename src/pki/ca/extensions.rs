//! The extensions of a certificate, written (RFC 5280 §4.2).

use std::net::IpAddr;

use const_oid::{
    ObjectIdentifier,
    db::{
        rfc5280::{
            ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS,
            ID_CE_CERTIFICATE_POLICIES, ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE,
            ID_CE_FRESHEST_CRL, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME,
            ID_CE_SUBJECT_KEY_IDENTIFIER, ID_PE_AUTHORITY_INFO_ACCESS,
        },
        rfc6960::ID_PKIX_OCSP_NOCHECK,
    },
};

use super::Urls;
use crate::{
    asn1::{put_tlv, tag},
    identity::SerialNumber,
};

/// The list in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    list: Vec<u8>,
}

impl Extensions {
    /// `extensions [3] EXPLICIT SEQUENCE OF Extension`
    pub(super) fn to_der(&self) -> Vec<u8> {
        tlv(tag::constructed(3), &tlv(tag::SEQUENCE, &self.list))
    }

    /// What is in the list, one Extension after the other.
    pub(super) fn list(&self) -> &[u8] {
        &self.list
    }

    /// `SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
    fn put(&mut self, id: ObjectIdentifier, critical: bool, value: &[u8]) {
        let mut fields = Vec::with_capacity(value.len().saturating_add(24));
        put_tlv(&mut fields, tag::OBJECT_IDENTIFIER, id.as_bytes());
        if critical {
            put_tlv(&mut fields, tag::BOOLEAN, &[0xff]);
        }
        put_tlv(&mut fields, tag::OCTET_STRING, value);
        put_tlv(&mut self.list, tag::SEQUENCE, &fields);
    }

    /// keyIdentifier alone (§4.2.1.1), octet for octet the issuer's subjectKeyIdentifier.
    pub(super) fn authority_key_id(&mut self, key_id: &[u8]) {
        let value = tlv(tag::SEQUENCE, &tlv(tag::primitive(0), key_id));
        self.put(ID_CE_AUTHORITY_KEY_IDENTIFIER, false, &value);
    }

    pub(super) fn subject_key_id(&mut self, key_id: &[u8]) {
        let value = tlv(tag::OCTET_STRING, key_id);
        self.put(ID_CE_SUBJECT_KEY_IDENTIFIER, false, &value);
    }

    /// The first octet of the BIT STRING; trailing zero bits are left out, as DER has it (X.690
    /// §11.2.2).
    pub(super) fn key_usage(&mut self, bits: u8) {
        let unused = u8::try_from(bits.trailing_zeros()).unwrap_or(0);
        let value = tlv(tag::BIT_STRING, &[unused, bits]);
        self.put(ID_CE_KEY_USAGE, true, &value);
    }

    /// cA TRUE, with pathLenConstraint if there is one.
    pub(super) fn basic_constraints_of_ca(&mut self, path_len: Option<u8>) {
        let mut fields = tlv(tag::BOOLEAN, &[0xff]);
        if let Some(path_len) = path_len {
            let sign_octet: &[u8] = if path_len >= 0x80 { &[0] } else { &[] };
            put_tlv(
                &mut fields,
                tag::INTEGER,
                &[sign_octet, &[path_len]].concat(),
            );
        }
        self.put(ID_CE_BASIC_CONSTRAINTS, true, &tlv(tag::SEQUENCE, &fields));
    }

    pub(super) fn extended_key_usage(&mut self, purpose: ObjectIdentifier, critical: bool) {
        let value = tlv(
            tag::SEQUENCE,
            &tlv(tag::OBJECT_IDENTIFIER, purpose.as_bytes()),
        );
        self.put(ID_CE_EXT_KEY_USAGE, critical, &value);
    }

    /// dNSName and iPAddress; critical where the subject is empty (§4.2.1.6).
    pub(super) fn subject_alt_name(
        &mut self,
        dns_names: &[String],
        ip_addresses: &[IpAddr],
        critical: bool,
    ) {
        let mut names = Vec::new();
        for name in dns_names {
            put_tlv(&mut names, tag::primitive(2), name.as_bytes());
        }
        for address in ip_addresses {
            match address {
                IpAddr::V4(address) => put_tlv(&mut names, tag::primitive(7), &address.octets()),
                IpAddr::V6(address) => put_tlv(&mut names, tag::primitive(7), &address.octets()),
            }
        }
        self.put(
            ID_CE_SUBJECT_ALT_NAME,
            critical,
            &tlv(tag::SEQUENCE, &names),
        );
    }

    /// policyIdentifier alone, without qualifiers.
    pub(super) fn certificate_policies(&mut self, policies: &[ObjectIdentifier]) {
        let mut list = Vec::new();
        for policy in policies {
            let identifier = tlv(tag::OBJECT_IDENTIFIER, policy.as_bytes());
            put_tlv(&mut list, tag::SEQUENCE, &identifier);
        }
        self.put(
            ID_CE_CERTIFICATE_POLICIES,
            false,
            &tlv(tag::SEQUENCE, &list),
        );
    }

    /// authorityInfoAccess, and cRLDistributionPoints and freshestCRL where there are any. `serial` is that
    /// of the certificate.
    pub(super) fn status_urls(&mut self, urls: &Urls, serial: Option<SerialNumber>) {
        let mut descriptions = Vec::new();
        for (method, urls) in [
            (ID_AD_OCSP, &urls.ocsp),
            (ID_AD_CA_ISSUERS, &urls.ca_issuers),
        ] {
            for url in urls {
                let mut fields = tlv(tag::OBJECT_IDENTIFIER, method.as_bytes());
                put_tlv(&mut fields, tag::primitive(6), url.as_bytes());
                put_tlv(&mut descriptions, tag::SEQUENCE, &fields);
            }
        }
        if !descriptions.is_empty() {
            let value = tlv(tag::SEQUENCE, &descriptions);
            self.put(ID_PE_AUTHORITY_INFO_ACCESS, false, &value);
        }
        let count = u32::try_from(urls.crl_shards.len()).unwrap_or(u32::MAX);
        let shard = serial.and_then(|serial| {
            let shard = usize::try_from(serial.crl_shard(count)).ok()?;
            urls.crl_shards.get(shard)
        });
        // The shard first: it is the one that says the least beside what is asked for.
        let mut points = shard.map_or_else(Vec::new, |url| point(std::slice::from_ref(url)));
        points.extend(point(&urls.crl));
        if !points.is_empty() {
            let value = tlv(tag::SEQUENCE, &points);
            self.put(ID_CE_CRL_DISTRIBUTION_POINTS, false, &value);
        }
        if !urls.freshest_crl.is_empty() {
            let value = tlv(tag::SEQUENCE, &point(&urls.freshest_crl));
            self.put(ID_CE_FRESHEST_CRL, false, &value);
        }
    }

    /// id-pkix-ocsp-nocheck, exactly NULL (RFC 6960 §4.2.2.2.1, BR §7.1.2.8.5).
    pub(super) fn ocsp_no_check(&mut self) {
        self.put(ID_PKIX_OCSP_NOCHECK, false, &[tag::NULL, 0]);
    }
}

/// One DistributionPoint whose fullName lists all: the same CRL at several places. Nothing for none.
fn point(urls: &[String]) -> Vec<u8> {
    if urls.is_empty() {
        return Vec::new();
    }
    let mut names = Vec::new();
    for url in urls {
        put_tlv(&mut names, tag::primitive(6), url.as_bytes());
    }
    let full_name = tlv(tag::constructed(0), &names);
    tlv(tag::SEQUENCE, &tlv(tag::constructed(0), &full_name))
}

pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(content.len().saturating_add(6));
    put_tlv(&mut der, tag, content);
    der
}
