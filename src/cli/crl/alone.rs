//! Making CRLs while no server runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::authority::{Issuers, PlainTime, Publishing, open_ledger_key, with_causes};
use crate::catalog::crls::{CrlListing, Shelf};
use crate::cli::{Failure, service};
use crate::clock::Clock;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::publish::{Target, deliver_once, manifest};

/// Whoever makes CRLs of this ledger, lists them in manifests and brings them to the targets before it says
/// that it is done.
pub(in crate::cli) fn alone(
    config: &Config,
    issuers: &Issuers,
    ledger: &Arc<Ledger>,
    clock: &Arc<dyn Clock>,
) -> Result<Publishing, Failure> {
    let key = open_ledger_key(&config.ledger_key(), config.ledger.origin.as_deref())?;
    let targets = Mutex::new(service::open_targets(config)?);
    let publishing = Publishing::open(
        issuers.clone(),
        Arc::clone(ledger),
        Arc::clone(clock),
        Box::new(PlainTime {
            clock: Arc::clone(clock),
            ledger: Arc::clone(ledger),
        }),
        &config.state_dir,
    )?;
    let base_path = config.publish.manifest.clone();
    let folder = Shelf::folder_in(&config.state_dir);
    let (listed, delivered) = (Arc::clone(clock), Arc::clone(clock));
    Ok(publishing
        .with_documents(move |listing| {
            Ok(manifest::documents(listing, &base_path, listed.now(), &key))
        })
        .telling(move |listing| {
            let mut targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
            deliver(&mut targets, listing, &folder, &*delivered)
        }))
}

fn deliver(
    targets: &mut [Target],
    listing: &CrlListing,
    folder: &std::path::Path,
    clock: &dyn Clock,
) -> Result<(), String> {
    let failed: Vec<String> = deliver_once(targets, listing, folder, clock.now())
        .into_iter()
        .filter_map(|(name, delivered)| {
            let error = delivered.err()?;
            Some(format!("publish.target {name:?}: {}", with_causes(&error)))
        })
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("; "))
    }
}
