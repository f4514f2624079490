//! Times: whole seconds inside, GeneralizedTime and UTCTime on the wire (RFC 5280 §4.1.2.5).

use std::{fmt, time::Duration};

use der::DateTime;

/// Seconds since 1970-01-01T00:00:00Z, from 1970 to 9999: what GeneralizedTime can say without a
/// fraction (RFC 9919 §3.2.4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59Z: "no well-defined end" (RFC 5280 §4.1.2.5).
    pub const MAX: Self = Self(253_402_300_799);

    /// A time from seconds since the epoch; `None` past the year 9999.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Option<Self> {
        if secs <= Self::MAX.0 {
            Some(Self(secs))
        } else {
            None
        }
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This time and `duration` (whole seconds) later, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        let secs = self.0.saturating_add(duration.as_secs());
        if secs > Self::MAX.0 {
            Self::MAX
        } else {
            Self(secs)
        }
    }

    /// This time and `duration` (whole seconds) earlier, at least the epoch.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// The 15 octets `YYYYMMDDHHMMSSZ` of a GeneralizedTime.
    #[must_use]
    pub fn to_generalized_time(self) -> [u8; 15] {
        let mut octets = *b"00000000000000Z";
        let (year, month, day, hour, minute, second) = self.civil();
        let pairs = [year / 100, year % 100, month, day, hour, minute, second];
        for (place, value) in octets.chunks_exact_mut(2).zip(pairs) {
            for (octet, digit) in place.iter_mut().zip([value / 10, value % 10]) {
                *octet = octet.saturating_add(u8::try_from(digit).unwrap_or(0));
            }
        }
        octets
    }

    /// Reads GeneralizedTime content, exactly `YYYYMMDDHHMMSSZ`.
    ///
    /// # Errors
    /// [`TimeError`] for any other form, a date that does not exist or a year before 1970.
    pub fn from_generalized_time(content: &[u8]) -> Result<Self, TimeError> {
        let [century, rest @ ..] = pairs::<7>(content)?;
        Self::from_civil(century.saturating_mul(100), rest)
    }

    /// Reads UTCTime content, exactly `YYMMDDHHMMSSZ`; 50 to 99 are 1950 to 1999.
    ///
    /// # Errors
    /// [`TimeError`] for any other form, a date that does not exist or a year before 1970.
    pub fn from_utc_time(content: &[u8]) -> Result<Self, TimeError> {
        let rest = pairs::<6>(content)?;
        let [year, ..] = rest;
        Self::from_civil(if year >= 50 { 1900 } else { 2000 }, rest)
    }

    /// Reads RFC 3339, for instance `2026-03-21T08:30:00Z`, as people type it; a fraction is dropped.
    ///
    /// # Errors
    /// [`TimeError`] for any other form or a year outside 1970 to 9999.
    pub fn from_rfc3339(text: &str) -> Result<Self, TimeError> {
        // jiff's time ends a day before 9999-12-31T23:59:59Z.
        if let Some(time) = Self::from_rfc3339_utc(text) {
            return Ok(time);
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| TimeError::Form)?;
        u64::try_from(timestamp.as_second())
            .ok()
            .and_then(Self::from_secs)
            .ok_or(TimeError::Range)
    }

    /// Exactly `YYYY-MM-DDTHH:MM:SSZ`.
    fn from_rfc3339_utc(text: &str) -> Option<Self> {
        let mut digits = *b"00000000000000Z";
        let mut places = digits.iter_mut();
        let form = b"dddd-dd-ddTdd:dd:ddZ";
        if text.len() != form.len() {
            return None;
        }
        for (octet, expected) in text.bytes().zip(form) {
            if *expected == b'd' {
                *places.next()? = octet;
            } else if octet != *expected {
                return None;
            }
        }
        Self::from_generalized_time(&digits).ok()
    }

    fn from_civil(century: u16, fields: [u16; 6]) -> Result<Self, TimeError> {
        let [year, month, day, hour, minute, second] = fields;
        let [month, day, hour, minute, second] =
            [month, day, hour, minute, second].map(|value| u8::try_from(value).unwrap_or(u8::MAX));
        let year = century.saturating_add(year);
        let date = DateTime::new(year, month, day, hour, minute, second).map_err(|_| {
            if year < 1970 {
                TimeError::Range
            } else {
                TimeError::Date
            }
        })?;
        Self::from_secs(date.unix_duration().as_secs()).ok_or(TimeError::Range)
    }

    /// Year, month, day, hour, minute, second, by the days-to-civil arithmetic of the proleptic
    /// Gregorian calendar (400-year eras of 146,097 days that begin on 1 March).
    const fn civil(self) -> (u64, u64, u64, u64, u64, u64) {
        let days = self.0 / 86_400 + 719_468;
        let day_second = self.0 % 86_400;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
        (
            year,
            month,
            day,
            day_second / 3_600,
            day_second % 3_600 / 60,
            day_second % 60,
        )
    }
}

/// RFC 3339, for instance `2026-03-21T08:30:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// `N` pairs of digits and a `Z`, each pair as a number.
fn pairs<const N: usize>(content: &[u8]) -> Result<[u16; N], TimeError> {
    let Some((b'Z', digits)) = content.split_last() else {
        return Err(TimeError::Form);
    };
    if digits.len() != N.saturating_mul(2) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimeError::Form);
    }
    let mut values = [0; N];
    for (value, pair) in values.iter_mut().zip(digits.chunks_exact(2)) {
        *value = pair.iter().fold(0, |value: u16, digit| {
            value
                .saturating_mul(10)
                .saturating_add(u16::from(digit.saturating_sub(b'0')))
        });
    }
    Ok(values)
}

/// Why some octets are no time that can be used here.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not the one form that DER and RFC 5280 allow.
    #[error("not a time in UTC with seconds and without a fraction")]
    Form,
    /// The form is right, the date does not exist.
    #[error("a date or time of day that does not exist")]
    Date,
    /// Before 1970 or after 9999.
    #[error("a time before 1970 or after 9999")]
    Range,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (secs, text) in [
            (0, "19700101000000Z"),
            (951_782_400, "20000229000000Z"),
            (2_147_483_648, "20380119031408Z"),
            (2_524_607_999, "20491231235959Z"),
            (4_107_542_400, "21000301000000Z"),
            (253_402_300_799, "99991231235959Z"),
        ] {
            let time = UnixTime::from_secs(secs).unwrap();
            assert_eq!(time.to_generalized_time(), text.as_bytes());
            assert_eq!(UnixTime::from_generalized_time(text.as_bytes()), Ok(time));
        }
        assert_eq!(UnixTime::from_secs(253_402_300_800), None);
    }

    #[test]
    fn utc_time_pivots_at_1950() {
        let year = |text: &[u8]| UnixTime::from_utc_time(text).map(|time| time.to_string());
        assert_eq!(year(b"491231235959Z").unwrap(), "2049-12-31T23:59:59Z");
        assert_eq!(year(b"700101000000Z").unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(year(b"500101000000Z"), Err(TimeError::Range));
    }

    #[test]
    fn the_last_second_is_read_as_it_is_written() {
        let text = "9999-12-31T23:59:59Z";
        assert_eq!(UnixTime::from_rfc3339(text), Ok(UnixTime::MAX));
        assert_eq!(UnixTime::MAX.to_string(), text);
        for other in ["9999-12-31T24:59:59Z", "+999-12-31T23:59:59Z"] {
            assert_eq!(UnixTime::from_rfc3339(other), Err(TimeError::Form));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "Z",
            "20260101000000",
            "202601010000Z",
            "20260101000000.5Z",
        ] {
            assert_eq!(
                UnixTime::from_generalized_time(text.as_bytes()),
                Err(TimeError::Form)
            );
        }
        for text in [
            "20260230000000Z",
            "20261301000000Z",
            "20260101240000Z",
            "20260101006000Z",
        ] {
            assert_eq!(
                UnixTime::from_generalized_time(text.as_bytes()),
                Err(TimeError::Date)
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_another_calendar(secs in 0..=253_402_207_200_u64) { // jiff's last second
            let time = UnixTime::from_secs(secs).unwrap();
            let other = jiff::Timestamp::from_second(i64::try_from(secs).unwrap()).unwrap();
            prop_assert_eq!(time.to_string(), other.to_string());
            prop_assert_eq!(UnixTime::from_rfc3339(&other.to_string()), Ok(time));
            let generalized = time.to_generalized_time();
            prop_assert_eq!(UnixTime::from_generalized_time(&generalized), Ok(time));
        }
    }
}
