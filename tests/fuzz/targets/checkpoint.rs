//! A signed note, a checkpoint, a verifier key and a proof: there is one way to write each, and nothing
//! is believed that is not signed.
#![no_main]

use estelam::audit::{Checkpoint, TlogProof, VerifierKey, verified_text};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

/// The key of the seed's note: golang.org/x/mod/sumdb/note, its package documentation.
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    let key = VerifierKey::parse(VKEY).expect("a key");
    budget::within(budget::for_input(octets), || {
        if let Ok(signed) = verified_text(text, &key) {
            assert_eq!(signed, TEXT, "it has signed nothing else");
        }
        assert!(Checkpoint::verified(text, &key).is_err());
    });
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
    }
    if let Some(proof) = TlogProof::parse(text) {
        assert_eq!(TlogProof::parse(&proof.to_string()), Some(proof));
    }
});
