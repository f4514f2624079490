//! The number of a CRL (RFC 5280 §5.2.3).

use std::{cmp::Ordering, fmt};

/// CRLNumber content octets: a non-negative INTEGER of at most [`CrlNumber::OCTETS_MAX`] octets in
/// minimal form. Ordered as the numbers are.
///
/// ```text
/// CRLNumber ::= INTEGER (0..MAX)
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct CrlNumber {
    len: u8,
    octets: [u8; Self::OCTETS_MAX],
}

impl CrlNumber {
    /// RFC 5280 §5.2.3: verifiers handle up to 20 octets, issuers use no more.
    pub const OCTETS_MAX: usize = 20;

    /// A number from the content octets of a DER INTEGER.
    ///
    /// # Errors
    /// [`CrlNumberError`] when empty, negative, too long or not minimally encoded.
    pub fn from_content(content: &[u8]) -> Result<Self, CrlNumberError> {
        match content {
            [] => return Err(CrlNumberError::Empty),
            [0x80..=0xff, ..] => return Err(CrlNumberError::Negative),
            [0x00, 0x00..=0x7f, ..] => return Err(CrlNumberError::NotMinimal),
            _ => {}
        }
        let mut octets = [0; Self::OCTETS_MAX];
        let (Some(target), Ok(len)) =
            (octets.get_mut(..content.len()), u8::try_from(content.len()))
        else {
            return Err(CrlNumberError::TooLong);
        };
        target.copy_from_slice(content);
        Ok(Self { len, octets })
    }

    /// The content octets, with the sign octet where there is one.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The number without its sign octet.
    fn magnitude(&self) -> &[u8] {
        match self.as_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }
    }
}

impl From<u64> for CrlNumber {
    fn from(number: u64) -> Self {
        let mut with_sign = vec![0];
        with_sign.extend_from_slice(&number.to_be_bytes());
        let mut content = with_sign.as_slice();
        while let [0, rest @ ..] = content
            && matches!(rest, [0x00..=0x7f, ..])
        {
            content = rest;
        }
        let mut octets = [0; Self::OCTETS_MAX];
        for (place, octet) in octets.iter_mut().zip(content) {
            *place = *octet;
        }
        Self {
            len: u8::try_from(content.len()).unwrap_or(u8::MAX),
            octets,
        }
    }
}

impl Ord for CrlNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        // Minimal and not negative: of two numbers the longer is the greater.
        (self.len, self.as_bytes()).cmp(&(other.len, other.as_bytes()))
    }
}

impl PartialOrd for CrlNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `0x1001 (4097)`: hexadecimal as `openssl crl -crlnumber` shows it, and the decimal that
/// `openssl crl -text` shows where 128 bits hold it.
impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.magnitude();
        f.write_str("0x")?;
        magnitude
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02X}"))?;
        if magnitude.len() > size_of::<u128>() {
            return Ok(());
        }
        let decimal = magnitude
            .iter()
            .fold(0_u128, |number, octet| (number << 8) | u128::from(*octet));
        write!(f, " ({decimal})")
    }
}

impl fmt::Debug for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrlNumber({self})")
    }
}

/// Why some octets are no CRLNumber.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlNumberError {
    /// No octets.
    #[error("the CRL number is empty")]
    Empty,
    /// Below 0.
    #[error("the CRL number is negative")]
    Negative,
    /// A leading octet that says nothing; not DER.
    #[error("the CRL number is not minimally encoded")]
    NotMinimal,
    /// More than 20 octets.
    #[error("the CRL number is longer than 20 octets")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_encoded_as_der_encodes_them() {
        use der::Encode as _;
        for number in [
            0,
            1,
            0x7f,
            0x80,
            0xff,
            0x100,
            0x7fff,
            0x8000,
            u64::MAX >> 1,
            u64::MAX,
        ] {
            let der = number.to_der().unwrap();
            assert_eq!(CrlNumber::from(number).as_bytes(), &der[2..], "{number:#x}");
        }
    }

    #[test]
    fn numbers_are_ordered_and_shown_as_numbers() {
        let longest = {
            let mut octets = [0xff; 20];
            octets[0] = 0x7f;
            octets
        };
        let table: [(&[u8], &str); 7] = [
            (&[0x00], "0x00 (0)"),
            (&[0x7f], "0x7F (127)"),
            (&[0x00, 0x80], "0x80 (128)"),
            (&[0x10, 0x01], "0x1001 (4097)"),
            (
                &[
                    0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                    0xff, 0xff, 0xff, 0xff,
                ],
                "0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF (340282366920938463463374607431768211455)",
            ),
            (
                &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                "0x0100000000000000000000000000000000",
            ),
            (&longest, "0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
        ];
        let numbers = table.map(|(content, shown)| {
            let number = CrlNumber::from_content(content).unwrap();
            assert_eq!(number.as_bytes(), content);
            assert_eq!(number.to_string(), shown);
            number
        });
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_no_number_of_a_crl_is_refused() {
        let table: [(&[u8], CrlNumberError); 5] = [
            (&[], CrlNumberError::Empty),
            (&[0x80], CrlNumberError::Negative),
            (&[0xff, 0x7f], CrlNumberError::Negative),
            (&[0x00, 0x7f], CrlNumberError::NotMinimal),
            (&[1; 21], CrlNumberError::TooLong),
        ];
        for (content, error) in table {
            assert_eq!(CrlNumber::from_content(content), Err(error), "{content:?}");
        }
    }
}
