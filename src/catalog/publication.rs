//! Publications: all that may change what is served.

use std::sync::Arc;

use super::crls::CrlListing;
use super::files::{CaCertificate, Coding};
use super::issuer_table::IssuerTable;
use crate::asn1::UnixTime;
use crate::identity::{IssuerId, SerialNumber};
use crate::ocsp::{HashAlgorithm, Template};
use crate::segment::{RecordStatus, SegmentFile};

/// One change of what is served. Several published together become visible together.
#[derive(Clone, Debug)]
pub enum Publication {
    /// The issuers that are answered for, all of them. Segments of others stay, unserved.
    IssuerTable(Arc<IssuerTable>),
    /// A finished segment in the catalog's folder. It replaces what it covers, and the overlay entries
    /// that it includes leave with the same swap.
    ///
    /// A base speaks for every serial of its shard as of its sequence. A patch speaks for the serials
    /// in it alone, and must have every one whose status changed above what the segments before it
    /// include and up to its own sequence: all overlay entries of an issuer that has caught up to that
    /// sequence, signed or not.
    Segment {
        /// The issuer.
        issuer: IssuerId,
        /// The file.
        file: SegmentFile,
    },
    /// Statuses that changed, unsigned: no older answer for these serials is served any more.
    Mask {
        /// The issuer.
        issuer: IssuerId,
        /// The serials.
        changes: Vec<MaskEntry>,
    },
    /// Signed answers that no segment holds.
    FreshAnswer {
        /// The issuer.
        issuer: IssuerId,
        /// The answers.
        answers: Vec<FreshAnswer>,
    },
    /// All certificates of an issuer are revoked for good. Whatever else is or will be published for it,
    /// only what says of a serial that it is revoked for good is served; every other serial that is known
    /// is [`Masked`](super::Finding::Masked) with this status. Nothing undoes it in this process, and no
    /// manifest remembers it: it is published at every start, before the issuer is caught up.
    IssuerRevoked {
        /// The issuer.
        issuer: IssuerId,
        /// The ledger sequence of the act.
        sequence: u64,
        /// Revoked when and why; not a hold.
        status: RecordStatus,
    },
    /// What says how certificates of an issuer stand has been silent for too long, or speaks again. While
    /// it is silent, only what says of a serial that it is revoked for good is served; everything else is
    /// [`Stale`](super::Finding::Stale). No manifest remembers it.
    Freshness {
        /// The issuer.
        issuer: IssuerId,
        /// Whether it is silent.
        stale: bool,
    },
    /// Masks may be missing from now on: nothing presigned of this issuer is served. Every issuer
    /// begins like this.
    CatchingUp {
        /// The issuer.
        issuer: IssuerId,
    },
    /// Every mask up to this sequence has been published.
    CaughtUp {
        /// The issuer.
        issuer: IssuerId,
        /// The ledger sequence.
        as_of: u64,
    },
    /// A segment leaves service and disk. A patch is forgotten, also a withheld one; the shard of a base is withheld (no
    /// serial of it is taken for one never issued) until another base covers it. Unknown ones are
    /// ignored.
    Retire {
        /// Its digest.
        sha256: [u8; 32],
    },
    /// The CRLs that may be served, all of them, and the documents about them. Their files lie in the
    /// catalog's folder of CRLs; each new one is read whole and compared with its entry first, so that
    /// publishing takes as long as that. One that does not fit is left out and told in the log, and the
    /// one that was served before under its URL stays. A listing of a generation that was overtaken
    /// changes nothing; the same one again heals what was left out.
    Crls(Arc<CrlListing>),
    /// A compressed form that lies beside a CRL in service. It is decompressed first, and refused if it
    /// is not that CRL. One of a CRL that is served no more changes nothing.
    CrlCoding {
        /// The digest of the CRL.
        sha256: [u8; 32],
        /// How it is compressed.
        coding: Coding,
    },
    /// The CA certificates that are served, all of them.
    Certificates(Vec<CaCertificate>),
}

/// A serial whose status changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaskEntry {
    /// The serial.
    pub serial: SerialNumber,
    /// The ledger sequence of the change.
    pub sequence: u64,
    /// The status since then.
    pub status: RecordStatus,
}

/// A signed answer for one serial.
#[derive(Clone, Debug)]
pub struct FreshAnswer {
    /// The serial.
    pub serial: SerialNumber,
    /// The ledger sequence that the answer speaks for.
    pub sequence: u64,
    /// The status that was signed.
    pub status: RecordStatus,
    /// thisUpdate in it.
    pub this_update: UnixTime,
    /// producedAt in it.
    pub produced_at: UnixTime,
    /// nextUpdate in it.
    pub next_update: UnixTime,
    /// When the planner wants it replaced.
    pub next_sign: UnixTime,
    /// DER of the `Extensions` SEQUENCE of its SingleResponse, if any.
    pub single_extensions: Option<Box<[u8]>>,
    /// A signature for each CertID hash; a few at most.
    pub columns: Vec<FreshColumn>,
}

impl FreshAnswer {
    /// What answers a CertID with this hash.
    #[must_use]
    pub fn column(&self, algorithm: HashAlgorithm) -> Option<&FreshColumn> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.template.hash_algorithm() == algorithm)
    }
}

/// One signature of a fresh answer.
#[derive(Clone, Debug)]
pub struct FreshColumn {
    /// The constant octets around it, shared by all answers signed together.
    pub template: Arc<Template>,
    /// The signature in stored form.
    pub signature: Box<[u8]>,
}
