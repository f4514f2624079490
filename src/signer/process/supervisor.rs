//! Starts the signing process, watches over it, and starts it again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::child;
use super::connection::{Connection, Fault};
use super::frame::Lane;
use super::health::{KeyHealth, ProcessHealth, ProcessState};
use super::link::{Line, Link, ServedKey, ServedState};
use super::peer;
use super::remote::RemoteSigner;
use super::reply::{KeyState, Reply};
use super::request::Request;
use super::wire::VERSION;
use crate::signer::LoadError;

/// How the signing process is come by.
#[derive(Clone, Debug)]
pub enum Reach {
    /// It is a child of this one.
    Child {
        /// What is run.
        program: PathBuf,
        /// With these arguments; its standard input is one end of a socket pair.
        arguments: Vec<OsString>,
    },
    /// Somebody else runs it.
    Socket {
        /// Where it listens.
        path: PathBuf,
        /// The user that it runs as, where it is not this process's own.
        signer_uid: Option<u32>,
    },
}

impl Reach {
    /// The signing process of this program, for the keys of a configuration.
    #[must_use]
    pub fn own_program(config: &Path) -> Self {
        let arguments: [OsString; 4] = [
            "signer".into(),
            "--connected".into(),
            "--config".into(),
            config.into(),
        ];
        Self::Child {
            // Also after the file was replaced by another version, whose turn comes with the next start.
            program: "/proc/self/exe".into(),
            arguments: arguments.into(),
        }
    }
}

/// The signing process, as long as this lives.
pub struct SignerProcess {
    link: Arc<Link>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SignerProcess {
    /// Starts it, or connects to it, and keeps at it until [`SignerProcess::stop`]. A request that takes
    /// longer than `deadline` is a sign that it hangs.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(reach: Reach, deadline: Duration) -> io::Result<Arc<Self>> {
        let link = Arc::new(Link::new(deadline));
        let supervised = Arc::clone(&link);
        let thread = std::thread::Builder::new()
            .name("signer-process".to_owned())
            .spawn(move || Supervisor::new(supervised, reach).run())?;
        Ok(Arc::new(Self {
            link,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// The key with this name. While the process was just started, this waits for what it says of it.
    ///
    /// # Errors
    /// [`LoadError::Process`].
    pub fn key(&self, name: &str) -> Result<RemoteSigner, LoadError> {
        let refused = |why: String, may_pass| LoadError::Process {
            key: name.to_owned(),
            why,
            may_pass,
        };
        let patience = self.link.deadline.saturating_add(OPENING_PATIENCE);
        let until = Instant::now().checked_add(patience);
        let mut facts = self.link.facts();
        loop {
            let waits = match (&facts.line, facts.keys.get(name)) {
                (Line::Up(_), Some(known)) => match &known.state {
                    ServedState::Ready(algorithm, public_key) => {
                        return Ok(RemoteSigner::new(
                            Arc::clone(&self.link),
                            name.to_owned(),
                            *algorithm,
                            public_key.clone(),
                        ));
                    }
                    ServedState::Away(why) => return Err(refused(why.clone(), true)),
                    ServedState::Refused(why) => return Err(refused(why.clone(), false)),
                    ServedState::Opening => "it is still being opened",
                },
                (Line::Up(_), None) => {
                    let why = "the signing process does not have it: does it run with the same \
                               configuration?";
                    return Err(refused(why.to_owned(), true));
                }
                (Line::Starting, _) => "the signing process is being started",
                (Line::Down(why), _) => {
                    return Err(refused(format!("the signing process: {why}"), true));
                }
            };
            let left = until.map_or(Duration::ZERO, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(refused(waits.to_owned(), true));
            }
            let (again, _) = self
                .link
                .changed
                .wait_timeout(facts, left)
                .unwrap_or_else(PoisonError::into_inner);
            facts = again;
        }
    }

    /// Whom to tell when the process is back, or one of its keys.
    pub fn tell(&self, told: impl Fn() + Send + Sync + 'static) {
        self.link.facts().told.push(Arc::new(told));
    }

    /// The facts of this moment.
    #[must_use]
    pub fn health(&self) -> ProcessHealth {
        let facts = self.link.facts();
        let mut keys: Vec<KeyHealth> = (facts.keys.iter())
            .map(|(name, key)| KeyHealth {
                name: name.clone(),
                problem: match &key.state {
                    ServedState::Ready(..) if matches!(facts.line, Line::Up(_)) => None,
                    ServedState::Ready(..) => Some("its process is down".to_owned()),
                    ServedState::Opening => Some("it is being opened".to_owned()),
                    ServedState::Away(why) | ServedState::Refused(why) => Some(why.clone()),
                },
            })
            .collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        ProcessHealth {
            state: match facts.line {
                Line::Starting => ProcessState::Starting,
                Line::Up(_) => ProcessState::Running,
                Line::Down(_) => ProcessState::Down,
            },
            pid: facts.pid,
            socket: facts.socket.clone(),
            starts: facts.starts,
            hangs: facts.hangs,
            signed: facts.signed,
            last_fault: facts.last_fault.clone(),
            keys,
        }
    }

    /// Ends the process, if it is this one's child, and waits for it.
    pub fn stop(&self) {
        {
            let mut facts = self.link.facts();
            facts.stopping = true;
            if let Line::Up(connection) = &facts.line {
                connection.break_off(Fault {
                    why: "this server stops".to_owned(),
                    hangs: false,
                });
            }
        }
        self.link.changed.notify_all();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches over the signing process had panicked");
        }
    }
}

impl Drop for SignerProcess {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread that keeps the process there.
struct Supervisor {
    link: Arc<Link>,
    reach: Reach,
    /// Keys that no other process is to try, and why.
    latched: HashMap<String, String>,
}

impl Supervisor {
    fn new(link: Arc<Link>, reach: Reach) -> Self {
        if let Reach::Socket { path, .. } = &reach {
            link.facts().socket = Some(path.clone());
        }
        Self {
            link,
            reach,
            latched: HashMap::new(),
        }
    }

    fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut last_told = None;
        loop {
            let begun = Instant::now();
            let fault = self.live_once();
            if self.link.facts().stopping {
                return;
            }
            if begun.elapsed() >= STEADY {
                pause = Duration::ZERO;
            }
            pause = pause.saturating_mul(2).clamp(PAUSE_MIN, PAUSE_MAX);
            // Somebody else's process that is away for an hour is not told of every three seconds.
            if last_told.as_ref() != Some(&fault.why) || begun.elapsed() >= STEADY {
                tracing::error!(
                    "the signing process: {}. What its keys are needed for waits; the next attempt is in {} \
                     ms, and others follow",
                    fault.why,
                    pause.as_millis()
                );
                last_told = Some(fault.why.clone());
            }
            {
                let mut facts = self.link.facts();
                facts.hangs = facts.hangs.saturating_add(u64::from(fault.hangs));
                facts.last_fault = Some(fault.why.clone());
                facts.line = Line::Down(fault.why);
                facts.pid = None;
            }
            self.link.changed.notify_all();
            if self.link.stops_within(pause) {
                return;
            }
        }
    }

    /// From a start to the fault that ends it.
    fn live_once(&mut self) -> Fault {
        let quietly = |why: String| Fault { why, hangs: false };
        let (stream, child) = match self.connect() {
            Ok(reached) => reached,
            Err(why) => return quietly(why),
        };
        let fault = match Connection::start(stream, self.link.deadline) {
            Ok(connection) => {
                let pid = child.as_ref().map(Child::id);
                let fault = self.attend(&connection, pid);
                connection.break_off(fault.clone());
                fault
            }
            Err(error) => quietly(format!("cannot listen to it: {error}")),
        };
        let Some(child) = child else {
            return fault;
        };
        let stopping = self.link.facts().stopping;
        match child::end(child, fault.hangs, stopping) {
            Some(status) if !fault.hangs && !stopping => Fault {
                why: format!("{} ({})", fault.why, child::told(status)),
                ..fault
            },
            _ => fault,
        }
    }

    fn connect(&self) -> Result<(UnixStream, Option<Child>), String> {
        match &self.reach {
            Reach::Socket { path, signer_uid } => {
                let stream = UnixStream::connect(path)
                    .map_err(|error| format!("nobody answers at {}: {error}", path.display()))?;
                peer::check(&stream, *signer_uid)
                    .map_err(|stranger| format!("at {}: {stranger}", path.display()))?;
                Ok((stream, None))
            }
            Reach::Child { program, arguments } => {
                let (stream, child) = child::start(program, arguments)
                    .map_err(|error| format!("it cannot be started: {error}"))?;
                Ok((stream, Some(child)))
            }
        }
    }

    /// Asks for the keys, and then from time to time whether it is still there.
    fn attend(&mut self, connection: &Arc<Connection>, pid: Option<u32>) -> Fault {
        let fallen = |connection: &Connection, why: String| {
            connection
                .broken_within(Duration::ZERO)
                .unwrap_or(Fault { why, hangs: false })
        };
        // It reads its configuration, and perhaps loads a library, before it answers.
        let patience = self.link.deadline.max(START_PATIENCE);
        match self.greet(connection, patience) {
            Ok(_) => {}
            Err(why) => return fallen(connection, why),
        }
        {
            let mut facts = self.link.facts();
            facts.starts = facts.starts.saturating_add(1);
            facts.pid = pid;
            facts.line = Line::Up(Arc::clone(connection));
        }
        self.link.changed.notify_all();
        let mut keys = self.link.look(None);
        loop {
            let tick = if keys.opening > 0 {
                OPENING_TICK
            } else {
                TICK.min(self.link.deadline / 2)
            };
            if let Some(fault) = connection.broken_within(tick) {
                return fault;
            }
            if self.link.facts().stopping {
                return Fault {
                    why: "this server stops".to_owned(),
                    hangs: false,
                };
            }
            let mut asked = self.check(connection);
            if !keys.are_ready() {
                asked = asked.and_then(|()| self.greet(connection, self.link.deadline));
            }
            if let Err(why) = asked {
                return fallen(connection, why);
            }
            if !keys.are_ready() {
                self.link.changed.notify_all();
                keys = self.link.look(Some(keys));
            }
        }
    }

    /// Says hello and takes in what is said of the keys.
    fn greet(&mut self, connection: &Connection, deadline: Duration) -> Result<(), String> {
        let request = Request::Hello {
            version: VERSION,
            barred: self.latched.keys().map(String::as_str).collect(),
        };
        let frame = connection.ask(&request, Lane::Urgent, None, deadline)?;
        match Reply::decode(frame.kind, &frame.payload) {
            Ok(Reply::Welcome { keys, .. }) => {
                let mut known = HashMap::new();
                for (number, key) in (0_u16..).zip(keys) {
                    let name = key.name.to_owned();
                    let state = match key.state {
                        KeyState::Ready {
                            algorithm,
                            public_key,
                        } => ServedState::Ready(algorithm, public_key.into()),
                        KeyState::Opening => ServedState::Opening,
                        KeyState::Away(why) => ServedState::Away(why.to_owned()),
                        KeyState::Refused(why) => ServedState::Refused(why.to_owned()),
                        KeyState::Latched(why) => {
                            // The first reason is the one to mend.
                            let why = self
                                .latched
                                .entry(name.clone())
                                .or_insert_with(|| why.to_owned());
                            ServedState::Away(why.clone())
                        }
                    };
                    if matches!(state, ServedState::Ready(..)) {
                        self.latched.remove(&name);
                    }
                    known.insert(name, ServedKey { number, state });
                }
                self.link.facts().keys = known;
                Ok(())
            }
            Ok(Reply::Refused { why, .. }) => Err(format!("it refuses: {why}")),
            _ => Err("it does not speak our protocol".to_owned()),
        }
    }

    fn check(&self, connection: &Connection) -> Result<(), String> {
        let deadline = self.link.deadline;
        let frame = connection.ask(&Request::Health, Lane::Urgent, None, deadline)?;
        match Reply::decode(frame.kind, &frame.payload) {
            Ok(Reply::Healthy {
                signed, longest_ms, ..
            }) => {
                self.link.facts().signed = signed;
                if Duration::from_millis(longest_ms.into()) <= deadline {
                    return Ok(());
                }
                Err(connection.break_off(Fault {
                    why: format!(
                        "a signature takes longer than {} ms, so a token or its library hangs",
                        deadline.as_millis()
                    ),
                    hangs: true,
                }))
            }
            _ => Err("it does not speak our protocol".to_owned()),
        }
    }
}

/// How long a key may take to be opened before whoever asks for it goes on without: a passphrase is
/// stretched for a second, a token logged in to over a network.
const OPENING_PATIENCE: Duration = Duration::from_secs(5);
/// How long a process may take until it says hello.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether it is still there.
const TICK: Duration = Duration::from_secs(1);
/// The same, while keys are being opened.
const OPENING_TICK: Duration = Duration::from_millis(50);
/// Pauses before it is started again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// A process that lived so long ended for another reason than its predecessor.
const STEADY: Duration = Duration::from_secs(30);
