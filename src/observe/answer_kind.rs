//! What an answer is counted as.

/// How an answer came to be, or which OCSPResponseStatus it is: the label of its metric.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AnswerKind {
    /// Assembled from a segment.
    Presigned,
    /// Assembled from the overlay of fresh answers.
    Overlay,
    /// Signed for this request.
    Live,
    /// OCSPResponseStatus malformedRequest.
    MalformedRequest,
    /// OCSPResponseStatus internalError.
    InternalError,
    /// OCSPResponseStatus tryLater.
    TryLater,
    /// OCSPResponseStatus sigRequired.
    SigRequired,
    /// OCSPResponseStatus unauthorized.
    Unauthorized,
}

impl AnswerKind {
    /// Every kind, in the order of [`AnswerKind::index`].
    pub const ALL: [Self; 8] = [
        Self::Presigned,
        Self::Overlay,
        Self::Live,
        Self::MalformedRequest,
        Self::InternalError,
        Self::TryLater,
        Self::SigRequired,
        Self::Unauthorized,
    ];

    /// Place in [`AnswerKind::ALL`], for tables of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Presigned => 0,
            Self::Overlay => 1,
            Self::Live => 2,
            Self::MalformedRequest => 3,
            Self::InternalError => 4,
            Self::TryLater => 5,
            Self::SigRequired => 6,
            Self::Unauthorized => 7,
        }
    }

    /// The metric label, in lower case with underscores.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Presigned => "presigned",
            Self::Overlay => "overlay",
            Self::Live => "live",
            Self::MalformedRequest => "malformed_request",
            Self::InternalError => "internal_error",
            Self::TryLater => "try_later",
            Self::SigRequired => "sig_required",
            Self::Unauthorized => "unauthorized",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_place_and_label() {
        for (place, kind) in AnswerKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            let same_label = |other: &&AnswerKind| other.label() == kind.label();
            assert_eq!(AnswerKind::ALL.iter().filter(same_label).count(), 1);
        }
    }
}
