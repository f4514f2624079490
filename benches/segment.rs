//! What a lookup costs: a segment of a million records in memory, as large as a shard gets, so that
//! index and records do not fit any cache; serials that are there and serials that are not.

#![allow(
    missing_docs,
    reason = "criterion's macros write undocumented functions"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use estelam::asn1::{SignatureAlgorithm, UnixTime};
use estelam::catalog::{Catalog, IssuerEntry, IssuerPolicy, IssuerTable, MaskEntry, Publication};
use estelam::identity::{IssuerId, SerialHash, SerialNumber};
use estelam::ocsp::{HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams};
use estelam::segment::{
    RecordData, RecordStatus, Segment, SegmentFile, SegmentKind, SegmentSpec, SegmentWriter,
};

const RECORDS: u32 = 1_000_000;
const SUBJECT: &[u8] = b"a name";
const KEY: &[u8] = b"a key";

fn serial(number: u32) -> SerialNumber {
    let mut content = [0x4a; 20];
    let spread = number.wrapping_mul(0x9e37_79b1);
    let (_, tail) = content.split_at_mut(16);
    tail.copy_from_slice(&spread.to_be_bytes());
    SerialNumber::from_content(&content).expect("0x4a begins a positive serial")
}

fn issuer() -> IssuerId {
    IssuerId::new(SUBJECT, KEY)
}

fn write(folder: &std::path::Path) -> SegmentFile {
    let time = UnixTime::from_secs(1_700_000_000).expect("a time of this century");
    let template = |hash| {
        Template::new(&TemplateParams {
            responder_id: &ResponderId::ByKey([7; 20]),
            issuer_hashes: &IssuerHashes::new(hash, SUBJECT, KEY),
            produced_at: time,
            this_update: time,
            next_update: time,
            signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
            archive_cutoff: None,
            certificates: &[],
        })
    };
    let spec = SegmentSpec {
        issuer: issuer(),
        signer: [0; 32],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        kind: SegmentKind::Base,
        depth: 0,
        shard: 0,
        as_of: 1,
        snapshot_time: time,
        next_sign: time,
        templates: vec![
            template(HashAlgorithm::Sha1),
            template(HashAlgorithm::Sha256),
        ],
    };
    let count = usize::try_from(RECORDS).expect("fits");
    let mut writer = SegmentWriter::create(folder, &spec, count, 20).expect("a writable folder");
    for number in 0..RECORDS {
        let record = RecordData {
            serial: serial(number),
            status: RecordStatus::Good,
            single_extensions: None,
            signatures: &[0x11; 128],
        };
        writer.push(&record).expect("a good record");
    }
    writer.finish().expect("room on the disk")
}

/// Walks all serials in an order that no cache or prefetcher foresees.
struct Walk(u32);

impl Walk {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % RECORDS
    }
}

fn lookups(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (catalog, _) = Catalog::open(folder.path(), 0).expect("an empty folder");
    let started = std::time::Instant::now();
    let file = write(folder.path());
    eprintln!(
        "a million records written in {:?}, {} octets",
        started.elapsed(),
        file.len
    );
    let segment = Segment::open(folder.path(), file.sha256, file.len).expect("just written");
    let issuer = issuer();

    let mut walk = Walk(1);
    criterion.bench_function("lookup of a present serial", |bencher| {
        bencher.iter(|| {
            let serial = serial(walk.next());
            let hash = SerialHash::new(&issuer, serial.as_bytes());
            black_box(segment.lookup(hash, serial.as_bytes()));
        });
    });
    criterion.bench_function("lookup of an absent serial", |bencher| {
        bencher.iter(|| {
            let serial = serial(walk.next().wrapping_add(RECORDS));
            let hash = SerialHash::new(&issuer, serial.as_bytes());
            black_box(segment.lookup(hash, serial.as_bytes()));
        });
    });
    criterion.bench_function("lookup of one serial again and again", |bencher| {
        let serial = serial(77);
        bencher.iter(|| {
            let hash = SerialHash::new(&issuer, serial.as_bytes());
            black_box(segment.lookup(hash, black_box(serial.as_bytes())));
        });
    });

    let entry = IssuerEntry {
        id: issuer,
        name: String::new(),
        subject_der: SUBJECT.to_vec(),
        public_key_octets: KEY.to_vec(),
        policy: IssuerPolicy::default(),
    };
    let table = IssuerTable::new(vec![entry]).expect("one issuer");
    let masks = (0..1 << 16).map(|number| MaskEntry {
        serial: serial(number + RECORDS),
        sequence: 2,
        status: RecordStatus::Good,
    });
    let publish = |publications: &[Publication]| catalog.publish(publications).expect("published");
    publish(&[
        Publication::IssuerTable(Arc::new(table)),
        Publication::Segment { issuer, file },
        Publication::Mask {
            issuer,
            changes: masks.collect(),
        },
        Publication::CaughtUp { issuer, as_of: 2 },
    ]);
    criterion.bench_function("find below an overlay of 65,536", |bencher| {
        bencher.iter(|| {
            let serial = serial(walk.next());
            let snapshot = catalog.snapshot();
            let issuer = snapshot.issuer_by_id(&issuer).expect("the only one");
            black_box(issuer.find(serial.as_bytes()));
        });
    });
    let mut sequence = 2;
    criterion.bench_function(
        "publication of a mask into an overlay of 65,536",
        |bencher| {
            bencher.iter(|| {
                sequence += 1;
                let mask = MaskEntry {
                    serial: serial(RECORDS + walk.next() % (1 << 16)),
                    sequence,
                    status: RecordStatus::Good,
                };
                publish(&[Publication::Mask {
                    issuer,
                    changes: vec![mask],
                }]);
            });
        },
    );
}

criterion_group!(benches, lookups);
criterion_main!(benches);
