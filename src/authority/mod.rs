//! Holds the ledger and the keys, and keeps the catalog true to them.
//!
//! A change reaches clients in this order: it is judged and synced ([`crate::ledger`]), masked in the
//! catalog so that no older answer is served, acknowledged, and then signed: at once into the overlay
//! by the *keeper*, later into its shard by the *renewal*. CRLs are published and compressed by a thread
//! that nobody waits for. Questions that no presigned answer fits come
//! through one bounded queue to the *live* signer. Each of the three is a thread of its own, so that
//! none waits for another; all stop when [`Authority::stop`] says so.
//!
//! Signing stops while the clock is not trusted or the key is missing; masks do not need either.

mod admin;
mod admin_audit;
mod auditor;
mod background;
mod bustle;
mod catch_up;
mod clerk;
mod crl_files;
mod dating;
mod error;
#[cfg(test)]
mod evidence_tests;
mod feeding;
mod issuer;
mod keeper;
mod lineage;
mod live;
mod observer;
mod profile;
mod publishing;
mod push;
mod renewal;
mod runtime;
mod scrub;
mod signing;

pub use admin::{Admin, ClockReply, FeedPoll, ServerStats};
pub use admin_audit::ExportPiece;
pub use auditor::{
    Auditor, CheckpointReply, ExportReply, ExportRequest, ProveRequest, VerifyProgress,
    VerifyRequest, open_ledger_key, verify_snapshot,
};
pub use clerk::{
    BackupReply, BackupRequest, CaCertificate, CaCertificateState, CertificateState, ChangeOutcome,
    ChangeReply, ChangeRequest, Clerk, ClerkAction, IssuedReply, IssuedRequest, IssuedSerial,
    IssuerBelow, PlannedSerial, PublishCrlReply, PublishCrlRequest, PublishedCrl, ReserveReply,
    ReserveRequest, RevokeAllPreview, RevokeAllReply, RevokeAllRequest, StatusReply, StatusRequest,
    Visible, WhichCrls, WholeRevocation,
};
pub use clerk::{
    CrlFacts, HistoryEntry, HistoryReply, HistoryRequest, PastBy, PastReply, PastRequest, PastState,
};
pub(crate) use error::with_causes;
pub use error::{ErrorClass, OperationError};
pub use feeding::{FeedBoard, FeedFault, FeedHealth, FeedState, Feeding};
pub use issuer::{Issuer, Issuers};
pub(crate) use lineage::{agreed as agreed_with_catalog, remembered as remembered_by_catalog};
pub use observer::{AuthorityStats, CrlStats, EvidenceStats, IssuerStats, SignerState};
pub use publishing::{PlainTime, PublishedCrlStats, Publishing, judge_crl_key};
pub use push::PushOffice;
pub use runtime::{Authority, AuthorityError};
