//! The configuration: one file in TOML, one typed value, judged before anything starts.
//!
//! [`Config::load`] promises that what it returns can be used as it stands: no unknown keys, values
//! within their limits, no two things of one name, paths resolved against the file's folder. What a
//! path points at (certificates, keys) is judged by whoever opens it.
//!
//! **Trust.** Who can write this file can let the responder answer for other issuers, sign with
//! other keys and listen elsewhere, so it deserves the protection of the keys themselves. It holds
//! no secrets: a passphrase is named (file, environment variable, systemd credential), never written.

mod ca;
mod crl;
pub(crate) mod duration;
mod error;
pub mod feed;
mod file;
mod judge;
mod key;
mod load;
mod near_miss;
mod place;
mod profile;
mod publish;
mod push;
mod retention;
mod rsa_signature;
mod settings;
mod token;

pub use ca::Ca;
#[cfg(feature = "rocksdb")]
pub(crate) use crl::SHARD;
pub use crl::{Crl, CrlShards, DeltaCrl};
pub(crate) use duration::text as duration_text;
pub use error::{ConfigError, Finding, Problem};
pub use feed::{Feed, FeedKind};
pub(crate) use file::read;
pub use file::{CertificateFileError, FileError, read_certificate};
#[cfg(feature = "rocksdb")]
pub(crate) use judge::SOCKET_PATH_MAX;
pub use key::{ConfiguredKey, KeyPlace, SignerProcess};
pub use place::Place;
pub use profile::Profile;
pub use publish::{
    FolderTarget, Publish, PublishTarget, Purge, PurgeCommand, PurgeHosts, StoreTarget,
};
pub use push::{Push, PushClient, Sha256Digest};
pub use retention::Retention;
pub use rsa_signature::RsaSignature;
pub use settings::{
    Admin, CertIdHash, Config, Evidence, Http, Issuer, LedgerSettings, Limits, Listen, Nonce,
    NotIssued, PassphraseSource, ResponderId, Signer, WhenBusy, WhenStale,
};
pub use token::{Key, KeyUri, KeyUriError, Token, TokenKey};

/// A commented configuration that states every setting at its default, as `estelam init` writes it.
///
/// What an issuer needs has no default, so the `[[issuer]]` in it is commented out with `#`
/// directly before each line; prose has `# `. An `[[issuer]]` table can be appended to the text.
pub const EXAMPLE: &str = include_str!("example.toml");
