//! What the responder asks the authority.

use std::sync::Arc;

use crate::catalog::IssuerPolicy;

/// A request that no presigned answer fits, octet for octet.
///
/// It carries no status and nothing to sign: the authority decodes it again, looks the status up and
/// builds the response itself, so a responder cannot make it sign a lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The DER OCSPRequest.
    pub request_der: Arc<[u8]>,
    /// The place of the issuer in the catalog's table, of several the first one's: whose turn it waits for.
    pub lane: usize,
    /// Why it is asked.
    pub why: Why,
    /// Whether the presigned answer is to go out where no signature comes in time.
    pub has_presigned: bool,
}

impl Question {
    pub(super) fn new(request_der: &[u8], lane: usize, why: Why, policy: &IssuerPolicy) -> Self {
        Self {
            request_der: Arc::from(request_der),
            lane,
            why,
            has_presigned: policy.presigned_when_busy && why.leaves_presigned(),
        }
    }
}

/// Why a request needs a signature of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Why {
    /// Its nonce is echoed.
    Nonce,
    /// It asks for a fresh answer.
    Fresh,
    /// It prefers another signature algorithm than the presigned one.
    Algorithm,
    /// It asks about several certificates.
    Several,
    /// Its CertID has a hash that is not signed ahead.
    Hash,
    /// What is known of the certificate is not signed yet, or not any more.
    Unsigned,
    /// The certificate was never issued, and the issuer's policy is to say so.
    NotIssued,
}

impl Why {
    /// All, in the order of [`Why::index`].
    pub const ALL: [Self; 7] = [
        Self::Nonce,
        Self::Fresh,
        Self::Algorithm,
        Self::Several,
        Self::Hash,
        Self::Unsigned,
        Self::NotIssued,
    ];

    /// Place in [`Why::ALL`], for tables of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Nonce => 0,
            Self::Fresh => 1,
            Self::Algorithm => 2,
            Self::Several => 3,
            Self::Hash => 4,
            Self::Unsigned => 5,
            Self::NotIssued => 6,
        }
    }

    /// The metric label, in lower case with underscores.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Nonce => "nonce",
            Self::Fresh => "fresh",
            Self::Algorithm => "algorithm",
            Self::Several => "several_certificates",
            Self::Hash => "hash",
            Self::Unsigned => "not_signed_yet",
            Self::NotIssued => "not_issued",
        }
    }

    /// Whether there is a presigned answer all the same.
    const fn leaves_presigned(self) -> bool {
        matches!(self, Self::Nonce | Self::Fresh | Self::Algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_label() {
        for (place, why) in Why::ALL.into_iter().enumerate() {
            assert_eq!(why.index(), place);
            let same = |other: &&Why| other.label() == why.label();
            assert_eq!(Why::ALL.iter().filter(same).count(), 1);
        }
    }
}
