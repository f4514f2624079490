//! The request in a GET path, beside a plain reading of the rules: percent-decode once; drop one slash
//! that separates and one too many; take both alphabets, and padding that is whole, partial or missing;
//! refuse everything else, and bits that belong to no octet.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use estelam::ocsp::decode_get_path;
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let mut out = vec![0; raw.len() + 3];
    let written = budget::within(0, || decode_get_path(raw, &mut out)).ok();
    let ours = written.map(|len| out[..len].to_vec());
    assert_eq!(ours, reference(raw));

    if let Some(ours) = ours {
        // A buffer that is exactly large enough is, and one octet less is too small.
        let mut exact = vec![0; ours.len()];
        assert_eq!(decode_get_path(raw, &mut exact), Ok(ours.len()));
        assert!(decode_get_path(raw, &mut exact[1..]).is_err());
    }
});

fn reference(raw: &[u8]) -> Option<Vec<u8>> {
    let text = percent_decode(raw)?;
    let text = text.strip_prefix("/").unwrap_or(&text);
    let text = text.strip_prefix("/").unwrap_or(text);
    let characters = text.trim_end_matches('=');
    let padding = text.len() - characters.len();
    if padding > (4 - characters.len() % 4) % 4 {
        return None;
    }
    let standard = characters.replace('-', "+").replace('_', "/");
    let octets = STANDARD_NO_PAD.decode(standard).ok()?;
    (!octets.is_empty()).then_some(octets)
}

fn percent_decode(raw: &[u8]) -> Option<String> {
    let mut octets = Vec::new();
    let mut rest = raw.iter();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digits = [*rest.next()?, *rest.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(octets).ok()
}
