//! What commands print: facts to stdout, as text or JSON; everything else to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::{Common, Exit, Failure};

/// Prints facts: as JSON when asked, else as `text` says.
///
/// # Errors
/// When stdout takes no more, for instance on a full disk. A reader that went away is no error.
pub(super) fn facts(
    common: &Common,
    facts: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<Exit, Failure> {
    let text = if common.json {
        serde_json::to_string_pretty(facts)
            .map_err(|error| Failure::new(Exit::Internal, format!("facts as JSON: {error}")))?
    } else {
        text()
    };
    line(&text)
}

/// Prints one text to stdout.
///
/// # Errors
/// When stdout takes no more.
pub(super) fn line(text: &str) -> Result<Exit, Failure> {
    match writeln!(io::stdout(), "{}", text.trim_end()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Ok(Exit::Success),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        Err(error) => Err(Failure::new(
            Exit::Storage,
            format!("cannot write to stdout: {error}"),
        )),
    }
}

/// Tells a mistake or failure on stderr.
pub(super) fn error(message: &str) {
    tell("error: ", message);
}

/// Tells what is odd, on stderr.
pub(super) fn warning(message: &str) {
    tell("warning: ", message);
}

fn tell(kind: &str, message: &str) {
    let painted = if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\u{1b}[1m{kind}\u{1b}[0m{message}")
    } else {
        format!("{kind}{message}")
    };
    // Nowhere is left to tell that stderr is closed.
    drop(writeln!(io::stderr(), "{painted}"));
}
