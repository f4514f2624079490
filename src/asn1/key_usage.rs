//! keyUsage (RFC 5280 §4.2.1.3).

use super::der_reader::{DerError, Elements, tag};

/// The bits of a keyUsage extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature (0), alone.
    pub const DIGITAL_SIGNATURE: Self = Self(1 << 15);
    /// keyCertSign (5), alone.
    pub const KEY_CERT_SIGN: Self = Self(1 << 10);
    /// cRLSign (6), alone.
    pub const CRL_SIGN: Self = Self(1 << 9);

    /// Reads the BIT STRING that fills an extnValue.
    pub(super) fn from_extension_value(value: &[u8]) -> Result<Self, DerError> {
        let content = Elements::only(value, tag::BIT_STRING)?.content;
        let (unused, octets) = match content {
            [unused, octets @ ..] if *unused < 8 && octets.len() <= 2 => (*unused, octets),
            _ => return Err(DerError::BitString),
        };
        let last = octets.last().copied().unwrap_or(0);
        if (octets.is_empty() && unused != 0) || last.trailing_zeros() < u32::from(unused) {
            return Err(DerError::BitString);
        }
        let mut bits = octets.iter().copied();
        Ok(Self(u16::from_be_bytes([
            bits.next().unwrap_or(0),
            bits.next().unwrap_or(0),
        ])))
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn bits_are_counted_from_the_left() {
        let usage = KeyUsage::from_extension_value(&hex!("0302 0106")).unwrap();
        assert!(usage.contains(KeyUsage::KEY_CERT_SIGN) && usage.contains(KeyUsage::CRL_SIGN));
        assert!(!usage.contains(KeyUsage::DIGITAL_SIGNATURE));
        let only = KeyUsage::from_extension_value(&hex!("0302 0780"));
        assert_eq!(only, Ok(KeyUsage::DIGITAL_SIGNATURE));
        // decipherOnly (8) lies in the second octet.
        assert!(KeyUsage::from_extension_value(&hex!("0303 070080")).is_ok());
    }

    #[test]
    fn odd_bit_strings_are_errors_not_panics() {
        for value in [
            &hex!("0300")[..],
            &hex!("0301 01"),
            &hex!("0302 0801"),
            &hex!("0302 0181"),
            &hex!("0304 00000000"),
            &hex!("0302 0780 00"),
        ] {
            assert!(
                KeyUsage::from_extension_value(value).is_err(),
                "{value:02x?}"
            );
        }
        // No bits at all is a BIT STRING, and a usage of nothing.
        assert_eq!(
            KeyUsage::from_extension_value(&hex!("0301 00")),
            Ok(KeyUsage(0))
        );
    }
}
