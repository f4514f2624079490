//! A manifest of CRLs: nothing is believed that the key did not sign, and what is read leads nowhere but
//! below the mirror's folder.
#![no_main]

use std::path::Path;

use estelam::audit::VerifierKey;
use estelam::publish::{Manifest, ServedPath};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

/// Whose private half nobody here has: golang.org/x/mod/sumdb/note, its package documentation.
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fuzz_target!(|octets: &[u8]| {
    let key = VerifierKey::parse(VKEY).expect("a key");
    budget::within(budget::for_input(octets), || {
        assert!(Manifest::verified(octets, &key).is_err());
        let Ok(manifest) = Manifest::unverified(octets) else {
            return;
        };
        let mut places = Vec::new();
        for crl in &manifest.crls {
            let place = ServedPath::parse(crl.path()).expect("it was judged");
            assert!(place.below(Path::new("/srv")).starts_with("/srv"));
            places.push(place);
        }
        places.sort();
        assert!(
            places.windows(2).all(|two| two[0] != two[1]),
            "two in one place"
        );
    });
});
