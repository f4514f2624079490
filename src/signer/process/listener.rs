//! The socket of a signing process that a service manager runs.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::desk::Desk;
use super::serving::serve;

/// A listening socket and its file, which goes with it.
#[derive(Debug)]
pub struct SignerListener {
    listener: UnixListener,
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl SignerListener {
    /// Binds `path`, replacing the socket of a process that is gone. It is its owner's alone; with `group`
    /// its group's too, for a server that runs as another user of that group.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(path: &Path, group: bool) -> Result<Self, ListenError> {
        let problem = |source| ListenError::Io {
            path: path.to_owned(),
            source,
        };
        make_sure_nobody_serves(path)?;
        // Bound under another name, so that nobody finds it before its mode is right.
        let made = path.with_extension("new");
        match fs::remove_file(&made) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(problem(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&made).map_err(problem)?;
        let mode = if group { 0o660 } else { 0o600 };
        fs::set_permissions(&made, fs::Permissions::from_mode(mode)).map_err(problem)?;
        let metadata = fs::symlink_metadata(&made).map_err(problem)?;
        fs::rename(&made, path).map_err(problem)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            device_and_inode: (metadata.dev(), metadata.ino()),
        })
    }

    /// Serves whoever connects, at most [`SignerListener::CONNECTIONS_MAX`] at once, until the process
    /// ends. Runs on a thread that it starts.
    ///
    /// # Errors
    /// When the socket or a thread cannot be had.
    pub fn start(&self, desk: &Arc<Desk>, server_uid: Option<u32>) -> io::Result<()> {
        let (listener, desk) = (self.listener.try_clone()?, Arc::clone(desk));
        std::thread::Builder::new()
            .name("listen".to_owned())
            .spawn(move || accept(&listener, &desk, server_uid))
            .map(drop)
    }

    /// A server has one connection, and a new one may come before the old one is seen to be gone.
    pub const CONNECTIONS_MAX: usize = 16;
}

fn accept(listener: &UnixListener, desk: &Arc<Desk>, server_uid: Option<u32>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                std::thread::park_timeout(ACCEPT_PAUSE);
                continue;
            }
        };
        if open.fetch_add(1, Ordering::AcqRel) >= SignerListener::CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!("a connection was closed at once: too many are open");
            continue;
        }
        let (desk, counted) = (Arc::clone(desk), Arc::clone(&open));
        let spawned = std::thread::Builder::new()
            .name("connection".to_owned())
            .spawn(move || {
                if let Err(error) = serve(&desk, stream, server_uid) {
                    tracing::warn!("a connection was closed: {error}");
                }
                counted.fetch_sub(1, Ordering::AcqRel);
            });
        if let Err(error) = spawned {
            open.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "a connection was closed for want of a thread");
        }
    }
}

const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

fn make_sure_nobody_serves(path: &Path) -> Result<(), ListenError> {
    let problem = |source| ListenError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(problem(source)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse {
            path: path.to_owned(),
        }),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        Err(source) => Err(problem(source)),
    }
}

impl Drop for SignerListener {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.device_and_inode);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket stays behind");
        }
    }
}

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// A process answers there.
    #[error("another signing process has the socket {}: stop it first", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error(
        "{} is not a socket and is left as it is: remove it, or name another one in [signer_process]",
        path.display()
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error(
        "cannot make the socket {}: {source}. Its folder must exist and be writable, and the path \
         shorter than 108 octets",
        path.display()
    )]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_its_owners_or_its_groups_and_goes_with_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signer.sock");
        for (group, mode) in [(false, 0o600), (true, 0o660)] {
            let listener = SignerListener::bind(&path, group).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            let second = SignerListener::bind(&path, group).unwrap_err();
            assert!(matches!(second, ListenError::InUse { .. }), "{second}");
            drop(listener);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        drop(UnixListener::bind(&path).unwrap()); // Its file stays, as after kill -9.
        drop(SignerListener::bind(&path, false).unwrap());
        fs::write(&path, "precious").unwrap();
        let error = SignerListener::bind(&path, false).unwrap_err();
        assert!(matches!(error, ListenError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
