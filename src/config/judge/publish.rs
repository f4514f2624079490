//! What must hold of `[publish]`.

use std::time::Duration;

use super::{Judge, is_file_name, is_request_path, is_variable, push::is_plain_name};
use crate::config::{
    error::Problem,
    feed::Target,
    place::Step,
    publish::{Publish, PublishTarget, Purge, StoreTarget},
    settings::Config,
};

impl Judge<'_> {
    pub(super) fn publish(&mut self, publish: &Publish, config: &Config) {
        self.key("manifest", |judge| {
            if !is_request_path(&publish.manifest) || publish.manifest == "/" {
                judge.report(Problem::RequestPath {
                    path: publish.manifest.clone(),
                });
            }
        });
        self.key("target", |judge| {
            for (index, target) in publish.targets.iter().enumerate() {
                let mut first = publish.targets.iter().take(index);
                let twice = first.position(|other| other.name() == target.name());
                let twice = twice.map(|first| judge.line(&[Step::Index(first), Step::Key("name")]));
                judge.index(index, |judge| {
                    judge.key("name", |judge| {
                        if !is_plain_name(target.name()) || target.name().starts_with('.') {
                            judge.report(Problem::PlainName {
                                name: target.name().to_owned(),
                            });
                        }
                        if let Some(first_line) = twice {
                            let value = format!("the name {:?}", target.name());
                            judge.report(Problem::Twice { value, first_line });
                        }
                    });
                    judge.publish_target(target, config);
                });
            }
        });
    }

    fn publish_target(&mut self, target: &PublishTarget, config: &Config) {
        self.key("issuers", |judge| {
            if !target.issuers().is_empty() {
                judge.distinct(target.issuers());
            }
            for name in target.issuers() {
                if !config.issuers.iter().any(|issuer| issuer.name == *name) {
                    judge.report(Problem::NoSuchIssuer { name: name.clone() });
                }
            }
        });
        self.key("purge", |judge| {
            for (index, purge) in target.purge().iter().enumerate() {
                judge.index(index, |judge| judge.purge(purge));
            }
        });
        match target {
            PublishTarget::Folder(folder) => {
                self.key("path", |judge| {
                    judge.not_empty(folder.path.as_os_str().is_empty());
                });
                self.key("mode", |judge| {
                    // Files that nobody else can read are of no use to a web server of its own user.
                    if folder.mode & 0o600 != 0o600 || folder.mode > 0o666 {
                        judge.report(Problem::FileMode { mode: folder.mode });
                    }
                });
            }
            PublishTarget::S3(store) | PublishTarget::Gcs(store) | PublishTarget::Azure(store) => {
                self.store(store, target.kind());
            }
        }
    }

    fn store(&mut self, store: &StoreTarget, kind: &'static str) {
        self.key("bucket", |judge| judge.not_empty(store.bucket.is_empty()));
        self.key("prefix", |judge| {
            let path = format!("/{}", store.prefix);
            if !store.prefix.is_empty() && !is_request_path(&path) {
                judge.report(Problem::StorePrefix {
                    prefix: store.prefix.clone(),
                });
            }
        });
        if let Some(endpoint) = &store.endpoint {
            self.key("endpoint", |judge| {
                if let Err(why) = Target::parse(endpoint) {
                    let url = endpoint.clone();
                    judge.report(Problem::Url { url, why });
                }
            });
        }
        for (key, is_set, of) in [
            ("region", store.region.is_some(), "s3"),
            ("virtual_host", store.virtual_host, "s3"),
            ("access_key_id", store.access_key_id.is_some(), "s3"),
            ("account", store.account.is_some(), "azure"),
        ] {
            if is_set && kind != of {
                self.key(key, |judge| judge.report(Problem::OtherStore { of }));
            }
        }
        let has_secret = store.secret().is_some();
        if kind == "azure" && (store.account.is_none() || !has_secret) {
            self.report(Problem::StoreCredentials {
                what: "account and the secret that is its access key",
            });
        }
        if kind == "s3" && store.access_key_id.is_some() != has_secret {
            self.report(Problem::StoreCredentials {
                what: "access_key_id and its secret together, or neither",
            });
        }
        let sources = [
            store.secret_file.is_some(),
            store.secret_env.is_some(),
            store.secret_credential.is_some(),
        ];
        if sources.into_iter().filter(|set| *set).count() > 1 {
            self.report(Problem::SeveralSecrets);
        }
        self.key("secret_env", |judge| {
            if store
                .secret_env
                .as_ref()
                .is_some_and(|name| !is_variable(name))
            {
                judge.report(Problem::EnvironmentName);
            }
        });
        self.key("secret_credential", |judge| {
            let name = store.secret_credential.as_ref();
            if let Some(name) = name.filter(|name| !is_file_name(name)) {
                judge.report(Problem::CredentialName { name: name.clone() });
            }
        });
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3_600));
        let why = "a store that does not answer is tried again";
        self.duration("timeout", store.timeout, least, most, why);
    }

    fn purge(&mut self, purge: &Purge) {
        match purge {
            Purge::Http(http) => self.key("hosts", |judge| {
                judge.distinct(&http.hosts);
                for host in &http.hosts {
                    let is_host = Target::parse(&format!("http://{host}/"))
                        .is_ok_and(|url| url.path == "/" && host.contains(':'));
                    if !is_host || host.contains('/') {
                        judge.report(Problem::PurgeHost { host: host.clone() });
                    }
                }
            }),
            Purge::Command(command) => {
                self.key("command", |judge| {
                    let program = command.command.first();
                    // Not looked up in a PATH that others may have set.
                    if !program.is_some_and(|program| program.starts_with('/')) {
                        judge.report(Problem::PurgeCommand);
                    }
                });
                let (least, most) = (Duration::from_secs(1), Duration::from_secs(600));
                let why = "deliveries wait for it";
                self.duration("timeout", command.timeout, least, most, why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{judge::judge, load::parse, place::Map};

    fn found(publish: &str) -> Vec<String> {
        let text = format!(
            "{publish}\n[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n\
             [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"s.key\"\n"
        );
        let config = parse(&text).unwrap_or_else(|error| panic!("{}: {text}", error.message));
        let found = judge(&config, &Map::new(&text));
        found
            .iter()
            .map(|finding| finding.problem.to_string())
            .collect()
    }

    #[test]
    fn targets_have_what_their_kind_needs_and_nothing_else() {
        let folder = "name = \"web\"\nkind = \"folder\"\npath = \"/srv/crl\"\n";
        let s3 = "name = \"s\"\nkind = \"s3\"\nbucket = \"crl\"\n";
        let key = "access_key_id = \"k\"\nsecret_file = \"s\"\n";
        let gcs = "name = \"g\"\nkind = \"gcs\"\nbucket = \"crl\"\n";
        let azure = "name = \"az\"\nkind = \"azure\"\nbucket = \"crl\"\n";
        for fine in [
            folder.to_owned(),
            format!("{folder}mode = 0o664\nissuers = [\"a\"]\n"),
            format!(
                "{folder}purge = [{{ kind = \"http\", hosts = [\"127.0.0.1:80\", \"[::1]:80\"] }}]\n"
            ),
            format!(
                "{folder}purge = [{{ kind = \"command\", command = [\"/bin/x\", \"-a\"], timeout = \"9s\" }}]\n"
            ),
            s3.to_owned(),
            format!(
                "{s3}{key}endpoint = \"http://127.0.0.1:8333\"\nprefix = \"a/b\"\nregion = \"r\"\n"
            ),
            gcs.to_owned(),
            format!("{gcs}secret_env = \"G\"\n"),
            format!("{azure}account = \"a\"\nsecret_credential = \"az\"\n"),
        ] {
            assert_eq!(
                found(&format!("[[publish.target]]\n{fine}")),
                [""; 0],
                "{fine}"
            );
        }
        for (wrong, words) in [
            (folder.replace("web", ".w"), "letters"),
            (folder.replace("/srv/crl", ""), "empty"),
            (format!("{folder}mode = 0o444\n"), "mode"),
            (format!("{folder}mode = 0o755\n"), "mode"),
            (format!("{folder}issuers = [\"b\"]\n"), "no issuer"),
            (
                format!("{folder}purge = [{{ kind = \"http\", hosts = [] }}]\n"),
                "empty",
            ),
            (
                format!("{folder}purge = [{{ kind = \"http\", hosts = [\"x\"] }}]\n"),
                "host:port",
            ),
            (
                format!("{folder}purge = [{{ kind = \"http\", hosts = [\"x:1/y\"] }}]\n"),
                "host:port",
            ),
            (
                format!("{folder}purge = [{{ kind = \"command\", command = [\"x\"] }}]\n"),
                "absolute",
            ),
            (format!("{s3}access_key_id = \"k\"\n"), "together"),
            (format!("{s3}{key}secret_env = \"E\"\n"), "only one"),
            (format!("{s3}prefix = \"/a\"\n"), "prefix"),
            (format!("{s3}endpoint = \"ftp://x\"\n"), "http://"),
            (format!("{s3}account = \"a\"\n"), "azure"),
            (format!("{gcs}region = \"r\"\n"), "s3"),
            (azure.to_owned(), "account"),
        ] {
            let told = found(&format!("[[publish.target]]\n{wrong}"));
            assert!(
                told.len() == 1 && told[0].contains(words),
                "{wrong}: {told:?}"
            );
        }
        let twice = format!("[[publish.target]]\n{folder}[[publish.target]]\n{folder}");
        assert!(found(&twice)[0].contains("set twice"));
        assert!(found("[publish]\nmanifest = \"crl\"\n")[0].contains("path"));
    }
}
