#![cfg(feature = "rocksdb")]

use proptest::prelude::*;

use super::{import::CrlImportError, read::Collected, *};
use crate::{
    asn1::{CrlNumber, CrlReason, UnixTime},
    change::{CrlScope, Inventory, RevocationClaim, ScopeTag, Source},
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
    let evidence = Evidence {
        scope: CrlScope::FULL,
        this_update: at(this_update),
        next_update: at(NOW + 86_400),
        crl_number: Some(CrlNumber::from_content(&[number]).unwrap()),
        crl_sha256: [number; 32],
        entry_count: 0,
        complete_sha256: None,
    };
    crl_with(entries, issuer, evidence, None)
}

/// The same, with all that its extensions say.
fn crl_with(entries: &[Vec<u8>], issuer: IssuerId, evidence: Evidence, base: Option<u8>) -> Crl {
    let algorithm = [0x30, 5, 0x06, 3, 0x2b, 0x65, 0x70];
    let time = tlv(0x17, b"260901000000Z");
    let tbs = [
        &[2, 1, 1][..],
        &algorithm,
        &[0x30, 0],
        &time,
        &match entries {
            [] => vec![],
            some => tlv(0x30, &some.concat()),
        },
    ];
    let der = [&tlv(0x30, &tbs.concat())[..], &algorithm, &[3, 2, 0, 0]].concat();
    let der = tlv(0x30, &der);
    let mut reader = CrlReader::open(&der[..], Limits::MOST).unwrap();
    let mut collected = Collected::new();
    while let Some(raw) = reader.next_entry(&mut Nobody).unwrap() {
        collected.add(&raw).unwrap();
    }
    let tail = reader.finish(&mut Nobody).unwrap();
    let base = base.map(|base| CrlNumber::from_content(&[base]).unwrap());
    collected.settle(issuer, tail.entry_count, evidence, base)
}

fn entries(listed: &[Listed]) -> Vec<Vec<u8>> {
    let entry = |(serial, reason): &Listed| {
        let serial = [&[1], &serial.to_be_bytes()[..]].concat();
        entry(&serial, b"260101120000Z", *reason)
    };
    listed.iter().map(entry).collect()
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
        let this_update = NOW + 100 * u64::from(number);
        crl_of(&entries(listed), self.issuer, number, this_update)
    }

    /// A CRL of another scope.
    fn shard(&self, point: &str, listed: &[Listed], number: u8) -> Crl {
        let Crl { evidence, .. } = self.crl(&[], number);
        let scope = CrlScope {
            point: Some(point.to_owned()),
            ..CrlScope::FULL
        };
        let mut crl_sha256 = [number; 32];
        crl_sha256[0] = scope.tag().as_bytes()[0];
        let evidence = Evidence {
            scope,
            crl_sha256,
            ..evidence
        };
        crl_with(&entries(listed), self.issuer, evidence, None)
    }

    /// A delta of the full CRL.
    fn delta(&self, base: u8, listed: &[Listed], number: u8) -> Crl {
        let Crl { evidence, .. } = self.crl(&[], number);
        let evidence = Evidence {
            crl_sha256: [0x80 | number; 32],
            ..evidence
        };
        crl_with(&entries(listed), self.issuer, evidence, Some(base))
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
        let source = source.with_crl_scope(crl.evidence.scope.tag());
        let mut sink = LedgerSink::alone(&self.ledger, source, || now.as_secs() * 1000);
        let options = CrlImportOptions {
            import: ImportOptions {
                source: "ca.crl",
                skip_bad,
            },
            accept_shrink,
            reconcile: true,
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
        let mut source = Source::new(name, "").unwrap();
        if name == SOURCE {
            source = source.with_crl_scope(ScopeTag::FULL);
        }
        self.ledger.commit(&[change], &source, now_ms).unwrap();
    }

    fn evidence(&self) -> Result<Option<Evidence>, crate::ledger::LedgerError> {
        self.ledger.evidence(&self.issuer, &CrlScope::FULL)
    }

    fn all_revoked<const N: usize>(&self, serials: [u16; N]) -> [Option<u8>; N] {
        serials.map(|serial| self.revoked(serial))
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
    let evidence = world.evidence().unwrap().unwrap();
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
    let mut older = world.crl(&[], 5);
    older.evidence.this_update = at(NOW);
    older.evidence.crl_sha256 = [0xee; 32];
    let told = world.import(older).unwrap_err();
    assert!(
        told.contains("older than the CRL that was taken before"),
        "{told}"
    );
    // Newer by its time, but nothing would tell the next older one from it.
    let mut unnumbered = world.crl(&[], 6);
    unnumbered.evidence.crl_number = None;
    let told = world.import(unnumbered).unwrap_err();
    assert!(
        told.contains("no CRLNumber") && told.contains("0x05"),
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
    assert_eq!(world.evidence().unwrap(), None);

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
    assert_eq!(world.evidence().unwrap(), None);
}

#[test]
fn a_crl_without_entries_is_a_crl() {
    let world = World::new();
    let report = world.import(world.crl(&[], 1)).unwrap();
    assert_eq!((report.lines, report.result), (0, ImportResult::Complete));
    assert!(world.evidence().unwrap().is_some());
}

const REMOVED: u8 = 8;
const A: &str = "http://x.test/a.crl";
const B: &str = "http://x.test/b.crl";

#[test]
fn what_is_gone_from_one_scope_says_nothing_of_another() {
    let world = World::new();
    world
        .import(world.shard(A, &[(1, HOLD), (2, KEY), (5, HOLD)], 7))
        .unwrap();
    // Numbers and times are those of the scope, and so is what it lists.
    let report = world
        .import(world.shard(B, &[(3, HOLD), (4, KEY), (5, HOLD)], 1))
        .unwrap();
    assert_eq!((report.applied, report.released, report.missing), (2, 0, 0));
    let report = world.import(world.shard(B, &[], 2)).unwrap();
    assert_eq!((report.released, report.missing), (1, 1));
    assert_eq!(
        world.all_revoked([1, 2, 3, 4, 5]),
        [Some(HOLD), Some(KEY), None, Some(KEY), Some(HOLD)]
    );
    // Nor does a full CRL end what a shard began.
    let report = world.import(world.crl(&[], 9)).unwrap();
    assert_eq!((report.released, report.missing), (0, 0));
    let report = world.import(world.shard(A, &[], 8)).unwrap();
    assert_eq!((report.released, report.missing), (2, 1));
    assert_eq!(
        world.all_revoked([1, 2, 3, 4, 5]),
        [None, Some(KEY), None, Some(KEY), None]
    );
    let told = world.import(world.shard(A, &[], 7)).unwrap_err();
    assert!(told.contains("lower than 0x08"), "{told}");
    assert_eq!(world.ledger.evidences(&world.issuer).unwrap().len(), 3);
}

#[test]
fn what_was_held_by_hand_is_ended_by_a_full_crl_and_by_no_shard() {
    let world = World::new();
    let hold = || revoke(CrlReason::CertificateHold, None);
    world.say("cli", 1, hold(), 1000 * NOW);
    world.import(world.shard(A, &[], 2)).unwrap();
    assert_eq!(world.revoked(1), Some(HOLD));
    let report = world.import(world.crl(&[], 1)).unwrap();
    assert_eq!((report.released, world.revoked(1)), (1, None));
}

/// The scope of a hold is that of the CRL that made it, whatever was learned of the certificate since.
#[test]
fn a_hold_by_a_crl_ends_though_its_certificate_became_known_later() {
    let world = World::new();
    world.import(world.crl(&[(1, HOLD)], 1)).unwrap();
    let inventory = Inventory {
        not_after: Some(at(NOW + 10)),
        ..Inventory::default()
    };
    // After the next CRL was made, which is taken after that.
    world.say("index", 1, Action::Issue(inventory), 1000 * (NOW + 250));
    let report = world.import(world.crl(&[], 2)).unwrap();
    assert_eq!((report.released, world.revoked(1)), (1, None));
}

#[test]
fn each_scope_has_its_own_shrink_guard() {
    let world = World::new();
    let listed = |from: u16| -> Vec<Listed> { (from..from + 50).map(|one| (one, KEY)).collect() };
    world.import(world.shard(A, &listed(0), 1)).unwrap();
    // What other sources say may be of either.
    for serial in 50..100 {
        world.say(
            "index",
            serial,
            revoke(CrlReason::KeyCompromise, None),
            1000 * NOW,
        );
    }
    world.import(world.shard(B, &listed(50), 1)).unwrap();
    for point in [A, B] {
        let told = world.import(world.shard(point, &[], 2)).unwrap_err();
        assert!(told.contains("lacks 50 of the 50"), "{told}");
    }
    let report = world.import(world.shard(A, &listed(0)[..45], 2)).unwrap();
    assert_eq!(report.missing, 5);
}

#[test]
fn a_delta_is_added_to_what_was_taken() {
    let world = World::new();
    let told = world.import(world.delta(1, &[(9, KEY)], 2)).unwrap_err();
    assert!(
        told.contains("delta") && told.contains("no full CRL was taken yet"),
        "{told}"
    );
    world
        .import(world.crl(&[(1, HOLD), (2, KEY), (3, HOLD), (4, HOLD)], 10))
        .unwrap();
    let delta = [(1, REMOVED), (3, KEY), (5, 0), (6, REMOVED), (2, REMOVED)];
    let report = world.import(world.delta(10, &delta, 11)).unwrap();
    assert_eq!(
        (report.lines, report.applied, report.unchanged),
        (5, 3, 2),
        "{report}"
    );
    assert_eq!((report.released, report.missing), (1, 1), "{report}");
    let due = [None, Some(KEY), Some(KEY), Some(HOLD), Some(0), None];
    assert_eq!(world.all_revoked([1, 2, 3, 4, 5, 6]), due);
    let evidence = world.evidence().unwrap().unwrap();
    assert_eq!(evidence.this_update, at(NOW + 1100));
    assert_eq!(evidence.complete_sha256, Some([10; 32]));
    assert_eq!(evidence.entry_count, 3);

    // Once more, and the CRL that it was added to: both are known.
    let sequence = world.ledger.last_sequence().unwrap();
    let report = world.import(world.delta(10, &delta, 11)).unwrap();
    assert_eq!((report.applied, report.unchanged), (0, 5));
    let full = world.crl(&[(1, HOLD), (2, KEY), (3, HOLD), (4, HOLD)], 10);
    assert_eq!(world.import(full).unwrap().released, 0);
    assert_eq!(world.ledger.last_sequence().unwrap(), sequence);
    // Out of order, of a base that nobody has, and of the same number.
    let report = world.import(world.delta(10, &[(7, KEY)], 9)).unwrap();
    assert_eq!((report.applied, report.unchanged), (0, 1));
    let mut late = world.delta(10, &[(7, KEY)], 12);
    late.evidence.this_update = at(NOW);
    let told = world.import(late).unwrap_err();
    assert!(told.contains("older than the CRL"), "{told}");
    let told = world.import(world.delta(12, &[(7, KEY)], 13)).unwrap_err();
    assert!(
        told.contains("0x0C") && told.contains("has the number 0x0B"),
        "{told}"
    );
    let mut other = world.delta(10, &[(7, KEY)], 11);
    other.evidence.crl_sha256 = [0xee; 32];
    let report = world.import(other).unwrap();
    assert_eq!((report.applied, report.unchanged), (0, 1));
    assert!(report.to_string().contains("says nothing new"), "{report}");
    assert_eq!(world.revoked(7), None);
    // The base may be any before what was taken, and the next one adds to all before.
    world.import(world.delta(11, &[(4, REMOVED)], 12)).unwrap();
    let evidence = world.evidence().unwrap().unwrap();
    assert_eq!(evidence.complete_sha256, Some([10; 32]));
    world
        .import(world.delta(10, &[(7, HOLD), (4, REMOVED)], 13))
        .unwrap();
    assert_eq!(world.all_revoked([4, 7]), [None, Some(HOLD)]);
    // A full CRL of the same number says the same.
    let full = world.crl(&[(2, KEY), (3, KEY), (5, 0), (7, HOLD)], 13);
    let report = world.import(full).unwrap();
    assert_eq!((report.applied, report.released), (0, 0));
    assert_eq!(world.evidence().unwrap().unwrap().complete_sha256, None);
}

#[test]
fn only_a_hold_of_its_scope_or_from_before_is_removed() {
    let world = World::new();
    world.import(world.shard(A, &[(1, HOLD)], 1)).unwrap();
    world.import(world.crl(&[], 1)).unwrap();
    let hold = || revoke(CrlReason::CertificateHold, None);
    world.say("cli", 2, hold(), 1000 * (NOW + 150));
    world.say("cli", 3, hold(), 1000 * (NOW + 250));
    let removed = [(1, REMOVED), (2, REMOVED), (3, REMOVED)];
    let report = world.import(world.delta(1, &removed, 2)).unwrap();
    assert_eq!(report.released, 1);
    assert_eq!(world.all_revoked([1, 2, 3]), [Some(HOLD), None, Some(HOLD)]);
}

#[test]
fn a_delta_may_not_contradict_itself() {
    let world = World::new();
    world.import(world.crl(&[(1, HOLD), (2, HOLD)], 1)).unwrap();
    let delta = [(1, REMOVED), (1, KEY), (2, REMOVED), (2, REMOVED), (3, KEY)];
    let report = world.import(world.delta(1, &delta, 2)).unwrap();
    assert_eq!(
        (report.result, report.bad),
        (ImportResult::NothingApplied, 2)
    );
    assert!(
        report
            .to_string()
            .contains("entry 1: serial number 010001: entry 2 says"),
        "{report}"
    );
    let report = world
        .import_with(world.delta(1, &delta, 2), true, false)
        .unwrap();
    assert_eq!(
        (report.applied, report.unchanged, report.released),
        (1, 2, 0)
    );
    assert_eq!(
        world.all_revoked([1, 2, 3]),
        [Some(HOLD), Some(HOLD), Some(KEY)]
    );
    assert_eq!(world.evidence().unwrap().unwrap().crl_sha256, [1; 32]);
}

#[test]
fn what_a_faster_source_forgot_is_counted() {
    let world = World::new();
    let issue = || Action::Issue(Inventory::default());
    for serial in 1..=3 {
        world.say("index", serial, issue(), 1000 * NOW);
    }
    // Nobody can have told of it before the first.
    let report = world.import(world.crl(&[(1, KEY)], 1)).unwrap();
    assert_eq!((report.applied, report.reconciled), (1, 0));
    let report = world
        .import(world.crl(&[(1, KEY), (2, KEY), (9, KEY)], 2))
        .unwrap();
    assert_eq!((report.applied, report.reconciled), (2, 1));
    assert!(
        report
            .to_string()
            .contains("1 revoked that were good until now")
    );
    let report = world.import(world.delta(2, &[(3, HOLD)], 3)).unwrap();
    assert_eq!((report.applied, report.reconciled), (1, 1));
}

/// What a CA did between two of its CRLs.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Revoke(u16),
    Hold(u16),
    Release(u16),
}

/// A CRL that the CA made, and what happens to it.
#[derive(Clone, Debug)]
struct Issue {
    deeds: Vec<Deed>,
    /// A full one, or a delta of one this many full ones back.
    delta_of: Option<usize>,
    /// Whether it arrives, and whether it arrives again when the next one was made.
    arrives: bool,
    again: bool,
}

fn issues() -> impl Strategy<Value = Vec<Issue>> {
    let serial = || 0_u16..12;
    let deed = prop_oneof![
        2 => serial().prop_map(Deed::Revoke),
        3 => serial().prop_map(Deed::Hold),
        3 => serial().prop_map(Deed::Release),
    ];
    let issue = (
        prop::collection::vec(deed, 0..5),
        prop::option::weighted(0.7, 0_usize..3),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    let issue = issue.prop_map(|(deeds, delta_of, arrives, again)| Issue {
        deeds,
        delta_of,
        arrives,
        again,
    });
    prop::collection::vec(issue, 1..25)
}

/// What the CA's database says of each serial that is not good.
type Database = std::collections::BTreeMap<u16, u8>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives, in whatever order: the ledger says what the CA's database said when it made the
    /// newest CRL that could be taken, full or delta.
    #[test]
    fn a_base_and_its_deltas_are_the_next_full_crl(issues in issues()) {
        let world = World::new();
        let mut database = Database::new();
        // Of every number: what the database said.
        let mut said = vec![Database::new()];
        // Which serials the deeds before each number were about.
        let mut touched: Vec<Vec<u16>> = vec![vec![]];
        let mut fulls: Vec<u8> = vec![0];
        let mut known: Option<u8> = None;
        let mut last: Option<(Option<u8>, Vec<Listed>, u8)> = None;
        for (issue, number) in issues.iter().zip(1_u8..) {
            let mut about = Vec::new();
            for deed in &issue.deeds {
                match *deed {
                    Deed::Revoke(serial) => {
                        database.entry(serial).and_modify(|reason| {
                            if *reason == HOLD {
                                *reason = KEY;
                            }
                        }).or_insert(KEY);
                        about.push(serial);
                    }
                    Deed::Hold(serial) => {
                        database.entry(serial).or_insert(HOLD);
                        about.push(serial);
                    }
                    Deed::Release(serial) => {
                        if database.get(&serial) == Some(&HOLD) {
                            database.remove(&serial);
                        }
                        about.push(serial);
                    }
                }
            }
            said.push(database.clone());
            touched.push(about);
            let base = issue.delta_of.and_then(|back| fulls.iter().rev().nth(back).copied());
            let base = base.filter(|base| *base > 0);
            let listed: Vec<Listed> = match base {
                None => database.iter().map(|(serial, reason)| (*serial, *reason)).collect(),
                Some(base) => {
                    let since = touched[usize::from(base) + 1..].concat();
                    let since: std::collections::BTreeSet<u16> = since.into_iter().collect();
                    let entry = |serial: u16| (serial, *database.get(&serial).unwrap_or(&REMOVED));
                    since.into_iter().map(entry).collect()
                }
            };
            if base.is_none() {
                fulls.push(number);
            }
            let mut arriving = Vec::new();
            if issue.arrives {
                arriving.push((base, listed.clone(), number));
            }
            if issue.again {
                arriving.extend(last.clone());
            }
            last = Some((base, listed, number));
            for (base, listed, number) in arriving {
                let taken = match base {
                    None => world.import(world.crl(&listed, number)),
                    Some(base) => world.import(world.delta(base, &listed, number)),
                };
                // RFC 5280 §5.2.4 (c), (d) in plain numbers.
                let may_be_added = base.is_none_or(|base| known.is_some_and(|known| known >= base));
                let is_newer = known.is_none_or(|known| number >= known);
                if may_be_added && is_newer {
                    prop_assert!(taken.is_ok(), "{taken:?}");
                    known = Some(number);
                }
                let due = known.map_or_else(Database::new, |known| said[usize::from(known)].clone());
                for serial in 0..12 {
                    prop_assert_eq!(
                        world.revoked(serial), due.get(&serial).copied(), "{} of {:?}", serial, known
                    );
                }
            }
        }
    }
}
