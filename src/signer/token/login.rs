//! Logging in, with a PIN that is tried once.
//!
//! A token that is given a wrong PIN three to ten times locks itself, and no server can open it again. So a
//! PIN that was refused is remembered for the life of the process, as a hash, and is not tried again until
//! its place holds another one.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Condvar, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use cryptoki::{
    context::Function,
    error::{Error, RvError},
    session::{SessionState, UserType},
    types::RawAuthPin,
};
use zeroize::Zeroize as _;

use super::{TokenError, session::Session, slot::Found};
use crate::{config, signer::Passphrase};

/// A token, by module, serial number and label.
type Key = (PathBuf, String, String);

/// How logging in to one token stands.
#[derive(Default)]
struct Attempt {
    /// One session tries it now: the others wait and see.
    runs: bool,
    /// The PIN that was refused, and with what words.
    refused: Option<([u8; 32], TokenError)>,
}

static ATTEMPTS: LazyLock<Mutex<HashMap<Key, Attempt>>> = LazyLock::new(Mutex::default);
static ENDED: Condvar = Condvar::new();

/// Octets that go into every hash, so that a hash in some other memory is no help to guess a PIN.
static SALT: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut salt = [0; 32];
    // Without randomness the hash is unsalted, of something that is in this process's memory anyway.
    if rand::fill(&mut salt).is_err() {
        salt = [0; 32];
    }
    salt
});

/// Logs the user in, where the token wants that and nobody of this process is logged in yet.
pub(super) fn log_in(
    session: &Session,
    found: &Found,
    token: &config::Token,
) -> Result<(), TokenError> {
    if !found.info.login_required() {
        return Ok(());
    }
    let key = (
        session.module().path().to_owned(),
        found.info.serial_number().to_owned(),
        found.info.label().to_owned(),
    );
    let turn = Turn::take(key, session.watch().deadline())?;
    if is_user(session)? {
        return Ok(());
    }
    let shown = || found.shown();
    let source = token
        .pin()
        .ok_or_else(|| TokenError::NoPin { token: shown() })?;
    let pin = Passphrase::read(&source).map_err(|error| TokenError::Pin(Arc::new(error)))?;
    let hash = hash(pin.octets());
    turn.was_not_refused(&hash)?;
    if found.info.user_pin_locked() {
        return Err(TokenError::PinLocked { token: shown() });
    }
    if found.info.user_pin_final_try() {
        return Err(TokenError::PinFinalTry { token: shown() });
    }
    // Handed over with exactly its octets, so that overwriting it later misses none.
    let secret = RawAuthPin::new(Box::new(pin.octets().to_vec()));
    let outcome = session.call("C_Login", |session| {
        match session.login_with_raw(UserType::User, &secret) {
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            outcome => outcome,
        }
    });
    drop(secret);
    let error = match outcome {
        // "Already logged in" may be a state that the module remembers and the token forgot.
        Ok(()) if is_user(session)? => return Ok(()),
        Ok(()) => return Err(not_logged_in()),
        Err(error) => error,
    };
    let TokenError::Fault(fault) = &error else {
        return Err(error);
    };
    let refused = |why| TokenError::PinRefused {
        token: shown(),
        why,
    };
    let told = match fault.code() {
        Some(RvError::PinIncorrect) => refused(""),
        Some(RvError::PinInvalid) => refused("it has characters that the token does not take"),
        Some(RvError::PinLenRange) => refused("it is too short or too long"),
        Some(RvError::PinExpired) => refused("it has expired: set a new one"),
        Some(RvError::PinLocked) => TokenError::PinLocked { token: shown() },
        // A token without a PIN counts no attempts, and gets one without a change here.
        Some(RvError::UserPinNotInitialized) => {
            return Err(TokenError::PinNotSet { token: shown() });
        }
        _ => return Err(error),
    };
    turn.refused(hash, told.clone());
    Err(told)
}

/// The right to try, for one session of the process at a time.
struct Turn(Key);

impl Turn {
    fn take(key: Key, patience: Duration) -> Result<Self, TokenError> {
        let hung = || TokenError::Hung {
            call: "C_Login",
            after: patience,
        };
        let attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |attempts: &mut HashMap<Key, Attempt>| {
            attempts.get(&key).is_some_and(|attempt| attempt.runs)
        };
        let waited = ENDED.wait_timeout_while(attempts, patience, runs);
        let (mut attempts, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(hung());
        }
        attempts.entry(key.clone()).or_default().runs = true;
        Ok(Self(key))
    }

    fn was_not_refused(&self, hash: &[u8; 32]) -> Result<(), TokenError> {
        let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        match &attempts.entry(self.0.clone()).or_default().refused {
            Some((refused, error)) if refused == hash => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn refused(&self, hash: [u8; 32], error: TokenError) {
        let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.entry(self.0.clone()).or_default().refused = Some((hash, error));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.entry(self.0.clone()).or_default().runs = false;
        drop(attempts);
        ENDED.notify_all();
    }
}

fn not_logged_in() -> TokenError {
    Error::Pkcs11(RvError::UserNotLoggedIn, Function::Login).into()
}

fn is_user(session: &Session) -> Result<bool, TokenError> {
    let info = session.call("C_GetSessionInfo", |session| session.get_session_info())?;
    let state = info.session_state();
    Ok(matches!(state, SessionState::RoUser | SessionState::RwUser))
}

fn hash(pin: &[u8]) -> [u8; 32] {
    let mut text = Vec::with_capacity(pin.len().saturating_add(SALT.len()));
    text.extend_from_slice(&*SALT);
    text.extend_from_slice(pin);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &text).as_ref());
    text.zeroize();
    hash
}
