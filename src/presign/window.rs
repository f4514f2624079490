//! From when until when an answer holds, and when it is signed again.

use std::time::Duration;

use crate::asn1::UnixTime;

/// How long an issuer's answers are valid and how often they are renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidityPolicy {
    /// nextUpdate less thisUpdate. The default, 4 days less one second, stays inside the Baseline
    /// Requirements' windows, which count inclusively (BR §4.9.9).
    pub validity: Duration,
    /// thisUpdate to the next signing; shortened where [`ValidityPolicy::window`] says.
    pub renew_every: Duration,
    /// What archiveCutoff follows from, where answers carry it.
    pub archive: Option<Archive>,
    /// How long an answer may be valid, where the issuer's profile says so: both ends are counted.
    pub bounds: Option<ValidityBounds>,
}

/// The shortest and the longest validity interval that a profile allows, counted inclusively: an answer that
/// ends at 00:59:59 and began at 00:00:00 was valid for one hour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidityBounds {
    /// At least this.
    pub min: Duration,
    /// At most this.
    pub max: Duration,
}

impl ValidityBounds {
    /// BR §4.9.9.
    pub const BR: Self = Self {
        min: Duration::from_secs(8 * HOUR),
        max: Duration::from_secs(10 * DAY),
    };

    fn judge(self, window: &SigningWindow) -> Result<(), WindowError> {
        let Self { min, max } = self;
        let validity = window
            .next_update
            .since(window.this_update)
            .saturating_add(Duration::from_secs(1));
        if (min..=max).contains(&validity) {
            Ok(())
        } else {
            Err(WindowError::Bounds { validity, min, max })
        }
    }
}

/// How far back the status of expired certificates is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Archive {
    /// notBefore of the CA's certificate: none of its certificates expired before.
    pub since: UnixTime,
    /// How long after its end a certificate is answered; `None` for ever.
    pub kept: Option<Duration>,
}

impl Archive {
    /// The archiveCutoff of what is signed at `produced_at`: producedAt less the time that is kept (RFC 6960
    /// §4.4.4), and where that is for ever the CA's own beginning (ETSI EN 319 411-2 §6.3.10).
    fn cutoff(self, produced_at: UnixTime) -> UnixTime {
        self.kept.map_or(self.since, |kept| {
            produced_at.saturating_sub(kept).max(self.since)
        })
    }
}

impl Default for ValidityPolicy {
    fn default() -> Self {
        Self {
            validity: Duration::from_secs(4 * DAY - 1),
            renew_every: Duration::from_secs(DAY),
            archive: None,
            bounds: None,
        }
    }
}

/// Which of how many shards is signed: spreads their renewals evenly. The first of one is the whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Phase {
    /// Counted from 0, below `count`.
    pub index: u32,
    /// How many shards share the renewal interval; at least 1.
    pub count: u32,
}

/// The times of one signing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SigningWindow {
    /// When the status was known.
    pub this_update: UnixTime,
    /// When it is signed; not before `this_update`.
    pub produced_at: UnixTime,
    /// When the answer ends.
    pub next_update: UnixTime,
    /// When the next one is due; after `produced_at`, not after `next_update`.
    pub next_sign: UnixTime,
    /// archiveCutoff, where answers about certificates carry it.
    pub archive_cutoff: Option<UnixTime>,
}

/// When what an answer rests on was true, and until when it says so: thisUpdate and nextUpdate of a CRL,
/// or the oldest and the earliest of those of several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CrlLife {
    /// thisUpdate
    pub this_update: UnixTime,
    /// nextUpdate
    pub next_update: UnixTime,
}

impl ValidityPolicy {
    /// The window of an answer whose status is known at `now`, which is signed at once.
    ///
    /// nextUpdate never passes `not_after`, the first end among the certificates that a client needs
    /// to check the answer (Mozilla §6). For a validity v of 16 hours and more the renewal comes at
    /// v/2 at the latest, 8 hours before nextUpdate and 4 days after thisUpdate; for a shorter one
    /// before v/2 (BR §4.9.9, Microsoft). `phase`, given at the first signing, shortens the first
    /// interval so that shards signed together come due apart.
    ///
    /// # Errors
    /// [`WindowError::Expired`] when `not_after` leaves no time at all, [`WindowError::Bounds`] when it leaves
    /// too little for the issuer's profile.
    pub fn window(
        &self,
        now: UnixTime,
        not_after: UnixTime,
        phase: Option<Phase>,
    ) -> Result<SigningWindow, WindowError> {
        self.bounded(self.unbounded(now, not_after, phase)?)
    }

    fn unbounded(
        &self,
        now: UnixTime,
        not_after: UnixTime,
        phase: Option<Phase>,
    ) -> Result<SigningWindow, WindowError> {
        let next_update = now.saturating_add(self.validity).min(not_after);
        if next_update <= now {
            return Err(WindowError::Expired { not_after });
        }
        Ok(SigningWindow {
            this_update: now,
            produced_at: now,
            next_update,
            next_sign: self.next_sign(now, next_update, phase),
            archive_cutoff: self.archive.map(|archive| archive.cutoff(now)),
        })
    }

    /// The window of an answer that is signed at `now` and says no more than a CRL did: thisUpdate is the
    /// CRL's, and nextUpdate never passes the CRL's.
    ///
    /// Where the CRL's nextUpdate is what ends the answer, signing it again would say the same for the
    /// same time: it is due when a newer CRL comes, and `next_sign` is its end. A CRL of a CA whose
    /// clock is a little ahead dates the answer `now`: thisUpdate is never in the future.
    ///
    /// # Errors
    /// [`WindowError::Stale`] when the CRL's nextUpdate is past, [`WindowError::Expired`] when
    /// `not_after` is, [`WindowError::Bounds`] when what is left does not suit the issuer's profile.
    pub fn window_by(
        &self,
        crl: &CrlLife,
        now: UnixTime,
        not_after: UnixTime,
        phase: Option<Phase>,
    ) -> Result<SigningWindow, WindowError> {
        let stale_at = crl.next_update;
        if stale_at <= now {
            return Err(WindowError::Stale {
                next_update: stale_at,
            });
        }
        let own = self.unbounded(now, not_after, phase)?;
        let ended_by_the_crl = stale_at <= own.next_update;
        self.bounded(SigningWindow {
            this_update: crl.this_update.min(now),
            next_update: own.next_update.min(stale_at),
            next_sign: if ended_by_the_crl {
                stale_at
            } else {
                own.next_sign
            },
            ..own
        })
    }

    fn bounded(&self, window: SigningWindow) -> Result<SigningWindow, WindowError> {
        if let Some(bounds) = self.bounds {
            bounds.judge(&window)?;
        }
        Ok(window)
    }

    /// When an answer that is signed at `now` and ends at `next_update` is signed again.
    fn next_sign(&self, now: UnixTime, next_update: UnixTime, phase: Option<Phase>) -> UnixTime {
        let validity = next_update.since(now).as_secs();
        let mut interval = self.renew_every.as_secs().min(validity / 2);
        if validity >= 16 * HOUR {
            interval = interval.min(validity - 8 * HOUR).min(4 * DAY);
        }
        if let Some(Phase { index, count }) = phase {
            let count = u64::from(count.max(1));
            let place = u64::from(index).saturating_add(1).min(count);
            interval = interval.saturating_mul(place) / count;
        }
        // Close to a certificate's end halves of halves would sign without pause and gain nothing.
        let interval = interval.max(INTERVAL_MIN).min(validity);
        now.saturating_add(Duration::from_secs(interval))
    }
}

/// Why no answer can be given any validity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A certificate needed to check the answer has ended.
    #[error("the signer's or issuer's certificate ended at {not_after}")]
    Expired {
        /// When it ended.
        not_after: UnixTime,
    },
    /// What the certificates or the CRLs leave is too short or too long for the issuer's profile.
    #[error(
        "an answer would be valid for {}, and the issuer's profile wants {} to {}: nothing is signed. Renew \
         the signer's certificate well before it ends, or import CRLs more often",
        crate::config::duration_text(*validity),
        crate::config::duration_text(*min),
        crate::config::duration_text(*max)
    )]
    Bounds {
        /// Both ends counted.
        validity: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// The evidence that an answer would rest on has ended.
    #[error("the newest CRL taken for the issuer ended at {next_update}")]
    Stale {
        /// Its nextUpdate.
        next_update: UnixTime,
    },
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Seconds between two signings of the same answer, at least.
const INTERVAL_MIN: u64 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    #[test]
    fn the_default_is_four_days_less_a_second_renewed_daily() {
        let window = ValidityPolicy::default()
            .window(at(1_000_000), UnixTime::MAX, None)
            .unwrap();
        assert_eq!(window.next_update, at(1_000_000 + 4 * 86_400 - 1));
        assert_eq!(window.next_sign, at(1_000_000 + 86_400));
    }

    #[test]
    fn no_answer_outlives_its_signer() {
        let policy = ValidityPolicy::default();
        let window = policy
            .window(at(1_000), at(1_000 + 10 * HOUR), None)
            .unwrap();
        assert_eq!(window.next_update, at(1_000 + 10 * HOUR));
        assert_eq!(window.next_sign, at(1_000 + 5 * HOUR));
        assert_eq!(
            policy.window(at(1_000), at(1_000), None),
            Err(WindowError::Expired {
                not_after: at(1_000)
            })
        );
    }

    fn life(this_update: u64, next_update: u64) -> CrlLife {
        CrlLife {
            this_update: at(this_update),
            next_update: at(next_update),
        }
    }

    #[test]
    fn an_answer_by_a_crl_is_dated_by_it_and_ends_with_it() {
        let policy = ValidityPolicy::default();
        let (now, day) = (1_000_000, 24 * HOUR);
        let by = |this_update, next_update, not_after| {
            let crl = life(this_update, next_update);
            policy.window_by(&crl, at(now), at(not_after), None)
        };
        // The CRL ends first: there is nothing to sign again for.
        let window = by(now - day, now + day, 10 * now).unwrap();
        assert_eq!(
            (window.this_update, window.produced_at),
            (at(now - day), at(now))
        );
        assert_eq!(
            (window.next_update, window.next_sign),
            (at(now + day), at(now + day))
        );
        // A CRL of a month: the issuer's own validity and renewal.
        let window = by(now - day, now + 30 * day, 10 * now).unwrap();
        assert_eq!(window.this_update, at(now - day));
        assert_eq!(window.next_update, at(now + 4 * day - 1));
        assert_eq!(window.next_sign, at(now + day));
        // The signer's certificate ends before both.
        let window = by(now - day, now + day, now + HOUR).unwrap();
        assert_eq!(window.next_update, at(now + HOUR));
        // The CA's clock is ahead of ours.
        let window = by(now + 60, now + day, 10 * now).unwrap();
        assert_eq!(window.this_update, at(now));
        // At its nextUpdate the CRL has ended.
        assert_eq!(
            by(now - day, now, 10 * now),
            Err(WindowError::Stale {
                next_update: at(now)
            })
        );
        assert_eq!(
            by(now - day, now + day, now),
            Err(WindowError::Expired { not_after: at(now) })
        );
    }

    #[test]
    fn shards_signed_together_come_due_apart() {
        let due = |index| {
            let phase = Some(Phase { index, count: 4 });
            ValidityPolicy::default()
                .window(at(0), UnixTime::MAX, phase)
                .unwrap()
                .next_sign
        };
        assert_eq!(
            [0, 1, 2, 3].map(due),
            [6, 12, 18, 24].map(|hours| at(hours * HOUR))
        );
    }

    #[test]
    fn no_answer_is_shorter_or_longer_than_its_profile_allows() {
        let policy = ValidityPolicy {
            bounds: Some(ValidityBounds::BR),
            ..ValidityPolicy::default()
        };
        let now = 10_000_000;
        let for_secs = |left| policy.window(at(now), at(now + left), None);
        // Counted with both ends, one second less is eight hours.
        assert!(for_secs(8 * HOUR - 1).is_ok());
        let refused = for_secs(8 * HOUR - 2).unwrap_err();
        assert!(matches!(refused, WindowError::Bounds { .. }));
        let words = refused.to_string();
        assert!(words.contains("7h") && words.contains("240h"), "{words}");
        assert_eq!(
            for_secs(0),
            Err(WindowError::Expired { not_after: at(now) })
        );
        // By a CRL from days ago.
        let by = |this_update, next_update| {
            let crl = life(this_update, next_update);
            policy.window_by(&crl, at(now), UnixTime::MAX, None)
        };
        assert!(by(now - 6 * DAY, now + 4 * DAY - 1).is_ok());
        assert!(by(now - 7 * DAY, now + 4 * DAY).is_err());
        assert!(by(now - HOUR, now + HOUR).is_err());
    }

    #[test]
    fn the_archive_reaches_as_far_back_as_answers_are_given() {
        let cutoff = |kept: Option<u64>, now: u64| {
            let policy = ValidityPolicy {
                archive: Some(Archive {
                    since: at(1_000_000),
                    kept: kept.map(Duration::from_secs),
                }),
                ..ValidityPolicy::default()
            };
            let crl = life(now - 1, now + 10 * DAY);
            let windows = [
                policy.window(at(now), UnixTime::MAX, None).unwrap(),
                policy
                    .window_by(&crl, at(now), UnixTime::MAX, None)
                    .unwrap(),
            ];
            assert_eq!(windows[0].archive_cutoff, windows[1].archive_cutoff);
            windows[0].archive_cutoff
        };
        assert_eq!(cutoff(None, 9_000_000), Some(at(1_000_000)));
        assert_eq!(cutoff(Some(DAY), 9_000_000), Some(at(9_000_000 - DAY)));
        // A CA younger than what is kept.
        assert_eq!(cutoff(Some(9_000_000), 9_000_000), Some(at(1_000_000)));
        let none = ValidityPolicy::default().window(at(1), UnixTime::MAX, None);
        assert_eq!(none.unwrap().archive_cutoff, None);
    }

    proptest! {
        #[test]
        fn no_answer_by_a_crl_says_more_than_the_crl(
            now in 0_u64..4_000_000_000,
            this_update in -40 * 86_400_i64..600,
            lasts in 0_u64..60 * DAY,
            left in 0_u64..20 * DAY,
            validity in 8 * HOUR - 1..10 * DAY,
            renew in 1_u64..20 * DAY,
            phase in prop::option::of((0_u32..9, 1_u32..9)),
        ) {
            let policy = ValidityPolicy {
                validity: Duration::from_secs(validity),
                renew_every: Duration::from_secs(renew),
                ..ValidityPolicy::default()
            };
            let this_update = now.saturating_add_signed(this_update);
            let crl = life(this_update, this_update + lasts);
            let phase = phase.map(|(index, count)| Phase { index, count });
            let not_after = at(now + left);
            match policy.window_by(&crl, at(now), not_after, phase) {
                Ok(window) => {
                    prop_assert_eq!(window.produced_at, at(now));
                    prop_assert!(window.this_update <= crl.this_update);
                    prop_assert!(window.this_update <= at(now));
                    prop_assert!(window.this_update == crl.this_update || crl.this_update > at(now));
                    prop_assert!(window.next_update > at(now));
                    prop_assert!(window.next_update <= crl.next_update);
                    prop_assert!(window.next_update <= not_after);
                    prop_assert!(window.next_update <= at(now + validity));
                    prop_assert!(window.next_sign > at(now));
                    prop_assert!(window.next_sign <= window.next_update);
                }
                Err(WindowError::Stale { next_update }) => {
                    prop_assert!(next_update == crl.next_update && next_update <= at(now));
                }
                Err(WindowError::Expired { .. }) => prop_assert!(not_after <= at(now)),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }

        #[test]
        fn renewal_keeps_the_windows_of_the_root_programmes(
            now in 0_u64..4_000_000_000,
            validity in 8 * HOUR - 1..10 * DAY,
            renew in 1_u64..20 * DAY,
            left in 1_u64..20 * DAY,
        ) {
            let policy = ValidityPolicy {
                validity: Duration::from_secs(validity),
                renew_every: Duration::from_secs(renew),
                ..ValidityPolicy::default()
            };
            let window = policy.window(at(now), at(now + left), None).unwrap();
            let v = window.next_update.since(window.this_update).as_secs();
            let until = window.next_sign.since(window.this_update).as_secs();
            prop_assert!(window.next_update <= at(now + left));
            prop_assert!(until >= 1 && window.next_sign <= window.next_update);
            if v >= 120 {
                prop_assert!(until <= v.div_ceil(2));
            }
            if v >= 16 * HOUR {
                prop_assert!(v - until >= 8 * HOUR && until <= 4 * DAY);
            }
        }
    }
}
