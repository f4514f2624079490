//! A message of any size in memory that both processes see, and neither can change.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};

use crate::segment::SEALS;

/// A sealed memory file with these octets. What is signed cannot change between the look at it and the
/// signature, whoever has it open.
pub(super) fn sealed(octets: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know how to say that nobody runs it.
    let file = memfd_create("estelam-to-sign", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create("estelam-to-sign", flags))?;
    let mut file = File::from(file);
    file.write_all(octets)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::segment::sealed_memory;

    #[test]
    fn what_is_sealed_is_read_and_cannot_be_changed() {
        for octets in [&b""[..], b"message", &vec![0x5a; 300_000]] {
            let file = sealed(octets).unwrap();
            let map = sealed_memory(&file).unwrap();
            assert_eq!(map.as_ref(), octets);
            let file = File::from(file);
            assert!(file.write_at(b"x", 0).is_err());
            assert!(file.set_len(1 << 20).is_err());
            assert!(octets.is_empty() || file.set_len(0).is_err());
            assert_eq!(map.as_ref(), octets);
        }
    }

    #[test]
    fn what_can_still_change_is_not_mapped() {
        let plain = tempfile::tempfile().unwrap();
        assert!(sealed_memory(&plain).is_err());
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("half", flags).unwrap());
        file.write_all(b"message").unwrap();
        file.rewind().unwrap();
        for seal in SEALS.iter() {
            assert!(sealed_memory(&file).is_err(), "before {seal:?}");
            // The seal against seals must come last.
            if seal != rustix::fs::SealFlags::SEAL {
                fcntl_add_seals(&file, seal).unwrap();
            }
        }
        fcntl_add_seals(&file, rustix::fs::SealFlags::SEAL).unwrap();
        assert_eq!(sealed_memory(&file).unwrap().as_ref(), b"message");
    }
}
