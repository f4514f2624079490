//! An exported log: nothing is believed that was not signed, and a length takes no memory that is not
//! there.
#![no_main]

use estelam::audit::{VerifierKey, export::verify};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

/// The key of the seed's log (`estelam audit export` of two certificates); it has signed nothing else.
const VKEY: &str = "seed+09ea758c+AZlL7ZrhU+WaN/RVd4+1xrRJGjF9HcFKjEwOvVV5NsYU";

fuzz_target!(|octets: &[u8]| {
    let key = VerifierKey::parse(VKEY).expect("a key");
    let mut input = octets;
    let budget = budget::for_input(octets);
    let report = budget::within(budget, || verify(&mut input, &key, &mut |_, _| {}));
    if let Ok(report) = report {
        assert_eq!(
            report.checkpoint.head.size, 3,
            "the seed's is the only checkpoint"
        );
        assert!(input.is_empty(), "what is left over was not signed");
        assert!(report.entries <= 3);
    }
});
