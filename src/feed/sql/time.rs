//! Times as databases print them.

use jiff::Timestamp;

use crate::{asn1::UnixTime, config::feed::SqlTimes};

/// A time with its fraction, which orders changes within a second: microseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) const EPOCH: Self = Self(0);

    pub(super) const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub(super) const fn as_micros(self) -> u64 {
        self.0
    }

    pub(super) const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// The second that it is in.
    pub(super) fn to_unix(self) -> UnixTime {
        UnixTime::from_secs(self.0 / 1_000_000).unwrap_or(UnixTime::MAX)
    }

    pub(super) const fn of(time: UnixTime) -> Self {
        Self(time.as_secs().saturating_mul(1_000_000))
    }

    pub(super) fn earlier(self, by: std::time::Duration) -> Self {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// The next one that a column can tell from this.
    pub(super) const fn next(self, is_number: bool, numbers: SqlTimes) -> Self {
        let step = match (is_number, numbers) {
            (false, _) => 1,
            (true, SqlTimes::UnixMs) => 1_000,
            (true, SqlTimes::Unix | SqlTimes::None) => 1_000_000,
        };
        Self(self.0.saturating_add(step))
    }

    /// `2026-01-05 12:00:00.000000`, in UTC.
    pub(super) fn civil(self) -> String {
        let text = self.to_unix().to_string();
        let text = text.trim_end_matches('Z').replace('T', " ");
        format!("{text}.{:06}", self.0 % 1_000_000)
    }
}

/// A time, if there is one. None are NULL, nothing, 0 and -1, and the zero times of MariaDB
/// (`0000-00-00`) and Go (`0001-01-01`).
pub(super) fn moment(text: &str, numbers: SqlTimes) -> Result<Option<Moment>, TimeFault> {
    if text.is_empty() || text.starts_with("0000-00-00") || text.starts_with("0001-01-01") {
        return Ok(None);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return number(text, numbers);
    }
    civil(text).map(Some)
}

fn number(text: &str, numbers: SqlTimes) -> Result<Option<Moment>, TimeFault> {
    if matches!(text, "0" | "-1") {
        return Ok(None);
    }
    let factor = match numbers {
        SqlTimes::None => return Err(TimeFault::Number),
        SqlTimes::Unix => 1_000_000,
        SqlTimes::UnixMs => 1_000,
    };
    let number: i64 = text.parse().map_err(|_| TimeFault::Range)?;
    let number = u64::try_from(number).map_err(|_| TimeFault::Range)?;
    let micros = number.checked_mul(factor).ok_or(TimeFault::Range)?;
    within(micros).map(Some)
}

/// `2026-01-05 12:00:00`, with or without a fraction and an offset, or RFC 3339. In UTC where nothing
/// else is said.
fn civil(text: &str) -> Result<Moment, TimeFault> {
    let octets = text.as_bytes();
    let (Some(b' ' | b'T' | b't'), Some(_)) = (octets.get(10), octets.get(18)) else {
        return Err(TimeFault::Form);
    };
    let (date, time) = (text.get(..10), text.get(11..));
    let (Some(date), Some(time)) = (date, time) else {
        return Err(TimeFault::Form);
    };
    let zone = if time.contains(['Z', 'z', '+', '-']) {
        ""
    } else {
        "Z"
    };
    let rfc3339 = format!("{date}T{time}{zone}");
    match rfc3339.parse::<Timestamp>() {
        Ok(timestamp) => {
            let micros = u64::try_from(timestamp.as_microsecond());
            within(micros.map_err(|_| TimeFault::Range)?)
        }
        // jiff's time ends a day before 9999-12-31T23:59:59Z, which means "no end".
        Err(_) => UnixTime::from_rfc3339(&rfc3339)
            .map(Moment::of)
            .map_err(|_| TimeFault::Form),
    }
}

fn within(micros: u64) -> Result<Moment, TimeFault> {
    match UnixTime::from_secs(micros / 1_000_000) {
        Some(_) => Ok(Moment(micros)),
        None => Err(TimeFault::Range),
    }
}

/// Why a value is no time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeFault {
    /// A number where none is expected.
    #[error("it is a number: set times to \"unix\" (seconds) or \"unix_ms\"")]
    Number,
    /// Before 1970 or after 9999.
    #[error("it is not within 1970 to 9999: is the unit right?")]
    Range,
    /// Something else.
    #[error("it is neither a timestamp nor RFC 3339")]
    Form,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<String>, TimeFault> {
        let read = moment(text, SqlTimes::UnixMs)?;
        Ok(read.map(|moment| format!("{} {}", moment.to_unix(), moment.as_micros() % 1_000_000)))
    }

    #[test]
    fn a_time_is_read_as_each_database_prints_it() {
        for (text, expected) in [
            // PostgreSQL: timestamptz and timestamp.
            ("2026-01-05 12:00:00+00", "2026-01-05T12:00:00Z 0"),
            (
                "2026-01-05 12:00:00.123456+00",
                "2026-01-05T12:00:00Z 123456",
            ),
            ("2026-01-05 12:00:00", "2026-01-05T12:00:00Z 0"),
            // MariaDB: datetime(6).
            ("2026-01-05 12:00:00.500000", "2026-01-05T12:00:00Z 500000"),
            // Go's SQLite driver; RFC 3339.
            ("2026-01-05 15:30:00+03:30", "2026-01-05T12:00:00Z 0"),
            ("2026-01-05T12:00:00Z", "2026-01-05T12:00:00Z 0"),
            (
                "2026-01-05T12:00:00.999999999-01:00",
                "2026-01-05T13:00:00Z 999999",
            ),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z 0"),
            ("9999-12-31 23:59:59", "9999-12-31T23:59:59Z 0"),
            ("1767614400123", "2026-01-05T12:00:00Z 123000"),
        ] {
            assert_eq!(read(text).unwrap().as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "0000-00-00 00:00:00",
            "0001-01-01 00:00:00+00",
        ] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for (text, fault) in [
            ("infinity", TimeFault::Form),
            ("2026-01-05", TimeFault::Form),
            ("2026-02-30 12:00:00", TimeFault::Form),
            ("yesterday at noon or so", TimeFault::Form),
            ("2026-01-05 12:00", TimeFault::Form),
            ("1969-12-31 23:59:59", TimeFault::Range),
            ("-5", TimeFault::Range),
            ("999999999999999999", TimeFault::Range),
            ("99999999999999999999999", TimeFault::Range),
            // Years of five digits: what seconds look like that were taken for milliseconds twice.
            ("1767614400123000", TimeFault::Range),
        ] {
            assert_eq!(read(text), Err(fault), "{text}");
        }
        assert_eq!(moment("17", SqlTimes::None), Err(TimeFault::Number));
    }

    #[test]
    fn a_moment_is_written_for_a_statement() {
        let moment = moment("2026-01-05 12:00:00.123456", SqlTimes::None)
            .unwrap()
            .unwrap();
        assert_eq!(moment.civil(), "2026-01-05 12:00:00.123456");
        let earlier = moment.earlier(std::time::Duration::from_secs(300));
        assert_eq!(earlier.civil(), "2026-01-05 11:55:00.123456");
    }
}
