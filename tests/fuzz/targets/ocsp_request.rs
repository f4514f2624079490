//! An OCSPRequest, octet by octet: read without allocating, read as another implementation reads it, and
//! answered about the certificates that it asks about.
#![no_main]

use estelam::ocsp::{OcspRequest, RequestLimits};
use estelam_fuzz::{budget, ocsp, world};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let limits = RequestLimits::default();
    let request = budget::within(0, || {
        let request = OcspRequest::decode(body, &limits);
        if let Ok(request) = &request {
            let count = request.cert_ids().count();
            assert!((1..=limits.cert_ids_max).contains(&count));
        }
        request
    });
    ocsp::compare(body, request.as_ref());
    world::ask(body, world::time(world::THIS_UPDATE));
});
