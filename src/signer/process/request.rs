//! What the server asks. [`super`] draws it.

use super::wire::{KEYS_MAX, MESSAGES_MAX, Malformed, NAME_OCTETS_MAX, count, read_text, text};
use crate::octets::Octets;

/// What the server asks.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Which keys are there; opens those that are not.
    Hello {
        /// The version of the protocol.
        version: u16,
        /// Keys that must not be asked for: see [`KeyState::Latched`](super::KeyState::Latched).
        barred: Vec<&'a str>,
    },
    /// Signatures of messages.
    Sign {
        /// The key's number.
        key: u16,
        /// At least one.
        messages: Vec<&'a [u8]>,
    },
    /// A signature of a digest.
    SignDigest {
        /// The key's number.
        key: u16,
        /// Of the hash of the key's algorithm.
        digest: &'a [u8],
    },
    /// A signature of what lies in a file that comes with it.
    SignFile {
        /// The key's number.
        key: u16,
        /// The file's length.
        octets: u64,
    },
    /// Whether anybody is there.
    Health,
}

impl<'a> Request<'a> {
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 0x01,
            Self::Sign { .. } => 0x02,
            Self::SignDigest { .. } => 0x03,
            Self::SignFile { .. } => 0x04,
            Self::Health => 0x05,
        }
    }

    /// Appends the payload.
    pub(super) fn encode(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Hello { version, barred } => {
                octets.extend(MAGIC);
                octets.extend(version.to_be_bytes());
                octets.extend(count(barred.len()));
                barred
                    .iter()
                    .for_each(|name| text(octets, name, NAME_OCTETS_MAX));
            }
            Self::Sign { key, messages } => {
                octets.extend(key.to_be_bytes());
                octets.extend(count(messages.len()));
                for message in messages {
                    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
                    octets.extend(length.to_be_bytes());
                    octets.extend_from_slice(message);
                }
            }
            Self::SignDigest { key, digest } => {
                octets.extend(key.to_be_bytes());
                octets.extend_from_slice(digest);
            }
            Self::SignFile {
                key,
                octets: length,
            } => {
                octets.extend(key.to_be_bytes());
                octets.extend(length.to_be_bytes());
            }
            Self::Health => {}
        }
    }

    /// Reads a payload of this kind.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Octets::new(payload);
        let request = Self::fields(kind, &mut fields).ok_or(Malformed)?;
        if fields.is_empty() {
            Ok(request)
        } else {
            Err(Malformed)
        }
    }

    fn fields(kind: u8, fields: &mut Octets<'a>) -> Option<Self> {
        Some(match kind {
            0x01 => {
                if fields.take(MAGIC.len())? != MAGIC {
                    return None;
                }
                let version = fields.u16()?;
                let count = usize::from(fields.u16()?);
                if count > KEYS_MAX {
                    return None;
                }
                let barred = (0..count)
                    .map(|_| read_text(fields, NAME_OCTETS_MAX))
                    .collect::<Option<_>>()?;
                Self::Hello { version, barred }
            }
            0x02 => {
                let key = fields.u16()?;
                let count = usize::from(fields.u16()?);
                if !(1..=MESSAGES_MAX).contains(&count) {
                    return None;
                }
                let messages = (0..count)
                    .map(|_| fields.counted_u32())
                    .collect::<Option<_>>()?;
                Self::Sign { key, messages }
            }
            0x03 => {
                let key = fields.u16()?;
                let digest = fields.rest();
                fields.take(digest.len())?;
                Self::SignDigest { key, digest }
            }
            0x04 => Self::SignFile {
                key: fields.u16()?,
                octets: fields.u64()?,
            },
            0x05 => Self::Health,
            _ => return None,
        })
    }
}

const MAGIC: &[u8; 8] = b"estelsig";
