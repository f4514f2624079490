//! A CRL as a source (RFC 5280 §5, §6.3.3): a full one, one of several that together list all
//! certificates of an issuer, or a delta.
//!
//! It is taken whole or not at all, after these questions in this order, each with its
//! [`CrlRefusal`]:
//!
//! 1. Can it be read to its end, and is its algorithm known?
//! 2. Is it this issuer's, by its name octet for octet?
//! 3. Does it list the certificates that it is expected to list ([`ExpectedScope`](crate::change::ExpectedScope)), and nothing that is
//!    not understood? Every unknown critical extension is a refusal.
//! 4. Did a key sign it that may?
//! 5. Does it hold now?
//! 6. Is it at least as new as the one before of its scope, and not much shorter? Of a delta: can it be
//!    added to what was taken (RFC 5280 §5.2.4)?
//!
//! What is wrong with single entries is a [problem](CrlCause) of that entry, as with the lines of
//! other sources.
//!
//! | entry | ledger | becomes |
//! | --- | --- | --- |
//! | listed | not revoked | revoked, or on hold |
//! | listed | revoked in the same words | unchanged |
//! | listed | finally revoked in other words | unchanged, counted as `differing`: the first word stands |
//! | listed with another reason | on hold | revoked |
//! | not listed, or removed by a delta | on hold by a CRL of this scope; by a full CRL also one made otherwise before it | released, if every entry could be read |
//! | the same | revoked by a CRL of this scope; by a full CRL also one made otherwise | stays revoked; counted as `missing` unless it expired |
//! | the same | revoked or on hold by a CRL of another scope | nothing: of those certificates this one does not speak |
//!
//! What a delta does not list is as it was. Of an indirect CRL the entries of other issuers are passed
//! over (RFC 5280 §5.3.3); the CRL of another issuer counts where the operator named that one among the
//! issuer's `crl_issuers`.

mod cause;
mod compare;
mod coverage;
mod evidence_sink;
mod import;
mod kept;
mod read;
mod refusal;
mod scope;
mod signature;
mod table;
mod verify;

use std::sync::Arc;

use crate::{
    asn1::{Certificate, CrlNumber},
    change::{Action, Change, Evidence, Refusal},
    identity::{IssuerId, SerialNumber},
};

use super::{
    import::{Findings, Record},
    problems::{Place, Problems, Unit},
};

use kept::Kept;
use table::Table;

pub use cause::{CrlCause, Digits, SerialFault};
pub use coverage::{NotCovered, reasons_covered};
pub use evidence_sink::{EvidenceOutcome, EvidenceSink, KnownRevocation, KnownStatus};
pub use import::{CrlImportError, CrlImportOptions, import_crl};
pub use read::UnjudgedCrl;
pub use refusal::CrlRefusal;
pub(super) use scope::scopes;
pub use verify::{
    CertificateVerdict, CrlInput, CrlJudgement, CrlVerdict, Finding, Severity, Succession,
    VerifyError, Which, verify,
};

/// The name of this source in the ledger's entries.
pub const SOURCE: &str = "crl";

/// Who may speak for an issuer.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// The issuer.
    pub id: IssuerId,
    /// Its certificate.
    pub certificate: &'a Certificate,
    /// Other certificates of its name whose keys sign its CRLs.
    pub crl_signers: &'a [Arc<Certificate>],
    /// Certificates of other names, whose indirect CRLs count for it.
    pub crl_issuers: &'a [Arc<Certificate>],
}

/// A CRL that was read and judged, as far as it can be without the ledger.
#[derive(Debug)]
pub struct Crl {
    issuer: IssuerId,
    evidence: Evidence,
    kept: Kept,
    /// Until the entries are compared with the ledger.
    table: Option<Table>,
    /// From then on: the entries for which something is left to do.
    left: Vec<u32>,
    /// BaseCRLNumber of a delta.
    base: Option<CrlNumber>,
    /// What a delta says is not listed any more, each serial once.
    removals: Vec<Removal>,
    entry_count: u64,
    /// Entries that bring nothing new: said before in the CRL, or known to the ledger.
    settled: u64,
    /// Those of them that the ledger has in other words.
    differing: u64,
    problems: Problems<CrlCause>,
}

/// An entry of a delta with the reason removeFromCRL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Removal {
    serial: SerialNumber,
    /// Where its place among the entries is kept.
    offset: u32,
}

impl Crl {
    /// How fresh it is.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }
}

impl Findings for Crl {
    type Cause = CrlCause;

    const UNIT: Unit = Unit::Entry;

    fn line_count(&self) -> u64 {
        self.entry_count
    }

    fn repeated(&self) -> u64 {
        self.settled
    }

    fn problems(&self) -> &Problems<CrlCause> {
        &self.problems
    }

    /// In the order of the ledger.
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let unsettled = self.table.iter().flat_map(Table::unsettled);
        let offsets = unsettled.map(|place| place.offset);
        offsets
            .chain(self.left.iter().copied())
            .filter_map(|offset| {
                let entry = self.kept.at(offset)?;
                Some(Record {
                    line: u64::from(offset),
                    change: Change {
                        issuer: self.issuer,
                        serial: entry.serial,
                        action: Action::Revoke {
                            claim: entry.claim,
                            inventory: None,
                        },
                    },
                })
            })
    }

    /// What was revoked first stands, in whatever words.
    fn passes_over(&self, refusal: &Refusal) -> bool {
        matches!(refusal, Refusal::RevokedOtherwise { .. })
    }

    /// Lines are offsets here, which ascend as the numbers do.
    fn place(&self, line: u64) -> Place {
        let offset = u32::try_from(line).unwrap_or(u32::MAX);
        Place::new(Self::UNIT, self.kept.number(offset))
    }
}

#[cfg(test)]
mod tests;
