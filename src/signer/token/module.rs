//! A vendor's module: loaded and initialised once in a process, however many tokens and keys are used.
//!
//! PKCS#11 keeps its state per process: a second C_Initialize fails, and C_Finalize takes the sessions of
//! everybody away, in mid-call if need be. So there is one [`Module`] per path, every call is counted, and
//! the module is initialised anew only while no call runs and nobody else works with it. A session belongs to
//! one *generation* and is refused, not called, in the next: its handle may be another one's by then.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
};

use super::{TokenError, fault::Fault, watch::Watch};

/// One loaded module.
pub(super) struct Module {
    path: PathBuf,
    /// Never unloaded: what a library registered to run at the end of the process is in it.
    library: Pkcs11,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    is_initialised: bool,
    /// C_Initialize or C_Finalize runs: nobody else may call.
    is_changing: bool,
    generation: u64,
    /// Calls that run now.
    calls: usize,
    /// Who works with the module, and whether with success.
    users: HashMap<u64, bool>,
    next_user: u64,
}

/// Every module of the process. A module that nobody uses is finalised, and its library stays loaded.
static MODULES: LazyLock<Mutex<HashMap<PathBuf, Arc<Module>>>> = LazyLock::new(Mutex::default);

impl Module {
    /// The module at `path`, loaded if it is not yet.
    pub(super) fn load(path: &Path) -> Result<Arc<Self>, TokenError> {
        // By links, one library could be loaded under two names, and initialised twice.
        let found = path.canonicalize();
        let real = found.map_err(|_| TokenError::ModuleMissing {
            path: path.to_owned(),
        })?;
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(&real) {
            return Ok(Arc::clone(module));
        }
        let library = Pkcs11::new(&real).map_err(|error| match error {
            Error::MissingSymbol(_) => TokenError::NotAModule {
                path: path.to_owned(),
            },
            Error::LibraryLoading(error) => TokenError::ModuleUnloadable {
                path: path.to_owned(),
                why: error.to_string(),
            },
            other => TokenError::Fault(Fault::from(other)),
        })?;
        let state = State {
            is_initialised: false,
            is_changing: false,
            generation: 0,
            calls: 0,
            users: HashMap::new(),
            next_user: 0,
        };
        let module = Arc::new(Self {
            path: real.clone(),
            library,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        modules.insert(real, Arc::clone(&module));
        Ok(module)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody who works with the module; the last to leave finalises it.
    pub(super) fn join(self: &Arc<Self>) -> User {
        let mut state = self.state();
        let number = state.next_user;
        state.next_user = number.wrapping_add(1);
        state.users.insert(number, false);
        User {
            module: Arc::clone(self),
            number,
        }
    }

    /// Calls the module. `generation` is that of the session that is used, if one is.
    ///
    /// # Errors
    /// The module's, [`TokenError::Stale`] for a session of an earlier generation, or that the module is
    /// being initialised and does not come back within `patience`.
    pub(super) fn call<T>(
        &self,
        watch: &Watch,
        what: &'static str,
        generation: Option<u64>,
        run: impl FnOnce(&Pkcs11) -> Result<T, Error>,
    ) -> Result<T, TokenError> {
        let entered = self.enter(watch, what, generation)?;
        let marked = watch.mark(what);
        let outcome = run(&self.library);
        drop(marked);
        drop(entered);
        Ok(outcome?)
    }

    /// The generation of sessions that are opened now.
    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    fn enter(
        &self,
        watch: &Watch,
        what: &'static str,
        generation: Option<u64>,
    ) -> Result<Entered<'_>, TokenError> {
        let mut state = self.quiet(watch, what)?;
        if generation.is_some_and(|generation| generation != state.generation) {
            return Err(TokenError::Stale);
        }
        if !state.is_initialised {
            drop(state);
            self.initialise(watch)?;
            state = self.quiet(watch, what)?;
        }
        state.calls = state.calls.saturating_add(1);
        Ok(Entered(self))
    }

    /// Waits until the module is neither initialised nor finalised by somebody.
    fn quiet(
        &self,
        watch: &Watch,
        what: &'static str,
    ) -> Result<MutexGuard<'_, State>, TokenError> {
        let until = Instant::now() + watch.deadline();
        let mut state = self.state();
        while state.is_changing {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return Err(TokenError::Hung {
                    call: what,
                    after: watch.deadline(),
                });
            };
            state = self.wait(state, left);
        }
        Ok(state)
    }

    fn initialise(&self, watch: &Watch) -> Result<(), TokenError> {
        let mut state = self.quiet(watch, INITIALIZE)?;
        if state.is_initialised {
            return Ok(());
        }
        state.is_changing = true;
        drop(state);
        let marked = watch.mark(INITIALIZE);
        let outcome = self.library.initialize(arguments());
        drop(marked);
        let is_initialised = matches!(
            outcome,
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _))
        );
        let mut state = self.state();
        state.is_changing = false;
        state.is_initialised = is_initialised;
        state.generation = state.generation.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
        if is_initialised {
            return Ok(());
        }
        Ok(outcome?)
    }

    /// C_Finalize and C_Initialize, unless somebody did so since `generation`, or somebody else works with
    /// the module. Says whether there is a new generation.
    fn reinitialise(&self, watch: &Watch, user: u64, generation: u64) -> Result<bool, TokenError> {
        let mut state = self.quiet(watch, FINALIZE)?;
        if state.generation != generation {
            return Ok(true);
        }
        let others = state.users.iter();
        if { others }.any(|(number, is_well)| *number != user && *is_well) {
            return Ok(false);
        }
        // Nobody begins a call any more; those that run come to their end, or else hang. Half of the time that
        // a call has, so that whoever waits at the door does not give up.
        state.is_changing = true;
        let until = Instant::now() + watch.deadline() / 2;
        while state.calls > 0 {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                // What hangs now would crash then.
                state.is_changing = false;
                drop(state);
                self.changed.notify_all();
                return Ok(false);
            };
            state = self.wait(state, left);
        }
        if state.is_initialised {
            state = self.finalise(watch, state);
        }
        state.is_changing = false;
        drop(state);
        self.changed.notify_all();
        self.initialise(watch)?;
        Ok(true)
    }

    fn finalise<'a>(
        &'a self,
        watch: &Watch,
        mut state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        state.is_changing = true;
        drop(state);
        let marked = watch.mark(FINALIZE);
        // A module that cannot even do this is initialised all the same, and says so then.
        let finalised = self.library.clone().finalize();
        drop(marked);
        if let Err(error) = finalised {
            tracing::debug!(module = %self.path.display(), %error, "C_Finalize");
        }
        let mut state = self.state();
        state.is_changing = false;
        state.is_initialised = false;
        self.changed.notify_all();
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A call that runs.
struct Entered<'a>(&'a Module);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls = state.calls.saturating_sub(1);
        let is_last = state.calls == 0;
        drop(state);
        if is_last {
            self.0.changed.notify_all();
        }
    }
}

/// Somebody who works with a module.
pub(super) struct User {
    module: Arc<Module>,
    number: u64,
}

impl User {
    pub(super) const fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Says how the work goes: nobody takes the module away from who is well.
    pub(super) fn is_well(&self, is_well: bool) {
        self.module.state().users.insert(self.number, is_well);
    }

    /// See [`Module::reinitialise`].
    pub(super) fn reinitialise(&self, watch: &Watch, generation: u64) -> Result<bool, TokenError> {
        self.module.reinitialise(watch, self.number, generation)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut state = self.module.state();
        state.users.remove(&self.number);
        let is_idle = state.users.is_empty() && state.calls == 0 && !state.is_changing;
        if !is_idle || !state.is_initialised {
            return;
        }
        // So that nobody comes in before it has begun.
        state.is_changing = true;
        drop(state);
        let module = Arc::clone(&self.module);
        let (done, ended) = mpsc::channel();
        let finalising = thread::Builder::new().name("token-end".to_owned());
        let begun = finalising.spawn(move || {
            drop(module.finalise(&Watch::new(Duration::MAX), module.state()));
            // Nobody waits any more where it hung.
            let _late = done.send(());
        });
        if begun.is_ok() {
            // A command that ends then does not take the library down in the middle of it.
            let _hung = ended.recv_timeout(FAREWELL);
        } else {
            self.module.state().is_changing = false;
        }
    }
}

fn arguments() -> CInitializeArgs {
    CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)
}

/// How long the end of a module is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

const INITIALIZE: &str = "C_Initialize";
const FINALIZE: &str = "C_Finalize";
