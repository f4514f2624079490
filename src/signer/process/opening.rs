//! The keys of the signing process, each opened on a thread of its own: a token that hangs keeps no other
//! key away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::reply::{KeyState, Served};
use crate::config::KeyPlace;
use crate::signer::{LoadError, Signer, SignerError, Warning};

/// Opens a key.
pub(super) type Open =
    Box<dyn Fn(&KeyPlace) -> Result<(Arc<dyn Signer>, Vec<Warning>), LoadError> + Send + Sync>;

/// A key that is served.
pub(super) struct Slot {
    pub(super) name: String,
    place: KeyPlace,
    state: Mutex<State>,
}

enum State {
    Untried,
    Opening,
    Ready(Arc<dyn Signer>),
    Away {
        why: String,
        since: Instant,
        /// Whether another process must not try it.
        latched: bool,
    },
    Refused {
        why: String,
        since: Instant,
    },
    Barred,
}

/// A state that can be told, without the lock.
pub(super) enum Told {
    Ready(Arc<dyn Signer>),
    Opening,
    Away(String),
    Refused(String),
    Latched(String),
}

impl Slot {
    pub(super) fn new(place: KeyPlace) -> Self {
        Self {
            name: place.to_string(),
            place,
            state: Mutex::new(State::Untried),
        }
    }

    /// The key, if it signs now.
    pub(super) fn signer(&self) -> Result<Arc<dyn Signer>, SignerError> {
        let why = match self.told() {
            Told::Ready(signer) => return Ok(signer),
            Told::Opening => "it is being opened".to_owned(),
            Told::Away(why) | Told::Refused(why) | Told::Latched(why) => why,
        };
        Err(SignerError::Unavailable { why })
    }

    pub(super) fn told(&self) -> Told {
        match &*self.state() {
            State::Ready(signer) => Told::Ready(Arc::clone(signer)),
            State::Untried | State::Opening => Told::Opening,
            State::Away {
                why, latched: true, ..
            } => Told::Latched(why.clone()),
            State::Away { why, .. } => Told::Away(why.clone()),
            State::Refused { why, .. } => Told::Refused(why.clone()),
            State::Barred => Told::Latched(BARRED.to_owned()),
        }
    }

    /// Begins to open the key, unless it is open or was looked for a moment ago. One that is `barred` and
    /// lies on a token is not asked for again: tokens lock keys for good after a few wrong PINs, and the
    /// process may have been started again for another key's sake.
    pub(super) fn open(self: &Arc<Self>, barred: bool, open: &Arc<Open>) {
        {
            let mut state = self.state();
            match &*state {
                State::Untried if barred && self.place.is_on_token() => {
                    *state = State::Barred;
                    return;
                }
                State::Away { since, .. } if since.elapsed() < AGAIN => return,
                State::Refused { since, .. } if since.elapsed() < REFUSED_AGAIN => return,
                State::Opening | State::Ready(_) | State::Barred => return,
                State::Untried | State::Away { .. } | State::Refused { .. } => {
                    *state = State::Opening;
                }
            }
        }
        let (slot, opening) = (Arc::clone(self), Arc::clone(open));
        let spawned = std::thread::Builder::new()
            .name("open".to_owned())
            .spawn(move || slot.open_now(&opening));
        if let Err(error) = spawned {
            *self.state() = State::Away {
                why: format!("cannot start a thread: {error}"),
                since: Instant::now(),
                latched: false,
            };
        }
    }

    fn open_now(&self, open: &Open) {
        let opening = std::panic::AssertUnwindSafe(|| open(&self.place));
        let opened = std::panic::catch_unwind(opening);
        let state = match opened {
            Ok(Ok((signer, warnings))) => {
                for warning in warnings {
                    tracing::warn!(key = self.name, "{warning}");
                }
                State::Ready(signer)
            }
            Ok(Err(error)) => {
                let why = with_causes(&error);
                let since = Instant::now();
                if error.may_pass() {
                    let latched = error.counts_as_mistake();
                    State::Away {
                        why,
                        since,
                        latched,
                    }
                } else {
                    tracing::error!(key = self.name, "{why}");
                    State::Refused { why, since }
                }
            }
            Err(_) => State::Away {
                why:
                    "opening it ended in a panic, which is a fault of this program or its token's \
                      library"
                        .to_owned(),
                since: Instant::now(),
                latched: false,
            },
        };
        *self.state() = state;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// As it is told to the server.
    pub(super) fn served<'a>(&'a self, name: &'a str) -> Served<'a> {
        let state = match self {
            Self::Ready(signer) => KeyState::Ready {
                algorithm: signer.algorithm(),
                public_key: signer.public_key_octets(),
            },
            Self::Opening => KeyState::Opening,
            Self::Away(why) => KeyState::Away(why),
            Self::Refused(why) => KeyState::Refused(why),
            Self::Latched(why) => KeyState::Latched(why),
        };
        Served { name, state }
    }
}

/// An error with what it came from, in one line.
fn with_causes(error: &LoadError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

const AGAIN: Duration = Duration::from_secs(1);
const REFUSED_AGAIN: Duration = Duration::from_secs(10);
const BARRED: &str = "the token refused it before, and is not asked again before the server is started \
                      again: tokens lock a key after a few mistakes";
