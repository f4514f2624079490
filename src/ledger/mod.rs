//! The truth about every certificate.

mod change;
mod transition;

pub use change::{
    Action, Change, Inventory, Outcome, RevocationClaim, Source, SourceTooLong, Verdict,
};
pub use transition::Refusal;
