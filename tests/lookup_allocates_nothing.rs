//! The hot path below the responder: CertID to issuer, serial to record, record to response, without a
//! heap allocation but the response buffer's.

#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test, outside of any #[test] function, too"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use estelam::asn1::{SignatureAlgorithm, UnixTime};
use estelam::catalog::{
    Catalog, Finding, IssuerEntry, IssuerPolicy, IssuerTable, MaskEntry, Publication,
};
use estelam::identity::{IssuerId, SerialNumber};
use estelam::ocsp::{CertId, HashAlgorithm, IssuerHashes, ResponderId, Template, TemplateParams};
use estelam::segment::{RecordData, RecordStatus, SegmentKind, SegmentSpec, SegmentWriter};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SUBJECT: &[u8] = b"a name";
const KEY: &[u8] = b"a key";

fn serial(number: u16) -> SerialNumber {
    let [high, low] = number.to_be_bytes();
    SerialNumber::from_content(&[0x55, high, low]).unwrap()
}

fn publish_all(folder: &std::path::Path) -> Catalog {
    let issuer = IssuerId::new(SUBJECT, KEY);
    let time = UnixTime::from_secs(1_700_000_000).unwrap();
    let template = Template::new(&TemplateParams {
        responder_id: &ResponderId::ByKey([7; 20]),
        issuer_hashes: &IssuerHashes::new(HashAlgorithm::Sha1, SUBJECT, KEY),
        produced_at: time,
        this_update: time,
        next_update: time,
        signature_algorithm: SignatureAlgorithm::EcdsaSha256P256,
        archive_cutoff: None,
        certificates: &[],
    });
    let (catalog, _) = Catalog::open(folder, 0).unwrap();
    let spec = |kind, as_of| SegmentSpec {
        issuer,
        signer: [0; 32],
        algorithm: SignatureAlgorithm::EcdsaSha256P256,
        kind,
        depth: 0,
        shard: 0,
        as_of,
        snapshot_time: time,
        next_sign: time,
        templates: vec![template.clone()],
    };
    let write = |spec: &SegmentSpec, numbers: std::ops::Range<u16>| {
        let mut writer = SegmentWriter::create(folder, spec, numbers.len(), 20).unwrap();
        for number in numbers {
            let record = RecordData {
                serial: serial(number),
                status: RecordStatus::Good,
                single_extensions: (number % 100 == 0).then_some(&[0x30, 0x03, 1, 1, 0]),
                signatures: &[0x11; 64],
            };
            writer.push(&record).unwrap();
        }
        let file = writer.finish().unwrap();
        Publication::Segment { issuer, file }
    };
    let entry = IssuerEntry {
        id: issuer,
        name: String::new(),
        subject_der: SUBJECT.to_vec(),
        public_key_octets: KEY.to_vec(),
        policy: IssuerPolicy::default(),
    };
    let mask = MaskEntry {
        serial: serial(9),
        sequence: 12,
        status: RecordStatus::Good,
    };
    catalog
        .publish(&[
            Publication::IssuerTable(Arc::new(IssuerTable::new(vec![entry]).unwrap())),
            write(&spec(SegmentKind::Base, 10), 0..5000),
            write(&spec(SegmentKind::Patch, 11), 0..50),
            Publication::Mask {
                issuer,
                changes: vec![mask],
            },
            Publication::CaughtUp { issuer, as_of: 12 },
        ])
        .unwrap();
    catalog
}

#[test]
fn from_cert_id_to_response_nothing_is_allocated_but_the_response() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = publish_all(folder.path());
    let hashes = IssuerHashes::new(HashAlgorithm::Sha1, SUBJECT, KEY);
    let mut found = [0; 3];
    let mut response = Vec::with_capacity(1000);
    drop(catalog.snapshot());

    let before = ALLOCATIONS.get();
    for number in 0..10_000 {
        let serial = serial(number);
        let asked = CertId {
            hash_algorithm: Some(HashAlgorithm::Sha1),
            issuer_name_hash: hashes.name_hash(),
            issuer_key_hash: hashes.key_hash(),
            serial_number: serial.as_bytes(),
            der: &[],
        };
        let snapshot = catalog.snapshot();
        let issuer = snapshot.issuer(black_box(&asked)).unwrap();
        match issuer.find(asked.serial_number) {
            Finding::Segment { segment, record } => {
                let (column, template) = segment.template(HashAlgorithm::Sha1).unwrap();
                let signature = record.signature(column).unwrap();
                let extensions = record.single_extensions();
                let status = record.status().into();
                template
                    .assemble(
                        record.serial(),
                        &status,
                        extensions,
                        signature,
                        &mut response,
                    )
                    .unwrap();
                found[0] += 1;
            }
            Finding::Masked { .. } => found[1] += 1,
            Finding::Absent => found[2] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(found, [4999, 1, 5000]);
}
