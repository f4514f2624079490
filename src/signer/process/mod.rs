//! Keys in a process of their own, so that what crashes or hangs there takes nothing with it.
//!
//! A token's library runs inside whoever loads it: when it crashes, so does the process, and when it
//! hangs, so does the thread. So the server does not load it. `estelam signer` does ([`Desk`]), with
//! neither ledger nor catalog nor network, and signs what it is sent over a Unix socket. The server
//! starts it and watches over it ([`SignerProcess`]): a process that ends, or gives no answer in time, is
//! replaced, and what it was asked for fails with [`SignerError::Unavailable`](super::SignerError), to be
//! asked for again. A key in it is a [`RemoteSigner`], which is a [`Signer`](super::Signer) like any
//! other.
//!
//! ## The protocol
//!
//! Frames in both directions on a stream socket, big-endian:
//!
//! ```text
//! 0   4  octets of the payload, at most 2 MiB
//! 4   1  kind: of a request, or of a reply (from 0x81)
//! 5   1  lane of a request: 0 somebody waits for it, 1 it is one of very many; of a reply 0
//! 6   2  zero
//! 8   8  number of the request, chosen by the server; its reply has the same
//! 16     payload
//! ```
//!
//! | kind | request | payload |
//! | --- | --- | --- |
//! | 0x01 | hello | `estelsig`, version u16, keys not to be opened: u16 count, each u16 length and UTF-8 |
//! | 0x02 | sign | key u16, count u16 (1 to 256), each message: u32 length and octets |
//! | 0x03 | sign a digest | key u16, the digest |
//! | 0x04 | sign a file | key u16, octets u64; with it comes one file descriptor (SCM_RIGHTS): a memory file of that length, sealed |
//! | 0x05 | health | none |
//!
//! | kind | reply | payload |
//! | --- | --- | --- |
//! | 0x81 | welcome | version u16, requests at once u16, keys: u16 count, each name (u16 length, UTF-8) and state |
//! | 0x82 | signatures | length of one u16, count u16, octets |
//! | 0x83 | refused | cause u8, why in UTF-8 |
//! | 0x84 | healthy | milliseconds since the start u64, signatures made u64, requests waiting u32, milliseconds of the longest signing under way u32 |
//!
//! A key's state is 0 ready (algorithm in 3 octets as segments have it, public key with u16 length), 1 it
//! is being opened, 2 it is away for now (why, u16 length), 3 it is refused (why),
//! 4 its token refused the PIN (why), so that no other process is to try it. A key's number is its
//! place in the newest welcome. Hello comes first and may come again: it has keys opened that are away.
//! Several requests are under way at once, and replies come in any order. Who breaks the rules is cut off.
//!
//! Health is answered at once, also where every thread signs: that requests wait for a slow key is no
//! fault, but a signing that takes longer than the server's deadline is, and so is no answer at all.
//!
//! Both sides look at the user id of the other (SO_PEERCRED). There is no authentication beside that: who
//! runs as the server's user can sign whatever the server can.

mod child;
mod chunks;
mod connection;
mod desk;
mod frame;
mod health;
mod link;
mod listener;
mod memory_file;
mod opening;
mod peer;
mod protocol;
mod remote;
mod reply;
mod request;
mod serving;
mod supervisor;
#[cfg(test)]
mod tests;
mod wire;

pub use desk::Desk;
pub use health::{KeyHealth, ProcessHealth, ProcessState};
pub use listener::{ListenError, SignerListener};
pub use peer::Stranger;
pub use protocol::decode_any;
pub use remote::RemoteSigner;
pub use reply::{Cause, KeyState, Reply, Served};
pub use request::Request;
pub use serving::{ServeError, serve};
pub use supervisor::{Reach, SignerProcess};
pub use wire::Malformed;
