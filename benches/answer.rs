//! What a decision costs: `responder::answer` from the request's octets to the whole response, with a
//! segment of 100,000 certificates and an overlay of 1,000.
//!
//! `cargo bench --bench answer`. Serials and hashes are asked in an order that no cache foresees.
//! SHA-256 over one response is measured beside it, so that figures of different hours and machines
//! can be compared.

#![allow(
    missing_docs,
    reason = "criterion's macros write undocumented functions"
)]
#![allow(clippy::expect_used, reason = "a bench stops at the first surprise")]

mod presigned;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use estelam::ocsp::RequestLimits;
use estelam::responder::{Answer, AnswerKind, answer};

const RECORDS: u32 = 100_000;

fn answers(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = presigned::catalog(folder.path(), RECORDS);
    let snapshot = catalog.snapshot();
    let limits = RequestLimits::default();
    let now = presigned::now();

    let decide = |request: &[u8]| match answer(request, &snapshot, now, &limits) {
        Answer::Ready(response) => response,
        Answer::Ask(_) => unreachable!("everything asked is presigned or refused"),
    };
    let requests = |first: u32, count: u32| -> Vec<Vec<u8>> {
        let numbers = (0..count).map(|number| first + number.wrapping_mul(7_919) % count);
        let hashes = presigned::HASHES.into_iter().cycle();
        numbers
            .zip(hashes)
            .map(|(number, hash)| presigned::request(hash, number))
            .collect()
    };

    for (what, kind, requests) in [
        ("segment", AnswerKind::Presigned, requests(0, RECORDS)),
        (
            "overlay",
            AnswerKind::Overlay,
            requests(RECORDS, presigned::FRESH),
        ),
        (
            "not issued",
            AnswerKind::Unauthorized,
            requests(RECORDS + presigned::FRESH, RECORDS),
        ),
        (
            "not our issuer",
            AnswerKind::Unauthorized,
            (0..1_000).map(presigned::foreign_request).collect(),
        ),
        (
            "malformed",
            AnswerKind::MalformedRequest,
            vec![vec![0x30, 0x03, 0x30, 0x01, 0x00]],
        ),
    ] {
        for request in &requests {
            assert_eq!(decide(request).kind, kind);
        }
        let mut next = requests.iter().cycle();
        criterion.bench_function(&format!("answer, {what}"), |bencher| {
            bencher.iter(|| decide(black_box(next.next().expect("a cycle"))));
        });
    }

    let response = decide(&presigned::request(presigned::HASHES[0], 1)).body;
    eprintln!("a response has {} octets", response.len());
    criterion.bench_function("for comparison: SHA-256 of a response", |bencher| {
        bencher.iter_batched_ref(
            || response.clone(),
            |body| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, black_box(body)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, answers);
criterion_main!(benches);
