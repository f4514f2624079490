//! crlExtensions, encoded (RFC 5280 §5.2).

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{
        ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR,
        ID_CE_FRESHEST_CRL, ID_CE_ISSUING_DISTRIBUTION_POINT,
    },
};

use crate::asn1::{CrlNumber, UnixTime, put_tlv, tag};
use crate::crl::extensions::ID_CE_EXPIRED_CERTS_ON_CRL;

/// The list in the making. Each extension is added at most once, by whoever knows what the CRL is.
#[derive(Clone, Debug, Default)]
pub struct ExtensionsWriter {
    list: Vec<u8>,
}

/// issuingDistributionPoint (§5.2.5), as far as CRLs of one issuer and for all reasons need it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DistributionPoint {
    /// The URIs by which certificates name the CRL, each octet for octet; none for all certificates.
    pub uris: Vec<String>,
    /// Which kind of certificates is on it, if not every kind.
    pub only: Option<OnlyContains>,
}

/// onlyContainsUserCerts, onlyContainsCACerts
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnlyContains {
    /// End entities.
    UserCerts,
    /// CAs.
    CaCerts,
}

impl ExtensionsWriter {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// authorityKeyIdentifier with keyIdentifier alone (§5.2.1).
    #[must_use]
    pub fn authority_key_id(self, key_id: &[u8]) -> Self {
        let value = tlv(tag::SEQUENCE, &tlv(tag::primitive(0), key_id));
        self.with(ID_CE_AUTHORITY_KEY_IDENTIFIER, false, &value)
    }

    /// cRLNumber (§5.2.3).
    #[must_use]
    pub fn crl_number(self, number: CrlNumber) -> Self {
        let value = tlv(tag::INTEGER, number.as_bytes());
        self.with(ID_CE_CRL_NUMBER, false, &value)
    }

    /// deltaCRLIndicator (§5.2.4).
    #[must_use]
    pub fn delta_crl_indicator(self, base: CrlNumber) -> Self {
        let value = tlv(tag::INTEGER, base.as_bytes());
        self.with(ID_CE_DELTA_CRL_INDICATOR, true, &value)
    }

    /// issuingDistributionPoint (§5.2.5); nothing where it would say nothing.
    #[must_use]
    pub fn issuing_distribution_point(self, point: &DistributionPoint) -> Self {
        let mut fields = Vec::new();
        if !point.uris.is_empty() {
            put_tlv(&mut fields, tag::constructed(0), &full_name(&point.uris));
        }
        match point.only {
            Some(OnlyContains::UserCerts) => put_tlv(&mut fields, tag::primitive(1), &[0xff]),
            Some(OnlyContains::CaCerts) => put_tlv(&mut fields, tag::primitive(2), &[0xff]),
            None => {}
        }
        if fields.is_empty() {
            return self;
        }
        let value = tlv(tag::SEQUENCE, &fields);
        self.with(ID_CE_ISSUING_DISTRIBUTION_POINT, true, &value)
    }

    /// freshestCRL (§5.2.6): where the deltas of this CRL are.
    #[must_use]
    pub fn freshest_crl(self, uris: &[String]) -> Self {
        let point = tlv(tag::SEQUENCE, &tlv(tag::constructed(0), &full_name(uris)));
        self.with(ID_CE_FRESHEST_CRL, false, &tlv(tag::SEQUENCE, &point))
    }

    /// expiredCertsOnCRL (X.509 §9.5.2.8): entries stay of certificates that expired since then.
    #[must_use]
    pub fn expired_certs_on_crl(self, since: UnixTime) -> Self {
        let value = tlv(tag::GENERALIZED_TIME, &since.to_generalized_time());
        self.with(ID_CE_EXPIRED_CERTS_ON_CRL, false, &value)
    }

    /// `Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
    fn with(mut self, id: ObjectIdentifier, critical: bool, value: &[u8]) -> Self {
        let mut fields = Vec::with_capacity(value.len().saturating_add(16));
        put_tlv(&mut fields, tag::OBJECT_IDENTIFIER, id.as_bytes());
        if critical {
            put_tlv(&mut fields, tag::BOOLEAN, &[0xff]);
        }
        put_tlv(&mut fields, tag::OCTET_STRING, value);
        put_tlv(&mut self.list, tag::SEQUENCE, &fields);
        self
    }

    /// `crlExtensions [0] EXPLICIT Extensions OPTIONAL`
    pub(super) fn to_der(&self) -> Vec<u8> {
        if self.list.is_empty() {
            return Vec::new();
        }
        tlv(tag::constructed(0), &tlv(tag::SEQUENCE, &self.list))
    }
}

/// `fullName [0] GeneralNames` of URIs.
fn full_name(uris: &[String]) -> Vec<u8> {
    let mut names = Vec::new();
    for uri in uris {
        put_tlv(&mut names, tag::primitive(6), uri.as_bytes());
    }
    tlv(tag::constructed(0), &names)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().saturating_add(4));
    put_tlv(&mut out, tag, content);
    out
}
