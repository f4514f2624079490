//! A damaged segment: flipped, copied, swapped, wiped octets anywhere in a file whose records are known.
//! No lookup may give a wrong answer, and none may take a certificate for one that was never issued.
//!
//! The octets written are not those of the input, so that libFuzzer cannot copy a checksum that it saw
//! in a comparison: forging is another matter than damage, and `segment_forged` its target.
#![no_main]

use std::fs;

use estelam::segment::Segment;
use estelam_fuzz::cursor::Cursor;
use estelam_fuzz::specimen::{self, SHA256};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|damages: &[u8]| {
    let mut octets = specimen::OCTETS.to_vec();
    let mut damages = Cursor(damages);
    while !damages.is_empty() {
        damage(&mut octets, &mut damages);
    }
    let folder = estelam_fuzz::folder();
    fs::write(folder.join(specimen::file_name()), &octets).expect("the file is written");
    // The length stands in the catalog's manifest.
    let len = specimen::OCTETS.len() as u64;
    match Segment::open(folder, *SHA256, len) {
        Ok(segment) => specimen::assert_never_wrong(&segment),
        Err(error) => assert_ne!(octets, specimen::OCTETS, "{error}"),
    }
});

fn damage(octets: &mut Vec<u8>, choices: &mut Cursor<'_>) {
    let kind = choices.octet();
    let place = usize::from(choices.short()) % octets.len().max(1);
    let value = choices.octet();
    let len = usize::from(value) + 1;
    let end = (place + len).min(octets.len());
    match kind % 8 {
        0 | 1 => octets[place] ^= 1 << (value & 7),
        2 => octets[place] ^= (value.wrapping_mul(167) ^ kind) | 1,
        3 => octets[place..end].fill(0),
        4 => octets[place..end].fill(0xff),
        5 => {
            let from = usize::from(choices.short()) % octets.len();
            let len = len.min(octets.len() - from).min(octets.len() - place);
            octets.copy_within(from..from + len, place);
        }
        6 => {
            let other = usize::from(choices.short()) % octets.len();
            let distance = place.abs_diff(other);
            let first = place.min(other);
            let len = len.min(distance).min(octets.len() - place.max(other));
            for at in first..first + len {
                octets.swap(at, at + distance);
            }
        }
        // Cut short or grown: seldom, since it is refused at once.
        _ if kind == 7 => octets.truncate(place.max(1)),
        _ if kind == 15 => octets.extend(vec![value; len]),
        _ => octets[place..end]
            .iter_mut()
            .for_each(|octet| *octet = !*octet),
    }
}
