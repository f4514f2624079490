//! Which change each status allows.

/// Why a change contradicts what is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Revoked is final.
    #[error("the certificate is revoked")]
    Revoked,
}
