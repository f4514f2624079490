//! A segment whose every record is known, as a file that is the same in each run: file id and index salt
//! are random where segments are written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use estelam::asn1::{CrlReason, SignatureAlgorithm, UnixTime};
use estelam::identity::{IssuerId, SerialHash, SerialNumber};
use estelam::ocsp::{HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams};
use estelam::segment::{
    Lookup, Record, RecordData, RecordStatus, Segment, SegmentFile, SegmentKind, SegmentSpec,
    SegmentWriter,
};

use crate::world::time;

/// The file, as `examples/write_seeds.rs` wrote it.
pub static OCTETS: &[u8] = include_bytes!("specimen.seg");

/// The digest that names it. Nothing else does when a damaged file lies under its name.
pub static SHA256: LazyLock<[u8; 32]> = LazyLock::new(|| {
    use sha2::Digest as _;
    sha2::Sha256::digest(OCTETS).into()
});

pub fn file_name() -> String {
    let digest: String = SHA256.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{digest}.seg")
}

pub const SUBJECT: &[u8] = b"a name";
pub const KEY: &[u8] = b"a key";

pub fn issuer() -> IssuerId {
    IssuerId::new(SUBJECT, KEY)
}

/// One record and all that it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    pub serial: SerialNumber,
    pub status: RecordStatus,
    pub single_extensions: Option<Vec<u8>>,
    /// None or two.
    pub signatures: Vec<Vec<u8>>,
}

/// Every record of the specimen, by the content octets of its serial.
pub static RECORDS: LazyLock<BTreeMap<Vec<u8>, Known>> = LazyLock::new(|| {
    let records = (0..75_u8).map(|number| {
        let content: &[u8] = match number {
            0 => &[0x05],
            1 => &[0x7f; 20],
            _ => &[0x4a, number.wrapping_mul(151), number, 0xff],
        };
        let status = match number % 3 {
            0 => RecordStatus::Good,
            1 => RecordStatus::Revoked {
                revocation_time: time(1_600_000_000 + u64::from(number)),
                reason: Some(CrlReason::KeyCompromise),
            },
            _ => RecordStatus::Revoked {
                revocation_time: UnixTime::MAX,
                reason: None,
            },
        };
        let signatures = [number, !number].map(|octet| vec![octet; 64]);
        let known = Known {
            serial: SerialNumber::from_content(content).expect("minimal"),
            status,
            single_extensions: (number % 20 == 1).then(|| vec![0x30, 0x03, 0x01, 0x01, number]),
            signatures: if number % 10 == 3 {
                Vec::new()
            } else {
                signatures.to_vec()
            },
        };
        (content.to_vec(), known)
    });
    records.collect()
});

/// Serials that were never issued.
pub const ABSENT: [&[u8]; 4] = [&[], &[0x06], &[0x4a, 0x00, 0x01, 0xfe], &[0x55; 21]];

/// Writes a segment of these records.
pub fn write(folder: &Path) -> SegmentFile {
    let templates = [HashAlgorithm::Sha1, HashAlgorithm::Sha256].map(|hash| {
        Template::new(&TemplateParams {
            responder_id: &ResponderId::ByKey([0x77; 20]),
            issuer_hashes: &IssuerHashes::new(hash, SUBJECT, KEY),
            produced_at: time(1_700_000_000),
            this_update: time(1_700_000_000),
            next_update: time(1_700_345_600),
            signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
            archive_cutoff: None,
            certificates: &[],
        })
    });
    let spec = SegmentSpec {
        issuer: issuer(),
        signer: [0x51; 32],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        kind: SegmentKind::Base,
        depth: 0,
        shard: 0,
        as_of: 100,
        snapshot_time: time(1_700_000_000),
        next_sign: time(1_700_086_400),
        templates: templates.to_vec(),
    };
    let mut writer = SegmentWriter::create(folder, &spec, RECORDS.len(), 20).expect("created");
    for known in RECORDS.values() {
        let record = RecordData {
            serial: known.serial,
            status: known.status,
            single_extensions: known.single_extensions.as_deref(),
            signatures: &known.signatures.concat(),
        };
        writer.push(&record).expect("the record fits");
    }
    writer.finish().expect("written")
}

/// Asks a segment that may be damaged for every serial. Damage may be admitted; what is said otherwise
/// must be true.
pub fn assert_never_wrong(segment: &Segment) {
    for (serial, known) in RECORDS.iter() {
        match segment.lookup(SerialHash::new(&issuer(), serial), serial) {
            Lookup::Found(record) => assert_eq!(known_of(&record), *known),
            Lookup::Damaged => {}
            Lookup::Absent => panic!("{} is taken for one never issued", known.serial),
        }
    }
    for serial in ABSENT {
        let found = segment.lookup(SerialHash::new(&issuer(), serial), serial);
        assert!(
            !matches!(found, Lookup::Found(_)),
            "{serial:02x?} was never issued"
        );
    }
    for record in segment.iter().flatten() {
        assert_eq!(RECORDS.get(record.serial()), Some(&known_of(&record)));
    }
}

fn known_of(record: &Record<'_>) -> Known {
    Known {
        serial: SerialNumber::from_content(record.serial()).expect("minimal"),
        status: record.status(),
        single_extensions: record.single_extensions().map(<[u8]>::to_vec),
        signatures: (0..2)
            .filter_map(|column| record.signature(column).map(<[u8]>::to_vec))
            .collect(),
    }
}
