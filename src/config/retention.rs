//! How long after its end a certificate's status is answered: `"forever"`, `"30d"`, `"10y"`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::duration;
use crate::asn1::UnixTime;

/// How long the status of an expired certificate is answered.
///
/// Whoever checks an old signature asks about a certificate that has long expired, and law or policy may
/// ask for an answer for years (ETSI EN 319 411-2: even after the CA has ended), so nothing is ever
/// dropped unasked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Retention {
    /// Always.
    #[default]
    Forever,
    /// This long after notAfter.
    For(Duration),
}

impl Retention {
    /// How long after its notAfter a certificate is answered; `None` for always.
    #[must_use]
    pub const fn time(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(time) => Some(time),
        }
    }

    /// The last second in which a certificate with this notAfter is answered. `None` where there is no
    /// last: nobody set one, or when the certificate ends is not known.
    #[must_use]
    pub fn answered_until(self, not_after: Option<UnixTime>) -> Option<UnixTime> {
        match self {
            Self::Forever => None,
            Self::For(time) => {
                let until = not_after?.saturating_add(time);
                // The year 9999 is "no well-defined end" (RFC 5280 §4.1.2.5), not a moment that comes.
                (until < UnixTime::MAX).then_some(until)
            }
        }
    }

    /// Whether a certificate with this notAfter is not answered any more at `at`.
    #[must_use]
    pub fn is_over(self, not_after: Option<UnixTime>, at: UnixTime) -> bool {
        self.answered_until(not_after)
            .is_some_and(|until| at > until)
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl de::Visitor<'_> for Text {
    type Value = Retention;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"forever\", or a duration in quotes such as \"30d\" or \"10y\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Retention, E> {
        if text == "forever" {
            return Ok(Retention::Forever);
        }
        duration::parse_at_least(text)
            .map(Retention::For)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn read(text: &str) -> Option<Retention> {
        #[derive(Deserialize)]
        struct Only {
            keep: Retention,
        }
        let only: Result<Only, _> = toml::from_str(&format!("keep = {text:?}"));
        only.ok().map(|only| only.keep)
    }

    #[test]
    fn it_is_for_ever_or_a_time_in_which_years_are_never_short() {
        let days = |days: u64| Some(Retention::For(Duration::from_secs(days * 86_400)));
        assert_eq!(read("forever"), Some(Retention::Forever));
        assert_eq!(read("0s"), days(0));
        assert_eq!(read("30d"), days(30));
        assert_eq!(read("2w 1d"), days(15));
        assert_eq!(read("1y"), days(366));
        assert_eq!(read("P10Y"), days(3_660));
        assert_eq!(read("1y 2 months 3d"), days(366 + 62 + 3));
        for refused in ["", "ever", "-1d", "-1y", "10", "1y ago", "9999999y"] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_certificate_is_answered_to_the_last_second_of_its_time() {
        let retention = Retention::For(Duration::from_secs(10));
        assert!(!retention.is_over(Some(at(100)), at(110)));
        assert!(retention.is_over(Some(at(100)), at(111)));
        // Valid throughout its notAfter, and answered as long.
        let none = Retention::For(Duration::ZERO);
        assert!(!none.is_over(Some(at(100)), at(100)));
        assert!(none.is_over(Some(at(100)), at(101)));
        assert!(!none.is_over(Some(UnixTime::MAX), UnixTime::MAX));
    }

    proptest! {
        #[test]
        fn it_ends_once_and_never_for_what_has_no_known_end(
            not_after in 0_u64..300_000_000_000,
            keep in 0_u64..300_000_000_000,
            earlier in 0_u64..253_402_300_799,
            later in 0_u64..253_402_300_799,
        ) {
            let (earlier, later) = (at(earlier.min(later)), at(earlier.max(later)));
            let not_after = UnixTime::from_secs(not_after);
            let retention = Retention::For(Duration::from_secs(keep));
            prop_assert!(!retention.is_over(None, later));
            prop_assert!(!Retention::Forever.is_over(not_after, later));
            // What is over stays so, and nothing is over before the certificate is.
            prop_assert!(!retention.is_over(not_after, earlier) || retention.is_over(not_after, later));
            prop_assert!(!retention.is_over(not_after, later) || Some(later) > not_after);
        }
    }
}
