//! `estelam crl publish`: judged by OpenSSL, GnuTLS, Python `cryptography` and pkilint, and compared with
//! the CRL that `openssl ca` makes of the same database.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::common::tools::{python, run, text, tool};
use crate::common::{
    Answer, Hash, KeyType, Mounts, OpensslCa, Plan, SHARED, Settings, Site, Status,
};

/// What `cryptography` reads in a CRL.
#[derive(Debug, Deserialize)]
struct Read {
    signed: bool,
    issuer: bool,
    key_id: bool,
    number: Option<u64>,
    critical: Vec<String>,
    validity: f64,
    sorted: bool,
    entries: Vec<(String, String, String, Option<String>)>,
}

fn settings(ca: &OpensslCa, lines: &str) -> Settings {
    Settings {
        signer_lines: format!(
            "[issuer.crl]\nfile = \"ca.crl\"\nkey = {:?}\n{lines}",
            ca.path("ca.key")
        ),
        ..Settings::default()
    }
}

fn site(ca: &Arc<OpensslCa>) -> Site {
    let site = Site::with(ca, &settings(ca, ""));
    site.import_index().expect(0);
    site
}

fn read(ca: &OpensslCa, crl: &Path) -> Read {
    let mut command = python();
    command.args([
        "-c",
        include_str!("crl_publish.py"),
        text(&ca.path("ca.pem")),
        text(crl),
    ]);
    let told = run(&mut command).expect(0).json();
    serde_json::from_value(told[text(crl)].clone()).expect("what crl_publish.py writes")
}

fn openssl_verifies(ca: &OpensslCa, crl: &Path) {
    let verified = run(tool("openssl").args([
        "crl",
        "-inform",
        "DER",
        "-in",
        text(crl),
        "-CAfile",
        text(&ca.path("ca.pem")),
        "-noout",
    ]));
    verified.expect(0).says(&["verify OK"]);
}

fn gnutls_verifies(ca: &OpensslCa, crl: &Path) {
    // certtool takes all its files in one form.
    let pem = ca.path("pem.crl");
    run(tool("openssl").args([
        "crl",
        "-inform",
        "DER",
        "-in",
        text(crl),
        "-out",
        text(&pem),
    ]))
    .expect(0);
    let verified = run(tool("certtool").args([
        "--verify-crl",
        "--load-ca-certificate",
        text(&ca.path("ca.pem")),
        "--infile",
        text(&pem),
    ]));
    verified.expect(0).says(&["Verified"]);
}

fn pkilint_finds_nothing(crl: &Path) {
    let lint = Path::new(python().get_program()).with_file_name("lint_crl");
    let found = run(tool(text(&lint)).args(["lint", "-t", "CRL", "-p", "PKIX", text(crl)]));
    assert_eq!(found.stdout.trim(), "", "{found}");
}

#[test]
fn every_reader_accepts_the_crl_of_every_key_type() {
    std::thread::scope(|scope| {
        for key_type in [
            KeyType::EcP256,
            KeyType::EcP384,
            KeyType::Ed25519,
            KeyType::Rsa2048,
        ] {
            scope.spawn(move || {
                let plan = Plan {
                    every_form: true,
                    bulk: 500,
                };
                every_reader_accepts(&Arc::new(OpensslCa::of(key_type, plan)));
            });
        }
    });
}

fn every_reader_accepts(ca: &Arc<OpensslCa>) {
    let site = site(ca);
    let crl = site.path("ca.crl");
    let told = site.run(&["crl", "publish", "--json"]).expect(0).json();
    openssl_verifies(ca, &crl);
    gnutls_verifies(ca, &crl);
    pkilint_finds_nothing(&crl);
    let ours = read(ca, &crl);
    assert!(
        ours.signed && ours.issuer && ours.key_id && ours.sorted,
        "{told}"
    );
    assert_eq!(ours.critical, [""; 0]);
    assert_eq!(ours.validity, 7.0 * 86_400.0);
    assert!(ours.number.is_some_and(|number| number > 1 << 40), "{told}");
    assert_eq!(told["entries"], Value::from(ours.entries.len()));

    // The same as `openssl ca` makes of its database.
    let theirs = ca.path("theirs.crl");
    ca.openssl("ca -config openssl.cnf -gencrl -crldays 7 -out theirs.crl");
    let mut theirs = read(ca, &theirs).entries;
    for (_, _, reason, _) in &mut theirs {
        // It copies the word also where a full CRL has no use for it (RFC 5280 §5.3.1).
        if reason == "removeFromCRL" {
            *reason = "unspecified".to_owned();
        }
    }
    assert_eq!(ours.entries, theirs);
}

#[test]
fn with_and_without_a_server_numbers_rise_and_the_list_says_what_ocsp_says() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: true,
        bulk: 50,
    }));
    let site = site(&ca);
    let crl = site.path("ca.crl");
    let mut last = 0;
    let mut publish = || {
        let told = site.run(&["crl", "publish", "--issuer", "ca", "--json"]);
        drop(told.expect(0));
        openssl_verifies(&ca, &crl);
        let read = read(&ca, &crl);
        let number = read.number.expect("a number");
        assert!(number > last, "{number} after {last}");
        last = number;
        read
    };
    let listed = |read: &Read, serial: &str| {
        let padded = format!("{serial:0>40}");
        let mut entries = read.entries.iter();
        entries
            .find(|entry| entry.0 == padded)
            .map(|entry| entry.2.clone())
    };
    drop(publish());
    let server = site.serve_settled();
    let mut certificates = ca.certificates();
    let good = certificates
        .iter_mut()
        .find(|certificate| certificate.status == Status::Good)
        .expect("a good one");
    let serial = good.serial.clone();
    assert_eq!(listed(&publish(), &serial), None);
    site.run(&["hold", &serial]).expect(0);
    assert_eq!(
        listed(&publish(), &serial).as_deref(),
        Some("certificateHold")
    );
    site.run(&["release", &serial]).expect(0);
    assert_eq!(listed(&publish(), &serial), None);
    site.run(&["revoke", &serial, "--reason", "keyCompromise"])
        .expect(0);
    let read = publish();
    assert_eq!(listed(&read, &serial).as_deref(), Some("keyCompromise"));
    site.settle();
    // Every one of them, in both.
    for certificate in &certificates {
        let status = Answer::of(&server.ask(Hash::Sha1, &certificate.serial))
            .single()
            .status
            .clone();
        let is_revoked = matches!(status, Status::Revoked { .. });
        assert_eq!(
            listed(&read, &certificate.serial).is_some(),
            is_revoked,
            "{certificate:?}"
        );
    }
}

#[test]
fn what_cannot_be_made_leaves_the_crl_before_in_its_place() {
    let ca = SHARED.get();
    let site = site(&ca);
    let crl = site.path("ca.crl");
    site.run(&["crl", "publish"]).expect(0);
    let before = std::fs::read(&crl).expect("the CRL");
    let files = || {
        std::fs::read_dir(site.path(""))
            .expect("the folder")
            .count()
    };
    let count = files();
    let fails = |settings: &Settings, code: i32, words: &[&str]| {
        site.configure(settings);
        site.run(&["crl", "publish"]).expect(code).says(words);
        assert_eq!(std::fs::read(&crl).expect("the CRL"), before, "{words:?}");
        assert_eq!(files(), count, "{words:?}");
    };
    let with = |file: &str, key: &str| Settings {
        signer_lines: format!("[issuer.crl]\nfile = {file:?}\nkey = {key:?}\n"),
        ..Settings::default()
    };
    fails(&Settings::default(), 3, &["[issuer.crl]"]);
    let delegate = ca.path("ocsp.key");
    fails(
        &with("ca.crl", text(&delegate)),
        4,
        &["is not that of its certificate"],
    );
    fails(
        &with("ca.crl", "nowhere.key"),
        4,
        &["nowhere.key", "does not exist"],
    );
    let key = ca.path("ca.key");
    fails(&with("no/folder/ca.crl", text(&key)), 11, &["no/folder"]);
    fails(&with("", text(&key)), 3, &["file"]);
    let of_feed = Settings {
        issuer: "evidence = \"feed\"".to_owned(),
        ..settings(&ca, "")
    };
    fails(&of_feed, 3, &["evidence"]);
    fails(&settings(&ca, "validity = \"1s\""), 3, &["validity"]);
}

#[test]
fn a_full_disk_leaves_the_crl_before_in_its_place() {
    let ca = SHARED.get();
    let site = Site::with(&ca, &settings(&ca, ""));
    std::fs::create_dir(site.path("small")).expect("a folder");
    let key = ca.path("ca.key");
    site.configure(&Settings {
        signer_lines: format!("[issuer.crl]\nfile = \"small/ca.crl\"\nkey = {key:?}\n"),
        ..Settings::default()
    });
    // 16 KiB take the sorted entries of none, and a CRL without any.
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=16k tmpfs {}",
        text(&site.path("small"))
    ));
    run(&mut site.command_among(&mounts, &["crl", "publish"])).expect(0);
    site.import_index().expect(0);
    let full = run(&mut site.command_among(&mounts, &["crl", "publish"]));
    full.expect(11).says(&["small/ca.crl", "no space"]);
    let there = mounts.run(&format!("ls -A {}", text(&site.path("small"))));
    assert_eq!(there.expect(0).stdout.trim(), "ca.crl");
}
