//! Batches that are pushed: every entry of a batch that is taken has one outcome, and one that is read as
//! JSON says the same as lines.
#![no_main]

use std::sync::LazyLock;

use estelam::asn1::{Certificate, UnixTime, pem_blocks};
use estelam::feed::push::{BatchError, ENTRIES_MAX, Form, PushIssuer, Pushed, Reading};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;

/// An issuer's certificate and one that it issued; `certificates.rs` says how they were made.
static ISSUED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    pem_blocks(include_bytes!("../src/issued.pem"))
        .map(|block| Certificate::from_der(block.expect("PEM").der).expect("a certificate"))
        .collect()
});

// The first octet chooses the form and how many issuers there are.
fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else {
        return;
    };
    let issuer = |name, certificate: &'static Certificate| PushIssuer {
        name,
        id: certificate.issuer_id(),
        certificate,
    };
    let issuers = [issuer("a", &ISSUED[0]), issuer("b", &ISSUED[1])];
    let count = usize::from(choice >> 1 & 1) + 1;
    let reading = Reading {
        issuers: &issuers[..count],
        now: UnixTime::from_secs(1_790_000_000).expect("a time"),
    };
    let form = if choice & 1 == 0 {
        Form::Lines
    } else {
        Form::Json
    };
    let read = budget::within(budget::for_input(body) + (256 << 10), || {
        reading.read(body, form)
    });
    let pushed = match read {
        Ok(pushed) => pushed,
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            if let BatchError::TooManyEntries = error {
                assert!(body.len() > ENTRIES_MAX);
            }
            return;
        }
    };
    for one in &pushed {
        if let Pushed::Refused(refusal) = one {
            assert!(!refusal.detail.contains(char::is_control), "{refusal:?}");
            assert!(refusal.detail.len() < 4_096, "{refusal:?}");
        }
    }
    if form == Form::Lines {
        let lines = body.split(|octet| *octet == b'\n');
        let entries: Vec<&[u8]> = lines.filter(|line| !line.trim_ascii().is_empty()).collect();
        assert_eq!(entries.len(), pushed.len());
        let array = [b"[", &entries.join(&b","[..])[..], b"]"].concat();
        assert_eq!(reading.read(&array, Form::Json), Ok(pushed));
    }
});
