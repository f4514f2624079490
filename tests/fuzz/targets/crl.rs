//! A CRL, in DER or PEM: what is heard on the way is what was there, nothing may be missing or follow, and
//! x509-cert reads the same.
#![no_main]

use std::io::{self, BufRead, Cursor};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use estelam::asn1::{Certificate, UnixTime};
use estelam::crl::{CrlExtensions, CrlReader, Entry, Head, Limits, Tail, Tap};
use estelam::feed::Authority;
use estelam::feed::crl::{CrlInput, CrlJudgement, verify};
use estelam_fuzz::budget;
use libfuzzer_sys::fuzz_target;
use x509_cert::certificate::Raw;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, Encode};

/// The window, and the tables of a PEM reader.
const CONSTANT_OCTETS: usize = 512 << 10;

fuzz_target!(|input: &[u8]| {
    let budget = budget::for_input(input).saturating_add(CONSTANT_OCTETS);
    let Some(ours) = budget::within(budget, || read(input)) else {
        return;
    };
    verify_it(input, &ours);
    let der = &ours.heard.whole;
    if input[0] == 0x30 {
        assert_eq!(der, input);
        let text = STANDARD.encode(input);
        let pem = format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n");
        let again = read(pem.as_bytes()).expect("the same in PEM");
        assert_eq!(again.heard.tbs, ours.heard.tbs);
        assert!(read(&input[..input.len() - 1]).is_none(), "one octet less");
        assert!(read(&[input, &[0]].concat()).is_none(), "one octet more");
    }
    let start = der
        .windows(ours.heard.tbs.len())
        .position(|part| part == ours.heard.tbs);
    assert!(
        start.is_some_and(|start| start < 8),
        "tbsCertList comes first"
    );
    if let Ok(theirs) = CertificateList::<Raw>::from_der(der) {
        compare(&ours, &theirs);
    }
});

static ISSUER: LazyLock<Certificate> = LazyLock::new(|| {
    let pem = include_bytes!("../../../fixtures/ocsp/ca.pem");
    Certificate::from_pem(pem).expect("the fixture")
});

/// What can be read to its end is judged to its end, also against itself, from which nothing came or left.
fn verify_it(input: &[u8], ours: &Whole) {
    let open = || -> io::Result<Box<dyn BufRead>> { Ok(Box::new(Cursor::new(input.to_vec()))) };
    let (mut judged, mut base, mut previous) = (open, open, open);
    let judgement = CrlJudgement {
        authority: Authority {
            id: ISSUER.issuer_id(),
            certificate: &ISSUER,
            crl_signers: &[],
            crl_issuers: &[],
        },
        base: Some(CrlInput {
            open: &mut base,
            again: true,
        }),
        previous: Some(CrlInput {
            open: &mut previous,
            again: true,
        }),
        certificates: &[Certificate::clone(&ISSUER)],
        now: UnixTime::from_secs(1_800_000_000).expect("a time"),
    };
    let input = CrlInput {
        open: &mut judged,
        again: true,
    };
    let verdict = verify(input, judgement).expect("it was read before");
    let (_, entries) = verdict.size.expect("it was read to its end");
    assert_eq!(entries, ours.tail.entry_count);
    if let Some(succession) = verdict.succession {
        assert_eq!((succession.came, succession.left), (0, 0));
    }
}

struct Whole {
    head: Head,
    entries: Vec<Option<Listed>>,
    extensions: Option<CrlExtensions>,
    tail: Tail,
    heard: Heard,
}

struct Listed {
    serial: Vec<u8>,
    secs: Option<u64>,
    reason: Option<u8>,
}

#[derive(Default)]
struct Heard {
    whole: Vec<u8>,
    tbs: Vec<u8>,
}

impl Tap for Heard {
    fn whole(&mut self, octets: &[u8]) {
        self.whole.extend_from_slice(octets);
    }

    fn tbs(&mut self, octets: &[u8]) {
        self.tbs.extend_from_slice(octets);
    }
}

fn read(input: &[u8]) -> Option<Whole> {
    let mut reader = CrlReader::open(input, Limits::MOST).ok()?;
    let head = reader.head().clone();
    let mut heard = Heard::default();
    let mut entries = Vec::new();
    while let Some(raw) = reader.next_entry(&mut heard).ok()? {
        entries.push(raw.decode().ok().map(|entry| listed(&entry)));
        assert_eq!(raw.number as usize, entries.len());
    }
    let tail = reader.finish(&mut heard).ok()?;
    assert_eq!(tail.entry_count as usize, entries.len());
    Some(Whole {
        head,
        entries,
        extensions: tail.extensions().ok(),
        tail,
        heard,
    })
}

fn listed(entry: &Entry<'_>) -> Listed {
    Listed {
        serial: entry.serial_number.to_vec(),
        secs: entry
            .revocation_date
            .to_unix()
            .ok()
            .map(|date| date.as_secs()),
        reason: entry.extensions.reason_code,
    }
}

fn compare(ours: &Whole, theirs: &CertificateList<Raw>) {
    let tbs = &theirs.tbs_cert_list;
    assert_eq!(ours.head.issuer_der, der(&tbs.issuer));
    assert_eq!(ours.head.signature_algorithm_der, der(&tbs.signature));
    assert_eq!(
        ours.head.this_update.as_secs(),
        tbs.this_update.to_unix_duration().as_secs()
    );
    assert_eq!(
        ours.head.next_update.map(|time| time.as_secs()),
        tbs.next_update
            .map(|time| time.to_unix_duration().as_secs())
    );
    assert_eq!(Some(&*ours.tail.signature), theirs.signature.as_bytes());
    let list = tbs.revoked_certificates.as_deref().unwrap_or_default();
    assert_eq!(ours.entries.len(), list.len());
    for (ours, theirs) in ours.entries.iter().zip(list) {
        let Some(ours) = ours else { continue };
        assert_eq!(ours.serial, theirs.serial_number.as_bytes());
        let secs = theirs.revocation_date.to_unix_duration().as_secs();
        assert_eq!(ours.secs, Some(secs));
        let mut list = theirs.crl_entry_extensions.iter().flatten();
        let reason = list.find(|one| one.extn_id.to_string() == "2.5.29.21");
        let reason = reason.map(|one| one.extn_value.as_bytes()[2]);
        assert_eq!(ours.reason, reason);
    }
    if let Some(ours) = &ours.extensions {
        let has = |oid: &str| {
            let mut list = tbs.crl_extensions.iter().flatten();
            list.any(|one| one.extn_id.to_string() == oid)
        };
        assert_eq!(ours.crl_number.is_some(), has("2.5.29.20"));
        assert_eq!(ours.base_crl_number.is_some(), has("2.5.29.27"));
        assert_eq!(ours.issuing_distribution_point.is_some(), has("2.5.29.28"));
    }
}

fn der(value: &impl Encode) -> Vec<u8> {
    value.to_der().expect("it was decoded")
}
