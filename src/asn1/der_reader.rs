//! A reader of DER elements that borrows, allocates nothing and never recurses.
//!
//! It takes low tag numbers and definite, minimal lengths of up to four octets; everything else is
//! refused. `der`'s own reader is general (high tag numbers, nesting, positions in errors) and costs
//! several times as much an element; here it serves as the oracle of the tests instead.

/// Identifier octets that OCSP and X.509 use.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number] EXPLICIT`, or IMPLICIT of something constructed.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }

    /// `[number] IMPLICIT` of something primitive.
    pub(crate) const fn primitive(number: u8) -> u8 {
        0x80 | number
    }
}

/// One element: identifier, content, and all of its octets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) der: &'a [u8],
}

/// Elements that follow one another, as the content of a SEQUENCE does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(crate) const fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// The one element that fills `der`, which must have this tag.
    #[inline]
    pub(crate) fn only(der: &'a [u8], tag: u8) -> Result<Element<'a>, DerError> {
        let mut outer = Self::new(der);
        let element = outer.required(tag)?;
        outer.finish()?;
        Ok(element)
    }

    /// The elements inside the one element that fills `der`.
    #[inline]
    pub(crate) fn inside(der: &'a [u8], tag: u8) -> Result<Self, DerError> {
        Ok(Self::new(Self::only(der, tag)?.content))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The octets of the elements that come next.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next element, whatever it is.
    #[inline]
    pub(crate) fn any(&mut self) -> Result<Element<'a>, DerError> {
        let (element, rest) = split_element(self.rest)?;
        self.rest = rest;
        Ok(element)
    }

    /// The next element, which must have this tag.
    #[inline]
    pub(crate) fn required(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.rest.first() {
            Some(found) if *found == tag => self.any(),
            Some(found) => Err(DerError::UnexpectedTag {
                expected: tag,
                found: *found,
            }),
            None => Err(DerError::Truncated),
        }
    }

    /// The next element if it has this tag; nothing is consumed otherwise.
    #[inline]
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        match self.rest.first() {
            Some(found) if *found == tag => self.any().map(Some),
            _ => Ok(None),
        }
    }

    /// The elements inside the next one, which must have this tag.
    #[inline]
    pub(crate) fn nested(&mut self, tag: u8) -> Result<Self, DerError> {
        Ok(Self::new(self.required(tag)?.content))
    }

    /// The next element's content octets as an INTEGER: not empty, minimally encoded.
    #[inline]
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], DerError> {
        let content = self.required(tag::INTEGER)?.content;
        match content {
            [] => Err(DerError::Integer),
            [0x00, next, ..] if *next < 0x80 => Err(DerError::Integer),
            [0xff, next, ..] if *next >= 0x80 => Err(DerError::Integer),
            _ => Ok(content),
        }
    }

    /// The next element's content octets as an OBJECT IDENTIFIER.
    #[inline]
    pub(crate) fn oid(&mut self) -> Result<&'a [u8], DerError> {
        let content = self.required(tag::OBJECT_IDENTIFIER)?.content;
        if is_well_formed_oid(content) {
            Ok(content)
        } else {
            Err(DerError::ObjectIdentifier)
        }
    }

    /// # Errors
    /// [`DerError::TrailingOctets`] when something is left.
    #[inline]
    pub(crate) const fn finish(self) -> Result<(), DerError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DerError::TrailingOctets)
        }
    }
}

/// Whether content octets are an OBJECT IDENTIFIER: 1 to 64 octets of complete, minimal
/// subidentifiers. Giant ones are an attack, not a name (CVE-2023-2650).
#[inline]
pub(crate) fn is_well_formed_oid(content: &[u8]) -> bool {
    const OCTETS_MAX: usize = 64;
    let mut at_start = true;
    let minimal = content.iter().all(|octet| {
        let padded = at_start && *octet == 0x80;
        at_start = *octet < 0x80;
        !padded
    });
    minimal && at_start && !content.is_empty() && content.len() <= OCTETS_MAX
}

#[inline]
fn split_element(input: &[u8]) -> Result<(Element<'_>, &[u8]), DerError> {
    let (tag, len, body) = split_header(input)?;
    let (content, rest) = body.split_at_checked(len).ok_or(DerError::Truncated)?;
    let der_len = input.len().saturating_sub(rest.len());
    let der = input.get(..der_len).ok_or(DerError::Truncated)?;
    Ok((Element { tag, content, der }, rest))
}

/// The identifier octet and the length of the content of the first element, and what follows these
/// two: for an element whose content need not be there yet.
#[inline]
pub(crate) fn split_header(input: &[u8]) -> Result<(u8, usize, &[u8]), DerError> {
    let [tag, first, after @ ..] = input else {
        return Err(DerError::Truncated);
    };
    // End-of-contents, and numbers above 30: neither occurs in what is read here.
    if *tag == 0 || tag & 0x1f == 0x1f {
        return Err(DerError::UnknownTag(*tag));
    }
    let (len, body) = match first {
        0..=0x7f => (usize::from(*first), after),
        0x81..=0x84 => long_length(usize::from(first & 0x0f), after)?,
        _ => return Err(DerError::Length),
    };
    Ok((*tag, len, body))
}

fn long_length(octets: usize, input: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let (length, body) = input.split_at_checked(octets).ok_or(DerError::Truncated)?;
    let len = length
        .iter()
        .fold(0_u32, |len, octet| (len << 8) | u32::from(*octet));
    let fits_shorter = match octets {
        1 => len < 0x80,
        _ => length.first() == Some(&0),
    };
    if fits_shorter {
        return Err(DerError::Length);
    }
    Ok((usize::try_from(len).map_err(|_| DerError::Length)?, body))
}

/// Why octets are not the DER that was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// An element is missing or ends before its length says.
    #[error("ends too early")]
    Truncated,
    /// Octets follow the last element.
    #[error("octets follow the end")]
    TrailingOctets,
    /// Another element than the one that must come here.
    #[error("identifier octet {found:#04x} where {expected:#04x} must come")]
    UnexpectedTag {
        /// The identifier octet that must come.
        expected: u8,
        /// The one that came.
        found: u8,
    },
    /// End-of-contents or a tag number above 30.
    #[error("identifier octet {0:#04x} does not occur here")]
    UnknownTag(u8),
    /// Indefinite, not minimal, or of more than four octets.
    #[error("a length that is not DER")]
    Length,
    /// Empty or not minimal.
    #[error("an INTEGER that is not DER")]
    Integer,
    /// Neither 0x00 nor 0xff.
    #[error("a BOOLEAN that is not DER")]
    Boolean,
    /// Empty, unfinished, padded or longer than 64 octets.
    #[error("a malformed OBJECT IDENTIFIER")]
    ObjectIdentifier,
    /// Without the octet that counts unused bits, or with a count that cannot be.
    #[error("a malformed BIT STRING")]
    BitString,
}

#[cfg(test)]
mod tests {
    use der::{Decode, Reader};
    use proptest::prelude::*;

    use super::*;

    /// What `der` says about the first element: its header's and its whole length.
    fn oracle(input: &[u8]) -> Option<(usize, usize)> {
        let mut reader = der::SliceReader::new(input).ok()?;
        let header = der::Header::decode(&mut reader).ok()?;
        let start = usize::try_from(reader.position()).ok()?;
        reader.read_slice(header.length()).ok()?;
        Some((start, usize::try_from(reader.position()).ok()?))
    }

    proptest! {
        #[test]
        fn elements_are_split_where_another_reader_splits_them(
            tag in prop::sample::select(vec![0x01, 0x02, 0x04, 0x30, 0x31, 0x80, 0xa0, 0xa3, 0x61]),
            length in prop::collection::vec(prop_oneof![0_u8..4, 0x7e..=0x86_u8, any::<u8>()], 0..6),
            filler in 0..700_usize,
        ) {
            let mut input = vec![tag];
            input.extend(length);
            input.resize(input.len() + filler, 0x05);
            let ours = split_element(&input).ok().map(|(element, rest)| {
                let end = input.len() - rest.len();
                prop_assert_eq!(element.der, &input[..end]);
                Ok((end - element.content.len(), end))
            }).transpose()?;
            prop_assert_eq!(ours, oracle(&input));
        }
    }

    #[test]
    fn what_der_forbids_is_refused() {
        for (octets, error) in [
            (&[][..], DerError::Truncated),
            (&[0x30], DerError::Truncated),
            (&[0x30, 0x01], DerError::Truncated),
            (&[0x30, 0x80, 0x00, 0x00], DerError::Length),
            (&[0x30, 0x81, 0x7f], DerError::Length),
            (&[0x30, 0x82, 0x00, 0x80], DerError::Length),
            (&[0x30, 0x85, 0x01, 0, 0, 0, 0], DerError::Length),
            (&[0x30, 0xff], DerError::Length),
            (&[0x1f, 0x01, 0x00], DerError::UnknownTag(0x1f)),
            (&[0x00, 0x00], DerError::UnknownTag(0x00)),
        ] {
            assert_eq!(Elements::new(octets).any(), Err(error), "{octets:02x?}");
        }
        for content in [&[][..], &[0x00, 0x7f], &[0xff, 0x80]] {
            let mut der = vec![tag::INTEGER, u8::try_from(content.len()).unwrap()];
            der.extend(content);
            assert_eq!(Elements::new(&der).integer(), Err(DerError::Integer));
        }
        for content in [
            &[][..],
            &[0x80, 0x01],
            &[0x2a, 0x80, 0x01],
            &[0x2a, 0x86],
            &[1; 65],
        ] {
            assert!(!is_well_formed_oid(content), "{content:02x?}");
        }
        assert!(is_well_formed_oid(&[1; 64]));
    }
}
