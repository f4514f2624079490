//! Why a CRL as a whole is refused.

use std::fmt;

use const_oid::ObjectIdentifier;

use crate::{
    asn1::{CrlNumber, UnixTime},
    change::{CertificateKind, CrlScope, ExpectedScope},
    crl::{CrlError, CrlExtensionsError, ReasonFlags},
    signer::{Name, SignatureAlgorithmError, SignatureFault},
};

/// Why nothing of a CRL is used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlRefusal {
    /// It cannot be read to its end.
    #[error(transparent)]
    Unreadable(#[from] CrlError),
    /// One of its extensions cannot be read.
    #[error("{0}")]
    Extensions(#[from] CrlExtensionsError),
    /// Signed with an algorithm that is weak or not known.
    #[error("it is signed with {0}: have the CA sign it with another one")]
    Algorithm(#[from] SignatureAlgorithmError),
    /// Of another CA.
    #[error(
        "it was issued by {found}, not by {expected}: names must be the same octet for octet \
         (RFC 5280 §6.3.3 (b)(1)). If it is an indirect CRL, whose issuer speaks for this one, name that \
         issuer's certificate under crl_issuers"
    )]
    WrongIssuer {
        /// issuer of the CRL.
        found: Box<Name>,
        /// subject of the issuer's certificate.
        expected: Box<Name>,
    },
    /// A delta of a scope of which nothing complete was taken.
    #[error(
        "it is a delta CRL, which lists only what changed since the CRL with the number {base} \
         (RFC 5280 §5.2.4), and no full CRL was taken yet that it could be added to: import the full \
         CRL first"
    )]
    DeltaAlone {
        /// BaseCRLNumber
        base: CrlNumber,
    },
    /// A delta that what was taken is too old for.
    #[error(
        "it is a delta CRL, which lists only what changed since the CRL with the number {base} \
         (RFC 5280 §5.2.4), and the newest that was taken {}: import the full CRL first",
        HasNumber(*known)
    )]
    DeltaAhead {
        /// BaseCRLNumber
        base: CrlNumber,
        /// The number of what was taken.
        known: Option<CrlNumber>,
    },
    /// A delta that has no number of its own.
    #[error(
        "it is a delta CRL without a CRLNumber (RFC 5280 §5.2.3, §5.2.4), so nothing says what it \
         follows: import the full CRL"
    )]
    DeltaWithoutNumber,
    /// Entries of other issuers, in a CRL that does not say so.
    #[error(
        "entry {entry} names another issuer than the CRL's (certificateIssuer, RFC 5280 §5.3.3), and the \
         CRL does not say that it is indirect (§5.2.5): nothing tells whose entries these are. Have the \
         CA make it anew"
    )]
    Indirect {
        /// The entry that names another issuer.
        entry: u32,
    },
    /// Of an indirect CRL, an entry that cannot be read.
    #[error(
        "entry {entry} cannot be read, and the CRL is indirect: it may say whose certificates those \
         after it are (RFC 5280 §5.3.3). Have the CA make it anew"
    )]
    IndirectAndMalformed {
        /// The first such entry.
        entry: u32,
    },
    /// By one of the crl_issuers, and not indirect.
    #[error(
        "it was issued by another CA, which is among the crl_issuers, and its issuingDistributionPoint \
         does not say indirectCRL (RFC 5280 §5.2.5, §6.3.3 (b)(1)): it lists that CA's own certificates \
         alone"
    )]
    NotIndirect,
    /// Of no public key certificates.
    #[error(
        "it lists attribute certificates alone (issuingDistributionPoint, RFC 5280 §5.2.5), of which \
         nothing is answered"
    )]
    AttributeCertificates,
    /// Of one kind of certificates alone, and of another alone.
    #[error(
        "its issuingDistributionPoint has two of onlyContainsUserCerts, onlyContainsCACerts and \
         onlyContainsAttributeCerts, of which RFC 5280 §5.2.5 allows one"
    )]
    SeveralKinds,
    /// Of a scope that is not expected.
    #[error(
        "{} (RFC 5280 §5.2.5), and {} expected. {}",
        Lists(*certificates, *reasons, points.as_deref()),
        Expected(expected),
        Remedy(*certificates, *reasons, points.as_deref())
    )]
    OtherScope {
        /// What it lists.
        certificates: CertificateKind,
        /// For which reasons, if not for all.
        reasons: Option<ReasonFlags>,
        /// The names of its distribution point, if it has one; none where it has names alone that are
        /// neither URIs nor directory names.
        points: Option<Vec<String>>,
        /// What is expected.
        expected: Vec<ExpectedScope>,
    },
    /// Of several distribution points that are told apart.
    #[error(
        "its issuingDistributionPoint has the names of several scopes that are configured, {}: say \
         which of them it is, with --scope",
        Listed(named)
    )]
    SeveralScopes {
        /// Those scopes.
        named: Vec<CrlScope>,
    },
    /// onlySomeReasons without a reason.
    #[error(
        "its onlySomeReasons (RFC 5280 §5.2.5) names no reason, so it says nothing: import the full CRL \
         of the issuer"
    )]
    NoReasons,
    /// A critical extension that is not understood.
    #[error(
        "it has the critical extension {oid}, which is not understood: nothing of it may be used \
         (RFC 5280 §5.2)"
    )]
    CriticalExtension {
        /// extnID
        oid: ObjectIdentifier,
    },
    /// The same in an entry.
    #[error(
        "entry {entry} has the critical extension {oid}, which is not understood: nothing of the CRL \
         may be used (RFC 5280 §5.3)"
    )]
    CriticalEntryExtension {
        /// The number of the entry.
        entry: u32,
        /// extnID
        oid: ObjectIdentifier,
    },
    /// Signed by a key that is not configured.
    #[error(
        "its authorityKeyIdentifier names the key {}, which is neither the issuer's nor that of one \
         of its crl_signers (RFC 5280 §5.2.1): if the CA signs its CRLs with a second key of the \
         same name, configure that key's certificate under crl_signers",
        Hex(key_id)
    )]
    UnknownKey {
        /// keyIdentifier
        key_id: Vec<u8>,
    },
    /// Not signed by the key that it should be signed by.
    #[error(
        "{fault}: it was altered, or made by another key (RFC 5280 §6.3.3 (g)). Fetch it again; if \
         the CA signs its CRLs with a second key of the same name, configure that key's certificate \
         under crl_signers"
    )]
    Signature {
        /// What failed for the first key that was tried.
        fault: SignatureFault,
    },
    /// Signed with Ed25519, and too long for it.
    #[error("{fault}")]
    NotVerified {
        /// Why.
        fault: SignatureFault,
    },
    /// The key's certificate does not allow it.
    #[error(
        "the certificate of the key that signed it {}: it may not sign CRLs (RFC 5280 §6.3.3 (f) as \
         changed by RFC 10007 §4). Have the CA issue one with cRLSign",
        if *has_key_usage { "has a keyUsage without cRLSign" } else { "has no keyUsage" }
    )]
    SignerWithoutCrlSign {
        /// Whether it has a keyUsage at all.
        has_key_usage: bool,
    },
    /// From the future.
    #[error(
        "its thisUpdate is {this_update}, and it is {now}: it is not valid yet. Check this host's \
         clock"
    )]
    NotYetValid {
        /// thisUpdate
        this_update: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// It does not say how long it holds.
    #[error(
        "it has no nextUpdate (RFC 5280 §5.1.2.5): nothing tells how long what it says may be \
         answered"
    )]
    NoNextUpdate,
    /// It holds no longer.
    #[error("it expired: its nextUpdate was {next_update}, and it is {now}. Fetch the newest one")]
    Expired {
        /// nextUpdate
        next_update: UnixTime,
        /// When it was judged.
        now: UnixTime,
    },
    /// It never held.
    #[error("its nextUpdate {next_update} is not after its thisUpdate {this_update}")]
    EndsBeforeItBegins {
        /// thisUpdate
        this_update: UnixTime,
        /// nextUpdate
        next_update: UnixTime,
    },
    /// A newer one was taken before.
    #[error(
        "it is older than the CRL that was taken before: thisUpdate {this_update} against {known}. \
         Fetch the newest one"
    )]
    OlderThisUpdate {
        /// thisUpdate
        this_update: UnixTime,
        /// That of the CRL before.
        known: UnixTime,
    },
    /// A CRL with a higher number was taken before.
    #[error(
        "its CRLNumber {crl_number} is lower than {known}, that of the CRL that was taken before \
         (RFC 5280 §5.2.3). Fetch the newest one"
    )]
    LowerCrlNumber {
        /// cRLNumber
        crl_number: CrlNumber,
        /// That of the CRL before.
        known: CrlNumber,
    },
    /// Without a number after one that had one.
    #[error(
        "it has no CRLNumber, and the CRL that was taken before it has {known} (RFC 5280 §5.2.3 \
         demands one): without it nothing tells whether an older one comes after it. Have the CA number \
         its CRLs again"
    )]
    NoCrlNumber {
        /// That of the CRL before.
        known: CrlNumber,
    },
    /// Much of the CRL before is gone.
    #[error(
        "it lacks {lost} of the {listed} certificates that the CRL before it listed. If the CA means \
         that, import it with --accept-shrink; what is revoked stays revoked either way"
    )]
    Shrunk {
        /// How many are gone.
        lost: u64,
        /// How many there were.
        listed: u64,
    },
}

/// `has the number 0x07 (7)`, or that it has none.
struct HasNumber(Option<CrlNumber>);

impl fmt::Display for HasNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(number) => write!(f, "has the number {number}"),
            None => f.write_str("has no number"),
        }
    }
}

/// What a CRL lists, as its issuingDistributionPoint says.
struct Lists<'a>(CertificateKind, Option<ReasonFlags>, Option<&'a [String]>);

impl fmt::Display for Lists<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(certificates, reasons, points) = self;
        if reasons.is_some() {
            f.write_str("it is for some reasons alone (onlySomeReasons, §6.3.3 (d)), and ")?;
        }
        let kind = match certificates {
            CertificateKind::All if points.is_none() => return f.write_str("it is a full CRL"),
            CertificateKind::All => "certificates",
            CertificateKind::User => "end-entity certificates",
            CertificateKind::Ca => "CA certificates",
        };
        match points {
            None => write!(f, "it lists {kind} alone"),
            Some([]) => write!(
                f,
                "it is partitioned: it lists the {kind} of a distribution point alone that is \
                 neither a URI nor a directory name"
            ),
            Some(points) => write!(
                f,
                "it is partitioned: it lists the {kind} of the distribution point {} alone",
                points.join(" or ")
            ),
        }
    }
}

/// What is expected, with its verb.
struct Expected<'a>(&'a [ExpectedScope]);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |scope: &ExpectedScope| match scope {
            ExpectedScope::Full => "the full CRL".to_owned(),
            ExpectedScope::User => "that of end-entity certificates".to_owned(),
            ExpectedScope::Ca => "that of CA certificates".to_owned(),
            ExpectedScope::Point(uri) => format!("that of {uri}, octet for octet,"),
            ExpectedScope::SomeReasons(..) => format!("that of {scope}"),
        };
        match self.0 {
            [] => f.write_str("none is"),
            [one] => write!(f, "{} is", name(one)),
            // A CA may have thousands of shards.
            [one, other] => write!(f, "{} or {} is", name(one), name(other)),
            [one, others @ ..] => write!(f, "{} or one of {} others is", name(one), others.len()),
        }
    }
}

/// What to do about it.
struct Remedy<'a>(CertificateKind, Option<ReasonFlags>, Option<&'a [String]>);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self {
            Self(CertificateKind::All, _, None) => ExpectedScope::Full,
            Self(CertificateKind::User, _, None) => ExpectedScope::User,
            Self(CertificateKind::Ca, _, None) => ExpectedScope::Ca,
            Self(_, _, Some([])) => return f.write_str("Import the full CRL of the issuer"),
            Self(_, _, Some([first, ..])) => ExpectedScope::Point(first.clone()),
        };
        write!(
            f,
            "Import the full CRL of the issuer, or, if this is one of several that together list every \
             certificate of it"
        )?;
        match self.1 {
            None => write!(
                f,
                ", say so: --scope {scope}, or this scope in the configuration"
            ),
            Some(reasons) => write!(
                f,
                " for every reason, say so: --scope {:?}, or this scope in the configuration",
                ExpectedScope::SomeReasons(Box::new(scope), reasons).to_string()
            ),
        }
    }
}

struct Listed<'a>(&'a [CrlScope]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.0.iter().filter_map(|scope| scope.point.as_deref());
        f.write_str(&points.collect::<Vec<_>>().join(" and "))
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = match self.0.get(..64) {
            Some(shown) => (shown, "…"),
            None => (self.0, ""),
        };
        shown
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02X}"))?;
        f.write_str(more)
    }
}
