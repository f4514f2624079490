//! `estelam crl show` and `crl diff`, on CRLs that others made and that others read as well.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::common::tools::{Finished, python, run, run_with_input, text, tool};

/// What `cryptography` reads in a CRL.
#[derive(Deserialize)]
struct Read {
    sha256: String,
    octets: u64,
    this_update: String,
    next_update: Option<String>,
    crl_number: Option<u64>,
    base_crl_number: Option<u64>,
    /// serial number, revocationDate, reason; of those with a positive serial number.
    entries: Vec<[String; 3]>,
    negative: u64,
}

fn estelam(arguments: &[&str]) -> Finished {
    run(Command::new(env!("CARGO_BIN_EXE_estelam")).args(arguments))
}

fn pkits() -> BTreeMap<String, Read> {
    let told = run(python().args(["-c", include_str!("crl_show.py")])).expect(0);
    serde_json::from_str(&told.stdout).expect("what crl_show.py writes")
}

#[test]
fn every_crl_of_pkits_is_shown_as_others_read_it() {
    let crls = pkits();
    assert!(crls.len() > 150, "{}", crls.len());
    for (path, read) in &crls {
        // Its signatureValue has unused bits, which no algorithm leaves.
        if path.ends_with("/BadCRLSignatureCACRL.crl") {
            estelam(&["crl", "show", path])
                .expect(5)
                .says(&["BIT STRING"]);
            continue;
        }
        let shown = estelam(&["crl", "show", path, "--json"]).expect(0).json();
        let number = |field: &str| {
            let text = shown[field].as_str()?;
            let (_, decimal) = text.split_once('(')?;
            decimal.trim_end_matches(')').parse::<u64>().ok()
        };
        for (field, due) in [
            ("sha256", json!(read.sha256)),
            ("octets", json!(read.octets)),
            ("this_update", json!(read.this_update)),
            ("next_update", json!(read.next_update)),
            ("entries", json!(read.negative + read.entries.len() as u64)),
            ("bad_entries", json!(0)),
            ("version", json!(2)),
        ] {
            assert_eq!(shown[field], due, "{path}: {field}");
        }
        assert_eq!(number("base_crl_number"), read.base_crl_number, "{path}");
        // The long ones are compared as hexadecimal digits by the reader's own tests.
        if read.crl_number.is_some_and(|number| number < 1 << 32) {
            assert_eq!(number("crl_number"), read.crl_number, "{path}");
        }

        let listed = estelam(&["crl", "show", path, "--entries", "--json"]).expect(0);
        let listed: Vec<[String; 3]> = (listed.stdout.lines())
            .map(|line| serde_json::from_str::<Value>(line).expect("an entry a line"))
            .map(|entry| {
                ["serial", "revocation_date", "reason"]
                    .map(|field| entry[field].as_str().expect("text").to_owned())
            })
            .filter(|[serial, ..]| !serial.starts_with("negative"))
            .collect();
        assert_eq!(listed, read.entries, "{path}");
    }
}

#[test]
fn what_differs_between_two_crls_is_told() {
    let crls = pkits();
    let path = |name: &str| {
        let wanted = format!("/{name}CRL.crl");
        let found = crls.keys().find(|path| path.ends_with(&wanted));
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let (full, delta) = (path("deltaCRLCA1"), path("deltaCRLCA1delta"));
    estelam(&["crl", "diff", &full, &full])
        .expect(0)
        .says(&["0 added, 0 removed, 0 changed"]);
    let differs = estelam(&["crl", "diff", &full, &delta, "--json"]).expect(7);
    let told = differs.json();
    let serials = |list: &Value, part: Option<&str>| -> Vec<String> {
        let entries = list.as_array().expect("a list").iter();
        let entry = |item: &Value| match part {
            None => item["serial"].as_str().map(str::to_owned),
            Some(part) => item[part]["serial"].as_str().map(str::to_owned),
        };
        entries.map(|item| entry(item).expect("a serial")).collect()
    };
    // From the certificates of PKITS 4.15: which test each serial number is for.
    let of = |read: &Read| -> BTreeMap<String, [String; 3]> {
        let by_serial = |entry: &[String; 3]| (entry[0].clone(), entry.clone());
        read.entries.iter().map(by_serial).collect()
    };
    let (old, new) = (of(&crls[&full]), of(&crls[&delta]));
    let only = |one: &BTreeMap<String, [String; 3]>, other: &BTreeMap<String, [String; 3]>| {
        let missing = one.keys().filter(|serial| !other.contains_key(*serial));
        missing.cloned().collect::<Vec<_>>()
    };
    assert!(!new.is_empty() && !old.is_empty());
    assert_eq!(serials(&told["added"], None), only(&new, &old));
    assert_eq!(serials(&told["removed"], None), only(&old, &new));
    let changed: Vec<String> = (old.iter())
        .filter(|(serial, entry)| new.get(*serial).is_some_and(|other| other != *entry))
        .map(|(serial, _)| serial.clone())
        .collect();
    assert_eq!(serials(&told["changed"], Some("new")), changed);
}

#[test]
fn one_entry_is_found_and_what_is_no_crl_is_told() {
    let crls = pkits();
    let (path, read) = (crls.iter())
        .find(|(_, read)| !read.entries.is_empty())
        .expect("one with entries");
    let [serial, time, reason] = &read.entries[0];
    estelam(&["crl", "show", path, "--serial", serial])
        .expect(0)
        .says(&[serial, time, reason]);
    estelam(&["crl", "show", path, "--serial", "7FFFFF"])
        .expect(7)
        .says(&["no entry has the serial number 7FFFFF"]);
    estelam(&["crl", "show", path, "--serial", "xyz"]).expect(2);
    estelam(&["crl", "show", "/nowhere/ca.crl"]).expect(2);
    estelam(&["crl", "show", "/tmp"]).expect(2);
    estelam(&["crl", "show", "/dev/null"])
        .expect(5)
        .says(&["it is empty"]);

    let folder = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(path).expect("the CRL");
    let cut = folder.path().join("cut.crl");
    std::fs::write(&cut, &whole[..whole.len() - 1]).expect("written");
    estelam(&["crl", "show", text(&cut)])
        .expect(5)
        .says(&["cut short"]);

    // PEM, by standard input.
    let pem = folder.path().join("ca.pem");
    run(tool("openssl").args(["crl", "-inform", "DER", "-in", path, "-out", text(&pem)])).expect(0);
    let pem = std::fs::read_to_string(&pem).expect("PEM");
    let mut piped = Command::new(env!("CARGO_BIN_EXE_estelam"));
    run_with_input(piped.args(["crl", "show", "-"]), &pem)
        .expect(0)
        .says(&["standard input: ", &read.sha256, "thisUpdate"]);
}
