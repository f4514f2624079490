//! `[[token]]`, and keys that are on one.

use std::time::Duration;

use super::{Judge, push::is_plain_name};
use crate::config::{
    error::Problem,
    place::Step,
    token::{Key, Token},
};

impl Judge<'_> {
    pub(super) fn tokens(&mut self, tokens: &[Token]) {
        for (index, token) in tokens.iter().enumerate() {
            let first = tokens.iter().position(|other| other.name == token.name);
            let first_index = first.unwrap_or(index);
            let first_line = self.line(&[Step::Index(first_index), Step::Key("name")]);
            self.index(index, |judge| {
                judge.key("name", |judge| {
                    if !is_plain_name(&token.name) {
                        judge.report(Problem::PlainName {
                            name: token.name.clone(),
                        });
                    } else if first_index != index {
                        judge.report(Problem::Twice {
                            value: format!("the name {:?}", token.name),
                            first_line,
                        });
                    }
                });
                judge.token(token);
            });
        }
    }

    fn token(&mut self, token: &Token) {
        self.key("module", |judge| {
            judge.not_empty(token.module.as_os_str().is_empty());
        });
        for (key, text) in [("label", &token.label), ("serial", &token.serial)] {
            self.key(key, |judge| {
                judge.not_empty(text.as_ref().is_some_and(String::is_empty));
            });
        }
        let sources = [
            token.pin_file.is_some(),
            token.pin_env.is_some(),
            token.pin_credential.is_some(),
        ];
        if sources.into_iter().filter(|set| *set).count() > 1 {
            self.report(Problem::SeveralPins);
        }
        self.key("pin_env", |judge| judge.variable(token.pin_env.as_deref()));
        self.key("pin_credential", |judge| {
            judge.credential(token.pin_credential.as_deref());
        });
        if let Some(sessions) = token.sessions {
            self.number("sessions", sessions, 1, 256);
        }
        self.duration(
            "deadline",
            token.deadline,
            Duration::from_millis(100),
            Duration::from_secs(60),
            "a call that takes longer never returns",
        );
    }

    /// A key in a file, or on one of these tokens.
    pub(super) fn private_key(
        &mut self,
        key: &Key,
        token: Option<&str>,
        has_passphrase: bool,
        tokens: &[Token],
    ) {
        self.key("key", |judge| match key {
            Key::File(path) => {
                judge.not_empty(path.as_os_str().is_empty());
                if token.is_some() {
                    judge.report(Problem::FileOnToken);
                }
            }
            Key::Token(_) => {
                if has_passphrase {
                    judge.report(Problem::PassphraseOnToken);
                }
                match (token, tokens) {
                    (None, []) => judge.report(Problem::NoToken),
                    (None, [_, _, ..]) => judge.report(Problem::WhichToken {
                        names: names(tokens),
                    }),
                    _ => {}
                }
            }
        });
        self.key("token", |judge| {
            if let Some(name) = token
                && !tokens.iter().any(|known| known.name == name)
            {
                judge.report(Problem::NoSuchToken {
                    name: name.to_owned(),
                    names: names(tokens),
                });
            }
        });
    }
}

fn names(tokens: &[Token]) -> String {
    let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::{judge, tests::found};
    use super::*;
    use crate::config::{load::parse, place::Map};

    const TOKEN: &str = "[[token]]\nname = \"hsm\"\nmodule = \"m.so\"\n";

    #[test]
    fn tokens_have_limits() {
        assert_eq!(found(TOKEN, "", ""), []);
        for (lines, problem) in [
            ("sessions = 0", None),
            ("sessions = 257", None),
            ("deadline = \"10ms\"", None),
            ("deadline = \"2m\"", None),
            ("label = \"\"", Some(Problem::Empty)),
            (
                "pin_file = \"p\"\npin_env = \"P\"",
                Some(Problem::SeveralPins),
            ),
            ("pin_env = \"12 34\"", Some(Problem::EnvironmentName)),
        ] {
            let found = found(&format!("{TOKEN}{lines}\n"), "", "");
            assert_eq!(found.len(), 1, "{lines}: {found:?}");
            assert!(
                problem.is_none_or(|problem| problem == found[0]),
                "{found:?}"
            );
        }
        let twice = found(&format!("{TOKEN}{TOKEN}"), "", "");
        assert!(matches!(&twice[..], [Problem::Twice { .. }]), "{twice:?}");
        let odd = found(&TOKEN.replace("hsm", "h s m"), "", "");
        assert!(matches!(&odd[..], [Problem::PlainName { .. }]), "{odd:?}");
    }

    #[test]
    fn a_key_on_a_token_has_one() {
        let with_key = |tokens: &str, lines: &str| {
            let text = format!(
                "{tokens}[[issuer]]\nname = \"a\"\ncertificate = \"c\"\n[[issuer.signer]]\n\
                 certificate = \"s\"\n{lines}\n"
            );
            let config = parse(&text).unwrap_or_else(|error| panic!("{}: {text}", error.message));
            let found = judge(&config, &Map::new(&text));
            found
                .into_iter()
                .map(|finding| finding.problem)
                .collect::<Vec<_>>()
        };
        let key = "key = \"pkcs11:object=a\"";
        let two = format!("{TOKEN}{}", TOKEN.replace("hsm", "other"));
        let names = || "hsm, other".to_owned();
        assert_eq!(with_key(TOKEN, key), []);
        assert_eq!(with_key(&two, &format!("{key}\ntoken = \"other\"")), []);
        assert_eq!(with_key("", key), [Problem::NoToken]);
        assert_eq!(
            with_key(&two, key),
            [Problem::WhichToken { names: names() }]
        );
        let wrong = with_key(&two, &format!("{key}\ntoken = \"x\""));
        let name = "x".to_owned();
        assert_eq!(
            wrong,
            [Problem::NoSuchToken {
                name,
                names: names()
            }]
        );
        let lines = format!("{key}\npassphrase_file = \"p\"");
        assert_eq!(with_key(TOKEN, &lines), [Problem::PassphraseOnToken]);
        let lines = "key = \"a.key\"\ntoken = \"hsm\"";
        assert_eq!(with_key(TOKEN, lines), [Problem::FileOnToken]);
    }
}
