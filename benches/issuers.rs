//! What a table of 500 issuers costs a decision: `responder::answer` from the request's octets to the
//! whole response, with 100,000 presigned certificates in each case.
//!
//! `cargo bench --bench issuers --no-run`, then `taskset -c 1 target/release/deps/issuers-…`. The cases
//! take turns round by round, so that a neighbour's load hits all of them, and the ratios are medians.
//! `issuers-… one 1000` (`same`, `spread`) makes so many answers of one case and nothing else: the
//! difference between two such runs under `valgrind --tool=none` or callgrind is instructions an answer.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a bench prints, and stops at the first surprise"
)]

mod presigned;

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use estelam::catalog::Catalog;
use estelam::ocsp::RequestLimits;
use estelam::responder::{Answer, AnswerKind, answer};

const ISSUERS: u32 = 500;
const CERTIFICATES: u32 = 100_000;
const ROUNDS: usize = 31;
const ANSWERS: usize = 100_000;

struct Case {
    name: &'static str,
    what: &'static str,
    catalog: Catalog,
    requests: Vec<Vec<u8>>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    if let [name, count] = &arguments[..] {
        let count: usize = count.parse().unwrap();
        let (_, make) = CASES.iter().find(|(known, _)| known == name).unwrap();
        make(folder.path()).answer(count);
        return;
    }

    let cases: Vec<Case> = CASES
        .iter()
        .map(|(name, make)| {
            let folder = folder.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            make(&folder)
        })
        .collect();
    let mut rounds = vec![Vec::new(); cases.len()];
    for round in 0..ROUNDS {
        for turn in 0..cases.len() {
            let place = (round + turn) % cases.len();
            rounds[place].push(cases[place].answer(ANSWERS));
        }
    }
    for (case, times) in cases.iter().zip(&rounds) {
        let ratios = times.iter().zip(&rounds[0]).map(|(time, one)| time / one);
        println!(
            "{}: {:.0} ns an answer, {:.3} of one issuer",
            case.what,
            median(times.clone()),
            median(ratios.collect())
        );
    }
}

type Make = fn(&Path) -> Case;

const CASES: [(&str, Make); 3] = [("one", one), ("same", same), ("spread", spread)];

/// What there was before: one issuer.
fn one(folder: &Path) -> Case {
    Case::new("one", "one issuer", folder, &[CERTIFICATES], 1)
}

/// The same questions to the same issuer, which is one of many: the cost of the table alone.
fn same(folder: &Path) -> Case {
    let mut records = vec![1; ISSUERS as usize];
    records[0] = CERTIFICATES;
    Case::new("same", "one of 500 issuers", folder, &records, 1)
}

/// As many certificates, spread over all, and questions to them in no order: as many templates,
/// segments and indexes as there are issuers, instead of one that stays in the cache.
fn spread(folder: &Path) -> Case {
    let records = vec![CERTIFICATES / ISSUERS; ISSUERS as usize];
    Case::new("spread", "all of 500 issuers", folder, &records, ISSUERS)
}

impl Case {
    fn new(
        name: &'static str,
        what: &'static str,
        folder: &Path,
        records: &[u32],
        asked: u32,
    ) -> Self {
        let requests = (0..CERTIFICATES).map(|turn| {
            // An order that no cache foresees, and both hashes for each issuer.
            let number = turn.wrapping_mul(7_919) % CERTIFICATES;
            let hash = presigned::HASHES[(turn / 2 % 2) as usize];
            presigned::request_of_issuer(hash, number % asked, number / asked)
        });
        let case = Self {
            name,
            what,
            catalog: presigned::catalog_of_issuers(folder, records),
            requests: requests.collect(),
        };
        case.answer(case.requests.len());
        case
    }

    /// Makes so many answers; nanoseconds for each.
    fn answer(&self, count: usize) -> f64 {
        let snapshot = self.catalog.snapshot();
        let (now, limits) = (presigned::now(), RequestLimits::default());
        let begun = Instant::now();
        for request in self.requests.iter().cycle().take(count) {
            let Answer::Ready(response) = answer(black_box(request), &snapshot, now, &limits)
            else {
                panic!("{}: everything asked is presigned", self.name)
            };
            assert_eq!(black_box(response).kind, AnswerKind::Presigned);
        }
        begun.elapsed().as_nanos() as f64 / count as f64
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
