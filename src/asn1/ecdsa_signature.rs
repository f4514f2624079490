//! ECDSA signatures: r‖s as tokens give them and segments store them, DER as X.509 carries them.

use super::{
    der_len::{put_header, tlv_len, total},
    der_reader::tag,
};

/// `Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3) over a borrowed r‖s.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EcdsaSignature<'a> {
    r: Unsigned<'a>,
    s: Unsigned<'a>,
}

impl<'a> EcdsaSignature<'a> {
    /// From r‖s, both big-endian and of the same width; `None` when empty or of odd length.
    #[must_use]
    #[inline]
    pub fn from_r_s(r_s: &'a [u8]) -> Option<Self> {
        if r_s.is_empty() || !r_s.len().is_multiple_of(2) {
            return None;
        }
        let (r, s) = r_s.split_at_checked(r_s.len() / 2)?;
        Some(Self {
            r: Unsigned::new(r),
            s: Unsigned::new(s),
        })
    }

    /// Octets of the whole SEQUENCE.
    #[must_use]
    #[inline]
    pub fn der_len(&self) -> usize {
        tlv_len(self.content_len())
    }

    /// Appends the SEQUENCE; both INTEGERs are minimal.
    #[inline]
    pub fn put(&self, out: &mut Vec<u8>) {
        put_header(out, tag::SEQUENCE, self.content_len());
        self.r.put(out);
        self.s.put(out);
    }

    /// The SEQUENCE in a buffer of its own.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut der = Vec::with_capacity(self.der_len());
        self.put(&mut der);
        der
    }

    fn content_len(&self) -> usize {
        total([tlv_len(self.r.content_len()), tlv_len(self.s.content_len())])
    }
}

/// A non-negative INTEGER without its leading zero octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Unsigned<'a> {
    magnitude: &'a [u8],
    sign_octet: bool,
}

impl<'a> Unsigned<'a> {
    #[inline]
    fn new(big_endian: &'a [u8]) -> Self {
        let mut magnitude = big_endian;
        while let [0, rest @ ..] = magnitude {
            magnitude = rest;
        }
        // Zero has no magnitude left: the sign octet is then its one content octet.
        let sign_octet = magnitude.first().is_none_or(|first| *first >= 0x80);
        Self {
            magnitude,
            sign_octet,
        }
    }

    #[inline]
    fn content_len(&self) -> usize {
        self.magnitude
            .len()
            .saturating_add(usize::from(self.sign_octet))
    }

    #[inline]
    fn put(&self, out: &mut Vec<u8>) {
        put_header(out, tag::INTEGER, self.content_len());
        if self.sign_octet {
            out.push(0);
        }
        out.extend_from_slice(self.magnitude);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_minimal() {
        for (r_s, der) in [
            (&hex!("0102")[..], &hex!("3006 020101 020102")[..]),
            (&hex!("007f 0080"), &hex!("3007 02017f 02020080")),
            (&hex!("8001 0000"), &hex!("3008 0203008001 020100")),
        ] {
            let signature = EcdsaSignature::from_r_s(r_s).unwrap();
            assert_eq!(signature.to_der(), der);
            assert_eq!(signature.der_len(), der.len());
        }
        assert_eq!(EcdsaSignature::from_r_s(&[]), None);
        assert_eq!(EcdsaSignature::from_r_s(&[1, 2, 3]), None);
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(
            r in prop::array::uniform32(any::<u8>()), s in prop::array::uniform32(any::<u8>()),
            r_zeros in 0..32_usize, s_zeros in 0..32_usize,
        ) {
            let mut r_s = [r, s].concat();
            r_s[..r_zeros].fill(0);
            r_s[32..32 + s_zeros].fill(0);
            // p256 refuses zero and what is not below the order; then there is nothing to compare.
            if let Ok(theirs) = p256::ecdsa::Signature::from_slice(&r_s) {
                let ours = EcdsaSignature::from_r_s(&r_s).unwrap().to_der();
                let theirs = theirs.to_der();
                prop_assert_eq!(ours, theirs.as_bytes());
            }
        }
    }
}
