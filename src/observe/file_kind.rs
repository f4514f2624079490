//! The labels that requests for files are counted under.

/// What was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A CRL, in DER or PEM.
    Crl,
    /// A document about CRLs.
    Document,
    /// A CA certificate.
    Certificate,
}

impl FileKind {
    /// All of them, in the order of [`FileKind::index`].
    pub const ALL: [Self; 3] = [Self::Crl, Self::Document, Self::Certificate];

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Crl => 0,
            Self::Document => 1,
            Self::Certificate => 2,
        }
    }

    /// Its name in statistics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Crl => "crl",
            Self::Document => "document",
            Self::Certificate => "certificate",
        }
    }
}

/// How it was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileAnswer {
    /// 200
    Whole,
    /// 206
    Part,
    /// 304
    NotModified,
    /// 406: in none of the codings that the client would take.
    NotAcceptable,
    /// 412
    PreconditionFailed,
    /// 416
    RangeNotSatisfiable,
    /// 503: a CRL that has ended, lies ahead of our clock, or is damaged.
    Unavailable,
}

impl FileAnswer {
    /// All of them, in the order of [`FileAnswer::index`].
    pub const ALL: [Self; 7] = [
        Self::Whole,
        Self::Part,
        Self::NotModified,
        Self::NotAcceptable,
        Self::PreconditionFailed,
        Self::RangeNotSatisfiable,
        Self::Unavailable,
    ];

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Part => 1,
            Self::NotModified => 2,
            Self::NotAcceptable => 3,
            Self::PreconditionFailed => 4,
            Self::RangeNotSatisfiable => 5,
            Self::Unavailable => 6,
        }
    }

    /// Its name in statistics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Whole => "200_whole",
            Self::Part => "206_part",
            Self::NotModified => "304_not_modified",
            Self::NotAcceptable => "406_not_acceptable",
            Self::PreconditionFailed => "412_precondition_failed",
            Self::RangeNotSatisfiable => "416_range_not_satisfiable",
            Self::Unavailable => "503_unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_places_agree() {
        for (place, kind) in FileKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
        }
        for (place, answer) in FileAnswer::ALL.into_iter().enumerate() {
            assert_eq!(answer.index(), place);
        }
    }
}
