//! Well-formed requests in every combination of hash, issuer, serial and time, each answered from a
//! catalog whose answers are known.
#![no_main]

use estelam::ocsp::HashAlgorithm;
use estelam_fuzz::cursor::Cursor;
use estelam_fuzz::der::tlv;
use estelam_fuzz::world;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|choices: &[u8]| {
    let mut choices = Cursor(choices);
    let now = match choices.octet() % 6 {
        0 => world::THIS_UPDATE - 1,
        1 => world::THIS_UPDATE,
        2 => world::NEXT_UPDATE - 1,
        3 => world::NEXT_UPDATE,
        4 => world::THIS_UPDATE + 86_400,
        _ => world::THIS_UPDATE + u64::from(choices.short()) * 6,
    };
    // Nearly always one, sometimes more than are allowed.
    let count = match choices.octet() {
        more @ 1..=10 => more,
        _ => 1,
    };
    let requests: Vec<u8> = (0..count)
        .flat_map(|_| tlv(0x30, &[&cert_id(&mut choices)]))
        .collect();
    let extensions = match choices.octet() {
        0 => Vec::new(),
        len => {
            let nonce = tlv(0x04, &[&vec![0xaa; usize::from(len)]]);
            let oid = hex_literal::hex!("0609 2b0601050507300102");
            let extension = tlv(0x30, &[&oid, &tlv(0x04, &[&nonce])]);
            tlv(0xa2, &[&tlv(0x30, &[&extension])])
        }
    };
    let body = tlv(
        0x30,
        &[&tlv(0x30, &[&tlv(0x30, &[&requests]), &extensions])],
    );
    world::ask(&body, world::time(now));
});

fn cert_id(choices: &mut Cursor<'_>) -> Vec<u8> {
    let form = choices.octet();
    let algorithm = HashAlgorithm::ALL[usize::from(form & 3)];
    // MD5, which nobody is known by here.
    let is_known = form & 0x70 != 0x70;
    let oid = if is_known {
        algorithm.oid()
    } else {
        &hex_literal::hex!("2a864886f70d0205")
    };
    let null: &[u8] = if form & 4 == 0 { &[0x05, 0x00] } else { &[] };
    let algorithm_identifier = tlv(0x30, &[&tlv(0x06, &[oid]), null]);

    let which = choices.octet();
    let of = |which: u8| {
        world::ISSUERS
            .get(usize::from(which & 3))
            .copied()
            .unwrap_or((b"x", b"x"))
    };
    let (subject, key) = (
        of(which).0,
        of(if which & 0x80 == 0 { which } else { which >> 2 }).1,
    );
    let mut name_hash = algorithm.digest(subject).as_bytes().to_vec();
    let key_hash = algorithm.digest(key).as_bytes().to_vec();
    if which & 0x70 == 0x70 {
        // One bit beside the issuer.
        let bit = usize::from(choices.octet()) % (name_hash.len() * 8);
        name_hash[bit / 8] ^= 1 << (bit % 8);
    }

    let serial = match world::SERIALS.get(usize::from(choices.octet())) {
        Some((serial, _)) => serial.to_vec(),
        None => {
            let len = usize::from(choices.octet() % 24);
            choices.octets(len).to_vec()
        }
    };
    let parts = [
        algorithm_identifier,
        tlv(0x04, &[&name_hash]),
        tlv(0x04, &[&key_hash]),
        tlv(0x02, &[&serial]),
    ];
    tlv(0x30, &[&parts.concat()])
}
