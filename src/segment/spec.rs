//! What a segment to be written is.

use super::format::SegmentKind;
use crate::asn1::{SignatureAlgorithm, UnixTime};
use crate::identity::IssuerId;
use crate::ocsp::Template;

/// Describes a segment to be written: all of its header that is not arithmetic.
#[derive(Clone, Debug)]
pub struct SegmentSpec {
    /// The issuer of all serials in it.
    pub issuer: IssuerId,
    /// SHA-256 of the signer's certificate; zeros when nothing in it is signed.
    pub signer: [u8; 32],
    /// How its signatures were made.
    pub algorithm: SignatureAlgorithm,
    /// Base or patch.
    pub kind: SegmentKind,
    /// How many of the highest bits of a [`SerialHash`](crate::identity::SerialHash) choose the
    /// shard, at most 20.
    pub depth: u8,
    /// The value of those bits for every serial in it.
    pub shard: u32,
    /// The last ledger sequence that its statuses include.
    pub as_of: u64,
    /// When its statuses were taken from the ledger: the producedAt of its answers.
    pub snapshot_time: UnixTime,
    /// When the planner wants it replaced.
    pub next_sign: UnixTime,
    /// One column of signatures each, in this order, each for another CertID hash and all for
    /// `algorithm`; none for a segment without signatures.
    pub templates: Vec<Template>,
}
