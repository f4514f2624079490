//! One session with a token, logged in, with the keys that were found in it.

use std::{collections::HashMap, sync::Arc};

use cryptoki::{error::Error, object::ObjectHandle, session::Session as Raw};

use super::{
    TokenError,
    key::{self, KnownKey},
    login,
    module::{Module, User},
    slot::{self, Found},
    watch::Watch,
};
use crate::{config, signer::verify};

/// A session. It lives on one thread.
pub(super) struct Session {
    module: Arc<Module>,
    watch: Arc<Watch>,
    generation: u64,
    raw: Raw,
    /// The token it is with.
    found: Found,
    token: Arc<config::Token>,
    /// Handles are the session's own affair: another session may have others.
    handles: HashMap<u64, ObjectHandle>,
}

impl Session {
    /// Finds the token, opens a session and logs in.
    pub(super) fn open(
        user: &User,
        watch: &Arc<Watch>,
        token: &Arc<config::Token>,
        may_write: bool,
    ) -> Result<Self, TokenError> {
        let module = user.module();
        let found = slot::find(module, watch, token)?;
        let generation = module.generation();
        let raw = module.call(watch, "C_OpenSession", Some(generation), |library| {
            if may_write {
                library.open_rw_session_no_drop(found.slot)
            } else {
                library.open_ro_session_no_drop(found.slot)
            }
        })?;
        let session = Self {
            module: Arc::clone(module),
            watch: Arc::clone(watch),
            generation,
            raw,
            found,
            token: Arc::clone(token),
            handles: HashMap::new(),
        };
        match login::log_in(&session, &session.found, token) {
            Ok(()) => Ok(session),
            Err(error) => {
                session.close();
                Err(error)
            }
        }
    }

    pub(super) fn module(&self) -> &Module {
        &self.module
    }

    pub(super) const fn found(&self) -> &Found {
        &self.found
    }

    pub(super) fn token(&self) -> &config::Token {
        &self.token
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Calls a function of the module with this session.
    pub(super) fn call<T>(
        &self,
        what: &'static str,
        run: impl FnOnce(&Raw) -> Result<T, Error>,
    ) -> Result<T, TokenError> {
        let generation = Some(self.generation);
        (self.module).call(&self.watch, what, generation, |_| run(&self.raw))
    }

    /// Gives the session back. Whether that succeeds makes no difference: nobody uses it again.
    pub(super) fn close(self) {
        let Self {
            module,
            watch,
            generation,
            raw,
            ..
        } = self;
        let closed = module.call(&watch, "C_CloseSession", Some(generation), |_| raw.close());
        if let Err(error) = closed {
            tracing::trace!(%error, "a session was not closed");
        }
    }

    /// Signs what `key` has prepared of each message, one after the other.
    pub(super) fn sign(
        &mut self,
        key: &KnownKey,
        prepared: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, TokenError> {
        let handle = self.handle(key)?;
        let sign = |prepared: &Vec<u8>| self.sign_one(key, handle, prepared);
        prepared.iter().map(sign).collect()
    }

    /// That the token is there, and the key on it still the one it was.
    pub(super) fn test(&mut self, key: &KnownKey) -> Result<(), TokenError> {
        self.handles.remove(&key.number);
        self.handle(key).map(drop)
    }

    /// The key's handle here: found again, compared, and tried out, in every session.
    fn handle(&mut self, key: &KnownKey) -> Result<ObjectHandle, TokenError> {
        if let Some(handle) = self.handles.get(&key.number) {
            return Ok(*handle);
        }
        let handle = key::find_again(self, key)?;
        let prepared = key.way.prepare(key::TEST_MESSAGE);
        let signature = self.sign_one(key, handle, &prepared)?;
        if !verify(
            key.algorithm,
            &key.public_key_octets,
            key::TEST_MESSAGE,
            &signature,
        ) {
            return Err(TokenError::KeyChanged {
                key: key.uri.to_string(),
            });
        }
        self.handles.insert(key.number, handle);
        Ok(handle)
    }

    fn sign_one(
        &self,
        key: &KnownKey,
        handle: ObjectHandle,
        prepared: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let mechanism = key.way.mechanism();
        let signature = self.call("C_Sign", |session| {
            session.sign(&mechanism, handle, prepared)
        })?;
        let expected = key.algorithm.stored_len();
        if signature.len() != expected {
            return Err(TokenError::SignatureLength {
                expected,
                found: signature.len(),
            });
        }
        Ok(signature)
    }
}
