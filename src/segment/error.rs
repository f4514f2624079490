//! What can go wrong with a segment.

use std::path::PathBuf;

use super::disk::DiskError;
use crate::identity::SerialNumber;
use crate::ocsp::TemplateError;

/// Why a segment was not written or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The disk or the system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Not a plain file.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Cut short, or grown.
    #[error("{} has {actual} octets instead of {expected}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: u64,
        /// What the file has.
        actual: u64,
    },
    /// Another digest than the file was opened for.
    #[error("{}: its octets do not have the SHA-256 that they should have", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
    },
    /// The header is damaged, foreign or of a newer version.
    #[error("{}: {source}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
    /// Something behind the header is damaged.
    #[error("{}: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        damage: Damage,
    },
    /// A template holds its checksum, and is none.
    #[error("{}: template {column}: {source}", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// Its number, from 0.
        column: u8,
        /// What is wrong with it.
        #[source]
        source: TemplateError,
    },
    /// A segment cannot be as its specification wants it.
    #[error("no segment can have this {0}")]
    Spec(&'static str),
    /// More records than announced, or a record number twice.
    #[error("record {number} is written already or beyond the {announced} records announced")]
    RecordNumber {
        /// The record.
        number: u32,
        /// How many were announced.
        announced: u32,
    },
    /// Records were announced by number and never written.
    #[error("record {number} is missing before others")]
    RecordMissing {
        /// The first such record.
        number: u32,
    },
    /// Two records are about one serial.
    #[error("two records are about serial {serial}")]
    SerialTwice {
        /// The serial.
        serial: SerialNumber,
    },
    /// The records' batch was encoded for another file.
    #[error("the records were encoded for another file")]
    ForeignRecords,
    /// One record cannot be encoded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// More than 100 serials have one and the same 64-bit hash, so that no index holds them.
    #[error("serials collide so often that no index can hold them")]
    IndexCrowded,
    /// An earlier call failed, and the file is given up.
    #[error("the segment was given up after an earlier failure")]
    GivenUp,
    /// The system has no random octets.
    #[error("the system's random source failed")]
    Random,
}

/// Why a header was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Not one of our files.
    #[error("not a segment")]
    Magic,
    /// Written by a later version of this program.
    #[error(
        "segment format {found} is newer than this program, which reads up to {}",
        super::format::VERSION
    )]
    NewerVersion {
        /// The version that it claims.
        found: u16,
    },
    /// Its checksum does not hold.
    #[error("the header is damaged")]
    Checksum,
    /// A field has a value that version 1 does not allow.
    #[error("the header's {0} is out of range")]
    Field(&'static str),
}

/// A part of a segment file that is not as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The header.
    #[error("the header is damaged")]
    Header,
    /// The file is longer or shorter than its header says.
    #[error("the length is not the one the header gives")]
    Length,
    /// Octets between sections that should be zero.
    #[error("padding is not zero")]
    Padding,
    /// A template, numbered from 0.
    #[error("template {0} is damaged")]
    Template(u8),
    /// A record.
    #[error("record {0} is damaged")]
    Record(u32),
    /// A side table entry, numbered from 0.
    #[error("side table entry {0} is damaged")]
    Side(u32),
    /// An index bucket.
    #[error("index bucket {0} is damaged")]
    Bucket(u32),
}

/// Why a record cannot be encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The serial is longer than the width that the segment was created with.
    #[error("serial {serial} is wider than the segment's {width} octets")]
    SerialTooWide {
        /// The serial.
        serial: SerialNumber,
        /// The segment's width.
        width: usize,
    },
    /// The serial belongs to another shard.
    #[error("serial {serial} does not belong to the segment's shard")]
    OtherShard {
        /// The serial.
        serial: SerialNumber,
    },
    /// The signatures are neither absent nor one for each column.
    #[error("{actual} octets of signatures for serial {serial} instead of {expected}")]
    SignaturesLength {
        /// The serial.
        serial: SerialNumber,
        /// One signature for each column.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// The single extensions are empty or too long.
    #[error("{actual} octets of single extensions for serial {serial}: 1 to 4096 are possible")]
    SingleExtensionsLength {
        /// The serial.
        serial: SerialNumber,
        /// What was given.
        actual: usize,
    },
}
