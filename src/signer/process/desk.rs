//! Signs what comes in, with a few threads for all keys and all connections.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::Digest;

use super::frame::{self, Frame, Lane};
use super::opening::{Open, Slot, Told};
use super::reply::{Cause, Reply};
use super::request::Request;
use super::serving::ServeError;
use super::wire::{KEYS_MAX, MESSAGES_MAX, NAME_OCTETS_MAX, VERSION};
use crate::config::KeyPlace;
use crate::segment::sealed_memory;
use crate::signer::{Signer, SignerError, message_digest, open_key::open_here};

/// The keys of this process and the threads that sign with them.
pub struct Desk {
    slots: Vec<Arc<Slot>>,
    open: Arc<Open>,
    waiting: Mutex<Waiting>,
    bell: Condvar,
    begun: Instant,
    signed: AtomicU64,
    /// What each thread does.
    workers: Vec<Mutex<Option<Busy>>>,
}

/// A signing under way.
struct Busy {
    since: Instant,
    /// What the length of its message adds to the time that it may take.
    longer: Duration,
}

#[derive(Default)]
struct Waiting {
    urgent: VecDeque<Job>,
    bulk: VecDeque<Job>,
}

/// A request that waits for a thread.
struct Job {
    from: Arc<Asker>,
    frame: Frame,
}

/// Whoever asked, and is answered.
pub(super) struct Asker {
    stream: UnixStream,
    sending: Mutex<()>,
    under_way: AtomicUsize,
}

impl Desk {
    /// Serves these keys, on threads that end with the process. They are opened when somebody asks.
    ///
    /// # Errors
    /// [`ServeError`] when there are too many keys, or no threads.
    pub fn start(keys: Vec<KeyPlace>) -> Result<Arc<Self>, ServeError> {
        Self::start_opening(keys, Box::new(open_here))
    }

    /// The same, with keys that `open` opens.
    pub(super) fn start_opening(keys: Vec<KeyPlace>, open: Open) -> Result<Arc<Self>, ServeError> {
        if keys.len() > KEYS_MAX {
            return Err(ServeError::TooManyKeys {
                count: keys.len(),
                max: KEYS_MAX,
            });
        }
        let slots: Vec<Arc<Slot>> = keys.into_iter().map(Slot::new).map(Arc::new).collect();
        if let Some(long) = slots.iter().find(|slot| slot.name.len() > NAME_OCTETS_MAX) {
            return Err(ServeError::LongName {
                name: long.name.clone(),
                max: NAME_OCTETS_MAX,
            });
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = URGENT_WORKERS.saturating_add(cores.min(BULK_WORKERS_MAX));
        let desk = Arc::new(Self {
            workers: (0..workers).map(|_| Mutex::default()).collect(),
            slots,
            open: Arc::new(open),
            waiting: Mutex::default(),
            bell: Condvar::new(),
            begun: Instant::now(),
            signed: AtomicU64::new(0),
        });
        for number in 0..workers {
            let desk = Arc::clone(&desk);
            let takes_bulk = number >= URGENT_WORKERS;
            std::thread::Builder::new()
                .name(if takes_bulk { "sign-bulk" } else { "sign" }.to_owned())
                .spawn(move || desk.work(number, takes_bulk))
                .map_err(|source| ServeError::Thread { source })?;
        }
        Ok(desk)
    }

    /// Takes a request of `from` in. False when that has too many under way.
    pub(super) fn take(&self, from: &Arc<Asker>, frame: Frame) -> bool {
        if frame.kind == Request::Health.kind() {
            // By the thread that reads: the others may all be busy.
            self.tell_health(from, &frame);
            return true;
        }
        // The next may come before an answered one is counted off.
        if from.under_way.fetch_add(1, Ordering::AcqRel) >= AT_ONCE.saturating_mul(2) {
            return false;
        }
        let job = Job {
            from: Arc::clone(from),
            frame,
        };
        let mut waiting = self.waiting();
        match job.frame.lane {
            Lane::Urgent => waiting.urgent.push_back(job),
            Lane::Bulk => waiting.bulk.push_back(job),
        }
        drop(waiting);
        // A thread that takes urgent requests alone may be the one that hears it: all are called.
        self.bell.notify_all();
        true
    }

    /// Signs until the process ends. Urgent ones first; some threads take no others, so that somebody
    /// who waits never stands behind a long row.
    fn work(&self, number: usize, takes_bulk: bool) {
        if takes_bulk {
            // Nobody waits for these. Refused, it signs as it is.
            let _result = rustix::process::nice(10);
        }
        loop {
            let job = self.next(takes_bulk);
            self.set_busy(number, Some(Busy::with(&job.frame)));
            self.answer(&job);
            self.set_busy(number, None);
            job.from.under_way.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn next(&self, takes_bulk: bool) -> Job {
        let mut waiting = self.waiting();
        loop {
            if let Some(job) = waiting.urgent.pop_front() {
                return job;
            }
            if let Some(job) = waiting.bulk.pop_front_if(|_| takes_bulk) {
                return job;
            }
            waiting = self
                .bell
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn answer(&self, job: &Job) {
        let number = job.frame.number;
        let sent = match Request::decode(job.frame.kind, &job.frame.payload) {
            Ok(request) => self.reply_to(job, &request),
            Err(malformed) => job
                .from
                .refuse(number, Cause::Malformed, &malformed.to_string()),
        };
        if let Err(error) = sent {
            // Who does not read its answers is cut off; its reader finds out.
            tracing::warn!(%error, "an answer could not be sent to the server");
            job.from.cut_off();
        }
    }

    fn reply_to(&self, job: &Job, request: &Request<'_>) -> io::Result<()> {
        let (from, number) = (&job.from, job.frame.number);
        match request {
            Request::Hello { version, barred } => {
                if *version != VERSION {
                    let why = format!("this process speaks version {VERSION}, not {version}");
                    return from.refuse(number, Cause::Malformed, &why);
                }
                for slot in &self.slots {
                    slot.open(barred.contains(&slot.name.as_str()), &self.open);
                }
                let told: Vec<Told> = self.slots.iter().map(|slot| slot.told()).collect();
                let keys = self.slots.iter().zip(&told);
                from.reply(
                    number,
                    &Reply::Welcome {
                        version: VERSION,
                        at_once: u16::try_from(AT_ONCE).unwrap_or(u16::MAX),
                        keys: keys.map(|(slot, told)| told.served(&slot.name)).collect(),
                    },
                )
            }
            // It is answered where it is read.
            Request::Health => Ok(()),
            Request::Sign { key, messages } => {
                self.sign(job, *key, messages.len(), |signer, buffers| {
                    signer.sign_batch(messages, buffers)
                })
            }
            Request::SignDigest { key, digest } => self.sign(job, *key, 1, |signer, buffers| {
                let hash = message_digest(signer.algorithm()).ok_or(SignerError::NeedsMessage)?;
                let digest = Digest::import_less_safe(digest, hash)
                    .map_err(|_| SignerError::NeedsMessage)?;
                buffers
                    .iter_mut()
                    .try_for_each(|buffer| signer.sign_digest(&digest, buffer))
            }),
            Request::SignFile { key, octets } => {
                let Some(file) = &job.frame.file else {
                    let why = "the file to be signed did not come with the request";
                    return from.refuse(number, Cause::Malformed, why);
                };
                let message = match sealed_memory(file) {
                    Ok(message) => message,
                    Err(error) => {
                        let why = format!("the file to be signed was refused: {error}");
                        return from.refuse(number, Cause::Malformed, &why);
                    }
                };
                let message = message.as_ref();
                if u64::try_from(message.len()) != Ok(*octets) {
                    let why = "the file to be signed has another length than was said";
                    return from.refuse(number, Cause::Malformed, why);
                }
                self.sign(job, *key, 1, |signer, buffers| {
                    buffers
                        .iter_mut()
                        .try_for_each(|buffer| signer.sign(message, buffer))
                })
            }
        }
    }

    /// Makes `count` signatures and sends them.
    fn sign(
        &self,
        job: &Job,
        key: u16,
        count: usize,
        sign: impl FnOnce(&dyn Signer, &mut [&mut [u8]]) -> Result<(), SignerError>,
    ) -> io::Result<()> {
        let (from, number) = (&job.from, job.frame.number);
        let Some(slot) = self.slots.get(usize::from(key)) else {
            return from.refuse(number, Cause::Malformed, "there is no key of this number");
        };
        let signed = slot.signer().and_then(|signer| {
            let length = signer.algorithm().stored_len();
            let mut octets = vec![0; length.saturating_mul(count.min(MESSAGES_MAX))];
            let mut buffers: Vec<&mut [u8]> = octets.chunks_exact_mut(length.max(1)).collect();
            // A library that panics is one whose key does not sign now; the others go on.
            let attempt = AssertUnwindSafe(|| sign(&*signer, &mut buffers));
            let outcome = catch_unwind(attempt).unwrap_or_else(|_| {
                Err(SignerError::Unavailable {
                    why: "signing ended in a panic".to_owned(),
                })
            });
            outcome.map(|()| (octets, length))
        });
        match signed {
            Ok((octets, length)) => {
                let made = u64::try_from(count).unwrap_or(0);
                self.signed.fetch_add(made, Ordering::Relaxed);
                let signatures = octets.chunks_exact(length.max(1)).collect();
                from.reply(number, &Reply::Signatures(signatures))
            }
            Err(error) => {
                let (cause, why) = Reply::refusal(&error);
                from.refuse(number, cause, &why)
            }
        }
    }

    fn tell_health(&self, from: &Asker, frame: &Frame) {
        let waiting = self.waiting();
        let count = waiting.urgent.len().saturating_add(waiting.bulk.len());
        drop(waiting);
        let busy = self.workers.iter().filter_map(|worker| {
            let busy = worker.lock().unwrap_or_else(PoisonError::into_inner);
            busy.as_ref()
                .map(|busy| busy.since.elapsed().saturating_sub(busy.longer))
        });
        let longest = busy.max().unwrap_or_default();
        let healthy = Reply::Healthy {
            uptime_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            signed: self.signed.load(Ordering::Relaxed),
            waiting: u32::try_from(count).unwrap_or(u32::MAX),
            longest_ms: u32::try_from(longest.as_millis()).unwrap_or(u32::MAX),
        };
        if from.reply(frame.number, &healthy).is_err() {
            from.cut_off();
        }
    }

    fn set_busy(&self, worker: usize, busy: Option<Busy>) {
        if let Some(worker) = self.workers.get(worker) {
            *worker.lock().unwrap_or_else(PoisonError::into_inner) = busy;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    fn with(frame: &Frame) -> Self {
        let octets = match Request::decode(frame.kind, &frame.payload) {
            Ok(Request::SignFile { octets, .. }) => octets,
            _ => 0,
        };
        Self {
            since: Instant::now(),
            // A slow machine hashes 50 MB/s, and Ed25519 does it twice.
            longer: Duration::from_secs(octets / 25_000_000),
        }
    }
}

impl Asker {
    pub(super) fn new(stream: UnixStream) -> Arc<Self> {
        Arc::new(Self {
            stream,
            sending: Mutex::new(()),
            under_way: AtomicUsize::new(0),
        })
    }

    pub(super) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    pub(super) fn reply(&self, number: u64, reply: &Reply<'_>) -> io::Result<()> {
        let frame = frame::encode(reply.kind(), Lane::Urgent, number, |octets| {
            reply.encode(octets);
        })
        .map_err(|error| io::Error::other(error.to_string()))?;
        let _alone = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        frame::send(&self.stream, &frame, None)
    }

    pub(super) fn refuse(&self, number: u64, cause: Cause, why: &str) -> io::Result<()> {
        self.reply(number, &Reply::Refused { cause, why })
    }

    pub(super) fn cut_off(&self) {
        // It may be gone already.
        drop(self.stream.shutdown(std::net::Shutdown::Both));
    }
}

/// Requests of one server that may be under way at once. With payloads of 2 MiB at most, what waits has a
/// bound; a thread of the server waits for one at a time.
pub(super) const AT_ONCE: usize = 64;
/// Threads for requests that somebody waits for.
const URGENT_WORKERS: usize = 2;
/// Threads for the others: as many as cores, and no more than this.
const BULK_WORKERS_MAX: usize = 32;
