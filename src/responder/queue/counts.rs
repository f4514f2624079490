//! What the queue counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Shed;
use crate::observe::{Histogram, HistogramSnapshot, LiveStats};
use crate::responder::Why;

/// All of it only rises.
#[derive(Debug, Default)]
pub(super) struct Counts {
    asked: [AtomicU64; Why::ALL.len()],
    shed: [AtomicU64; Shed::ALL.len()],
    joined: AtomicU64,
    waited: Histogram,
}

impl Counts {
    pub(super) fn asked(&self, why: Why) {
        if let Some(count) = self.asked.get(why.index()) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn shed(&self, shed: Shed) {
        if let Some(count) = self.shed.get(shed.index()) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn joined(&self, count: u64) {
        if count > 0 {
            self.joined.fetch_add(count, Relaxed);
        }
    }

    pub(super) fn taken(&self, waited: Duration) {
        self.waited
            .record(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn stats(&self, threads: usize, waiting: usize) -> LiveStats {
        let mut waited = HistogramSnapshot::default();
        self.waited.add_to(&mut waited);
        let label =
            |label: &'static str, count: &AtomicU64| (label.to_owned(), count.load(Relaxed));
        LiveStats {
            threads,
            waiting,
            asked: (Why::ALL.iter().zip(&self.asked))
                .map(|(why, count)| label(why.label(), count))
                .collect(),
            shed: (Shed::ALL.iter().zip(&self.shed))
                .map(|(shed, count)| label(shed.label(), count))
                .collect(),
            joined: self.joined.load(Relaxed),
            waited,
        }
    }
}
