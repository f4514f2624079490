//! Durations as people write them: `24h`, `95h59m59s`, `4d`, `1h 30m`, or ISO 8601's `PT4H`.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserializer, de};

/// Reads a duration; days have 24 hours, months and years are refused since they vary.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text)
}

/// The same for a setting that has no default of its own.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    deserialize(deserializer).map(Some)
}

struct Text;

impl de::Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes such as \"30s\", \"24h\" or \"95h59m59s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

pub(crate) fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let days_are_24_hours = SpanRelativeTo::days_are_24_hours();
    Duration::try_from(span.to_duration(days_are_24_hours).ok()?).ok()
}

/// The same for a time that must not be too short: a year is taken for 366 days, and a month for 31.
pub(super) fn parse_at_least(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    if span.is_negative() {
        return None;
    }
    let years = u64::try_from(span.get_years()).ok()?.checked_mul(366)?;
    let months = u64::try_from(span.get_months()).ok()?.checked_mul(31)?;
    let rest = span.try_years(0).ok()?.try_months(0).ok()?;
    let rest = rest.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let days = Duration::from_secs(years.checked_add(months)?.checked_mul(86_400)?);
    Duration::try_from(rest).ok()?.checked_add(days)
}

/// A duration in the words in which it could have been written: `95h 59m 59s`.
pub(crate) fn text(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(
        |_| format!("{} s", duration.as_secs()),
        |duration| format!("{duration:#}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, secs) in [
            ("0s", 0),
            ("90s", 90),
            ("24h", 86_400),
            ("95h59m59s", 345_599),
            ("3d 23h 59m 59s", 345_599),
            ("4 days", 345_600),
            ("1w", 604_800),
            ("PT4H", 14_400),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(secs)), "{text}");
        }
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_fixed_and_positive_duration_is_refused() {
        for text in [
            "",
            "90",
            "-1h",
            "1 month",
            "1y",
            "soon",
            "1h ago",
            "99999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_could_be_written() {
        for secs in [1, 59, 3_600, 345_599] {
            let duration = Duration::from_secs(secs);
            assert_eq!(parse(&text(duration)), Some(duration));
        }
        assert_eq!(text(Duration::from_secs(345_599)), "95h 59m 59s");
    }
}
