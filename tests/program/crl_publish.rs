//! `estelam crl publish`: judged by OpenSSL, GnuTLS, Python `cryptography` and pkilint, and compared with
//! the CRL that `openssl ca` makes of the same database.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::common::tools::{Finished, python, run, text, tool};
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

/// Where nobody listens: what certificates would name.
const URL: &str = "http://crl.invalid/ca.crl";
const DELTA: &str = "\n[issuer.crl.delta]\nurl = \"http://crl.invalid/delta.crl\"\n\
                     base_url = \"http://crl.invalid/base.crl\"\n";
const SHARDS: &str = "\n[issuer.crl.shards]\nurl = \"http://crl.invalid/{shard}.crl\"\ncount = 3\n";

fn settings(ca: &OpensslCa, lines: &str) -> Settings {
    Settings {
        signer_lines: format!(
            "[issuer.crl]\nurl = \"{URL}\"\nkey = {:?}\n{lines}",
            ca.path("ca.key")
        ),
        ..Settings::default()
    }
}

fn site(ca: &Arc<OpensslCa>, lines: &str) -> Site {
    let site = Site::with(ca, &settings(ca, lines));
    site.import_index().expect(0);
    site
}

/// A CRL as the program tells of it.
#[derive(Clone, Debug, Deserialize)]
struct Made {
    kind: String,
    number: u64,
    base: Option<u64>,
    entries: usize,
    file: PathBuf,
}

#[track_caller]
fn publish(site: &Site, arguments: &[&str]) -> Vec<Made> {
    let all = [&["crl", "publish", "--json"], arguments].concat();
    let told = site.run(&all).expect(0).json();
    serde_json::from_value(told["crls"].clone()).expect("what was made")
}

#[track_caller]
fn of_kind<'a>(made: &'a [Made], kind: &str) -> &'a Made {
    let mut made_so = made.iter().filter(|made| made.kind == kind);
    made_so
        .next()
        .unwrap_or_else(|| panic!("no {kind} in {made:?}"))
}

/// A copy that stays when the next one is made.
fn kept(site: &Site, made: &Made, name: &str) -> PathBuf {
    let path = site.path(name);
    std::fs::copy(&made.file, &path).expect("the CRL");
    path
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
            KeyType::RsaPss2048,
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
    let site = site(ca, &[DELTA, SHARDS].concat());
    let made = publish(&site, &[]);
    let again = publish(&site, &["--now"]);
    for crl in made.iter().filter(|crl| crl.kind != "base").chain(&again) {
        let is_replaced = again.iter().any(|newer| newer.kind == crl.kind);
        if is_replaced && !crl.file.exists() {
            continue;
        }
        openssl_verifies(ca, &crl.file);
        gnutls_verifies(ca, &crl.file);
        pkilint_finds_nothing(&crl.file);
        let mut verify = Command::new(env!("CARGO_BIN_EXE_estelam"));
        verify.args(["crl", "verify", text(&crl.file), "--json", "--issuer"]);
        let told = run(verify.arg(ca.path("ca.pem"))).expect(0).json();
        assert_eq!(told["findings"], serde_json::json!([]), "{crl:?}");
        let read = read(ca, &crl.file);
        assert!(
            read.signed && read.issuer && read.key_id && read.sorted,
            "{crl:?}"
        );
        assert_eq!(read.number, Some(crl.number));
        assert_eq!(read.entries.len(), crl.entries);
        let critical: &[&str] = match crl.kind.as_str() {
            "delta" => &["2.5.29.27"],
            "full" | "base" => &[],
            _ => &["2.5.29.28"],
        };
        assert_eq!(read.critical, critical, "{crl:?}");
        let days = if crl.kind == "delta" { 1.0 } else { 7.0 };
        assert_eq!(read.validity, days * 86_400.0);
    }
    let ours = read(ca, &of_kind(&again, "full").file);
    let delta = of_kind(&again, "delta");
    assert_eq!(
        (delta.entries, delta.number),
        (0, ours.number.expect("a number"))
    );
    assert_eq!(delta.base, Some(of_kind(&made, "full").number));

    // The same as `openssl ca` makes of its database, and as the shards together.
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
    let shards =
        ["shard-0", "shard-1", "shard-2"].map(|kind| read(ca, &of_kind(&again, kind).file));
    assert!(shards.iter().all(|shard| !shard.entries.is_empty()));
    let mut together: Vec<_> = shards.into_iter().flat_map(|shard| shard.entries).collect();
    together.sort();
    assert_eq!(together, theirs);
}

#[test]
fn with_and_without_a_server_numbers_rise_and_the_list_says_what_ocsp_says() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: true,
        bulk: 50,
    }));
    let site = site(&ca, "");
    let mut last = 0;
    let mut publish = || {
        let made = publish(&site, &["--now", "--issuer", "ca"]);
        let crl = &of_kind(&made, "full").file;
        openssl_verifies(&ca, crl);
        let read = read(&ca, crl);
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

/// What OpenSSL says of a certificate by CRLs: a full one, and a delta where there is one.
fn openssl_judges(ca: &OpensslCa, certificate: &Path, crls: &[&Path]) -> Finished {
    let mut command = tool("openssl");
    command.args([
        "verify",
        "-crl_check",
        "-extended_crl",
        "-use_deltas",
        "-CAfile",
    ]);
    command.arg(ca.path("ca.pem"));
    for (place, crl) in crls.iter().enumerate() {
        let pem = crl.with_extension(format!("{place}.pem"));
        let converted = run(tool("openssl")
            .args(["crl", "-inform", "DER", "-in", text(crl), "-out"])
            .arg(&pem));
        converted.expect(0);
        command.arg("-CRLfile").arg(&pem);
    }
    run(command.arg(certificate))
}

#[test]
fn openssl_follows_the_deltas() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 10,
    }));
    let serials = ca.issue(2, "");
    let (first, second) = (serials[0].as_str(), serials[1].as_str());
    let [revoked, held] = [first, second].map(|serial| ca.path(&format!("certs/{serial}.pem")));
    let lines = format!("after_revocation = \"1h\"\n{DELTA}");
    let site = site(&ca, &lines);
    let made = publish(&site, &["--now"]);
    let base = kept(&site, of_kind(&made, "full"), "base.crl");
    let judged = |certificate: &Path, crls: &[&Path]| openssl_judges(&ca, certificate, crls);
    judged(&revoked, &[&base]).expect(0);

    site.run(&["revoke", first, "--reason", "keyCompromise"])
        .expect(0);
    site.run(&["hold", second]).expect(0);
    let made = publish(&site, &["--delta"]);
    let delta = kept(&site, of_kind(&made, "delta"), "delta.crl");
    assert_eq!(of_kind(&made, "delta").entries, 2);
    for certificate in [&revoked, &held] {
        judged(certificate, &[&base]).expect(0);
        judged(certificate, &[&base, &delta])
            .expect(2)
            .says(&["certificate revoked"]);
    }

    // A full one between two that are scheduled has the base that clients have.
    site.run(&["release", second]).expect(0);
    let made = publish(&site, &["--now"]);
    let (full, delta) = (of_kind(&made, "full"), of_kind(&made, "delta"));
    assert_eq!(full.number, delta.number);
    let full = kept(&site, full, "full.crl");
    let delta = kept(&site, delta, "second-delta.crl");
    judged(&held, &[&base, &delta]).expect(0);
    judged(&held, &[&full]).expect(0);
    judged(&revoked, &[&base, &delta])
        .expect(2)
        .says(&["certificate revoked"]);
    judged(&revoked, &[&full])
        .expect(2)
        .says(&["certificate revoked"]);
    let released = read(&ca, &delta);
    let entry = released
        .entries
        .iter()
        .find(|entry| entry.2 == "removeFromCRL");
    assert!(
        entry.is_some_and(|entry| entry.0.ends_with(second)),
        "{released:?}"
    );
}

#[test]
fn a_server_publishes_by_itself_what_changed() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 30,
    }));
    let soon = |table: &str| table.replace("url = ", "after_revocation = \"0s\"\nurl = ");
    let lines = [
        "after_revocation = \"0s\"\n".to_owned(),
        soon(DELTA).replace("base_after_revocation = \"0s\"\nurl", "base_url"),
        soon(SHARDS),
    ];
    let site = site(&ca, &lines.concat());
    let server = site.serve_settled();
    let certificates = ca.certificates();
    let serial = certificates
        .iter()
        .find(|certificate| certificate.status == Status::Good)
        .expect("a good one")
        .serial
        .clone();
    let made = |kind: &str, as_of: u64| server.wait_for(&format!("crl={kind} as_of={as_of} "));
    site.run(&["revoke", &serial]).expect(0);
    let told = site.run(&["status", &serial, "--json"]).expect(0).json();
    let entry = told["sequence"].as_u64().expect("an entry");
    made("full", entry);
    made("delta", entry);
    // Of the shards that one alone in which it is: the first octets of a digest of its serial.
    let content = match serial.as_bytes()[0] {
        b'8'..=b'F' => format!("00{serial}"),
        _ => serial.clone(),
    };
    let script = "import hashlib, sys\n\
                  print(hashlib.sha256(bytes.fromhex(sys.argv[1])).hexdigest()[:8])";
    let first = run(python().args(["-c", script, &content]));
    let first = first.expect(0).stdout;
    let first = u32::from_str_radix(first.trim(), 16).expect("hexadecimal");
    let its = format!("shard-{}", first % 3);
    made(&its, entry);
    let listing = std::fs::read(site.path("state/catalog/crl/listing.json")).expect("the listing");
    let listing: Value = serde_json::from_slice(&listing).expect("JSON");
    for edition in listing["editions"].as_array().expect("a list") {
        let kind = edition["kind"].as_str().expect("a kind");
        let digest = edition["sha256"].as_str().expect("a digest");
        let crl = site.path(&format!("state/catalog/crl/{digest}.crl"));
        openssl_verifies(&ca, &crl);
        let is_listed = read(&ca, &crl)
            .entries
            .iter()
            .any(|entry| entry.0.ends_with(&serial));
        assert_eq!(
            is_listed,
            kind == "full" || kind == "delta" || kind == its,
            "{kind}"
        );
    }
}

#[test]
fn what_comes_after_the_last_crl_is_told() {
    let ca = Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk: 30,
    }));
    let site = site(&ca, "after_revocation = \"0s\"\n");
    let server = site.serve_settled();
    site.run(&["crl", "publish", "--last"])
        .expect(2)
        .says(&["--yes"]);
    let last = publish(&site, &["--last", "--yes"]);
    let shown = tool("openssl")
        .args(["crl", "-inform", "DER", "-noout", "-nextupdate", "-in"])
        .arg(&of_kind(&last, "full").file)
        .output()
        .expect("openssl");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("Dec 31 23:59:59 9999"), "{shown}");
    site.run(&["crl", "publish", "--now"])
        .expect(7)
        .says(&["last"]);
    let told = site.run(&["stats"]).expect(0);
    assert!(!told.stdout.contains("after its last CRL"), "{told:?}");

    let certificates = ca.certificates();
    let mut good = certificates
        .iter()
        .filter(|certificate| certificate.status == Status::Good);
    let serial = &good.next().expect("a good one").serial;
    site.run(&["revoke", serial]).expect(0);
    server.wait_for("after its last CRL");
    site.run(&["stats"])
        .expect(0)
        .says(&["PROBLEM", "crl publish --last"]);
    let again = publish(&site, &["--last", "--yes"]);
    let (before, after) = (of_kind(&last, "full"), of_kind(&again, "full"));
    assert!(after.number > before.number);
    assert_eq!(after.entries, before.entries + 1);
    let told = site.run(&["stats"]).expect(0);
    assert!(!told.stdout.contains("after its last CRL"), "{told:?}");
}

#[test]
fn killed_at_any_step_nothing_is_torn_and_no_number_comes_twice() {
    let ca = SHARED.get();
    let site = site(&ca, &[DELTA, SHARDS].concat());
    let mut numbers = HashSet::new();
    let mut judge = |made: &[Made]| {
        for crl in made.iter().filter(|crl| crl.kind == "full") {
            assert!(numbers.insert(crl.number), "{made:?}");
        }
    };
    judge(&publish(&site, &["--now"]));
    let folder = site.path("state/catalog/crl");
    for call in [
        "rename", "fsync", "openat", "chmod", "pwrite64", "write", "unlink",
    ] {
        for place in [1, 2, 3, 5, 8, 13, 21] {
            let trace = format!("trace={call}");
            let inject = format!("inject={call}:signal=KILL:when={place}");
            let options = ["-P", text(&folder), "-e", &trace, "-e", &inject];
            let mut command = site.command_under_strace(&options, &["crl", "publish", "--now"]);
            let killed = run(&mut command).code != 0;
            let listing = std::fs::read(folder.join("listing.json")).expect("the listing");
            let listing: Value = serde_json::from_slice(&listing).expect("whole");
            for edition in listing["editions"].as_array().expect("a list") {
                let digest = edition["sha256"].as_str().expect("a digest");
                let sum = run(tool("sha256sum").arg(folder.join(format!("{digest}.crl"))));
                assert!(sum.expect(0).stdout.starts_with(digest), "{call} {place}");
            }
            if killed {
                judge(&publish(&site, &["--now"]));
            }
        }
    }
    let left = std::fs::read_dir(&folder).expect("the folder");
    let names: Vec<_> = left
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    // Full, base, delta, three shards and the listing.
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn what_cannot_be_made_leaves_the_crl_before_in_its_place() {
    let ca = SHARED.get();
    let site = site(&ca, "");
    publish(&site, &[]);
    let folder = site.path("state/catalog/crl");
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (std::fs::read(&path).expect("a file"), path))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let fails = |settings: &Settings, code: i32, words: &[&str]| {
        site.configure(settings);
        let told = site.run(&["crl", "publish", "--now"]);
        told.expect(code).says(words);
        assert_eq!(files(), before, "{words:?}");
    };
    let with = |url: &str, key: &str| Settings {
        signer_lines: format!("[issuer.crl]\nurl = {url:?}\nkey = {key:?}\n"),
        ..Settings::default()
    };
    fails(&Settings::default(), 3, &["[issuer.crl]"]);
    let delegate = ca.path("ocsp.key");
    fails(
        &with(URL, text(&delegate)),
        4,
        &["is not that of its certificate"],
    );
    fails(
        &with(URL, "nowhere.key"),
        4,
        &["nowhere.key", "does not exist"],
    );
    let key = ca.path("ca.key");
    fails(&with("", text(&key)), 3, &["url"]);
    fails(
        &with("ldap://crl.invalid/", text(&key)),
        3,
        &["url", "http://"],
    );
    let of_feed = Settings {
        issuer: "evidence = \"feed\"".to_owned(),
        ..settings(&ca, "")
    };
    fails(&of_feed, 3, &["evidence"]);
    fails(&settings(&ca, "validity = \"1s\""), 3, &["validity"]);
    fails(&settings(&ca, "validity = \"1h\""), 3, &["interval"]);
    let shards = SHARDS.replace("{shard}", "0");
    fails(&settings(&ca, &shards), 3, &["{shard}"]);
    site.configure(&settings(&ca, ""));
    // Nothing is due: nothing is made, which is no failure.
    let told = site.run(&["crl", "publish"]);
    told.expect(0)
        .says(&["Nothing of \"ca\" is due before", "--now"]);
    site.run(&["crl", "publish", "--delta"])
        .expect(3)
        .says(&["[issuer.crl.delta]"]);
    assert_eq!(files(), before);
}

#[test]
fn a_full_disk_leaves_the_crl_before_in_its_place() {
    let ca = SHARED.get();
    let site = Site::with(&ca, &settings(&ca, ""));
    let folder = site.path("state/catalog/crl");
    std::fs::create_dir_all(&folder).expect("a folder");
    // 16 KiB take the sorted entries of none, and a CRL without any.
    let mounts = Mounts::new(&format!(
        "mount -t tmpfs -o size=16k tmpfs {}",
        text(&folder)
    ));
    run(&mut site.command_among(&mounts, &["crl", "publish"]))
        .expect(7)
        .says(&["nothing of it is in the ledger", "--now"]);
    run(&mut site.command_among(&mounts, &["crl", "publish", "--now"])).expect(0);
    let listed = || {
        mounts
            .run(&format!("ls -A {}", text(&folder)))
            .expect(0)
            .stdout
    };
    let before = listed();
    site.import_index().expect(0);
    let full = run(&mut site.command_among(&mounts, &["crl", "publish", "--now"]));
    full.expect(11).says(&["no space"]);
    assert_eq!(listed(), before);
    let sums = format!(
        "cd {} && for crl in *.crl; do echo ${{crl%.crl}}  $crl; done | sha256sum -c",
        text(&folder)
    );
    mounts.run(&sums).expect(0);
}
