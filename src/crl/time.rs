//! `Time ::= CHOICE { utcTime UTCTime, generalTime GeneralizedTime }` (RFC 5280 §5.1.2.4).

use crate::asn1::{DerError, Elements, TimeError, UnixTime, tag};

/// A Time as encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Time<'a> {
    /// The content of a UTCTime.
    Utc(&'a [u8]),
    /// The content of a GeneralizedTime.
    Generalized(&'a [u8]),
}

impl<'a> Time<'a> {
    /// The next element, which must be one of the two.
    #[inline]
    pub(super) fn decode(fields: &mut Elements<'a>) -> Result<Self, DerError> {
        let element = fields.any()?;
        match element.tag {
            tag::UTC_TIME => Ok(Self::Utc(element.content)),
            tag::GENERALIZED_TIME => Ok(Self::Generalized(element.content)),
            found => Err(DerError::UnexpectedTag {
                expected: tag::UTC_TIME,
                found,
            }),
        }
    }

    /// Whether it has the form that RFC 5280 §5.1.2.4 asks for: UTCTime through 2049, GeneralizedTime from
    /// 2050.
    #[must_use]
    pub fn has_due_form(self) -> bool {
        match self {
            Self::Utc(_) => true,
            Self::Generalized(content) => content
                .get(..4)
                .is_some_and(|year| year >= b"2050".as_slice()),
        }
    }

    /// The moment.
    ///
    /// # Errors
    /// [`TimeError`] for another form than `YYMMDDHHMMSSZ` and `YYYYMMDDHHMMSSZ`, a date that does not
    /// exist, or one before 1970.
    pub fn to_unix(self) -> Result<UnixTime, TimeError> {
        match self {
            Self::Utc(content) => UnixTime::from_utc_time(content),
            Self::Generalized(content) => UnixTime::from_generalized_time(content),
        }
    }
}
