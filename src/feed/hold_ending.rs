//! Rows that say good of a certificate that is on hold: the end of the hold, or an old row.
//!
//! Tables of CAs have no row for the end of a hold: the row of the certificate says good again. So does a
//! copy of the table that lags behind, and a table that knows nothing of somebody else's hold. Therefore
//! such a row ends the hold only if
//!
//! - the same feed brought the hold in,
//! - the row was changed after the hold was recorded here, and
//! - the row was changed after the time since which the hold is in force, which is by the same clock as
//!   the row's.
//!
//! The first keeps the holds of operators and of other sources, the others old rows, whichever of the two
//! clocks is ahead. Where the source's clock is behind by more than a hold lasted, the certificate stays
//! on hold and the row is told.

use std::collections::HashSet;

use crate::{
    asn1::CrlReason,
    change::{Action, Change, Outcome, Refusal, Source, Verdict},
    identity::{IssuerId, SerialNumber},
};

use super::{StatusSink, live::Rows};

/// A hold as the ledger has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownHold {
    /// Since when it is in force, in seconds since 1970.
    pub since_secs: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// Who said so.
    pub source: Source,
}

/// A sink that knows where holds came from.
pub trait HoldSink: StatusSink {
    /// The certificate's own hold, if it is on hold.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    fn hold(
        &mut self,
        issuer: &IssuerId,
        serial: &SerialNumber,
    ) -> Result<Option<KnownHold>, Self::Error>;
}

/// A sink for rows of a feed that may end holds.
#[derive(Debug)]
pub struct HoldEndingSink<'a, S> {
    sink: S,
    rows: &'a Rows,
    /// The feed's source: the kind, and `FEED: place`.
    source: &'a Source,
    ended: HashSet<SerialNumber>,
}

impl<'a, S: HoldSink> HoldEndingSink<'a, S> {
    /// For these rows of `source`.
    pub fn new(sink: S, rows: &'a Rows, source: &'a Source) -> Self {
        Self {
            sink,
            rows,
            source,
            ended: HashSet::new(),
        }
    }

    fn ends(&mut self, change: &Change) -> Result<bool, S::Error> {
        let Some(changed_ms) = self.rows.changed_ms(&change.serial) else {
            return Ok(false);
        };
        let Some(hold) = self.sink.hold(&change.issuer, &change.serial)? else {
            return Ok(false);
        };
        // The second in which the hold began is part of it.
        let in_force_ms = hold.since_secs.saturating_add(1).saturating_mul(1_000);
        Ok(is_same_feed(&hold.source, self.source)
            && changed_ms > hold.recorded_ms
            && changed_ms >= in_force_ms)
    }
}

fn is_same_feed(a: &Source, b: &Source) -> bool {
    let feed = |source: &Source| {
        let (feed, _place) = source.cursor().split_once(": ")?;
        Some(feed.to_owned())
    };
    a.name() == b.name() && feed(a).is_some() && feed(a) == feed(b)
}

impl<S: HoldSink> StatusSink for HoldEndingSink<'_, S> {
    type Error = S::Error;

    fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, S::Error> {
        let mut verdicts = self.sink.judge(changes)?;
        for (change, verdict) in changes.iter().zip(&mut verdicts) {
            let on_hold = matches!(
                verdict,
                Verdict::Refused(Refusal::Revoked {
                    reason: Some(CrlReason::CertificateHold),
                    ..
                })
            );
            if on_hold && matches!(change.action, Action::Issue(_)) && self.ends(change)? {
                self.ended.insert(change.serial);
                *verdict = Verdict::Applies;
            }
        }
        Ok(verdicts)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, S::Error> {
        if self.ended.is_empty() {
            return self.sink.apply(changes);
        }
        let instead = |change: &Change| match change.action {
            Action::Issue(_) if self.ended.contains(&change.serial) => Change {
                action: Action::Release,
                ..*change
            },
            _ => *change,
        };
        let changes: Vec<Change> = changes.iter().map(instead).collect();
        self.sink.apply(&changes)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{
        asn1::UnixTime,
        change::Inventory,
        feed::{ImportOptions, import},
    };

    /// A ledger in which one certificate is on hold.
    struct Fake {
        hold: KnownHold,
        applied: Vec<Change>,
    }

    impl StatusSink for Fake {
        type Error = Infallible;

        fn judge(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, Infallible> {
            let refused = Refusal::Revoked {
                revocation_time: UnixTime::from_secs(self.hold.since_secs).unwrap(),
                reason: Some(CrlReason::CertificateHold),
            };
            Ok(changes.iter().map(|_| Verdict::Refused(refused)).collect())
        }

        fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, Infallible> {
            self.applied.extend(changes);
            let applied = Outcome::Applied { sequence: 1 };
            Ok(changes.iter().map(|_| applied).collect())
        }
    }

    impl HoldSink for Fake {
        fn hold(
            &mut self,
            _: &IssuerId,
            _: &SerialNumber,
        ) -> Result<Option<KnownHold>, Infallible> {
            Ok(Some(self.hold.clone()))
        }
    }

    /// What a row that was changed at `changed_ms` does to a hold that `held_by` recorded.
    fn released(held_by: (&str, &str), recorded_ms: u64, changed_ms: u64) -> bool {
        let change = Change {
            issuer: IssuerId::from_bytes([1; 32]),
            serial: SerialNumber::from_hex("11").unwrap(),
            action: Action::Issue(Inventory::default()),
        };
        let mut rows = Rows::new();
        rows.push_changed(1, change, changed_ms);
        let source = Source::new("sql", "ejbca: page 7").unwrap();
        let fake = Fake {
            hold: KnownHold {
                since_secs: 1_000,
                recorded_ms,
                source: Source::new(held_by.0, held_by.1).unwrap(),
            },
            applied: Vec::new(),
        };
        let mut sink = HoldEndingSink::new(fake, &rows, &source);
        let options = ImportOptions {
            source: "ejbca",
            skip_bad: true,
        };
        let report = import(&rows, &mut sink, options, &mut |_| {}).unwrap();
        let applied = sink.sink.applied;
        assert_eq!(report.refused == 0, applied.len() == 1);
        applied
            .first()
            .is_some_and(|change| change.action == Action::Release)
    }

    #[test]
    fn a_hold_ends_with_a_later_row_of_the_same_feed() {
        let own = ("sql", "ejbca: page 1");
        assert!(released(own, 1_020_000, 1_020_001));
        // A row from before the hold was recorded, or before it was in force by the source's clock.
        assert!(!released(own, 1_020_000, 1_020_000));
        assert!(!released(own, 990_000, 1_000_999));
        assert!(released(own, 990_000, 1_001_000));
        // Somebody else's hold.
        assert!(!released(("cli", ""), 1_020_000, 2_000_000));
        assert!(!released(("sql", "other: page 1"), 1_020_000, 2_000_000));
        assert!(!released(("push", "ejbca: page 1"), 1_020_000, 2_000_000));
    }
}
