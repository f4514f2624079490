//! `[push]`: where the systems of CAs report issuance and revocation, and which of them may.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de};

use super::duration;

/// `[push]`: the HTTPS listener for CA systems. Default: none.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Address and port, for instance `10.0.0.5:8443`; port 0 takes any free one. No default. Who can
    /// reach it still needs a credential.
    pub listen: SocketAddr,
    /// The server's TLS certificate and its chain, PEM. No default. Read again when it changes.
    pub certificate: PathBuf,
    /// Its private key: PEM, not encrypted. No default. Who can read it can pose as this server and
    /// take bearer tokens.
    pub key: PathBuf,
    /// The CAs whose client certificates are looked at, PEM. Default none: then tokens alone. Who can
    /// write it still cannot speak without a certificate that a client's `certificate_sha256` names.
    pub client_ca: Option<PathBuf>,
    /// The most connections open at once. Default 256.
    #[serde(default = "Push::default_connections")]
    pub connections: usize,
    /// The longest body of a batch, in octets. Default 32 MiB. Four of them are held at once at the
    /// most; what comes then is told to come again.
    #[serde(default = "Push::default_body_octets")]
    pub body_octets: usize,
    /// How long a client may take for the TLS handshake, and as long again for the head of a request.
    /// Default 10 s.
    #[serde(
        default = "Push::default_header_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub header_timeout: Duration,
    /// How long a client may take to send a body. Default 60 s.
    #[serde(
        default = "Push::default_body_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub body_timeout: Duration,
    /// How long a connection may stay open without a request. Default 5 min: a client that keeps its
    /// connection spares the next revocation a handshake.
    #[serde(
        default = "Push::default_idle_timeout",
        deserialize_with = "duration::deserialize"
    )]
    pub idle_timeout: Duration,
    /// Who may push. At least one.
    #[serde(default, rename = "client")]
    pub clients: Vec<PushClient>,
}

impl Push {
    /// A listener with every other setting at its default and no client yet.
    #[must_use]
    pub const fn new(listen: SocketAddr, certificate: PathBuf, key: PathBuf) -> Self {
        Self {
            listen,
            certificate,
            key,
            client_ca: None,
            connections: Self::default_connections(),
            body_octets: Self::default_body_octets(),
            header_timeout: Self::default_header_timeout(),
            body_timeout: Self::default_body_timeout(),
            idle_timeout: Self::default_idle_timeout(),
            clients: Vec::new(),
        }
    }

    const fn default_connections() -> usize {
        256
    }

    const fn default_body_octets() -> usize {
        32 << 20
    }

    const fn default_header_timeout() -> Duration {
        Duration::from_secs(10)
    }

    const fn default_body_timeout() -> Duration {
        Duration::from_secs(60)
    }

    const fn default_idle_timeout() -> Duration {
        Duration::from_secs(300)
    }
}

/// `[[push.client]]`: one system that may push. Where it has tokens and certificates, it needs one of
/// each.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PushClient {
    /// What it is called in logs, receipts and the ledger's entries. No default.
    pub name: String,
    /// The names of the issuers that it may speak for. No default.
    pub issuers: Vec<String>,
    /// SHA-256 of its bearer token, in hexadecimal; several while a token is being replaced. The token
    /// itself is in no file here: `estelam push token` makes one.
    #[serde(default, deserialize_with = "one_or_several")]
    pub token_sha256: Vec<Sha256Digest>,
    /// SHA-256 of its client certificate, in hexadecimal, as `openssl x509 -fingerprint -sha256` prints
    /// it; several while a certificate is being replaced. Needs `client_ca`.
    #[serde(default, deserialize_with = "one_or_several")]
    pub certificate_sha256: Vec<Sha256Digest>,
}

/// 32 octets, written as 64 hexadecimal digits with or without `:` between the octets.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    fn from_text(text: &str) -> Option<Self> {
        let mut octets = [0_u8; 32];
        let mut digits = text.chars().filter(|digit| *digit != ':');
        for octet in &mut octets {
            let high = digits.next()?.to_digit(16)?;
            let low = digits.next()?.to_digit(16)?;
            *octet = u8::try_from(high << 4 | low).ok()?;
        }
        digits.next().is_none().then_some(Self(octets))
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Sha256Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SHA-256 in hexadecimal (64 digits)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sha256Digest, E> {
                // Not shown: it may be the token itself.
                Sha256Digest::from_text(text)
                    .ok_or_else(|| E::custom("no SHA-256 in hexadecimal (64 digits)"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Sha256Digest>, D::Error> {
    struct Several;
    impl<'de> de::Visitor<'de> for Several {
        type Value = Vec<Sha256Digest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a SHA-256 in hexadecimal, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Sha256Digest::deserialize(de::value::StrDeserializer::new(text)).map(|one| vec![one])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(Several)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_tools_print_them() {
        let digits = "0aff".repeat(16);
        let colons: Vec<String> = (0..32)
            .map(|i| digits[2 * i..2 * i + 2].to_uppercase())
            .collect();
        for text in [digits.clone(), digits.to_uppercase(), colons.join(":")] {
            assert_eq!(Sha256Digest::from_text(&text).unwrap().to_string(), digits);
        }
        for text in [
            "",
            "0a",
            &digits[1..],
            &format!("{digits}0"),
            &"0g".repeat(32),
        ] {
            assert_eq!(Sha256Digest::from_text(text), None, "{text}");
        }
    }
}
