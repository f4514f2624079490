//! From a file to a [`Config`].

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use toml::{Spanned, de::DeTable};

use super::{
    error::ConfigError,
    feed,
    judge::judge,
    near_miss::near_miss,
    place::{Map, Place},
    settings::Config,
};

impl Config {
    /// Reads, judges and resolves a configuration.
    ///
    /// # Errors
    /// [`ConfigError`]: unreadable, malformed (the first fault), or with values that cannot be used
    /// (all of them).
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(read)?;
        let file = absolute(path).map_err(read)?;
        let mut config = parse(&text).map_err(|fault| ConfigError::Form {
            path: path.to_owned(),
            place: fault.place,
            key: fault.key,
            message: fault.message,
        })?;
        if let Some(folder) = file.parent() {
            config.resolve(folder);
        }
        let found = judge(&config, &Map::new(&text));
        if found.is_empty() {
            config.bind();
            Ok(config)
        } else {
            Err(ConfigError::Refused {
                path: path.to_owned(),
                found,
            })
        }
    }

    /// Makes every relative path one below `folder`. An empty path stays empty, to be refused.
    fn resolve(&mut self, folder: &Path) {
        let under = |path: &mut PathBuf| {
            if !path.as_os_str().is_empty() {
                *path = folder.join(&path);
            }
        };
        under(&mut self.state_dir);
        self.admin.socket.as_mut().map(under);
        if let Some(push) = &mut self.push {
            under(&mut push.certificate);
            under(&mut push.key);
            push.client_ca.as_mut().map(under);
        }
        for target in &mut self.publish.targets {
            target.paths().into_iter().for_each(under);
        }
        self.ledger.key.as_mut().map(under);
        for token in &mut self.tokens {
            under(&mut token.module);
            token.pin_file.as_mut().map(under);
        }
        self.signer_process.socket.as_mut().map(under);
        for issuer in &mut self.issuers {
            under(&mut issuer.certificate);
            issuer.crl_signers.iter_mut().for_each(under);
            issuer.crl_issuers.iter_mut().for_each(under);
            for signer in &mut issuer.signers {
                under(&mut signer.certificate);
                signer.key.file_mut().map(under);
                signer.passphrase_file.as_mut().map(under);
            }
            if let Some(crl) = &mut issuer.crl {
                crl.key.file_mut().map(under);
                crl.passphrase_file.as_mut().map(under);
            }
            if let Some(ca) = &mut issuer.ca {
                ca.key.file_mut().map(under);
                ca.passphrase_file.as_mut().map(under);
            }
            for feed in &mut issuer.feeds {
                feed.paths().into_iter().for_each(under);
                feed.resolve_files(folder);
            }
        }
    }
}

impl Config {
    /// Gives every key on a token the token that it is on.
    fn bind(&mut self) {
        let Self {
            tokens, issuers, ..
        } = self;
        for issuer in issuers {
            for signer in &mut issuer.signers {
                signer.key.bind(tokens, signer.token.as_deref());
            }
            if let Some(crl) = &mut issuer.crl {
                crl.key.bind(tokens, crl.token.as_deref());
            }
            if let Some(ca) = &mut issuer.ca {
                ca.key.bind(tokens, ca.token.as_deref());
            }
        }
    }
}

/// What is wrong with the form of a text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) key: Option<String>,
    pub(super) message: String,
}

/// Reads a text into a configuration whose values are not judged and paths not resolved.
pub(super) fn parse(text: &str) -> Result<Config, Fault> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let fault = |offset, message: &str| Fault {
            place: Place::at(text, offset),
            key: Map::new(text).key_at(offset),
            message: explain(message),
        };
        let found = fault(offset, error.message());
        // Of what is wrong within a feed, serde does not say where.
        if !found
            .key
            .as_deref()
            .is_none_or(|key| key.starts_with("issuer"))
        {
            return found;
        }
        let root = DeTable::parse(text).ok().map(Spanned::into_inner);
        root.and_then(feed::fault)
            .map_or(found, |within| fault(within.offset, &within.message))
    })
}

/// Serde's message for a mistyped word lists every word it knows; an operator is helped by the one
/// that was meant. Any other message is good as it is.
fn explain(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (kind, typed, known) = match (message.split_once(" `"), words.split_first()) {
        (Some(("unknown field", _)), Some((typed, known))) => ("unknown key", typed, known),
        (Some(("unknown variant", _)), Some((typed, known))) => ("unknown value", typed, known),
        _ => return message.trim_end().replace('\n', "; "),
    };
    near_miss(typed, known).map_or_else(
        || format!("{kind} `{typed}`; known here: {}", known.join(", ")),
        |meant| format!("{kind} `{typed}`: did you mean `{meant}`?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Ca, Crl, CrlShards, DeltaCrl, EXAMPLE, FolderTarget, Issuer, Publish, PublishTarget, Purge,
        PurgeCommand, PurgeHosts, Push, PushClient, Sha256Digest, Signer, StoreTarget, Token,
    };
    use std::time::Duration;

    const ISSUER: &str = "[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n\
                          [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"keys/s.key\"\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("estelam.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    /// The message, less the folder.
    fn refusal(text: &str) -> String {
        let message = load(text).unwrap_err().to_string();
        let lines = message.lines();
        let short = lines.map(|line| {
            line.split_once("estelam.toml")
                .map_or(line, |(_, rest)| rest)
        });
        short.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_states_every_default() {
        let parsed = parse(EXAMPLE).unwrap_or_else(|fault| panic!("{fault:?}"));
        assert_eq!(parsed, Config::default());
    }

    #[test]
    fn the_example_with_its_issuer_states_every_default_of_an_issuer() {
        let uncommented: Vec<&str> = EXAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with([' ', '#']) => setting,
                _ => line,
            })
            .collect();
        let mut parsed = parse(&uncommented.join("\n")).unwrap_or_else(|fault| panic!("{fault:?}"));
        for feed in parsed
            .issuers
            .iter_mut()
            .flat_map(|issuer| issuer.feeds.drain(..))
        {
            let stated = feed.interval();
            assert_eq!(stated, feed.kind().default_interval(), "{feed:?}");
        }

        let mut issuer = Issuer::new("My issuing CA", Path::new("ca.pem"));
        issuer.certificate_url = Some("http://pki.example.org/ca.cer".to_owned());
        issuer.signers.push(Signer {
            token: Some("hsm".to_owned()),
            passphrase_file: Some("ocsp.pass".into()),
            passphrase_env: Some("OCSP_PASSPHRASE".into()),
            passphrase_credential: Some("ocsp-passphrase".into()),
            signer_process: Some(false),
            ..Signer::new(Path::new("ocsp.pem"), Path::new("ocsp.key"))
        });
        issuer.ca = Some(Ca {
            token: Some("hsm".to_owned()),
            passphrase_file: Some("ca.pass".into()),
            passphrase_env: Some("CA_PASSPHRASE".into()),
            passphrase_credential: Some("ca-passphrase".into()),
            ..Ca::new(Path::new("ca.key"), "http://ocsp.example.org/ocsp")
        });
        issuer.crl = Some(Crl {
            token: Some("hsm".to_owned()),
            passphrase_file: Some("ca.pass".into()),
            passphrase_env: Some("CA_PASSPHRASE".into()),
            passphrase_credential: Some("ca-passphrase".into()),
            signer_process: Some(false),
            after_revocation: Some(Duration::from_secs(60)),
            delta: Some(DeltaCrl {
                base_url: Some("http://crl.example.org/ca-base.crl".to_owned()),
                after_revocation: Some(Duration::from_secs(10)),
                ..DeltaCrl::new("http://crl.example.org/ca-delta.crl")
            }),
            shards: Some(CrlShards {
                after_revocation: Some(Duration::from_secs(10)),
                ..CrlShards::new("http://crl.example.org/ca/{shard}.crl", 16)
            }),
            ..Crl::new("http://crl.example.org/ca.crl", Path::new("ca.key"))
        });
        assert_eq!(
            parsed,
            Config {
                signer_process: crate::config::SignerProcess {
                    socket: Some("/run/estelam/signer.sock".into()),
                    server_uid: Some(990),
                    signer_uid: Some(991),
                    ..crate::config::SignerProcess::default()
                },
                admin: crate::config::Admin {
                    socket: Some("state/admin.sock".into())
                },
                push: Some(push()),
                publish: publish(),
                tokens: vec![token()],
                ledger: crate::config::LedgerSettings {
                    key: Some("state/keys/ledger.key".into()),
                    origin: Some("example.org/revocations".to_owned()),
                },
                issuers: vec![issuer],
                ..Config::default()
            }
        );
    }

    /// What the example has behind its `#`.
    fn token() -> Token {
        let module = Path::new("/usr/lib/softhsm/libsofthsm2.so");
        Token {
            label: Some("estelam".to_owned()),
            serial: Some("0123456789abcdef".to_owned()),
            slot: Some(0),
            pin_file: Some("hsm.pin".into()),
            pin_env: Some("HSM_PIN".to_owned()),
            pin_credential: Some("hsm-pin".to_owned()),
            sessions: Some(4),
            ..Token::new("hsm", module)
        }
    }

    /// What the example has behind its `#`.
    fn publish() -> Publish {
        let http = PurgeHosts {
            hosts: vec!["127.0.0.1:6081".to_owned()],
        };
        let command = PurgeCommand {
            command: vec!["/usr/local/bin/purge".to_owned()],
            timeout: Duration::from_secs(30),
        };
        Publish {
            targets: vec![
                PublishTarget::Folder(FolderTarget {
                    name: "web".to_owned(),
                    path: "/srv/crl".into(),
                    mode: 0o644,
                    issuers: Vec::new(),
                    purge: vec![Purge::Http(http), Purge::Command(command)],
                }),
                PublishTarget::S3(StoreTarget {
                    endpoint: Some("https://s3.example.org".to_owned()),
                    region: Some("us-east-1".to_owned()),
                    access_key_id: Some("AKIAEXAMPLE".to_owned()),
                    secret_file: Some("s3.secret".into()),
                    secret_env: Some("S3_SECRET".to_owned()),
                    secret_credential: Some("s3-secret".to_owned()),
                    ..StoreTarget::new("cdn", "crl")
                }),
            ],
            ..Publish::default()
        }
    }

    /// What the example has behind its `#`.
    fn push() -> Push {
        let mut push = Push::new(
            "0.0.0.0:8443".parse().unwrap(),
            "push.pem".into(),
            "push.key".into(),
        );
        push.client_ca = Some("push-clients.pem".into());
        push.clients = vec![PushClient {
            name: "ca-system".to_owned(),
            issuers: vec!["My issuing CA".to_owned()],
            token_sha256: vec![Sha256Digest([0; 32])],
            certificate_sha256: vec![Sha256Digest([0; 32])],
        }];
        push
    }

    #[test]
    fn the_example_mentions_every_key() {
        // Through Debug, so that a new field cannot be forgotten.
        let mut config = Config::default();
        config.issuers.push(Issuer::new("", Path::new("")));
        config.issuers[0]
            .signers
            .push(Signer::new(Path::new(""), Path::new("")));
        config.issuers[0].ca = Some(Ca::new(Path::new(""), ""));
        config.issuers[0].crl = Some(Crl {
            delta: Some(DeltaCrl::new("")),
            shards: Some(CrlShards::new("", 1)),
            ..Crl::new("", Path::new(""))
        });
        config.push = Some(push());
        config.publish = publish();
        config.tokens = vec![token()];
        let debug = format!("{config:?}");
        let fields = debug
            .split([' ', '{', ','])
            .filter_map(|word| word.strip_suffix(':'))
            .filter(|word| {
                !matches!(
                    *word,
                    "listeners"
                        | "issuers"
                        | "signers"
                        | "ca"
                        | "crl"
                        | "clients"
                        | "feeds"
                        | "delta"
                        | "shards"
                        | "targets"
                        | "tokens"
                )
            });
        let mut count = 0;
        for field in fields {
            assert!(
                EXAMPLE.contains(&format!("{field} = ")) || EXAMPLE.contains(&format!("[{field}]")),
                "{field}"
            );
            count += 1;
        }
        assert!(count > 25, "{count}");
    }

    #[test]
    fn the_example_of_feeds_can_be_used_as_it_stands() {
        let config = load(include_str!("../../docs/examples/feeds.toml"))
            .unwrap_or_else(|error| panic!("{error}"));
        let feeds = config.issuers.iter().flat_map(|issuer| &issuer.feeds);
        let kinds: Vec<&str> = feeds.map(|feed| feed.kind().name()).collect();
        for kind in ["index", "certificate_folder", "sql", "crl_url"] {
            assert!(kinds.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn the_example_ends_so_that_an_issuer_can_be_appended() {
        let config = load(&format!("{EXAMPLE}\n{ISSUER}")).unwrap();
        assert_eq!(config.issuers.len(), 1);
    }

    #[test]
    fn paths_are_below_the_folder_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("estelam.toml");
        let absolute = ISSUER
            .replace("\"a\"", "\"b\"")
            .replace("s.pem", "/etc/t.pem");
        let text = format!("{ISSUER}{absolute}passphrase_file = \"p\"\n");
        fs::write(&path, text).unwrap();

        let config = Config::load(&path).unwrap();
        let at = |name| folder.path().join(name);
        assert_eq!(config.state_dir, at("state"));
        assert_eq!(config.admin_socket(), at("state/admin.sock"));
        assert_eq!(config.ledger_key(), at("state/keys/ledger.key"));
        assert_eq!(config.issuers[0].certificate, at("ca.pem"));
        assert_eq!(config.issuers[0].signers[0].key, at("keys/s.key").into());
        let signer = &config.issuers[1].signers[0];
        assert_eq!(signer.certificate, Path::new("/etc/t.pem"));
        assert_eq!(signer.passphrase_file, Some(at("p")));
    }

    #[test]
    fn a_mistyped_word_is_placed_and_the_near_miss_named() {
        for (text, expected) in [
            (
                "\n[limits]\ncert_id = 3\n",
                ":3:1: limits.cert_id: unknown key `cert_id`: did you mean `cert_ids`?",
            ),
            (
                "[[isuer]]\nname = \"a\"\n",
                ":1:3: isuer: unknown key `isuer`: did you mean `issuer`?",
            ),
            (
                "[[issuer]]\nname = \"a\"\ncertificate = \"c\"\nnot_issued = \"unknwon\"\n",
                ":4:14: issuer.not_issued: unknown value `unknwon`: did you mean `unknown`?",
            ),
            (
                "[[issuer]]\nname = \"a\"\ncertificate = \"c\"\ncert_id_hashes = [\"sha-1\"]\n",
                ":4:19: issuer.cert_id_hashes: unknown value `sha-1`: did you mean `sha1`?",
            ),
            (
                "[[listen]]\nport = 80\n",
                ":2:1: listen.port: unknown key `port`; known here: address",
            ),
        ] {
            assert_eq!(refusal(text), expected);
        }
    }

    #[test]
    fn what_is_wrong_within_a_feed_is_placed() {
        for (feed, expected) in [
            (
                "kind = \"indx\"\n",
                ":3:8: issuer.feed.kind: unknown value `indx`: did you mean `index`?",
            ),
            (
                "kind = \"index\"\npath = \"i\"\nintervall = \"1s\"\n",
                ":5:1: issuer.feed.intervall: unknown key `intervall`: did you mean `interval`?",
            ),
            (
                "path = \"i\"\ninterval = \"soon\"\nkind = \"index\"\n",
                ":4:12: issuer.feed.interval: invalid value: string \"soon\", expected a duration in \
                 quotes such as \"30s\", \"24h\" or \"95h59m59s\"",
            ),
            (
                "kind = \"index\"\n",
                ":2:1: issuer.feed: missing field `path`",
            ),
            (
                "path = \"i\"\n",
                ":2:1: issuer.feed: a feed says what it is: set kind to `index`, `csv`, \
                 `crl_folder`, `certificate_folder`, `crl_url`, `sql`, `push`",
            ),
            (
                "kind = \"csv\"\npath = \"i\"\nstatuses = { V = \"godo\" }\n",
                ":5:18: issuer.feed.statuses.V: unknown value `godo`: did you mean `good`?",
            ),
        ] {
            let text = format!("{ISSUER}[[issuer.feed]]\n{feed}");
            let before = ISSUER.lines().count();
            let message = refusal(&text);
            let (line, rest) = message[1..].split_once(':').unwrap();
            let line: usize = line.parse().unwrap();
            // Lines count from that before the table.
            assert_eq!(format!(":{}:{rest}", line + 1 - before), expected);
        }
    }

    #[test]
    fn a_wrong_form_is_placed() {
        for (text, expected) in [
            ("state_dir = \n", ":1:13: "),
            (
                "state_dir = 5\n",
                ":1:13: state_dir: invalid type: integer `5`",
            ),
            (
                "[limits]\ncert_ids = -1\n",
                ":2:12: limits.cert_ids: invalid value: integer `-1`",
            ),
            (
                "[limits]\nidle_timeout = 5\n",
                ":2:16: limits.idle_timeout: invalid type: integer `5`, expected a duration in quotes",
            ),
            (
                "[limits]\nidle_timeout = \"5\"\n",
                ":2:16: limits.idle_timeout: invalid value: string \"5\", expected a duration",
            ),
            (
                "[[listen]]\naddress = \"localhost:80\"\n",
                ":2:11: listen.address: invalid socket address",
            ),
            (
                "[[issuer]]\nname = \"a\"\n",
                ":1:1: issuer: missing field `certificate`",
            ),
            ("a = 1\na = 2\n", ":2:1: "),
            ("[limits]\n[limits]\n", ":2:"),
        ] {
            let message = refusal(text);
            assert!(message.starts_with(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn everything_that_cannot_be_used_is_named_at_once() {
        let text = "http.ocsp_paths = [\"x\"]\n[limits]\ncert_ids = 0\n[[issuer]]\nname = \"a\"\n\
                    certificate = \"ca.pem\"\nvalidity = \"30d\"\n";
        let message = refusal(text);
        let places: Vec<_> = message
            .lines()
            .map(|line| line.split(": ").next().unwrap())
            .collect();
        assert_eq!(places, [":1:6", ":3:1", ":7:1", ":4:1"], "{message}");
        assert!(message.contains("720h is out of range: 7h 59m 59s to 239h 59m 59s (BR §4.9.9"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Config::load(&folder.path().join("x.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("x.toml") && missing.contains("estelam init"),
            "{missing}"
        );
        let directory = Config::load(folder.path()).unwrap_err().to_string();
        assert!(directory.contains("name the file in it"), "{directory}");
        let binary = folder.path().join("b.toml");
        fs::write(&binary, b"\xff\xfe").unwrap();
        assert!(matches!(
            Config::load(&binary),
            Err(ConfigError::Read { .. })
        ));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic() {
        use proptest::prelude::*;
        let fragment = prop_oneof![
            "[a-z_\\[\\]=\"0-9 \n.{},'#\u{600}-\u{620}]{0,12}",
            Just(ISSUER.to_owned()),
            Just("[limits]\n".to_owned()),
            Just("cert_ids = ".to_owned()),
            Just("[[listen]]\n".to_owned()),
        ];
        proptest!(|(fragments in proptest::collection::vec(fragment, 0..8))| {
            let text = fragments.concat();
            match parse(&text) {
                Ok(config) => drop(judge(&config, &Map::new(&text))),
                Err(fault) => prop_assert!(fault.place.line >= 1),
            }
        });
    }
}
