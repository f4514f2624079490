//! The signing process as a child of this one.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Starts a program with one end of a socket pair as its standard input; gives the other end.
pub(super) fn start(program: &Path, arguments: &[OsString]) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    // The command, and with it our copy of their end, goes before this returns: only then does the end of
    // the child end the stream.
    let child = Command::new(program)
        .arg0("estelam")
        .args(arguments)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        // Ctrl-C is for the server, which ends it when the last answer is given.
        .process_group(0)
        .spawn()?;
    Ok((ours, child))
}

/// Makes sure that a child is gone, and gives how it ended, if it is known.
pub(super) fn end(mut child: Child, hangs: bool, stopping: bool) -> Option<ExitStatus> {
    let patience = match (hangs, stopping) {
        (true, _) => Duration::ZERO,
        // It ends when its socket does.
        (false, true) => Duration::from_secs(2),
        // It is ending already, or broke the rules.
        (false, false) => Duration::from_millis(200),
    };
    let ended = wait(&mut child, patience);
    if ended.is_some() {
        return ended;
    }
    // Also one that is stopped dies of it.
    drop(child.kill());
    let killed = wait(&mut child, Duration::from_secs(1));
    if killed.is_none() {
        tracing::error!(
            pid = child.id(),
            "the signing process does not die: the kernel keeps it, perhaps in its token's driver"
        );
        // Waited for until it does, so that it does not stay as a zombie.
        drop(std::thread::Builder::new().spawn(move || drop(child.wait())));
    }
    None
}

fn wait(child: &mut Child, at_most: Duration) -> Option<ExitStatus> {
    let until = Instant::now().checked_add(at_most);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {}
            Err(_) => return None,
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// How it ended, in words.
pub(super) fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    }
}
