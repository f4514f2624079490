//! `index.txt`: every line is counted once, and what was understood of it, written as OpenSSL writes it,
//! is understood in the same way.
#![no_main]

use std::collections::BTreeSet;

use estelam::asn1::{CrlReason, UnixTime};
use estelam::change::{Action, Change, RevocationClaim};
use estelam::feed::{Findings as _, Index};
use estelam::identity::IssuerId;
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
    assert!(records.is_sorted_by_key(|record| record.line));

    let mut printed = String::new();
    for record in &records {
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

/// As `openssl ca` does: `make_revoked` and `do_updatedb` of `apps/ca.c`.
fn print(change: &Change, out: &mut String) {
    let (inventory, claim) = match change.action {
        Action::Issue(inventory) => (inventory, None),
        Action::Revoke { claim, inventory } => {
            (inventory.expect("an index knows notAfter"), Some(claim))
        }
        Action::Release => panic!("index.txt knows no release"),
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
    let key_time = claim
        .invalidity_date
        .map(|time| String::from_utf8(time.to_generalized_time().to_vec()).expect("ASCII"));
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
    let text = String::from_utf8(time.to_generalized_time().to_vec()).expect("ASCII");
    if ("1950".."2050").contains(&&text[..4]) {
        text[2..].to_owned()
    } else {
        text
    }
}
