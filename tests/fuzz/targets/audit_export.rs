//! An exported log, behind an octet that says what is made right: nothing is believed that was not
//! signed, however its own hashes fit.
#![no_main]

use estelam::audit::{VerifierKey, export::verify};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

/// The key of the seed's log; it has signed nothing else.
const VKEY: &str = include_str!("../seeds/audit_export.vkey");

fuzz_target!(|octets: &[u8]| {
    let key = VerifierKey::parse(VKEY).expect("a key");
    let mut input = octets;
    let budget = budget::for_input(octets);
    let report = budget::within(budget, || verify(&mut input, &key, &mut |_, _| {}));
    if let Ok(report) = report {
        // The checkpoint of the seed is the only one that there is.
        assert!(report.checkpoint.head.size > 0);
        if report.faults.is_empty() {
            assert!(input.is_empty(), "what is left over was not signed");
        }
    }
});
