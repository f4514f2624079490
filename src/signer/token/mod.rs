//! Keys on a PKCS#11 token.
//!
//! `open` finds a key, judges it and gives a [`TokenSigner`]. What it signs is not verified yet: that is
//! [`Checked`](super::Checked)'s work.
//!
//! The parts, from the module up: `module` loads a library once and counts what runs in it; `slot` chooses
//! the token and `login` opens it; a `session` finds keys (`key`) and signs with them in some `way`; a
//! `pool` has several of them on threads of their own, whose `worker`s try what can be tried when a call
//! fails (`fault` has the table), and are given up when it does not return (`watch`).

mod error;
mod fault;
mod generate;
mod health;
mod inventory;
mod job;
mod key;
mod login;
mod module;
mod pool;
mod session;
mod slot;
mod token_signer;
mod watch;
mod way;
mod worker;

use std::sync::OnceLock;

pub use error::{KeyKindProblem, TokenError};
pub use fault::Fault;
pub use generate::{NewTokenKey, TokenKeyType, TokenKeyTypeError, generate};
pub use inventory::{Inventory, ListedKey, ListedToken, inventory};
pub use token_signer::{TokenSigner, open, open_alone};

/// What a process does that calls of a module have cost all the threads that it may lose.
static WHEN_STUCK: OnceLock<fn(&TokenError)> = OnceLock::new();

/// Sets what is done, beside failing, when calls that never return have cost all the threads that may be lost:
/// a process that can be replaced ends. The first to set it counts.
pub fn when_stuck(told: fn(&TokenError)) {
    // Whoever comes later means the same.
    let _first = WHEN_STUCK.set(told);
}

fn stuck(error: &TokenError) {
    if let Some(told) = WHEN_STUCK.get() {
        told(error);
    }
}
