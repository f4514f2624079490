//! `estelam crl verify`: what OpenSSL makes passes, and every rule that is broken is told with its clause.
//! The cases of PKITS are in `pkits`, what `crl publish` makes in `crl_publish`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::OpensslCa;
use crate::common::clock::now;
use crate::common::crl::{CrlParts, entry, extension, serial};
use crate::common::der::tlv;
use crate::common::tools::{Finished, run, run_with_input, text};
use crate::import_crl::{crl_by_openssl, new_ca};

fn verify(ca: &OpensslCa, crl: &Path, options: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
    command.args(["crl", "verify", text(crl), "--issuer"]);
    run(command.arg(ca.path("ca.pem")).args(options))
}

fn written(ca: &OpensslCa, name: &str, crl: &[u8]) -> PathBuf {
    let path = ca.path(name);
    std::fs::write(&path, crl).expect("the CRL");
    path
}

fn findings(told: &Finished) -> Vec<(String, String)> {
    let told = told.json();
    let findings = told["findings"].as_array().expect("findings").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    findings
        .map(|finding| (text(&finding["severity"]), text(&finding["clause"])))
        .collect()
}

fn point(fields: &[u8]) -> Vec<u8> {
    extension(28, true, &tlv(0x30, fields))
}

fn delta(base: u8) -> Vec<u8> {
    extension(27, true, &tlv(2, &[base]))
}

#[test]
fn what_openssl_makes_passes_in_every_form() {
    let ca = new_ca(2_000);
    let pem = crl_by_openssl(&ca, "");
    let path = written(&ca, "given.pem", &pem);
    let told = verify(&ca, &path, &["--json"]).expect(0);
    // `openssl ca` writes the word unspecified.
    let note = ("note".to_owned(), "RFC 5280 §5.3.1".to_owned());
    assert!(findings(&told).iter().all(|found| *found == note), "{told}");
    let told = told.json();
    assert_eq!(
        (&told["valid"], &told["in_date"]),
        (&true.into(), &true.into())
    );
    verify(&ca, &path, &[])
        .expect(0)
        .says(&["valid, and in date"]);

    let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
    command
        .args(["crl", "verify", "-", "--issuer"])
        .arg(ca.path("ca.pem"));
    run_with_input(&mut command, std::str::from_utf8(&pem).expect("PEM")).expect(0);

    // Without -crlexts it is of version 1 and has no number.
    ca.openssl("ca -config openssl.cnf -gencrl -crldays 7 -out plain.crl");
    let told = verify(&ca, &ca.path("plain.crl"), &["--json"]).expect(13);
    let clauses: Vec<String> = findings(&told)
        .into_iter()
        .map(|(_, clause)| clause)
        .collect();
    for due in ["RFC 5280 §5.2.3", "RFC 5280 §5.2.1"] {
        assert!(clauses.iter().any(|clause| clause == due), "{told}");
    }

    // A revoked certificate and a good one.
    let listed = ca.certificates();
    let revoked = listed
        .iter()
        .find(|one| one.status != crate::common::Status::Good);
    let serial = &ca.issue(1, "")[0];
    let good = ca.path(&format!("certs/{serial}.pem"));
    verify(&ca, &path, &["--certificate", text(&good)])
        .expect(0)
        .says(&["not revoked"]);
    assert!(revoked.is_some());
    ca.revoke(serial, "-crl_reason keyCompromise");
    let path = written(&ca, "later.pem", &crl_by_openssl(&ca, ""));
    verify(&ca, &path, &["--certificate", text(&good)])
        .expect(0)
        .says(&["revoked, keyCompromise, entry"]);
    // One came; none left.
    verify(&ca, &path, &["--previous", text(&ca.path("given.pem"))])
        .expect(0)
        .says(&["1 came, 0 left"]);
    verify(&ca, &ca.path("given.pem"), &["--previous", text(&path)])
        .expect(13)
        .says(&["RFC 5280 §5.2.3", "lower than", "0 came, 1 left"]);

    // Files that are missing or something else.
    verify(&ca, Path::new("/nowhere/ca.crl"), &[]).expect(2);
    verify(&ca, &path, &["--base", "/nowhere/ca.crl"]).expect(2);
    verify(&ca, &path, &["--base", text(&ca.path("ca.pem"))]).expect(5);
    verify(&ca, &ca.path("ca.pem"), &[])
        .expect(13)
        .says(&["it is no CRL"]);
}

#[test]
fn every_broken_rule_is_told_with_its_clause() {
    let ca = new_ca(0);
    let other = new_ca(0);
    let date = |form: u8, text: &[u8]| tlv(form, text);
    let listed = |serial: &[u8], date: &[u8]| tlv(0x30, &[&tlv(2, serial), date].concat());
    let with = |entries: Vec<Vec<u8>>| CrlParts {
        entries,
        ..CrlParts::new(1)
    };
    let reason = |critical, code| tlv(0x30, &extension(21, critical, &tlv(0x0a, &[code])));
    let one = |list: &[u8]| with(vec![entry(&serial(1), list)]);
    let parts = CrlParts::new(1);
    let some = tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://x/1")));
    let reasons = tlv(0x83, &[6, 0x40]);
    let cases: Vec<(&str, CrlParts, &str, &str)> = vec![
        (
            "no number",
            CrlParts {
                extensions: vec![],
                ..parts.clone()
            },
            "§5.2.3",
            "no CRLNumber",
        ),
        (
            "a number of 21 octets",
            CrlParts {
                extensions: vec![extension(20, false, &tlv(2, &[1; 21]))],
                ..parts.clone()
            },
            "§5.2.3",
            "cRLNumber",
        ),
        (
            "a critical number",
            CrlParts {
                extensions: vec![extension(20, true, &tlv(2, &[1]))],
                ..parts.clone()
            },
            "§5.2.3",
            "is critical",
        ),
        (
            "no nextUpdate",
            CrlParts {
                next_update: None,
                ..parts.clone()
            },
            "§5.1.2.5",
            "nextUpdate",
        ),
        (
            "an end before the beginning",
            CrlParts {
                next_update: Some(now() - 90),
                ..parts.clone()
            },
            "§5.1.2.5",
            "not after",
        ),
        (
            "another issuer",
            CrlParts {
                issuer: Some(tlv(0x30, &[])),
                ..parts.clone()
            },
            "§5.1.2.3",
            "octet for octet",
        ),
        (
            "another key",
            CrlParts {
                key_id: Some(vec![1; 20]),
                ..parts.clone()
            },
            "§6.3.3",
            "names the key",
        ),
        (
            "an unknown extension",
            parts.clone().and(extension(99, true, &[5, 0])),
            "§5.2",
            "2.5.29.99",
        ),
        (
            "an empty point",
            parts.clone().and(point(&[])),
            "§5.2.5",
            "empty SEQUENCE",
        ),
        (
            "a point that is not critical",
            parts.clone().and(extension(28, false, &tlv(0x30, &some))),
            "§5.2.5",
            "not critical",
        ),
        (
            "two kinds",
            parts
                .clone()
                .and(point(&[&[0x81, 1, 0xff][..], &[0x82, 1, 0xff]].concat())),
            "§5.2.5",
            "more than one",
        ),
        (
            "attribute certificates",
            parts.clone().and(point(&[0x85, 1, 0xff])),
            "§5.2.5",
            "onlyContainsAttributeCerts",
        ),
        (
            "an entry without reason under some reasons",
            one(&[]).and(point(&reasons)),
            "§5.2.5",
            "no reason",
        ),
        (
            "a reason that is not among them",
            one(&reason(false, 4)).and(point(&reasons)),
            "§5.2.5",
            "not among",
        ),
        (
            "a delta of itself",
            parts.clone().and(delta(1)),
            "§5.2.4",
            "not lower",
        ),
        (
            "a delta with a freshest CRL",
            CrlParts::new(2)
                .and(delta(1))
                .and(extension(46, false, &tlv(0x30, &tlv(0x30, &some)))),
            "§5.2.6",
            "delta",
        ),
        (
            "a freshest CRL with reasons",
            parts.clone().and(extension(
                46,
                false,
                &tlv(0x30, &tlv(0x30, &[&some[..], &[0x81, 2, 6, 0x40]].concat())),
            )),
            "§5.2.6",
            "something else",
        ),
        (
            "a serial number twice",
            with(vec![
                entry(&serial(1), &[]),
                entry(&serial(2), &[]),
                entry(&serial(2), &[]),
            ]),
            "§5.1.2.6",
            "entries 2 and 3",
        ),
        (
            "a serial number twice, not sorted",
            with(vec![
                entry(&serial(2), &[]),
                entry(&serial(1), &[]),
                entry(&serial(2), &[]),
            ]),
            "§5.1.2.6",
            "entries 1 and 3",
        ),
        (
            "a negative serial number",
            with(vec![entry(&[0xff], &[])]),
            "§4.1.2.2",
            "negative",
        ),
        (
            "a GeneralizedTime before 2050",
            with(vec![listed(&serial(1), &date(0x18, b"20260105120000Z"))]),
            "§5.1.2.6",
            "UTCTime is due",
        ),
        (
            "a time without seconds",
            with(vec![listed(&serial(1), &date(0x17, b"2601051200Z"))]),
            "§5.1.2.6",
            "revocationDate",
        ),
        (
            "a reason that does not exist",
            one(&reason(false, 7)),
            "§5.3.1",
            "there is no reason 7",
        ),
        (
            "removeFromCRL in a full CRL",
            one(&reason(false, 8)),
            "§5.3.1",
            "removeFromCRL",
        ),
        (
            "a critical reason",
            one(&reason(true, 1)),
            "§5.3.1",
            "is critical",
        ),
        (
            "empty crlEntryExtensions",
            one(&tlv(0x30, &[])),
            "§5.1.2.6",
            "are empty",
        ),
        (
            "an unknown entry extension",
            one(&tlv(0x30, &extension(99, true, &[5, 0]))),
            "§5.3",
            "2.5.29.99",
        ),
        (
            "a certificateIssuer in a CRL that is not indirect",
            one(&tlv(
                0x30,
                &extension(29, true, &tlv(0x30, &tlv(0xa4, &tlv(0x30, &[])))),
            )),
            "§5.3.3",
            "indirectCRL",
        ),
    ];
    for (what, parts, clause, words) in cases {
        let path = written(&ca, "broken.crl", &parts.sign(&ca, "ca.key"));
        let told = verify(&ca, &path, &["--json"]).expect(13);
        let clause = format!("RFC 5280 {clause}");
        let is_told = findings(&told)
            .iter()
            .any(|(severity, found)| severity == "fault" && found.contains(&clause));
        assert!(is_told, "{what}: {told}");
        told.says(&[words]);
    }

    let valid = parts
        .clone()
        .with(&[(1, 1), (2, 0), (3, 6)])
        .sign(&ca, "ca.key");
    let path = written(&ca, "valid.crl", &valid);
    assert_eq!(findings(&verify(&ca, &path, &["--json"]).expect(0)), []);
    // Signed by another key under the same name and keyIdentifier.
    other.openssl("version").expect(0);
    let forged = parts.clone().sign(&ca, text(&other.path("ca.key")));
    let path = written(&ca, "forged.crl", &forged);
    verify(&ca, &path, &[])
        .expect(13)
        .says(&["§6.3.3", "does not verify"]);
    // Unsigned octets that differ, and a torn end.
    let mut differs = valid.clone();
    // ecdsa-with-SHA256 becomes -SHA384, outside alone.
    let algorithm = [0xce, 0x3d, 0x04, 0x03, 0x02];
    let mut places = differs.windows(5).enumerate();
    let (place, _) = (places.rfind(|(_, octets)| *octets == algorithm)).expect("an algorithm");
    differs[place + 4] = 3;
    let path = written(&ca, "differs.crl", &differs);
    verify(&ca, &path, &[])
        .expect(13)
        .says(&["§5.1.1.2", "differ"]);
    let path = written(&ca, "torn.crl", &valid[..valid.len() - 1]);
    verify(&ca, &path, &[]).expect(13).says(&["cut short"]);

    // Valid, and over; or not begun.
    for (begin, end) in [(now() - 100, now() - 50), (now() + 4_000, now() + 8_000)] {
        let parts = CrlParts {
            this_update: begin,
            next_update: Some(end),
            ..parts.clone()
        };
        let path = written(&ca, "over.crl", &parts.sign(&ca, "ca.key"));
        verify(&ca, &path, &[])
            .expect(14)
            .says(&["valid, but not in date"]);
    }
}

#[test]
fn a_delta_is_judged_against_its_base_and_a_crl_against_the_one_before() {
    let ca = new_ca(0);
    let path = |name: &str, parts: CrlParts| written(&ca, name, &parts.sign(&ca, "ca.key"));
    let at = |made: u64, parts: CrlParts| CrlParts {
        this_update: now() - made,
        ..parts
    };
    let base = path(
        "base.crl",
        at(600, CrlParts::new(4).with(&[(1, 1), (2, 6)])),
    );
    let older = path("older.crl", at(700, CrlParts::new(3)));
    let delta_of = |base: u8| {
        at(
            300,
            CrlParts::new(6).with(&[(2, 8), (3, 1)]).and(delta(base)),
        )
    };
    let good = path("delta.crl", delta_of(4));
    let told = |crl: &Path, option: &str, other: &Path| verify(&ca, crl, &[option, text(other)]);
    told(&good, "--base", &base).expect(0);
    told(&good, "--base", &older)
        .expect(13)
        .says(&["§5.2.4", "has the number 0x03"]);
    told(&good, "--base", &good)
        .expect(13)
        .says(&["a delta CRL itself"]);
    told(&base, "--base", &base)
        .expect(0)
        .says(&["it is no delta CRL"]);
    let scope = point(&[0x81, 1, 0xff]);
    let scoped = path("scoped.crl", at(600, CrlParts::new(5).and(scope)));
    told(&good, "--base", &scoped)
        .expect(13)
        .says(&["§6.3.3 (c)", "issuingDistributionPoint"]);

    told(&base, "--previous", &base)
        .expect(0)
        .says(&["octet for octet"]);
    told(&older, "--previous", &base)
        .expect(13)
        .says(&["lower than", "is before"]);
    told(&scoped, "--previous", &base)
        .expect(13)
        .says(&["another scope"]);
    let same = path("same.crl", at(500, CrlParts::new(4).with(&[(1, 1)])));
    told(&same, "--previous", &base)
        .expect(13)
        .says(&["is that of the CRL before", "1 left"]);
    // Neither sorted: compared all the same.
    let mixed = |numbers: &[u32]| {
        numbers
            .iter()
            .map(|number| entry(&serial(*number), &[]))
            .collect()
    };
    let then = CrlParts {
        entries: mixed(&[5, 3, 1, 2]),
        ..CrlParts::new(7)
    };
    let now = CrlParts {
        entries: mixed(&[3, 9, 8, 5, 7]),
        ..CrlParts::new(8)
    };
    let (then, now) = (path("then.crl", at(90, then)), path("now.crl", now));
    told(&now, "--previous", &then)
        .expect(0)
        .says(&["3 came, 2 left, 2 stayed"]);
}
