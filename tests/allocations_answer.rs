//! The decision allocates the response body and nothing else (DESIGN rule 2): one allocation, of the
//! body's exact length, for answers from a segment, from the overlay, and for the constant refusals.

#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

#[path = "../benches/presigned/mod.rs"]
mod presigned;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use estelam::catalog::Snapshot;
use estelam::ocsp::RequestLimits;
use estelam::responder::{Answer, AnswerKind, Response, answer};

struct Counting;

thread_local! {
    /// How many, and of how many octets together.
    static ALLOCATED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(octets: usize) {
    // Threads that end have no counter any more.
    let _gone = ALLOCATED.try_with(|allocated| {
        let (count, sum) = allocated.get();
        allocated.set((count + 1, sum + octets));
    });
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RECORDS: u32 = 5_000;

#[test]
fn a_decision_allocates_the_body_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = presigned::catalog(folder.path(), RECORDS);
    let snapshot = catalog.snapshot();
    let ours = |hash, numbers: std::ops::Range<u32>| {
        numbers
            .map(|number| presigned::request(hash, number))
            .collect::<Vec<_>>()
    };
    let fresh = RECORDS..RECORDS + presigned::FRESH;
    let never = fresh.end..fresh.end + 5_000;
    for hash in presigned::HASHES {
        check(&snapshot, AnswerKind::Presigned, &ours(hash, 0..RECORDS));
        check(&snapshot, AnswerKind::Overlay, &ours(hash, fresh.clone()));
        check(
            &snapshot,
            AnswerKind::Unauthorized,
            &ours(hash, never.clone()),
        );
    }
    let foreign: Vec<_> = (0..100).map(presigned::foreign_request).collect();
    check(&snapshot, AnswerKind::Unauthorized, &foreign);
    let cut = (0..foreign[0].len()).map(|len| foreign[0][..len].to_vec());
    check(
        &snapshot,
        AnswerKind::MalformedRequest,
        &cut.collect::<Vec<_>>(),
    );
}

fn check(snapshot: &Snapshot, kind: AnswerKind, requests: &[Vec<u8>]) {
    for request in requests {
        let before = ALLOCATED.get();
        let answered = decide(snapshot, request);
        let after = ALLOCATED.get();
        let allocated = (after.0 - before.0, after.1 - before.1);
        assert_eq!(answered.kind, kind);
        assert_eq!(allocated, (1, answered.body.len()), "{kind:?}");
    }
}

fn decide(snapshot: &Snapshot, request: &[u8]) -> Response {
    let limits = RequestLimits::default();
    match answer(black_box(request), snapshot, presigned::now(), &limits) {
        Answer::Ready(response) => response,
        Answer::Ask(_) => panic!("everything asked is presigned or refused"),
    }
}
