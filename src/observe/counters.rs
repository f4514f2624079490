//! The HTTP side's counters: relaxed additions to atomics that threads do not share.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::{
    AnswerKind, FileAnswer, FileKind,
    histogram::{Histogram, HistogramSnapshot},
    stats::{AnswerTimes, ConnectionStats, FileStats, HttpStats, MethodCounts},
};

/// How an OCSP request came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
}

/// Requests that got an HTTP error instead of an OCSP answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HttpError {
    /// 400: a head or a body framing that is not HTTP/1.1.
    BadRequest,
    /// 404: a path outside every mount, or a GET without a request in its path.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 413: a body above the limit.
    ContentTooLarge,
    /// 414: a path above the limit.
    UriTooLong,
    /// 415: a body that is no OCSP request by its Content-Type or Content-Encoding.
    UnsupportedMediaType,
    /// 417: an expectation other than 100-continue.
    ExpectationFailed,
    /// 431: a head above the limit.
    HeadTooLarge,
}

impl HttpError {
    const ALL: [Self; 8] = [
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ContentTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::ExpectationFailed,
        Self::HeadTooLarge,
    ];

    const fn index(self) -> usize {
        match self {
            Self::BadRequest => 0,
            Self::NotFound => 1,
            Self::MethodNotAllowed => 2,
            Self::ContentTooLarge => 3,
            Self::UriTooLong => 4,
            Self::UnsupportedMediaType => 5,
            Self::ExpectationFailed => 6,
            Self::HeadTooLarge => 7,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::BadRequest => "400_bad_request",
            Self::NotFound => "404_not_found",
            Self::MethodNotAllowed => "405_method_not_allowed",
            Self::ContentTooLarge => "413_content_too_large",
            Self::UriTooLong => "414_uri_too_long",
            Self::UnsupportedMediaType => "415_unsupported_media_type",
            Self::ExpectationFailed => "417_expectation_failed",
            Self::HeadTooLarge => "431_head_too_large",
        }
    }
}

/// What a connection was waiting for when its time ran out and it was closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Timeout {
    /// The rest of a request head, or a new connection's first one.
    Head,
    /// The next request. Nobody is harmed by this one.
    Idle,
    /// The rest of a request body.
    Body,
    /// The backend's answer.
    Answer,
    /// The client, to read its answer.
    Write,
    /// The end of a connection that outlived the drain at shutdown.
    Drain,
}

impl Timeout {
    const ALL: [Self; 6] = [
        Self::Head,
        Self::Idle,
        Self::Body,
        Self::Answer,
        Self::Write,
        Self::Drain,
    ];

    const fn index(self) -> usize {
        match self {
            Self::Head => 0,
            Self::Idle => 1,
            Self::Body => 2,
            Self::Answer => 3,
            Self::Write => 4,
            Self::Drain => 5,
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Answer => "answer",
            Self::Write => "write",
            Self::Drain => "drain",
        }
    }
}

/// Everything the HTTP side counts. All of it only rises; a restart begins at zero.
///
/// Counting is one or two relaxed additions. They go to one of 16 copies, chosen once for
/// each thread, so that cores do not take a cache line from each other at every request.
#[derive(Debug, Default)]
pub struct Counters {
    shards: Box<[Shard; SHARDS]>,
}

/// Above this many threads some share a copy, which costs them time but no count.
const SHARDS: usize = 16;

#[derive(Debug, Default)]
#[repr(align(128))] // Two cache lines: the adjacent one is prefetched along.
struct Shard {
    answers: [[AtomicU64; 3]; 8],
    not_modified: AtomicU64,
    ready: Histogram,
    waited: Histogram,
    http_errors: [AtomicU64; 8],
    timeouts: [AtomicU64; 6],
    accepted: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    accept_failures: AtomicU64,
    aborted: AtomicU64,
    files: [[AtomicU64; 7]; 3],
    file_octets: AtomicU64,
}

impl Counters {
    /// An OCSP answer that the backend gave at once, and how long that took.
    pub fn answered(&self, kind: AnswerKind, method: Method, nanos: u64) {
        let shard = self.shard();
        shard.answered(kind, method);
        shard.ready.record(nanos);
    }

    /// An OCSP answer that had to wait for a signature, and how long it waited.
    pub fn answered_after_waiting(&self, kind: AnswerKind, method: Method, nanos: u64) {
        let shard = self.shard();
        shard.answered(kind, method);
        shard.waited.record(nanos);
    }

    /// An answer, already counted, that was not sent because the client's copy is still good (304).
    pub fn not_modified(&self) {
        self.shard().not_modified.fetch_add(1, Relaxed);
    }

    /// A request for a file, and how it was answered.
    pub fn file_answered(&self, kind: FileKind, answer: FileAnswer) {
        if let Some(counts) = self.shard().files.get(kind.index()) {
            add(counts, answer.index());
        }
    }

    /// Octets of a file that were handed to a connection.
    pub fn file_octets(&self, octets: u64) {
        self.shard().file_octets.fetch_add(octets, Relaxed);
    }

    /// A request answered with an HTTP error.
    pub fn http_error(&self, error: HttpError) {
        add(&self.shard().http_errors, error.index());
    }

    /// A connection closed because its time was up.
    pub fn timed_out(&self, timeout: Timeout) {
        add(&self.shard().timeouts, timeout.index());
    }

    /// How many connections were cut at the end of a drain.
    #[must_use]
    pub fn drain_cuts(&self) -> u64 {
        self.sum_of(|shard| shard.timeouts.get(Timeout::Drain.index()))
    }

    /// A connection that will be served.
    pub fn connection_accepted(&self) {
        self.shard().accepted.fetch_add(1, Relaxed);
    }

    /// The end of a connection that was served.
    pub fn connection_closed(&self) {
        self.shard().closed.fetch_add(1, Relaxed);
    }

    /// A connection closed at once because as many as allowed were open.
    pub fn connection_refused(&self) {
        self.shard().refused.fetch_add(1, Relaxed);
    }

    /// A connection that the client broke in the middle of a request or an answer.
    pub fn connection_aborted(&self) {
        self.shard().aborted.fetch_add(1, Relaxed);
    }

    /// An `accept` that failed, for instance for want of file descriptors.
    pub fn accept_failed(&self) {
        self.shard().accept_failures.fetch_add(1, Relaxed);
    }

    /// All counts now. Not one atomic moment: requests in progress may be counted in part.
    #[must_use]
    pub fn snapshot(&self) -> HttpStats {
        let sum = |counter: fn(&Shard) -> &AtomicU64| self.sum(counter);
        // Closed before accepted, so that a connection counted as closed is also counted as open.
        let closed = sum(|shard| &shard.closed);
        let accepted = sum(|shard| &shard.accepted);
        HttpStats {
            answers: self.answers(),
            not_modified: sum(|shard| &shard.not_modified),
            errors: HttpError::ALL
                .map(|error| {
                    let count = self.sum_of(|shard| shard.http_errors.get(error.index()));
                    (error.label().to_owned(), count)
                })
                .into(),
            timeouts: Timeout::ALL
                .map(|timeout| {
                    let count = self.sum_of(|shard| shard.timeouts.get(timeout.index()));
                    (timeout.label().to_owned(), count)
                })
                .into(),
            connections: ConnectionStats {
                open: accepted.saturating_sub(closed),
                accepted,
                refused: sum(|shard| &shard.refused),
                aborted: sum(|shard| &shard.aborted),
                accept_failures: sum(|shard| &shard.accept_failures),
            },
            times: self.times(),
            files: self.files(),
        }
    }

    fn files(&self) -> FileStats {
        let count = |kind: FileKind, answer: FileAnswer| {
            self.sum_of(|shard| shard.files.get(kind.index())?.get(answer.index()))
        };
        FileStats {
            answers: FileKind::ALL
                .map(|kind| {
                    let counts = FileAnswer::ALL
                        .map(|answer| (answer.label().to_owned(), count(kind, answer)));
                    (kind.label().to_owned(), counts.into())
                })
                .into(),
            octets: self.sum(|shard| &shard.file_octets),
        }
    }

    fn answers(&self) -> std::collections::BTreeMap<String, MethodCounts> {
        let count = |kind: AnswerKind, method: Method| {
            self.sum_of(|shard| shard.answers.get(kind.index())?.get(method_index(method)))
        };
        AnswerKind::ALL
            .map(|kind| {
                let counts = MethodCounts {
                    get: count(kind, Method::Get),
                    head: count(kind, Method::Head),
                    post: count(kind, Method::Post),
                };
                (kind.label().to_owned(), counts)
            })
            .into()
    }

    fn times(&self) -> AnswerTimes {
        let mut times = AnswerTimes {
            ready: HistogramSnapshot::default(),
            waited: HistogramSnapshot::default(),
        };
        for shard in self.shards.iter() {
            shard.ready.add_to(&mut times.ready);
            shard.waited.add_to(&mut times.waited);
        }
        times
    }

    fn sum(&self, counter: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.sum_of(|shard| Some(counter(shard)))
    }

    fn sum_of(&self, counter: impl Fn(&Shard) -> Option<&AtomicU64>) -> u64 {
        self.shards
            .iter()
            .filter_map(counter)
            .fold(0, |sum, count| sum.saturating_add(count.load(Relaxed)))
    }

    fn shard(&self) -> &Shard {
        let place = THREAD.get();
        self.shards
            .get(place)
            .expect("a thread's place is below SHARDS")
    }
}

impl Shard {
    fn answered(&self, kind: AnswerKind, method: Method) {
        if let Some(counts) = self.answers.get(kind.index()) {
            add(counts, method_index(method));
        }
    }
}

fn add(counters: &[AtomicU64], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.fetch_add(1, Relaxed);
    }
}

const fn method_index(method: Method) -> usize {
    match method {
        Method::Get => 0,
        Method::Head => 1,
        Method::Post => 2,
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's place in [`Counters::shards`].
    static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Relaxed) % SHARDS);
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn counts_of_all_threads_are_summed() {
        let counters = Arc::new(Counters::default());
        let threads: Vec<_> = (0..SHARDS + 3)
            .map(|_| {
                let counters = Arc::clone(&counters);
                thread::spawn(move || {
                    for _ in 0..1_000 {
                        counters.answered(AnswerKind::Presigned, Method::Get, 700);
                    }
                    counters.answered_after_waiting(AnswerKind::Live, Method::Post, 70_000);
                    counters.http_error(HttpError::NotFound);
                    counters.timed_out(Timeout::Write);
                    counters.connection_accepted();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        counters.connection_closed();

        let stats = counters.snapshot();
        assert_eq!(stats.answers["presigned"].get, 19_000);
        assert_eq!(stats.answers["live"].post, 19);
        assert_eq!(stats.answer_count(), 19_019);
        assert_eq!(stats.errors["404_not_found"], 19);
        assert_eq!(stats.timeouts["write"], 19);
        assert_eq!(stats.connections.open, 18);
        assert_eq!(stats.times.ready.count(), 19_000);
        assert_eq!(stats.times.waited.count(), 19);
    }

    #[test]
    fn labels_and_places_agree() {
        for (place, error) in HttpError::ALL.into_iter().enumerate() {
            assert_eq!(error.index(), place);
        }
        for (place, timeout) in Timeout::ALL.into_iter().enumerate() {
            assert_eq!(timeout.index(), place);
        }
    }
}
