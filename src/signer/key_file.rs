//! Private keys in files: PKCS#8 in PEM, plain or encrypted (RFC 7468 §10, §11).
//!
//! Encrypted means PBES2 with PBKDF2 or scrypt and AES (RFC 8018), which OpenSSL writes since 1.1.
//! Older forms are refused with the command that converts them.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::{Passphrase, software::PrivateKeyError};
use crate::config::{self, FileError};

/// A key out of its file.
pub(super) struct KeyFile {
    /// The PrivateKeyInfo, decrypted.
    pub(super) pkcs8: SecretDocument,
    /// Whether others than the owner may read the file.
    pub(super) is_open_to_others: bool,
    /// Whether the passphrase was needed.
    pub(super) was_encrypted: bool,
}

/// Reads the one private key in a PEM file, among whatever other blocks.
pub(super) fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyFile, KeyError> {
    let file = config::read(path, OCTETS_MAX)?;
    let at = || path.to_owned();
    let (label, text) = private_key_block(&file.content, path)?;
    let was_encrypted = match label {
        "PRIVATE KEY" => false,
        "ENCRYPTED PRIVATE KEY" => true,
        _ => {
            return Err(KeyError::OldForm {
                path: at(),
                form: label.to_owned(),
            });
        }
    };
    let der = decode(text).ok_or_else(|| KeyError::Damaged { path: at() })?;
    let pkcs8 = if was_encrypted {
        let passphrase = passphrase.ok_or_else(|| KeyError::NoPassphrase { path: at() })?;
        decrypt(&der, passphrase, path)?
    } else {
        SecretDocument::try_from(der.as_slice()).map_err(|_| KeyError::Damaged { path: at() })?
    };
    Ok(KeyFile {
        pkcs8,
        is_open_to_others: file.is_open_to_others,
        was_encrypted,
    })
}

fn decrypt(der: &[u8], passphrase: &Passphrase, path: &Path) -> Result<SecretDocument, KeyError> {
    let at = || path.to_owned();
    // PBES2 with a cipher, PRF or KDF that `pkcs5` does not know is already an error here.
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| KeyError::OldEncryption { path: at() })?;
    encrypted
        .decrypt(passphrase.octets())
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs8::pkcs5::Error::NoPbes1CryptSupport
                | pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
                | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. },
            ) => KeyError::OldEncryption { path: at() },
            // One wrong passphrase in 256 leaves padding that looks right, and then no DER.
            _ => KeyError::WrongPassphrase { path: at() },
        })
}

/// The label and the text between the boundaries of the only block that is a private key.
fn private_key_block<'a>(text: &'a [u8], path: &Path) -> Result<(&'a str, &'a [u8]), KeyError> {
    let at = || path.to_owned();
    let mut labels = Vec::new();
    let mut found = None;
    let mut rest = text;
    while let Some((label, after)) = boundary(rest, b"-----BEGIN ") {
        let end = format!("-----END {label}-----");
        let length = find(after, end.as_bytes()).ok_or_else(|| KeyError::Damaged { path: at() })?;
        let (inside, after) = after.split_at(length);
        rest = after;
        labels.push(label.to_owned());
        if label.ends_with("PRIVATE KEY") && found.replace((label, inside)).is_some() {
            return Err(KeyError::SeveralKeys { path: at() });
        }
    }
    found.ok_or_else(|| KeyError::NoKey {
        path: at(),
        found: labels,
    })
}

/// The label of the next boundary, and what follows its line.
fn boundary<'a>(text: &'a [u8], start: &[u8]) -> Option<(&'a str, &'a [u8])> {
    let (_, after) = text.split_at_checked(find(text, start)?.checked_add(start.len())?)?;
    let (label, after) = after.split_at(find(after, b"-----")?);
    let label = std::str::from_utf8(label).ok()?;
    Some((label, after.strip_prefix(b"-----")?))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// Base64 with whatever line breaks, in memory that is overwritten afterwards.
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut base64 = Zeroizing::new(Vec::with_capacity(text.len()));
    base64.extend(
        text.iter()
            .copied()
            .filter(|octet| !octet.is_ascii_whitespace()),
    );
    let mut der = Zeroizing::new(Vec::with_capacity(base64.len()));
    STANDARD.decode_vec(&*base64, &mut der).ok()?;
    Some(der)
}

/// An RSA key of 16,384 bits in PEM has 13 KiB; chains that lie beside it some more.
const OCTETS_MAX: u64 = 256 * 1024;

/// Why a file gave no private key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("no private key: {0}")]
    File(#[from] FileError),
    /// No PEM block in it is a private key.
    #[error(
        "{} holds no private key in PEM{}. A key in DER is converted with: \
         openssl pkey -inform DER -in {0} -out {0}.pem",
        path.display(),
        other_blocks(found)
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// The labels of the blocks that are there.
        found: Vec<String>,
    },
    /// More than one private key in it.
    #[error("{} holds several private keys: leave only the one that is meant", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
    },
    /// A form older than PKCS#8.
    #[error(
        "{} holds the old form {form:?}, not PKCS#8: convert it with: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in {0} -out {0}.p8 (with -nocrypt: without a passphrase)",
        path.display()
    )]
    OldForm {
        /// The file.
        path: PathBuf,
        /// The PEM label.
        form: String,
    },
    /// Encrypted in a way that is not supported, such as PBES1 or 3DES.
    #[error(
        "{} is encrypted in an old or rare way, not PBES2 with AES: convert it with: \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -in {0} -out {0}.p8 \
         (OpenSSL 3 may want -provider legacy -provider default to read it)",
        path.display()
    )]
    OldEncryption {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted, and no passphrase configured.
    #[error(
        "{} is encrypted and no passphrase is configured: set passphrase_file, passphrase_env or \
         passphrase_credential beside its key",
        path.display()
    )]
    NoPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted with another passphrase.
    #[error("the passphrase does not open {}, or that is damaged", path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// PEM or DER that is cut or garbled.
    #[error("{} is damaged: its PEM or DER cannot be read", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A key that cannot sign here.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PrivateKeyError,
    },
}

fn other_blocks(found: &[String]) -> String {
    if found.is_empty() {
        String::new()
    } else {
        format!(" (only {})", found.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        config::PassphraseSource,
        signer::test_pki::{EC_P256, Pki},
    };

    /// Writes `key.pem` with the passphrase `pass` by the OpenSSL arguments, and reads it.
    fn read_after(pki: &Pki, openssl: &[&str]) -> Result<KeyFile, KeyError> {
        pki.openssl(openssl);
        fs::write(pki.path("pass"), "geheim\n").unwrap();
        let pass = Passphrase::read(&PassphraseSource::File(pki.path("pass"))).unwrap();
        read(&pki.path("key.pem"), Some(&pass))
    }

    fn pki() -> Pki {
        let pki = Pki::new();
        pki.key("plain", EC_P256);
        pki
    }

    const TO_P8: [&str; 8] = [
        "pkcs8",
        "-topk8",
        "-in",
        "plain.key",
        "-out",
        "key.pem",
        "-passout",
        "pass:geheim",
    ];

    #[test]
    fn keys_that_openssl_encrypts_are_read() {
        let pki = pki();
        let plain = read(&pki.path("plain.key"), None).unwrap();
        assert!(!plain.was_encrypted);
        for options in [
            &[][..],
            &["-v2", "aes-128-cbc"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
            &["-scrypt"],
            &["-iter", "100000"],
        ] {
            let read = read_after(&pki, &[&TO_P8, options].concat());
            let read = read.unwrap_or_else(|error| panic!("{options:?}: {error}"));
            assert!(read.was_encrypted);
            assert_eq!(read.pkcs8.as_bytes(), plain.pkcs8.as_bytes());
        }
        let read = read_after(
            &pki,
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-aes256",
                "-pass",
                "pass:geheim",
                "-out",
                "key.pem",
            ],
        )
        .unwrap();
        assert!(read.was_encrypted);
    }

    #[test]
    fn old_encryption_is_refused_with_a_command_that_converts_it() {
        let pki = pki();
        for options in [
            &["-v1", "PBE-SHA1-3DES"][..],
            &[
                "-v1",
                "PBE-MD5-DES",
                "-provider",
                "legacy",
                "-provider",
                "default",
            ],
            &["-v2", "des3"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"],
        ] {
            let error = read_after(&pki, &[&TO_P8, options].concat()).err().unwrap();
            assert!(
                matches!(error, KeyError::OldEncryption { .. }),
                "{options:?}: {error}"
            );
            follow_the_advice(
                &pki,
                &error,
                &["-passin", "pass:geheim", "-passout", "pass:geheim"],
            );
        }
    }

    #[test]
    fn old_forms_are_refused_with_a_command_that_converts_them() {
        let pki = pki();
        for openssl in [
            &["ec", "-in", "plain.key", "-out", "key.pem"][..],
            &[
                "ec",
                "-in",
                "plain.key",
                "-aes256",
                "-passout",
                "pass:geheim",
                "-out",
                "key.pem",
            ],
            &[
                "ecparam",
                "-name",
                "prime256v1",
                "-genkey",
                "-out",
                "key.pem",
            ],
            &["genrsa", "-traditional", "-out", "key.pem", "2048"],
        ] {
            let error = read_after(&pki, openssl).err().unwrap();
            assert!(
                matches!(error, KeyError::OldForm { .. }),
                "{openssl:?}: {error}"
            );
            follow_the_advice(
                &pki,
                &error,
                &["-passin", "pass:geheim", "-passout", "pass:geheim"],
            );
        }
    }

    /// Runs the command in the message, and reads what it writes.
    fn follow_the_advice(pki: &Pki, error: &KeyError, passphrases: &[&str]) {
        let text = error.to_string();
        let command = text
            .split_once("openssl ")
            .unwrap()
            .1
            .split(" (")
            .next()
            .unwrap();
        let mut words: Vec<&str> = command.split_whitespace().collect();
        words.extend(passphrases);
        if text.contains("-provider legacy") {
            words.extend(["-provider", "legacy", "-provider", "default"]);
        }
        pki.openssl(&words);
        let pass = Passphrase::read(&PassphraseSource::File(pki.path("pass"))).unwrap();
        assert!(read(&pki.path("key.pem.p8"), Some(&pass)).is_ok(), "{text}");
    }

    #[test]
    fn a_key_in_der_is_refused_with_a_command_that_converts_it() {
        let pki = pki();
        pki.openssl(&[
            "pkey",
            "-in",
            "plain.key",
            "-outform",
            "DER",
            "-out",
            "key.der",
        ]);
        let error = read(&pki.path("key.der"), None).err().unwrap();
        assert!(matches!(&error, KeyError::NoKey { found, .. } if found.is_empty()));
        let text = error.to_string();
        let command: Vec<&str> = text
            .split_once("openssl ")
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        pki.openssl(&command);
        assert!(read(&pki.path("key.der.pem"), None).is_ok(), "{text}");
    }

    #[test]
    fn one_wrong_passphrase_after_the_other_is_only_a_wrong_passphrase() {
        let pki = pki();
        // One iteration, so that hundreds are quick; some leave padding that looks right.
        pki.openssl(&[&TO_P8[..], &["-iter", "1"]].concat());
        for attempt in 0..600 {
            fs::write(pki.path("pass"), format!("wrong {attempt}")).unwrap();
            let pass = Passphrase::read(&PassphraseSource::File(pki.path("pass"))).unwrap();
            let error = read(&pki.path("key.pem"), Some(&pass)).err().unwrap();
            assert!(matches!(error, KeyError::WrongPassphrase { .. }), "{error}");
        }
    }

    #[test]
    fn any_damage_is_an_error_and_never_a_panic() {
        let pki = pki();
        let text = fs::read(pki.path("plain.key")).unwrap();
        for length in 0..text.len() - 2 {
            fs::write(pki.path("cut"), &text[..length]).unwrap();
            assert!(read(&pki.path("cut"), None).is_err(), "{length}");
        }
        for at in 0..text.len() {
            let mut damaged = text.clone();
            damaged[at] ^= 0x40;
            fs::write(pki.path("damaged"), damaged).unwrap();
            // What is read all the same is judged as a key afterwards.
            if let Ok(read) = read(&pki.path("damaged"), None) {
                drop(crate::signer::SoftwareSigner::from_pkcs8(
                    read.pkcs8.as_bytes(),
                ));
            }
        }
        let twice = [&*text, &*text].concat();
        fs::write(pki.path("twice"), twice).unwrap();
        assert!(matches!(
            read(&pki.path("twice"), None),
            Err(KeyError::SeveralKeys { .. })
        ));
        fs::write(pki.path("empty"), "").unwrap();
        assert!(matches!(
            read(&pki.path("empty"), None),
            Err(KeyError::NoKey { .. })
        ));
        fs::write(pki.path("long"), vec![b' '; 300_000]).unwrap();
        assert!(matches!(
            read(&pki.path("long"), None),
            Err(KeyError::File(FileError::TooLong { .. }))
        ));
    }

    #[test]
    fn line_breaks_of_other_systems_do_not_matter() {
        let pki = pki();
        let text = fs::read_to_string(pki.path("plain.key")).unwrap();
        fs::write(pki.path("crlf"), text.replace('\n', "\r\n")).unwrap();
        assert!(read(&pki.path("crlf"), None).is_ok());
    }
}
