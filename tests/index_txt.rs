//! `index.txt` as the installed `openssl ca` writes it: the tool is the oracle, for the lines it writes
//! and for what it refuses to load.
//!
//! It needs the `openssl` command, which `./setup` installs.

#![allow(
    clippy::unwrap_used,
    reason = "clippy's exception for tests does not reach a test's helper functions"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use estelam::{
    asn1::{CrlReason, UnixTime},
    change::{Action, RevocationClaim},
    feed::{Findings, Index},
    identity::IssuerId,
};
use tempfile::TempDir;

#[test]
fn every_revocation_that_openssl_ca_can_make_is_read() {
    let ca = Ca::new();
    let cases: [Case; 13] = [
        ("01", &[], None, None),
        ("02", &["-crl_reason", "unspecified"], None, None),
        (
            "03",
            &["-crl_reason", "keyCompromise"],
            Some(CrlReason::KeyCompromise),
            None,
        ),
        (
            "04",
            &["-crl_reason", "CACompromise"],
            Some(CrlReason::CaCompromise),
            None,
        ),
        (
            "05",
            &["-crl_reason", "affiliationChanged"],
            Some(CrlReason::AffiliationChanged),
            None,
        ),
        (
            "06",
            &["-crl_reason", "superseded"],
            Some(CrlReason::Superseded),
            None,
        ),
        (
            "07",
            &["-crl_reason", "cessationOfOperation"],
            Some(CrlReason::CessationOfOperation),
            None,
        ),
        (
            "08",
            &["-crl_reason", "certificateHold"],
            Some(CrlReason::CertificateHold),
            None,
        ),
        ("09", &["-crl_reason", "removeFromCRL"], None, None),
        (
            "0A",
            &["-crl_hold", "1.2.840.10040.2.3"],
            Some(CrlReason::CertificateHold),
            None,
        ),
        (
            "0B",
            &["-crl_hold", "holdInstructionReject"],
            Some(CrlReason::CertificateHold),
            None,
        ),
        (
            "0C",
            &["-crl_compromise", "20250102030405Z"],
            Some(CrlReason::KeyCompromise),
            Some("2025-01-02T03:04:05Z"),
        ),
        (
            "0D",
            &["-crl_CA_compromise", "20250102030405Z"],
            Some(CrlReason::CaCompromise),
            Some("2025-01-02T03:04:05Z"),
        ),
    ];
    for (serial, arguments, _, _) in &cases {
        ca.issue(serial, "20301231235959Z");
        ca.revoke(serial, arguments);
    }
    let valid = "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
    ca.issue(valid, "20301231235959Z");
    let sign_bit = "80";
    ca.issue(sign_bit, "20510101000000Z");
    let expired = "F0E0D0";
    ca.issue(expired, "20240101000000Z");
    ca.openssl(&["ca", "-config", "ca.cnf", "-updatedb"]);

    let text = fs::read_to_string(ca.dir.path().join("index.txt")).unwrap();
    let index = ca.read_index();
    assert_eq!(index.problems().first(), [], "{text}");
    let mut said = said(&index);
    assert_eq!(said.len(), cases.len() + 3, "{text}");

    for (serial, arguments, reason, invalidity_date) in cases {
        let (not_after, revocation) = said.remove(serial).unwrap();
        let revocation = revocation.unwrap_or_else(|| panic!("{arguments:?}: {text}"));
        assert_eq!(not_after, "2030-12-31T23:59:59Z");
        assert_eq!(revocation.reason, reason, "{arguments:?}: {text}");
        assert_eq!(
            revocation.invalidity_date.map(|time| time.to_string()),
            invalidity_date.map(ToOwned::to_owned),
            "{arguments:?}: {text}"
        );
        assert_eq!(
            Some(revocation.revocation_time),
            ca.revocation_date_in_crl(serial),
            "the CRL that openssl makes of the same index says when"
        );
    }
    for (serial, not_after) in [
        (valid, "2030-12-31T23:59:59Z"),
        (sign_bit, "2051-01-01T00:00:00Z"),
        (expired, "2024-01-01T00:00:00Z"),
    ] {
        assert_eq!(said.remove(serial).unwrap(), (not_after.to_owned(), None));
    }
    assert!(text.contains("\nE\t240101000000Z\t\tF0E0D0\t"), "{text}");
}

#[test]
fn what_openssl_refuses_to_load_is_refused() {
    let good = "V\t301231235959Z\t\t01\tunknown\t/CN=a\n";
    for bad in [
        "",
        "\t",
        "V\t301231235959Z\t\t02\tunknown",
        "V\t301231235959Z\t\t02\tunknown\t/CN=a\tb",
        "V\t301231235959Z\t\t02\tunknown\\\t/CN=a",
        "V\t\t\t02\tunknown\t/CN=a",
        "V\t301331235959Z\t\t02\tunknown\t/CN=a",
        "V\t301231235959Z\t260105120000Z\t02\tunknown\t/CN=a",
        "E\t301231235959Z\t260105120000Z\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t,keyCompromise\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,stolen\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,aACompromise,x\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,holdInstruction\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,keyTime\t02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z,CAkeyTime,yesterday\t02\tunknown\t/CN=a",
        "V\t301231235959Z\t\t\tunknown\t/CN=a",
        "V\t301231235959Z\t\t2\tunknown\t/CN=a",
        "V\t301231235959Z\t\t0x02\tunknown\t/CN=a",
        "R\t301231235959Z\t260105120000Z\t01\tunknown\t/CN=a",
    ] {
        let ca = Ca::new();
        fs::write(ca.dir.path().join("index.txt"), format!("{good}{bad}\n")).unwrap();
        let loaded = ca.try_openssl(&["ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem"]);
        assert!(!loaded.status.success(), "openssl loads {bad:?}");
        assert_ne!(ca.read_index().problems().total(), 0, "{bad:?}");
    }
    let ca = Ca::new();
    fs::write(ca.dir.path().join("index.txt"), good).unwrap();
    ca.openssl(&["ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem"]);
    assert_eq!(ca.read_index().problems().total(), 0);
}

/// Serial, what `openssl ca -revoke` is given, the reason and the invalidityDate that it means.
type Case = (
    &'static str,
    &'static [&'static str],
    Option<CrlReason>,
    Option<&'static str>,
);

/// By serial: notAfter and the revocation.
fn said(index: &Index) -> BTreeMap<String, (String, Option<RevocationClaim>)> {
    index
        .records()
        .map(|record| {
            let (inventory, revocation) = match record.change.action {
                Action::Issue(inventory) => (inventory, None),
                Action::Revoke { claim, inventory } => (inventory.unwrap(), Some(claim)),
                Action::Release | Action::Correct(_) => panic!("index.txt knows neither"),
            };
            let not_after = inventory.not_after.unwrap().to_string();
            (record.change.serial.to_string(), (not_after, revocation))
        })
        .collect()
}

/// A CA in a folder of its own, driven by the command line.
struct Ca {
    dir: TempDir,
}

impl Ca {
    fn new() -> Self {
        let ca = Self {
            dir: TempDir::new().unwrap(),
        };
        for (name, text) in [
            ("ca.cnf", CONFIGURATION),
            ("index.txt", ""),
            ("crlnumber", "01\n"),
        ] {
            fs::write(ca.dir.path().join(name), text).unwrap();
        }
        ca.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "3650",
            "-subj",
            "/CN=Test CA",
        ]);
        ca.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ee.key",
            "-out",
            "ee.csr",
            "-subj",
            "/CN=Tab\tand \u{622}\u{632}\u{645}\u{648}\u{646}",
            "-utf8",
        ]);
        ca
    }

    fn issue(&self, serial: &str, not_after: &str) {
        fs::write(self.dir.path().join("serial"), format!("{serial}\n")).unwrap();
        self.openssl(&[
            "ca",
            "-config",
            "ca.cnf",
            "-batch",
            "-notext",
            "-in",
            "ee.csr",
            "-startdate",
            "20230101000000Z",
            "-enddate",
            not_after,
        ]);
    }

    fn revoke(&self, serial: &str, arguments: &[&str]) {
        let certificate = format!("{serial}.pem");
        let command = ["ca", "-config", "ca.cnf", "-revoke", &certificate];
        self.openssl(&[&command, arguments].concat());
    }

    /// revocationDate of a serial in a CRL made now, as `openssl crl -text` prints it.
    fn revocation_date_in_crl(&self, serial: &str) -> Option<UnixTime> {
        if !self.dir.path().join("crl.pem").exists() {
            self.openssl(&["ca", "-config", "ca.cnf", "-gencrl", "-out", "crl.pem"]);
        }
        let printed = self.openssl(&["crl", "-in", "crl.pem", "-noout", "-text"]);
        let text = String::from_utf8(printed.stdout).unwrap();
        let (_, entry) = text.split_once(&format!("Serial Number: {serial}\n"))?;
        let (_, date) = entry.lines().next()?.split_once("Revocation Date: ")?;
        // Nov  2 03:04:05 2026 GMT
        let [month, day, time, year, "GMT"] = date.split_whitespace().collect::<Vec<_>>()[..]
        else {
            panic!("{date}");
        };
        let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let month = months.find(month).unwrap() / 3 + 1;
        let rfc3339 = format!("{year}-{month:02}-{day:0>2}T{time}Z");
        Some(UnixTime::from_rfc3339(&rfc3339).unwrap())
    }

    fn read_index(&self) -> Index {
        read_index(self.dir.path())
    }

    fn openssl(&self, arguments: &[&str]) -> Output {
        let output = self.try_openssl(arguments);
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn try_openssl(&self, arguments: &[&str]) -> Output {
        Command::new("openssl")
            .args(arguments)
            .current_dir(self.dir.path())
            .output()
            .expect("the openssl command; ./setup installs it")
    }
}

fn read_index(dir: &Path) -> Index {
    let text = fs::read(dir.join("index.txt")).unwrap();
    Index::read(text.as_slice(), IssuerId::from_bytes([7; 32])).unwrap()
}

const CONFIGURATION: &str = "\
[ca]
default_ca = test
[test]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 365
default_crl_days = 30
unique_subject = no
policy = any
[any]
commonName = supplied
";
