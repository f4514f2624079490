//! That no two things want one path.

use std::collections::HashMap;

use super::Judge;
use crate::{
    catalog::crls::url_path,
    config::{error::Problem, place::Step, settings::Config},
};

/// A path that something is served at.
struct Claim {
    /// The way to its setting.
    at: Vec<Step>,
    path: String,
    /// What would be served there.
    what: String,
}

impl Judge<'_> {
    /// Judges the URLs of what is served, and that each has a path of its own. Whatever else gets a URL
    /// is claimed here; a CRL is claimed with `.pem` behind its path too.
    pub(super) fn paths(&mut self, config: &Config) {
        let mut claims = Vec::new();
        for path in &config.http.ocsp_paths {
            claims.push(Claim {
                at: vec![Step::Key("http"), Step::Key("ocsp_paths")],
                path: path.clone(),
                what: "OCSP requests".to_owned(),
            });
        }
        if config.issuers.iter().any(|issuer| issuer.crl.is_some()) {
            claims.push(Claim {
                at: vec![Step::Key("publish"), Step::Key("manifest")],
                path: config.publish.manifest.clone(),
                what: "the manifest of all CRLs".to_owned(),
            });
        }
        for (index, issuer) in config.issuers.iter().enumerate() {
            let name = &issuer.name;
            if let Some(crl) = &issuer.crl {
                for (key, url) in crl.urls() {
                    let issuer = [Step::Key("issuer"), Step::Index(index), Step::Key("crl")];
                    let at: Vec<Step> = issuer
                        .into_iter()
                        .chain(key.iter().map(|key| Step::Key(key)))
                        .collect();
                    let path = url_path(&url);
                    let what = format!("the CRL {url} of issuer {name:?}");
                    for path in [path.to_owned(), format!("{path}.pem")] {
                        let (at, what) = (at.clone(), what.clone());
                        claims.push(Claim { at, path, what });
                    }
                }
            }
            let Some(url) = &issuer.certificate_url else {
                continue;
            };
            let at = [
                Step::Key("issuer"),
                Step::Index(index),
                Step::Key("certificate_url"),
            ];
            self.within(&at, |judge| judge.served_url(url));
            claims.push(Claim {
                at: at.to_vec(),
                path: url_path(url).to_owned(),
                what: format!("the certificate of issuer {name:?}"),
            });
        }
        self.each_its_own(&claims);
    }

    fn each_its_own(&mut self, claims: &[Claim]) {
        let mut first: HashMap<&str, &Claim> = HashMap::new();
        for claim in claims {
            let other = *first.entry(&claim.path).or_insert(claim);
            // Two of the same list are told there.
            if other.at == claim.at {
                continue;
            }
            let problem = Problem::PathTaken {
                path: claim.path.to_owned(),
                other: other.what.clone(),
                other_line: self.line(&other.at),
            };
            self.within(&claim.at, |judge| judge.report(problem));
        }
    }

    /// A URL that certificates name, and whose path is served here.
    pub(super) fn served_url(&mut self, url: &str) {
        let refuse = |why| Problem::ServedUrl {
            url: url.to_owned(),
            why,
        };
        let rest = url.strip_prefix("http://");
        let host = rest.and_then(|rest| rest.split(['/', ':']).next());
        let fits = |octet: u8| octet.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&octet);
        let problem = if rest.is_none() {
            "it has to begin with http:// (an https server's certificate would need its status first)"
        } else if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
            "a host has to follow http://"
        } else if url.len() > URL_OCTETS_MAX {
            "it is longer than 1024 octets"
        } else if !url.bytes().all(fits) {
            "it has to be written in the ASCII characters of a URL, others escaped with %"
        } else if url.contains(['?', '#']) {
            "neither a query nor a fragment belongs there"
        } else if url_path(url).ends_with('/') {
            "it has to end with the name of a file, as in http://pki.example.org/ca.cer"
        } else {
            return;
        };
        self.report(refuse(problem));
    }

    fn within(&mut self, steps: &[Step], inside: impl FnOnce(&mut Self)) {
        let outside = self.path.len();
        self.path.extend_from_slice(steps);
        inside(self);
        self.path.truncate(outside);
    }
}

/// Longer ones are an accident; clients have limits of about 2 KiB.
const URL_OCTETS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use crate::config::{error::Problem, judge::judge, load::parse, place::Map};

    fn found(top: &str, urls: &[&str]) -> Vec<String> {
        let mut text = format!("{top}\n");
        for (index, url) in urls.iter().enumerate() {
            text.push_str(&format!(
                "[[issuer]]\nname = \"{index}\"\ncertificate = \"c\"\ncertificate_url = \"{url}\"\n\
                 signer = [{{ certificate = \"s\", key = \"k\" }}]\n"
            ));
        }
        let config = parse(&text).unwrap_or_else(|error| panic!("{}", error.message));
        let found = judge(&config, &Map::new(&text));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_path_is_served_once() {
        assert_eq!(
            found("", &["http://a/1.cer", "http://a:8080/x/2.cer"]),
            [""; 0]
        );
        let twice = found("", &["http://a/ca.cer", "http://b/ca.cer"]);
        assert_eq!(twice.len(), 1, "{twice:?}");
        assert_eq!(
            twice[0],
            "10:1: issuer.certificate_url: \"/ca.cer\" is where the certificate of issuer \"0\" is \
             served already (line 5): each needs a path of its own"
        );
        let mount = found("http.ocsp_paths = [\"/ca.cer\"]", &["http://a/ca.cer"]);
        assert!(mount[0].contains("OCSP requests"), "{mount:?}");
    }

    #[test]
    fn a_url_is_one_that_clients_can_follow() {
        for url in [
            "",
            "ca.cer",
            "https://a/ca.cer",
            "http://",
            "http:///ca.cer",
            "http://u@a/ca.cer",
            "http://a",
            "http://a/",
            "http://a/x/",
            "http://a/ca.cer?x",
            "http://a/ca.cer#x",
            "http://a/c a.cer",
            "http://a/\u{645}.cer",
            &format!("http://a/{}", "a".repeat(1_024)),
        ] {
            let found = found("", &[url]);
            let is_url = |it: &String| it.contains("can be served at");
            assert_eq!(
                found.iter().filter(|it| is_url(it)).count(),
                1,
                "{url}: {found:?}"
            );
        }
        let problem = Problem::ServedUrl {
            url: "x".to_owned(),
            why: "y",
        };
        assert!(problem.to_string().ends_with("\"x\": y"));
    }
}
