//! Signed notes as C2SP signed-note writes them: a text, an empty line, lines of signatures.
//!
//! ```text
//! text, ending in a newline
//! (an empty line)
//! — NAME BASE64(key id, 4 octets ‖ Ed25519 signature over the text, 64 octets)
//! ```
//!
//! The key id is the beginning of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). A verifier ignores the
//! signatures of keys that it does not know: witnesses may add theirs.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The longest note that is read, in octets; and the most signatures in one. C2SP asks for at least 16.
pub const NOTE_OCTETS_MAX: usize = 64 << 10;
const SIGNATURES_MAX: usize = 64;

const ED25519_TYPE: u8 = 1;

/// What verifies the signatures of one key: its name and the key itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    public_key: [u8; 32],
}

impl VerifierKey {
    /// The key `public_key` under the name `name`.
    ///
    /// # Errors
    /// [`NoteError::Name`] for a name that no line could carry.
    pub fn new(name: &str, public_key: [u8; 32]) -> Result<Self, NoteError> {
        match is_name(name) {
            true => Ok(Self {
                name: name.to_owned(),
                public_key,
            }),
            false => Err(NoteError::Name),
        }
    }

    /// Reads `NAME+ID+KEY`: the id in 8 hexadecimal digits, the key in base64 behind the octet 0x01.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let parse = || {
            let mut parts = text.trim().splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = STANDARD.decode(key).ok()?;
            let (kind, public_key) = key.split_first()?;
            let known = Self::new(name, public_key.try_into().ok()?).ok()?;
            let id_fits = id.len() == 8 && u32::from_str_radix(id, 16).ok()? == known.id();
            (*kind == ED25519_TYPE && id_fits).then_some(known)
        };
        parse().ok_or(NoteError::VerifierKey)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four octets of the hash of name and key.
    #[must_use]
    pub fn id(&self) -> u32 {
        let name = self.name.as_bytes();
        let named = [name, &[b'\n', ED25519_TYPE], &self.public_key].concat();
        let hash = digest(&SHA256, &named);
        let id = hash.as_ref().first_chunk().copied().unwrap_or_default();
        u32::from_be_bytes(id)
    }

    /// Whether `signature` is this key's over `text`.
    #[must_use]
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(text.as_bytes(), signature)
            .is_ok()
    }
}

/// As [`VerifierKey::parse`] reads it.
impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE], &self.public_key[..]].concat());
        write!(f, "{}+{:08x}+{key}", self.name, self.id())
    }
}

/// The line of a signature, its newline included.
pub(super) fn signature_line(key: &VerifierKey, signature: &[u8]) -> String {
    let octets = [&key.id().to_be_bytes(), signature].concat();
    format!("— {} {}\n", key.name, STANDARD.encode(octets))
}

/// The text of a note that `key` has signed.
///
/// # Errors
/// [`NoteError`]: the text of a note that is refused is not to be used.
pub fn verified_text<'a>(note: &'a str, key: &VerifierKey) -> Result<&'a str, NoteError> {
    let (text, signatures) = split(note)?;
    let mut is_signed = false;
    for line in signatures.lines() {
        let (name, octets) = signature(line)?;
        let Some((id, signature)) = octets.split_first_chunk() else {
            return Err(NoteError::Malformed);
        };
        if name != key.name || u32::from_be_bytes(*id) != key.id() {
            continue;
        }
        if !key.verifies(text, signature) {
            return Err(NoteError::Signature {
                name: name.to_owned(),
            });
        }
        is_signed = true;
    }
    match is_signed {
        true => Ok(text),
        false => Err(NoteError::NotSigned {
            name: key.name.clone(),
        }),
    }
}

/// Text, with its last newline, and lines of signatures, at least one.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > NOTE_OCTETS_MAX {
        return Err(NoteError::TooLong);
    }
    let is_control = |octet: u8| octet < b' ' && octet != b'\n';
    let (end, _) = note
        .rmatch_indices("\n\n")
        .next()
        .ok_or(NoteError::Malformed)?;
    let (text, rest) = note
        .split_at_checked(end.saturating_add(1))
        .ok_or(NoteError::Malformed)?;
    let signatures = rest.strip_prefix('\n').ok_or(NoteError::Malformed)?;
    let lines = signatures.lines().count();
    if note.bytes().any(is_control) || !signatures.ends_with('\n') || lines == 0 {
        return Err(NoteError::Malformed);
    }
    if lines > SIGNATURES_MAX {
        return Err(NoteError::TooLong);
    }
    Ok((text, signatures))
}

/// Name and octets of a line.
fn signature(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let (name, base64) = line
        .strip_prefix("— ")
        .and_then(|line| line.split_once(' '))
        .ok_or(NoteError::Malformed)?;
    let octets = STANDARD.decode(base64).map_err(|_| NoteError::Malformed)?;
    match is_name(name) && octets.len() > 4 {
        true => Ok((name, octets)),
        false => Err(NoteError::Malformed),
    }
}

/// Whether a line can carry it: not empty, no space of any script, no plus, nothing that is no sign.
pub(super) fn is_name(name: &str) -> bool {
    let unfit = |sign: char| sign.is_whitespace() || sign.is_control() || sign == '+';
    !name.is_empty() && name.len() <= NAME_OCTETS_MAX && !name.contains(unfit)
}

/// Longer names are none that a person chose.
const NAME_OCTETS_MAX: usize = 255;

/// Why a note or a verifier's key is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Not a signed note.
    #[error("this is not a signed note: a text, an empty line, and lines that begin with \"— \"")]
    Malformed,
    /// Longer than any note.
    #[error(
        "this is longer than a signed note can be ({NOTE_OCTETS_MAX} octets, {SIGNATURES_MAX} signatures)"
    )]
    TooLong,
    /// The key's signature does not fit the text.
    #[error(
        "the signature by {name} is not over this text: the text or the signature was altered, or the key is another"
    )]
    Signature {
        /// The key's name.
        name: String,
    },
    /// None of the signatures is the key's.
    #[error("it is not signed by {name}: is it of another log, or is this another log's key?")]
    NotSigned {
        /// The key's name.
        name: String,
    },
    /// Not a name.
    #[error("a name has 1 to {NAME_OCTETS_MAX} octets, no space and no plus")]
    Name,
    /// Not a verifier's key.
    #[error("this is not a verifier key (NAME+ID+KEY, as `estelam audit key` prints it)")]
    VerifierKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// golang.org/x/mod/sumdb/note, its package documentation: a note and the key that signed it.
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    const SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn a_note_that_others_signed_is_verified() {
        let key = VerifierKey::parse(VKEY).unwrap();
        assert_eq!(key.to_string(), VKEY);
        let note = format!("{TEXT}\n{SIGNATURE}");
        assert_eq!(verified_text(&note, &key), Ok(TEXT));
        // Of a witness that is not known.
        let another = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
        let witnessed = format!("{note}{another}");
        assert_eq!(verified_text(&witnessed, &key), Ok(TEXT));
        let alone = format!("{TEXT}\n{another}");
        assert!(matches!(
            verified_text(&alone, &key),
            Err(NoteError::NotSigned { .. })
        ));
    }

    #[test]
    fn what_was_altered_is_refused() {
        let key = VerifierKey::parse(VKEY).unwrap();
        let note = format!("{TEXT}\n{SIGNATURE}");
        let altered = note.replace("answer", "reason");
        assert!(matches!(
            verified_text(&altered, &key),
            Err(NoteError::Signature { .. })
        ));
        for malformed in [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}{SIGNATURE}"),
            note.trim_end().to_owned(),
            note.replace('—', "-"),
            note.replace("JnAM=", "JnAM"),
            note.replace("PeterNeumann x", "Peter Neumann x"),
            note.replace("is the", "is\tthe"),
            format!("{TEXT}\n— PeterNeumann x08g\n"),
        ] {
            assert_eq!(
                verified_text(&malformed, &key),
                Err(NoteError::Malformed),
                "{malformed:?}"
            );
        }
        let long = format!("{TEXT}\n{}", SIGNATURE.repeat(65));
        assert_eq!(verified_text(&long, &key), Err(NoteError::TooLong));
        for wrong in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+AhpcQQcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert_eq!(
                VerifierKey::parse(wrong),
                Err(NoteError::VerifierKey),
                "{wrong}"
            );
        }
    }
}
