//! The nonce of a request (RFC 9654 §2.1).

use super::request::RequestError;
use crate::asn1::{Elements, tag};

/// What a request says about a nonce.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nonce<'a> {
    /// No nonce extension.
    Absent,
    /// `Nonce ::= OCTET STRING (SIZE(1..128))`: these octets may be echoed. Those of 16 to 32 must
    /// be taken by a responder that supports nonces; it may leave out the others (§2.1).
    Usable(&'a [u8]),
    /// extnValue holds bare octets instead of an OCTET STRING, as old clients send it: the answer
    /// goes without a nonce.
    Ignorable,
}

impl<'a> Nonce<'a> {
    /// The longest nonce; a longer one, or an empty one, is answered with `malformedRequest`.
    pub const OCTETS_MAX: usize = 128;

    /// # Errors
    /// [`RequestError::NonceLength`] for 0 or more than 128 octets, wrapped or bare.
    pub(super) fn from_extension_value(value: &'a [u8]) -> Result<Self, RequestError> {
        let wrapped = Elements::only(value, tag::OCTET_STRING).ok();
        let octets = wrapped.map_or(value, |element| element.content);
        match (octets.len(), wrapped) {
            (1..=Self::OCTETS_MAX, Some(_)) => Ok(Self::Usable(octets)),
            (1..=Self::OCTETS_MAX, None) => Ok(Self::Ignorable),
            (len, _) => Err(RequestError::NonceLength(len)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::put_tlv;

    #[test]
    fn lengths_are_judged_as_rfc_9654_says() {
        for (len, is_usable) in [
            (0, false),
            (1, true),
            (15, true),
            (16, true),
            (32, true),
            (33, true),
            (127, true),
        ]
        .into_iter()
        .chain([(128, true), (129, false), (500, false)])
        {
            let octets = vec![0xaa; len];
            let mut wrapped = Vec::new();
            put_tlv(&mut wrapped, tag::OCTET_STRING, &octets);
            let expected = if is_usable {
                Ok(Nonce::Usable(&octets))
            } else {
                Err(RequestError::NonceLength(len))
            };
            assert_eq!(Nonce::from_extension_value(&wrapped), expected);
        }
    }

    #[test]
    fn a_bare_nonce_is_left_out_of_the_answer() {
        assert_eq!(
            Nonce::from_extension_value(&[0xaa; 16]),
            Ok(Nonce::Ignorable)
        );
        // An OCTET STRING that does not fill extnValue is bare octets too.
        assert_eq!(
            Nonce::from_extension_value(&[4, 1, 7, 7]),
            Ok(Nonce::Ignorable)
        );
        assert_eq!(
            Nonce::from_extension_value(&[]),
            Err(RequestError::NonceLength(0))
        );
        assert_eq!(
            Nonce::from_extension_value(&[7; 129]),
            Err(RequestError::NonceLength(129))
        );
    }
}
