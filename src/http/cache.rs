//! Caching headers of OCSP answers (RFC 9919 §6 and §7.2) and conditional requests (RFC 9110 §13).
//!
//! Header values that repeat are not formatted or allocated again: Cache-Control comes from a table
//! made once, Last-Modified and Expires from a small cache of each thread.

use std::{
    cell::RefCell,
    fmt::Write as _,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use httpdate::HttpDate;
use hyper::{
    HeaderMap,
    body::Bytes,
    header::{
        CACHE_CONTROL, ETAG, EXPIRES, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    },
};

use crate::{
    asn1::UnixTime,
    responder::{AnswerKind, EntityTag, Freshness},
};

/// Puts the caching fields of an answer into `headers`.
pub(super) fn put_caching_fields(
    headers: &mut HeaderMap,
    kind: AnswerKind,
    freshness: Option<&Freshness>,
) {
    let Some(freshness) = freshness else {
        headers.insert(CACHE_CONTROL, cache_control_without_freshness(kind));
        return;
    };
    headers.insert(CACHE_CONTROL, cache_control(freshness.max_age));
    headers.insert(ETAG, etag(freshness.etag));
    DATES.with_borrow_mut(|dates| {
        headers.insert(LAST_MODIFIED, dates.value(freshness.last_modified));
        headers.insert(EXPIRES, dates.value(freshness.expires));
    });
}

/// Whether the client's copy is still good, so that 304 says all (RFC 9110 §13.2.2: If-None-Match
/// decides where it is given, else If-Modified-Since). For GET and HEAD.
pub(super) fn is_not_modified(request: &HeaderMap, freshness: &Freshness) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let tag = freshness.etag;
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|list| names_tag(list.as_bytes(), &tag));
    }
    request.get(IF_MODIFIED_SINCE).is_some_and(|value| {
        let since = value.to_str().ok().map(httpdate::parse_http_date);
        matches!(since, Some(Ok(since)) if system_time(freshness.last_modified) <= since)
    })
}

/// Weak comparison (RFC 9110 §8.8.3.2) with each member of an If-None-Match list.
fn names_tag(list: &[u8], tag: &EntityTag) -> bool {
    // A comma within a foreign tag cuts it into pieces, none of which can be 40 hex digits in quotes.
    list.split(|octet| *octet == b',').any(|member| {
        let member = member.trim_ascii();
        let opaque = member.strip_prefix(b"W/").unwrap_or(member);
        let opaque = opaque
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        member == b"*" || opaque == Some(&tag.0)
    })
}

fn etag(EntityTag(hex): EntityTag) -> HeaderValue {
    let mut quoted = [b'"'; 42];
    for (place, digit) in quoted.iter_mut().skip(1).zip(hex) {
        *place = digit;
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&quoted))
        .unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether a client wants nothing that was kept for it: `no-cache` among the directives of
/// Cache-Control (RFC 9111 §5.2.1.4).
pub(super) fn wants_fresh(request: &HeaderMap) -> bool {
    let names_it = |value: &HeaderValue| {
        let mut directives = value.as_bytes().split(|octet| *octet == b',');
        directives.any(|one| one.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
    };
    request.get_all(CACHE_CONTROL).iter().any(names_it)
}

/// Of an answer without a signature. Long enough to take the edge off a flood at a CDN, short enough
/// that a certificate issued meanwhile is known at once (stale negative answers have broken issuance
/// before); an overload passes in seconds, so its answer is not kept longer.
///
/// Of an answer that was signed for one client, with its nonce: no cache that others share keeps it.
/// It says so without `no-store`, which RFC 9919 §7.2 does not allow in an authoritative answer.
const fn cache_control_without_freshness(kind: AnswerKind) -> HeaderValue {
    HeaderValue::from_static(match kind {
        AnswerKind::Unauthorized | AnswerKind::MalformedRequest | AnswerKind::SigRequired => {
            "max-age=30, public, no-transform, must-revalidate"
        }
        AnswerKind::TryLater | AnswerKind::InternalError => {
            "max-age=2, public, no-transform, must-revalidate"
        }
        AnswerKind::Presigned | AnswerKind::Overlay | AnswerKind::Live => {
            "max-age=0, private, no-transform, must-revalidate"
        }
    })
}

/// `max_age`, rounded down to a step that [`MAX_AGES`] holds: less than 1 s of the first two
/// minutes, 1 min of two hours, 10 min of two days, 1 h of 31 days; longer is cut to 31 days.
fn cache_control(max_age: Duration) -> HeaderValue {
    let secs = max_age.as_secs();
    let place = match secs {
        0..120 => secs,
        120..7_200 => 120 + (secs - 120) / 60,
        7_200..172_800 => 238 + (secs - 7_200) / 600,
        172_800..2_678_400 => 514 + (secs - 172_800) / 3_600,
        _ => 1_210,
    };
    usize::try_from(place)
        .ok()
        .and_then(|place| MAX_AGES.get(place))
        .map_or(HeaderValue::from_static("max-age=0"), HeaderValue::clone)
}

/// Static values: cloning one touches no counter that cores would contend for. 120 kB, made once.
static MAX_AGES: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let seconds = 0..120;
    let minutes = (120..7_200).step_by(60);
    let tens = (7_200..172_800).step_by(600);
    let hours = (172_800..=2_678_400).step_by(3_600);
    let steps = seconds.chain(minutes).chain(tens).chain(hours);
    steps
        .map(|secs: u32| {
            let text = format!("max-age={secs}, public, no-transform, must-revalidate");
            HeaderValue::from_static(Box::leak(text.into_boxed_str()))
        })
        .collect()
});

thread_local! {
    static DATES: RefCell<DateCache> = RefCell::new(DateCache::default());
}

/// Formatted times, direct-mapped by second. Answers of one shard share their two times, so a
/// responder sees as many as it has shards; a cache of each thread keeps cores apart.
struct DateCache {
    slots: Box<[(UnixTime, HeaderValue); DATE_SLOTS]>,
}

/// 24 KiB a thread.
const DATE_SLOTS: usize = 512;

impl Default for DateCache {
    fn default() -> Self {
        let slot = || (UnixTime::EPOCH, imf_fixdate(UnixTime::EPOCH));
        Self {
            slots: Box::new(std::array::from_fn(|_| slot())),
        }
    }
}

impl DateCache {
    fn value(&mut self, time: UnixTime) -> HeaderValue {
        // Fibonacci hashing: shards are signed at regular intervals, which a remainder would fold.
        let hash = time.as_secs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55;
        let slot = usize::try_from(hash).ok();
        let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot)) else {
            return imf_fixdate(time);
        };
        if slot.0 != time {
            *slot = (time, imf_fixdate(time));
        }
        slot.1.clone()
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
pub(super) fn imf_fixdate(time: UnixTime) -> HeaderValue {
    let mut text = String::with_capacity(29);
    let written = write!(text, "{}", HttpDate::from(system_time(time)));
    debug_assert!(written.is_ok(), "a String takes what is written");
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("0"))
}

pub(super) fn system_time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_secs(time.as_secs()))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: EntityTag = EntityTag(*b"0123456789abcdef0123456789abcdef01234567");

    fn freshness(last_modified: u64) -> Freshness {
        Freshness {
            last_modified: UnixTime::from_secs(last_modified).unwrap(),
            expires: UnixTime::from_secs(last_modified + 345_599).unwrap(),
            max_age: Duration::from_secs(3_600),
            etag: TAG,
        }
    }

    fn request(fields: &[(hyper::header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn dates_end_in_gmt_as_the_rfc_writes_them() {
        // RFC 9110 §5.6.7.
        let time = UnixTime::from_secs(784_111_777).unwrap();
        assert_eq!(imf_fixdate(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(imf_fixdate(UnixTime::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_cached_date_is_the_date_asked_for() {
        let mut dates = DateCache::default();
        for _ in 0..3 {
            for secs in (0..4_000_000_000).step_by(999_983) {
                let time = UnixTime::from_secs(secs).unwrap();
                assert_eq!(dates.value(time), imf_fixdate(time));
            }
        }
    }

    #[test]
    fn max_age_is_rounded_down_and_never_up() {
        for (secs, shown) in [
            (0, 0),
            (1, 1),
            (119, 119),
            (120, 120),
            (179, 120),
            (3_599, 3_540),
            (3_600, 3_600),
            (7_199, 7_140),
            (43_200, 43_200),
            (172_799, 172_200),
            (172_800, 172_800),
            (2_678_399, 2_674_800),
            (2_678_400, 2_678_400),
            (u64::MAX, 2_678_400),
        ] {
            let text = format!("max-age={shown}, public, no-transform, must-revalidate");
            assert_eq!(cache_control(Duration::from_secs(secs)), text, "{secs}");
        }
        let mut last = 0;
        for secs in 0..2_700_000_u64 {
            let value = cache_control(Duration::from_secs(secs));
            let value = value.to_str().unwrap();
            let shown = value["max-age=".len()..value.find(',').unwrap()]
                .parse()
                .unwrap();
            assert!(last <= shown && shown <= secs);
            last = shown;
        }
    }

    #[test]
    fn an_unsigned_answer_is_kept_for_a_minute_at_most_and_has_no_etag() {
        for kind in AnswerKind::ALL {
            let mut headers = HeaderMap::new();
            put_caching_fields(&mut headers, kind, None);
            assert_eq!(headers.len(), 1);
            let value = headers.get(CACHE_CONTROL).unwrap().to_str().unwrap();
            let age: u32 = value["max-age=".len()..value.find(',').unwrap()]
                .parse()
                .unwrap();
            assert!(age <= 60, "{kind:?}: {value}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly_with_every_member() {
        let own = "\"0123456789abcdef0123456789abcdef01234567\"";
        for (value, same) in [
            (own.to_owned(), true),
            (format!("W/{own}"), true),
            (format!("\"a,b\", W/\"x\" , {own}"), true),
            ("*".to_owned(), true),
            (own.replace('"', ""), false),
            (own.to_uppercase(), false),
            ("\"0123\"".to_owned(), false),
            (String::new(), false),
        ] {
            let request = request(&[(IF_NONE_MATCH, &value)]);
            assert_eq!(
                is_not_modified(&request, &freshness(1_000)),
                same,
                "{value}"
            );
        }
        let two_lines = request(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, own)]);
        assert!(is_not_modified(&two_lines, &freshness(1_000)));
    }

    #[test]
    fn if_modified_since_counts_only_without_if_none_match() {
        let at = 784_111_777;
        for (value, same) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", true),
            ("Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("yesterday", false),
        ] {
            let alone = request(&[(IF_MODIFIED_SINCE, value)]);
            assert_eq!(is_not_modified(&alone, &freshness(at)), same, "{value}");
            let with_tag = request(&[(IF_MODIFIED_SINCE, value), (IF_NONE_MATCH, "\"x\"")]);
            assert!(!is_not_modified(&with_tag, &freshness(at)));
        }
        assert!(!is_not_modified(&HeaderMap::new(), &freshness(at)));
    }
}
