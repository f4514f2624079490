//! What must hold of `[push]`.

use std::{net::SocketAddr, time::Duration};

use super::Judge;
use crate::config::{
    error::Problem,
    place::Step,
    push::{Push, PushClient},
    settings::Config,
};

impl Judge<'_> {
    pub(super) fn push(&mut self, push: &Push, config: &Config) {
        self.key("listen", |judge| judge.push_listen(push.listen, config));
        self.key("certificate", |judge| {
            judge.not_empty(push.certificate.as_os_str().is_empty());
        });
        self.key("key", |judge| {
            judge.not_empty(push.key.as_os_str().is_empty());
        });
        if let Some(client_ca) = &push.client_ca {
            self.key("client_ca", |judge| {
                judge.not_empty(client_ca.as_os_str().is_empty());
            });
        }
        self.number("connections", push.connections, 1, 65_536);
        self.number("body_octets", push.body_octets, 4_096, 256 << 20);
        let (second, minute, hour) = (
            Duration::from_secs(1),
            Duration::from_secs(60),
            Duration::from_secs(3_600),
        );
        let waits = "a client gives up sooner than that, or is cut off while it still sends";
        self.duration("header_timeout", push.header_timeout, second, minute, waits);
        self.duration("body_timeout", push.body_timeout, second, hour, waits);
        self.duration("idle_timeout", push.idle_timeout, second, hour, waits);
        self.key("client", |judge| {
            if push.clients.is_empty() {
                judge.report(Problem::NoPushClient);
            }
            for (index, client) in push.clients.iter().enumerate() {
                let first = push.clients.iter().take(index);
                let twice = first.clone().position(|other| other.name == client.name);
                let twice = twice.map(|first| judge.line(&[Step::Index(first), Step::Key("name")]));
                let shared = first.clone().any(|other| {
                    other
                        .token_sha256
                        .iter()
                        .any(|it| client.token_sha256.contains(it))
                });
                judge.index(index, |judge| {
                    if let Some(first_line) = twice {
                        let value = format!("the name {:?}", client.name);
                        judge.key("name", |judge| {
                            judge.report(Problem::Twice { value, first_line });
                        });
                    }
                    if shared {
                        judge.key("token_sha256", |judge| judge.report(Problem::SharedToken));
                    }
                    judge.push_client(client, push, config);
                });
            }
        });
    }

    fn push_listen(&mut self, address: SocketAddr, config: &Config) {
        let others = config.listeners.iter().map(|listen| listen.address);
        if let Some((index, other)) = others
            .enumerate()
            .find(|(_, other)| super::overlap(address, *other))
        {
            let path = [Step::Key("listen"), Step::Index(index)];
            let other_line = self.map.place(&path).line;
            self.report(Problem::ListenersOverlap {
                address,
                other,
                other_line,
            });
        }
    }

    fn push_client(&mut self, client: &PushClient, push: &Push, config: &Config) {
        self.key("name", |judge| {
            if !is_plain_name(&client.name) {
                judge.report(Problem::PlainName {
                    name: client.name.clone(),
                });
            }
        });
        self.key("issuers", |judge| {
            judge.distinct(&client.issuers);
            for name in &client.issuers {
                if !config.issuers.iter().any(|issuer| issuer.name == *name) {
                    judge.report(Problem::NoSuchIssuer { name: name.clone() });
                }
            }
        });
        if client.token_sha256.is_empty() && client.certificate_sha256.is_empty() {
            self.report(Problem::NoCredential);
        }
        if !client.certificate_sha256.is_empty() && push.client_ca.is_none() {
            self.key("certificate_sha256", |judge| {
                judge.report(Problem::NoClientCa)
            });
        }
    }
}

/// As it stands in receipts, cursors and file names.
pub(super) fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet))
}

#[cfg(test)]
mod tests {
    use crate::config::{error::Problem, judge::judge, load::parse, place::Map};

    fn found(push: &str, client: &str) -> Vec<Problem> {
        let text = format!(
            "[[listen]]\naddress = \"127.0.0.1:8080\"\n[push]\ncertificate = \"t.pem\"\nkey = \"t.key\"\n\
             {push}\n[[push.client]]\n{client}\n\
             [[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n\
             [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"s.key\"\n"
        );
        let config = parse(&text).unwrap_or_else(|error| panic!("{}: {text}", error.message));
        let found = judge(&config, &Map::new(&text));
        found.into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn a_client_has_a_name_an_issuer_and_a_credential() {
        let listen = "listen = \"127.0.0.1:8443\"";
        let token = format!("token_sha256 = \"{}\"", "ab".repeat(32));
        let certificate = format!("certificate_sha256 = [\"{}\"]", "cd".repeat(32));
        let fine = format!("name = \"ejbca-1\"\nissuers = [\"a\"]\n{token}");
        assert_eq!(found(listen, &fine), []);
        assert_eq!(
            found(
                &format!("{listen}\nclient_ca = \"c.pem\""),
                &format!("{fine}\n{certificate}")
            ),
            []
        );
        let is_found = |push: &str, client: &str, expected: &str| {
            let problems = found(push, client);
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert!(
                problems.len() == 1 && told[0].contains(expected),
                "{client}: {told:?}"
            );
        };
        is_found("listen = \"127.0.0.1:8080\"", &fine, "is within");
        is_found(listen, &format!("{fine}\n{certificate}"), "client_ca");
        is_found(listen, "name = \"x\"\nissuers = [\"a\"]", "credential");
        is_found(listen, &fine.replace("[\"a\"]", "[\"b\"]"), "no issuer");
        is_found(listen, &fine.replace("[\"a\"]", "[]"), "empty");
        is_found(listen, &fine.replace("ejbca-1", "e j"), "letters");
        is_found(
            &format!("{listen}\nbody_octets = 100"),
            &fine,
            "out of range",
        );
        let twice = format!(
            "{fine}\n[[push.client]]\n{}",
            fine.replace("ejbca-1", "ejbca-2")
        );
        is_found(listen, &twice, "another client");
        let twice = format!(
            "{fine}\n[[push.client]]\n{}",
            fine.replace(&"ab".repeat(32), &"ef".repeat(32))
        );
        is_found(listen, &twice, "set twice");
    }
}
