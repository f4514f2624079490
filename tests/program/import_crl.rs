//! `estelam import crl`: the whole list or nothing, and only one that may be believed.

use std::sync::Arc;

use crate::common::clock::now;
use crate::common::crl::{CrlParts, entry, extension, serial, subject_and_key_id};
use crate::common::der::tlv;
use crate::common::tools::{Finished, run_with_input, text};
use crate::common::{OpensslCa, Plan, Settings, Site};

const KEY: u8 = 1;
const HOLD: u8 = 6;

pub fn new_ca(bulk: usize) -> Arc<OpensslCa> {
    Arc::new(OpensslCa::new(Plan {
        every_form: false,
        bulk,
    }))
}

/// `openssl ca -gencrl`: gives the CRL in PEM.
pub fn crl_by_openssl(ca: &OpensslCa, options: &str) -> Vec<u8> {
    let config = include_str!("../common/openssl.cnf").replace(
        "[ca_default]\n",
        "[crl]\nauthorityKeyIdentifier = keyid\n[ca_default]\ncrlnumber = crlnumber\n",
    );
    std::fs::write(ca.path("crl.cnf"), config).unwrap();
    if !ca.path("crlnumber").exists() {
        std::fs::write(ca.path("crlnumber"), "1001\n").unwrap();
    }
    ca.openssl(&format!(
        "ca -config crl.cnf -gencrl -crlexts crl -crldays 7 {options} -out ca.crl"
    ));
    std::fs::read(ca.path("ca.crl")).unwrap()
}

fn import(site: &Site, crl: &[u8], options: &[&str]) -> Finished {
    let file = site.path("given.crl");
    std::fs::write(&file, crl).unwrap();
    site.run(&[&["import", "crl", text(&file)][..], options].concat())
}

fn status(site: &Site, serial: &str) -> (String, Option<String>) {
    let told = site.run(&["status", serial, "--json"]).expect(0).json();
    let status = told["status"].as_str().expect("a status").to_owned();
    let reason = told["reason"].as_str();
    (status, reason.map(str::to_owned))
}

/// A serial number as [`serial`] makes it.
fn digits(number: u32) -> String {
    serial(number)
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect()
}

#[test]
fn what_openssl_lists_is_what_the_ledger_then_says() {
    let ca = new_ca(2_000);
    let pem = crl_by_openssl(&ca, "");
    ca.openssl("crl -in ca.crl -outform DER -out ca.crl.der");
    let der = std::fs::read(ca.path("ca.crl.der")).unwrap();
    let listed: Vec<_> = ca
        .certificates()
        .into_iter()
        .filter(|certificate| certificate.status != crate::common::Status::Good)
        .collect();
    for (octets, again) in [(&pem, &der), (&der, &pem)] {
        let site = Site::new(&ca);
        let report = import(&site, octets, &["--json"]).expect(0).json();
        assert_eq!(report["result"], "complete", "{report}");
        assert_eq!(report["applied"], listed.len(), "{report}");
        for certificate in listed.iter().step_by(29) {
            let (said, _) = status(&site, &certificate.serial);
            assert_eq!(said, "revoked", "{certificate:?}");
        }
        let report = import(&site, again, &["--json"]).expect(0).json();
        assert_eq!(report["applied"], 0, "{report}");
        assert_eq!(report["unchanged"], listed.len(), "{report}");
    }

    // From standard input, into a running server, without a name.
    let site = Site::new(&ca);
    let server = site.serve();
    let mut command = site.command(&["import", "crl", "-"]);
    run_with_input(&mut command, std::str::from_utf8(&pem).unwrap())
        .expect(0)
        .says(&["standard input: imported", &listed.len().to_string()]);
    let certificate = &listed[7];
    assert_eq!(status(&site, &certificate.serial).0, "revoked");
    assert!(server.log().iter().all(|line| !line.contains("panic")));
    drop(server);

    // Known from the index already: nothing new, and no contradiction.
    let site = Site::imported(&ca);
    let report = import(&site, &der, &["--json"]).expect(0).json();
    assert_eq!(
        (&report["applied"], &report["differing"]),
        (&0.into(), &serde_json::Value::Null)
    );
}

#[test]
fn what_is_cut_or_followed_by_something_is_refused() {
    let ca = new_ca(200);
    let pem = crl_by_openssl(&ca, "");
    let der = CrlParts::new(1)
        .with(&[(1, KEY), (2, 0)])
        .sign(&ca, "ca.key");
    let site = Site::new(&ca);
    for len in [1, 10, 100, der.len() / 2, der.len() - 1] {
        import(&site, &der[..len], &[]).expect(5).says(&[
            "given.crl: ",
            if len == 1 {
                "too early"
            } else {
                "cut short, fetch it again"
            },
        ]);
    }
    for len in [pem.len() / 2, pem.len() - 30] {
        import(&site, &pem[..len], &[])
            .expect(5)
            .says(&["cut short"]);
    }
    for (octets, words) in [
        (vec![], "empty"),
        ([&der[..], b"\n"].concat(), "octets follow the end"),
        ([&pem[..], &pem[..]].concat(), "more than one"),
        (b"<!DOCTYPE html>\n<title>404".to_vec(), "no CRL"),
        (std::fs::read(ca.path("ca.pem")).unwrap(), "no CRL"),
        (std::fs::read(ca.path("ca.pem.der")).unwrap(), "octet"),
    ] {
        import(&site, &octets, &[])
            .expect(5)
            .says(&["given.crl: ", words]);
    }
    for number in [1, 2] {
        assert_eq!(status(&site, &digits(number)).0, "not_issued");
    }
    site.run(&["import", "crl", "/nonexistent.crl"])
        .expect(2)
        .says(&["/nonexistent.crl"]);
    site.run(&["import", "crl", "/"])
        .expect(2)
        .says(&["folder"]);
    import(&site, &der, &["--issuer", "nobody"])
        .expect(2)
        .says(&["nobody"]);
    import(&site, &der, &[]).expect(0);
}

#[test]
fn only_the_issuers_own_and_current_crls_are_taken() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let good = CrlParts::new(9).with(&[(1, KEY)]);
    ca.new_key("other.key");
    let now = now();
    let (_, key_id) = subject_and_key_id(&ca, "ca.pem");
    let mut altered = good.sign(&ca, "ca.key");
    let listed = serial(1);
    let at = altered
        .windows(3)
        .position(|octets| octets == listed)
        .unwrap();
    altered[at + 2] ^= 2;
    let with = |change: fn(&mut CrlParts)| {
        let mut parts = good.clone();
        change(&mut parts);
        parts
    };
    let name = vec![
        0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 6, 3, 0x55, 4, 3, 0x0c, 1, b'x',
    ];
    let other_name = CrlParts {
        issuer: Some(name),
        ..good.clone()
    };
    let other_key = CrlParts {
        key_id: Some(vec![0xab; 20]),
        ..good.clone()
    };
    let not_yet = CrlParts {
        this_update: now + 400,
        ..good.clone()
    };
    let expired = CrlParts {
        this_update: now - 1000,
        next_update: Some(now - 1),
        ..good.clone()
    };
    let odd = CrlParts {
        next_update: Some(good.this_update - 5),
        ..good.clone()
    };
    for (crl, words) in [
        (
            other_name.sign(&ca, "ca.key"),
            &["\"CN=x\"", "\"CN=Test_CA,C=IR\"", "octet for octet"][..],
        ),
        (
            good.sign(&ca, "other.key"),
            &["signature", "crl_signers", "§6.3.3"],
        ),
        (altered, &["signature does not verify"]),
        (
            other_key.sign(&ca, "ca.key"),
            &["ABABAB", "crl_signers", "§5.2.1"],
        ),
        (
            not_yet.sign(&ca, "ca.key"),
            &["thisUpdate", "not valid yet", "clock"],
        ),
        (
            expired.sign(&ca, "ca.key"),
            &["expired", "nextUpdate", "Fetch the newest"],
        ),
        (
            odd.sign(&ca, "ca.key"),
            &["nextUpdate", "not after its thisUpdate"],
        ),
        (
            with(|parts| parts.next_update = None).sign(&ca, "ca.key"),
            &["no nextUpdate", "§5.1.2.5"],
        ),
        (
            with(|parts| {
                // ecdsa-with-SHA1
                parts.algorithm = vec![0x30, 9, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
                parts.digest = "-sha1";
            })
            .sign(&ca, "ca.key"),
            &["ecdsa-with-SHA1", "weak"],
        ),
        (
            with(|parts| parts.algorithm = vec![0x30, 5, 6, 3, 0x2b, 0x65, 0x71])
                .sign(&ca, "ca.key"),
            &["1.3.101.113", "not supported"],
        ),
    ] {
        import(&site, &crl, &[])
            .expect(5)
            .says(&["given.crl: "])
            .says(words);
    }
    assert_eq!(status(&site, &digits(1)).0, "not_issued");
    // Five minutes of another clock are no fault.
    let ahead = CrlParts {
        this_update: now + 200,
        key_id: Some(key_id),
        ..good.clone()
    };
    import(&site, &ahead.sign(&ca, "ca.key"), &[]).expect(0);
    // And from then on it is the one to be newer than.
    import(&site, &good.sign(&ca, "ca.key"), &[])
        .expect(5)
        .says(&["older", "thisUpdate"]);
    let lower = CrlParts {
        this_update: now + 250,
        ..CrlParts::new(8)
    };
    import(&site, &lower.sign(&ca, "ca.key"), &[])
        .expect(5)
        .says(&["CRLNumber 0x08 (8) is lower than 0x09 (9)"]);
    assert_eq!(status(&site, &digits(1)).0, "revoked");
}

#[test]
fn crls_of_another_scope_are_refused_by_name() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let good = CrlParts::new(1).with(&[(1, KEY)]);
    let point = |content: &[u8]| extension(28, true, &tlv(0x30, content));
    let uri = tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://x.test/7.crl")));
    let mut names_issuer = good.clone();
    let names = tlv(0x30, &tlv(0xa4, &tlv(0x30, &[])));
    names_issuer
        .entries
        .push(entry(&serial(2), &tlv(0x30, &extension(29, true, &names))));
    let indirect = point(&tlv(0x84, &[0xff]));
    let mut malformed = good.clone().and(indirect.clone());
    malformed.entries.push(entry(&serial(2), &tlv(2, &[1])));
    let mut critical_other = names_issuer.clone().and(indirect.clone());
    critical_other
        .entries
        .push(entry(&serial(3), &tlv(0x30, &extension(99, true, &[]))));
    let mut critical_entry = good.clone();
    critical_entry
        .entries
        .push(entry(&serial(2), &tlv(0x30, &extension(99, true, &[]))));
    for (parts, words) in [
        (
            good.clone().and(extension(27, true, &tlv(2, &[7]))),
            &["delta", "0x07", "§5.2.4"][..],
        ),
        (names_issuer.clone(), &["indirect", "entry 2"]),
        (malformed, &["indirect", "entry 2", "cannot be read"]),
        (
            critical_other,
            &["entry 3", "critical extension 2.5.29.99", "§5.3"],
        ),
        (
            good.clone().and(point(&uri)),
            &["partitioned", "http://x.test/7.crl"],
        ),
        (
            good.clone().and(point(&tlv(0x81, &[0xff]))),
            &["end-entity certificates alone"],
        ),
        (
            good.clone().and(point(&tlv(0x82, &[0xff]))),
            &["CA certificates alone"],
        ),
        (
            good.clone().and(point(&tlv(0x85, &[0xff]))),
            &["attribute certificates alone"],
        ),
        (
            good.clone().and(point(&tlv(0x83, &[6, 0x40]))),
            &["onlySomeReasons", "full reasons=keyCompromise"],
        ),
        (
            good.clone().and(point(&tlv(0x83, &[]))),
            &["issuingDistributionPoint", "BIT STRING"],
        ),
        (
            good.clone().and(extension(98, true, &[])),
            &["critical extension 2.5.29.98", "§5.2"],
        ),
        (
            critical_entry,
            &["entry 2", "critical extension 2.5.29.99", "§5.3"],
        ),
        (
            good.clone().and(extension(20, false, &tlv(2, &[2]))),
            &["same extension twice"],
        ),
        (
            CrlParts {
                extensions: vec![extension(20, false, &tlv(2, &[1; 21]))],
                ..good.clone()
            },
            &["cRLNumber", "20"],
        ),
    ] {
        // Skipping what is bad does not help: these are no bad entries.
        import(&site, &parts.sign(&ca, "ca.key"), &["--skip-bad"])
            .expect(5)
            .says(&["given.crl: "])
            .says(words);
    }
    assert_eq!(status(&site, &digits(1)).0, "not_issued");
    // Of an indirect one of its own the entries of others are passed over.
    let others = CrlParts {
        entries: names_issuer.entries,
        ..CrlParts::new(1)
    };
    let others = others.and(indirect).sign(&ca, "ca.key");
    let report = import(&site, &others, &["--json"]).expect(0).json();
    assert_eq!(
        (&report["lines"], &report["applied"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(status(&site, &digits(1)).0, "revoked");
    assert_eq!(status(&site, &digits(2)).0, "not_issued");
    // What says no more than a full CRL, and what is not critical, is no obstacle.
    let odd = good
        .and(point(&tlv(0x81, &[0])))
        .and(extension(60, false, &tlv(0x18, b"20200101000000Z")))
        .and(extension(97, false, &[]));
    let site = Site::new(&ca);
    import(&site, &odd.sign(&ca, "ca.key"), &[]).expect(0);
    assert_eq!(status(&site, &digits(1)).0, "revoked");
}

#[test]
fn a_second_key_of_the_same_name_signs_only_if_it_is_configured() {
    let ca = new_ca(0);
    let make = |name: &str, usage: &str| {
        ca.new_key(&format!("{name}.key"));
        ca.openssl(&format!(
            "req -config openssl.cnf -x509 -new -key {name}.key -subj /C=IR/CN=Test_CA -days 30 \
             -addext basicConstraints=critical,CA:TRUE -addext subjectKeyIdentifier=hash {usage} \
             -out {name}.pem"
        ));
    };
    make("second", "-addext keyUsage=critical,cRLSign");
    make("careless", "");
    make("certs", "-addext keyUsage=critical,keyCertSign");
    let crl = |name: &str, number| {
        let key_id = Some(subject_and_key_id(&ca, &format!("{name}.pem")).1);
        let parts = CrlParts {
            key_id,
            ..CrlParts::new(number)
        };
        parts
            .with(&[(u32::from(number), KEY)])
            .sign(&ca, &format!("{name}.key"))
    };
    let site = Site::new(&ca);
    import(&site, &crl("second", 1), &[])
        .expect(5)
        .says(&["authorityKeyIdentifier", "crl_signers"]);
    let signers = ["second", "careless", "certs"]
        .map(|name| format!("{:?}", ca.path(&format!("{name}.pem"))));
    site.configure(&Settings {
        issuer: format!("crl_signers = [{}]", signers.join(", ")),
        ..Settings::default()
    });
    import(&site, &crl("second", 1), &[]).expect(0);
    assert_eq!(status(&site, &digits(1)).0, "revoked");
    import(&site, &crl("careless", 2), &[])
        .expect(5)
        .says(&["no keyUsage", "RFC 10007"]);
    import(&site, &crl("certs", 2), &[])
        .expect(5)
        .says(&["keyUsage without cRLSign"]);
    import(&site, &crl("ca", 2), &[]).expect(0);
}

#[test]
fn every_kind_of_key_signs_crls() {
    for (kind, key, algorithm, digest) in [
        ("ed25519", "-algorithm ED25519", "", ""),
        (
            "rsa",
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "",
            "-sha256",
        ),
        (
            "rsa-pss",
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
            "-sha384",
        ),
        (
            "p384",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            "",
            "-sha384",
        ),
        (
            "p521",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            "",
            "-sha512",
        ),
    ] {
        let ca = new_ca(50);
        ca.openssl(&format!("genpkey {key} -out ca.key"));
        ca.openssl(
            "req -config openssl.cnf -x509 -new -key ca.key -extensions root -days 30 \
                    -subj /C=IR/CN=Test_CA -out ca.pem",
        );
        let digest = if digest.is_empty() {
            String::new()
        } else {
            format!("-md {}", &digest[1..])
        };
        let site = Site::new(&ca);
        let mut crl = crl_by_openssl(&ca, &format!("{digest} {algorithm}"));
        let report = import(&site, &crl, &["--json"]).expect(0).json();
        assert!(report["applied"].as_u64().unwrap() > 2, "{kind}: {report}");
        // A digit in the middle of the base64 changed.
        let at = crl.len() / 2;
        crl[at] = if crl[at] == b'A' { b'B' } else { b'A' };
        import(&site, &crl, &[]).expect(5);
    }
}

#[test]
fn bad_entries_are_named_and_skipped_when_asked() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let mut parts = CrlParts::new(1).with(&[
        (1, KEY),
        (2, 7),
        (3, 8),
        (4, KEY),
        (4, HOLD),
        (5, 0),
        (5, 0),
    ]);
    for content in [
        &[0x80][..],
        &[0],
        &[&[0x00, 0xff][..], &[1; 19]].concat(),
        &[0xff, 0x7f],
    ] {
        parts.entries.push(entry(content, &[]));
    }
    parts
        .entries
        .push(entry(&[&[0x7f][..], &[1; 19]].concat(), &[]));
    let crl = parts.sign(&ca, "ca.key");
    import(&site, &crl, &[]).expect(5).says(&[
        "nothing was applied: 12 entries",
        "given.crl: entry 2: serial number 010002: there is no reason 7",
        "entry 3: serial number 010003: the reason removeFromCRL",
        "entry 4: serial number 010004: entry 5",
        "entry 5: serial number 010004: entry 4",
        "entry 8: serial number 80: it is negative",
        "entry 9: serial number 00: it is zero",
        "entry 10: serial number 00FF01",
        "21 octets",
        "entry 11: serial number FF7F: it is negative",
        "--skip-bad",
    ]);
    assert_eq!(status(&site, &digits(1)).0, "not_issued");
    let report = import(&site, &crl, &["--skip-bad", "--json"])
        .expect(6)
        .json();
    let counts = ["applied", "unchanged", "bad", "skipped"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(8), Some(8)], "{report}");
    for (number, due) in [
        (1, "revoked"),
        (2, "not_issued"),
        (4, "not_issued"),
        (5, "revoked"),
    ] {
        assert_eq!(status(&site, &digits(number)).0, due);
    }
    assert_eq!(
        status(&site, &format!("7F{}", "01".repeat(19))).0,
        "revoked"
    );
}

#[test]
fn holds_end_with_the_next_crl_and_revocations_do_not() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let server = site.serve();
    let first = CrlParts::new(1).with(&[(1, HOLD), (2, KEY), (3, HOLD)]);
    import(&site, &first.sign(&ca, "ca.key"), &[]).expect(0);
    assert_eq!(
        status(&site, &digits(1)).1.as_deref(),
        Some("certificateHold")
    );
    let second = CrlParts::new(2).with(&[(3, KEY), (4, 0)]);
    import(&site, &second.sign(&ca, "ca.key"), &[])
        .expect(0)
        .says(&[
            "2 applied",
            "1 no longer on hold",
            "1 revoked earlier and not listed",
        ]);
    for (number, due) in [(1, "good"), (2, "revoked"), (3, "revoked"), (4, "revoked")] {
        assert_eq!(status(&site, &digits(number)).0, due, "{number}");
    }
    assert!(server.log().iter().all(|line| !line.contains("panic")));
}

#[test]
fn a_list_that_was_long_and_is_empty_needs_a_word() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let many: Vec<(u32, u8)> = (0..3_000).map(|number| (number, KEY)).collect();
    import(
        &site,
        &CrlParts::new(1).with(&many).sign(&ca, "ca.key"),
        &[],
    )
    .expect(0);
    let empty = CrlParts::new(2).sign(&ca, "ca.key");
    import(&site, &empty, &[]).expect(5).says(&[
        "3000 of the 3000",
        "--accept-shrink",
        "stays revoked",
    ]);
    import(
        &site,
        &CrlParts::new(2).with(&many[..2_700]).sign(&ca, "ca.key"),
        &[],
    )
    .expect(0);
    let empty = CrlParts::new(3).sign(&ca, "ca.key");
    import(&site, &empty, &["--skip-bad"])
        .expect(5)
        .says(&["2700 of the 2700"]);
    import(&site, &empty, &["--accept-shrink"])
        .expect(0)
        .says(&["0 entries", "3000 revoked earlier"]);
    assert_eq!(status(&site, &digits(17)).0, "revoked");
}

#[test]
fn the_crl_itself_tells_which_of_several_issuers_it_is_of() {
    let ca = new_ca(0);
    ca.new_key("second.key");
    ca.openssl(
        "req -config openssl.cnf -x509 -new -key second.key -extensions root -days 30 \
         -subj /CN=Second -out second.pem",
    );
    let site = Site::new(&ca);
    let (certificate, key) = (ca.path("second.pem"), ca.path("second.key"));
    let more = format!(
        "[[issuer]]\nname = \"second\"\ncertificate = {certificate:?}\n\
         [[issuer.signer]]\ncertificate = {certificate:?}\nkey = {key:?}\n"
    );
    let config = std::fs::read_to_string(site.path("estelam.toml")).unwrap();
    std::fs::write(site.path("estelam.toml"), config + &more).unwrap();
    let (name, key_id) = subject_and_key_id(&ca, "second.pem");
    let second = CrlParts {
        issuer: Some(name),
        key_id: Some(key_id),
        ..CrlParts::new(1).with(&[(1, KEY)])
    };
    let crl = second.sign(&ca, "second.key");
    import(&site, &crl, &["--issuer", "ca"])
        .expect(5)
        .says(&["\"CN=Second\""]);
    import(&site, &crl, &[]).expect(0);
    import(
        &site,
        &CrlParts::new(1).with(&[(2, KEY)]).sign(&ca, "ca.key"),
        &[],
    )
    .expect(0);
    let of = |issuer, number| {
        let told = site
            .run(&["status", &digits(number), "--issuer", issuer, "--json"])
            .expect(0)
            .json();
        told["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (of("second", 1), of("ca", 1)),
        ("revoked".to_owned(), "not_issued".to_owned())
    );
    assert_eq!(
        (of("second", 2), of("ca", 2)),
        ("not_issued".to_owned(), "revoked".to_owned())
    );
    let stranger = CrlParts {
        issuer: Some(vec![0x30, 0]),
        ..second
    };
    import(&site, &stranger.sign(&ca, "second.key"), &[])
        .expect(5)
        .says(&["no configured issuer has this name"]);
}

/// Made by Python `cryptography` with the CA's key: a list with these extensions.
fn crl_by_cryptography(
    ca: &OpensslCa,
    number: u32,
    entries: &[(u32, u8)],
    extensions: &str,
) -> Vec<u8> {
    let listed: Vec<String> = entries
        .iter()
        .map(|(serial, reason)| format!("({}, {reason})", 0x01_0000 + serial))
        .collect();
    let script = format!(
        r#"
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from datetime import datetime, timedelta, timezone
ca = x509.load_pem_x509_certificate(open("ca.pem", "rb").read())
key = serialization.load_pem_private_key(open("ca.key", "rb").read(), None)
now = datetime.now(timezone.utc).replace(microsecond=0)
uri = x509.UniformResourceIdentifier
reasons = {{1: "key_compromise", 6: "certificate_hold", 8: "remove_from_crl"}}
crl = (x509.CertificateRevocationListBuilder().issuer_name(ca.subject)
       .last_update(now - timedelta(seconds=72000 - 3600 * {number})).next_update(now + timedelta(days=1))
       .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), False)
       .add_extension(x509.CRLNumber({number}), False))
for extension, critical in [{extensions}]:
    crl = crl.add_extension(extension, critical)
for serial, reason in [{listed}]:
    entry = (x509.RevokedCertificateBuilder().serial_number(serial)
             .revocation_date(datetime(2026, 1, 5, 12, tzinfo=timezone.utc))
             .add_extension(x509.CRLReason(x509.ReasonFlags[reasons[reason]]), False))
    crl = crl.add_revoked_certificate(entry.build())
open("made.crl", "wb").write(crl.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
"#,
        listed = listed.join(", ")
    );
    std::fs::write(ca.path("make.py"), script).unwrap();
    let mut python = crate::common::tools::python();
    python.arg("make.py").current_dir(ca.path("."));
    crate::common::tools::run(&mut python).expect(0);
    std::fs::read(ca.path("made.crl")).unwrap()
}

const POINT: &str = "http://x.test/7.crl";

fn point(flags: &str, uris: &[&str]) -> String {
    let uris: Vec<String> = uris.iter().map(|uri| format!("uri({uri:?})")).collect();
    let none = "relative_name=None, only_some_reasons=None, indirect_crl=False, \
                only_contains_attribute_certs=False";
    let flag = |name: &str| if flags == name { "True" } else { "False" };
    let full_name = match uris.as_slice() {
        [] => "None".to_owned(),
        some => format!("[{}]", some.join(", ")),
    };
    format!(
        "(x509.IssuingDistributionPoint(full_name={full_name}, {none}, \
         only_contains_user_certs={}, only_contains_ca_certs={}), True),",
        flag("user"),
        flag("ca")
    )
}

#[test]
fn a_partitioned_crl_is_taken_where_it_is_expected() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let shard = |number, entries: &[_], uris: &[_]| {
        crl_by_cryptography(&ca, number, entries, &point("user", uris))
    };
    let first = shard(1, &[(1, HOLD), (2, KEY)], &["http://y.test/", POINT]);
    import(&site, &first, &[]).expect(5).says(&[
        "end-entity certificates of the distribution point http://y.test/ or http://x.test/7.crl",
        "the full CRL is expected",
        "--scope http://y.test/",
    ]);
    // Names are compared octet for octet, all of them.
    for other in [
        "http://x.test/7.crl?",
        "https://x.test/7.crl",
        "full",
        "user",
        "ca",
    ] {
        import(&site, &first, &["--scope", other])
            .expect(5)
            .says(&["partitioned"]);
    }
    import(&site, &first, &["--scope", "nothing"])
        .expect(2)
        .says(&["write full, user"]);
    import(&site, &first, &["--scope", POINT]).expect(0);
    import(
        &site,
        &CrlParts::new(1).sign(&ca, "ca.key"),
        &["--scope", POINT],
    )
    .expect(5)
    .says(&["it is a full CRL", "http://x.test/7.crl", "--scope full"]);
    // The full CRL says nothing of a hold that came from there.
    import(&site, &CrlParts::new(9).sign(&ca, "ca.key"), &[]).expect(0);
    assert_eq!(status(&site, &digits(1)).0, "revoked");
    let second = shard(2, &[(2, KEY)], &[POINT]);
    import(&site, &second, &["--scope", POINT])
        .expect(0)
        .says(&["1 no longer on hold"]);
    assert_eq!(status(&site, &digits(1)).0, "good");

    let users = crl_by_cryptography(&ca, 3, &[(3, KEY)], &point("user", &[]));
    import(&site, &users, &[]).expect(5).says(&["--scope user"]);
    import(&site, &users, &["--scope", "user"]).expect(0);
    // Configured, it need not be said.
    site.configure(&Settings {
        issuer: format!("crl_scopes = [\"ca\", {POINT:?}]"),
        ..Settings::default()
    });
    let third = shard(3, &[(2, KEY), (4, KEY)], &[POINT]);
    import(&site, &third, &[]).expect(0);
    let full = CrlParts::new(10).sign(&ca, "ca.key");
    import(&site, &full, &[])
        .expect(5)
        .says(&["or that of http://x.test/7.crl"]);
    assert_eq!(status(&site, &digits(4)).0, "revoked");
}

#[test]
fn a_delta_follows_the_crl_that_it_names() {
    let ca = new_ca(0);
    let site = Site::new(&ca);
    let server = site.serve();
    let crl = |number, entries: &[_], base: Option<u32>| {
        let base = base.map(|base| format!("(x509.DeltaCRLIndicator({base}), True),"));
        crl_by_cryptography(&ca, number, entries, &base.unwrap_or_default())
    };
    let delta = crl(11, &[(1, 8), (3, KEY)], Some(10));
    import(&site, &delta, &[])
        .expect(5)
        .says(&["delta", "0x0A (10)", "import the full CRL first"]);
    // The second that it was made in is of no account: an hour lies between two numbers.
    import(&site, &crl(9, &[(1, HOLD)], None), &[]).expect(0);
    import(&site, &delta, &[])
        .expect(5)
        .says(&["0x0A (10)", "has the number 0x09 (9)"]);
    import(&site, &crl(10, &[(1, HOLD), (2, KEY)], None), &[]).expect(0);
    import(&site, &delta, &[])
        .expect(0)
        .says(&["2 entries, 2 applied", "1 no longer on hold"]);
    for (number, due) in [(1, "good"), (2, "revoked"), (3, "revoked")] {
        assert_eq!(status(&site, &digits(number)).0, due, "{number}");
    }
    import(&site, &delta, &[]).expect(0).says(&["2 unchanged"]);
    // The full CRL that says the same.
    import(&site, &crl(12, &[(2, KEY), (3, KEY)], None), &[])
        .expect(0)
        .says(&["2 unchanged"]);
    assert!(server.log().iter().all(|line| !line.contains("panic")));
}
