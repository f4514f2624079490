//! Which change a certificate's status allows: a pure function of what is known and what is said.
//!
//! | known ↓ said → | Issue | Revoke | Release | Correct |
//! | --- | --- | --- | --- | --- |
//! | nothing | applied | applied: kept, and outranks the issuance that comes later | refused | refused |
//! | good | adds what is missing, else unchanged; refused if it contradicts | applied | unchanged if just released, else refused | refused |
//! | on hold | adds what is missing, else refused | same again: unchanged; another reason: applied; else refused | applied | refused |
//! | revoked | adds what is missing, else refused | same again: unchanged, else refused | refused | same again: unchanged; stricter: applied; milder: refused |
//!
//! So revoked never returns to good, but for the end of a hold. "V after R", an old list that still
//! shows a revoked certificate as valid, is refused by name, never silently passed over. An issuance
//! that only brings missing inventory never touches the revocation.
//!
//! A correction (BR §7.2.2) says that a final revocation was recorded wrongly. It may make it stricter in
//! every respect and milder in none, for whoever relied on what was said before must not be let down: not
//! later, with no later invalidityDate, no hold, and no compromise taken back. Even a plain mistake in the
//! strict direction stays: a signature that was refused once is not made valid by a second opinion. What
//! counts as the moment that it was recorded is that of the revocation itself.
//!
//! Of an issuer that was revoked as a whole every certificate is revoked for good, though its own record
//! may say good or on hold. It is then judged like this:
//!
//! | own record ↓ said → | Issue | Revoke | Release | Correct |
//! | --- | --- | --- | --- | --- |
//! | nothing | applied, and revoked with all others | applied; a final one stays its own | refused | refused |
//! | good | as above: the source says nothing of the issuer | as the issuer or again: unchanged, but for the inventory; else refused | refused | refused |
//! | on hold | as above | the same | refused | refused |
//! | revoked | as above | as above | refused | as above |
//!
//! A revocation of its own that comes later is refused like any second one: what clients were told of the
//! certificate does not change any more.
//!
//! A revocation is urgent: one whose source contradicts the inventory is applied, and the inventory
//! stays as it was; the entry keeps what was said.

use crate::asn1::CrlReason;
use crate::change::{Action, Inventory, REVOCATION_AHEAD_MAX, Refusal, RevocationClaim};

use super::record::{Revocation, StatusRecord};

/// A certificate's status without the numbers of its entries.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Standing {
    pub(super) issued: Option<Inventory>,
    pub(super) revocation: Option<Revocation>,
    pub(super) released: bool,
}

impl From<&StatusRecord> for Standing {
    fn from(record: &StatusRecord) -> Self {
        Self {
            issued: record.issued,
            revocation: record.revocation,
            released: record.released,
        }
    }
}

impl Standing {
    /// Whether the revocation of its issuer as a whole applies to it: it is known, and not revoked for
    /// good by itself.
    fn is_covered(&self) -> bool {
        match self.revocation {
            Some(revocation) => revocation.is_hold(),
            None => self.issued.is_some(),
        }
    }
}

/// What an action does to a standing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transition {
    Apply(Standing),
    Unchanged,
    Refuse(Refusal),
}

/// Judges `action` at `now_ms`, milliseconds since 1970. `current` is the certificate's own standing,
/// empty for an unknown serial; `whole` is the revocation of its issuer as a whole.
pub(super) fn transition(
    current: &Standing,
    whole: Option<&Revocation>,
    action: &Action,
    now_ms: u64,
) -> Transition {
    if let Some(whole) = whole
        && current.is_covered()
    {
        return covered(current, &whole.claim, action);
    }
    match action {
        Action::Issue(inventory) => issue(current, inventory),
        Action::Revoke { claim, inventory } => revoke(current, claim, inventory.as_ref(), now_ms),
        Action::Release => release(current),
        Action::Correct(claim) => correct(current, claim),
    }
}

/// Judges what is said of a certificate that is revoked with all others of its issuer.
fn covered(current: &Standing, whole: &RevocationClaim, action: &Action) -> Transition {
    let revoked = Transition::Refuse(Refusal::Revoked {
        revocation_time: whole.revocation_time,
        reason: whole.reason,
    });
    match action {
        Action::Release => revoked,
        Action::Correct(_) => Transition::Refuse(Refusal::NothingToCorrect),
        Action::Issue(inventory) => match issue(current, inventory) {
            Transition::Refuse(Refusal::Revoked { .. }) => revoked,
            judged => judged,
        },
        Action::Revoke { claim, inventory } => {
            let own = current.revocation.map(|own| own.claim);
            if claim == whole || own == Some(*claim) {
                said_again(current, inventory.as_ref())
            } else {
                Transition::Refuse(Refusal::RevokedOtherwise {
                    revocation_time: whole.revocation_time,
                    reason: whole.reason,
                })
            }
        }
    }
}

/// A revocation that is known brings at most what was missing in the inventory.
fn said_again(current: &Standing, given: Option<&Inventory>) -> Transition {
    let issued = with_inventory(current.issued, given);
    if issued == current.issued {
        Transition::Unchanged
    } else {
        Transition::Apply(Standing { issued, ..*current })
    }
}

/// What is known of a certificate with what a revocation adds; as it was where the two contradict.
fn with_inventory(known: Option<Inventory>, given: Option<&Inventory>) -> Option<Inventory> {
    given.map_or(known, |given| {
        known.unwrap_or_default().merged(given).or(known)
    })
}

/// Refuses a revocation time that is too far ahead of our clock.
pub(super) fn time_ahead(claim: &RevocationClaim, now_ms: u64) -> Option<Refusal> {
    let latest_ms =
        now_ms.saturating_add(u64::try_from(REVOCATION_AHEAD_MAX.as_millis()).unwrap_or(u64::MAX));
    let revocation_time = claim.revocation_time;
    (revocation_time.as_secs().saturating_mul(1_000) > latest_ms)
        .then_some(Refusal::TimeAhead { revocation_time })
}

fn issue(current: &Standing, given: &Inventory) -> Transition {
    let merged = current.issued.unwrap_or_default().merged(given);
    if merged.is_some() && merged != current.issued {
        return Transition::Apply(Standing {
            issued: merged,
            ..*current
        });
    }
    match current.revocation {
        Some(Revocation { claim, .. }) => Transition::Refuse(Refusal::Revoked {
            revocation_time: claim.revocation_time,
            reason: claim.reason,
        }),
        None if merged.is_none() => Transition::Refuse(Refusal::InventoryDiffers),
        None => Transition::Unchanged,
    }
}

fn revoke(
    current: &Standing,
    claim: &RevocationClaim,
    given: Option<&Inventory>,
    now_ms: u64,
) -> Transition {
    if let Some(revocation) = current.revocation {
        let known = revocation.claim;
        if known == *claim {
            return said_again(current, given);
        }
        if !revocation.is_hold() || claim.reason == Some(CrlReason::CertificateHold) {
            return Transition::Refuse(Refusal::RevokedOtherwise {
                revocation_time: known.revocation_time,
                reason: known.reason,
            });
        }
    }
    if let Some(refusal) = time_ahead(claim, now_ms) {
        return Transition::Refuse(refusal);
    }
    Transition::Apply(Standing {
        issued: with_inventory(current.issued, given),
        revocation: Some(Revocation {
            claim: *claim,
            recorded_ms: now_ms,
            by_issuer: None,
        }),
        released: false,
    })
}

fn correct(current: &Standing, claim: &RevocationClaim) -> Transition {
    let revocation = match current.revocation {
        Some(revocation) if !revocation.is_hold() => revocation,
        None if current.issued.is_none() => return Transition::Refuse(Refusal::NotKnown),
        _ => return Transition::Refuse(Refusal::NothingToCorrect),
    };
    let known = revocation.claim;
    if known == *claim {
        return Transition::Unchanged;
    }
    if let Some(refusal) = milder(&known, claim) {
        return Transition::Refuse(refusal);
    }
    Transition::Apply(Standing {
        revocation: Some(Revocation {
            claim: *claim,
            ..revocation
        }),
        ..*current
    })
}

/// Why `claim` would let something be trusted that `known` does not.
fn milder(known: &RevocationClaim, claim: &RevocationClaim) -> Option<Refusal> {
    let compromised = |reason: &CrlReason| {
        matches!(
            reason,
            CrlReason::KeyCompromise | CrlReason::CaCompromise | CrlReason::AaCompromise
        )
    };
    // The moment of the revocation stands for an invalidityDate that is not given.
    let suspect = |claim: &RevocationClaim| claim.invalidity_date.unwrap_or(claim.revocation_time);
    if claim.reason == Some(CrlReason::CertificateHold) {
        return Some(Refusal::CorrectedToHold);
    }
    if claim.revocation_time > known.revocation_time {
        let revocation_time = known.revocation_time;
        return Some(Refusal::CorrectedToLater { revocation_time });
    }
    if suspect(claim) > suspect(known) {
        let invalidity_date = suspect(known);
        return Some(Refusal::InvalidityCorrectedToLater { invalidity_date });
    }
    let reason = known.reason.filter(compromised)?;
    let kept = claim.reason.as_ref().is_some_and(compromised);
    (!kept).then_some(Refusal::CompromiseTakenBack { reason })
}

fn release(current: &Standing) -> Transition {
    match current.revocation {
        Some(revocation) if revocation.is_hold() => Transition::Apply(Standing {
            // Who ends a hold knows the certificate, though nobody told us of its issuance.
            issued: Some(current.issued.unwrap_or_default()),
            revocation: None,
            released: true,
        }),
        Some(Revocation { claim, .. }) => Transition::Refuse(Refusal::Revoked {
            revocation_time: claim.revocation_time,
            reason: claim.reason,
        }),
        None if current.released => Transition::Unchanged,
        None if current.issued.is_some() => Transition::Refuse(Refusal::NotOnHold),
        None => Transition::Refuse(Refusal::NotKnown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::asn1::UnixTime;

    const NOW_MS: u64 = 1_790_000_000_500;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn claim(secs: u64, reason: Option<CrlReason>) -> RevocationClaim {
        RevocationClaim {
            revocation_time: at(secs),
            reason,
            invalidity_date: None,
        }
    }

    fn revoke(secs: u64, reason: Option<CrlReason>) -> Action {
        Action::Revoke {
            claim: claim(secs, reason),
            inventory: None,
        }
    }

    fn correct(secs: u64, reason: Option<CrlReason>) -> Action {
        Action::Correct(claim(secs, reason))
    }

    fn until(secs: u64) -> Inventory {
        Inventory {
            not_after: Some(at(secs)),
            ..Inventory::default()
        }
    }

    /// Plays actions, and gives what became of the last.
    fn play(actions: &[Action]) -> (Standing, Transition) {
        let mut standing = Standing::default();
        let mut last = Transition::Unchanged;
        for action in actions {
            last = transition(&standing, None, action, NOW_MS);
            if let Transition::Apply(next) = last {
                standing = next;
            }
        }
        (standing, last)
    }

    #[test]
    fn each_status_allows_what_the_table_says() {
        use CrlReason::{CertificateHold as Hold, KeyCompromise as Key};
        let (v, v_other, bare) = (
            Action::Issue(until(9)),
            Action::Issue(until(8)),
            Action::Issue(Inventory::default()),
        );
        let (r, hold, end) = (revoke(5, Some(Key)), revoke(4, Some(Hold)), Action::Release);
        let no_reason = revoke(5, None);
        let suspect = |secs, since| {
            Action::Correct(RevocationClaim {
                invalidity_date: Some(at(since)),
                ..claim(secs, Some(Key))
            })
        };
        let r_with_dates = Action::Revoke {
            claim: claim(5, Some(Key)),
            inventory: Some(until(9)),
        };
        let revoked = |secs, reason| Refusal::Revoked {
            revocation_time: at(secs),
            reason,
        };
        let otherwise = |secs, reason| Refusal::RevokedOtherwise {
            revocation_time: at(secs),
            reason,
        };
        let table: &[(&str, &[Action], Result<bool, Refusal>)] = &[
            ("first V", &[v], Ok(true)),
            ("V again", &[v, v], Ok(false)),
            (
                "V with other dates",
                &[v, v_other],
                Err(Refusal::InventoryDiffers),
            ),
            ("V adds dates", &[bare, v], Ok(true)),
            ("V that knows less", &[v, bare], Ok(false)),
            ("R", &[v, r], Ok(true)),
            ("R before V", &[r], Ok(true)),
            ("V after an early R adds dates", &[r, v], Ok(true)),
            ("then V after R", &[r, v, v], Err(revoked(5, Some(Key)))),
            ("V after R", &[v, r, v], Err(revoked(5, Some(Key)))),
            (
                "V with other dates after R",
                &[v, r, v_other],
                Err(revoked(5, Some(Key))),
            ),
            ("V after hold", &[v, hold, v], Err(revoked(4, Some(Hold)))),
            ("R line", &[r_with_dates], Ok(true)),
            ("R line again", &[r_with_dates, r_with_dates], Ok(false)),
            ("R line adds dates", &[r, r_with_dates], Ok(true)),
            (
                "V after R line",
                &[r_with_dates, v],
                Err(revoked(5, Some(Key))),
            ),
            (
                "R line with other dates",
                &[v_other, r_with_dates],
                Ok(true),
            ),
            ("R again", &[v, r, r], Ok(false)),
            (
                "R later",
                &[v, r, revoke(6, Some(Key))],
                Err(otherwise(5, Some(Key))),
            ),
            (
                "R other reason",
                &[v, r, revoke(5, None)],
                Err(otherwise(5, Some(Key))),
            ),
            (
                "hold of revoked",
                &[v, r, hold],
                Err(otherwise(5, Some(Key))),
            ),
            ("hold", &[v, hold], Ok(true)),
            ("hold again", &[v, hold, hold], Ok(false)),
            (
                "hold later",
                &[v, hold, revoke(5, Some(Hold))],
                Err(otherwise(4, Some(Hold))),
            ),
            ("hold to R", &[v, hold, r], Ok(true)),
            (
                "hold to R, same time",
                &[v, hold, revoke(4, Some(Key))],
                Ok(true),
            ),
            ("hold to no reason", &[v, hold, revoke(4, None)], Ok(true)),
            ("release", &[v, hold, end], Ok(true)),
            ("release again", &[v, hold, end, end], Ok(false)),
            ("release, then V", &[v, hold, end, v], Ok(false)),
            ("release, then R", &[v, hold, end, r], Ok(true)),
            (
                "release of revoked",
                &[v, r, end],
                Err(revoked(5, Some(Key))),
            ),
            (
                "release after hold to R",
                &[v, hold, r, end],
                Err(revoked(5, Some(Key))),
            ),
            ("release of good", &[v, end], Err(Refusal::NotOnHold)),
            ("release of unknown", &[end], Err(Refusal::NotKnown)),
            ("hold before V, released", &[hold, end], Ok(true)),
            ("earlier", &[v, r, correct(4, Some(Key))], Ok(true)),
            (
                "other reason",
                &[v, no_reason, correct(5, Some(Key))],
                Ok(true),
            ),
            ("no correction", &[v, r, correct(5, Some(Key))], Ok(false)),
            (
                "correction again",
                &[v, r, correct(4, Some(Key)), correct(4, Some(Key))],
                Ok(false),
            ),
            (
                "later",
                &[v, r, correct(6, Some(Key))],
                Err(Refusal::CorrectedToLater {
                    revocation_time: at(5),
                }),
            ),
            (
                "back to what it was",
                &[v, r, correct(4, Some(Key)), correct(5, Some(Key))],
                Err(Refusal::CorrectedToLater {
                    revocation_time: at(4),
                }),
            ),
            (
                "to a hold",
                &[v, r, correct(4, Some(Hold))],
                Err(Refusal::CorrectedToHold),
            ),
            (
                "compromise taken back",
                &[v, r, correct(4, Some(CrlReason::Superseded))],
                Err(Refusal::CompromiseTakenBack { reason: Key }),
            ),
            ("suspect earlier", &[v, r, suspect(5, 2)], Ok(true)),
            (
                "suspect later",
                &[v, r, suspect(5, 2), suspect(5, 3)],
                Err(Refusal::InvalidityCorrectedToLater {
                    invalidity_date: at(2),
                }),
            ),
            (
                "no more suspect",
                &[v, r, suspect(5, 2), correct(5, Some(Key))],
                Err(Refusal::InvalidityCorrectedToLater {
                    invalidity_date: at(2),
                }),
            ),
            (
                "R of the corrected",
                &[v, r, correct(4, Some(Key)), r],
                Err(otherwise(4, Some(Key))),
            ),
            (
                "correction of good",
                &[v, correct(4, None)],
                Err(Refusal::NothingToCorrect),
            ),
            (
                "correction of a hold",
                &[v, hold, correct(4, None)],
                Err(Refusal::NothingToCorrect),
            ),
            (
                "correction of unknown",
                &[correct(4, None)],
                Err(Refusal::NotKnown),
            ),
        ];
        for (name, actions, expected) in table {
            let actual = match play(actions).1 {
                Transition::Apply(_) => Ok(true),
                Transition::Unchanged => Ok(false),
                Transition::Refuse(refusal) => Err(refusal),
            };
            assert_eq!(actual, *expected, "{name}");
        }
    }

    /// Each own record against each statement, with the issuer revoked at 3 for its key.
    #[test]
    fn under_a_revoked_issuer_nothing_changes_what_was_told() {
        use CrlReason::{CertificateHold as Hold, KeyCompromise as Key};
        let whole = Revocation {
            claim: claim(3, Some(Key)),
            recorded_ms: NOW_MS,
            by_issuer: Some(7),
        };
        let (v, bare, end) = (
            Action::Issue(until(9)),
            Action::Issue(Inventory::default()),
            Action::Release,
        );
        let (r, hold, same) = (
            revoke(5, Some(Key)),
            revoke(4, Some(Hold)),
            revoke(3, Some(Key)),
        );
        let same_with_dates = Action::Revoke {
            claim: claim(3, Some(Key)),
            inventory: Some(until(9)),
        };
        let (revocation_time, reason) = (at(3), Some(Key));
        let revoked = Err(Refusal::Revoked {
            revocation_time,
            reason,
        });
        let otherwise = Err(Refusal::RevokedOtherwise {
            revocation_time,
            reason,
        });
        let own = Err(Refusal::RevokedOtherwise {
            revocation_time: at(5),
            reason,
        });
        type Row<'a> = (&'a str, &'a [Action], Action, Result<bool, Refusal>);
        let table: &[Row<'_>] = &[
            ("unknown, V", &[], v, Ok(true)),
            ("unknown, R", &[], r, Ok(true)),
            ("unknown, hold", &[], hold, Ok(true)),
            ("unknown, release", &[], end, Err(Refusal::NotKnown)),
            ("good, V", &[v], v, Ok(false)),
            ("good, V adds dates", &[bare], v, Ok(true)),
            (
                "good, V with other dates",
                &[v],
                Action::Issue(until(8)),
                Err(Refusal::InventoryDiffers),
            ),
            ("good, R", &[v], r, otherwise),
            ("good, R as the issuer", &[v], same, Ok(false)),
            ("good, that adds dates", &[bare], same_with_dates, Ok(true)),
            ("good, hold", &[v], hold, otherwise),
            ("good, release", &[v], end, revoked),
            ("released, release", &[v, hold, end], end, revoked),
            ("on hold, V", &[v, hold], v, revoked),
            ("on hold, hold again", &[v, hold], hold, Ok(false)),
            (
                "on hold, hold later",
                &[v, hold],
                revoke(5, Some(Hold)),
                otherwise,
            ),
            ("on hold, R", &[v, hold], r, otherwise),
            ("on hold, R as the issuer", &[v, hold], same, Ok(false)),
            ("on hold, release", &[v, hold], end, revoked),
            (
                "unknown, correction",
                &[],
                correct(2, None),
                Err(Refusal::NotKnown),
            ),
            (
                "good, correction",
                &[v],
                correct(2, Some(Key)),
                Err(Refusal::NothingToCorrect),
            ),
            (
                "on hold, correction",
                &[v, hold],
                correct(2, Some(Key)),
                Err(Refusal::NothingToCorrect),
            ),
            (
                "revoked, correction",
                &[v, r],
                correct(2, Some(Key)),
                Ok(true),
            ),
            ("revoked, R again", &[v, r], r, Ok(false)),
            ("revoked, R as the issuer", &[v, r], same, own),
            (
                "revoked, release",
                &[v, r],
                end,
                Err(Refusal::Revoked {
                    revocation_time: at(5),
                    reason,
                }),
            ),
        ];
        for (name, actions, said, expected) in table {
            let (standing, _) = play(actions);
            let actual = match transition(&standing, Some(&whole), said, NOW_MS) {
                Transition::Apply(next) => {
                    assert!(next.revocation.is_none_or(|own| own.by_issuer.is_none()));
                    Ok(true)
                }
                Transition::Unchanged => Ok(false),
                Transition::Refuse(refusal) => Err(refusal),
            };
            assert_eq!(actual, *expected, "{name}");
        }
    }

    #[test]
    fn a_contradicting_inventory_does_not_delay_a_revocation() {
        let (standing, _) = play(&[
            Action::Issue(until(8)),
            Action::Revoke {
                claim: claim(5, None),
                inventory: Some(until(9)),
            },
        ]);
        assert_eq!(standing.issued, Some(until(8)));
        assert!(standing.revocation.is_some());
    }

    #[test]
    fn a_revocation_time_may_be_five_minutes_ahead_and_is_signed_as_recorded() {
        let now = NOW_MS / 1_000;
        for (secs, applied, signed) in [
            (now - 1, true, now - 1),
            (now, true, now),
            (now + 1, true, now),
            (now + 300, true, now),
            (now + 301, false, 0),
        ] {
            match transition(&Standing::default(), None, &revoke(secs, None), NOW_MS) {
                Transition::Apply(standing) => {
                    let revocation = standing.revocation.unwrap();
                    assert!(applied, "{secs}");
                    assert_eq!(revocation.claim.revocation_time, at(secs));
                    assert_eq!(revocation.signing_time(), at(signed));
                }
                other => {
                    let revocation_time = at(secs);
                    let refusal = Refusal::TimeAhead { revocation_time };
                    assert!(!applied, "{secs}");
                    assert_eq!(other, Transition::Refuse(refusal));
                }
            }
        }
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let inventory =
            (prop::option::of(8..10_u64), any::<bool>()).prop_map(|(secs, hash)| Inventory {
                not_before: None,
                not_after: secs.map(at),
                certificate_sha256: hash.then_some([7; 32]),
                distribution_point: None,
            });
        let reason = prop::option::of(prop::sample::select(&CrlReason::ALL[..]));
        prop::collection::vec(
            prop_oneof![
                inventory.clone().prop_map(Action::Issue),
                (0..4_u64, reason.clone(), prop::option::of(0..4_u64)).prop_map(
                    |(secs, reason, suspect)| Action::Correct(RevocationClaim {
                        invalidity_date: suspect.map(at),
                        ..claim(secs, reason)
                    })
                ),
                (0..4_u64, reason, prop::option::of(inventory)).prop_map(
                    |(secs, reason, inventory)| Action::Revoke {
                        claim: claim(secs, reason),
                        inventory,
                    }
                ),
                Just(Action::Release),
            ],
            0..24,
        )
    }

    proptest! {
        #[test]
        fn revoked_returns_to_good_only_by_the_end_of_a_hold(actions in actions()) {
            let mut standing = Standing::default();
            for action in actions {
                match transition(&standing, None, &action, NOW_MS) {
                    Transition::Apply(next) => {
                        prop_assert_ne!(next, standing, "an entry for nothing");
                        prop_assert!(next.issued.is_some() || next.revocation.is_some());
                        prop_assert!(standing.issued.is_none() || next.issued.is_some());
                        if let (Some(before), None) = (standing.revocation, next.revocation) {
                            prop_assert!(before.is_hold() && action == Action::Release);
                        }
                        if let (Some(before), Some(after)) = (standing.revocation, next.revocation) {
                            let corrected = matches!(action, Action::Correct(_));
                            prop_assert!(before == after || before.is_hold() || corrected);
                            if corrected {
                                prop_assert!(!before.is_hold() && !after.is_hold());
                                prop_assert!(after.signing_time() <= before.signing_time());
                                prop_assert_eq!(after.recorded_ms, before.recorded_ms);
                            }
                        }
                        standing = next;
                        // Whatever was just applied is not applied again.
                        let again = transition(&standing, None, &action, NOW_MS);
                        prop_assert!(!matches!(again, Transition::Apply(_)));
                    }
                    Transition::Unchanged | Transition::Refuse(_) => {}
                }
            }
        }
    }
}
