//! What a module has: its tokens, their mechanisms and keys.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use cryptoki::object::{AttributeType, ObjectHandle};
use serde::Serialize;

use super::{
    TokenError, key,
    module::{Module, User},
    session::Session,
    slot::{self, Found},
    watch::Watch,
};
use crate::config::{self, KeyUri};

/// A module and its tokens.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The library's path.
    pub module: String,
    /// What it calls itself.
    pub description: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its own version.
    pub version: String,
    /// The version of PKCS#11 that it follows.
    pub pkcs11_version: String,
    /// What is in its slots.
    pub tokens: Vec<ListedToken>,
}

/// A token.
#[derive(Clone, Debug, Serialize)]
pub struct ListedToken {
    /// The number of its slot.
    pub slot: u64,
    /// Its label; empty before it is initialised.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Whether it has a label and a security officer.
    pub initialized: bool,
    /// How its PIN stands: `set`, `not set`, `not needed`, `locked`, `one try left`.
    pub pin: &'static str,
    /// The most sessions at a time, where it says so.
    pub sessions_max: Option<u64>,
    /// What it signs and makes keys with, by the names of the standard.
    pub mechanisms: Vec<String>,
    /// Its private keys; none where nobody logged in.
    pub keys: Option<Vec<ListedKey>>,
}

/// A private key.
#[derive(Clone, Debug, Serialize)]
pub struct ListedKey {
    /// CKA_LABEL.
    pub label: String,
    /// CKA_ID in hexadecimal digits.
    pub id: String,
    /// What kind of key it is, or why it cannot be used here.
    pub kind: String,
    /// CKA_SENSITIVE, where the token says.
    pub sensitive: Option<bool>,
    /// CKA_EXTRACTABLE, where the token says.
    pub extractable: Option<bool>,
    /// CKA_SIGN, where the token says.
    pub signs: Option<bool>,
    /// What to write for `key` in the configuration; nothing for a key without label and id.
    pub uri: Option<String>,
}

/// Lists what a module has. The keys of a token are listed where `token` has its PIN.
///
/// # Errors
/// [`TokenError`] of the module, or of the token that `token` names.
pub fn inventory(token: &Arc<config::Token>) -> Result<Inventory, TokenError> {
    let watch = Arc::new(Watch::new(token.deadline));
    let (settings, its) = (Arc::clone(token), Arc::clone(&watch));
    let (done, outcome) = mpsc::channel();
    // On a thread of its own: a call may hang.
    thread::Builder::new()
        .name("token-list".to_owned())
        .spawn(move || {
            // Nobody listens any more where the call came back too late.
            drop(done.send(list(&settings, &its)));
        })
        .map_err(|error| TokenError::Thread(Arc::new(error)))?;
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(listed) => return listed,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(TokenError::Stopped),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if let Some(call) = watch.overdue() {
            let after = token.deadline;
            return Err(TokenError::Hung { call, after });
        }
    }
}

fn list(token: &Arc<config::Token>, watch: &Arc<Watch>) -> Result<Inventory, TokenError> {
    let module = Module::load(&token.module)?;
    let user = module.join();
    let info = module.call(watch, "C_GetInfo", None, |library| {
        library.get_library_info()
    })?;
    let mut tokens = Vec::new();
    for found in slot::all(&module, watch)? {
        tokens.push(listed(&module, watch, &found)?);
    }
    if token.pin().is_some() {
        let keys = keys(&user, watch, token)?;
        let its = slot::find(&module, watch, token)?.slot.id();
        if let Some(listed) = tokens.iter_mut().find(|listed| listed.slot == its) {
            listed.keys = Some(keys);
        }
    }
    Ok(Inventory {
        module: shown(&token.module),
        description: info.library_description().to_owned(),
        manufacturer: info.manufacturer_id().to_owned(),
        version: info.library_version().to_string(),
        pkcs11_version: info.cryptoki_version().to_string(),
        tokens,
    })
}

fn listed(module: &Module, watch: &Watch, found: &Found) -> Result<ListedToken, TokenError> {
    let info = &found.info;
    let mechanisms = module.call(watch, "C_GetMechanismList", None, |library| {
        let mut names = Vec::new();
        for kind in library.get_mechanism_list(found.slot)? {
            // What a module lists and then does not know is not there.
            let Ok(about) = library.get_mechanism_info(found.slot, kind) else {
                continue;
            };
            if about.sign() || about.generate_key_pair() {
                names.push(kind.to_string());
            }
        }
        Ok(names)
    })?;
    Ok(ListedToken {
        slot: found.slot.id(),
        label: info.label().to_owned(),
        serial: info.serial_number().to_owned(),
        manufacturer: info.manufacturer_id().to_owned(),
        model: info.model().to_owned(),
        initialized: info.token_initialized(),
        pin: if info.user_pin_locked() {
            "locked"
        } else if info.user_pin_final_try() {
            "one try left"
        } else if !info.login_required() {
            "not needed"
        } else if info.user_pin_initialized() {
            "set"
        } else {
            "not set"
        },
        sessions_max: match info.max_session_count() {
            cryptoki::slot::Limit::Max(most) => Some(most),
            _ => None,
        },
        mechanisms,
        keys: None,
    })
}

fn keys(
    user: &User,
    watch: &Arc<Watch>,
    token: &Arc<config::Token>,
) -> Result<Vec<ListedKey>, TokenError> {
    let session = Session::open(user, watch, token, false)?;
    let objects = key::objects(&session, &key::private_keys())?;
    let listed = objects.iter().map(|object| listed_key(&session, *object));
    let listed = listed.collect::<Result<Vec<_>, _>>();
    session.close();
    Ok(named(listed?))
}

/// What to write for each: its label, where no other key has it; else its identifier as well.
fn named(mut keys: Vec<ListedKey>) -> Vec<ListedKey> {
    let labels: Vec<String> = keys.iter().map(|key| key.label.clone()).collect();
    for key in &mut keys {
        let same = labels.iter().filter(|label| **label == key.label).count();
        if !key.label.is_empty() && same == 1 {
            key.uri = Some(KeyUri::object(&key.label).to_string());
        }
    }
    keys
}

fn listed_key(session: &Session, object: ObjectHandle) -> Result<ListedKey, TokenError> {
    let (label, id) = (key::label(session, object)?, key::id(session, object)?);
    let kind = match key::kind(session, object, &String::new) {
        Ok(kind) => kind.to_string(),
        Err(TokenError::KeyKind { reason, .. }) => reason.to_string(),
        Err(error) => return Err(error),
    };
    let flag = |kind| key::flag(session, object, kind);
    let is_named = !label.is_empty() || !id.is_empty();
    let uri = KeyUri {
        object: Some(label.clone()).filter(|label| !label.is_empty()),
        id: Some(id.clone()).filter(|id| !id.is_empty()),
        ..KeyUri::default()
    };
    Ok(ListedKey {
        label,
        id: id.iter().map(|octet| format!("{octet:02x}")).collect(),
        kind,
        sensitive: flag(AttributeType::Sensitive)?,
        extractable: flag(AttributeType::Extractable)?,
        signs: flag(AttributeType::Sign)?,
        uri: is_named.then(|| uri.to_string()),
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

const LOOK: Duration = Duration::from_millis(20);
