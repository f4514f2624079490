//! Restoring, with traces that are made up here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::*;
use crate::asn1::{Certificate, CrlReason, UnixTime};
use crate::catalog::crls::{CrlEdition, CrlKind, Shelf};
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
            certificates: Vec::new(),
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

/// An issuer with a CRL of its own, made by OpenSSL, in the catalog of a state folder.
struct Publisher {
    site: Site,
    certificate: Arc<Certificate>,
}

impl Publisher {
    /// With certificates 01, 02 and 03 in the backup.
    fn new() -> Self {
        let site = Site {
            folder: tempfile::tempdir().unwrap(),
        };
        let config = "[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\ncertificate = ca.pem\n\
                      private_key = ca.key\ndefault_md = sha256\ncrlnumber = crlnumber\n[crl]\n\
                      authorityKeyIdentifier = keyid\n";
        std::fs::write(site.path("ca.cnf"), config).unwrap();
        std::fs::write(site.path("crlnumber"), "01\n").unwrap();
        let publisher = |site: &Site, name: &str| {
            openssl(
                site,
                &format!(
                    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
                     -out {name}.pem -days 30 -subj /CN=ca"
                ),
            );
            let pem = std::fs::read(site.path(&format!("{name}.pem"))).unwrap();
            Arc::new(Certificate::from_pem(&pem).unwrap())
        };
        let certificate = publisher(&site, "ca");
        // Of the same name.
        publisher(&site, "other");
        let this = Self { site, certificate };
        let ledger = Ledger::open(&this.site.ledger()).unwrap();
        let identity = this.identity();
        let defined = ledger
            .define_issuer(&identity, &source(), NOW * 1_000)
            .unwrap();
        let changes = ["01", "02", "03"].map(|serial| Change {
            issuer: defined.id,
            serial: hex(serial),
            action: Action::Issue(Inventory::default()),
        });
        ledger.record(&changes, &source(), NOW * 1_000).unwrap();
        this.site.back_up(&ledger, "backup");
        drop(ledger);
        std::fs::remove_dir_all(this.site.ledger()).unwrap();
        this
    }

    fn identity(&self) -> IssuerIdentity {
        IssuerIdentity {
            subject_der: self.certificate.subject_der().to_vec(),
            spki_der: self.certificate.spki_der().to_vec(),
            label: "test".to_owned(),
        }
    }

    /// Places a CRL with these lines of `index.txt`, signed by this key.
    fn publish(&self, kind: CrlKind, as_of: u64, lines: &[(&str, &str)], key: &str) {
        let site = &self.site;
        let index = lines.iter().map(|(serial, reason)| {
            format!("R\t361119031722Z\t260102030405Z,{reason}\t{serial}\tunknown\t/CN=a\n")
        });
        std::fs::write(site.path("index.txt"), index.collect::<String>()).unwrap();
        openssl(
            site,
            &format!(
                "ca -config ca.cnf -gencrl -crlexts crl -crldays 7 -keyfile {key}.key -cert {key}.pem -out \
                 a.crl"
            ),
        );
        openssl(site, "crl -in a.crl -outform DER -out a.der");
        let der = std::fs::read(site.path("a.der")).unwrap();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &der).as_ref());
        let shelf = Shelf::open(&Shelf::folder_in(site.folder.path())).unwrap();
        let file = shelf.unfinished();
        std::io::Write::write_all(&mut file.create().unwrap(), &der).unwrap();
        let edition = CrlEdition {
            issuer: "test".to_owned(),
            kind,
            url: "http://crl.example/ca.crl".to_owned(),
            number: 1,
            base: None,
            base_as_of: None,
            scheduled: true,
            max_age: 60,
            this_update: at(NOW),
            next_update: at(NOW + DAY),
            next_due: at(NOW + DAY),
            entries: 0,
            octets: u64::try_from(der.len()).unwrap(),
            sha256: crate::segment::names::hexadecimal(&sha256),
            as_of,
        };
        shelf
            .place(0, vec![(Some(file), edition)], |_| true, |_| Ok(Vec::new()))
            .unwrap();
    }

    fn restore(&self) -> RestoreReport {
        let order = RestoreOrder {
            issuers: vec![self.identity()],
            certificates: vec![Arc::clone(&self.certificate)],
            ..self.site.order(NOW + DAY)
        };
        self.site.restore(&order).unwrap()
    }

    fn reason(&self, serial: &str) -> Option<CrlReason> {
        let ledger = Ledger::open(&self.site.ledger()).unwrap();
        let issuer = self.certificate.issuer_id();
        let record = ledger.status(&issuer, &hex(serial)).unwrap();
        record?.revocation?.claim.reason
    }
}

fn openssl(site: &Site, arguments: &str) {
    let output = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(site.folder.path())
        .output()
        .expect("openssl, which `setup` installs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_our_own_crls_list_is_revoked_again_and_no_number_of_theirs_is_given_twice() {
    let publisher = Publisher::new();
    let lines = [
        ("01", "keyCompromise"),
        ("03", "certificateHold"),
        ("05", "superseded"),
    ];
    publisher.publish(CrlKind::Full, 7_000_000_123, &lines, "ca");
    let report = publisher.restore();
    assert_eq!(report.lacking.unread, [""; 0]);
    assert_eq!((report.lacking.revoked, report.lacking.on_hold), (2, 1));
    assert_eq!(report.highest_found, 7_000_000_123);
    assert_eq!(report.first_sequence, 9_000_000_001);
    assert!(report.why.contains("our published CRLs"), "{}", report.why);
    assert_eq!(publisher.reason("01"), Some(CrlReason::KeyCompromise));
    assert_eq!(publisher.reason("02"), None);
    assert_eq!(publisher.reason("03"), Some(CrlReason::CertificateHold));
    assert_eq!(publisher.reason("05"), Some(CrlReason::Superseded));
    // Everything is in the file, whatever the report names.
    let list = std::fs::read_to_string(report.lacking.list.unwrap()).unwrap();
    let entered: Vec<serde_json::Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let serials: Vec<_> = entered.iter().map(|line| &line["serial"]).collect();
    assert_eq!(serials, ["01", "03", "05"]);
    assert_eq!(
        entered[0]["evidence"],
        "full CRL 1 of \"test\" as of entry 7000000123"
    );
}

#[test]
fn a_crl_that_is_not_ours_is_told_and_not_believed() {
    let publisher = Publisher::new();
    let lines = [("01", "keyCompromise")];
    publisher.publish(CrlKind::Full, 50, &lines, "other");
    publisher.publish(CrlKind::Shard(3), 60, &[("02", "superseded")], "ca");
    let folder = publisher.site.path("catalog/crl");
    let listing = Shelf::read_listing(&folder).unwrap();
    let shard = listing.edition("test", CrlKind::Shard(3)).unwrap();
    let path = Shelf::file(&folder, shard);
    let mut der = std::fs::read(&path).unwrap();
    let middle = der.len() / 2;
    der[middle] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, der).unwrap();

    let report = publisher.restore();
    assert_eq!(report.lacking.revoked, 0);
    let told = report.lacking.unread.join("\n");
    for words in [
        "our full CRL 1 of \"test\": no key of a configured issuer signed it",
        "our shard-3 CRL 1 of \"test\": ",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(publisher.reason("01"), None);
    // What the listing says is above all the same.
    assert_eq!(report.highest_found, 60);
}
