//! Why a change is not recorded.

use std::time::Duration;

use crate::asn1::{CrlReason, UnixTime};

/// Why a change contradicts what is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such issuer was defined.
    #[error("the ledger does not know this issuer")]
    UnknownIssuer,
    /// Said to be valid or released, but finally revoked (or on hold and said to be valid).
    #[error("already revoked at {revocation_time}{}", Because(*reason))]
    Revoked {
        /// When, as the ledger has it.
        revocation_time: UnixTime,
        /// Why, as the ledger has it.
        reason: Option<CrlReason>,
    },
    /// Revoked a second time, with another time, reason or invalidityDate.
    #[error("already revoked otherwise: at {revocation_time}{}", Because(*reason))]
    RevokedOtherwise {
        /// When, as the ledger has it.
        revocation_time: UnixTime,
        /// Why, as the ledger has it.
        reason: Option<CrlReason>,
    },
    /// The revocation time is more than [`REVOCATION_AHEAD_MAX`] ahead of our clock.
    #[error(
        "revoked at {revocation_time}, which is more than {} s ahead of this host's clock",
        REVOCATION_AHEAD_MAX.as_secs()
    )]
    TimeAhead {
        /// When, as claimed.
        revocation_time: UnixTime,
    },
    /// notBefore, notAfter or the certificate's SHA-256 is not the one known: another certificate
    /// with the same serial number, or a mistake in one of the sources.
    #[error("notBefore, notAfter or certificate hash differ from what is known of this serial")]
    InventoryDiffers,
    /// Said to be on hold, and an issuer as a whole.
    #[error("all certificates of an issuer can be revoked for good only, not be put on hold")]
    HoldOfIssuer,
    /// Released, but good and never on hold.
    #[error("not on hold")]
    NotOnHold,
    /// Corrected, but not revoked for good by itself.
    #[error("not revoked for good by itself, so there is no revocation to correct")]
    NothingToCorrect,
    /// Corrected to a hold, which could be released.
    #[error("a correction cannot turn a revocation into a hold")]
    CorrectedToHold,
    /// Corrected to a later time: what was signed before it would be taken for valid again.
    #[error("a correction cannot make it later: it counts as revoked from {revocation_time} on")]
    CorrectedToLater {
        /// When, as the ledger has it.
        revocation_time: UnixTime,
    },
    /// Corrected to a later invalidityDate, for the same reason.
    #[error("a correction cannot make it later: its key is suspect from {invalidity_date} on")]
    InvalidityCorrectedToLater {
        /// Since when, as the ledger has it, or when it was revoked.
        invalidity_date: UnixTime,
    },
    /// Corrected from a compromise to a reason that leaves the key unsuspected.
    #[error("a correction cannot take back {reason}: what the key signed would be trusted again")]
    CompromiseTakenBack {
        /// Why, as the ledger has it.
        reason: CrlReason,
    },
    /// Released, but never heard of.
    #[error("the ledger does not know this serial number")]
    NotKnown,
    /// Nothing is wrong with it, but with another change that it was to be applied with.
    #[error("not applied, since another entry of the batch was refused")]
    NotAlone,
}

impl Refusal {
    /// For programs; never changes its meaning.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::Revoked { .. } => "already_revoked",
            Self::RevokedOtherwise { .. } => "revoked_otherwise",
            Self::TimeAhead { .. } => "time_ahead",
            Self::InventoryDiffers => "inventory_differs",
            Self::HoldOfIssuer => "hold_of_issuer",
            Self::NotOnHold => "not_on_hold",
            Self::NotKnown => "not_known",
            Self::NothingToCorrect => "nothing_to_correct",
            Self::CorrectedToHold => "corrected_to_hold",
            Self::CorrectedToLater { .. } => "corrected_to_later",
            Self::InvalidityCorrectedToLater { .. } => "invalidity_corrected_to_later",
            Self::CompromiseTakenBack { .. } => "compromise_taken_back",
            Self::NotAlone => "batch_refused",
        }
    }
}

/// A reason inside a sentence.
struct Because(Option<CrlReason>);

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(reason) => write!(f, " ({reason})"),
            None => f.write_str(" (no reason given)"),
        }
    }
}

/// How far ahead of our clock a revocation time may be. The source's clock may differ from ours;
/// beyond this it is wrong, and so may be everything else that it dates.
pub const REVOCATION_AHEAD_MAX: Duration = Duration::from_secs(300);
