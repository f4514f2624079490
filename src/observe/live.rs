//! What became of questions that needed a signature of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HistogramSnapshot;

/// The live queue since the start.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LiveStats {
    /// Threads that answer.
    pub threads: usize,
    /// Questions that wait now.
    pub waiting: usize,
    /// Questions, by why they were asked.
    pub asked: BTreeMap<String, u64>,
    /// Those that got no signature, by why: turned away at once, or not answered in time.
    pub shed: BTreeMap<String, u64>,
    /// Those that had the answer of another one with the same octets.
    pub joined: u64,
    /// How long questions waited until somebody began to answer them.
    pub waited: HistogramSnapshot,
}

/// The live questions of one issuer since the start; of several issuers asked about at once, the first
/// one's.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LaneStats {
    /// Questions.
    pub asked: u64,
    /// Those that got no signature.
    pub shed: u64,
    /// Those that wait now.
    pub waiting: usize,
}
