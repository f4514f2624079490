#![cfg(feature = "rocksdb")]

use super::{import::CrlImportError, read::Collected, *};
use crate::{
    asn1::{CrlNumber, CrlReason, UnixTime},
    change::{Inventory, RevocationClaim, Source},
    crl::{CrlReader, Limits, Tap},
    feed::{ImportOptions, ImportReport, ImportResult, LedgerSink},
    identity::SerialNumber,
    ledger::{IssuerIdentity, Ledger},
};

/// 2026-09-21
const NOW: u64 = 1_790_000_000;
const KEY: u8 = 1;
const SUPERSEDED: u8 = 4;
const HOLD: u8 = 6;

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

struct Nobody;

impl Tap for Nobody {
    fn whole(&mut self, _: &[u8]) {}
    fn tbs(&mut self, _: &[u8]) {}
}

/// An entry: serial and reason.
type Listed = (u16, u8);

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut der = match len {
        [0, short @ 0..0x80] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    der.extend_from_slice(content);
    der
}

fn entry(serial: &[u8], date: &[u8], reason: u8) -> Vec<u8> {
    let extension = [
        &[0x06, 0x03, 0x55, 0x1d, 0x15][..],
        &tlv(4, &[0x0a, 1, reason]),
    ]
    .concat();
    let list = match reason {
        0 => vec![],
        _ => tlv(0x30, &tlv(0x30, &extension)),
    };
    tlv(0x30, &[tlv(2, serial), tlv(0x17, date), list].concat())
}

/// A CRL of these entries; nobody signed it.
fn crl_of(entries: &[Vec<u8>], issuer: IssuerId, number: u8, this_update: u64) -> Crl {
    let algorithm = [0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70];
    let time = tlv(0x17, b"260901000000Z");
    let tbs = [
        &[2, 1, 1][..],
        &algorithm,
        &[0x30, 0],
        &time,
        &tlv(0x30, &entries.concat()),
    ];
    let der = [&tlv(0x30, &tbs.concat())[..], &algorithm, &[3, 2, 0, 0]].concat();
    let der = tlv(0x30, &der);
    let mut reader = CrlReader::open(&der[..], Limits::MOST).unwrap();
    let mut collected = Collected::new();
    while let Some(raw) = reader.next_entry(&mut Nobody).unwrap() {
        collected.add(&raw).unwrap();
    }
    let tail = reader.finish(&mut Nobody).unwrap();
    let evidence = Evidence {
        this_update: at(this_update),
        next_update: at(NOW + 86_400),
        crl_number: Some(CrlNumber::from_content(&[number]).unwrap()),
        crl_sha256: [number; 32],
        entry_count: 0,
    };
    collected.settle(issuer, tail.entry_count, evidence)
}

/// A ledger with one issuer.
struct World {
    ledger: Ledger,
    issuer: IssuerId,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let identity = IssuerIdentity {
            subject_der: vec![0x30, 0],
            spki_der: vec![0x30],
            label: "test".to_owned(),
        };
        let source = Source::new("config", "").unwrap();
        let issuer = ledger.define_issuer(&identity, &source, 1).unwrap().id;
        Self {
            ledger,
            issuer,
            _folder: folder,
        }
    }

    fn crl(&self, listed: &[Listed], number: u8) -> Crl {
        let entries: Vec<Vec<u8>> = listed
            .iter()
            .map(|(serial, reason)| {
                entry(
                    &[&[1], &serial.to_be_bytes()[..]].concat(),
                    b"260101120000Z",
                    *reason,
                )
            })
            .collect();
        crl_of(&entries, self.issuer, number, NOW + 100 * u64::from(number))
    }

    fn import(&self, crl: Crl) -> Result<ImportReport, String> {
        self.import_with(crl, false, false)
    }

    fn import_with(
        &self,
        crl: Crl,
        skip_bad: bool,
        accept_shrink: bool,
    ) -> Result<ImportReport, String> {
        let now = crl.evidence.this_update;
        let source = Source::new(SOURCE, "ca.crl").unwrap();
        let mut sink = LedgerSink::alone(&self.ledger, source, || now.as_secs() * 1000);
        let options = CrlImportOptions {
            import: ImportOptions {
                source: "ca.crl",
                skip_bad,
            },
            accept_shrink,
            now,
        };
        import_crl(crl, &mut sink, options, &mut |_| {}).map_err(|error| match error {
            CrlImportError::Refused(refusal) => refusal.to_string(),
            CrlImportError::Import(error) => panic!("{error}"),
        })
    }

    fn serial(serial: u16) -> SerialNumber {
        SerialNumber::from_content(&[&[1], &serial.to_be_bytes()[..]].concat()).unwrap()
    }

    /// The reason of a certificate that is revoked: 0 for none.
    fn revoked(&self, serial: u16) -> Option<u8> {
        let record = self.ledger.status(&self.issuer, &Self::serial(serial));
        let revocation = record.unwrap()?.revocation?;
        Some(revocation.claim.reason.map_or(0, CrlReason::code))
    }

    fn say(&self, name: &str, serial: u16, action: Action, now_ms: u64) {
        let change = Change {
            issuer: self.issuer,
            serial: Self::serial(serial),
            action,
        };
        let source = Source::new(name, "").unwrap();
        self.ledger.commit(&[change], &source, now_ms).unwrap();
    }
}

fn revoke(reason: CrlReason, not_after: Option<u64>) -> Action {
    Action::Revoke {
        claim: RevocationClaim {
            revocation_time: at(NOW - 1000),
            reason: Some(reason),
            invalidity_date: None,
        },
        inventory: not_after.map(|secs| Inventory {
            not_after: Some(at(secs)),
            ..Inventory::default()
        }),
    }
}

#[test]
fn a_crl_is_taken_once() {
    let world = World::new();
    let listed = [(1, 0), (2, KEY), (3, HOLD)];
    let report = world.import(world.crl(&listed, 1)).unwrap();
    assert_eq!((report.applied, report.lines), (3, 3));
    assert_eq!(report.to_string(), "ca.crl: imported: 3 entries, 3 applied");
    assert_eq!(
        [1, 2, 3].map(|serial| world.revoked(serial)),
        [Some(0), Some(1), Some(6)]
    );
    let evidence = world.ledger.evidence(&world.issuer).unwrap().unwrap();
    assert_eq!((evidence.entry_count, evidence.crl_sha256), (3, [1; 32]));
    let sequence = world.ledger.last_sequence().unwrap();
    let report = world.import(world.crl(&listed, 1)).unwrap();
    assert_eq!((report.applied, report.unchanged), (0, 3));
    assert_eq!(report.result, ImportResult::Complete);
    assert_eq!(world.ledger.last_sequence().unwrap(), sequence);
}

#[test]
fn a_hold_that_was_ended_by_hand_is_not_put_back_by_a_crl_from_before() {
    let world = World::new();
    world.import(world.crl(&[(1, HOLD), (2, HOLD)], 1)).unwrap();
    world.say("cli", 1, Action::Release, 1000 * (NOW + 250));
    // The same once more, then one that was made before the release and came after it.
    let report = world.import(world.crl(&[(1, HOLD), (2, HOLD)], 1)).unwrap();
    assert_eq!((report.applied, report.unchanged), (0, 2));
    assert_eq!(world.revoked(1), None);
    let report = world.import(world.crl(&[(1, HOLD), (2, HOLD)], 2)).unwrap();
    assert_eq!(
        (report.applied, report.unchanged, report.differing),
        (0, 2, 1)
    );
    assert_eq!((world.revoked(1), world.revoked(2)), (None, Some(6)));
    // Final is final, whenever it was made.
    world.import(world.crl(&[(1, KEY), (2, HOLD)], 3)).unwrap();
    assert_eq!(world.revoked(1), Some(1));
}

#[test]
fn what_the_ledger_has_otherwise_stands() {
    let world = World::new();
    world.say("cli", 1, revoke(CrlReason::KeyCompromise, None), 1000 * NOW);
    world.say(
        "cli",
        2,
        revoke(CrlReason::CertificateHold, None),
        1000 * NOW,
    );
    world.say(
        "cli",
        3,
        revoke(CrlReason::CertificateHold, None),
        1000 * NOW,
    );
    world.say("cli", 4, Action::Issue(Inventory::default()), 1000 * NOW);
    let crl = world.crl(&[(1, SUPERSEDED), (2, KEY), (3, HOLD), (4, KEY)], 1);
    let report = world.import(crl).unwrap();
    assert_eq!(
        (report.applied, report.unchanged, report.differing),
        (2, 2, 2)
    );
    assert!(
        report
            .to_string()
            .contains("2 known with another time or reason"),
        "{report}"
    );
    let reasons = [1, 2, 3, 4].map(|serial| world.revoked(serial));
    assert_eq!(reasons, [Some(1), Some(1), Some(6), Some(1)]);
}

#[test]
fn holds_end_and_revocations_stay_when_they_are_no_longer_listed() {
    let world = World::new();
    // On hold by hand, before and after the second CRL was made.
    world.say(
        "cli",
        10,
        revoke(CrlReason::CertificateHold, None),
        1000 * NOW,
    );
    world.say(
        "cli",
        11,
        revoke(CrlReason::CertificateHold, None),
        1000 * (NOW + 200),
    );
    world.say(
        "index",
        12,
        revoke(CrlReason::Superseded, Some(NOW + 150)),
        1000 * NOW,
    );
    world.say(
        "index",
        13,
        revoke(CrlReason::Superseded, Some(NOW + 900)),
        1000 * NOW,
    );
    let listed = [
        (1, HOLD),
        (2, KEY),
        (10, HOLD),
        (11, HOLD),
        (12, 4),
        (13, 4),
    ];
    world.import(world.crl(&listed, 1)).unwrap();
    let report = world.import(world.crl(&[(3, 0)], 2)).unwrap();
    assert_eq!((report.applied, report.released, report.missing), (1, 2, 2));
    assert!(
        report
            .to_string()
            .contains("; 2 no longer on hold; 2 revoked earlier"),
        "{report}"
    );
    let reasons = [1, 2, 3, 10, 11, 12, 13].map(|serial| world.revoked(serial));
    let due = [None, Some(1), Some(0), None, Some(6), Some(4), Some(4)];
    assert_eq!(reasons, due);
    // Listed again, it is on hold again.
    let report = world.import(world.crl(&[(1, HOLD), (3, 0)], 3)).unwrap();
    assert_eq!((report.applied, report.released), (1, 1));
    assert_eq!((world.revoked(1), world.revoked(11)), (Some(6), None));
}

#[test]
fn an_older_crl_is_refused_by_number_and_by_time() {
    let world = World::new();
    world.import(world.crl(&[(1, HOLD)], 5)).unwrap();
    let told = world.import(world.crl(&[], 4)).unwrap_err();
    assert!(
        told.contains("CRLNumber 0x04 (4) is lower than 0x05"),
        "{told}"
    );
    let mut older = world.crl(&[], 4);
    older.evidence.crl_number = None;
    let told = world.import(older).unwrap_err();
    assert!(
        told.contains("older than the CRL that was taken before"),
        "{told}"
    );
    let mut lower = world.crl(&[], 6);
    lower.evidence.crl_number = CrlNumber::from_content(&[4]).ok();
    let told = world.import(lower).unwrap_err();
    assert!(told.contains("lower"), "{told}");
    assert_eq!(world.revoked(1), Some(6));
}

#[test]
fn a_crl_that_lost_much_is_not_believed_at_once() {
    let world = World::new();
    let listed: Vec<Listed> = (0..100).map(|serial| (serial, KEY)).collect();
    world.import(world.crl(&listed, 1)).unwrap();
    for few in [&listed[..0], &listed[..89]] {
        let told = world.import(world.crl(few, 2)).unwrap_err();
        assert!(
            told.contains("of the 100") && told.contains("--accept-shrink"),
            "{told}"
        );
    }
    // A tenth may go, and again a tenth of what was left: the first are no longer counted.
    world.import(world.crl(&listed[..90], 2)).unwrap();
    let report = world.import(world.crl(&listed[..81], 3)).unwrap();
    assert_eq!(report.missing, 19);
    // Ten of a short list may go as well, and everything if it is meant.
    world.import(world.crl(&listed[..72], 4)).unwrap();
    world
        .import_with(world.crl(&listed[..11], 5), false, true)
        .unwrap();
    world.import(world.crl(&listed[..1], 6)).unwrap();
    assert_eq!(world.revoked(99), Some(KEY));
}

#[test]
fn bad_entries_are_named_and_only_skipped_when_asked() {
    let world = World::new();
    // Its entry below cannot be read, so nothing says that the hold has ended.
    world.say(
        SOURCE,
        2,
        revoke(CrlReason::CertificateHold, None),
        1000 * NOW,
    );
    let date = b"260101120000Z";
    let entries = [
        entry(&[0x01, 0, 1], date, KEY),
        entry(&[0xff], date, 0),
        entry(&[0], date, 0),
        entry(&[[0].as_slice(), &[0xff; 20]].concat(), date, 0),
        entry(&[0x05; 30], date, 0),
        entry(&[0x01, 0, 2], b"260230120000Z", 0),
        entry(&[0x01, 0, 2], date, 7),
        entry(&[0x01, 0, 2], date, 8),
        entry(&[0x01, 0, 3], date, KEY),
        entry(&[0x01, 0, 3], date, SUPERSEDED),
        entry(&[0x01, 0, 4], date, 0),
        entry(&[0x01, 0, 4], date, 0),
        tlv(0x30, &tlv(2, &[1])),
        entry(&[0x01, 0, 5], b"270101120000Z", 0),
    ];
    let crl = || crl_of(&entries, world.issuer, 1, NOW);
    let report = world.import(crl()).unwrap();
    assert_eq!(report.result, ImportResult::NothingApplied);
    assert_eq!((report.lines, report.bad), (14, 10));
    let told = report.to_string();
    for words in [
        "entry 2: serial number FF: it is negative",
        "entry 3: serial number 00: it is zero",
        "entry 4: serial number 00FFFF",
        "it has 21 octets, more than 20",
        "0505…: it has 30 octets",
        "entry 6: serial number 010002: revocationDate: a date or time of day that does not exist",
        "entry 7: serial number 010002: there is no reason 7",
        "entry 8: serial number 010002: the reason removeFromCRL",
        "entry 9: serial number 010003: entry 10 says something else",
        "entry 10: serial number 010003: entry 9 says something else",
        "entry 13: malformed",
    ] {
        assert!(told.contains(words), "{told}\nlacks {words}");
    }
    assert!(
        !told.contains("entry 11") && !told.contains("entry 14"),
        "{told}"
    );
    assert_eq!(world.revoked(1), None);
    assert_eq!(world.ledger.evidence(&world.issuer).unwrap(), None);

    let report = world.import_with(crl(), true, false).unwrap();
    assert_eq!(report.result, ImportResult::Skipped);
    assert_eq!(
        (report.applied, report.unchanged, report.skipped),
        (2, 1, 11)
    );
    assert!(
        report
            .to_string()
            .contains("entry 14: serial number 010005"),
        "{report}"
    );
    let reasons = [1, 2, 3, 4, 5].map(|serial| world.revoked(serial));
    assert_eq!(reasons, [Some(1), Some(6), None, Some(0), None]);
    // And it dates no answer.
    assert!(
        report.to_string().contains("no answer is dated by it"),
        "{report}"
    );
    assert_eq!(world.ledger.evidence(&world.issuer).unwrap(), None);
}

#[test]
fn a_crl_without_entries_is_a_crl() {
    let world = World::new();
    let report = world.import(world.crl(&[], 1)).unwrap();
    assert_eq!((report.lines, report.result), (0, ImportResult::Complete));
    assert!(world.ledger.evidence(&world.issuer).unwrap().is_some());
}
