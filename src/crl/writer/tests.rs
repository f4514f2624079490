//! What is written, read and written again by another implementation.

use std::io::Cursor;

use der::{Decode as _, Encode as _};
use proptest::prelude::*;
use x509_cert::{certificate::Rfc5280, time::Time};

use super::{
    CertificateListWriter, CrlHead, DistributionPoint, EntryReason, ExtensionsWriter, Listing,
    OnlyContains, RevokedEntry, Signed, WriteError, order,
};
use crate::{
    asn1::{CrlNumber, CrlReason, SignatureAlgorithm, UnixTime},
    crl::Tap,
    identity::SerialNumber,
};

type CertificateList = x509_cert::crl::CertificateList<Rfc5280>;

/// Keeps what it hears.
#[derive(Debug, Default)]
struct Kept(Vec<u8>);

impl Tap for Kept {
    fn whole(&mut self, _: &[u8]) {}

    fn tbs(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

fn serial(content: &[u8]) -> SerialNumber {
    SerialNumber::from_content(content).unwrap()
}

/// `Name ::= SEQUENCE {}` with one commonName.
const NAME: [u8; 14] = [
    0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, b'a',
];

fn head(algorithm: SignatureAlgorithm, extensions: &ExtensionsWriter) -> CrlHead<'_> {
    CrlHead {
        algorithm,
        issuer_der: &NAME,
        this_update: at(1_790_000_000),
        next_update: at(2_600_000_000),
        extensions,
    }
}

/// The CRL, and what the tap heard; a signature of this length.
fn written(
    head: &CrlHead<'_>,
    entries: &[RevokedEntry],
    signature: usize,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut listing = Listing::default();
    entries.iter().for_each(|entry| listing.add(entry));
    let out = Cursor::new(Vec::new());
    let mut writer = CertificateListWriter::begin(out, head, listing, Kept::default()).unwrap();
    for entry in entries {
        writer.entry(entry).unwrap();
    }
    let unsigned = writer.finish().unwrap();
    let heard = unsigned.tap().0.clone();
    let (start, octets) = unsigned.tbs();
    let start = usize::try_from(start).unwrap();
    assert_eq!(unsigned.get_ref().get_ref()[start..], heard);
    assert_eq!(heard.len(), octets);
    match unsigned.sign(&vec![0x5a; signature]).unwrap() {
        Signed::Whole(out) => Some((out.into_inner(), heard)),
        Signed::NotOfThisLength(_) => None,
    }
}

#[test]
fn what_is_absent_leaves_nothing_behind() {
    let none = ExtensionsWriter::new().issuing_distribution_point(&DistributionPoint::default());
    let (der, _) = written(&head(SignatureAlgorithm::Ed25519, &none), &[], 64).unwrap();
    let read = CertificateList::from_der(&der).unwrap();
    assert_eq!(read.tbs_cert_list.revoked_certificates, None);
    assert_eq!(read.tbs_cert_list.crl_extensions, None);
    assert_eq!(read.to_der().unwrap(), der);
}

#[test]
fn extensions_are_those_that_others_read() {
    use x509_cert::ext::pkix::{
        AuthorityKeyIdentifier, IssuingDistributionPoint,
        crl::CrlNumber as ReadNumber,
        name::{DistributionPointName, GeneralName},
    };
    let number = |content: &[u8]| CrlNumber::from_content(content).unwrap();
    let uris = ["http://a/1.crl".to_owned(), "ldap://b/2?c".to_owned()];
    let point = DistributionPoint {
        uris: uris.to_vec(),
        only: Some(OnlyContains::UserCerts),
    };
    let extensions = ExtensionsWriter::new()
        .authority_key_id(&[7; 20])
        .crl_number(number(&[0x01, 0x02]))
        .delta_crl_indicator(number(&[0x01]))
        .issuing_distribution_point(&point)
        .freshest_crl(&uris)
        .expired_certs_on_crl(at(1_000_000_000));
    let (der, _) = written(&head(SignatureAlgorithm::Ed25519, &extensions), &[], 64).unwrap();
    let read = CertificateList::from_der(&der).unwrap();
    let read = read.tbs_cert_list.crl_extensions.unwrap();
    let found: Vec<_> = (read.iter())
        .map(|extension| (extension.extn_id.to_string(), extension.critical))
        .collect();
    let expected = [
        ("2.5.29.35", false),
        ("2.5.29.20", false),
        ("2.5.29.27", true),
        ("2.5.29.28", true),
        ("2.5.29.46", false),
        ("2.5.29.60", false),
    ];
    assert_eq!(
        found,
        expected.map(|(oid, critical)| (oid.to_owned(), critical))
    );

    let value = |index: usize| read[index].extn_value.as_bytes();
    let key = AuthorityKeyIdentifier::from_der(value(0)).unwrap();
    assert_eq!(key.key_identifier.unwrap().as_bytes(), [7; 20]);
    assert!(key.authority_cert_issuer.is_none() && key.authority_cert_serial_number.is_none());
    assert_eq!(ReadNumber::from_der(value(1)).unwrap().0.as_bytes(), [1, 2]);
    assert_eq!(ReadNumber::from_der(value(2)).unwrap().0.as_bytes(), [1]);
    let point = IssuingDistributionPoint::from_der(value(3)).unwrap();
    assert!(point.only_contains_user_certs && !point.only_contains_ca_certs);
    assert!(!point.indirect_crl && !point.only_contains_attribute_certs);
    let Some(DistributionPointName::FullName(names)) = point.distribution_point else {
        panic!("{point:?}");
    };
    let read_uris: Vec<_> = (names.iter())
        .map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => uri.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read_uris, uris);
    let freshest = x509_cert::ext::pkix::FreshestCrl::from_der(value(4)).unwrap();
    assert_eq!(freshest.0.len(), 1);
    assert!(freshest.0[0].reasons.is_none() && freshest.0[0].crl_issuer.is_none());
}

#[test]
fn entries_have_to_rise_and_to_be_those_that_were_counted() {
    let none = ExtensionsWriter::new();
    let entry = |content: &[u8]| RevokedEntry {
        serial: serial(content),
        revocation_date: at(1),
        reason: EntryReason::Unspecified,
        invalidity_date: None,
    };
    let (one, two) = (entry(&[1]), entry(&[2]));
    let begin = |entries: &[RevokedEntry]| {
        let mut listing = Listing::default();
        entries.iter().for_each(|entry| listing.add(entry));
        let head = head(SignatureAlgorithm::Ed25519, &none);
        let out = Cursor::new(Vec::new());
        CertificateListWriter::begin(out, &head, listing, Kept::default()).unwrap()
    };
    let mut writer = begin(&[one, two]);
    writer.entry(&two).unwrap();
    assert!(matches!(writer.entry(&one), Err(WriteError::Order { .. })));
    assert!(matches!(writer.entry(&two), Err(WriteError::Order { .. })));
    assert!(matches!(writer.finish(), Err(WriteError::Listing)));
    let mut writer = begin(&[one]);
    writer.entry(&one).unwrap();
    assert!(matches!(writer.entry(&two), Err(WriteError::Listing)));
    // 0x80 needs a sign octet, and is more than 0x7f all the same.
    assert!(order(&serial(&[0x7f])) < order(&serial(&[0x00, 0x80])));
}

#[test]
fn a_signature_that_would_move_the_list_is_not_taken() {
    // The first octet of the content is the third of the CRL: lengths around 128 and 256 differ.
    let none = ExtensionsWriter::new();
    let algorithm = SignatureAlgorithm::EcdsaSha256P256;
    let entries = |count: u8, last: usize| -> Vec<RevokedEntry> {
        (1..=count)
            .map(|n| RevokedEntry {
                serial: serial(&vec![n; if n == count { last } else { 1 }]),
                revocation_date: at(u64::from(n)),
                reason: EntryReason::Unspecified,
                invalidity_date: None,
            })
            .collect()
    };
    let mut refused = 0;
    let cases = (0..7).flat_map(|count| (1..=20).map(move |last| (count, last)));
    for (count, last) in cases {
        for signature in 60..=72 {
            let entries = entries(count, last);
            match written(&head(algorithm, &none), &entries, signature) {
                None => refused += 1,
                Some((der, _)) => {
                    let read = CertificateList::from_der(&der).unwrap();
                    assert_eq!(read.to_der().unwrap(), der, "{count} {last} {signature}");
                }
            }
        }
    }
    assert!((1..=100).contains(&refused), "{refused}");
}

fn entries() -> impl Strategy<Value = Vec<RevokedEntry>> {
    let times = || (0..=UnixTime::MAX.as_secs()).prop_map(at);
    let reason = prop_oneof![
        Just(EntryReason::Unspecified),
        Just(EntryReason::RemoveFromCrl),
        prop::sample::select(&CrlReason::ALL[..]).prop_map(EntryReason::Reason),
    ];
    let content = prop::collection::vec(any::<u8>(), 1..=20).prop_filter_map("minimal", |octets| {
        let serial = SerialNumber::from_content(&octets).ok()?;
        serial.is_positive().then_some(serial)
    });
    let entry = (content, times(), reason, prop::option::of(times())).prop_map(
        |(serial, revocation_date, reason, invalidity_date)| RevokedEntry {
            serial,
            revocation_date,
            reason,
            invalidity_date,
        },
    );
    prop::collection::vec(entry, 0..80).prop_map(|mut entries| {
        entries.sort_by(|a, b| order(&a.serial).cmp(&order(&b.serial)));
        entries.dedup_by_key(|entry| entry.serial);
        entries
    })
}

/// The moment of a Time, which must have the form that RFC 5280 §5.1.2.4 wants.
fn moment(time: &Time) -> UnixTime {
    let secs = time.to_unix_duration().as_secs();
    let is_utc = matches!(time, Time::UtcTime(_));
    assert_eq!(is_utc, secs < 2_524_608_000);
    at(secs)
}

/// Of every length that a signature has, with the algorithm's own identifier inside and outside.
#[test]
fn lists_of_every_algorithm_are_read_by_another_implementation() {
    let none = ExtensionsWriter::new();
    let modulus_octets = 512;
    for algorithm in [
        SignatureAlgorithm::Ed25519,
        SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets },
        SignatureAlgorithm::RsaPssSha256 { modulus_octets },
        SignatureAlgorithm::RsaPssSha384 { modulus_octets },
        SignatureAlgorithm::MlDsa44,
        SignatureAlgorithm::MlDsa65,
    ] {
        let length = algorithm.stored_len();
        let (der, _) = written(&head(algorithm, &none), &[], length).unwrap();
        let read = CertificateList::from_der(&der).unwrap();
        assert_eq!(read.to_der().unwrap(), der);
        let expected = algorithm.algorithm_identifier_der();
        assert_eq!(read.signature_algorithm.to_der().unwrap(), expected);
        assert_eq!(read.tbs_cert_list.signature.to_der().unwrap(), expected);
        assert_eq!(read.signature.raw_bytes(), vec![0x5a; length]);
    }
}

proptest! {
    #[test]
    fn another_implementation_reads_the_same_and_writes_the_same(
        entries in entries(),
        number in 0_u8..128,
    ) {
        let number = CrlNumber::from_content(&[number]).unwrap();
        let extensions = ExtensionsWriter::new().authority_key_id(&[9; 20]).crl_number(number);
        let head = head(SignatureAlgorithm::Ed25519, &extensions);
        let (der, heard) = written(&head, &entries, 64).unwrap();
        let read = CertificateList::from_der(&der).unwrap();
        prop_assert_eq!(read.to_der().unwrap(), &der[..]);
        let tbs = &read.tbs_cert_list;
        prop_assert_eq!(tbs.to_der().unwrap(), heard);
        prop_assert_eq!(read.signature.raw_bytes(), [0x5a; 64]);
        prop_assert_eq!(moment(&tbs.this_update), head.this_update);
        prop_assert_eq!(moment(tbs.next_update.as_ref().unwrap()), head.next_update);
        let listed = tbs.revoked_certificates.as_deref().unwrap_or_default();
        prop_assert_eq!(listed.len(), entries.len());
        for (read, entry) in listed.iter().zip(&entries) {
            prop_assert_eq!(read.serial_number.as_bytes(), entry.serial.as_bytes());
            prop_assert_eq!(moment(&read.revocation_date), entry.revocation_date);
            let extensions = read.crl_entry_extensions.as_deref().unwrap_or_default();
            let value = |oid: &str| {
                let found = extensions.iter().find(|extension| extension.extn_id.to_string() == oid);
                found.map(|extension| extension.extn_value.as_bytes().to_vec())
            };
            let code = match entry.reason {
                EntryReason::Unspecified => None,
                EntryReason::Reason(reason) => Some(reason.code()),
                EntryReason::RemoveFromCrl => Some(8),
            };
            prop_assert_eq!(value("2.5.29.21"), code.map(|code| vec![0x0a, 1, code]));
            let date = entry.invalidity_date.map(|time| {
                let time = der::asn1::GeneralizedTime::from_unix_duration(
                    std::time::Duration::from_secs(time.as_secs()),
                );
                time.unwrap().to_der().unwrap()
            });
            prop_assert_eq!(value("2.5.29.24"), date);
            prop_assert!(extensions.iter().all(|extension| !extension.critical));
        }
    }
}
