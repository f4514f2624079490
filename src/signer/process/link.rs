//! What the supervisor knows of the signing process, and the keys ask.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use crate::asn1::SignatureAlgorithm;

/// What the supervisor and the keys share.
pub(super) struct Link {
    pub(super) deadline: Duration,
    facts: Mutex<Facts>,
    /// Rung when something of the facts has changed that somebody may wait for.
    pub(super) changed: Condvar,
}

/// What is known of the process.
pub(super) struct Facts {
    pub(super) line: Line,
    pub(super) keys: HashMap<String, ServedKey>,
    pub(super) told: Vec<Arc<dyn Fn() + Send + Sync>>,
    pub(super) stopping: bool,
    pub(super) pid: Option<u32>,
    pub(super) socket: Option<PathBuf>,
    pub(super) starts: u64,
    pub(super) hangs: u64,
    pub(super) signed: u64,
    pub(super) last_fault: Option<String>,
}

/// Whether it can be asked.
pub(super) enum Line {
    Starting,
    Up(Arc<Connection>),
    Down(String),
}

/// A key that it has.
pub(super) struct ServedKey {
    pub(super) number: u16,
    pub(super) state: ServedState,
}

#[derive(Clone, Eq, PartialEq)]
pub(super) enum ServedState {
    Ready(SignatureAlgorithm, Box<[u8]>),
    Opening,
    Away(String),
    Refused(String),
}

impl Link {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            changed: Condvar::new(),
            facts: Mutex::new(Facts {
                line: Line::Starting,
                keys: HashMap::new(),
                told: Vec::new(),
                stopping: false,
                pid: None,
                socket: None,
                starts: 0,
                hangs: 0,
                signed: 0,
                last_fault: None,
            }),
        }
    }

    /// The connection of this moment and a key's number there, if the key is still this one.
    pub(super) fn reach(
        &self,
        name: &str,
        algorithm: SignatureAlgorithm,
        public_key: &[u8],
    ) -> Result<(Arc<Connection>, u16), String> {
        let facts = self.facts();
        let connection = match &facts.line {
            Line::Up(connection) => connection,
            Line::Starting => return Err("the signing process is being started".to_owned()),
            Line::Down(why) => return Err(format!("the signing process: {why}")),
        };
        let Some(key) = facts.keys.get(name) else {
            return Err(format!("the signing process does not have the key {name}"));
        };
        match &key.state {
            ServedState::Ready(now, octets) if (*now, &**octets) == (algorithm, public_key) => {
                Ok((Arc::clone(connection), key.number))
            }
            ServedState::Ready(..) => Err(format!(
                "the key {name} is another one than when the server was started: put the old one back, or \
                 have a certificate issued for this one and start the server again"
            )),
            ServedState::Opening => Err(format!("the key {name} is being opened")),
            ServedState::Away(why) | ServedState::Refused(why) => {
                Err(format!("the key {name}: {why}"))
            }
        }
    }

    /// How the keys are; whoever waits for one is told when one came.
    pub(super) fn look(&self, before: Option<KeyCounts>) -> KeyCounts {
        let facts = self.facts();
        let count = |wanted: fn(&ServedState) -> bool| {
            let states = facts.keys.values().map(|key| &key.state);
            states.filter(|state| wanted(state)).count()
        };
        let now = KeyCounts {
            all: facts.keys.len(),
            ready: count(|state| matches!(state, ServedState::Ready(..))),
            opening: count(|state| matches!(state, ServedState::Opening)),
        };
        let (pid, told) = (facts.pid, facts.told.clone());
        drop(facts);
        // While they are being opened nothing can be said of them.
        let was_told = before.is_some_and(|before| before.opening == 0);
        if now.opening == 0 && (!was_told || before != Some(now)) {
            let KeyCounts { all, ready, .. } = now;
            tracing::info!(
                pid,
                "the signing process is there: {ready} of {all} keys are ready"
            );
        }
        if now.ready > before.map_or(0, |before| before.ready) {
            told.iter().for_each(|tell| tell());
        }
        now
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a stop, `at_most` so long.
    pub(super) fn stops_within(&self, at_most: Duration) -> bool {
        let facts = self.facts();
        let (facts, _) = self
            .changed
            .wait_timeout_while(facts, at_most, |facts| !facts.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        facts.stopping
    }
}

/// How many keys are in which state.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct KeyCounts {
    pub(super) all: usize,
    pub(super) ready: usize,
    pub(super) opening: usize,
}

impl KeyCounts {
    pub(super) const fn are_ready(&self) -> bool {
        self.ready == self.all
    }
}
