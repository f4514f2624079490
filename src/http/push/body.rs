//! A request's body: whole, with a bound on its length, its time and what all bodies together hold.

use std::{pin::Pin, sync::Arc};

use hyper::{
    StatusCode,
    body::{Body as _, Bytes, Incoming},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PushLimits, problem::Problem};

/// What all bodies together may hold, in KiB.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

/// A body, and the room that it takes.
pub(super) struct Held {
    pub(super) octets: Bytes,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(limits: &PushLimits) -> Self {
        let octets = limits.body_octets_max.saturating_mul(super::BODIES_AT_ONCE);
        Self(Arc::new(Semaphore::new(
            kib(octets).min(Semaphore::MAX_PERMITS),
        )))
    }

    /// Reads a body. No time is lost on one that is announced as too long.
    pub(super) async fn read(&self, body: Incoming, limits: &PushLimits) -> Result<Held, Problem> {
        let read = self.read_within(body, limits.body_octets_max);
        match tokio::time::timeout(limits.body_timeout, read).await {
            Ok(read) => read,
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                format!(
                    "the body did not arrive within {} s: send smaller batches",
                    limits.body_timeout.as_secs()
                ),
            )
            .closing()),
        }
    }

    async fn read_within(&self, mut body: Incoming, octets_max: usize) -> Result<Held, Problem> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > octets_max {
            return Err(too_large(octets_max));
        }
        let mut room = self.take(kib(announced))?;
        let mut held = kib(announced);
        let mut octets = Vec::with_capacity(announced);
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let piece = match frame {
                None => break,
                Some(Err(_)) => return Err(broken()),
                // Trailers say nothing here.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let length = octets.len().saturating_add(piece.len());
            if length > octets_max {
                return Err(too_large(octets_max));
            }
            if kib(length) > held {
                // Ahead of what comes, as the vector grows.
                let more = held
                    .max(64)
                    .min(kib(octets_max).saturating_sub(held).max(1));
                let taken = self.take(more)?;
                match (&mut room, taken) {
                    (Some(room), Some(taken)) => room.merge(taken),
                    (room, taken) => *room = taken,
                }
                held = held.saturating_add(more);
            }
            octets.extend_from_slice(&piece);
        }
        Ok(Held {
            octets: octets.into(),
            room,
        })
    }

    fn take(&self, kib: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let permits = u32::try_from(kib).unwrap_or(u32::MAX);
        if permits == 0 {
            return Ok(None);
        }
        let room = Arc::clone(&self.0).try_acquire_many_owned(permits);
        room.map(Some).map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many large batches are under way: nothing of this one was taken, send it again",
            )
            .retry_after(1)
            .closing()
        })
    }
}

const fn kib(octets: usize) -> usize {
    octets.div_ceil(1_024)
}

fn too_large(octets_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is larger than {octets_max} octets: send it in parts"),
    )
    .closing()
}

fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_broken",
        "the body broke off, or is not what its head says",
    )
    .closing()
}
