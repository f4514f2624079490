//! What the signing process answers. [`super`] draws it.

use super::wire::{
    KEYS_MAX, MESSAGES_MAX, Malformed, NAME_OCTETS_MAX, WHY_OCTETS_MAX, count, counted, cut,
    read_text, text,
};
use crate::asn1::SignatureAlgorithm;
use crate::octets::Octets;
use crate::signer::SignerError;

/// What the signing process answers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// To hello.
    Welcome {
        /// The version of the protocol.
        version: u16,
        /// How many requests may be under way at once.
        at_once: u16,
        /// The keys; their places are their numbers.
        keys: Vec<Served<'a>>,
    },
    /// To a request for signatures, in the order of the messages, all of one length.
    Signatures(Vec<&'a [u8]>),
    /// To anything.
    Refused {
        /// What a program can make of it.
        cause: Cause,
        /// For the operator.
        why: &'a str,
    },
    /// To health.
    Healthy {
        /// Milliseconds since the process was started.
        uptime_ms: u64,
        /// Signatures made since.
        signed: u64,
        /// Requests that wait.
        waiting: u32,
        /// Milliseconds that the longest signing under way has taken so far.
        longest_ms: u32,
    },
}

/// A key of the signing process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Served<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it is.
    pub state: KeyState<'a>,
}

/// How a key is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyState<'a> {
    /// It signs.
    Ready {
        /// The algorithm of its signatures.
        algorithm: SignatureAlgorithm,
        /// The octets of the public key's BIT STRING.
        public_key: &'a [u8],
    },
    /// Its file or token is being looked for.
    Opening,
    /// It is not there, and may come.
    Away(&'a str),
    /// Somebody has to do something.
    Refused(&'a str),
    /// It is not there and may come, but another process must not ask for it: tokens lock keys for good
    /// after a few wrong PINs.
    Latched(&'a str),
}

/// Why something was not signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// See [`SignerError::Unavailable`].
    Unavailable,
    /// See [`SignerError::SecondOpinion`].
    SecondOpinion,
    /// See [`SignerError::Wrong`].
    Wrong,
    /// See [`SignerError::Failed`].
    Failed,
    /// See [`SignerError::NeedsMessage`].
    NeedsMessage,
    /// The request breaks the rules.
    Malformed,
}

impl<'a> Reply<'a> {
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Welcome { .. } => 0x81,
            Self::Signatures(_) => 0x82,
            Self::Refused { .. } => 0x83,
            Self::Healthy { .. } => 0x84,
        }
    }

    /// Appends the payload. Signatures must be of one length.
    pub(super) fn encode(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Welcome {
                version,
                at_once,
                keys,
            } => {
                octets.extend(version.to_be_bytes());
                octets.extend(at_once.to_be_bytes());
                octets.extend(count(keys.len()));
                keys.iter().for_each(|key| key.encode(octets));
            }
            Self::Signatures(signatures) => {
                octets.extend(count(signatures.first().map_or(0, |first| first.len())));
                octets.extend(count(signatures.len()));
                signatures
                    .iter()
                    .for_each(|signature| octets.extend_from_slice(signature));
            }
            Self::Refused { cause, why } => {
                octets.push(cause.code());
                octets.extend_from_slice(cut(why, WHY_OCTETS_MAX).as_bytes());
            }
            Self::Healthy {
                uptime_ms,
                signed,
                waiting,
                longest_ms,
            } => {
                octets.extend(uptime_ms.to_be_bytes());
                octets.extend(signed.to_be_bytes());
                octets.extend(waiting.to_be_bytes());
                octets.extend(longest_ms.to_be_bytes());
            }
        }
    }

    /// Reads a payload of this kind.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Octets::new(payload);
        let reply = Self::fields(kind, &mut fields).ok_or(Malformed)?;
        if fields.is_empty() {
            Ok(reply)
        } else {
            Err(Malformed)
        }
    }

    fn fields(kind: u8, fields: &mut Octets<'a>) -> Option<Self> {
        Some(match kind {
            0x81 => {
                let (version, at_once) = (fields.u16()?, fields.u16()?);
                let count = usize::from(fields.u16()?);
                if count > KEYS_MAX {
                    return None;
                }
                let keys = (0..count)
                    .map(|_| Served::decode(fields))
                    .collect::<Option<_>>()?;
                Self::Welcome {
                    version,
                    at_once,
                    keys,
                }
            }
            0x82 => {
                let (length, count) = (usize::from(fields.u16()?), usize::from(fields.u16()?));
                if length == 0 || !(1..=MESSAGES_MAX).contains(&count) {
                    return None;
                }
                let signatures = (0..count)
                    .map(|_| fields.take(length))
                    .collect::<Option<_>>()?;
                Self::Signatures(signatures)
            }
            0x83 => {
                let cause = Cause::from_code(fields.u8()?)?;
                let why = fields.rest();
                fields.take(why.len())?;
                let why = std::str::from_utf8(why).ok()?;
                (why.len() <= WHY_OCTETS_MAX).then_some(Self::Refused { cause, why })?
            }
            0x84 => Self::Healthy {
                uptime_ms: fields.u64()?,
                signed: fields.u64()?,
                waiting: fields.u32()?,
                longest_ms: fields.u32()?,
            },
            _ => return None,
        })
    }

    /// What a failed signing is answered.
    pub(super) fn refusal(error: &SignerError) -> (Cause, String) {
        let cause = match error {
            SignerError::Unavailable { why } => return (Cause::Unavailable, why.clone()),
            SignerError::SecondOpinion => Cause::SecondOpinion,
            SignerError::Wrong => Cause::Wrong,
            SignerError::NeedsMessage => Cause::NeedsMessage,
            SignerError::Failed | SignerError::BufferLength { .. } => Cause::Failed,
        };
        (cause, error.to_string())
    }
}

impl Cause {
    /// What the caller is told.
    pub(super) fn error(self, why: &str) -> SignerError {
        match self {
            Self::SecondOpinion => SignerError::SecondOpinion,
            Self::Wrong => SignerError::Wrong,
            Self::Failed => SignerError::Failed,
            Self::NeedsMessage => SignerError::NeedsMessage,
            Self::Unavailable | Self::Malformed => SignerError::Unavailable {
                why: why.to_owned(),
            },
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Unavailable => 1,
            Self::SecondOpinion => 2,
            Self::Wrong => 3,
            Self::Failed => 4,
            Self::NeedsMessage => 5,
            Self::Malformed => 6,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Unavailable,
            2 => Self::SecondOpinion,
            3 => Self::Wrong,
            4 => Self::Failed,
            5 => Self::NeedsMessage,
            6 => Self::Malformed,
            _ => return None,
        })
    }
}

impl<'a> Served<'a> {
    fn encode(&self, octets: &mut Vec<u8>) {
        text(octets, self.name, NAME_OCTETS_MAX);
        match &self.state {
            KeyState::Ready {
                algorithm,
                public_key,
            } => {
                octets.push(0);
                octets.extend(algorithm.stored_code());
                octets.extend(count(public_key.len()));
                octets.extend_from_slice(public_key);
            }
            KeyState::Opening => octets.push(1),
            KeyState::Away(why) => {
                octets.push(2);
                text(octets, why, WHY_OCTETS_MAX);
            }
            KeyState::Refused(why) => {
                octets.push(3);
                text(octets, why, WHY_OCTETS_MAX);
            }
            KeyState::Latched(why) => {
                octets.push(4);
                text(octets, why, WHY_OCTETS_MAX);
            }
        }
    }

    fn decode(fields: &mut Octets<'a>) -> Option<Self> {
        let name = read_text(fields, NAME_OCTETS_MAX)?;
        let state = match fields.u8()? {
            0 => KeyState::Ready {
                algorithm: SignatureAlgorithm::from_stored_code(fields.array()?)?,
                public_key: counted(fields)?,
            },
            1 => KeyState::Opening,
            2 => KeyState::Away(read_text(fields, WHY_OCTETS_MAX)?),
            3 => KeyState::Refused(read_text(fields, WHY_OCTETS_MAX)?),
            4 => KeyState::Latched(read_text(fields, WHY_OCTETS_MAX)?),
            _ => return None,
        };
        Some(Self { name, state })
    }
}
