//! `pkcs11:` URIs that name a private key (RFC 7512).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// A private key on a token, by what is told of it: `pkcs11:object=ocsp-2026` or
/// `pkcs11:token=hsm;id=%01%02`.
///
/// ```text
/// pk11-URI = "pkcs11:" *1( pattr *( ";" pattr ) ) [ "?" qattr *( "&" qattr ) ]     (RFC 7512 §2.3)
/// ```
///
/// `token`, `manufacturer`, `serial`, `model` and `slot-id` say which token, `object` and `id` which key.
/// Whatever is there has to be true of what is found (§2.5). `type` may only be `private`. What a program
/// is told elsewhere, the module and the PIN, is refused here, and so is every attribute that would be
/// left aside.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct KeyUri {
    /// The token's label.
    pub token: Option<String>,
    /// Who made the token.
    pub manufacturer: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The token's model.
    pub model: Option<String>,
    /// The number of the slot that the token is in.
    pub slot_id: Option<u64>,
    /// The key's label (CKA_LABEL).
    pub object: Option<String>,
    /// The key's identifier (CKA_ID), not empty.
    pub id: Option<Vec<u8>>,
}

impl KeyUri {
    /// Whether a text is meant as such a URI: the scheme is read without regard to case (RFC 3986 §3.1).
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.get(..SCHEME.len())
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
    }

    /// The URI of a key with this label.
    #[must_use]
    pub fn object(label: &str) -> Self {
        Self {
            object: Some(label.to_owned()),
            ..Self::default()
        }
    }

    fn take(&mut self, attribute: &str) -> Result<(), KeyUriError> {
        let (name, value) = attribute
            .split_once('=')
            .ok_or_else(|| KeyUriError::NoAttribute {
                text: attribute.to_owned(),
            })?;
        let text = || text(name, value);
        let twice = match name {
            "token" => self.token.replace(text()?).is_some(),
            "manufacturer" => self.manufacturer.replace(text()?).is_some(),
            "serial" => self.serial.replace(text()?).is_some(),
            "model" => self.model.replace(text()?).is_some(),
            "object" => self.object.replace(text()?).is_some(),
            "slot-id" => self.slot_id.replace(number(&text()?)?).is_some(),
            "id" => {
                let id = octets(name, value)?;
                if id.is_empty() {
                    return Err(KeyUriError::EmptyId);
                }
                self.id.replace(id).is_some()
            }
            "type" => match text()?.as_str() {
                "private" => false,
                kind => {
                    return Err(KeyUriError::Type {
                        kind: kind.to_owned(),
                    });
                }
            },
            _ => {
                return Err(KeyUriError::Unknown {
                    name: name.to_owned(),
                });
            }
        };
        if twice {
            return Err(KeyUriError::Twice {
                name: name.to_owned(),
            });
        }
        Ok(())
    }
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(uri: &str) -> Result<Self, KeyUriError> {
        if !Self::is_meant(uri) {
            return Err(KeyUriError::Scheme);
        }
        let rest = uri.get(SCHEME.len()..).unwrap_or_default();
        let (path, query) = rest
            .split_once('?')
            .map_or((rest, None), |(path, query)| (path, Some(query)));
        let mut key = Self::default();
        for attribute in path.split(';') {
            key.take(attribute)?;
        }
        if let Some(query) = query {
            return Err(elsewhere(query));
        }
        if key.object.is_none() && key.id.is_none() {
            return Err(KeyUriError::NoKey);
        }
        Ok(key)
    }
}

/// Every attribute of a query is one of how the token is reached (§2.4); the first is told.
fn elsewhere(query: &str) -> KeyUriError {
    // Not the value: it may be the PIN itself.
    let (name, _) = query.split_once(['=', '&']).unwrap_or((query, ""));
    match name {
        "pin-value" => KeyUriError::PinValue,
        "pin-source" | "module-path" | "module-name" => KeyUriError::Elsewhere {
            name: name.to_owned(),
        },
        _ => KeyUriError::Unknown {
            name: name.to_owned(),
        },
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("model", &self.model),
            ("manufacturer", &self.manufacturer),
            ("serial", &self.serial),
            ("token", &self.token),
        ];
        let mut between = SCHEME;
        let mut put = |name: &str, value: &str| {
            let written = write!(f, "{between}{name}={value}");
            between = ";";
            written
        };
        for (name, value) in texts {
            if let Some(value) = value {
                put(name, &escaped(value.as_bytes()))?;
            }
        }
        if let Some(slot) = self.slot_id {
            put("slot-id", &slot.to_string())?;
        }
        if let Some(id) = &self.id {
            // §2.3: "the whole value of the id attribute SHOULD be percent-encoded".
            let id: String = id.iter().map(|octet| format!("%{octet:02X}")).collect();
            put("id", &id)?;
        }
        if let Some(object) = &self.object {
            put("object", &escaped(object.as_bytes()))?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for KeyUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

fn text(name: &str, value: &str) -> Result<String, KeyUriError> {
    String::from_utf8(octets(name, value)?).map_err(|_| KeyUriError::NotText {
        name: name.to_owned(),
    })
}

fn number(text: &str) -> Result<u64, KeyUriError> {
    // Not "+1", which `parse` would take.
    let is_decimal = text.bytes().all(|digit| digit.is_ascii_digit());
    match text.parse() {
        Ok(number) if is_decimal => Ok(number),
        _ => Err(KeyUriError::Slot {
            text: text.to_owned(),
        }),
    }
}

/// A value without its percent escapes.
fn octets(name: &str, value: &str) -> Result<Vec<u8>, KeyUriError> {
    let escape = || KeyUriError::Escape {
        name: name.to_owned(),
    };
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (high, low) = high.zip(low).ok_or_else(escape)?;
                high << 4 | low
            }
            plain if is_plain(plain) => plain,
            _ => return Err(escape()),
        });
    }
    Ok(octets)
}

fn digit(octet: Option<u8>) -> Option<u8> {
    let digit = char::from(octet?).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// pk11-path-char without an escape: unreserved, pk11-res-avail and `&` (§2.3), and `/`, which is left
/// plain by many and means nothing else here.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=&/".contains(&octet)
}

fn escaped(octets: &[u8]) -> String {
    let escape = |octet: &u8| match *octet {
        plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
            char::from(plain).to_string()
        }
        other => format!("%{other:02X}"),
    };
    octets.iter().map(escape).collect()
}

const SCHEME: &str = "pkcs11:";

/// Why a text is no URI of a private key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUriError {
    /// Another scheme.
    #[error("it does not begin with `pkcs11:`")]
    Scheme,
    /// No `name=value`.
    #[error("{text:?} is no attribute: name=value is meant, with `;` between them")]
    NoAttribute {
        /// What is there.
        text: String,
    },
    /// An attribute that is not known.
    #[error(
        "the attribute {name:?} says nothing here: token, serial, manufacturer, model and slot-id name \
         a token, object and id a key"
    )]
    Unknown {
        /// The attribute.
        name: String,
    },
    /// An attribute twice.
    #[error("the attribute {name:?} is there twice")]
    Twice {
        /// The attribute.
        name: String,
    },
    /// Something else than a private key.
    #[error("type={kind} is no private key: leave type out, or write type=private")]
    Type {
        /// What it names.
        kind: String,
    },
    /// An escape that is none, or a character that needs one.
    #[error(
        "the value of {name:?} has a character that must be written as % and two hexadecimal digits \
         (a space is %20)"
    )]
    Escape {
        /// The attribute.
        name: String,
    },
    /// Octets that are no text.
    #[error("the value of {name:?} is not UTF-8")]
    NotText {
        /// The attribute.
        name: String,
    },
    /// No number of a slot.
    #[error("slot-id={text} is no number")]
    Slot {
        /// What is there.
        text: String,
    },
    /// An identifier without an octet.
    #[error("id is empty: leave it out, or write its octets as %01%02")]
    EmptyId,
    /// Neither label nor identifier.
    #[error("it names no key: add object=LABEL or id=%01%02 (`estelam token list` shows both)")]
    NoKey,
    /// The PIN itself.
    #[error(
        "pin-value would put the PIN into the configuration: name a place for it in [[token]] (pin_file, \
         pin_env or pin_credential)"
    )]
    PinValue,
    /// What the token's table says.
    #[error("{name} has no place here: the [[token]] table says where module and PIN are")]
    Elsewhere {
        /// The attribute.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<KeyUri, KeyUriError> {
        text.parse()
    }

    #[test]
    fn examples_of_the_rfc_and_of_tools_are_read() {
        // RFC 7512 §3, the examples that name private keys by what we take.
        let uri = read("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91;serial=").unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
        assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
        assert_eq!(uri.object.as_deref(), Some("my-certificate"));
        assert_eq!(
            uri.id.as_deref(),
            Some(&b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91"[..])
        );
        assert_eq!(uri.serial.as_deref(), Some(""));

        // As p11tool of GnuTLS prints it.
        let uri = read("pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=7cf4bc68fdb5b320;token=t1;id=%01;object=k%2F1;type=private").unwrap();
        assert_eq!(uri.model.as_deref(), Some("SoftHSM v2"));
        assert_eq!(uri.serial.as_deref(), Some("7cf4bc68fdb5b320"));
        assert_eq!(uri.object.as_deref(), Some("k/1"));
        assert_eq!(
            read("PKCS11:object=a;slot-id=327").unwrap().slot_id,
            Some(327)
        );
        assert_eq!(
            read("pkcs11:object=%DA%A9%D9%84%DB%8C%D8%AF")
                .unwrap()
                .object
                .as_deref(),
            Some("کلید")
        );
    }

    #[test]
    fn what_is_no_private_key_or_says_too_much_is_refused() {
        let name = |name: &str| name.to_owned();
        for (text, error) in [
            ("object=a", KeyUriError::Scheme),
            ("pkcs11:", KeyUriError::NoAttribute { text: name("") }),
            (
                "pkcs11:object=a;",
                KeyUriError::NoAttribute { text: name("") },
            ),
            ("pkcs11:token=a", KeyUriError::NoKey),
            (
                "pkcs11:object=a;object=b",
                KeyUriError::Twice {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=a;type=public",
                KeyUriError::Type {
                    kind: name("public"),
                },
            ),
            (
                "pkcs11:object=a b",
                KeyUriError::Escape {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=%4",
                KeyUriError::Escape {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=%4x",
                KeyUriError::Escape {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=%+1",
                KeyUriError::Escape {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=گ",
                KeyUriError::Escape {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=%ff",
                KeyUriError::NotText {
                    name: name("object"),
                },
            ),
            (
                "pkcs11:object=a;slot-id=+1",
                KeyUriError::Slot { text: name("+1") },
            ),
            (
                "pkcs11:object=a;slot-id=99999999999999999999",
                KeyUriError::Slot {
                    text: name("99999999999999999999"),
                },
            ),
            ("pkcs11:id=", KeyUriError::EmptyId),
            (
                "pkcs11:object=a;library-version=3",
                KeyUriError::Unknown {
                    name: name("library-version"),
                },
            ),
            (
                "pkcs11:object=a?module-path=/x.so",
                KeyUriError::Elsewhere {
                    name: name("module-path"),
                },
            ),
            (
                "pkcs11:object=a?pin-source=file:/x",
                KeyUriError::Elsewhere {
                    name: name("pin-source"),
                },
            ),
            ("pkcs11:object=a?pin-value=1234", KeyUriError::PinValue),
        ] {
            let found = read(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("1234"));
        }
    }

    proptest! {
        /// What is written is read again as it was.
        #[test]
        fn every_name_comes_back(
            token in proptest::option::of(any::<String>()), serial in proptest::option::of(any::<String>()),
            slot_id in any::<Option<u64>>(), object in any::<String>(),
            id in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..40)),
        ) {
            let uri = KeyUri {
                token, serial, slot_id, id,
                object: Some(object),
                ..KeyUri::default()
            };
            let text = uri.to_string();
            prop_assert!(text.is_ascii() && !text.contains(' '), "{}", text);
            prop_assert_eq!(read(&text), Ok(uri));
        }

        /// No text stops the program.
        #[test]
        fn any_text_is_read_or_refused(text in "(pkcs11:)?[a-z%;=?& -]{0,60}") {
            if let Ok(uri) = read(&text) {
                prop_assert_eq!(read(&uri.to_string()), Ok(uri));
            }
        }
    }
}
