//! What the two processes say to each other. [`super`] draws it.

use super::super::SignerError;
use crate::asn1::SignatureAlgorithm;
use crate::octets::Octets;

/// The version that this program speaks.
pub(super) const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"estelsig";

/// Messages in one request.
pub(super) const MESSAGES_MAX: usize = 256;
/// Keys of one process: one or two an issuer.
pub(super) const KEYS_MAX: usize = 1_024;
/// A key's name: a path, or the URI of one on a token.
pub(super) const NAME_OCTETS_MAX: usize = 512;
/// What is told of a failure.
const WHY_OCTETS_MAX: usize = 512;

/// What the server asks.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Which keys are there; opens those that are not.
    Hello {
        /// The version of the protocol.
        version: u16,
        /// Keys that were refused, and on tokens that count mistakes.
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

/// Octets that are no request, or no reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it does not keep to the protocol of version {VERSION}")]
pub struct Malformed;

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
            _ => return None,
        };
        Some(Self { name, state })
    }
}

/// Reads a payload in both directions, for whoever tries octets that nobody sent: neither may panic, and
/// what is read is written back octet for octet.
///
/// # Errors
/// [`Malformed`] when it is neither.
pub fn decode_any(kind: u8, payload: &[u8]) -> Result<(), Malformed> {
    let mut again = Vec::new();
    match Request::decode(kind, payload) {
        Ok(request) => request.encode(&mut again),
        Err(Malformed) => Reply::decode(kind, payload)?.encode(&mut again),
    }
    assert_eq!(again, payload, "read as something else than was written");
    Ok(())
}

fn count(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

fn text(octets: &mut Vec<u8>, text: &str, octets_max: usize) {
    let text = cut(text, octets_max);
    octets.extend(count(text.len()));
    octets.extend_from_slice(text.as_bytes());
}

/// As much of a text as fits.
fn cut(text: &str, octets_max: usize) -> &str {
    let end = (0..=octets_max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn counted<'a>(fields: &mut Octets<'a>) -> Option<&'a [u8]> {
    let length = fields.u16()?;
    fields.take(length.into())
}

fn read_text<'a>(fields: &mut Octets<'a>, octets_max: usize) -> Option<&'a str> {
    let octets = counted(fields)?;
    if octets.len() > octets_max {
        return None;
    }
    std::str::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(request: &Request<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        request.encode(&mut octets);
        assert_eq!(
            Request::decode(request.kind(), &octets).as_ref(),
            Ok(request)
        );
        octets
    }

    fn reply(reply: &Reply<'_>) {
        let mut octets = Vec::new();
        reply.encode(&mut octets);
        assert_eq!(Reply::decode(reply.kind(), &octets).as_ref(), Ok(reply));
    }

    #[test]
    fn the_octets_are_those_that_are_drawn() {
        let hello = request(&Request::Hello {
            version: 1,
            barred: vec!["pkcs11:a"],
        });
        assert_eq!(hello, b"estelsig\x00\x01\x00\x01\x00\x08pkcs11:a");
        let sign = request(&Request::Sign {
            key: 2,
            messages: vec![b"ab", b""],
        });
        assert_eq!(sign, b"\x00\x02\x00\x02\x00\x00\x00\x02ab\x00\x00\x00\x00");
        let file = request(&Request::SignFile {
            key: 1,
            octets: 258,
        });
        assert_eq!(file, b"\x00\x01\x00\x00\x00\x00\x00\x00\x01\x02");
        assert_eq!(request(&Request::Health), b"");
    }

    #[test]
    fn what_is_too_much_is_malformed() {
        for (kind, payload) in [
            (0x01, &b"estelsix\x00\x01\x00\x00"[..]),
            (0x01, b"estelsig\x00\x01\x00\x01"),
            (0x02, b"\x00\x00\x00\x00"),
            (0x02, b"\x00\x00\x01\x01"),
            (0x02, b"\x00\x00\x00\x01\xff\xff\xff\xffab"),
            (0x02, b"\x00\x00\x00\x01\x00\x00\x00\x01ab"),
            (0x05, b"x"),
            (0x00, b""),
            (0x81, b""),
        ] {
            assert_eq!(Request::decode(kind, payload), Err(Malformed));
        }
        for (kind, payload) in [
            (0x81, &b"\x00\x01\x00\x01\xff\xff"[..]),
            (0x82, b"\x00\x00\x00\x01"),
            (0x82, b"\x00\x01\x00\x02x"),
            (0x83, b"\x07why"),
            (0x83, b"\x01\xff"),
            (0x84, b""),
        ] {
            assert_eq!(Reply::decode(kind, payload), Err(Malformed));
        }
        let long = "\u{645}".repeat(500);
        let mut octets = Vec::new();
        let (cause, why) = (Cause::Unavailable, long.as_str());
        Reply::Refused { cause, why }.encode(&mut octets);
        let Ok(Reply::Refused { why, .. }) = Reply::decode(0x83, &octets) else {
            panic!("it was cut");
        };
        assert_eq!(why, "\u{645}".repeat(WHY_OCTETS_MAX / 2));
    }

    fn state() -> impl Strategy<Value = (u8, String, Vec<u8>)> {
        (
            0..4_u8,
            "\\PC{0,40}",
            prop::collection::vec(any::<u8>(), 0..600),
        )
    }

    proptest! {
        #[test]
        fn everything_that_can_be_said_is_understood(
            key: u16,
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
            names in prop::collection::vec("\\PC{0,60}", 0..10),
            states in prop::collection::vec(state(), 0..10),
            (length, signatures) in (1..40_usize, 1..20_usize),
            number: u64,
        ) {
            let octets: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            request(&Request::SignDigest { key, digest: octets[0] });
            request(&Request::Sign { key, messages: octets });
            request(&Request::SignFile { key, octets: number });
            let barred = names.iter().map(String::as_str).collect();
            request(&Request::Hello { version: key, barred });
            let keys = states.iter().map(|(state, text, octets)| Served {
                name: text,
                state: match state {
                    0 => KeyState::Ready {
                        algorithm: SignatureAlgorithm::RsaPkcs1Sha256 { modulus_octets: 385 },
                        public_key: octets,
                    },
                    1 => KeyState::Opening,
                    2 => KeyState::Away(text),
                    _ => KeyState::Refused(text),
                },
            });
            reply(&Reply::Welcome { version: 1, at_once: key, keys: keys.collect() });
            let signature = vec![9; length];
            reply(&Reply::Signatures(vec![&signature; signatures]));
            reply(&Reply::Healthy { uptime_ms: number, signed: number, waiting: 7, longest_ms: 8 });
        }

        /// As the fuzzer tries it, at greater length.
        #[test]
        fn whatever_is_understood_is_said_the_same_way(
            kind: u8, payload in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let _understood = decode_any(kind, &payload);
            for kind in (1..=5).chain(0x81..=0x84) {
                let _understood = decode_any(kind, &payload);
            }
        }
    }
}
