//! A histogram of durations with power-of-two buckets: one relaxed addition to record, a factor of
//! two of precision to read.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Bucket `n` counts what took less than 2^n ns and no less than 2^(n-1) ns; the last one also
/// everything longer (2^39 ns are nine minutes).
const BUCKETS: usize = 40;

/// Durations counted in power-of-two buckets.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Histogram {
    /// Counts one duration, in nanoseconds. No lock, no allocation.
    pub fn record(&self, nanos: u64) {
        let place = u64::BITS.saturating_sub(nanos.leading_zeros());
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let bucket = self.buckets.get(place).or_else(|| self.buckets.last());
        if let Some(bucket) = bucket {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Adds what was counted so far to `snapshot`.
    pub fn add_to(&self, snapshot: &mut HistogramSnapshot) {
        for (sum, bucket) in snapshot.buckets.iter_mut().zip(&self.buckets) {
            *sum = sum.saturating_add(bucket.load(Relaxed));
        }
    }
}

/// A histogram's counts at one moment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HistogramSnapshot {
    /// Bucket `n` counts durations under 2^n ns and of at least 2^(n-1) ns.
    pub buckets: Vec<u64>,
}

impl Default for HistogramSnapshot {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
        }
    }
}

impl HistogramSnapshot {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |sum, bucket| sum.saturating_add(*bucket))
    }

    /// An upper bound, at most twice too high, of the time within which `per_mille` thousandths of
    /// all stayed. `None` when nothing was counted.
    #[must_use]
    pub fn within(&self, per_mille: u32) -> Option<Duration> {
        let all = u128::from(self.count());
        let wanted = all.saturating_mul(u128::from(per_mille)).div_ceil(1_000);
        let mut seen = 0_u128;
        let mut bound = 1_u64;
        for bucket in &self.buckets {
            seen = seen.saturating_add(u128::from(*bucket));
            if all > 0 && seen >= wanted {
                return Some(Duration::from_nanos(bound));
            }
            bound = bound.saturating_mul(2);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(durations: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::default();
        for nanos in durations {
            histogram.record(*nanos);
        }
        let mut snapshot = HistogramSnapshot::default();
        histogram.add_to(&mut snapshot);
        snapshot
    }

    #[test]
    fn bounds_are_at_most_twice_too_high() {
        for nanos in [1, 2, 3, 1_000, 1_024, 999_999_999] {
            let bound = snapshot(&[nanos]).within(999).unwrap();
            assert!(bound > Duration::from_nanos(nanos));
            assert!(bound <= Duration::from_nanos(nanos * 2));
        }
    }

    #[test]
    fn quantiles_count_from_the_short_end() {
        let mut durations = vec![100; 990];
        durations.extend([1_000_000; 10]);
        let snapshot = snapshot(&durations);
        assert_eq!(snapshot.count(), 1_000);
        assert_eq!(snapshot.within(500), Some(Duration::from_nanos(128)));
        assert_eq!(snapshot.within(990), Some(Duration::from_nanos(128)));
        assert_eq!(snapshot.within(999), Some(Duration::from_nanos(1 << 20)));
    }

    #[test]
    fn nothing_has_no_quantile_and_extremes_are_counted() {
        assert_eq!(snapshot(&[]).within(999), None);
        assert_eq!(snapshot(&[0, u64::MAX]).count(), 2);
    }
}
