//! Turns truth into signed answers ahead of time.
//!
//! [`SigningWindow`] says from when until when an answer holds and when it is signed again;
//! [`sign_shard`] signs one shard of an issuer into a segment; [`AnswerSigner`] signs the few answers
//! that cannot wait for it. What is due and what is published is the authority's business.

mod answer_signer;
mod batch;
mod shard;
mod window;

pub use answer_signer::AnswerSigner;
pub use shard::{PresignError, ShardJob, ShardRecord, shard_depth, sign_shard, signer_fingerprint};
pub use window::{
    Archive, CrlLife, Phase, SigningWindow, ValidityBounds, ValidityPolicy, WindowError,
};
