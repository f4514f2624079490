//! Range (RFC 9110 §14).

use std::ops::Range;

use hyper::{HeaderMap, header::RANGE};

/// What part of `octets` octets a request asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// All, also where the field cannot be understood, or names several parts: sending them takes a
    /// multipart answer, which no client of CRLs needs, and the whole may always be sent instead.
    Whole,
    /// One part; not empty.
    Part(Range<usize>),
    /// Only what is not there.
    Nothing,
}

pub(super) fn wanted(request: &HeaderMap, octets: usize) -> Wanted {
    let mut values = request.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Wanted::Whole;
    };
    value
        .to_str()
        .ok()
        .and_then(|value| parse(value, octets))
        .unwrap_or(Wanted::Whole)
}

/// `None` for what is no single byte range.
fn parse(value: &str, octets: usize) -> Option<Wanted> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => {
            let suffix = number(suffix)?;
            octets.saturating_sub(suffix)..octets
        }
        (first, "") => number(first)?..octets,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(octets)
        }
    };
    Some(if range.start < range.end {
        Wanted::Part(range)
    } else {
        Wanted::Nothing
    })
}

/// Digits alone; one that no file can have is the largest.
fn number(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn one_range_is_found_and_the_rest_is_the_whole() {
        let huge = format!("bytes=0-{}", "9".repeat(40));
        for (value, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-99", Wanted::Part(0..100)),
            ("bytes=10-", Wanted::Part(10..100)),
            ("bytes=99-200", Wanted::Part(99..100)),
            ("bytes=-1", Wanted::Part(99..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("Bytes= 5-6", Wanted::Part(5..7)),
            (&huge, Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=100-200", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-0,5-6", Wanted::Whole),
            ("bytes=6-5", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            let mut request = HeaderMap::new();
            request.insert(RANGE, HeaderValue::from_str(value).unwrap());
            assert_eq!(wanted(&request, 100), expected, "{value}");
            request.append(RANGE, HeaderValue::from_static("bytes=0-0"));
            assert_eq!(wanted(&request, 100), Wanted::Whole, "{value} and another");
        }
        assert_eq!(wanted(&HeaderMap::new(), 100), Wanted::Whole);
    }
}
