//! An entry of the ledger: there is one way to write each.
#![no_main]

use estelam::ledger::Entry;
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let entry = budget::within(budget::for_input(octets), || Entry::decode(octets));
    let Ok(entry) = entry else {
        return;
    };
    let mut again = Vec::new();
    entry
        .encode(&mut again)
        .expect("what was read can be written");
    assert_eq!(again, octets);
});
