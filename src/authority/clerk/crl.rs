//! Imports of CRLs.

use std::io::BufRead;
use std::sync::{Mutex, PoisonError};

use super::import::import_error;
use super::{Clerk, source};
use crate::authority::{ErrorClass, Issuer, OperationError};
use crate::change::ExpectedScope;
use crate::config;
use crate::feed::{
    Authority, CrlImportError, CrlImportOptions, CrlRefusal, ImportOptions, ImportOrder,
    ImportReport, Progress, UnjudgedCrl, crl, import_crl,
};
use crate::signer::Name;

/// Held by the CRL that is being brought into the ledger.
static IMPORTING: Mutex<()> = Mutex::new(());

/// How a CRL is wanted.
#[derive(Clone, Copy)]
pub(super) struct CrlWishes<'a> {
    pub(super) accept_shrink: bool,
    /// One of the issuer's scopes where none is named.
    pub(super) scope: Option<&'a ExpectedScope>,
}

impl Clerk {
    /// Judges a CRL and brings it into the ledger.
    pub(super) fn import_crl(
        &self,
        order: &ImportOrder,
        wishes: CrlWishes<'_>,
        input: impl BufRead,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImportReport, OperationError> {
        let refused = |refusal| refusal_error(order, &refusal);
        // Before anything is read: a name that is not configured is a slip of the hand.
        let named = order.issuer.as_ref().map(|_| self.import_issuer(order));
        let named = named.transpose()?;
        let unjudged = UnjudgedCrl::open(input).map_err(refused)?;
        let issuer = match named {
            Some(issuer) => issuer,
            None => self.issuer_of(unjudged.issuer_der(), order)?,
        };
        let authority = Authority {
            id: issuer.id,
            certificate: &issuer.certificate,
            crl_signers: &issuer.crl_signers,
            crl_issuers: &issuer.crl_issuers,
        };
        let now = self.clock.now();
        let expected = match wishes.scope {
            Some(scope) => std::slice::from_ref(scope),
            None => &issuer.crl_scopes,
        };
        let crl = unjudged.read(&authority, expected, now).map_err(refused)?;
        // One after another: what is compared with the ledger must still be so when it is applied.
        let _alone = IMPORTING.lock().unwrap_or_else(PoisonError::into_inner);
        let source = source(crl::SOURCE, &order.name)?;
        let mut sink = self.sink(source.with_crl_scope(crl.evidence().scope.tag()));
        let options = CrlImportOptions {
            import: ImportOptions {
                source: &order.name,
                skip_bad: order.skip_bad,
            },
            accept_shrink: wishes.accept_shrink,
            reconcile: issuer.evidence == config::Evidence::Ledger,
            now,
        };
        let report = import_crl(crl, &mut sink, options, progress);
        // Also a CRL that was refused may have changed something; looking costs nothing.
        self.evidence_came();
        report.map_err(|error| match error {
            CrlImportError::Refused(refusal) => refusal_error(order, &refusal),
            CrlImportError::Import(error) => import_error(&error),
        })
    }

    /// The one issuer that a CRL without a named issuer can be of: with several, its own name tells.
    fn issuer_of(&self, issuer_der: &[u8], order: &ImportOrder) -> Result<&Issuer, OperationError> {
        if self.issuers.iter().count() < 2 {
            return self.import_issuer(order);
        }
        let mut same_name = self
            .issuers
            .iter()
            .filter(|issuer| issuer.certificate.subject_der() == issuer_der);
        let usage = |message| OperationError::new(ErrorClass::Usage, message);
        let name = &order.name;
        match (same_name.next(), same_name.next()) {
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => Err(usage(format!(
                "{name}: it was issued by {}, which is the name of several configured issuers: \
                 name one with --issuer ({}, {}, …)",
                Name::new(issuer_der),
                first.name,
                second.name,
            ))),
            (None, _) => Err(OperationError::new(
                ErrorClass::Input,
                format!(
                    "{name}: it was issued by {}, and no configured issuer has this name octet for \
                     octet",
                    Name::new(issuer_der)
                ),
            )),
        }
    }
}

fn refusal_error(order: &ImportOrder, refusal: &CrlRefusal) -> OperationError {
    let class = match refusal {
        CrlRefusal::Unreadable(crate::crl::CrlError::Read(_)) => ErrorClass::Storage,
        CrlRefusal::LowerCrlNumber { .. } | CrlRefusal::OlderThisUpdate { .. } => ErrorClass::Older,
        CrlRefusal::Shrunk { .. } => ErrorClass::Shrunk,
        _ => ErrorClass::Input,
    };
    OperationError::new(class, format!("{}: {refusal}", order.name))
}
