//! Which certificates of its issuer a CRL speaks of (RFC 5280 §5.2.5).

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{
    asn1::{Certificate, CrlReason},
    crl::ReasonFlags,
};

/// What a CRL lists: all certificates of its issuer, or part of them. CRLs of one scope follow one
/// another by number and time; those of another say nothing about its certificates.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CrlScope {
    /// A name of the distribution point that it is limited to, octet for octet as its
    /// issuingDistributionPoint has it: a URI, or `directoryName:` and the Name's DER in hexadecimal.
    pub point: Option<String>,
    /// Which kind of certificates it is limited to.
    pub certificates: CertificateKind,
    /// onlySomeReasons: the reasons that it is limited to; `None` for all.
    pub reasons: Option<ReasonFlags>,
}

/// onlyContainsUserCerts and onlyContainsCACerts, of which at most one is set.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum CertificateKind {
    /// Neither: certificates of both kinds.
    #[default]
    All,
    /// onlyContainsUserCerts: of end entities.
    User,
    /// onlyContainsCACerts: of CAs.
    Ca,
}

impl CrlScope {
    /// The scope of a full CRL.
    pub const FULL: Self = Self {
        point: None,
        certificates: CertificateKind::All,
        reasons: None,
    };
    /// What a name begins with that is no URI.
    pub const DIRECTORY_NAME: &str = "directoryName:";
    /// The longest URI of a distribution point.
    pub const POINT_OCTETS_MAX: usize = 2048;

    /// Whether it is that of a full CRL.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::FULL
    }

    /// What the scope is called in every status that follows from it.
    #[must_use]
    pub fn tag(&self) -> ScopeTag {
        if self.is_full() {
            return ScopeTag::FULL;
        }
        let kind = match self.certificates {
            CertificateKind::All => 0,
            CertificateKind::User => 1,
            CertificateKind::Ca => 2,
        };
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[kind]);
        if let Some(reasons) = self.reasons {
            context.update(b"r");
            context.update(&reasons.bits().to_be_bytes());
        }
        // No point and an empty one differ.
        if let Some(point) = &self.point {
            context.update(b" ");
            context.update(point.as_bytes());
        }
        let mut tag = [0; ScopeTag::OCTETS];
        for (octet, source) in tag.iter_mut().zip(context.finish().as_ref()) {
            *octet = *source;
        }
        ScopeTag(Some(tag))
    }
}

/// For people: `all certificates`, `the end-entity certificates of http://…`.
impl fmt::Display for CrlScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.certificates {
            CertificateKind::All if self.point.is_none() => "all certificates",
            CertificateKind::All => "the certificates",
            CertificateKind::User => "the end-entity certificates",
            CertificateKind::Ca => "the CA certificates",
        })?;
        if let Some(point) = &self.point {
            write!(f, " of {point}")?;
        }
        match self.reasons {
            Some(reasons) => write!(f, ", for {} alone", reason_names(reasons)),
            None => Ok(()),
        }
    }
}

/// The names of reasons, with commas.
fn reason_names(reasons: ReasonFlags) -> String {
    let names: Vec<&str> = reasons.reasons().map(CrlReason::name).collect();
    names.join(",")
}

/// A scope in few octets: nothing for that of a full CRL, else the first 8 octets of SHA-256 over an
/// octet (0, 1 for onlyContainsUserCerts, 2 for onlyContainsCACerts), for onlySomeReasons `r` and two octets,
/// and, for a distribution point, a space and its name.
///
/// The scopes of an issuer are few and named by its operator, so no two have the same.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ScopeTag(Option<[u8; Self::OCTETS]>);

impl ScopeTag {
    /// That of a full CRL.
    pub const FULL: Self = Self(None);
    /// Octets of any other.
    pub const OCTETS: usize = 8;

    /// The octets: none, or [`Self::OCTETS`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |octets| octets)
    }

    /// Reads what [`Self::as_bytes`] gives; `None` for another length.
    #[must_use]
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        match octets {
            [] => Some(Self::FULL),
            octets => octets.try_into().ok().map(|octets| Self(Some(octets))),
        }
    }
}

/// A distribution point in few octets: the first 8 of SHA-256 over its URL, octet for octet as the
/// certificate has it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PointTag([u8; Self::OCTETS]);

impl PointTag {
    /// Octets of any.
    pub const OCTETS: usize = 8;

    /// That of a URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, url.as_bytes());
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// That of a certificate: of the first URL in its cRLDistributionPoints.
    #[must_use]
    pub fn of_certificate(certificate: &Certificate) -> Option<Self> {
        let urls = certificate.crl_urls();
        let mut urls = urls.into_iter();
        urls.find(|url| url.starts_with("http://") || url.starts_with("https://"))
            .map(Self::of)
    }

    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::OCTETS] {
        &self.0
    }

    /// Of these octets.
    #[must_use]
    pub const fn from_bytes(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }
}

/// The scope that an operator expects: in the configuration and on the command line a word, `full`,
/// `user` or `ca`, or the name of a distribution point; behind it, for a CRL of some reasons alone, a
/// blank and `reasons=keyCompromise,cACompromise`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ExpectedScope {
    /// All certificates: a full CRL.
    Full,
    /// All end-entity certificates.
    User,
    /// All CA certificates.
    Ca,
    /// Those of the distribution point with this name, of whichever kind the CRL says.
    Point(String),
    /// One of these, for these reasons alone.
    SomeReasons(Box<Self>, ReasonFlags),
}

impl ExpectedScope {
    /// Whether CRLs of this scope are meant.
    #[must_use]
    pub fn includes(&self, scope: &CrlScope) -> bool {
        let (this, reasons) = match self {
            Self::SomeReasons(this, reasons) => (&**this, Some(*reasons)),
            this => (this, None),
        };
        if scope.reasons != reasons {
            return false;
        }
        match (this, scope.point.as_deref()) {
            (Self::Full, None) => scope.certificates == CertificateKind::All,
            (Self::User, None) => scope.certificates == CertificateKind::User,
            (Self::Ca, None) => scope.certificates == CertificateKind::Ca,
            (Self::Point(expected), Some(point)) => expected == point,
            _ => false,
        }
    }
}

impl ExpectedScope {
    /// Of scopes that together have to cover everything: the first that is there for some reasons alone,
    /// and the reasons that neither it nor any other covers (RFC 5280 §6.3.3 (d)).
    ///
    /// A certificate may name one distribution point for some reasons and another for the rest, so that
    /// all scopes of some reasons are taken together.
    #[must_use]
    pub fn reasons_missing(all: &[Self]) -> Option<(&Self, ReasonFlags)> {
        all.iter().find_map(|one| {
            let Self::SomeReasons(of, _) = one else {
                return None;
            };
            let covered = all
                .iter()
                .fold(ReasonFlags::NONE, |covered, other| match other {
                    Self::SomeReasons(_, reasons) => covered.or(*reasons),
                    other if *other == **of || *other == Self::Full => ReasonFlags::ALL,
                    _ => covered,
                });
            let missing = ReasonFlags::from_bits(ReasonFlags::ALL.bits() & !covered.bits())?;
            (missing != ReasonFlags::NONE).then_some((&**of, missing))
        })
    }
}

impl FromStr for ExpectedScope {
    type Err = ExpectedScopeError;

    fn from_str(text: &str) -> Result<Self, ExpectedScopeError> {
        if let Some((scope, names)) = text.split_once(" reasons=") {
            let mut reasons = ReasonFlags::NONE;
            for name in names.split(',') {
                let reason = CrlReason::from_name(name)
                    .ok_or_else(|| ExpectedScopeError::Reason(name.to_owned()))?;
                reasons = reasons.or(ReasonFlags::of(reason));
            }
            let scope = Box::new(scope.parse()?);
            return match (reasons.is_all(), *scope) {
                (_, Self::SomeReasons(..)) => Err(ExpectedScopeError::Word(text.to_owned())),
                // A limit that is none.
                (true, scope) => Ok(scope),
                (false, scope) => Ok(Self::SomeReasons(Box::new(scope), reasons)),
            };
        }
        match text {
            "full" => Ok(Self::Full),
            "user" => Ok(Self::User),
            "ca" => Ok(Self::Ca),
            uri if uri.len() > CrlScope::POINT_OCTETS_MAX => Err(ExpectedScopeError::TooLong {
                octets: uri.len(),
                octets_max: CrlScope::POINT_OCTETS_MAX,
            }),
            uri if is_uri(uri) => Ok(Self::Point(uri.to_owned())),
            other => Err(ExpectedScopeError::Word(other.to_owned())),
        }
    }
}

/// A scheme, a colon, and something behind it, without blanks or anything else that no URI has.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.bytes();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
        && !rest.is_empty()
        && rest.bytes().all(|octet| octet.is_ascii_graphic())
}

impl TryFrom<String> for ExpectedScope {
    type Error = ExpectedScopeError;

    fn try_from(text: String) -> Result<Self, ExpectedScopeError> {
        text.parse()
    }
}

impl From<ExpectedScope> for String {
    fn from(scope: ExpectedScope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for ExpectedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::User => "user",
            Self::Ca => "ca",
            Self::Point(uri) => uri,
            Self::SomeReasons(scope, reasons) => {
                return write!(f, "{scope} reasons={}", reason_names(*reasons));
            }
        })
    }
}

/// Why a text names no scope.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedScopeError {
    /// Neither a word that is known nor a URI.
    #[error(
        "{0:?} is no scope of a CRL: write full, user (end-entity certificates alone), ca (CA \
         certificates alone), or the URI of a distribution point, octet for octet as the CRL's \
         issuingDistributionPoint has it"
    )]
    Word(String),
    /// No reason for which certificates are revoked.
    #[error(
        "{0:?} is no reason for which certificates are revoked: write for instance \
         \"full reasons=keyCompromise,cACompromise\", with the names of RFC 5280 §5.3.1"
    )]
    Reason(String),
    /// A URI that no CRL is taken with.
    #[error("the URI of a distribution point has {octets} octets; at most {octets_max} are taken")]
    TooLong {
        /// Its length.
        octets: usize,
        /// The limit.
        octets_max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> Vec<CrlScope> {
        let kinds = [
            CertificateKind::All,
            CertificateKind::User,
            CertificateKind::Ca,
        ];
        let points = [None, Some(""), Some("http://x/1"), Some("http://x/2")];
        let all = kinds.iter().flat_map(|certificates| {
            points.iter().map(|point| CrlScope {
                point: point.map(str::to_owned),
                certificates: *certificates,
                reasons: None,
            })
        });
        all.collect()
    }

    #[test]
    fn no_two_scopes_have_one_tag() {
        let scopes = scopes();
        for (a, one) in scopes.iter().enumerate() {
            for (b, other) in scopes.iter().enumerate() {
                assert_eq!(one.tag() == other.tag(), a == b, "{one:?} {other:?}");
            }
            let tag = one.tag();
            assert_eq!(ScopeTag::from_bytes(tag.as_bytes()), Some(tag));
            assert_eq!(tag == ScopeTag::FULL, one.is_full());
        }
        assert_eq!(ScopeTag::from_bytes(&[1; 7]), None);
        // `printf '\001 http://x/1' | sha256sum`
        let one = CrlScope {
            point: Some("http://x/1".to_owned()),
            certificates: CertificateKind::User,
            reasons: None,
        };
        assert_eq!(one.tag().as_bytes(), hex_literal::hex!("4d8aed0c8e90c448"));
    }

    #[test]
    fn a_scope_is_written_as_a_word_or_a_uri() {
        for (text, includes) in [
            ("full", CrlScope::FULL.to_string()),
            ("user", "the end-entity certificates".to_owned()),
            ("ca", "the CA certificates".to_owned()),
        ] {
            let expected: ExpectedScope = text.parse().unwrap();
            assert_eq!(expected.to_string(), text);
            let found: Vec<String> = scopes()
                .iter()
                .filter(|scope| expected.includes(scope))
                .map(ToString::to_string)
                .collect();
            assert_eq!(found, [includes]);
        }
        let expected: ExpectedScope = "http://x/1".parse().unwrap();
        let found = scopes();
        let found: Vec<_> = found.iter().filter(|one| expected.includes(one)).collect();
        assert_eq!(found.len(), 3);
        assert!(
            found
                .iter()
                .all(|one| one.point.as_deref() == Some("http://x/1"))
        );
        for bad in [
            "",
            "Full",
            "all",
            "x",
            ":",
            "http:",
            "1http://x",
            "http://x y",
            "http://é",
        ] {
            let error = bad.parse::<ExpectedScope>().unwrap_err();
            assert!(error.to_string().contains("write full"), "{error}");
        }
        let long = format!("http://{}", "x".repeat(CrlScope::POINT_OCTETS_MAX));
        assert!(long.parse::<ExpectedScope>().is_err());
    }

    #[test]
    fn scopes_of_some_reasons_are_whole_only_together() {
        let parse = |text: &str| text.parse::<ExpectedScope>().unwrap();
        let some = parse("http://x/1 reasons=keyCompromise,cACompromise");
        assert_eq!(
            some.to_string(),
            "http://x/1 reasons=keyCompromise,cACompromise"
        );
        let rest = parse(
            "http://x/1 reasons=affiliationChanged,superseded,cessationOfOperation,certificateHold,\
             privilegeWithdrawn,aACompromise",
        );
        let scope = |reasons| CrlScope {
            point: Some("http://x/1".to_owned()),
            reasons,
            ..CrlScope::FULL
        };
        let compromise =
            ReasonFlags::of(CrlReason::KeyCompromise).or(ReasonFlags::of(CrlReason::CaCompromise));
        assert!(some.includes(&scope(Some(compromise))));
        assert!(!some.includes(&scope(None)) && !rest.includes(&scope(Some(compromise))));
        assert!(!parse("http://x/1").includes(&scope(Some(compromise))));
        assert_ne!(scope(None).tag(), scope(Some(compromise)).tag());
        let missing = |all: &[&ExpectedScope]| {
            let all: Vec<ExpectedScope> = all.iter().map(|one| (*one).clone()).collect();
            ExpectedScope::reasons_missing(&all).map(|(_, reasons)| reasons.reasons().count())
        };
        assert_eq!(missing(&[&some, &rest]), None);
        assert_eq!(missing(&[&some, &parse("http://x/1")]), None);
        assert_eq!(missing(&[&rest]), Some(2));
        assert_eq!(missing(&[&some, &parse("full")]), None);
        assert_eq!(missing(&[&some, &parse("http://x/2")]), Some(6));
        for bad in [
            "full reasons=",
            "full reasons=hold",
            "x reasons=keyCompromise",
        ] {
            assert!(bad.parse::<ExpectedScope>().is_err(), "{bad}");
        }
    }
}
