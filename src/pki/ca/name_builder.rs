//! Names that are made here: one attribute after the other, in the order of the encoding.

use std::fmt;

use const_oid::ObjectIdentifier;

use super::{Name, NameError, name::is_printable};
use crate::asn1::{put_tlv, tag};

/// An attribute of a name that has a keyword here (RFC 4519, X.520).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AttributeType {
    /// CN
    CommonName,
    /// SN
    Surname,
    /// serialNumber: of the person or body, not of the certificate.
    SerialNumber,
    /// C: two letters of ISO 3166.
    Country,
    /// L
    Locality,
    /// ST
    StateOrProvince,
    /// street
    StreetAddress,
    /// O
    Organization,
    /// OU
    OrganizationalUnit,
    /// T
    Title,
    /// postalCode
    PostalCode,
    /// GN or G
    GivenName,
    /// initials
    Initials,
    /// generationQualifier
    GenerationQualifier,
    /// dnQualifier
    DnQualifier,
    /// pseudonym
    Pseudonym,
    /// organizationIdentifier (ETSI EN 319 412-1 §5.1.4)
    OrganizationIdentifier,
    /// UID
    UserId,
    /// DC
    DomainComponent,
    /// E or emailAddress
    EmailAddress,
}

/// A string type and the most characters (RFC 5280 appendix A.1).
#[derive(Clone, Copy)]
enum Form {
    Utf8(usize),
    Printable(usize),
    Ia5(usize),
}

/// X.520's ub-name, and what stands in where a standard names no bound.
const UNBOUNDED: usize = 1024;

impl AttributeType {
    /// Every one of them.
    pub const ALL: [Self; 20] = [
        Self::CommonName,
        Self::Surname,
        Self::SerialNumber,
        Self::Country,
        Self::Locality,
        Self::StateOrProvince,
        Self::StreetAddress,
        Self::Organization,
        Self::OrganizationalUnit,
        Self::Title,
        Self::PostalCode,
        Self::GivenName,
        Self::Initials,
        Self::GenerationQualifier,
        Self::DnQualifier,
        Self::Pseudonym,
        Self::OrganizationIdentifier,
        Self::UserId,
        Self::DomainComponent,
        Self::EmailAddress,
    ];

    /// Its OID.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(self.facts().0)
    }

    /// The keyword that it is shown with, and the others by which it is understood.
    #[must_use]
    pub const fn keywords(self) -> &'static [&'static str] {
        self.facts().1
    }

    /// OID, keywords, form.
    const fn facts(self) -> (&'static str, &'static [&'static str], Form) {
        use Form::{Ia5, Printable, Utf8};
        match self {
            Self::CommonName => ("2.5.4.3", &["CN", "commonName"], Utf8(64)),
            Self::Surname => ("2.5.4.4", &["SN", "surname"], Utf8(UNBOUNDED)),
            Self::SerialNumber => ("2.5.4.5", &["serialNumber"], Printable(64)),
            Self::Country => ("2.5.4.6", &["C", "countryName"], Printable(2)),
            Self::Locality => ("2.5.4.7", &["L", "localityName"], Utf8(128)),
            Self::StateOrProvince => ("2.5.4.8", &["ST", "S", "stateOrProvinceName"], Utf8(128)),
            Self::StreetAddress => ("2.5.4.9", &["street", "streetAddress"], Utf8(128)),
            Self::Organization => ("2.5.4.10", &["O", "organizationName"], Utf8(64)),
            Self::OrganizationalUnit => ("2.5.4.11", &["OU", "organizationalUnitName"], Utf8(64)),
            Self::Title => ("2.5.4.12", &["T", "title"], Utf8(64)),
            Self::PostalCode => ("2.5.4.17", &["postalCode"], Utf8(40)),
            Self::GivenName => ("2.5.4.42", &["GN", "G", "givenName"], Utf8(UNBOUNDED)),
            Self::Initials => ("2.5.4.43", &["initials"], Utf8(UNBOUNDED)),
            Self::GenerationQualifier => ("2.5.4.44", &["generationQualifier"], Utf8(UNBOUNDED)),
            Self::DnQualifier => ("2.5.4.46", &["dnQualifier"], Printable(64)),
            Self::Pseudonym => ("2.5.4.65", &["pseudonym"], Utf8(128)),
            Self::OrganizationIdentifier => {
                ("2.5.4.97", &["organizationIdentifier"], Utf8(UNBOUNDED))
            }
            Self::UserId => ("0.9.2342.19200300.100.1.1", &["UID", "userId"], Utf8(256)),
            Self::DomainComponent => (
                "0.9.2342.19200300.100.1.25",
                &["DC", "domainComponent"],
                Ia5(63),
            ),
            Self::EmailAddress => (
                "1.2.840.113549.1.9.1",
                &["E", "emailAddress", "email"],
                Ia5(255),
            ),
        }
    }

    /// The attribute with this keyword, letter case aside.
    #[must_use]
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| {
            let mut keywords = known.keywords().iter();
            keywords.any(|it| it.eq_ignore_ascii_case(keyword))
        })
    }

    /// The attribute with these OID content octets.
    pub(super) fn from_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.oid().as_bytes() == oid)
    }

    /// The value as DER: PrintableString where RFC 5280 wants it, IA5String for what is an address,
    /// UTF8String for all else.
    pub(super) fn value_der(self, value: &str) -> Result<Vec<u8>, NameError> {
        let refuse = |why| {
            Err(NameError::Value {
                attribute: self.to_string(),
                value: value.to_owned(),
                why,
            })
        };
        let (tag, characters_max) = match self.facts().2 {
            Form::Utf8(max) => (tag::UTF8_STRING, max),
            Form::Printable(max) => (tag::PRINTABLE_STRING, max),
            Form::Ia5(max) => (tag::IA5_STRING, max),
        };
        if value.is_empty() {
            return refuse("it is empty");
        }
        if value.chars().count() > characters_max {
            return refuse("it is longer than X.520 and RFC 5280 appendix A allow");
        }
        if value.chars().any(char::is_control) {
            return refuse("it contains a control character");
        }
        if value.trim_matches(' ').len() != value.len() {
            return refuse("it begins or ends with a space");
        }
        if tag == tag::PRINTABLE_STRING && !value.bytes().all(is_printable) {
            return refuse("only letters, digits, space and '()+,-./:=? fit a PrintableString");
        }
        if tag == tag::IA5_STRING && !value.is_ascii() {
            return refuse("only ASCII fits an IA5String");
        }
        if self == Self::Country
            && !(value.len() == 2 && value.bytes().all(|it| it.is_ascii_uppercase()))
        {
            return refuse("a country is two capital letters of ISO 3166, like IR");
        }
        let mut der = Vec::with_capacity(value.len().saturating_add(4));
        put_tlv(&mut der, tag, value.as_bytes());
        Ok(der)
    }
}

/// What people call it: `commonName`, `organizationIdentifier`…
impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommonName => "commonName (CN)",
            Self::Surname => "surname (SN)",
            Self::Country => "countryName (C)",
            Self::Locality => "localityName (L)",
            Self::StateOrProvince => "stateOrProvinceName (ST)",
            Self::Organization => "organizationName (O)",
            Self::OrganizationalUnit => "organizationalUnitName (OU)",
            Self::Title => "title (T)",
            Self::GivenName => "givenName (GN)",
            Self::DomainComponent => "domainComponent (DC)",
            Self::EmailAddress => "emailAddress (E)",
            other => other.keywords().last().copied().unwrap_or_default(),
        })
    }
}

/// Makes a [`Name`], in the order of the calls: by custom from the country to the common name.
///
/// A value that an attribute cannot have is told by [`NameBuilder::build`].
#[derive(Clone, Debug, Default)]
pub struct NameBuilder {
    rdns: Vec<u8>,
    error: Option<NameError>,
}

impl NameBuilder {
    /// A name without attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            rdns: Vec::new(),
            error: None,
        }
    }

    /// Appends one attribute, as an RDN of its own.
    #[must_use]
    pub fn attribute(self, attribute: AttributeType, value: impl AsRef<str>) -> Self {
        self.combined(&[(attribute, value.as_ref())])
    }

    /// Appends one RDN of several attributes.
    #[must_use]
    pub fn combined(self, attributes: &[(AttributeType, &str)]) -> Self {
        let values = attributes.iter().map(|(attribute, value)| {
            let der = attribute.value_der(value)?;
            Ok((attribute.oid(), der))
        });
        match values.collect() {
            Ok(values) => self.rdn(values),
            Err(error) => self.failed(error),
        }
    }

    /// Appends an RDN of these attributes, their values as DER, in the order that DER wants.
    pub(super) fn rdn(mut self, attributes: Vec<(ObjectIdentifier, Vec<u8>)>) -> Self {
        let mut encoded: Vec<Vec<u8>> = attributes
            .into_iter()
            .map(|(oid, value)| {
                let mut fields = Vec::with_capacity(value.len().saturating_add(16));
                put_tlv(&mut fields, tag::OBJECT_IDENTIFIER, oid.as_bytes());
                fields.extend_from_slice(&value);
                let mut der = Vec::with_capacity(fields.len().saturating_add(4));
                put_tlv(&mut der, tag::SEQUENCE, &fields);
                der
            })
            .collect();
        encoded.sort();
        put_tlv(&mut self.rdns, tag::SET, &encoded.concat());
        self
    }

    /// Appends an RDN as it is.
    pub(super) fn rdn_der(mut self, der: &[u8]) -> Self {
        self.rdns.extend_from_slice(der);
        self
    }

    pub(super) fn failed(mut self, error: NameError) -> Self {
        self.error.get_or_insert(error);
        self
    }

    /// C
    #[must_use]
    pub fn country(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::Country, value)
    }

    /// ST
    #[must_use]
    pub fn state_or_province(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::StateOrProvince, value)
    }

    /// L
    #[must_use]
    pub fn locality(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::Locality, value)
    }

    /// O
    #[must_use]
    pub fn organization(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::Organization, value)
    }

    /// OU
    #[must_use]
    pub fn organizational_unit(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::OrganizationalUnit, value)
    }

    /// organizationIdentifier
    #[must_use]
    pub fn organization_identifier(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::OrganizationIdentifier, value)
    }

    /// T
    #[must_use]
    pub fn title(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::Title, value)
    }

    /// GN
    #[must_use]
    pub fn given_name(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::GivenName, value)
    }

    /// SN
    #[must_use]
    pub fn surname(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::Surname, value)
    }

    /// serialNumber
    #[must_use]
    pub fn serial_number(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::SerialNumber, value)
    }

    /// CN
    #[must_use]
    pub fn common_name(self, value: impl AsRef<str>) -> Self {
        self.attribute(AttributeType::CommonName, value)
    }

    /// The name.
    ///
    /// # Errors
    /// The first [`NameError`] of what was appended.
    pub fn build(self) -> Result<Name, NameError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        Name::from_der(&self.der())
    }

    /// The name, parts of which were carried over from a certificate, whatever they are.
    pub(super) fn build_unjudged(self) -> Name {
        Name::kept(&self.der())
    }

    fn der(&self) -> Vec<u8> {
        let mut der = Vec::with_capacity(self.rdns.len().saturating_add(4));
        put_tlv(&mut der, tag::SEQUENCE, &self.rdns);
        der
    }
}
