//! Checkpoints as C2SP tlog-checkpoint writes them: a head of the log, signed.
//!
//! ```text
//! ORIGIN
//! how many entries, in decimal
//! the root over them, in base64
//!
//! — NAME SIGNATURE
//! ```
//!
//! The origin is the key's name in the first epoch, and `NAME/epoch-N` in later ones, N the number of the
//! epoch's first entry. Restoring a backup may lose entries that a checkpoint covered, and the log goes on
//! without them: by the rules of C2SP that is another log, and it says so. The first entry's number, not
//! the epoch's own: a backup that is restored twice opens two epochs 2, but no number is given twice, so
//! no origin stands for two logs.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::note::{NoteError, VerifierKey, verified_text};
use crate::ledger::log::{HASH_OCTETS, Hash, TreeHead};

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The number of the first entry of the epoch that entries were appended to when it was signed.
    pub epoch_begins_at: u64,
    /// The head.
    pub head: TreeHead,
}

impl Checkpoint {
    /// The text that is signed, of the log whose key has this name.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let root = STANDARD.encode(self.head.root);
        let size = self.head.size;
        match self.epoch_begins_at {
            1 => format!("{name}\n{size}\n{root}\n"),
            epoch => format!("{name}{EPOCH}{epoch}\n{size}\n{root}\n"),
        }
    }

    /// Reads a checkpoint that `key` has signed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verified(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let text = verified_text(note, key)?;
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed);
        };
        let head = TreeHead {
            size: decimal(size).ok_or(CheckpointError::Malformed)?,
            root: hash(root).ok_or(CheckpointError::Malformed)?,
        };
        // Ours have no extension lines; those of others may.
        if lines.any(str::is_empty) {
            return Err(CheckpointError::Malformed);
        }
        let epoch_begins_at = epoch(origin, key.name()).ok_or_else(|| CheckpointError::Origin {
            found: origin.to_owned(),
            expected: key.name().to_owned(),
        })?;
        Ok(Self {
            epoch_begins_at,
            head,
        })
    }
}

const EPOCH: &str = "/epoch-";

fn epoch(origin: &str, name: &str) -> Option<u64> {
    match origin.strip_prefix(name)? {
        "" => Some(1),
        rest => {
            let first = decimal(rest.strip_prefix(EPOCH)?)?;
            (first > 1).then_some(first)
        }
    }
}

/// ASCII digits without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    (is_canonical && digits)
        .then(|| text.parse().ok())
        .flatten()
}

/// A hash in base64.
pub(super) fn hash(text: &str) -> Option<Hash> {
    let octets = STANDARD.decode(text).ok()?;
    <[u8; HASH_OCTETS]>::try_from(octets).ok()
}

/// Why a checkpoint is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a note, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Signed, but not a checkpoint.
    #[error("the note is not a checkpoint: an origin, a number of entries and a root")]
    Malformed,
    /// Of another log that has the same key.
    #[error("it is a checkpoint of {found:?}, and not of {expected:?}")]
    Origin {
        /// Its origin.
        found: String,
        /// The name of the log.
        expected: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::LedgerKey;

    #[test]
    fn a_checkpoint_is_read_as_it_was_signed() {
        let key = LedgerKey::for_tests("example.org/estelam");
        let head = TreeHead {
            size: 20_852_163,
            root: [7; 32],
        };
        for (epoch_begins_at, origin) in [
            (1, "example.org/estelam"),
            (2_000_000_001, "example.org/estelam/epoch-2000000001"),
        ] {
            let checkpoint = Checkpoint {
                epoch_begins_at,
                head,
            };
            let note = key.sign_note(&checkpoint.text(key.name()));
            assert!(
                note.starts_with(&format!("{origin}\n20852163\nBwcH")),
                "{note}"
            );
            assert_eq!(Checkpoint::verified(&note, &key.verifier()), Ok(checkpoint));
        }
        let other = LedgerKey::for_tests("example.org/estelam");
        let first = Checkpoint {
            epoch_begins_at: 1,
            head,
        };
        let note = key.sign_note(&first.text(key.name()));
        assert!(matches!(
            Checkpoint::verified(&note, &other.verifier()),
            Err(CheckpointError::Note(NoteError::NotSigned { .. }))
        ));
        for (text, is_origin) in [
            ("example.org\n1\nAAAA\n", false),
            (
                "example.org/estelam\n01\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
                false,
            ),
            (
                "example.org/estelam\n+1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
                false,
            ),
            (
                "example.org/other\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
                true,
            ),
            (
                "example.org/estelam/epoch-1\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
                true,
            ),
            (
                "example.org/estelam2\n1\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
                true,
            ),
        ] {
            let error = Checkpoint::verified(&key.sign_note(text), &key.verifier()).unwrap_err();
            assert_eq!(
                matches!(error, CheckpointError::Origin { .. }),
                is_origin,
                "{text}"
            );
        }
    }
}
