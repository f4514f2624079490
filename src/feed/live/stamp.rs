//! What `stat` says of a file: equal stamps, equal content, unless it was written to in between.

use std::fs::Metadata;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::MetadataExt as _;

/// Device, inode, size and the times of the last change of content and of the inode.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// In 64 bits, for tables of many files. Under a key that nobody knows, so that none can be made to
    /// look like another.
    pub(super) fn digest(&self, key: &RandomState) -> u64 {
        key.hash_one(self)
    }
}

/// So long after a file got a stamp it is read once more although the stamp is the same. The times in it
/// have the granularity of the file system's clock (4 ms on local disks, up to 2 s elsewhere): who
/// writes the same number of octets twice within it leaves the same stamp.
pub(super) const UNSETTLED_SECS: u64 = 3;
