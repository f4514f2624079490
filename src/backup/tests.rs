//! Restoring, with traces that are made up here.

use std::path::{Path, PathBuf};

use super::*;
use crate::asn1::{CrlReason, UnixTime};
use crate::catalog::shown::{Shown, ShownJournal};
use crate::change::{Action, Change, Inventory, RevocationClaim, Source};
use crate::identity::{IssuerId, SerialNumber};
use crate::ledger::{IssuerIdentity, Ledger, LedgerSnapshot};
use crate::segment::disk;

const NOW: u64 = 1_790_000_000;
const DAY: u64 = 86_400;

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// With a ledger of an issuer and certificate 01, and a backup of it.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        let ledger = begun(&site.ledger());
        issue(&ledger, "01");
        site.back_up(&ledger, "backup");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ledger(&self) -> PathBuf {
        self.path("ledger")
    }

    fn back_up(&self, ledger: &Ledger, name: &str) {
        let order = BackupOrder {
            to: self.path(name),
            key: None,
            now: at(NOW),
        };
        take(ledger, &order, &mut |_| {}).unwrap();
    }

    /// What clients were shown.
    fn note(&self, shown: &[Shown]) {
        let catalog = self.path("catalog");
        std::fs::create_dir_all(&catalog).unwrap();
        let journal = ShownJournal::open(&catalog).unwrap();
        journal.note(shown.iter().copied());
    }

    fn order(&self, now: u64) -> RestoreOrder {
        RestoreOrder {
            backup: self.path("backup"),
            state_dir: self.folder.path().to_owned(),
            key: self.path("keys/ledger.key"),
            origin: None,
            issuers: vec![identity()],
            answers: None,
            now: at(now),
            now_ms: now * 1_000,
        }
    }

    fn restore(&self, order: &RestoreOrder) -> Result<RestoreReport, BackupError> {
        Restoring::prepare(order, &mut |_| {})?.put_in_force()
    }

    fn revocation(&self, serial: &str) -> Option<RevocationClaim> {
        let ledger = Ledger::open(&self.ledger()).unwrap();
        let record = ledger.status(&issuer(), &hex(serial)).unwrap().unwrap();
        record.revocation.map(|revocation| revocation.claim)
    }
}

fn begun(folder: &Path) -> Ledger {
    let ledger = Ledger::open(folder).unwrap();
    ledger
        .define_issuer(&identity(), &source(), NOW * 1_000)
        .unwrap();
    ledger
}

fn identity() -> IssuerIdentity {
    IssuerIdentity {
        subject_der: vec![0x30, 0],
        spki_der: vec![0x30],
        label: "test".to_owned(),
    }
}

fn issuer() -> IssuerId {
    let folder = tempfile::tempdir().unwrap();
    let ledger = begun(folder.path());
    ledger.issuers().unwrap()[0].id
}

fn source() -> Source {
    Source::new("test", "").unwrap()
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

fn hex(serial: &str) -> SerialNumber {
    SerialNumber::from_hex(serial).unwrap()
}

fn claim(secs: u64, reason: CrlReason) -> RevocationClaim {
    RevocationClaim {
        revocation_time: at(secs),
        reason: Some(reason),
        invalidity_date: None,
    }
}

fn enter(ledger: &Ledger, serial: &str, action: Action, now: u64) {
    let change = Change {
        issuer: issuer(),
        serial: hex(serial),
        action,
    };
    let outcomes = ledger.record(&[change], &source(), now * 1_000).unwrap();
    assert!(
        matches!(outcomes[0], crate::change::Outcome::Applied { .. }),
        "{outcomes:?}"
    );
}

fn issue(ledger: &Ledger, serial: &str) {
    enter(ledger, serial, Action::Issue(Inventory::default()), NOW);
}

fn revoke(ledger: &Ledger, serial: &str, now: u64) {
    let claim = claim(now, CrlReason::KeyCompromise);
    let inventory = None;
    enter(ledger, serial, Action::Revoke { claim, inventory }, now);
}

fn shown(serial: Option<&str>, sequence: u64, claim: RevocationClaim) -> Shown {
    Shown {
        issuer: issuer(),
        serial: serial.map(hex),
        sequence,
        recorded_ms: claim.revocation_time.as_secs() * 1_000,
        revocation: Some(claim),
    }
}

#[test]
fn a_clock_that_is_behind_loses_no_revocation() {
    let key = |secs| claim(secs, CrlReason::KeyCompromise);
    // Of the backup's ledger nothing is left but what clients were shown.
    let lost = Site::new();
    std::fs::remove_dir_all(lost.ledger()).unwrap();
    lost.note(&[shown(Some("01"), 9, key(NOW + DAY))]);
    let report = lost.restore(&lost.order(NOW)).unwrap();
    assert_eq!(report.lacking.refused, [""; 0]);
    assert_eq!(lost.revocation("01"), Some(key(NOW + DAY)));

    // Nothing was signed since it was revoked: only the ledger that is set aside knows the time.
    let aside = Site::new();
    let ledger = Ledger::open(&aside.ledger()).unwrap();
    revoke(&ledger, "01", NOW + DAY);
    drop(ledger);
    aside.restore(&aside.order(NOW)).unwrap();
    assert_eq!(aside.revocation("01"), Some(key(NOW + DAY)));

    let whole = Site::new();
    whole.note(&[shown(None, 9, key(NOW + DAY))]);
    let report = whole.restore(&whole.order(NOW)).unwrap();
    assert_eq!(report.lacking.issuers, ["test"]);
}

#[test]
fn a_revocation_that_is_refused_stops_the_restore() {
    let site = Site::new();
    // No ledger takes a hold of an issuer.
    let hold = claim(NOW, CrlReason::CertificateHold);
    site.note(&[shown(None, 9, hold)]);
    let error = site.restore(&site.order(NOW)).unwrap_err();
    assert!(
        matches!(error, BackupError::NotReentered { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("\"test\""), "{error}");
    assert!(!site.path(swap::BUILDING).exists());
    let snapshot = LedgerSnapshot::of_copy(&site.ledger()).unwrap();
    assert_eq!(snapshot.opened_epochs().unwrap(), []);
    assert!(
        !disk::names(site.folder.path())
            .unwrap()
            .iter()
            .any(|name| name.contains("aside"))
    );
}

#[test]
fn a_ledger_of_another_history_knows_no_better_than_the_answers() {
    let key = claim(NOW, CrlReason::KeyCompromise);
    let site = Site::new();
    let ledger = Ledger::open(&site.ledger()).unwrap();
    revoke(&ledger, "01", NOW);
    let snapshot = ledger.snapshot().unwrap();
    let sequence = snapshot.last_sequence();
    let answers = (sequence, snapshot.entry_sha256(sequence).unwrap().unwrap());
    drop((snapshot, ledger));
    site.note(&[shown(Some("01"), sequence, key)]);

    // Somebody went on from an older state.
    std::fs::remove_dir_all(site.ledger()).unwrap();
    let other = begun(&site.ledger());
    for serial in ["01", "02", "03", "04", "05"] {
        issue(&other, serial);
    }
    revoke(&other, "02", NOW);
    drop(other);
    let mut order = site.order(NOW);
    order.answers = Some(answers);
    site.restore(&order).unwrap();
    assert_eq!(site.revocation("01"), Some(key));
    assert_eq!(site.revocation("02"), Some(key));
}

#[test]
fn the_ledger_that_the_answers_are_of_knows_better_than_they() {
    let hold = claim(NOW, CrlReason::CertificateHold);
    let site = Site::new();
    let ledger = Ledger::open(&site.ledger()).unwrap();
    let inventory = None;
    let claim = hold;
    enter(&ledger, "01", Action::Revoke { claim, inventory }, NOW);
    let snapshot = ledger.snapshot().unwrap();
    let sequence = snapshot.last_sequence();
    let answers = (sequence, snapshot.entry_sha256(sequence).unwrap().unwrap());
    enter(&ledger, "01", Action::Release, NOW);
    drop((snapshot, ledger));
    site.note(&[shown(Some("01"), sequence, hold)]);
    let mut order = site.order(NOW);
    order.answers = Some(answers);
    site.restore(&order).unwrap();
    assert_eq!(site.revocation("01"), None);
}

#[test]
fn a_key_that_did_not_sign_the_last_checkpoint_is_told() {
    let site = Site::new();
    let key = crate::audit::LedgerKey::for_tests("log");
    let ledger = Ledger::open(&site.ledger()).unwrap();
    crate::audit::sign_head(&ledger, &key, NOW * 1_000).unwrap();
    site.back_up(&ledger, "signed");
    drop(ledger);
    let mut order = site.order(NOW);
    order.backup = site.path("signed");
    let told = |order: &RestoreOrder| {
        let prepared = Restoring::prepare(order, &mut |_| {}).unwrap();
        let notes = prepared.report().notes.clone();
        prepared.withdraw().unwrap();
        notes
            .iter()
            .filter(|note| note.contains("ledger.key"))
            .count()
    };
    assert_eq!(told(&order), 1, "there is none");
    crate::audit::LedgerKey::open_or_create(&order.key, None).unwrap();
    assert_eq!(told(&order), 1, "there is another one");
}
