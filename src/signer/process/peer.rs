//! Who is at the other end of a Unix socket.

use std::os::unix::net::UnixStream;

/// The user that this process runs as.
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Looks whether the other end is this process's own user, or the one that was configured.
pub(super) fn check(stream: &UnixStream, other: Option<u32>) -> Result<(), Stranger> {
    let peer = rustix::net::sockopt::socket_peercred(stream).map_err(|_| Stranger::Unknown)?;
    let uid = peer.uid.as_raw();
    if uid == own_uid() || Some(uid) == other {
        Ok(())
    } else {
        Err(Stranger::Uid {
            uid,
            own: own_uid(),
        })
    }
}

/// Somebody whom this process does not speak to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Stranger {
    /// Another user.
    #[error(
        "the other end runs as user {uid}, this one as {own}: if that is meant, set server_uid and \
         signer_uid in [signer_process]"
    )]
    Uid {
        /// Its user id.
        uid: u32,
        /// Ours.
        own: u32,
    },
    /// The system does not say.
    #[error("the system does not say who is at the other end: it is no Unix socket")]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_is_let_in() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(check(&ours, None), Ok(()));
        assert_eq!(check(&ours, Some(own_uid().wrapping_add(1))), Ok(()));
    }
}
