//! `index.txt`: every line is counted once, what is accepted is what the line says in so many words, and
//! written again as OpenSSL writes it, it is understood in the same way.
#![no_main]

use std::collections::BTreeSet;

use estelam::asn1::{CrlReason, UnixTime};
use estelam::change::{Action, Change, RevocationClaim};
use estelam::feed::{Findings as _, Index};
use estelam::identity::{IssuerId, SerialHash};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

const ISSUER: IssuerId = IssuerId::from_bytes([7; 32]);

fuzz_target!(|text: &[u8]| {
    let index = budget::within(budget::for_input(text), || read(text));
    let records: Vec<_> = index.records().collect();
    let problems = index.problems();
    for problem in problems.first() {
        let shown = problem.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
    let accepted = records.len() as u64 + index.repeated();
    // A repetition that contradicts another line is one problem, like any other bad line.
    assert_eq!(accepted + problems.total(), index.line_count());
    let serials: BTreeSet<_> = records.iter().map(|record| record.change.serial).collect();
    assert_eq!(serials.len(), records.len(), "a serial is there twice");
    // The order of the ledger.
    assert!(records.is_sorted_by_key(|record| {
        SerialHash::new(&ISSUER, record.change.serial.as_bytes()).order()
    }));

    let lines: Vec<_> = text.split(|octet| *octet == b'\n').collect();
    let mut printed = String::new();
    for record in &records {
        check(lines[record.line as usize - 1], &record.change);
        print(&record.change, &mut printed);
    }
    let again = read(printed.as_bytes());
    assert_eq!(
        again.problems().total(),
        0,
        "{printed}{:?}",
        again.problems().first()
    );
    let again: Vec<_> = again.records().map(|record| record.change).collect();
    let changes: Vec<_> = records.iter().map(|record| record.change).collect();
    assert_eq!(again, changes);
});

fn read(text: &[u8]) -> Index {
    Index::read(text, ISSUER).expect("memory can be read")
}

/// Compares words, where the reader compares values.
fn check(line: &[u8], change: &Change) {
    // A tab behind a backslash is text, and none of the first four fields may have one.
    let fields: Vec<_> = line.splitn(5, |octet| *octet == b'\t').collect();
    let [status, not_after, revocation, serial, _] = fields[..] else {
        panic!("a line with too few fields is accepted");
    };
    let (said_inventory, said_claim) = match change.action {
        Action::Issue(inventory) => (Some(inventory), None),
        Action::Revoke { claim, inventory } => (inventory, Some(claim)),
        Action::Release | Action::Correct(_) => (None, None),
    };
    let said_not_after = said_inventory.and_then(|inventory| inventory.not_after);
    assert_eq!(Some(long_form(not_after)), said_not_after.map(generalized));
    let serial = std::str::from_utf8(serial)
        .expect("ASCII")
        .to_ascii_uppercase();
    let said_serial = change.serial.to_string();
    assert_eq!(
        serial.trim_start_matches('0'),
        said_serial.trim_start_matches('0')
    );
    assert_eq!(status == b"R", said_claim.is_some());
    let Some(claim) = said_claim else {
        assert!((status == b"V" || status == b"E") && revocation.is_empty());
        return;
    };
    let words = std::str::from_utf8(revocation)
        .expect("ASCII")
        .to_ascii_lowercase();
    let words: Vec<_> = words.splitn(3, ',').collect();
    assert_eq!(
        long_form(words[0].to_uppercase().as_bytes()),
        generalized(claim.revocation_time)
    );
    let reason = claim.reason.map_or(0, CrlReason::code);
    let expected = match words.get(1).copied().unwrap_or("unspecified") {
        "unspecified" | "removefromcrl" => 0,
        "keycompromise" | "keytime" => 1,
        "cacompromise" | "cakeytime" => 2,
        "affiliationchanged" => 3,
        "superseded" => 4,
        "cessationofoperation" => 5,
        "certificatehold" | "holdinstruction" => 6,
        "privilegewithdrawn" => 9,
        "aacompromise" => 10,
        other => panic!("{other} is no reason"),
    };
    assert_eq!(reason, expected);
    let since = words.get(2).filter(|_| words[1].ends_with("keytime"));
    assert_eq!(
        since.map(|since| since.to_uppercase()),
        claim.invalidity_date.map(generalized)
    );
}

fn long_form(date: &[u8]) -> String {
    let date = std::str::from_utf8(date).expect("ASCII");
    match date.len() {
        13 if date < "5" => format!("20{date}"),
        13 => format!("19{date}"),
        _ => date.to_owned(),
    }
}

fn generalized(time: UnixTime) -> String {
    String::from_utf8(time.to_generalized_time().to_vec()).expect("ASCII")
}

/// As `openssl ca` does: `make_revocation_str` of `apps/ca.c`.
fn print(change: &Change, out: &mut String) {
    let (inventory, claim) = match change.action {
        Action::Issue(inventory) => (inventory, None),
        Action::Revoke { claim, inventory } => {
            (inventory.expect("an index knows notAfter"), Some(claim))
        }
        Action::Release | Action::Correct(_) => panic!("index.txt knows no release"),
    };
    let not_after = time(inventory.not_after.expect("an index knows notAfter"));
    let serial = change.serial;
    match claim {
        None => out.push_str(&format!("V\t{not_after}\t\t{serial}\tunknown\t/CN=a\n")),
        Some(claim) => {
            let revocation = revocation(&claim);
            out.push_str(&format!(
                "R\t{not_after}\t{revocation}\t{serial}\tunknown\t/CN=a\n"
            ));
        }
    }
}

fn revocation(claim: &RevocationClaim) -> String {
    let date = time(claim.revocation_time);
    let key_time = claim.invalidity_date.map(generalized);
    match (claim.reason, key_time) {
        (None, None) => date,
        (Some(CrlReason::KeyCompromise), Some(since)) => format!("{date},keyTime,{since}"),
        (Some(CrlReason::CaCompromise), Some(since)) => format!("{date},CAkeyTime,{since}"),
        (Some(CrlReason::CertificateHold), None) => {
            format!("{date},holdInstruction,1.2.840.10040.2.1")
        }
        (Some(reason), None) => format!("{date},{}", name(reason)),
        (reason, Some(_)) => panic!("{reason:?} comes with no time"),
    }
}

fn name(reason: CrlReason) -> &'static str {
    match reason.code() {
        1 => "keyCompromise",
        2 => "CACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        9 => "privilegeWithdrawn",
        10 => "AACompromise",
        code => panic!("reason {code} cannot come from index.txt"),
    }
}

/// UTCTime until 2049, GeneralizedTime from then on.
fn time(time: UnixTime) -> String {
    let text = generalized(time);
    if ("1950".."2050").contains(&&text[..4]) {
        text[2..].to_owned()
    } else {
        text
    }
}
