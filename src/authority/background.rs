//! Work that no answer waits for.

use std::panic::resume_unwind;

use super::{ErrorClass, OperationError};

/// Puts the calling thread, and those it starts, behind everything that somebody waits for: answers,
/// changes and live signatures go first. Where all cores are taken, a tenth of one is still left for it.
/// Refused, it works as it is.
pub(super) fn enter() {
    let _result = rustix::process::nice(10);
}

/// Does long work for somebody who can wait, behind everything else, on a thread of its own: one of the
/// runtime's could not be brought back to where it was.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, OperationError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("background".to_owned());
        let thread = thread.spawn_scoped(scope, || {
            enter();
            work()
        });
        let thread = thread.map_err(|error| {
            let message = format!("there is no thread to be had for it: {error}");
            OperationError::new(ErrorClass::Internal, message)
        })?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// The same for work that tells its outcome itself.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = run(work) {
            tracing::error!(%error, "what an operator asked for was not begun");
        }
    });
}
