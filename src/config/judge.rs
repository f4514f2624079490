//! Limits on values, and what must fit together.

mod crl;
mod feeds;
mod paths;
mod profile;
mod tokens;

use std::{
    collections::HashMap, net::SocketAddr, os::unix::ffi::OsStrExt as _, path::PathBuf,
    time::Duration,
};

use crate::{asn1::CrlReason, change::ExpectedScope};

use super::{
    ca::Ca,
    error::{Finding, Problem},
    place::{Map, Step},
    settings::{Config, Evidence, Http, Issuer, LedgerSettings, Limits, NotIssued, Signer},
    token::Token,
};

/// Everything that is wrong with `config`, whose text is `map`; its paths are resolved already.
pub(super) fn judge(config: &Config, map: &Map<'_>) -> Vec<Finding> {
    let mut judge = Judge {
        map,
        path: Vec::new(),
        found: Vec::new(),
    };
    judge.config(config);
    judge.found
}

mod publish;
mod push;

struct Judge<'a> {
    map: &'a Map<'a>,
    /// The way to what is judged now.
    path: Vec<Step>,
    found: Vec<Finding>,
}

impl Judge<'_> {
    fn config(&mut self, config: &Config) {
        self.key("state_dir", |judge| {
            judge.not_empty(config.state_dir.as_os_str().is_empty());
        });
        self.key("admin", |judge| {
            judge.key("socket", |judge| judge.admin_socket(config));
        });
        self.key("ledger", |judge| judge.ledger(&config.ledger));
        self.key("listen", |judge| judge.listeners(config));
        self.key("http", |judge| judge.http(&config.http));
        self.key("limits", |judge| judge.limits(&config.limits));
        if let Some(push) = &config.push {
            self.key("push", |judge| judge.push(push, config));
        }
        self.key("publish", |judge| judge.publish(&config.publish, config));
        self.key("token", |judge| judge.tokens(&config.tokens));
        self.key("signer_process", |judge| judge.signer_process(config));
        self.key("issuer", |judge| {
            judge.issuers(&config.issuers, &config.tokens)
        });
        self.paths(config);
    }

    fn admin_socket(&mut self, config: &Config) {
        let path = config.admin_socket();
        let octets = path.as_os_str().as_bytes().len();
        if octets > SOCKET_PATH_MAX {
            self.report(Problem::SocketPath {
                path,
                octets,
                max: SOCKET_PATH_MAX,
            });
        }
    }

    fn signer_process(&mut self, config: &Config) {
        let settings = &config.signer_process;
        self.duration(
            "deadline",
            settings.deadline,
            Duration::from_secs(1),
            Duration::from_secs(60),
            "a slow token needs seconds, and what hangs is to be noticed",
        );
        let Some(path) = &settings.socket else {
            return;
        };
        self.key("socket", |judge| {
            let octets = path.as_os_str().as_bytes().len();
            judge.not_empty(octets == 0);
            if octets > SOCKET_PATH_MAX {
                judge.report(Problem::SocketPath {
                    path: path.clone(),
                    octets,
                    max: SOCKET_PATH_MAX,
                });
            } else if *path == config.admin_socket() {
                let first_line = judge.line(&[]);
                judge.report(Problem::Twice {
                    value: format!("the socket {}", path.display()),
                    first_line,
                });
            }
        });
    }

    fn ledger(&mut self, ledger: &LedgerSettings) {
        if let Some(key) = &ledger.key {
            self.key("key", |judge| judge.not_empty(key.as_os_str().is_empty()));
        }
        // C2SP signed-note: the name stands in a line, between spaces.
        let unfit = |sign: char| sign.is_whitespace() || sign.is_control() || sign == '+';
        if let Some(origin) = &ledger.origin
            && (origin.is_empty() || origin.len() > 255 || origin.contains(unfit))
        {
            self.key("origin", |judge| {
                judge.report(Problem::Origin {
                    origin: origin.clone(),
                });
            });
        }
    }

    fn listeners(&mut self, config: &Config) {
        if config.listeners.is_empty() {
            self.report(Problem::NoListener);
        }
        for (index, listen) in config.listeners.iter().enumerate() {
            let address = listen.address;
            let earlier = config
                .listeners
                .iter()
                .take(index)
                .map(|listen| listen.address);
            let Some((other_index, other)) = earlier
                .enumerate()
                .find(|(_, other)| overlap(address, *other))
            else {
                continue;
            };
            let other_line = self.line(&[Step::Index(other_index)]);
            self.index(index, |judge| {
                judge.key("address", |judge| {
                    judge.report(if address == other {
                        Problem::Twice {
                            value: address.to_string(),
                            first_line: other_line,
                        }
                    } else {
                        Problem::ListenersOverlap {
                            address,
                            other,
                            other_line,
                        }
                    });
                });
            });
        }
    }

    fn http(&mut self, http: &Http) {
        self.key("ocsp_paths", |judge| {
            judge.distinct(&http.ocsp_paths);
            for path in http.ocsp_paths.iter().filter(|path| !is_request_path(path)) {
                judge.report(Problem::RequestPath { path: path.clone() });
            }
        });
    }

    fn limits(&mut self, limits: &Limits) {
        // What a request needs at least: RFC 6960's smallest has about 70 octets, RFC 9919 §6 has
        // clients GET up to 255. At most: nobody's request, but an operator's slip of the keyboard.
        self.number("request_octets", limits.request_octets, 128, 65_536);
        self.number("get_path_octets", limits.get_path_octets, 256, 65_536);
        self.number("cert_ids", limits.cert_ids, 1, 256);
        self.number("connections", limits.connections, 1, 1_000_000);
        self.number("live_queue", limits.live_queue, 1, 1_000_000);
        self.number("live_threads", limits.live_threads, 0, 256);
        let (second, minute, hour) = (
            Duration::from_secs(1),
            Duration::from_secs(60),
            Duration::from_secs(3_600),
        );
        let waits = "a client gives up sooner than that, or is cut off while it still sends";
        self.duration(
            "header_timeout",
            limits.header_timeout,
            second,
            minute,
            waits,
        );
        self.duration("idle_timeout", limits.idle_timeout, second, hour, waits);
        self.duration("write_timeout", limits.write_timeout, second, minute, waits);
        self.duration(
            "live_deadline",
            limits.live_deadline,
            Duration::from_millis(10),
            Duration::from_secs(10),
            "BR §4.10.2 wants every answer within 10 s",
        );
        self.duration(
            "drain_time",
            limits.drain_time,
            Duration::ZERO,
            Duration::from_secs(80),
            "systemd kills what takes longer than 90 s to stop",
        );
    }

    fn issuers(&mut self, issuers: &[Issuer], tokens: &[Token]) {
        if issuers.is_empty() {
            self.report(Problem::NoIssuer);
        }
        let mut first = HashMap::new();
        for (index, issuer) in issuers.iter().enumerate() {
            let first_index = *first.entry(issuer.name.as_str()).or_insert(index);
            let first_line = self.line(&[Step::Index(first_index), Step::Key("name")]);
            self.index(index, |judge| {
                judge.key("name", |judge| {
                    judge.name(&issuer.name);
                    if first_index != index {
                        judge.report(Problem::Twice {
                            value: format!("the name {:?}", issuer.name),
                            first_line,
                        });
                    }
                });
                judge.issuer(issuer, tokens);
            });
        }
    }

    fn issuer(&mut self, issuer: &Issuer, tokens: &[Token]) {
        self.key("certificate", |judge| {
            judge.not_empty(issuer.certificate.as_os_str().is_empty());
        });
        self.key("crl_signers", |judge| judge.files(&issuer.crl_signers));
        self.key("crl_issuers", |judge| judge.files(&issuer.crl_issuers));
        self.key("crl_scopes", |judge| {
            if !issuer.crl_scopes.is_empty() {
                judge.distinct(&issuer.crl_scopes);
            }
            // Those of its feeds too, where none are written here.
            let scopes = issuer.crl_scopes();
            if let Some((scope, reasons)) = ExpectedScope::reasons_missing(&scopes) {
                let names: Vec<&str> = reasons.reasons().map(CrlReason::name).collect();
                judge.report(Problem::ReasonsMissing {
                    scope: scope.to_string(),
                    reasons: names.join(", "),
                });
            }
        });
        self.key("not_issued", |judge| {
            if issuer.not_issued == NotIssued::Good && issuer.evidence != Evidence::Feed {
                judge.report(Problem::GoodWithoutFeed);
            }
        });
        self.profile(issuer);
        self.times(issuer);
        self.key("cert_id_hashes", |judge| {
            judge.distinct(&issuer.cert_id_hashes);
        });
        self.key("signer", |judge| {
            if issuer.signers.is_empty() {
                judge.report(Problem::NoSigner);
            }
            for (index, signer) in issuer.signers.iter().enumerate() {
                judge.index(index, |judge| {
                    // A second one would never sign: better refused than silently left aside.
                    if index > 0 {
                        judge.report(Problem::SeveralSigners);
                    }
                    judge.signer(signer, tokens);
                });
            }
        });
        if let Some(crl) = &issuer.crl {
            self.key("crl", |judge| judge.crl(crl, tokens));
        }
        if let Some(ca) = &issuer.ca {
            self.key("ca", |judge| judge.ca(ca, tokens));
        }
        self.key("feed", |judge| judge.feeds(&issuer.feeds));
    }

    fn files(&mut self, paths: &[PathBuf]) {
        if !paths.is_empty() {
            self.distinct(paths);
        }
        for (index, path) in paths.iter().enumerate() {
            self.index(index, |judge| {
                judge.not_empty(path.as_os_str().is_empty());
            });
        }
    }

    /// BR §4.9.9, which Mozilla §6 and the Microsoft programme tighten.
    fn times(&mut self, issuer: &Issuer) {
        let (validity, renew) = (issuer.validity, issuer.renew);
        self.key("validity", |judge| {
            judge.range(validity, VALIDITY_MIN, VALIDITY_MAX, VALIDITY_WHY);
            judge.whole_seconds(validity);
        });
        self.key("renew", |judge| {
            let half = validity / 2;
            let (latest, why) = if half > RENEW_MAX {
                (RENEW_MAX, "BR §4.9.9: within four days of thisUpdate")
            } else {
                (
                    half,
                    "the Microsoft programme and BR §4.9.9: by half of the validity",
                )
            };
            if renew < Duration::from_secs(1) {
                // thisUpdate has whole seconds and must rise with each signature.
                judge.range(
                    renew,
                    Duration::from_secs(1),
                    latest,
                    "thisUpdate counts seconds",
                );
            } else if renew > latest {
                judge.report(Problem::RenewTooLate {
                    renew,
                    validity,
                    latest,
                    why,
                });
            }
            judge.whole_seconds(renew);
        });
        self.key("cache_max_age", |judge| {
            let cache_max_age = issuer.cache_max_age();
            if cache_max_age > validity {
                judge.report(Problem::CachedPastValidity {
                    cache_max_age,
                    validity,
                });
            }
            judge.whole_seconds(cache_max_age);
        });
    }

    fn signer(&mut self, signer: &Signer, tokens: &[Token]) {
        self.key("certificate", |judge| {
            judge.not_empty(signer.certificate.as_os_str().is_empty());
        });
        let has_passphrase = signer.passphrase().is_some();
        self.private_key(&signer.key, signer.token.as_deref(), has_passphrase, tokens);
        self.passphrase(
            signer.passphrase_file.is_some(),
            signer.passphrase_env.as_ref(),
            signer.passphrase_credential.as_ref(),
        );
    }

    fn ca(&mut self, ca: &Ca, tokens: &[Token]) {
        let has_passphrase = ca.passphrase().is_some();
        self.private_key(&ca.key, ca.token.as_deref(), has_passphrase, tokens);
        self.passphrase(
            ca.passphrase_file.is_some(),
            ca.passphrase_env.as_ref(),
            ca.passphrase_credential.as_ref(),
        );
        self.key("ocsp_urls", |judge| judge.distinct(&ca.ocsp_urls));
    }

    /// One source at most, and a name that can be one.
    fn passphrase(&mut self, file: bool, env: Option<&String>, credential: Option<&String>) {
        let sources = [file, env.is_some(), credential.is_some()];
        if sources.into_iter().filter(|set| *set).count() > 1 {
            self.report(Problem::SeveralPassphrases);
        }
        self.key("passphrase_env", |judge| {
            judge.variable(env.map(String::as_str));
        });
        self.key("passphrase_credential", |judge| {
            judge.credential(credential.map(String::as_str));
        });
    }

    fn variable(&mut self, name: Option<&str>) {
        if name.is_some_and(|name| !is_variable(name)) {
            self.report(Problem::EnvironmentName);
        }
    }

    fn credential(&mut self, name: Option<&str>) {
        if let Some(name) = name.filter(|name| !is_file_name(name)) {
            let name = name.to_owned();
            self.report(Problem::CredentialName { name });
        }
    }

    fn name(&mut self, name: &str) {
        if name.is_empty() {
            self.report(Problem::Empty);
        } else if name.trim() != name
            || name.chars().any(char::is_control)
            || name.chars().count() > NAME_MAX
        {
            self.report(Problem::Name {
                name: name.to_owned(),
                max: NAME_MAX,
            });
        }
    }

    fn not_empty(&mut self, is_empty: bool) {
        if is_empty {
            self.report(Problem::Empty);
        }
    }

    fn distinct<T: PartialEq + std::fmt::Debug>(&mut self, list: &[T]) {
        if list.is_empty() {
            self.report(Problem::EmptyList);
        }
        for (index, value) in list.iter().enumerate() {
            if list.iter().take(index).any(|other| other == value) {
                let first_line = self.line(&[]);
                self.report(Problem::Twice {
                    value: format!("{value:?}").to_lowercase(),
                    first_line,
                });
            }
        }
    }

    fn number(&mut self, key: &'static str, value: usize, min: usize, max: usize) {
        if !(min..=max).contains(&value) {
            self.key(key, |judge| {
                judge.report(Problem::Number { value, min, max })
            });
        }
    }

    fn duration(
        &mut self,
        key: &'static str,
        value: Duration,
        min: Duration,
        max: Duration,
        why: &'static str,
    ) {
        self.key(key, |judge| judge.range(value, min, max, why));
    }

    fn range(&mut self, value: Duration, min: Duration, max: Duration, why: &'static str) {
        if !(min..=max).contains(&value) {
            self.report(Problem::Duration {
                value,
                min,
                max,
                why,
            });
        }
    }

    fn whole_seconds(&mut self, value: Duration) {
        if value.subsec_nanos() != 0 {
            self.report(Problem::NotWholeSeconds { value });
        }
    }

    fn key(&mut self, key: &'static str, inside: impl FnOnce(&mut Self)) {
        self.step(Step::Key(key), inside);
    }

    fn index(&mut self, index: usize, inside: impl FnOnce(&mut Self)) {
        self.step(Step::Index(index), inside);
    }

    fn step(&mut self, step: Step, inside: impl FnOnce(&mut Self)) {
        self.path.push(step);
        inside(self);
        self.path.pop();
    }

    /// The line of what is `below` what is judged now.
    fn line(&self, below: &[Step]) -> usize {
        self.map.place(&[&self.path, below].concat()).line
    }

    fn report(&mut self, problem: Problem) {
        let keys = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Index(_) => None,
        });
        self.found.push(Finding {
            place: self.map.place(&self.path),
            key: keys.collect::<Vec<_>>().join("."),
            problem,
        });
    }
}

/// Whether the kernel would refuse to listen on both. Port 0 is another port each time; an IPv6
/// wildcard does not take IPv4 here, so that `0.0.0.0` and `[::]` can stand side by side.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

fn is_request_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/');
    path.starts_with('/')
        && (path == "/" || !path.ends_with('/'))
        && !path.contains("//")
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && path.chars().all(plain)
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// `sun_path` has 108 octets with the NUL at its end.
pub(crate) const SOCKET_PATH_MAX: usize = 107;

const NAME_MAX: usize = 128;

/// BR §4.9.9 counts both ends, so that an answer from 08:00:00 to 15:59:59 is valid for 8 h.
const VALIDITY_MIN: Duration = Duration::from_secs(8 * 3_600 - 1);
const VALIDITY_MAX: Duration = Duration::from_secs(10 * 24 * 3_600 - 1);
const VALIDITY_WHY: &str = "BR §4.9.9: 8 hours to 10 days, both ends included";

/// BR §4.9.7: a CRL of certificates of CAs holds twelve months at most.
const RENEW_MAX: Duration = Duration::from_secs(4 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse;

    /// A configuration in which only `lines` differ from one that is fine.
    pub(super) fn found(top: &str, issuer: &str, signer: &str) -> Vec<Problem> {
        let text = format!(
            "{top}\n[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n{issuer}\n\
             [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"s.key\"\n{signer}\n"
        );
        let config = parse(&text).unwrap_or_else(|error| panic!("{}: {text}", error.message));
        let found = judge(&config, &Map::new(&text));
        found.into_iter().map(|finding| finding.problem).collect()
    }

    #[test]
    fn the_least_configuration_is_fine() {
        assert_eq!(found("", "", ""), []);
    }

    #[test]
    fn validity_and_renewal_keep_to_the_programmes() {
        for (validity, renew, fine) in [
            ("95h59m59s", "24h", true),
            ("95h59m59s", "47h59m59s", true),
            ("95h59m59s", "48h", false),    // past half
            ("7h59m59s", "3h59m59s", true), // eight hours with both ends
            ("7h59m58s", "1h", false),
            ("8h", "4h", true),
            ("239h59m59s", "4d", true), // ten days with both ends, less than half, four days
            ("239h59m59s", "96h0m1s", false),
            ("10d", "24h", false),
            ("24h", "500ms", false),
            ("24h", "1s", true),
            ("24h", "1500ms", false),
            ("86400500ms", "1h", false),
        ] {
            let issuer = format!("validity = \"{validity}\"\nrenew = \"{renew}\"");
            let found = found("", &issuer, "");
            assert_eq!(found.is_empty(), fine, "{validity} {renew}: {found:?}");
        }
    }

    #[test]
    fn a_cache_may_not_outlive_the_answer() {
        assert_eq!(
            found(
                "",
                "validity = \"8h\"\nrenew = \"1h\"\ncache_max_age = \"8h\"",
                ""
            ),
            []
        );
        assert!(matches!(
            found(
                "",
                "validity = \"8h\"\nrenew = \"1h\"\ncache_max_age = \"9h\"",
                ""
            )[..],
            [Problem::CachedPastValidity { .. }]
        ));
    }

    #[test]
    fn a_profile_refuses_the_settings_that_break_it() {
        let against = |profile: &str, lines: &str, rest: &str| {
            let issuer = format!("profile = \"{profile}\"\n{lines}");
            let problems = found("", &issuer, rest);
            let is_profile = |problem: &Problem| matches!(problem, Problem::AgainstProfile { .. });
            problems
                .iter()
                .filter(|problem| is_profile(problem))
                .count()
        };
        const CRL: &str = "[issuer.crl]\nurl = \"http://a.example/a.crl\"\nkey = \"ca.key\"\n";
        const DELTA: &str = "[issuer.crl.delta]\nurl = \"http://a.example/d.crl\"\n";
        let good = "evidence = \"feed\"\nnot_issued = \"good\"";
        for (profile, lines, rest, broken) in [
            ("private", good, "", 0),
            ("br", "", CRL, 0),
            ("br", good, CRL, 1),
            ("br", good, &*format!("{CRL}{DELTA}"), 2),
            ("br", "keep_expired = \"1d\"", "", 0),
            ("etsi-qualified", "", "", 0),
            ("etsi-qualified", good, "", 1),
            ("etsi-qualified", "keep_expired = \"10y\"", "", 1),
            ("etsi-qualified", "archive_cutoff = false", "", 1),
            ("etsi-qualified", "cache_max_age = \"61m\"", "", 1),
            ("etsi-qualified", "", CRL, 1),
            (
                "etsi-qualified",
                "",
                &*format!("{CRL}keep_expired = true\n"),
                0,
            ),
            (
                "etsi-qualified",
                "",
                &*format!("{CRL}keep_expired = true\n{DELTA}"),
                0,
            ),
        ] {
            assert_eq!(
                against(profile, lines, rest),
                broken,
                "{profile} {lines} {rest}"
            );
        }
    }

    #[test]
    fn what_a_profile_sets_is_not_set_where_it_is_configured() {
        let issuer = |lines: &str| {
            let text = format!("[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n{lines}\n");
            let mut parsed = parse(&text).unwrap_or_else(|error| panic!("{}", error.message));
            parsed.issuers.remove(0)
        };
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        for (lines, cache_max_age, archive_cutoff) in [
            ("", hours(1), false),
            ("profile = \"br\"", hours(12), false),
            ("profile = \"br\"\nvalidity = \"8h\"", hours(8), false),
            ("profile = \"br\"\ncache_max_age = \"2h\"", hours(2), false),
            ("profile = \"etsi-qualified\"", hours(1), true),
            ("archive_cutoff = true", hours(1), true),
        ] {
            let issuer = issuer(lines);
            assert_eq!(issuer.cache_max_age(), cache_max_age, "{lines}");
            assert_eq!(issuer.archive_cutoff(), archive_cutoff, "{lines}");
        }
    }

    #[test]
    fn listeners_that_could_not_both_be_opened_are_refused() {
        for (one, other, fine) in [
            ("127.0.0.1:80", "127.0.0.2:80", true),
            ("127.0.0.1:80", "127.0.0.1:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", true),
            ("0.0.0.0:80", "127.0.0.1:80", false),
            ("0.0.0.0:80", "[::]:80", true),
            ("[::1]:80", "[::]:80", false),
            ("[::1]:80", "[::]:81", true),
        ] {
            let top = format!("[[listen]]\naddress = \"{one}\"\n[[listen]]\naddress = \"{other}\"");
            let found = found(&top, "", "");
            assert_eq!(found.is_empty(), fine, "{one} {other}: {found:?}");
        }
        assert_eq!(found("listen = []", "", ""), [Problem::NoListener]);
    }

    #[test]
    fn request_paths_are_plain() {
        for (paths, fine) in [
            ("\"/\"", true),
            ("\"/ocsp\", \"/\", \"/ca-1/v1.0/status\"", true),
            ("", false),
            ("\"ocsp\"", false),
            ("\"/ocsp/\"", false),
            ("\"//\"", false),
            ("\"/a//b\"", false),
            ("\"/a/../b\"", false),
            ("\"/a?b\"", false),
            ("\"/a%20b\"", false),
            ("\"/ocsp\", \"/ocsp\"", false),
        ] {
            let found = found(&format!("http = {{ ocsp_paths = [{paths}] }}"), "", "");
            assert_eq!(found.is_empty(), fine, "{paths}: {found:?}");
        }
    }

    #[test]
    fn limits_have_limits() {
        for line in [
            "request_octets = 0",
            "get_path_octets = 100000",
            "cert_ids = 0",
            "connections = 0",
            "live_queue = 0",
            "header_timeout = \"0s\"",
            "idle_timeout = \"2h\"",
            "write_timeout = \"100ms\"",
            "live_deadline = \"1m\"",
            "drain_time = \"10m\"",
        ] {
            let found = found(&format!("[limits]\n{line}"), "", "");
            assert_eq!(found.len(), 1, "{line}: {found:?}");
        }
    }

    #[test]
    fn names_and_hashes() {
        assert_eq!(found("", "cert_id_hashes = []", ""), [Problem::EmptyList]);
        let twice = found("", "cert_id_hashes = [\"sha1\", \"sha1\"]", "");
        assert!(matches!(&twice[..], [Problem::Twice { value, .. }] if value == "sha1"));
        for (name, fine) in [
            ("مرکز صدور ۱", true),
            (" a", false),
            ("a\\n", false),
            ("", false),
        ] {
            let text = format!(
                "[[issuer]]\nname = \"{name}\"\ncertificate = \"c\"\n\
                 signer = [{{ certificate = \"s\", key = \"k\" }}]"
            );
            let config = parse(&text).unwrap_or_else(|error| panic!("{}", error.message));
            assert_eq!(judge(&config, &Map::new(&text)).is_empty(), fine, "{name}");
        }
    }

    #[test]
    fn good_for_what_was_not_issued_is_for_crls_alone() {
        assert_eq!(
            found("", "not_issued = \"good\"", ""),
            [Problem::GoodWithoutFeed]
        );
        let explicit = "evidence = \"ledger\"\nnot_issued = \"good\"";
        assert_eq!(found("", explicit, ""), [Problem::GoodWithoutFeed]);
        let fed = "evidence = \"feed\"\nnot_issued = \"good\"\nresponder_id = \"name\"";
        assert_eq!(found("", fed, ""), []);
        for policy in ["unauthorized", "unknown", "extended_revoked"] {
            let fed = format!("evidence = \"feed\"\nnot_issued = \"{policy}\"");
            assert_eq!(found("", &fed, ""), []);
        }
    }

    #[test]
    fn crl_signers_are_files_each_once() {
        assert_eq!(found("", "crl_signers = [\"a.pem\", \"b.pem\"]", ""), []);
        assert_eq!(found("", "crl_signers = []", ""), []);
        assert_eq!(found("", "crl_signers = [\"\"]", ""), [Problem::Empty]);
        assert!(matches!(
            found("", "crl_signers = [\"a.pem\", \"a.pem\"]", "")[..],
            [Problem::Twice { .. }]
        ));
    }

    #[test]
    fn scopes_of_some_reasons_name_every_reason_together() {
        let some = "\"full reasons=keyCompromise,cACompromise\"";
        let rest = "\"full reasons=affiliationChanged,superseded,cessationOfOperation,\
                    certificateHold,privilegeWithdrawn,aACompromise\"";
        let both = format!("crl_scopes = [{some}, {rest}]");
        assert_eq!(found("", &both, ""), []);
        assert!(matches!(
            &found("", &format!("crl_scopes = [{rest}]"), "")[..],
            [Problem::ReasonsMissing { scope, reasons }]
                if scope == "full" && reasons == "keyCompromise, cACompromise"
        ));
    }

    #[test]
    fn what_is_there_twice_is_named_with_its_line() {
        let text = "[[issuer]]\nname = \"a\"\ncertificate = \"1\"\n\
                    signer = [{ certificate = \"s\", key = \"k\" }, { certificate = \"s\", key = \"l\" }]\n\
                    [[issuer]]\ncertificate = \"2\"\nname = \"a\"\n";
        let config = parse(text).unwrap_or_else(|error| panic!("{}", error.message));
        let found: Vec<String> = judge(&config, &Map::new(text))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "4:45: issuer.signer: this issuer has another signer already: one key signs for an \
                 issuer at a time, leave the one that is meant",
                "7:1: issuer.name: the name \"a\" is set twice, first in line 2",
                "5:1: issuer.signer: this issuer has no signer: add an [[issuer.signer]] table with \
                 the certificate and the key",
            ]
        );
    }

    #[test]
    fn a_passphrase_comes_from_one_place() {
        assert_eq!(found("", "", "passphrase_file = \"p\""), []);
        assert_eq!(found("", "", "passphrase_env = \"OCSP_PASS\""), []);
        assert_eq!(found("", "", "passphrase_credential = \"ocsp-key\""), []);
        assert_eq!(
            found("", "", "passphrase_env = \"A\"\npassphrase_file = \"p\""),
            [Problem::SeveralPassphrases]
        );
        assert!(matches!(
            found("", "", "passphrase_credential = \"../x\"")[..],
            [Problem::CredentialName { .. }]
        ));
    }

    #[test]
    fn a_ca_has_a_key_and_says_where_its_certificates_are_asked_about() {
        let found_in_ca = |lines: &str| found("", "", &format!("[issuer.ca]\n{lines}"));
        let url = "ocsp_urls = [\"http://a/\"]";
        assert_eq!(found_in_ca(&format!("key = \"k\"\n{url}")), []);
        assert_eq!(
            found_in_ca("key = \"k\"\nocsp_urls = []"),
            [Problem::EmptyList]
        );
        assert_eq!(
            found_in_ca(&format!(
                "key = \"\"\n{url}\npassphrase_file = \"p\"\npassphrase_env = \"P\""
            )),
            [Problem::Empty, Problem::SeveralPassphrases]
        );
    }

    #[test]
    fn a_secret_in_place_of_its_name_is_not_shown() {
        let found = found("", "", "passphrase_env = \"hunter2 !\"");
        assert_eq!(found, [Problem::EnvironmentName]);
        assert!(!format!("{found:?} {}", found[0]).contains("hunter2"));
    }

    #[test]
    fn a_socket_path_must_fit_the_kernel() {
        let long = "x".repeat(120);
        assert!(matches!(
            found(&format!("state_dir = \"/{long}\""), "", "")[..],
            [Problem::SocketPath { octets: 132, .. }]
        ));
        let top = format!("state_dir = \"/{long}\"\nadmin.socket = \"/run/estelam/admin.sock\"");
        assert_eq!(found(&top, "", ""), []);
    }

    #[test]
    fn the_name_of_a_log_fits_a_line() {
        for origin in ["", "two words", "a+b", "a\u{a0}b"] {
            let found = found(&format!("ledger.origin = \"{origin}\""), "", "");
            assert!(matches!(&found[..], [Problem::Origin { .. }]), "{found:?}");
        }
        assert_eq!(found("ledger.origin = \"example.org/log\"", "", ""), []);
    }

    #[test]
    fn no_issuer_is_named() {
        let config = Config::default();
        let found = judge(&config, &Map::new(""));
        assert!(matches!(
            &found[..],
            [Finding {
                problem: Problem::NoIssuer,
                ..
            }]
        ));
    }
}
