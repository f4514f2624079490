//! The server's end of a connection: requests go out, and each waits for its own answer.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::desk::AT_ONCE;
use super::frame::{self, Frame, FrameError, Lane};
use super::request::Request;

/// A connection to a signing process.
pub(super) struct Connection {
    stream: UnixStream,
    sending: Mutex<()>,
    /// Who waits for which answer; `None` once it is broken.
    waiting: Mutex<Option<HashMap<u64, SyncSender<Frame>>>>,
    /// Rung when an answer came, so that the next may ask, and when it broke.
    bell: Condvar,
    next: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

/// Why a connection is of no use any more.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) why: String,
    /// Whether the other end is there and does not answer.
    pub(super) hangs: bool,
}

impl Connection {
    /// Takes a stream over; its answers are read on a thread of their own, until it breaks.
    pub(super) fn start(stream: UnixStream, deadline: Duration) -> io::Result<Arc<Self>> {
        stream.set_write_timeout(Some(deadline))?;
        let connection = Arc::new(Self {
            stream,
            sending: Mutex::new(()),
            waiting: Mutex::new(Some(HashMap::new())),
            bell: Condvar::new(),
            next: AtomicU64::new(1),
            fault: Mutex::new(None),
        });
        let reader = Arc::clone(&connection);
        std::thread::Builder::new()
            .name("signer-replies".to_owned())
            .spawn(move || reader.read())?;
        Ok(connection)
    }

    /// Asks, and waits for the answer. `file` goes with the request.
    ///
    /// # Errors
    /// Why there is none; the connection is of no use then.
    pub(super) fn ask(
        &self,
        request: &Request<'_>,
        lane: Lane,
        file: Option<BorrowedFd<'_>>,
        deadline: Duration,
    ) -> Result<Frame, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = frame::encode(request.kind(), lane, number, |octets| {
            request.encode(octets);
        })
        .map_err(|error| error.to_string())?;
        let until = Instant::now().checked_add(deadline);
        let (answer, answered) = sync_channel(1);
        self.enlist(number, answer, until)?;
        let sent = {
            let _alone = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
            frame::send(&self.stream, &frame, file)
        };
        if let Err(error) = sent {
            // Half a request may be on its way: nothing can follow it.
            let hangs = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            );
            return Err(self.break_off(Fault {
                why: format!("a request could not be sent: {error}"),
                hangs,
            }));
        }
        let left = until.map_or(deadline, |until| {
            until.saturating_duration_since(Instant::now())
        });
        match answered.recv_timeout(left) {
            Ok(frame) => Ok(frame),
            Err(RecvTimeoutError::Disconnected) => Err(self.why()),
            Err(RecvTimeoutError::Timeout) => Err(self.break_off(no_answer(deadline))),
        }
    }

    /// Waits for a place among those that are under way, and takes it.
    fn enlist(
        &self,
        number: u64,
        answer: SyncSender<Frame>,
        until: Option<Instant>,
    ) -> Result<(), String> {
        let mut waiting = self.waiting();
        loop {
            let Some(known) = waiting.as_mut() else {
                drop(waiting);
                return Err(self.why());
            };
            if known.len() < AT_ONCE {
                known.insert(number, answer);
                return Ok(());
            }
            let left = until.map_or(Duration::ZERO, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err("too much was asked for at once".to_owned());
            }
            let (again, _) = self
                .bell
                .wait_timeout(waiting, left)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = again;
        }
    }

    fn read(&self) {
        let why = loop {
            match frame::receive(&self.stream) {
                Ok(Some(frame)) => {
                    let mut waiting = self.waiting();
                    let asked = waiting
                        .as_mut()
                        .and_then(|waiting| waiting.remove(&frame.number));
                    drop(waiting);
                    self.bell.notify_all();
                    match asked {
                        // Whoever gave up waiting does not hear it.
                        Some(asked) => drop(asked.try_send(frame)),
                        None => break told_without_being_asked(&frame),
                    }
                }
                Ok(None) => break "it ended".to_owned(),
                // With requests that it had not read.
                Err(FrameError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                    break "it ended".to_owned();
                }
                Err(error) => break format!("its answers cannot be read: {error}"),
            }
        };
        self.break_off(Fault { why, hangs: false });
    }

    /// Gives the connection up; gives why it was given up first. Everybody who waits is told at once.
    pub(super) fn break_off(&self, fault: Fault) -> String {
        let why = {
            let mut first = self.fault();
            first.get_or_insert(fault).why.clone()
        };
        self.waiting().take();
        // It may be gone already.
        drop(self.stream.shutdown(std::net::Shutdown::Both));
        self.bell.notify_all();
        why
    }

    /// Waits until it breaks, `at_most` so long.
    pub(super) fn broken_within(&self, at_most: Duration) -> Option<Fault> {
        let waiting = self.waiting();
        drop(
            self.bell
                .wait_timeout_while(waiting, at_most, |waiting| waiting.is_some())
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.fault().clone()
    }

    fn why(&self) -> String {
        let fault = self.fault();
        fault
            .as_ref()
            .map_or_else(|| "it ended".to_owned(), |fault| fault.why.clone())
    }

    fn fault(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, SyncSender<Frame>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_answer(deadline: Duration) -> Fault {
    Fault {
        why: format!("it gave no answer within {} ms", deadline.as_millis()),
        hangs: true,
    }
}

/// A refusal that has no number says why nobody is listened to.
fn told_without_being_asked(frame: &Frame) -> String {
    use super::reply::Reply;
    match Reply::decode(frame.kind, &frame.payload) {
        Ok(Reply::Refused { why, .. }) => format!("it refuses: {why}"),
        _ => "it answered what nobody had asked".to_owned(),
    }
}
