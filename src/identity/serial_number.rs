//! The serial number of a certificate, as the octets of its INTEGER (RFC 5280 §4.1.2.2).

use std::fmt;

use aws_lc_rs::digest;

/// serialNumber content octets, exactly as the certificate encodes them: a leading 0x00 sign octet is
/// kept, and nothing passes through a decimal or a float.
///
/// 1 to [`SerialNumber::OCTETS_MAX`] octets in minimal two's complement. Ordered as the integers are
/// for positive serials (shorter first, then octet by octet).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SerialNumber {
    len: u8,
    octets: [u8; Self::OCTETS_MAX],
}

impl SerialNumber {
    /// RFC 5280 §4.1.2.2: conforming CAs do not use longer ones.
    pub const OCTETS_MAX: usize = 20;

    /// A serial from the content octets of a DER INTEGER.
    ///
    /// # Errors
    /// [`SerialNumberError`] when empty, too long or not minimally encoded.
    pub fn from_content(content: &[u8]) -> Result<Self, SerialNumberError> {
        match content {
            [] => return Err(SerialNumberError::Empty),
            [0x00, next, ..] if *next < 0x80 => return Err(SerialNumberError::NotMinimal),
            [0xff, next, ..] if *next >= 0x80 => return Err(SerialNumberError::NotMinimal),
            _ => {}
        }
        let mut octets = [0; Self::OCTETS_MAX];
        let (Some(target), Ok(len)) =
            (octets.get_mut(..content.len()), u8::try_from(content.len()))
        else {
            return Err(SerialNumberError::TooLong);
        };
        target.copy_from_slice(content);
        Ok(Self { len, octets })
    }

    /// A serial from the hexadecimal digits of a non-negative integer, as people and `index.txt`
    /// write it: either case, any number of leading zeros, an odd number of digits allowed.
    ///
    /// # Errors
    /// [`SerialNumberError`] when empty, not hexadecimal, negative or longer than 20 octets.
    pub fn from_hex(digits: &str) -> Result<Self, SerialNumberError> {
        if digits.is_empty() {
            return Err(SerialNumberError::Empty);
        }
        if digits.starts_with('-') {
            return Err(SerialNumberError::Negative);
        }
        let significant = digits.trim_start_matches('0').as_bytes();
        // The integer's octets, right aligned behind one spare octet for the sign.
        let mut content = [0_u8; Self::OCTETS_MAX + 1];
        let mut places = content.iter_mut().rev();
        for pair in significant.rchunks(2) {
            let place = places.next().ok_or(SerialNumberError::TooLong)?;
            for digit in pair {
                let value = char::from(*digit)
                    .to_digit(16)
                    .and_then(|v| u8::try_from(v).ok());
                *place = (*place << 4) | value.ok_or(SerialNumberError::NotHexadecimal)?;
            }
        }
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(SerialNumberError::NotHexadecimal);
        }
        Self::from_magnitude(&content)
    }

    /// A serial from the decimal digits of a non-negative integer, as databases of CAs write it.
    ///
    /// # Errors
    /// [`SerialNumberError`] when empty, not decimal, negative or longer than 20 octets.
    pub fn from_decimal(digits: &str) -> Result<Self, SerialNumberError> {
        if digits.is_empty() {
            return Err(SerialNumberError::Empty);
        }
        if digits.starts_with('-') {
            return Err(SerialNumberError::Negative);
        }
        // The integer's octets, right aligned behind one spare octet for the sign.
        let mut content = [0_u8; Self::OCTETS_MAX + 1];
        for digit in digits.bytes() {
            if !digit.is_ascii_digit() {
                return Err(SerialNumberError::NotDecimal);
            }
            let mut carry = u16::from(digit - b'0');
            for place in content.iter_mut().rev() {
                let [high, low] = (u16::from(*place) * 10 + carry).to_be_bytes();
                *place = low;
                carry = u16::from(high);
            }
            if carry > 0 {
                return Err(SerialNumberError::TooLong);
            }
        }
        Self::from_magnitude(&content)
    }

    /// The serial whose octets, zeros before them, are `content`.
    fn from_magnitude(content: &[u8; Self::OCTETS_MAX + 1]) -> Result<Self, SerialNumberError> {
        let zeros = content.iter().take_while(|octet| **octet == 0).count();
        let first = content.get(zeros).copied().unwrap_or(0);
        let start = if zeros == content.len() || first >= 0x80 {
            zeros.checked_sub(1).ok_or(SerialNumberError::TooLong)?
        } else {
            zeros
        };
        Self::from_content(content.get(start..).unwrap_or_default())
    }

    /// Whether it is above 0, as RFC 5280 §4.1.2.2 has it of every certificate.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        !matches!(self.as_bytes(), [0] | [0x80..=0xff, ..])
    }

    /// Which of `count` shards of a CRL it is in, where nothing else says so: the first four octets of
    /// SHA-256 over its content octets, big-endian, modulo `count`.
    #[must_use]
    pub fn crl_shard(&self, count: u32) -> u32 {
        let digest = digest::digest(&digest::SHA256, self.as_bytes());
        let first = digest.as_ref().first_chunk().copied();
        let first = first.map_or(0, u32::from_be_bytes);
        first.checked_rem(count).unwrap_or(0)
    }

    /// The content octets, and zeros behind them.
    #[cfg(feature = "rocksdb")]
    pub(crate) const fn padded(&self) -> &[u8; Self::OCTETS_MAX] {
        &self.octets
    }

    /// The content octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Ord for SerialNumber {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.len, self.as_bytes()).cmp(&(other.len, other.as_bytes()))
    }
}

impl PartialOrd for SerialNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Upper-case hexadecimal of the content octets, two digits an octet, the sign octet left out: what
/// `openssl x509 -serial` and `index.txt` show.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.as_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        shown.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

/// Why some octets or digits are no serial number that can have a status here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SerialNumberError {
    /// No octets, no digits.
    #[error("the serial number is empty")]
    Empty,
    /// More than 20 octets.
    #[error("the serial number is longer than 20 octets")]
    TooLong,
    /// A leading octet that says nothing; not DER.
    #[error("the serial number is not minimally encoded")]
    NotMinimal,
    /// A minus sign.
    #[error("the serial number is negative")]
    Negative,
    /// A character that is no hexadecimal digit.
    #[error("the serial number is not hexadecimal")]
    NotHexadecimal,
    /// A character that is no decimal digit.
    #[error("the serial number is not decimal")]
    NotDecimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_is_the_same_number() {
        for (decimal, hexadecimal) in [
            ("1", "01"),
            (
                "000000000000000000000000000000000000000000000000000000000000255",
                "FF",
            ),
            ("128", "80"),
            // By bc(1): 2^159 - 1.
            (
                "730750818665451459101842416358141509827966271487",
                "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
            ),
        ] {
            let serial = SerialNumber::from_decimal(decimal).unwrap();
            assert_eq!(serial, SerialNumber::from_hex(hexadecimal).unwrap());
            assert_eq!(serial.to_string(), hexadecimal);
        }
        for (text, error) in [
            ("", SerialNumberError::Empty),
            ("-1", SerialNumberError::Negative),
            ("+1", SerialNumberError::NotDecimal),
            ("1A", SerialNumberError::NotDecimal),
            ("1e3", SerialNumberError::NotDecimal),
            // 2^159, whose sign octet is the 21st, and 2^168.
            (
                "730750818665451459101842416358141509827966271488",
                SerialNumberError::TooLong,
            ),
            (
                "374144419156711147060143317175368453031918731001856",
                SerialNumberError::TooLong,
            ),
        ] {
            assert_eq!(SerialNumber::from_decimal(text), Err(error), "{text}");
        }
    }

    #[test]
    fn hexadecimal_gains_the_sign_octet_that_der_needs() {
        for (digits, content) in [
            ("00", &[0x00][..]),
            ("1", &[0x01]),
            ("7F", &[0x7f]),
            ("80", &[0x00, 0x80]),
            ("0ff", &[0x00, 0xff]),
            ("000000000000000000000000000000000000000000000001", &[0x01]),
            ("7fffffffffffffffffffffffffffffffffffffff", &{
                let mut largest = [0xff; 20];
                largest[0] = 0x7f;
                largest
            }),
        ] {
            assert_eq!(
                SerialNumber::from_hex(digits).unwrap().as_bytes(),
                content,
                "{digits}"
            );
        }
    }

    #[test]
    fn zero_and_less_are_not_positive() {
        for (content, positive) in [
            (&[0x00][..], false),
            (&[0x80], false),
            (&[0xff, 0x7f], false),
            (&[0x01], true),
            (&[0x00, 0x80], true),
        ] {
            let serial = SerialNumber::from_content(content).unwrap();
            assert_eq!(serial.is_positive(), positive, "{serial:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_serial_is_refused() {
        for (digits, error) in [
            ("", SerialNumberError::Empty),
            ("-01", SerialNumberError::Negative),
            ("0x10", SerialNumberError::NotHexadecimal),
            ("zz", SerialNumberError::NotHexadecimal),
            (
                "8000000000000000000000000000000000000000",
                SerialNumberError::TooLong,
            ),
            (
                "10000000000000000000000000000000000000000",
                SerialNumberError::TooLong,
            ),
            (
                "1000000000000000000000000000000000000000000000",
                SerialNumberError::TooLong,
            ),
        ] {
            assert_eq!(SerialNumber::from_hex(digits), Err(error), "{digits}");
        }
        assert_eq!(
            SerialNumber::from_content(&[0, 1]),
            Err(SerialNumberError::NotMinimal)
        );
        assert_eq!(
            SerialNumber::from_content(&[0xff, 0x80]),
            Err(SerialNumberError::NotMinimal)
        );
        assert_eq!(
            SerialNumber::from_content(&[1; 21]),
            Err(SerialNumberError::TooLong)
        );
    }

    #[test]
    fn shown_as_openssl_shows_it() {
        assert_eq!(SerialNumber::from_hex("0f80").unwrap().to_string(), "0F80");
        assert_eq!(SerialNumber::from_hex("80").unwrap().to_string(), "80");
        assert_eq!(SerialNumber::from_hex("0").unwrap().to_string(), "00");
    }
}
