//! Segments: presigned answers of one issuer, one signer and one shard of serials, in one immutable
//! file that is mapped into memory.
//!
//! Holds the file format drawn below, its writer and its reader, the check of whole files, and what
//! happens when a mapped page cannot be read. Promises that no damaged octet becomes
//! an answer: each block carries a checksum bound to the file, to the kind of block and to its number,
//! and [`Segment::lookup`] says [`Lookup::Damaged`] rather than [`Lookup::Absent`] when in doubt.
//! Leaves to others: which record exists and what it says (`presign`), which segment is current
//! (`catalog`), and whether an answer may be served (`responder`).
//!
//! [`MappedFile`] maps files that are served as they are, with the same care.
//!
//! This is the only module with `unsafe` code, in two files: `map` maps a file, `fault` handles the
//! signal that the kernel sends when a mapped page cannot be read.
//!
//! # The file
//!
//! Its name is `<SHA-256 of its octets in hexadecimal>.seg`, its mode 0400. All integers are
//! big-endian and unsigned; times are seconds since 1970; nothing is compressed.
//!
//! ```text
//! header | templates | zeros to 64 | records | side table | zeros to 64 | index
//! ```
//!
//! ## Header, 256 octets
//!
//! ```text
//! at   width  what
//!   0      8  magic "ESTLMSEG"
//!   8      2  version, 1
//!  10      2  header length, 256
//!  12      1  kind: 1 base, 2 patch
//!  13      3  signature algorithm: 1 ecdsa-with-SHA256 P-256, 2 ecdsa-with-SHA384 P-384, 3 Ed25519,
//!             4 RSA PKCS#1 v1.5 with SHA-256, 5 RSASSA-PSS with SHA-256, 6 with SHA-384, 7 ML-DSA-44,
//!             8 ML-DSA-65; then the octets of the RSA modulus (2), else zeros.
//!             It fixes the signature length S in stored form (ECDSA: r ‖ s)
//!  16      1  columns C: templates, and signatures of a signed record, 0 to 4
//!  17      1  serial width W, 1 to 20
//!  18      1  depth, 0 to 20
//!  19      1  probe limit, 16
//!  20      2  record stride, W + C·S + 11
//!  22      2  zeros
//!  24      4  shard, below 2^depth: the highest `depth` bits of the SerialHash of each serial
//!  28      4  record count, at most 2^21 - 1
//!  32      4  bucket count, 1 to 2^22
//!  36      4  side table entries, at most the record count
//!  40      8  index salt
//!  48      8  as-of: ledger sequence that the statuses include
//!  56      8  snapshot time: when the statuses were taken from the ledger
//!  64      8  next signing: when its planner wants to replace it
//!  72      4  octets of templates, at most 2^20
//!  76      4  octets of the side table, at most 2^26
//!  80      8  file length
//!  88     16  file id, random
//! 104     32  issuer id
//! 136     32  SHA-256 of the signer's certificate, zeros in a segment without signatures
//! 168     84  zeros
//! 252      4  CRC-32C of octets 0 to 251
//! ```
//!
//! ## Checksums
//!
//! CRC-32C (Castagnoli). The checksum of block `number` of a kind starts from the CRC-32C of file id
//! and kind octet, exclusive-or `number`, instead of from zero: two blocks of one file that trade
//! places are always found, blocks of other files but for 2^-32. A single flipped bit is always found.
//! Kinds: `T` template (number: its column), `R` record, `S` side entry (number: its record), `B`
//! bucket.
//!
//! ## Templates
//!
//! For each column: length (4), checksum (4) of those four octets and the template's, and the octets of
//! an [`ocsp::Template`](crate::ocsp::Template) for this signature algorithm; no two for one CertID
//! hash.
//!
//! ## Record
//!
//! ```text
//! at       width  what
//! 0            1  serial length, 1 to W
//! 1            W  serial, content octets of the INTEGER, zeros behind
//! 1+W          1  bit 0 revoked, bit 1 signed, bit 2 has a side entry, bit 3 zero, bits 4 to 7 reason
//!                 (CRLReason, 0 when absent; only with bit 0)
//! 2+W          5  revocation time, 0 unless revoked
//! 7+W        C·S  signatures in the order of the templates, zeros when unsigned
//! last four       checksum of what precedes
//! ```
//!
//! ## Side table
//!
//! Single extensions of the few records that have any. First the entries, 16 octets each, by rising
//! record number: record (4), offset of its octets behind the entries (4), length (4, 1 to 4096),
//! checksum (4) of the 12 octets before it and the extension octets. Then the octets, in the same
//! order, without gaps.
//!
//! ## Index
//!
//! Buckets of 64 octets, each one cache line: checksum of the rest (4), then 15 slots (4), filled from
//! the first, the rest all ones. A slot is 11 bits of fingerprint and 21 bits of record number. With
//! `m = mix(SerialHash ^ salt)` (the 64-bit finaliser of MurmurHash3) the home bucket is
//! `(m >> 32) · bucket count >> 32` and the fingerprint `m & 0x7ff`. A full bucket overflows into the
//! next one, the last into the first; no record lies further than 15 buckets behind its home, so a
//! search ends at a slot of ones or after 16 buckets. At a mean load of 10 slots a search reads about
//! 1.1 buckets.
//!
//! ## What a reader refuses
//!
//! At open: another length than the catalog's manifest says, a wrong magic, a header checksum that does
//! not hold, a newer version (an error of its own: magic, version and the checksum of the first 256
//! octets lie where they do in every version, so that a flipped bit is not taken for one), a field out of its range, sections that do not
//! fill the file exactly, padding that is not zero, a template that is damaged, unknown or twice there.
//! At lookup: a bucket, record or side entry whose checksum does not hold, and a record that the rules
//! above do not allow. Octets that no lookup reaches are checked by [`Segment::scrub`].

mod checksum;
pub(crate) mod disk;
mod error;
mod fault;
mod format;
mod index;
mod map;
mod mapped_file;
pub(crate) mod names;
mod octets;
mod reader;
mod record;
mod scrub;
mod side;
mod spec;
mod templates;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use disk::DiskError;
pub use error::{Damage, HeaderError, RecordError, SegmentError};
pub use fault::pending_markers;
pub use format::SegmentKind;
#[cfg(feature = "rocksdb")]
pub(crate) use map::whole_file;
pub(crate) use map::{SEALS, sealed_memory};
pub use mapped_file::{MappedFile, Unreadable};
pub use reader::{Lookup, Records, Segment};
pub use record::{EncodedRecords, Record, RecordData, RecordEncoder, RecordStatus};
pub use scrub::Scrub;
pub use spec::SegmentSpec;
pub use writer::{SegmentFile, SegmentWriter};
