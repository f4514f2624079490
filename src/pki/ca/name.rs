//! Distinguished names, byte for byte (RFC 5280 §4.1.2.4).

use std::{fmt, sync::Arc};

use super::{AttributeType, NameBuilder};
use crate::asn1::{DerError, Elements, tag};

/// The DER of a `Name`, kept as it came: never rebuilt from its parts, because issuerNameHash is
/// computed over these octets and verifiers compare them.
///
/// ```text
/// Name ::= SEQUENCE OF RelativeDistinguishedName
/// RelativeDistinguishedName ::= SET SIZE (1..MAX) OF AttributeTypeAndValue
/// AttributeTypeAndValue ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY }
/// ```
///
/// Cheap to clone. Shown as RFC 4514 writes it, last attribute first.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Name {
    der: Arc<[u8]>,
}

impl Name {
    /// The longest name that is taken, in octets. The longest real ones have a few hundred.
    pub const OCTETS_MAX: usize = 4096;

    /// A name that fills `der` exactly, kept as it is once it is found well-formed: DER throughout,
    /// strings that hold what their type says, the values of a multi-valued RDN in DER's order.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn from_der(der: &[u8]) -> Result<Self, NameError> {
        if der.len() > Self::OCTETS_MAX {
            return Err(NameError::TooLong { octets: der.len() });
        }
        let mut rdns = Elements::inside(der, tag::SEQUENCE)?;
        while !rdns.is_empty() {
            judge_rdn(rdns.required(tag::SET)?.content)?;
        }
        Ok(Self::kept(der))
    }

    /// A name that is carried on as it is, whatever it is: the subject of a CA's certificate.
    pub(super) fn kept(der: &[u8]) -> Self {
        Self { der: der.into() }
    }

    /// The whole `Name`.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// This name byte for byte but for its RDNs with a common name, and with this one at its end.
    pub(super) fn with_common_name(&self, common_name: &str) -> Self {
        let is_common_name =
            |it: &Attribute<'_>| it.oid == AttributeType::CommonName.oid().as_bytes();
        let mut kept = NameBuilder::new();
        let mut rdns = Elements::inside(&self.der, tag::SEQUENCE).unwrap_or(Elements::new(&[]));
        for (rdn, attributes) in std::iter::from_fn(|| rdns.any().ok()).zip(self.rdns()) {
            if !attributes.iter().any(is_common_name) {
                kept = kept.rdn_der(rdn.der);
            }
        }
        kept.common_name(common_name).build_unjudged()
    }

    /// Whether it names nobody: `30 00`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes().next().is_none()
    }

    /// Every attribute in the order of the encoding; those of a multi-valued RDN follow one another.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.rdns().flatten()
    }

    /// The RDNs, each as its attributes. What cannot be read ends the list.
    pub(super) fn rdns(&self) -> impl DoubleEndedIterator<Item = Vec<Attribute<'_>>> {
        let mut rdns = Elements::inside(&self.der, tag::SEQUENCE).unwrap_or(Elements::new(&[]));
        let mut list = Vec::new();
        while let Ok(rdn) = rdns.required(tag::SET) {
            let mut values = Elements::new(rdn.content);
            let attributes = std::iter::from_fn(|| Attribute::decode(&mut values).ok());
            list.push(attributes.collect::<Vec<_>>());
        }
        list.into_iter()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// One `AttributeTypeAndValue`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attribute<'a> {
    /// The content octets of type.
    pub oid: &'a [u8],
    /// The identifier octet of value.
    pub tag: u8,
    /// The content octets of value.
    pub value: &'a [u8],
    /// value, the whole element.
    pub der: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn decode(list: &mut Elements<'a>) -> Result<Self, DerError> {
        let mut fields = list.nested(tag::SEQUENCE)?;
        let oid = fields.oid()?;
        let value = fields.any()?;
        fields.finish()?;
        Ok(Self {
            oid,
            tag: value.tag,
            value: value.content,
            der: value.der,
        })
    }

    /// The value as text, for a string type whose characters are known: not TeletexString, which
    /// hardly anybody writes as T.61 defines it.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self.tag {
            tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING => {
                std::str::from_utf8(self.value).ok().map(str::to_owned)
            }
            tag::BMP_STRING => {
                let (pairs, []) = self.value.as_chunks::<2>() else {
                    return None;
                };
                let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
                String::from_utf16(&units).ok()
            }
            tag::UNIVERSAL_STRING => {
                let (quads, []) = self.value.as_chunks::<4>() else {
                    return None;
                };
                quads
                    .iter()
                    .map(|quad| char::from_u32(u32::from_be_bytes(*quad)))
                    .collect()
            }
            _ => None,
        }
    }

    fn judge(&self) -> Result<(), NameError> {
        let fine = match self.tag {
            tag::PRINTABLE_STRING => self.value.iter().all(|octet| is_printable(*octet)),
            tag::IA5_STRING => self.value.is_ascii(),
            tag::NUMERIC_STRING => {
                let numeric = |octet: &u8| octet.is_ascii_digit() || *octet == b' ';
                self.value.iter().all(numeric)
            }
            // UCS-2: a surrogate is no character of a BMPString, but Windows writes them all the same.
            tag::UTF8_STRING | tag::BMP_STRING | tag::UNIVERSAL_STRING => self.text().is_some(),
            // Any octets: T.61, or more often Latin-1.
            tag::TELETEX_STRING => true,
            // x500UniqueIdentifier (BIT STRING), dateOfBirth (GeneralizedTime) and their like.
            _ => return Ok(()),
        };
        match (fine, self.value) {
            (_, []) => Err(NameError::EmptyValue),
            (false, _) => Err(NameError::Characters { tag: self.tag }),
            (true, _) => Ok(()),
        }
    }
}

/// PrintableString (X.680 §41.4).
pub(super) const fn is_printable(octet: u8) -> bool {
    matches!(octet,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b' ' | b'\'' | b'(' | b')' | b'+' | b',' | b'-'
        | b'.' | b'/' | b':' | b'=' | b'?')
}

/// At least one attribute, each sound, in the ascending order of SET OF (X.690 §11.6), none twice.
fn judge_rdn(content: &[u8]) -> Result<(), NameError> {
    let mut elements = Elements::new(content);
    let mut before: &[u8] = &[];
    while !elements.is_empty() || before.is_empty() {
        let element = elements.required(tag::SEQUENCE)?.der;
        if element <= before {
            return Err(NameError::SetOrder);
        }
        before = element;
        Attribute::decode(&mut Elements::new(element))?.judge()?;
    }
    Ok(())
}

/// Why octets or words are no name that a certificate can carry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not a `Name` in DER.
    #[error("the name is not DER: {0}")]
    Der(#[from] DerError),
    /// The values of an RDN are not sorted, or one is there twice.
    #[error("the name is not DER: the values of a multi-valued RDN are out of order (X.690 §11.6)")]
    SetOrder,
    /// A string without characters.
    #[error("the name has an empty value")]
    EmptyValue,
    /// A string with octets that its type does not have.
    #[error("the name has a string whose characters do not fit its type (tag {tag:#04x})")]
    Characters {
        /// The identifier octet.
        tag: u8,
    },
    /// Longer than any real name.
    #[error("the name has {octets} octets; at most {} are taken", Name::OCTETS_MAX)]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// A value that the attribute cannot have.
    #[error("{value:?} cannot be the {attribute}: {why}")]
    Value {
        /// The attribute.
        attribute: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not a distinguished name as people write it.
    #[error(
        "{text:?} is no distinguished name: {why}. Write it like \
         \"CN=Example CA,O=Example,C=IR\" (RFC 4514)"
    )]
    Text {
        /// What was read.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A keyword that is not known.
    #[error(
        "{keyword:?} is no attribute that is known here: CN, O, OU, C, L, ST, SN, GN, T, serialNumber, \
         organizationIdentifier, UID, DC, E, street, postalCode, or an OID like 2.5.4.3"
    )]
    Keyword {
        /// The keyword.
        keyword: String,
    },
}
