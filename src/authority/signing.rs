//! Whether the authority may sign now.

use std::sync::Arc;

use crate::asn1::UnixTime;
use crate::clock::{Acceptance, Clock, Guard, Pause};

/// The clock and its guard, shared by everybody who signs.
pub(super) struct SigningClock {
    clock: Arc<dyn Clock>,
    guard: Guard,
}

impl SigningClock {
    /// A clock that signs nothing before `high_water`, the newest time that was ever signed with.
    pub(super) fn new(clock: Arc<dyn Clock>, high_water: UnixTime) -> Self {
        Self {
            guard: Guard::new(Arc::clone(&clock), high_water),
            clock,
        }
    }

    /// The time to sign with, if it may be trusted.
    pub(super) fn now(&self) -> Result<UnixTime, Pause> {
        self.guard.signing_time()
    }

    /// Remembers that something that clients may hold was signed with this time.
    pub(super) fn signed(&self, time: UnixTime) {
        self.guard.raise_high_water(time);
    }

    /// Takes the clock as right from now on: an operator has looked.
    pub(super) fn accept(&self) -> Acceptance {
        self.guard.accept()
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
