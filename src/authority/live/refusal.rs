//! Why a question got no signed answer.

use crate::ledger::LedgerError;
use crate::observe::Quiet;
use crate::ocsp::OcspResponseStatus;
use crate::responder::Response;
use crate::signer::SignerError;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    Malformed,
    NotAuthoritative,
    CannotSign,
    Inconsistent,
}

impl Refusal {
    pub(super) fn unreadable(error: &LedgerError) -> Self {
        tracing::error!(%error, "the ledger could not be read for a live answer");
        Self::Inconsistent
    }

    pub(super) fn response(self) -> Response {
        Response::unsigned(match self {
            Self::Malformed => OcspResponseStatus::MalformedRequest,
            Self::NotAuthoritative => OcspResponseStatus::Unauthorized,
            Self::CannotSign => OcspResponseStatus::TryLater,
            Self::Inconsistent => OcspResponseStatus::InternalError,
        })
    }
}

/// Tells that live answers cannot be signed: once, not for each of them.
#[derive(Debug, Default)]
pub(in crate::authority) struct LiveTrouble(Quiet);

impl LiveTrouble {
    pub(super) fn tell(&self, error: &SignerError) {
        self.0.say(|not_told| {
            tracing::error!(%error, not_told, "live answers could not be signed: they are tryLater, or \
                the presigned ones where when_busy says so");
        });
    }
}
