//! What the server and the signing process say to each other: there is one way to write each, nothing is
//! longer than what it came from, and no octets stop a reader.
#![no_main]

use estelam::signer::process::{Reply, Request, decode_any};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((kind, payload)) = octets.split_first() else {
        return;
    };
    budget::within(budget::for_input(octets), || {
        let request = Request::decode(*kind, payload);
        let reply = Reply::decode(*kind, payload);
        assert!(request.is_err() || reply.is_err(), "it is both");
        // Writes it again, and compares.
        assert_eq!(
            decode_any(*kind, payload).is_ok(),
            request.is_ok() || reply.is_ok()
        );
    });
});
