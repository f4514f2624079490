//! The query of an admin request: what was understood of it, written again, means the same.
#![no_main]

use estelam::http::admin::Query;
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let query = budget::within(budget::for_input(text.as_bytes()), || Query::parse(text));
    let written = query.to_string();
    assert!(
        written
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'#')
    );
    assert_eq!(Query::parse(&written), query);
});
