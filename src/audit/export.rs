//! One file from which a third party verifies the log without our store.
//!
//! Big-endian:
//!
//! ```text
//!      8  magic "ESTLMLOG"
//!      4  version = 1
//!    4+n  checkpoint: length, then a signed note (`checkpoint`); it covers every entry of the file
//!      4  how many epochs there are, at least one, then for each, from 1
//!           8  the sequence of its first entry
//!           8  the index of that entry's leaf
//!      8  the index of the first leaf in the file, a multiple of 256: 0 for all of the log
//!   n×32  the roots of the complete subtrees of the leaves before it, the largest first: one for each
//!         bit that is set in that index
//! then for each 256 leaves, the last time for what is left, until the checkpoint's size is reached
//!      4  how many entries follow, 1 to 256
//!     32  the root of the tree over them (RFC 6962)
//!         and for each entry
//!    4+n  length, then its canonical octets (`ledger::Entry`)
//! ```
//!
//! Nothing follows. A reader refuses another magic or version, a length over its limit, epochs that do
//! not follow one another, and octets left over. Whoever verifies hashes every entry, compares the root
//! of each block, and the root over all of them with the checkpoint's: a block whose root differs is
//! where something was altered, as long as the roots of the blocks lead to the checkpoint's.

mod read;
mod write;

pub use read::{ExportError, ExportFault, ExportReport, verify};
pub use write::{ExportSummary, write};

const MAGIC: [u8; 8] = *b"ESTLMLOG";
const VERSION: u32 = 1;
/// How many entries a block has, but for the last: a tile of the log.
const BLOCK_ENTRIES: u64 = 256;
