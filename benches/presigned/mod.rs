//! A catalog of presigned answers that nobody signed, and requests for them: shared by the bench and
//! the allocation test of `responder::answer`, and the bench of HTTP.

#![allow(dead_code, reason = "each of those that share this uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use estelam::asn1::{Certificate, CrlReason, SignatureAlgorithm, UnixTime};
use estelam::catalog::{
    Catalog, FreshAnswer, FreshColumn, IssuerEntry, IssuerPolicy, IssuerTable, Publication,
};
use estelam::identity::{IssuerId, SerialNumber};
use estelam::ocsp::{
    HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams, invalidity_date_extension,
};
use estelam::segment::{
    RecordData, RecordStatus, SegmentFile, SegmentKind, SegmentSpec, SegmentWriter,
};

pub(crate) const HASHES: [HashAlgorithm; 2] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256];
/// Answers of the overlay; their numbers follow those of the segment.
pub(crate) const FRESH: u32 = 1_000;

const SUBJECT: &[u8] = b"a name";
const KEY: &[u8] = b"a key";
const SIGNATURE_OCTETS: usize = 64;

/// While all answers are fresh.
pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(1_790_000_000).expect("a time of this century")
}

/// 16 octets, spread.
pub(crate) fn serial(number: u32) -> SerialNumber {
    let word = |salt: u32| {
        number
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(salt)
            .to_be_bytes()
    };
    let mut content = [word(0), word(0x1234_5678), word(77), word(0xdead_beef)].concat();
    content.insert(0, 0x4a);
    content.truncate(16);
    SerialNumber::from_content(&content).expect("0x4a begins a positive serial")
}

/// A base segment with the certificates 0..`records`, one in ten revoked, one in a hundred of these
/// with an invalidityDate, and an overlay of [`FRESH`] more.
pub(crate) fn catalog(folder: &std::path::Path, records: u32) -> Catalog {
    let (catalog, _) = Catalog::open(folder, 0).expect("an empty folder");
    let issuer = id(KEY);
    let templates = HASHES.map(|hash| Arc::new(template(hash, KEY)));
    let answers = (records..records + FRESH)
        .map(|number| fresh(number, &templates))
        .collect();
    catalog
        .publish(&[
            Publication::IssuerTable(Arc::new(table([KEY.to_vec()]))),
            Publication::Segment {
                issuer,
                file: segment(folder, KEY, records),
            },
            Publication::FreshAnswer { issuer, answers },
            Publication::CaughtUp { issuer, as_of: 2 },
        ])
        .expect("published");
    catalog
}

/// One issuer for each number in `records`, all of one name and without an overlay: it has the
/// certificates below that number.
pub(crate) fn catalog_of_issuers(folder: &std::path::Path, records: &[u32]) -> Catalog {
    let (catalog, _) = Catalog::open(folder, 0).expect("an empty folder");
    let keys = || (0..).map(key).zip(records);
    let table = table(keys().map(|(key, _)| key));
    let mut all = vec![Publication::IssuerTable(Arc::new(table))];
    for (key, records) in keys() {
        let issuer = id(&key);
        let file = segment(folder, &key, *records);
        all.push(Publication::Segment { issuer, file });
        all.push(Publication::CaughtUp { issuer, as_of: 1 });
    }
    catalog.publish(&all).expect("published");
    catalog
}

/// A request about a certificate of the issuer with this number.
pub(crate) fn request_of_issuer(hash: HashAlgorithm, issuer: u32, number: u32) -> Vec<u8> {
    request_to(&IssuerHashes::new(hash, SUBJECT, &key(issuer)), number)
}

fn key(issuer: u32) -> Vec<u8> {
    [KEY, &issuer.to_be_bytes()].concat()
}

fn id(key: &[u8]) -> IssuerId {
    IssuerId::new(SUBJECT, key)
}

fn table(keys: impl IntoIterator<Item = Vec<u8>>) -> IssuerTable {
    let entries = keys
        .into_iter()
        .enumerate()
        .map(|(number, key)| IssuerEntry {
            id: id(&key),
            name: number.to_string(),
            subject_der: SUBJECT.to_vec(),
            public_key_octets: key,
            policy: IssuerPolicy::default(),
        });
    IssuerTable::new(entries.collect()).expect("each has another key")
}

fn segment(folder: &std::path::Path, key: &[u8], records: u32) -> SegmentFile {
    let templates = HASHES.map(|hash| template(hash, key));
    let spec = SegmentSpec {
        issuer: id(key),
        signer: [0; 32],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        kind: SegmentKind::Base,
        depth: 0,
        shard: 0,
        as_of: 1,
        snapshot_time: earlier(),
        next_sign: later(),
        templates: templates.to_vec(),
    };
    let count = usize::try_from(records).expect("fits");
    let mut writer = SegmentWriter::create(folder, &spec, count, 16).expect("a writable folder");
    for number in 0..records {
        let extensions = extensions(number);
        let record = RecordData {
            serial: serial(number),
            status: status(number),
            single_extensions: extensions.as_deref(),
            signatures: &[signature(number), signature(!number)].concat(),
        };
        writer.push(&record).expect("a good record");
    }
    writer.finish().expect("room on the disk")
}

/// A request about one certificate (RFC 6960 §4.1.1).
pub(crate) fn request(hash: HashAlgorithm, number: u32) -> Vec<u8> {
    request_to(&IssuerHashes::new(hash, SUBJECT, KEY), number)
}

/// A request about a certificate of an issuer that is not ours.
pub(crate) fn foreign_request(number: u32) -> Vec<u8> {
    request_to(
        &IssuerHashes::new(HashAlgorithm::Sha1, SUBJECT, b"another key"),
        number,
    )
}

fn request_to(hashes: &IssuerHashes, number: u32) -> Vec<u8> {
    let serial = serial(number);
    let mut cert_id = hashes.algorithm().algorithm_identifier_der().to_vec();
    for (tag, content) in [
        (0x04, hashes.name_hash()),
        (0x04, hashes.key_hash()),
        (0x02, serial.as_bytes()),
    ] {
        cert_id.extend(element(tag, content));
    }
    // CertID, Request, requestList, tbsRequest, OCSPRequest.
    (0..5).fold(cert_id, |content, _| element(0x30, &content))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    assert!(length < 0x80, "short");
    [&[tag, length], content].concat()
}

fn template(hash: HashAlgorithm, key: &[u8]) -> Template {
    let delegate = include_bytes!("../../fixtures/ocsp/delegate.pem");
    let certificate = Certificate::from_pem(delegate).expect("a certificate");
    Template::new(&TemplateParams {
        responder_id: &ResponderId::ByKey([7; 20]),
        issuer_hashes: &IssuerHashes::new(hash, SUBJECT, key),
        produced_at: earlier(),
        this_update: earlier(),
        next_update: later(),
        signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
        archive_cutoff: None,
        certificates: &[certificate.der()],
    })
}

fn earlier() -> UnixTime {
    UnixTime::from_secs(now().as_secs() - 3_600).expect("an hour ago")
}

fn later() -> UnixTime {
    now().saturating_add(Duration::from_secs(86_400))
}

fn status(number: u32) -> RecordStatus {
    if number.is_multiple_of(10) {
        RecordStatus::Revoked {
            revocation_time: earlier(),
            reason: Some(CrlReason::KeyCompromise),
        }
    } else {
        RecordStatus::Good
    }
}

fn extensions(number: u32) -> Option<Vec<u8>> {
    number
        .is_multiple_of(1_000)
        .then(|| invalidity_date_extension(earlier()))
}

fn fresh(number: u32, templates: &[Arc<Template>]) -> FreshAnswer {
    FreshAnswer {
        serial: serial(number),
        sequence: 2,
        status: status(number),
        this_update: earlier(),
        produced_at: earlier(),
        next_update: later(),
        next_sign: later(),
        single_extensions: extensions(number).map(Vec::into_boxed_slice),
        columns: templates
            .iter()
            .map(|template| FreshColumn {
                template: Arc::clone(template),
                signature: Box::new(signature(number)),
            })
            .collect(),
    }
}

/// r and s of changing lengths in DER: a sign octet or none.
fn signature(number: u32) -> [u8; SIGNATURE_OCTETS] {
    let mut octets = [0x33; SIGNATURE_OCTETS];
    for (octet, value) in octets
        .iter_mut()
        .zip(number.wrapping_mul(0x85eb_ca6b).to_be_bytes())
    {
        *octet = value;
    }
    octets
}
