//! Which signature algorithms a client would like (RFC 6960 §4.4.7).

use super::request::RequestError;
use crate::asn1::{DerError, Element, Elements, tag};

/// The client's list, the one it likes most first. Borrowed, and well formed throughout.
///
/// ```text
/// PreferredSignatureAlgorithms ::= SEQUENCE OF PreferredSignatureAlgorithm
/// PreferredSignatureAlgorithm ::= SEQUENCE {
///     sigIdentifier        AlgorithmIdentifier,
///     pubKeyAlgIdentifier  SMIMECapability OPTIONAL }
/// SMIMECapability ::= SEQUENCE {
///     capabilityID  OBJECT IDENTIFIER,
///     parameters    ANY DEFINED BY capabilityID OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PreferredAlgorithms<'a> {
    list: Elements<'a>,
}

impl<'a> PreferredAlgorithms<'a> {
    /// How many of a list count: more than there are algorithms. The rest is read and left alone.
    const CONSIDERED: usize = 32;

    /// # Errors
    /// [`RequestError::PreferredAlgorithms`] for what is no such list, whole and to its end.
    pub(super) fn from_extension_value(value: &'a [u8]) -> Result<Self, RequestError> {
        let list = Elements::inside(value, tag::SEQUENCE);
        let list = list.map_err(RequestError::PreferredAlgorithms)?;
        let mut rest = list;
        while !rest.is_empty() {
            Preferred::decode(&mut rest).map_err(RequestError::PreferredAlgorithms)?;
        }
        Ok(Self { list })
    }

    /// Whether the client likes nothing better than this, its wish for a key aside. It does not where it
    /// likes nothing at all.
    #[must_use]
    pub fn begins_with(&self, offer: &AlgorithmOffer<'_>) -> bool {
        let first = Preferred::decode(&mut { self.list });
        first.is_ok_and(|first| first.signature.is_met_by(&offer.signature))
    }

    /// The place of the offer that the client likes best; `None` where it likes none of them.
    ///
    /// The first in the client's list that is offered, as RFC 6960 §4.4.7.2 wants it. Where none is, the
    /// choice is the responder's: whoever calls falls back to its default, the algorithm that it is
    /// known for.
    #[must_use]
    pub fn choose<'o>(
        &self,
        offers: impl Iterator<Item = AlgorithmOffer<'o>> + Clone,
    ) -> Option<usize> {
        let mut list = self.list;
        for _ in 0..Self::CONSIDERED {
            // The whole list was read before, so an error is its end.
            let preferred = Preferred::decode(&mut list).ok()?;
            if let Some(place) = offers.clone().position(|offer| preferred.is_met_by(&offer)) {
                return Some(place);
            }
        }
        None
    }
}

/// What a signer offers: how it signs, and with what key.
#[derive(Clone, Copy, Debug)]
pub struct AlgorithmOffer<'a> {
    signature: Algorithm<'a>,
    key: Option<Algorithm<'a>>,
}

impl<'a> AlgorithmOffer<'a> {
    /// From the DER of the signature's AlgorithmIdentifier and of the key's SubjectPublicKeyInfo; `None`
    /// for octets that are not these. Without a SubjectPublicKeyInfo no wish for a key is met.
    #[must_use]
    pub fn new(signature_algorithm: &'a [u8], spki: Option<&'a [u8]>) -> Option<Self> {
        let only = |der| Algorithm::decode(&mut Elements::new(der)).ok();
        Some(Self {
            signature: only(signature_algorithm)?,
            key: spki.and_then(|spki| {
                let mut fields = Elements::inside(spki, tag::SEQUENCE).ok()?;
                Algorithm::decode(&mut fields).ok()
            }),
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Preferred<'a> {
    signature: Algorithm<'a>,
    key: Option<Algorithm<'a>>,
}

impl<'a> Preferred<'a> {
    fn decode(list: &mut Elements<'a>) -> Result<Self, DerError> {
        let mut fields = list.nested(tag::SEQUENCE)?;
        let signature = Algorithm::decode(&mut fields)?;
        let key = match fields.is_empty() {
            true => None,
            false => Some(Algorithm::decode(&mut fields)?),
        };
        fields.finish()?;
        Ok(Self { signature, key })
    }

    fn is_met_by(&self, offer: &AlgorithmOffer<'_>) -> bool {
        let key_fits = |wanted: &Algorithm<'_>| offer.key.is_some_and(|key| wanted.is_met_by(&key));
        self.signature.is_met_by(&offer.signature) && self.key.as_ref().is_none_or(key_fits)
    }
}

/// `SEQUENCE { OBJECT IDENTIFIER, parameters ANY OPTIONAL }`: an AlgorithmIdentifier, or an
/// SMIMECapability.
#[derive(Clone, Copy, Debug)]
struct Algorithm<'a> {
    oid: &'a [u8],
    parameters: Option<Element<'a>>,
}

impl<'a> Algorithm<'a> {
    fn decode(list: &mut Elements<'a>) -> Result<Self, DerError> {
        let mut fields = list.nested(tag::SEQUENCE)?;
        let oid = fields.oid()?;
        let parameters = match fields.is_empty() {
            true => None,
            false => Some(fields.any()?),
        };
        fields.finish()?;
        Ok(Self { oid, parameters })
    }

    /// Absent parameters and NULL ask for nothing in particular: some clients write the one where the
    /// algorithm has the other.
    fn is_met_by(&self, offered: &Self) -> bool {
        let any = self.parameters.is_none_or(|found| found.tag == tag::NULL);
        self.oid == offered.oid && (any || self.parameters == offered.parameters)
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::asn1::put_tlv;

    // By hand from RFC 5758, RFC 8410, RFC 4055 and RFC 5480.
    const ECDSA_SHA256: &[u8] = &hex!("300a 0608 2a8648ce3d040302");
    const ECDSA_SHA384: &[u8] = &hex!("300a 0608 2a8648ce3d040303");
    const ED25519: &[u8] = &hex!("3005 0603 2b6570");
    const RSA_SHA256: &[u8] = &hex!("300d 0609 2a864886f70d01010b 0500");
    const RSA_SHA256_BARE: &[u8] = &hex!("300b 0609 2a864886f70d01010b");
    const P256_KEY: &[u8] = &hex!("3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107");
    const P384_KEY: &[u8] = &hex!("3010 0607 2a8648ce3d0201 0605 2b81040022");

    fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        let mut der = Vec::new();
        put_tlv(&mut der, tag::SEQUENCE, &parts.concat());
        der
    }

    fn spki(algorithm: &[u8]) -> Vec<u8> {
        sequence(&[algorithm, &hex!("0302 00aa")])
    }

    /// What is chosen among a P-256, an Ed25519 and an RSA signer.
    fn chosen(entries: &[Vec<u8>]) -> Option<usize> {
        let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        let value = sequence(&entries);
        let (p256, ed25519) = (spki(P256_KEY), spki(ED25519));
        let rsa = spki(&hex!("300d 0609 2a864886f70d010101 0500"));
        let offers = [
            (ECDSA_SHA256, &p256),
            (ED25519, &ed25519),
            (RSA_SHA256, &rsa),
        ];
        let offers = offers.map(|(how, key)| AlgorithmOffer::new(how, Some(key)).unwrap());
        let preferred = PreferredAlgorithms::from_extension_value(&value).unwrap();
        preferred.choose(offers.into_iter())
    }

    #[test]
    fn the_first_that_is_offered_is_chosen() {
        let one = |der: &[u8]| sequence(&[der]);
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[one(ED25519), one(ECDSA_SHA256)]), Some(1));
        assert_eq!(chosen(&[one(ECDSA_SHA384), one(RSA_SHA256)]), Some(2));
        assert_eq!(chosen(&[one(RSA_SHA256_BARE)]), Some(2));
        assert_eq!(chosen(&[one(ECDSA_SHA384)]), None);
    }

    #[test]
    fn a_wish_for_a_curve_counts() {
        let with_key = |key: &[u8]| sequence(&[ECDSA_SHA256, key]);
        assert_eq!(chosen(&[with_key(P256_KEY)]), Some(0));
        assert_eq!(chosen(&[with_key(P384_KEY)]), None);
        // A key whose parameters do not matter to the client.
        let any_curve = hex!("3009 0607 2a8648ce3d0201");
        assert_eq!(chosen(&[with_key(&any_curve)]), Some(0));
        let unknown = AlgorithmOffer::new(ECDSA_SHA256, None).unwrap();
        let value = sequence(&[&with_key(P256_KEY)]);
        let preferred = PreferredAlgorithms::from_extension_value(&value).unwrap();
        assert_eq!(preferred.choose([unknown].into_iter()), None);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let mut entries = vec![sequence(&[ECDSA_SHA384]); PreferredAlgorithms::CONSIDERED];
        entries.push(sequence(&[ED25519]));
        assert_eq!(chosen(&entries), None);
        entries.remove(0);
        assert_eq!(chosen(&entries), Some(1));
    }

    #[test]
    fn what_is_no_such_list_is_refused() {
        for value in [
            &hex!("")[..],
            &hex!("0500"),
            &hex!("3002 0500"),
            &hex!("3002 3000"),
            // An algorithm without its SEQUENCE, and one with something behind it.
            &hex!("300a 3008 0606 2a8648ce3d04"),
            &sequence(&[&sequence(&[ED25519, ED25519, ED25519])]),
            &[&sequence(&[])[..], &[0]].concat(),
        ] {
            let refused = PreferredAlgorithms::from_extension_value(value);
            assert!(
                matches!(refused, Err(RequestError::PreferredAlgorithms(_))),
                "{value:x?}"
            );
        }
    }
}
