//! The socket file: made with mode 0600, put in place by rename, taken over from the dead only.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// A listening socket and its file, which goes with it.
#[derive(Debug)]
pub(super) struct AdminSocket {
    pub(super) listener: UnixListener,
    file: SocketFile,
}

impl AdminSocket {
    /// Binds `path`, replacing the socket of a process that is gone.
    ///
    /// Two servers that start at one moment may both find it abandoned; the ledger's lock, taken
    /// before, lets only one of them come here.
    pub(super) fn bind(path: &Path) -> Result<Self, AdminBindError> {
        let problem = |source| AdminBindError::Io {
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
        fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).map_err(problem)?;
        listener.set_nonblocking(true).map_err(problem)?;
        let metadata = fs::symlink_metadata(&made).map_err(problem)?;
        fs::rename(&made, path).map_err(problem)?;
        let file = SocketFile {
            path: path.to_owned(),
            device_and_inode: (metadata.dev(), metadata.ino()),
        };
        Ok(Self { listener, file })
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

fn make_sure_nobody_serves(path: &Path) -> Result<(), AdminBindError> {
    let path_buf = || path.to_owned();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(AdminBindError::Io {
                path: path_buf(),
                source,
            });
        }
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(AdminBindError::NotASocket { path: path_buf() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(AdminBindError::InUse { path: path_buf() }),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        Err(source) => Err(AdminBindError::Io {
            path: path_buf(),
            source,
        }),
    }
}

/// Removes the socket file at the end, unless another server has put its own there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.device_and_inode);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the admin socket stays behind");
        }
    }
}

/// Why the admin socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminBindError {
    /// A process answers there.
    #[error(
        "another server has the admin socket {}: stop it, or give this one another state folder",
        path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error(
        "{} is not a socket and is left as it is: remove it, or name another admin socket",
        path.display()
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error(
        "cannot make the admin socket {}: {source}. Its folder must exist and be writable, and the \
         path shorter than 108 octets",
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
    fn the_socket_is_its_owners_alone_and_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(socket);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_of_the_dead_is_replaced_and_one_of_the_living_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap()); // Its file stays, as after kill -9.
        drop(UnixListener::bind(folder.path().join("admin.new")).unwrap());

        let first = AdminSocket::bind(&path).unwrap();
        let second = AdminSocket::bind(&path).unwrap_err();
        assert!(matches!(second, AdminBindError::InUse { .. }), "{second}");
        UnixStream::connect(&path).unwrap();
        drop(first);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        let error = AdminSocket::bind(&path).unwrap_err();
        assert!(
            matches!(error, AdminBindError::NotASocket { .. }),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn the_socket_of_a_successor_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = AdminSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = AdminSocket::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
    }

    #[test]
    fn a_missing_folder_or_a_long_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().join("none/admin.sock"),
            folder.path().join("x".repeat(120)),
        ] {
            let error = AdminSocket::bind(&path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
