//! issuingDistributionPoint: which certificates and reasons a CRL speaks of (RFC 5280 §5.2.5).

use super::directory_name;
use crate::asn1::{CrlReason, DerError, Elements, put_tlv, tag};

/// ```text
/// IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0] DistributionPointName OPTIONAL,
///     onlyContainsUserCerts [1] BOOLEAN DEFAULT FALSE, onlyContainsCACerts [2] BOOLEAN DEFAULT FALSE,
///     onlySomeReasons [3] ReasonFlags OPTIONAL, indirectCRL [4] BOOLEAN DEFAULT FALSE,
///     onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IssuingDistributionPoint {
    /// distributionPoint: the CRL has the certificates alone that point here.
    pub distribution_point: Option<DistributionPointName>,
    /// onlyContainsUserCerts
    pub only_contains_user_certs: bool,
    /// onlyContainsCACerts
    pub only_contains_ca_certs: bool,
    /// onlySomeReasons
    pub only_some_reasons: Option<ReasonFlags>,
    /// indirectCRL: entries may be of other issuers.
    pub indirect_crl: bool,
    /// onlyContainsAttributeCerts
    pub only_contains_attribute_certs: bool,
}

/// `DistributionPointName ::= CHOICE { fullName [0] GeneralNames,
/// nameRelativeToCRLIssuer [1] RelativeDistinguishedName }`
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DistributionPointName {
    /// The content of the GeneralNames.
    FullName(Vec<u8>),
    /// The content of the RelativeDistinguishedName.
    NameRelativeToCrlIssuer(Vec<u8>),
}

impl DistributionPointName {
    /// Every name as a whole GeneralName in DER, so that names of another kind never compare equal
    /// (CVE-2023-0286). A relative one is made whole with `issuer_der`, the Name of the CRL's issuer
    /// (RFC 5280 §4.2.1.13).
    #[must_use]
    pub fn general_names(&self, issuer_der: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::FullName(names) => {
                let mut names = Elements::new(names);
                std::iter::from_fn(|| names.any().ok())
                    .map(|name| name.der.to_vec())
                    .collect()
            }
            Self::NameRelativeToCrlIssuer(attributes) => {
                let issuer = Elements::only(issuer_der, tag::SEQUENCE);
                let mut names = issuer.map_or_else(|_| Vec::new(), |name| name.content.to_vec());
                put_tlv(&mut names, SET, attributes);
                let mut whole = Vec::new();
                put_tlv(&mut whole, tag::SEQUENCE, &names);
                vec![directory_name(&whole)]
            }
        }
    }

    /// All names that are URIs in ASCII (IA5String), in the order of the CRL. Names of another kind are
    /// never taken for one (CVE-2023-0286).
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::FullName(names) => names.as_slice(),
            Self::NameRelativeToCrlIssuer(_) => &[],
        };
        let mut names = Elements::new(names);
        std::iter::from_fn(move || names.any().ok())
            .filter(|name| name.tag == tag::primitive(6) && name.content.is_ascii())
            .filter_map(|name| std::str::from_utf8(name.content).ok())
    }
}

/// `ReasonFlags ::= BIT STRING`, as 16 bits from the left.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReasonFlags(u16);

impl ReasonFlags {
    /// An empty BIT STRING has made a parser panic (RUSTSEC-2026-0104); one octet of content, the
    /// count of unused bits, is the least.
    pub(super) fn decode(content: &[u8]) -> Result<Self, DerError> {
        let (unused, high, low) = match content {
            [0] => (0, 0, 0),
            [unused @ 0..8, high] => (*unused, *high, 0),
            [unused @ 0..8, high, low] => (*unused, *high, *low),
            _ => return Err(DerError::BitString),
        };
        let last = if content.len() == 3 { low } else { high };
        if last.trailing_zeros() < u32::from(unused) {
            return Err(DerError::BitString);
        }
        Ok(Self(u16::from_be_bytes([high, low])))
    }

    /// All reasons that exist: bits 1 to 8.
    pub const ALL: Self = Self(0x7f80);
    /// None.
    pub const NONE: Self = Self(0);

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits 1 to 8, from the left.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.and(Self::ALL).0
    }

    /// Those with these bits; `None` where one is no reason.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// This reason alone. The bits 7 and 8 are the codes 9 and 10 (RFC 5280 §4.2.1.13, §5.3.1).
    #[must_use]
    pub const fn of(reason: CrlReason) -> Self {
        let number = match reason.code() {
            code @ 0..=6 => code,
            code => code.saturating_sub(2),
        };
        Self(0x8000 >> number)
    }

    /// Whether a reason is among them.
    #[must_use]
    pub const fn includes(self, reason: CrlReason) -> bool {
        self.0 & Self::of(reason).0 != 0
    }

    /// The reasons, in the order of their codes.
    pub fn reasons(self) -> impl Iterator<Item = CrlReason> {
        (1..=10)
            .filter_map(CrlReason::from_code)
            .filter(move |reason| self.includes(*reason))
    }

    /// Whether all reasons that exist are in it.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.0 & Self::ALL.0 == Self::ALL.0
    }

    /// Whether bit `number` is set: 1 keyCompromise, 2 cACompromise, … 8 aACompromise.
    #[must_use]
    pub const fn contains(self, number: u8) -> bool {
        number < 16 && self.0 & (0x8000 >> number) != 0
    }
}

impl IssuingDistributionPoint {
    /// Reads the SEQUENCE that fills an extnValue.
    pub(super) fn decode(value: &[u8]) -> Result<Self, DerError> {
        let mut fields = Elements::inside(value, tag::SEQUENCE)?;
        let distribution_point = fields
            .optional(tag::constructed(0))?
            .map(|name| distribution_point_name(name.content))
            .transpose()?;
        let only_contains_user_certs = flag(&mut fields, 1)?;
        let only_contains_ca_certs = flag(&mut fields, 2)?;
        let only_some_reasons = fields
            .optional(tag::primitive(3))?
            .map(|reasons| ReasonFlags::decode(reasons.content))
            .transpose()?;
        let indirect_crl = flag(&mut fields, 4)?;
        let only_contains_attribute_certs = flag(&mut fields, 5)?;
        fields.finish()?;
        Ok(Self {
            distribution_point,
            only_contains_user_certs,
            only_contains_ca_certs,
            only_some_reasons,
            indirect_crl,
            only_contains_attribute_certs,
        })
    }
}

/// Of a RelativeDistinguishedName.
const SET: u8 = 0x31;

/// The CHOICE inside `[0]`, which is explicit because a CHOICE cannot be tagged otherwise.
pub(super) fn distribution_point_name(content: &[u8]) -> Result<DistributionPointName, DerError> {
    let mut inside = Elements::new(content);
    let name = inside.any()?;
    inside.finish()?;
    let mut parts = Elements::new(name.content);
    while !parts.is_empty() {
        parts.any()?;
    }
    const FULL_NAME: u8 = tag::constructed(0);
    const RELATIVE: u8 = tag::constructed(1);
    match name.tag {
        FULL_NAME => Ok(DistributionPointName::FullName(name.content.to_vec())),
        RELATIVE => Ok(DistributionPointName::NameRelativeToCrlIssuer(
            name.content.to_vec(),
        )),
        found => Err(DerError::UnexpectedTag {
            expected: FULL_NAME,
            found,
        }),
    }
}

/// `[number] BOOLEAN DEFAULT FALSE`; a written FALSE is taken, as in `Extension`.
fn flag(fields: &mut Elements<'_>, number: u8) -> Result<bool, DerError> {
    match fields
        .optional(tag::primitive(number))?
        .map(|element| element.content)
    {
        None | Some([0x00]) => Ok(false),
        Some([0xff]) => Ok(true),
        Some(_) => Err(DerError::Boolean),
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn reads_every_field() {
        let point = IssuingDistributionPoint::decode(&hex!(
            "3018 a00a a008 8606 687474703a2f 8101ff 8302 0640 8401ff"
        ));
        // The length octet above is that of four fields: 12 + 3 + 4 + 3.
        assert_eq!(point.unwrap_err(), DerError::Truncated);
        let point = IssuingDistributionPoint::decode(&hex!(
            "3019 a00a a008 8606 687474703a2f 8101ff 8302 0640 840100 8501ff"
        ))
        .unwrap();
        let name = point.distribution_point.as_ref().unwrap();
        assert_eq!(name.uris().collect::<Vec<_>>(), ["http:/"]);
        assert!(point.only_contains_user_certs && !point.only_contains_ca_certs);
        assert!(point.only_contains_attribute_certs && !point.indirect_crl);
        let reasons = point.only_some_reasons.unwrap();
        assert!(reasons.contains(1) && !reasons.contains(0) && !reasons.contains(200));
        let nothing = IssuingDistributionPoint::decode(&hex!("3000")).unwrap();
        assert_eq!(nothing, IssuingDistributionPoint::default());
    }

    #[test]
    fn every_uri_is_a_name_and_no_other_name_is_a_uri() {
        // rfc822Name, URI, dNSName, a URI that is no IA5String, directoryName, URI
        let names = hex!("8103612f62 8604613a2f62 8203612f62 8602613aff a402 3000 8603623a63");
        // The third URI's length octet leaves 0xff to be a name of its own, which ends the list.
        let name = DistributionPointName::FullName(names.to_vec());
        assert_eq!(name.uris().collect::<Vec<_>>(), ["a:/b", "a:"]);
        let names = hex!("8103612f62 8604613a2f62 8203612f62 8603613aff a402 3000 8603623a63");
        let name = DistributionPointName::FullName(names.to_vec());
        assert_eq!(name.uris().collect::<Vec<_>>(), ["a:/b", "b:c"]);
        let relative = DistributionPointName::NameRelativeToCrlIssuer(names.to_vec());
        assert_eq!(relative.uris().count(), 0);
    }

    #[test]
    fn odd_fields_are_errors_not_panics() {
        for value in [
            &hex!("3002 8300")[..], // onlySomeReasons without even the count of unused bits
            &hex!("3003 830101"),   // unused bits of nothing
            &hex!("3004 8302 0801"), // eight unused bits
            &hex!("3004 8302 0101"), // an unused bit that is set
            &hex!("3006 8304 00000000"), // more reasons than exist
            &hex!("3003 810101"),   // TRUE is 0xff
            &hex!("3002 a000"),     // a CHOICE of nothing
            &hex!("3004 a002 8200"), // a choice that does not exist
            &hex!("3006 8401ff 8101ff"), // out of order
            &hex!("3006 8101ff 8101ff"), // twice
        ] {
            assert!(
                IssuingDistributionPoint::decode(value).is_err(),
                "{value:02x?}"
            );
        }
    }
}
