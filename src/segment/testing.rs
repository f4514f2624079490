//! Small segments for tests.

use std::path::Path;
use std::sync::Arc;

use super::{
    RecordData, RecordStatus, Segment, SegmentError, SegmentFile, SegmentKind, SegmentSpec,
    SegmentWriter,
};
use crate::asn1::{CrlReason, SignatureAlgorithm, UnixTime};
use crate::identity::{IssuerId, SerialHash, SerialNumber};
use crate::ocsp::{HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams};

pub(crate) const ISSUER: IssuerId = IssuerId::from_bytes([0x15; 32]);
pub(crate) const OTHER_ISSUER: IssuerId = IssuerId::from_bytes([0x16; 32]);

pub(crate) fn time(secs: u64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

pub(crate) fn template(hash: HashAlgorithm) -> Template {
    template_by(hash, SignatureAlgorithm::EcdsaSha256P256)
}

pub(crate) fn template_by(hash: HashAlgorithm, algorithm: SignatureAlgorithm) -> Template {
    Template::new(&TemplateParams {
        responder_id: &ResponderId::ByKey([0x77; 20]),
        issuer_hashes: &IssuerHashes::new(hash, b"a name", b"a key"),
        produced_at: time(1_700_000_000),
        this_update: time(1_700_000_000),
        next_update: time(1_700_345_600),
        signature_algorithm: algorithm,
        archive_cutoff: None,
        certificates: &[],
    })
}

/// A base of the whole issuer, signed for these hashes.
pub(crate) fn spec(hashes: &[HashAlgorithm]) -> SegmentSpec {
    SegmentSpec {
        issuer: ISSUER,
        signer: [0x51; 32],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        kind: SegmentKind::Base,
        depth: 0,
        shard: 0,
        as_of: 100,
        snapshot_time: time(1_700_000_000),
        next_sign: time(1_700_086_400),
        templates: hashes.iter().map(|hash| template(*hash)).collect(),
    }
}

pub(crate) const BOTH: [HashAlgorithm; 2] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256];

/// A record that owns what it shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owned {
    pub(crate) serial: SerialNumber,
    pub(crate) status: RecordStatus,
    pub(crate) single_extensions: Option<Vec<u8>>,
    pub(crate) signatures: Vec<u8>,
}

impl Owned {
    pub(crate) fn unsigned(serial: SerialNumber, status: RecordStatus) -> Self {
        Self {
            serial,
            status,
            single_extensions: None,
            signatures: Vec::new(),
        }
    }

    pub(crate) fn data(&self) -> RecordData<'_> {
        RecordData {
            serial: self.serial,
            status: self.status,
            single_extensions: self.single_extensions.as_deref(),
            signatures: &self.signatures,
        }
    }
}

/// A serial of 20 octets, another one for each number.
pub(crate) fn serial(number: u32) -> SerialNumber {
    let mut content = [0x4a; 20];
    let spread = number.wrapping_mul(0x9e37_79b1);
    content[1..5].copy_from_slice(&spread.to_be_bytes());
    SerialNumber::from_content(&content).unwrap()
}

pub(crate) fn hash(serial: &SerialNumber) -> SerialHash {
    SerialHash::new(&ISSUER, serial.as_bytes())
}

pub(crate) const fn revoked(at: UnixTime) -> RecordStatus {
    RecordStatus::Revoked {
        revocation_time: at,
        reason: Some(CrlReason::KeyCompromise),
    }
}

/// Records of every kind, with two signatures where signed.
pub(crate) fn records() -> Vec<Owned> {
    let signed = |number: u8, status| Owned {
        signatures: (0..128).map(|octet| octet ^ number).collect(),
        ..Owned::unsigned(serial(number.into()), status)
    };
    let unspecified = RecordStatus::Revoked {
        revocation_time: UnixTime::MAX,
        reason: None,
    };
    let mut records = vec![
        signed(0, RecordStatus::Good),
        signed(1, revoked(time(1_600_000_000))),
        signed(2, unspecified),
        Owned::unsigned(serial(3), revoked(time(0))),
    ];
    records[1].single_extensions = Some(vec![0x30, 3, 1, 2, 3]);
    records[3].single_extensions = Some(vec![0x30, 0]);
    let short = SerialNumber::from_content(&[0x05]).unwrap();
    records.push(Owned::unsigned(short, RecordStatus::Good));
    records
}

/// Makes the header of a file that of another version, as the program of that version would.
pub(crate) fn put_version(octets: &mut [u8], version: u16) {
    octets[8..10].copy_from_slice(&version.to_be_bytes());
    let checksum = crc32c::crc32c(&octets[..252]).to_be_bytes();
    octets[252..256].copy_from_slice(&checksum);
}

pub(crate) fn write(
    folder: &Path,
    spec: &SegmentSpec,
    records: &[Owned],
) -> Result<SegmentFile, SegmentError> {
    let mut writer = SegmentWriter::create(folder, spec, records.len(), 20)?;
    for record in records {
        writer.push(&record.data())?;
    }
    writer.finish()
}

pub(crate) fn open(folder: &Path, file: &SegmentFile) -> Result<Arc<Segment>, SegmentError> {
    Segment::open(folder, file.sha256, file.len)
}
