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
}

impl Default for ValidityPolicy {
    fn default() -> Self {
        Self {
            validity: Duration::from_secs(4 * DAY - 1),
            renew_every: Duration::from_secs(DAY),
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
    /// When the status was known, and producedAt.
    pub this_update: UnixTime,
    /// When the answer ends.
    pub next_update: UnixTime,
    /// When the next one is due; after `this_update`, not after `next_update`.
    pub next_sign: UnixTime,
}

impl ValidityPolicy {
    /// The window of an answer whose status is known at `this_update`.
    ///
    /// nextUpdate never passes `not_after`, the first end among the certificates that a client needs
    /// to check the answer (Mozilla §6). For a validity v of 16 hours and more the renewal comes at
    /// v/2 at the latest, 8 hours before nextUpdate and 4 days after thisUpdate; for a shorter one
    /// before v/2 (BR §4.9.9, Microsoft). `phase`, given at the first signing, shortens the first
    /// interval so that shards signed together come due apart.
    ///
    /// # Errors
    /// [`WindowError::Expired`] when `not_after` leaves no time at all.
    pub fn window(
        &self,
        this_update: UnixTime,
        not_after: UnixTime,
        phase: Option<Phase>,
    ) -> Result<SigningWindow, WindowError> {
        let next_update = this_update.saturating_add(self.validity).min(not_after);
        let validity = next_update.since(this_update).as_secs();
        if validity == 0 {
            return Err(WindowError::Expired { not_after });
        }
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
        let next_sign = this_update.saturating_add(Duration::from_secs(interval));
        Ok(SigningWindow {
            this_update,
            next_update,
            next_sign,
        })
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

    proptest! {
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
