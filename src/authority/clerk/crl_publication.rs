//! Making an issuer's CRLs when an operator asks.

use serde::{Deserialize, Serialize};

use super::Clerk;
use crate::authority::publishing::Publishing;
use crate::authority::{ErrorClass, OperationError};
use crate::catalog::crls::{CrlEdition, CrlKind, Shelf};
use crate::publish::Wanted;

impl Clerk {
    /// Makes CRLs of an issuer from the ledger as it is now, and puts them into their places.
    ///
    /// # Errors
    /// [`OperationError`]; the CRLs before are in their places then.
    pub fn publish_crl(
        &self,
        request: &PublishCrlRequest,
    ) -> Result<PublishCrlReply, OperationError> {
        let issuer = self.issuers.by_name(request.issuer.as_deref())?;
        let Some(publishing) = &self.publishing else {
            return Err(OperationError::new(
                ErrorClass::Internal,
                "nothing makes CRLs here",
            ));
        };
        let wanted = match request.which {
            WhichCrls::Due => {
                if let Some(why) = publishing.waits_for_entries(issuer)? {
                    return Err(OperationError::new(ErrorClass::Refused, why));
                }
                publishing.due(issuer, self.clock.now(), false)
            }
            WhichCrls::All => Publishing::all_of(issuer),
            WhichCrls::Delta => vec![Wanted::Delta],
            WhichCrls::Last => vec![Wanted::Last],
        };
        // An issuer without any is refused with its reason.
        let wanted = match wanted.as_slice() {
            [] if issuer.crl.is_none() => vec![Wanted::Full],
            _ => wanted,
        };
        let mut crls = Vec::new();
        let mut failed = None;
        for wanted in wanted {
            let made = match publishing.make(issuer, &wanted, request.accept_losses) {
                Ok(made) => made,
                // One that fails keeps no other from being made.
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            let folder = publishing.shelf().folder();
            crls.extend(made.into_iter().map(|edition| PublishedCrl {
                file: Shelf::file(folder, &edition).display().to_string(),
                edition,
            }));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        publishing.tell_again()?;
        let listing = publishing.shelf().listing();
        let editions = listing.editions.iter();
        let own = editions
            .filter(|edition| edition.issuer == issuer.name && edition.kind != CrlKind::Base);
        let next = own.map(|edition| edition.next_due).min();
        Ok(PublishCrlReply {
            issuer: issuer.name.clone(),
            crls,
            next_due: next.map(|next| next.to_string()),
        })
    }
}

/// Which CRLs to make.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishCrlRequest {
    /// The issuer's configured name; needed when there are several.
    pub issuer: Option<String>,
    /// Which of its CRLs.
    #[serde(default)]
    pub which: WhichCrls,
    /// Also those that lack certificates that the ones before have.
    #[serde(default)]
    pub accept_losses: bool,
}

/// Which of an issuer's CRLs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichCrls {
    /// Those that are due by their schedule.
    #[default]
    Due,
    /// All that are configured.
    All,
    /// The delta alone.
    Delta,
    /// The last one of the CA.
    Last,
}

/// The CRLs that were made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishCrlReply {
    /// The issuer's name.
    pub issuer: String,
    /// What was made.
    pub crls: Vec<PublishedCrl>,
    /// When the next is due by its schedule, RFC 3339.
    pub next_due: Option<String>,
}

/// A CRL that was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublishedCrl {
    /// Where it lies.
    pub file: String,
    /// What is known of it.
    #[serde(flatten)]
    pub edition: CrlEdition,
}
