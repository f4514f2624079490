use std::io::{BufReader, Read};

use hex_literal::hex;
use proptest::prelude::*;
use x509_cert::{
    crl::CertificateList,
    der::{Decode as _, Encode as _, EncodePem as _},
    ext::pkix::{self, name::DistributionPointName as TheirName},
};

use super::*;
use crate::asn1::{DerError, TimeError};

/// An element, written with no more knowledge than X.690 §8.1.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = match u32::try_from(content.len()).unwrap().to_be_bytes() {
        [0, 0, 0, len @ 0..0x80] => vec![tag, len],
        [0, 0, 0, len] => vec![tag, 0x81, len],
        [0, 0, high, low] => vec![tag, 0x82, high, low],
        [_, high, middle, low] => vec![tag, 0x83, high, middle, low],
    };
    der.extend_from_slice(content);
    der
}

/// A length as positions are counted.
fn octets(der: &[u8]) -> u64 {
    u64::try_from(der.len()).unwrap()
}

/// Exchanges a part.
type Exchange = fn(&mut Parts);

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

const ALGORITHM: &[u8] = &hex!("300a 0608 2a8648ce3d040302");
const NAME: &[u8] = &hex!("300e 310c 300a 0603 550403 0c03 626967");

/// A CRL in parts that tests exchange.
#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    name: Vec<u8>,
    this_update: Vec<u8>,
    next_update: Vec<u8>,
    entries: Option<Vec<Vec<u8>>>,
    extensions: Vec<u8>,
    outer_algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    fn new() -> Self {
        Self {
            version: hex!("0201 01").to_vec(),
            algorithm: ALGORITHM.to_vec(),
            name: NAME.to_vec(),
            this_update: tlv(0x17, b"260101000000Z"),
            next_update: tlv(0x17, b"260108000000Z"),
            entries: Some(vec![entry(&[0x01], &[]), entry(&[0x00, 0x80], REASON)]),
            extensions: extensions(&[&hex!("0603 551d14 0403 020107")]),
            outer_algorithm: ALGORITHM.to_vec(),
            signature: tlv(0x03, &[0, 0xaa, 0xbb]),
        }
    }

    fn tbs(&self) -> Vec<u8> {
        let entries = self.entries.as_ref();
        let entries = entries.map(|entries| tlv(0x30, &entries.concat()));
        sequence(&[
            &self.version,
            &self.algorithm,
            &self.name,
            &self.this_update,
            &self.next_update,
            &entries.unwrap_or_default(),
            &self.extensions,
        ])
    }

    fn der(&self) -> Vec<u8> {
        sequence(&[&self.tbs(), &self.outer_algorithm, &self.signature])
    }
}

/// keyCompromise
const REASON: &[u8] = &hex!("300c 300a 0603 551d15 0403 0a0101");

fn entry(serial: &[u8], extensions: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(2, serial), &tlv(0x17, b"251224120000Z"), extensions])
}

fn extensions(each: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = each.iter().flat_map(|one| tlv(0x30, one)).collect();
    tlv(0xa0, &tlv(0x30, &list))
}

/// Keeps what it hears.
#[derive(Default, Debug, PartialEq, Eq)]
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

/// What was read of a CRL.
#[derive(Debug)]
struct Whole {
    head: Head,
    entries: Vec<(Vec<u8>, String, Option<u8>)>,
    tail: Tail,
    heard: Heard,
}

fn read_from(input: impl std::io::BufRead) -> Result<Whole, CrlError> {
    let mut reader = CrlReader::open(input, Limits::MOST)?;
    let head = reader.head().clone();
    let mut heard = Heard::default();
    let mut entries = Vec::new();
    while let Some(raw) = reader.next_entry(&mut heard)? {
        let told = match raw.decode() {
            Ok(entry) => {
                let date = entry.revocation_date.to_unix();
                let date = date.map_or_else(|error| error.to_string(), |date| date.to_string());
                let serial = entry.serial_number.to_vec();
                (serial, date, entry.extensions.reason_code)
            }
            Err(error) => (vec![], error.to_string(), None),
        };
        entries.push(told);
    }
    let tail = reader.finish(&mut heard)?;
    Ok(Whole {
        head,
        entries,
        tail,
        heard,
    })
}

fn read(der: &[u8]) -> Result<Whole, CrlError> {
    read_from(der)
}

fn pem(der: &[u8]) -> String {
    let list = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let lines: Vec<&str> = list
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n")
}

#[test]
fn a_crl_is_read_from_head_to_tail() {
    let parts = Parts::new();
    let crl = read(&parts.der()).unwrap();
    assert_eq!(crl.head.version, Version::V2);
    assert_eq!(crl.head.signature_algorithm_der, ALGORITHM);
    assert_eq!(crl.head.issuer_der, NAME);
    assert_eq!(crl.head.this_update.to_string(), "2026-01-01T00:00:00Z");
    let next_update = crl.head.next_update.unwrap();
    assert_eq!(next_update.to_string(), "2026-01-08T00:00:00Z");
    let date = "2025-12-24T12:00:00Z".to_owned();
    let due = [
        (vec![1], date.clone(), None),
        (vec![0, 0x80], date, Some(1)),
    ];
    assert_eq!(crl.entries, due);
    assert_eq!(crl.tail.entry_count, 2);
    assert_eq!(crl.tail.signature, [0xaa, 0xbb]);
    let extensions = crl.tail.extensions().unwrap();
    assert_eq!(extensions.crl_number.unwrap().as_bytes(), [7]);
    assert_eq!(crl.heard.tbs, parts.tbs());
    assert_eq!(crl.heard.whole, parts.der());
}

#[test]
fn optional_parts_may_be_absent_or_empty() {
    let cases: [(Exchange, usize, Version); 6] = [
        (|parts| parts.entries = None, 0, Version::V2),
        (|parts| parts.entries = Some(vec![]), 0, Version::V2),
        (|parts| parts.extensions.clear(), 2, Version::V2),
        (|parts| parts.next_update.clear(), 2, Version::V2),
        (
            |parts| {
                parts.version.clear();
                parts.extensions.clear();
                parts.entries = Some(vec![entry(&[1], &[])]);
            },
            1,
            Version::V1,
        ),
        (
            |parts| parts.next_update = tlv(0x18, b"20500101000000Z"),
            2,
            Version::V2,
        ),
    ];
    for (change, count, version) in cases {
        let mut parts = Parts::new();
        change(&mut parts);
        let crl = read(&parts.der()).unwrap();
        assert_eq!((crl.entries.len(), crl.head.version), (count, version));
        assert_eq!(crl.heard.tbs, parts.tbs());
    }
}

#[test]
fn every_truncation_is_refused_and_so_is_what_follows() {
    let der = Parts::new().der();
    assert!(matches!(read(&[]), Err(CrlError::Empty)));
    for len in 1..der.len() {
        let error = read(&der[..len]).unwrap_err();
        match error {
            CrlError::Truncated { read, expected } => {
                assert_eq!((read, expected), (octets(&der[..len]), octets(&der)));
            }
            // The outermost length itself is cut.
            CrlError::Der { source, .. } if len < 3 => assert_eq!(source, DerError::Truncated),
            other => panic!("{len}: {other:?}"),
        }
    }
    let followed = [&der[..], &[0]].concat();
    assert!(matches!(
        read(&followed),
        Err(CrlError::TrailingOctets { at }) if at == octets(&der)
    ));
    // Inside of the PEM block as well.
    let followed = pem(&followed);
    assert!(matches!(
        read(followed.as_bytes()),
        Err(CrlError::TrailingOctets { .. })
    ));
}

#[test]
fn what_is_wrong_is_named() {
    let refusal = |change: fn(&mut Parts)| {
        let mut parts = Parts::new();
        change(&mut parts);
        read(&parts.der()).unwrap_err().to_string()
    };
    let cases: &[(Exchange, &[&str])] = &[
        (
            |parts| parts.version = hex!("0201 02").to_vec(),
            &["version", "§5.1.2.1"],
        ),
        (|parts| parts.version.clear(), &["crlExtensions", "v2"]),
        (
            |parts| parts.algorithm = hex!("300a 0608 2a8648ce3d040303").to_vec(),
            &["signatureAlgorithm", "§5.1.1.2"],
        ),
        (
            |parts| parts.this_update = tlv(0x17, b"2601010000Z"),
            &["thisUpdate", "UTC"],
        ),
        (
            |parts| parts.this_update = tlv(0x17, b"500101000000Z"),
            &["thisUpdate", "1970"],
        ),
        (
            |parts| parts.this_update = tlv(0x16, b"260101000000Z"),
            &["thisUpdate", "0x16"],
        ),
        (|parts| parts.name.clear(), &["issuer"]),
        (
            |parts| parts.name = tlv(0x30, &[0; 40_000]),
            &["issuer", "longer"],
        ),
        (
            |parts| parts.entries = Some(vec![tlv(0x31, &[])]),
            &["revokedCertificates", "0x31"],
        ),
        (
            |parts| {
                parts.entries = Some(vec![entry(&[1], &tlv(0x30, &[0; 9000])), entry(&[2], &[])])
            },
            &["revokedCertificates", "longer than 8192"],
        ),
        (
            |parts| parts.entries = Some(vec![hex!("3005 020101").to_vec()]),
            &["revokedCertificates", "too early"],
        ),
        (
            |parts| parts.extensions = extensions(&[&[0; 40_000]]),
            &["crlExtensions", "longer than 32768"],
        ),
        (
            |parts| parts.extensions = hex!("a100").to_vec(),
            &["crlExtensions", "0xa1"],
        ),
        (
            |parts| parts.signature = hex!("0301 00").to_vec(),
            &["signatureValue", "BIT STRING"],
        ),
        (
            |parts| parts.signature = hex!("0300").to_vec(),
            &["signatureValue", "BIT STRING"],
        ),
        (
            |parts| parts.signature = hex!("0302 01aa").to_vec(),
            &["signatureValue", "BIT STRING"],
        ),
        (
            |parts| parts.signature = tlv(3, &vec![0; 60_000]),
            &["signatureValue", "longer"],
        ),
    ];
    for (change, words) in cases {
        let told = refusal(*change);
        for word in *words {
            assert!(told.contains(word), "{told:?} lacks {word:?}");
        }
    }
    // Lengths that reach out of what they are in.
    let good = Parts::new().der();
    let mut longer = good.clone();
    longer[3 + 1] += 40; // tbsCertList
    assert!(
        matches!(read(&longer), Err(CrlError::Der { .. })),
        "{longer:02x?}"
    );
    for octets in [
        &hex!("3080 0000")[..],
        b"0",
        b"0\x85\x01\0\0\0\0",
        b"0\x84\xff\xff\xff\xff",
    ] {
        assert!(read(octets).is_err());
    }
}

#[test]
fn a_length_of_four_gibibytes_takes_no_memory() {
    let mut input = hex!("3084fffffffa 3084fffffff0").to_vec();
    input.extend(&Parts::new().der()[7..]);
    assert!(matches!(
        read(&input),
        Err(CrlError::Truncated {
            expected: 0x1_0000_0000,
            ..
        })
    ));
    let limits = Limits {
        octets_max: 100,
        entries_max: 1,
    };
    let der = Parts::new().der();
    assert!(matches!(
        CrlReader::open(&der[..], limits),
        Err(CrlError::TooLong {
            octets_max: 100,
            ..
        })
    ));
    let limits = Limits {
        octets_max: 1000,
        ..limits
    };
    let mut reader = CrlReader::open(&der[..], limits).unwrap();
    let mut heard = Heard::default();
    assert!(reader.next_entry(&mut heard).unwrap().is_some());
    assert!(matches!(
        reader.next_entry(&mut heard),
        Err(CrlError::TooManyEntries { entries_max: 1 })
    ));
}

#[test]
fn a_bad_entry_is_bad_for_itself() {
    let dated = |extension: &[u8]| entry(&[9], &tlv(0x30, &tlv(0x30, extension)));
    let bad: [(Vec<u8>, &str); 10] = [
        (sequence(&[&tlv(2, &[1])]), "too early"),
        (entry(&[], &[]), "INTEGER"),
        (entry(&[0, 1], &[]), "INTEGER"),
        (entry(&[1], &[5, 0]), "octets follow"),
        (entry(&[1], &tlv(0x30, &[0x30, 0])), "crlEntryExtensions"),
        (dated(&hex!("0603 551d15 0404 0a020101")), "reasonCode"),
        (dated(&hex!("0603 551d15 0403 020101")), "reasonCode"),
        (
            dated(&hex!(
                "0603 551d18 0411 170f 32303236303130313030303030305a"
            )),
            "invalidityDate",
        ),
        (
            dated(&hex!(
                "0603 551d18 0411 180f 32303236303133313235303030305a"
            )),
            "invalidityDate",
        ),
        (
            dated(&hex!("0603 551d1d 0101ff 0402 3100")),
            "certificateIssuer",
        ),
    ];
    let mut parts = Parts::new();
    let mut list: Vec<Vec<u8>> = bad.iter().map(|(entry, _)| entry.clone()).collect();
    list.push(entry(&[0x7f], &[]));
    parts.entries = Some(list);
    let crl = read(&parts.der()).unwrap();
    for ((_, told, _), (_, word)) in crl.entries.iter().zip(&bad) {
        assert!(told.contains(word), "{told:?} lacks {word:?}");
    }
    assert_eq!(crl.entries[10].0, [0x7f]);
    // A date is read by whoever needs it.
    parts.entries = Some(vec![sequence(&[
        &tlv(2, &[1]),
        &tlv(0x17, b"260230000000Z"),
    ])]);
    let crl = read(&parts.der()).unwrap();
    assert_eq!(crl.entries[0].1, TimeError::Date.to_string());
}

#[test]
fn extensions_of_entries_are_told_apart() {
    let list = [
        &hex!("3007 0603 2a0304 0400")[..],
        &hex!("300a 0603 2a0305 0101ff 0400"),
        &hex!("3011 0603 551d1d 0101ff 0407 3005 8203 612e62"),
        &hex!("3018 0603 551d18 0411 180f 32303236303130313030303030305a"),
    ]
    .concat();
    let octets = entry(&[1], &tlv(0x30, &list));
    let raw = RawEntry {
        number: 1,
        version: Version::V2,
        content: &octets[2..],
    };
    let extensions = raw.decode().unwrap().extensions;
    assert_eq!(
        extensions.certificate_issuer.unwrap(),
        hex!("3005 8203 612e62")
    );
    assert_eq!(extensions.unknown_critical.unwrap().to_string(), "1.2.3.5");
    assert_eq!(
        extensions.invalidity_date.unwrap().to_string(),
        "2026-01-01T00:00:00Z"
    );
    assert_eq!(extensions.reason_code, None);
    let v1 = RawEntry {
        version: Version::V1,
        ..raw
    };
    assert_eq!(v1.decode(), Err(EntryError::ExtensionsNeedV2));
}

#[test]
fn extensions_of_crls_are_told_apart() {
    let told = |list: &[&[u8]]| {
        let mut parts = Parts::new();
        parts.extensions = extensions(list);
        read(&parts.der()).unwrap().tail.extensions()
    };
    let known = told(&[
        &hex!("0603 551d23 0406 3004 8002 abcd"),
        &hex!("0603 551d1b 0101ff 0403 020105"),
        &hex!("0603 551d1c 0101ff 0405 3003 8401ff"),
        &hex!("0603 551d2e 0400"),
        &hex!("0603 2a0304 0101ff 0400"),
    ])
    .unwrap();
    assert_eq!(known.authority_key_id.unwrap(), [0xab, 0xcd]);
    assert_eq!(known.base_crl_number.unwrap().as_bytes(), [5]);
    assert!(known.issuing_distribution_point.unwrap().indirect_crl);
    assert_eq!(known.unknown_critical.unwrap().to_string(), "1.2.3.4");
    assert_eq!(known.crl_number, None);
    let number: &[u8] = &hex!("0603 551d14 0403 020107");
    for (list, word) in [
        (&[number, number][..], "twice"),
        (&[&hex!("0603 551d14 0403 0201ff")], "cRLNumber"),
        (&[&hex!("0603 551d14 0402 0200")], "cRLNumber"),
        (
            &[&hex!(
                "0603 551d14 0417 0215 010000000000000000000000000000000000000000"
            )],
            "20",
        ),
        (&[&hex!("0603 551d1b 0400")], "deltaCRLIndicator"),
        (
            &[&hex!("0603 551d1c 0402 3100")],
            "issuingDistributionPoint",
        ),
        (&[&hex!("0603 551d23 0402 0400")], "authorityKeyIdentifier"),
    ] {
        let error = told(list).unwrap_err().to_string();
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

#[test]
fn pem_is_read_as_people_have_it() {
    let der = Parts::new().der();
    let good = pem(&der);
    let body = good
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect::<String>();
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in [
        good.clone(),
        good.replace('\n', "\r\n"),
        format!("Certificate Revocation List (CRL):\n  Version 2\n{other}{good}\nthe end"),
        good.trim_end().to_owned(),
        format!("-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----"),
        format!("{}{good}", "x".repeat(100_000) + "\n"),
    ] {
        let crl = read(text.as_bytes()).unwrap();
        assert_eq!(crl.heard.whole, der);
    }
    let cut = &good[..good.len() / 2];
    let no_end = &good[..good.find("-----END").unwrap()];
    let quote = good.replace("MI", "M\"");
    let padded = good.replace("MI", "M===");
    for (text, error) in [
        (format!("{good}{good}"), "more than one"),
        (cut.to_owned(), "cut short"),
        (no_end.to_owned(), "cut short"),
        (good.replace("END X509 CRL", "END CERTIFICATE"), "cut short"),
        (quote, "not base64"),
        (padded, "not base64"),
        (good.replace("-----END", "A\n-----END"), "not base64"),
        (other.to_owned(), "no CRL"),
        ("<html>404</html>".to_owned(), "no CRL"),
        (
            "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n".to_owned(),
            "too early",
        ),
    ] {
        let told = read(text.as_bytes()).unwrap_err().to_string();
        assert!(told.contains(error), "{told:?} lacks {error:?}\n{text}");
    }
}

/// Gives its octets a few at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.len().min(into.len()).min(self.1);
        into[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        self.1 = self.1 % 4099 + 1;
        Ok(len)
    }
}

#[test]
fn a_crl_larger_than_the_window_is_heard_whole() {
    let mut parts = Parts::new();
    let serial = |n: u32| [&[1][..], &n.to_be_bytes()].concat();
    let list = (0..12_000).map(|n| entry(&serial(n), if n % 3 == 0 { REASON } else { &[] }));
    parts.entries = Some(list.collect());
    let der = parts.der();
    assert!(der.len() > 300_000);
    for octets in [&der[..], pem(&der).as_bytes()] {
        for capacity in [1, 61, 8192] {
            let crl = read_from(BufReader::with_capacity(capacity, Drip(octets, 1))).unwrap();
            assert_eq!(crl.entries.len(), 12_000);
            assert_eq!(crl.entries[11_999].0, serial(11_999));
            assert!(crl.heard.whole == der && crl.heard.tbs == parts.tbs());
        }
    }
    let cut = BufReader::new(Drip(&der[..200_000], 1));
    assert!(matches!(
        read_from(cut),
        Err(CrlError::Truncated { read: 200_000, .. })
    ));
}

/// Compares with what another parser reads.
fn agrees_with(ours: &Whole, theirs: &CertificateList) {
    let tbs = &theirs.tbs_cert_list;
    assert_eq!(ours.head.issuer_der, tbs.issuer.to_der().unwrap());
    assert_eq!(
        ours.head.signature_algorithm_der,
        tbs.signature.to_der().unwrap()
    );
    assert_eq!(
        ours.head.this_update.as_secs(),
        tbs.this_update.to_unix_duration().as_secs()
    );
    assert_eq!(
        ours.head.next_update.map(|time| time.as_secs()),
        tbs.next_update
            .map(|time| time.to_unix_duration().as_secs())
    );
    let listed = tbs.revoked_certificates.as_deref().unwrap_or_default();
    assert_eq!(ours.entries.len(), listed.len());
    for ((serial, _, reason), theirs) in ours.entries.iter().zip(listed) {
        assert_eq!(serial, theirs.serial_number.as_bytes());
        let list = theirs.crl_entry_extensions.iter().flatten();
        let found = list
            .into_iter()
            .find(|one| one.extn_id.to_string() == "2.5.29.21");
        let found = found.map(|one| one.extn_value.as_bytes()[2]);
        assert_eq!(*reason, found);
    }
    let extensions = ours.tail.extensions().unwrap();
    let list = tbs.crl_extensions.iter().flatten();
    let value = |oid: &str| {
        let mut list = list.clone();
        let found = list.find(|one| one.extn_id.to_string() == oid)?;
        Some(found.extn_value.as_bytes())
    };
    let number = value("2.5.29.20").map(|value| {
        let number = pkix::CrlNumber::from_der(value).unwrap();
        number.0.as_bytes().to_vec()
    });
    let ours_number = extensions.crl_number.map(|number| {
        let content = number.as_bytes();
        content
            .strip_prefix(&[0][..])
            .filter(|rest| !rest.is_empty())
            .unwrap_or(content)
            .to_vec()
    });
    assert_eq!(ours_number, number);
    // They look into the names, which are octets to us.
    let point = value("2.5.29.28").map(pkix::IssuingDistributionPoint::from_der);
    if let Some(Ok(theirs)) = point {
        let ours = extensions.issuing_distribution_point.as_ref().unwrap();
        assert_eq!(ours.indirect_crl, theirs.indirect_crl);
        assert_eq!(
            ours.only_contains_user_certs,
            theirs.only_contains_user_certs
        );
        assert_eq!(ours.only_contains_ca_certs, theirs.only_contains_ca_certs);
        assert_eq!(
            ours.only_some_reasons.is_some(),
            theirs.only_some_reasons.is_some()
        );
        let is_full = |name: &TheirName| matches!(name, TheirName::FullName(_));
        assert_eq!(
            ours.distribution_point
                .as_ref()
                .map(|name| matches!(name, DistributionPointName::FullName(_))),
            theirs.distribution_point.as_ref().map(is_full)
        );
    }
    assert_eq!(
        ours.tail.signature,
        theirs.signature.as_bytes().unwrap_or_default()
    );
}

fn random_entry() -> impl Strategy<Value = Vec<u8>> {
    let serial = prop::collection::vec(any::<u8>(), 1..22);
    let extension = prop::sample::select(vec![
        vec![],
        hex!("300a 0603 551d15 0403 0a0101").to_vec(),
        hex!("300d 0603 551d15 0101ff 0403 0a0109").to_vec(),
        hex!("3018 0603 551d18 0411 180f 32303236303130313030303030305a").to_vec(),
        hex!("3007 0603 2a0304 0400").to_vec(),
    ]);
    (serial, prop::collection::vec(extension, 0..3), 10_u8..60).prop_map(
        |(serial, list, minute)| {
            let date = format!("2601{minute:02}0000{minute:02}Z");
            let list = list.concat();
            let list = if list.is_empty() {
                vec![]
            } else {
                tlv(0x30, &list)
            };
            sequence(&[&tlv(2, &serial), &tlv(0x17, date.as_bytes()), &list])
        },
    )
}

fn random_crl() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop::sample::select(vec![
        hex!("0603 551d14 0403 020107").to_vec(),
        hex!("0603 551d14 0404 02020080").to_vec(),
        hex!("0603 551d23 0406 3004 8002 abcd").to_vec(),
        hex!("0603 551d1c 0101ff 0405 3003 8401ff").to_vec(),
        hex!("0603 551d1c 0101ff 0411 300f a00a a008 8606 687474703a2f 8201ff").to_vec(),
        hex!("0603 551d1c 0101ff 0406 3004 8302 0640").to_vec(),
        hex!("0603 2a0304 0400").to_vec(),
    ]);
    (
        prop::option::of(prop::collection::vec(random_entry(), 0..6)),
        prop::option::of(prop::collection::vec(extension, 0..4)),
        any::<bool>(),
        prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(entries, list, ends, damage)| {
            let mut parts = Parts::new();
            parts.entries = entries;
            parts.extensions = list.map_or_else(Vec::new, |list| {
                let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
                extensions(&list)
            });
            if !ends {
                parts.next_update.clear();
            }
            let mut der = parts.der();
            if let Some((at, octet)) = damage {
                let at = at.index(der.len());
                der[at] = octet;
            }
            der
        })
}

/// What we refuse and x509-cert takes, and the other way round; each is asked for on purpose.
fn is_known_divergence(der: &[u8], ours: Option<&Whole>) -> bool {
    match ours {
        // They hold an INTEGER's minimal form, times and inner values for the caller to judge; we
        // read v1, which they take for something else.
        Some(ours) => {
            ours.head.version == Version::V1
                || ours.entries.iter().any(|(serial, ..)| serial.is_empty())
                || ours.entries.iter().any(|(_, date, _)| !date.ends_with('Z'))
                || ours.tail.extensions().is_err()
                // A Name and an AlgorithmIdentifier are octets to us.
                || x509_cert::name::Name::from_der(&ours.head.issuer_der).is_err()
                || spki::AlgorithmIdentifierOwned::from_der(&ours.head.signature_algorithm_der)
                    .is_err()
                // A SEQUENCE of extensions is read by whoever asks for it; theirs has OIDs of 39
                // octets at most.
                || CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)
                    .is_err_and(|error| error.to_string().contains("OID"))
        }
        None => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn another_parser_reads_the_same(der in random_crl()) {
        let ours = read(&der);
        let theirs = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der);
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                if !is_known_divergence(&der, Some(ours)) {
                    agrees_with(ours, theirs);
                }
            }
            (Ok(ours), Err(error)) => prop_assert!(
                is_known_divergence(&der, Some(ours)), "x509-cert refuses: {error} {der:02x?}"
            ),
            (Err(error), Ok(theirs)) => {
                let stricter = match error {
                    CrlError::SignatureAlgorithmsDiffer | CrlError::Version => true,
                    // An unused-bits count, and an empty BIT STRING.
                    CrlError::Der { source: DerError::BitString, .. } => true,
                    CrlError::Time { source: TimeError::Range, .. } => true,
                    _ => theirs.to_der().map_or(true, |again| again != der),
                };
                prop_assert!(stricter, "we refuse: {error} {der:02x?}");
            }
            (Err(_), Err(_)) => {}
        }
        if let Ok(theirs) = theirs {
            let text = theirs.to_pem(der::pem::LineEnding::CRLF).unwrap();
            let again = read(&theirs.to_der().unwrap());
            let from_pem = read(text.as_bytes());
            prop_assert_eq!(again.is_ok(), from_pem.is_ok());
            if let (Ok(again), Ok(from_pem)) = (again, from_pem) {
                prop_assert_eq!(again.heard, from_pem.heard);
            }
        }
    }

    #[test]
    fn no_octets_make_it_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&octets));
        let wrapped = tlv(0x30, &tlv(0x30, &octets));
        drop(read(&wrapped));
        drop(read(pem(&wrapped).as_bytes()));
    }
}
