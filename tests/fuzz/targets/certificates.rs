//! Files of certificates: whatever they hold, every certificate is counted once, none is accepted but
//! those that the issuer signed, and a good file beside a bad one is still read.
//!
//! The issuer and its certificate are in `src/issued.pem`, made by OpenSSL 3.0:
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem \
//!     -subj "/CN=Fuzzed CA" -days 36500 -set_serial 0x5001 \
//!     -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
//! openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=leaf |
//!     openssl x509 -req -CA ca.pem -CAkey ca.key -set_serial 0x5002 -days 36500 -out leaf.pem
//! cat ca.pem leaf.pem > src/issued.pem
//! ```
#![no_main]

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use estelam::asn1::{Certificate, pem_blocks};
use estelam::change::Action;
use estelam::feed::certificates::{CERTIFICATE_OCTETS_MAX, Issuers, stream::FileHead};
use estelam::feed::{Certificates, Findings as _};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

static PEM: &[u8] = include_bytes!("../src/issued.pem");

/// The issuer's own certificate and the one it issued.
static ISSUED: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    pem_blocks(PEM)
        .map(|block| Certificate::from_der(block.expect("PEM").der).expect("a certificate"))
        .collect()
});

// Behind an `=` it is a whole stream of files, else the content of one.
fuzz_target!(|input: &[u8]| {
    let known = &*ISSUED;
    let issuers = Issuers::any_of(&[&known[0]]);
    if let Some(stream) = input.strip_prefix(b"=") {
        if let Ok(found) = read(stream, &issuers) {
            check(&found);
        }
        return;
    }
    let mut stream = Vec::new();
    for (name, content) in [("given", input), ("good.pem", PEM)] {
        let head = FileHead {
            file: name.to_owned(),
            octets: content.len() as u64,
            unreadable: None,
        };
        stream.extend(head.to_line());
        stream.extend(content);
    }
    let found = read(&stream, &issuers).expect("the stream is whole");
    check(&found);
    assert_eq!(found.records().count(), known.len(), "the good file counts");
    // At least one certificate or problem for each file.
    assert!(found.line_count() >= known.len() as u64 + 1);
});

fn read(stream: &[u8], issuers: &Issuers<'_>) -> std::io::Result<Certificates> {
    let budget = budget::for_input(stream) + 2 * CERTIFICATE_OCTETS_MAX + (64 << 10);
    budget::within(budget, || {
        Certificates::read(stream, issuers, NonZeroUsize::MIN)
    })
}

fn check(found: &Certificates) {
    let records: Vec<_> = found.records().collect();
    let accepted = records.len() as u64 + found.repeated();
    assert_eq!(accepted + found.problems().total(), found.line_count());
    assert_eq!(found.passed_over(), 0, "the issuer signed its own");
    for problem in found.problems().first() {
        let cause = problem.cause.to_string();
        assert!(!cause.contains(char::is_control), "{cause:?}");
    }
    for record in &records {
        let Action::Issue(inventory) = record.change.action else {
            panic!("a certificate says that it was issued");
        };
        let same = ISSUED
            .iter()
            .find(|known| inventory.certificate_sha256 == Some(Sha256::digest(known.der()).into()))
            .expect("the issuer never signed this");
        assert_eq!(record.change.issuer, ISSUED[0].issuer_id());
        assert_eq!(record.change.serial.as_bytes(), same.serial_number());
        assert_eq!(inventory.not_before, Some(same.not_before()));
        assert_eq!(inventory.not_after, Some(same.not_after()));
    }
}
