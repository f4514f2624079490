//! One server's requests, one after another, until it goes.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::desk::{Asker, Desk};
use super::frame::{self, FrameError};
use super::peer::{self, Stranger};
use super::reply::Cause;

/// Takes requests from `stream` until the other end closes it. Who is not of this process's user, nor of
/// `server_uid`, is refused before anything is read.
///
/// # Errors
/// [`ServeError`] when the other end is a stranger or breaks the rules.
pub fn serve(
    desk: &Arc<Desk>,
    stream: UnixStream,
    server_uid: Option<u32>,
) -> Result<(), ServeError> {
    stream
        .set_write_timeout(Some(SEND_TIMEOUT))
        .map_err(|source| ServeError::Io { source })?;
    let asker = Asker::new(stream);
    if let Err(stranger) = peer::check(asker.stream(), server_uid) {
        // It is told why, if it listens.
        drop(asker.refuse(0, Cause::Malformed, &stranger.to_string()));
        return Err(stranger.into());
    }
    let ended = read(desk, &asker);
    asker.cut_off();
    ended
}

fn read(desk: &Arc<Desk>, asker: &Arc<Asker>) -> Result<(), ServeError> {
    let mut is_known = false;
    loop {
        let frame = match frame::receive(asker.stream()) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(FrameError::Io(source)) if source.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(());
            }
            Err(error) => {
                return Err(ServeError::Rules {
                    what: error.to_string(),
                });
            }
        };
        // What speaks another protocol is found out by its first words.
        let is_hello = frame.kind == HELLO;
        if !is_known && !is_hello {
            return Err(ServeError::Rules {
                what: "it did not begin with hello".to_owned(),
            });
        }
        is_known = true;
        if !desk.take(asker, frame) {
            return Err(ServeError::Rules {
                what: "it asked for more at once than it may".to_owned(),
            });
        }
    }
}

const HELLO: u8 = 0x01;
/// Who does not read its answers for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a server is not served, or nobody is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another user.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// It does not keep to the protocol.
    #[error("the other end does not keep to the protocol: {what}")]
    Rules {
        /// What it did.
        what: String,
    },
    /// More keys than one process has numbers for.
    #[error("{count} keys are to live in the signing process, and {max} can")]
    TooManyKeys {
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A name that does not go into a frame.
    #[error("the name of the key {name} is longer than {max} octets")]
    LongName {
        /// The name.
        name: String,
        /// The limit.
        max: usize,
    },
    /// The system gives no more threads.
    #[error("cannot start a thread: {source}")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// The socket.
    #[error("the socket cannot be used: {source}")]
    Io {
        /// The system's reason.
        source: io::Error,
    },
}
