//! Which token of a module is meant.

use cryptoki::{
    error::{Error, RvError},
    slot::{Slot, TokenInfo},
};

use super::{TokenError, error::Shown, module::Module, watch::Watch};
use crate::config::{self, KeyUri};

/// A token in its slot, as it was when it was looked for.
pub(super) struct Found {
    pub(super) slot: Slot,
    pub(super) info: TokenInfo,
}

impl Found {
    /// How messages call it.
    pub(super) fn shown(&self) -> String {
        Shown {
            label: self.info.label(),
            serial: self.info.serial_number(),
            slot: self.slot.id(),
        }
        .to_string()
    }

    /// Whether what a key's URI says of its token is true of this one.
    pub(super) fn is_that_of(&self, uri: &KeyUri) -> bool {
        let fits = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.trim_end() == is)
        };
        fits(&uri.token, self.info.label())
            && fits(&uri.serial, self.info.serial_number())
            && fits(&uri.model, self.info.model())
            && fits(&uri.manufacturer, self.info.manufacturer_id())
            && uri.slot_id.is_none_or(|slot| slot == self.slot.id())
    }
}

/// Every token that is there, initialised or not.
pub(super) fn all(module: &Module, watch: &Watch) -> Result<Vec<Found>, TokenError> {
    let slots = module.call(watch, "C_GetSlotList", None, |library| {
        library.get_slots_with_token()
    })?;
    let mut found = Vec::new();
    for slot in slots {
        let info = module.call(watch, "C_GetTokenInfo", None, |library| {
            match library.get_token_info(slot) {
                Ok(info) => Ok(Some(info)),
                // Taken out since, or another reader's card: no reason to do without all others.
                Err(Error::Pkcs11(
                    RvError::TokenNotPresent
                    | RvError::TokenNotRecognized
                    | RvError::SlotIdInvalid
                    | RvError::DeviceRemoved,
                    _,
                )) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        found.extend(info.map(|info| Found { slot, info }));
    }
    Ok(found)
}

/// The one token that is configured.
pub(super) fn find(
    module: &Module,
    watch: &Watch,
    wanted: &config::Token,
) -> Result<Found, TokenError> {
    choose(all(module, watch)?, wanted)
}

fn choose(all: Vec<Found>, wanted: &config::Token) -> Result<Found, TokenError> {
    let fits = |found: &Found| {
        let text = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.trim_end() == is)
        };
        found.info.token_initialized()
            && text(&wanted.label, found.info.label())
            && text(&wanted.serial, found.info.serial_number())
            && wanted.slot.is_none_or(|slot| slot == found.slot.id())
    };
    let shown = |found: &[&Found]| found.iter().map(|found| found.shown()).collect::<Vec<_>>();
    let fitting: Vec<&Found> = all.iter().filter(|found| fits(found)).collect();
    match fitting.len() {
        0 => {
            let present: Vec<&Found> = (all.iter())
                .filter(|found| found.info.token_initialized())
                .collect();
            Err(TokenError::Absent {
                wanted: told(wanted),
                present: shown(&present),
            })
        }
        1 => {
            let one = all.into_iter().find(|found| fits(found));
            Ok(one.expect("the one that was counted"))
        }
        _ => Err(TokenError::Ambiguous {
            wanted: told(wanted),
            present: shown(&fitting),
        }),
    }
}

/// `label "hsm" and serial 12`
fn told(wanted: &config::Token) -> String {
    let label = wanted.label.iter().map(|label| format!("label {label:?}"));
    let serial = (wanted.serial.iter()).map(|serial| format!("serial {serial:?}"));
    let slot = wanted.slot.iter().map(|slot| format!("slot {slot}"));
    let parts: Vec<String> = label.chain(serial).chain(slot).collect();
    if parts.is_empty() {
        "any label".to_owned()
    } else {
        parts.join(" and ")
    }
}
