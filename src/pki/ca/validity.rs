//! From when to when a certificate is valid (RFC 5280 §4.1.2.5).

use std::time::Duration;

use crate::asn1::{UnixTime, put_tlv, tag};

/// notBefore and notAfter; both ends belong to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// notBefore
    pub not_before: UnixTime,
    /// notAfter; [`UnixTime::MAX`] says that there is no well-defined end.
    pub not_after: UnixTime,
}

impl Validity {
    /// From one time to another.
    ///
    /// # Errors
    /// [`ValidityError`] when it ends before it begins.
    pub fn new(not_before: UnixTime, not_after: UnixTime) -> Result<Self, ValidityError> {
        if not_after < not_before {
            return Err(ValidityError {
                not_before,
                not_after,
            });
        }
        Ok(Self {
            not_before,
            not_after,
        })
    }

    /// `days` days from `not_before` on. The last second of the last day is notAfter, since both
    /// ends count (BR §6.3.2).
    #[must_use]
    pub fn days(not_before: UnixTime, days: u32) -> Self {
        let seconds = u64::from(days)
            .saturating_mul(DAY_SECONDS)
            .saturating_sub(1);
        Self {
            not_before,
            not_after: not_before.saturating_add(Duration::from_secs(seconds)),
        }
    }

    /// Whether all of `inner` lies in it.
    #[must_use]
    pub fn contains(&self, inner: &Self) -> bool {
        self.not_before <= inner.not_before && inner.not_after <= self.not_after
    }

    /// The part of it that lies within `outer`: what a CA with that validity can give.
    ///
    /// # Errors
    /// [`ValidityError`] when they have no second in common.
    pub fn clamped_to(&self, outer: &Self) -> Result<Self, ValidityError> {
        Self::new(
            self.not_before.max(outer.not_before),
            self.not_after.min(outer.not_after),
        )
    }

    /// `Validity ::= SEQUENCE { notBefore Time, notAfter Time }`
    pub(super) fn to_der(self) -> Vec<u8> {
        let mut times = Vec::with_capacity(34);
        put_time(&mut times, self.not_before);
        put_time(&mut times, self.not_after);
        let mut der = Vec::with_capacity(36);
        put_tlv(&mut der, tag::SEQUENCE, &times);
        der
    }
}

/// UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).
fn put_time(out: &mut Vec<u8>, time: UnixTime) {
    let generalized = time.to_generalized_time();
    match &generalized {
        [_, _, short @ ..] if time < YEAR_2050 => put_tlv(out, tag::UTC_TIME, short),
        all => put_tlv(out, tag::GENERALIZED_TIME, all),
    }
}

/// 2050-01-01T00:00:00Z
const YEAR_2050: UnixTime = match UnixTime::from_secs(2_524_608_000) {
    Some(time) => time,
    None => UnixTime::MAX,
};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A validity that ends before it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a validity from {not_before} to {not_after} ends before it begins")]
pub struct ValidityError {
    /// notBefore
    pub not_before: UnixTime,
    /// notAfter
    pub not_after: UnixTime,
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};

    use super::*;

    fn at(text: &str) -> UnixTime {
        // jiff ends a day before the year 9999 does.
        match text {
            "9999-12-31T23:59:59Z" => UnixTime::MAX,
            _ => UnixTime::from_rfc3339(text).unwrap(),
        }
    }

    #[test]
    fn times_are_utc_time_through_2049_and_generalized_time_after() {
        // Written by hand from RFC 5280 §4.1.2.5.
        for (not_before, not_after, der) in [
            (
                "1970-01-01T00:00:00Z",
                "2049-12-31T23:59:59Z",
                &b"\x30\x1e\x17\x0d700101000000Z\x17\x0d491231235959Z"[..],
            ),
            (
                "2026-11-22T06:08:29Z",
                "2050-01-01T00:00:00Z",
                b"\x30\x20\x17\x0d261122060829Z\x18\x0f20500101000000Z",
            ),
            (
                "2050-01-01T00:00:00Z",
                "9999-12-31T23:59:59Z",
                b"\x30\x22\x18\x0f20500101000000Z\x18\x0f99991231235959Z",
            ),
        ] {
            let ours = Validity::new(at(not_before), at(not_after))
                .unwrap()
                .to_der();
            assert_eq!(ours, der);
            let theirs =
                x509_cert::time::Validity::<x509_cert::certificate::Rfc5280>::from_der(der)
                    .unwrap();
            assert_eq!(theirs.to_der().unwrap(), der);
        }
    }

    #[test]
    fn days_count_both_ends() {
        let validity = Validity::days(at("2026-01-01T00:00:00Z"), 90);
        assert_eq!(validity.not_after, at("2026-03-31T23:59:59Z"));
        assert_eq!(Validity::days(UnixTime::MAX, 1).not_after, UnixTime::MAX);
    }

    #[test]
    fn a_validity_is_clamped_to_what_they_have_in_common() {
        let outer = Validity::new(at("2026-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")).unwrap();
        let inner = Validity::new(at("2025-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")).unwrap();
        assert!(!outer.contains(&inner));
        assert_eq!(inner.clamped_to(&outer), Ok(outer));
        let past = Validity::new(at("2020-01-01T00:00:00Z"), at("2021-01-01T00:00:00Z")).unwrap();
        assert!(past.clamped_to(&outer).is_err());
    }
}
