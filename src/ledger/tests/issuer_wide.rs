//! Issuers that are revoked as a whole.

use std::collections::HashSet;

use super::*;

fn order_of(issuer: IssuerId, reason: Option<CrlReason>) -> IssuerRevocationOrder {
    let claim = RevocationClaim {
        revocation_time: at(1_785_000_000),
        reason,
        invalidity_date: None,
    };
    IssuerRevocationOrder {
        issuer,
        claim,
        with: Vec::new(),
    }
}

const COMPROMISE: Option<CrlReason> = Some(CrlReason::CaCompromise);
const HOLD: Option<CrlReason> = Some(CrlReason::CertificateHold);

#[test]
fn one_entry_revokes_them_all_and_the_issuers_own_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let (root, issuer) = (define(&ledger, "root"), define(&ledger, "ca"));
    let key = Some(CrlReason::KeyCompromise);
    commit(
        &ledger,
        &[
            issue(root, 1),
            issue(issuer, 1),
            issue(issuer, 2),
            revoke(issuer, 2, HOLD),
            issue(issuer, 3),
            revoke(issuer, 3, key),
        ],
    );
    let before = ledger.snapshot().unwrap();
    let order = IssuerRevocationOrder {
        with: vec![revoke(root, 1, COMPROMISE), revoke(issuer, 9, key)],
        ..order_of(issuer, COMPROMISE)
    };
    let done = ledger.revoke_issuer(&order, &source(), NOW_MS).unwrap();
    assert_eq!(done.outcome, applied(9));
    assert_eq!(done.with.outcomes, [applied(10), applied(11)]);

    let status = |ledger: &Ledger, issuer, number| {
        let status = ledger.status(&issuer, &serial(number)).unwrap()?;
        let revocation = status.revocation?;
        Some((
            status.sequence,
            revocation.claim.reason,
            revocation.by_issuer,
        ))
    };
    let check = |ledger: &Ledger| {
        assert_eq!(status(ledger, issuer, 1), Some((9, COMPROMISE, Some(9))));
        assert_eq!(status(ledger, issuer, 2), Some((9, COMPROMISE, Some(9))));
        assert_eq!(status(ledger, issuer, 3), Some((8, key, None)));
        assert_eq!(status(ledger, issuer, 9), Some((11, key, None)));
        assert_eq!(status(ledger, root, 1), Some((10, COMPROMISE, None)));
        assert_eq!(ledger.status(&issuer, &serial(4)).unwrap(), None);
        let snapshot = ledger.snapshot().unwrap();
        let revoked: Vec<_> = snapshot.revoked_issuers().collect();
        assert_eq!(revoked, [ledger.revoked_issuer(&issuer).unwrap().unwrap()]);
        assert_eq!(ledger.revoked_issuer(&root).unwrap(), None);
        let own = snapshot.own_statuses(&issuer).unwrap();
        // Serial number 5 comes later.
        let later = status(ledger, issuer, 5).map_or(0, |_| 1);
        assert_eq!((own.good, own.on_hold, own.revoked), (1 + later, 1, 2));
    };
    check(&ledger);
    assert_eq!(before.revoked_count(&issuer).unwrap(), 2);
    assert_eq!(before.revoked_issuer(&issuer), None);
    let good = before.status(&issuer, &serial(1)).unwrap().unwrap();
    assert_eq!(good.revocation, None);
    drop(before);

    // Issued later: revoked. Said again: unchanged. Otherwise: refused, and nothing that belongs to it.
    assert_eq!(commit(&ledger, &[issue(issuer, 5)]), [applied(12)]);
    assert_eq!(status(&ledger, issuer, 5), Some((12, COMPROMISE, Some(9))));
    let again = ledger.revoke_issuer(&order, &source(), NOW_MS + 1).unwrap();
    assert_eq!(again.outcome, Outcome::Unchanged);
    let otherwise = IssuerRevocationOrder {
        with: vec![issue(root, 7)],
        ..order_of(issuer, None)
    };
    let otherwise = ledger.revoke_issuer(&otherwise, &source(), NOW_MS).unwrap();
    let refusal = Refusal::RevokedOtherwise {
        revocation_time: at(1_785_000_000),
        reason: COMPROMISE,
    };
    assert_eq!(otherwise.outcome, Outcome::Refused(refusal));
    assert_eq!(ledger.last_sequence().unwrap(), 12);
    drop(ledger);
    check(&Ledger::open(dir.path()).unwrap());
}

#[test]
fn what_cannot_be_ordered_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    let refused = |order: &IssuerRevocationOrder| {
        let done = ledger.revoke_issuer(order, &source(), NOW_MS).unwrap();
        match done.outcome {
            Outcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let stranger = IssuerId::from_bytes([0; 32]);
    assert_eq!(refused(&order_of(stranger, None)), Refusal::UnknownIssuer);
    assert_eq!(refused(&order_of(issuer, HOLD)), Refusal::HoldOfIssuer);
    let mut ahead = order_of(issuer, None);
    ahead.claim.revocation_time = at(1_900_000_000);
    assert!(matches!(refused(&ahead), Refusal::TimeAhead { .. }));
    assert_eq!(ledger.last_sequence().unwrap(), 1);
}

#[test]
fn all_of_a_revoked_issuer_are_revoked_and_come_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let issuer = define(&ledger, "ca");
    let serial = |number: u32| {
        let digits = ["01", "80", "0100", "7f0102"][usize::try_from(number % 4).unwrap()];
        SerialNumber::from_hex(&format!("{digits}{number:02x}")).unwrap()
    };
    let changes: Vec<_> = (0..100)
        .map(|number| Change {
            serial: serial(number),
            ..issue(issuer, number)
        })
        .collect();
    commit(&ledger, &changes);
    let order = order_of(issuer, None);
    ledger.revoke_issuer(&order, &source(), NOW_MS).unwrap();
    let snapshot = ledger.snapshot().unwrap();
    let found: Vec<_> = snapshot
        .revoked(&issuer)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found.len(), 100);
    let serials: HashSet<_> = found.iter().map(|record| record.serial).collect();
    assert_eq!(serials, (0..100).map(serial).collect());
    assert!(
        found
            .iter()
            .all(|it| it.not_after == Some(at(1_900_000_000)))
    );
}

/// An order takes its turn among changes, and is visible with what belongs to it when it is acknowledged.
#[test]
fn an_order_is_visible_when_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::open(dir.path()).unwrap());
    let (root, issuer) = (define(&ledger, "root"), define(&ledger, "ca"));
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let mut failures = 1;
    let group = {
        let seen = Arc::clone(&seen);
        GroupCommit::start(
            Arc::clone(&ledger),
            GroupOptions::new(2),
            || NOW_MS,
            move |durable: Durable<'_>| {
                let mut seen = seen.lock().unwrap();
                match durable {
                    Durable::Certificates(entries) => {
                        seen.0
                            .extend(entries.iter().map(|entry| entry.record.sequence));
                    }
                    Durable::Issuer(_) if failures > 0 => {
                        failures -= 1;
                        return Err("no");
                    }
                    Durable::Issuer(revoked) => seen.1.push(revoked.sequence),
                }
                Ok(())
            },
        )
        .unwrap()
    };
    let submit = |changes| group.submit(changes, source(), far()).unwrap();
    let first = submit(vec![issue(root, 1), issue(issuer, 1)]);
    let order = IssuerRevocationOrder {
        with: vec![revoke(root, 1, COMPROMISE)],
        ..order_of(issuer, COMPROMISE)
    };
    let ordered = || {
        let receipt = group.submit_issuer_revocation(order.clone(), source(), far());
        let told = receipt.unwrap().wait();
        told.map(|told| told.outcomes)
    };
    // Recorded, and not acknowledged while it is not visible.
    assert!(matches!(ordered(), Err(CommitError::NotVisible(_))));
    first.wait().unwrap();
    assert_eq!(ordered().unwrap(), [Outcome::Unchanged, Outcome::Unchanged]);
    let (certificates, issuers) = seen.lock().unwrap().clone();
    assert_eq!(issuers, [5], "at least once, and no longer than needed");
    assert!(certificates.contains(&6), "{certificates:?}");
    let last = submit(vec![issue(issuer, 2)]).wait().unwrap();
    assert_eq!(last.outcomes, [applied(7)]);
}
