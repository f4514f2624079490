//! A segment with nonsense in it and checksums that hold: no promise is made about its answers, but
//! nothing panics, loops or reads out of bounds, and a record is the one asked for.
#![no_main]

use std::fs;

use estelam::identity::SerialHash;
use estelam::segment::{Lookup, Segment};
use estelam_fuzz::{forge, specimen};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let mut octets = octets.to_vec();
    forge::segment(&mut octets);
    let folder = estelam_fuzz::folder();
    fs::write(folder.join(specimen::file_name()), &octets).expect("the file is written");
    let Ok(segment) = Segment::open(folder, *specimen::SHA256, octets.len() as u64) else {
        return;
    };
    let ask = |serial: &[u8]| {
        let hash = SerialHash::new(segment.issuer(), serial);
        if let Lookup::Found(record) = segment.lookup(hash, serial) {
            assert_eq!(record.serial(), serial);
        }
    };
    // A few thousand records can be claimed; some are enough.
    let mut response = Vec::new();
    for record in segment.iter().take(64).flatten() {
        ask(record.serial());
        for (column, template) in segment.templates().iter().enumerate() {
            let signature = record.signature(column).unwrap_or_default();
            // A signature of another length is refused.
            let _ = template.assemble(
                record.serial(),
                &record.status().into(),
                record.single_extensions(),
                signature,
                &mut response,
            );
        }
    }
    for serial in specimen::RECORDS.keys() {
        ask(serial);
    }
});
