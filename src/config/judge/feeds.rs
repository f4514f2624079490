//! What feeds must keep to.

use std::{collections::HashMap, time::Duration};

use super::{Judge, is_file_name, is_variable};
use crate::change::{CrlScope, ExpectedScope};
use crate::config::{
    error::Problem,
    feed::{CrlUrlFeed, CsvFeed, Feed, SqlFeed, Target, TargetError},
    place::Step,
};

impl Judge<'_> {
    pub(super) fn feeds(&mut self, feeds: &[Feed]) {
        let mut first = HashMap::new();
        for (index, feed) in feeds.iter().enumerate() {
            let first_index = *first.entry(feed.name()).or_insert(index);
            let first_line = self.line(&[Step::Index(first_index)]);
            self.index(index, |judge| {
                judge.key("name", |judge| {
                    judge.feed_name(feed.name());
                    if first_index != index {
                        judge.report(Problem::Twice {
                            value: format!("the feed name {:?}", feed.name()),
                            first_line,
                        });
                    }
                });
                judge.feed(feed);
            });
        }
    }

    fn feed(&mut self, feed: &Feed) {
        let interval = feed.interval();
        if let Some(interval) = interval {
            self.duration(
                "interval",
                interval,
                INTERVAL_MIN,
                INTERVAL_MAX,
                "more often costs more than it tells, and a day without a look is no feed",
            );
        }
        if let Some(stale_after) = feed.stale_after() {
            let polls = interval.unwrap_or_default().saturating_mul(2);
            self.duration(
                "stale_after",
                stale_after,
                polls.max(STALE_MIN),
                STALE_MAX,
                "a feed has to be looked at more than once before it is called dead",
            );
        }
        match feed {
            Feed::Index(index) => self.watched(&index.path),
            Feed::Csv(csv) => {
                self.watched(&csv.path);
                self.csv(csv);
            }
            Feed::CrlFolder(folder) => self.watched(&folder.path),
            Feed::CertificateFolder(folder) => self.watched(&folder.path),
            Feed::CrlUrl(feed) => self.crl_url(feed),
            Feed::Sql(sql) => self.sql(sql),
            Feed::Push(push) => self.key("client", |judge| judge.not_empty(push.client.is_empty())),
        }
    }

    fn crl_url(&mut self, feed: &CrlUrlFeed) {
        self.key("urls", |judge| {
            let urls = feed.urls.iter();
            let urls = urls.flat_map(|crl| std::iter::once(&crl.url).chain(&crl.delta));
            let urls: Vec<&String> = urls.collect();
            judge.distinct(&urls);
            for url in urls {
                if let Err(why) = Target::parse(url) {
                    let url = url.clone();
                    judge.report(Problem::Url { url, why });
                }
            }
            let mut scopes: Vec<ExpectedScope> = feed.crls().map(|(_, scope)| scope).collect();
            while let Some(scope) = scopes.pop() {
                if scopes.contains(&scope) {
                    let scope = scope.to_string();
                    judge.report(Problem::ScopeTwice { scope });
                }
            }
            let points = feed.crls().map(|(_, scope)| scope.to_string());
            for point in points.filter(|point| point.len() > CrlScope::POINT_OCTETS_MAX) {
                let why = TargetError::TooLong;
                judge.report(Problem::Url { url: point, why });
            }
        });
        self.key("tls_roots", |judge| {
            judge.not_empty(feed.tls_roots.as_os_str().is_empty());
        });
        let octets = usize::try_from(feed.max_octets).unwrap_or(usize::MAX);
        self.number("max_octets", octets, 1_024, CRL_OCTETS_MAX);
        self.duration(
            "timeout",
            feed.timeout,
            Duration::from_secs(1),
            Duration::from_secs(3_600),
            "a CRL that takes longer is old when it is there",
        );
    }

    fn sql(&mut self, feed: &SqlFeed) {
        for (keys, problem) in feed.judge() {
            let depth = self.path.len();
            self.path.extend(keys.into_iter().map(Step::Key));
            self.report(Problem::Sql(problem));
            self.path.truncate(depth);
        }
        self.key("password_env", |judge| {
            if feed
                .password_env
                .as_deref()
                .is_some_and(|name| !is_variable(name))
            {
                judge.report(Problem::EnvironmentName);
            }
        });
        self.key("password_credential", |judge| {
            let name = feed.password_credential.as_ref();
            if let Some(name) = name.filter(|name| !is_file_name(name)) {
                judge.report(Problem::CredentialName { name: name.clone() });
            }
        });
    }

    fn watched(&mut self, path: &std::path::Path) {
        self.key("path", |judge| {
            judge.not_empty(path.as_os_str().is_empty());
        });
    }

    fn csv(&mut self, csv: &CsvFeed) {
        self.key("columns", |judge| {
            let numbers = csv.columns.values().filter(|column| is_number(column));
            let numbers = numbers.count();
            if numbers > 0 && numbers < csv.columns.len() {
                judge.report(Problem::ColumnsMixed);
            }
        });
        if csv.every_status.is_some() && !csv.statuses.is_empty() {
            self.key("every_status", |judge| judge.report(Problem::StatusTwice));
        }
    }

    fn feed_name(&mut self, name: &str) {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(usable)
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || name.len() > FEED_NAME_MAX
        {
            self.report(Problem::FeedName {
                name: name.to_owned(),
                max: FEED_NAME_MAX,
            });
        }
    }
}

fn is_number(column: &str) -> bool {
    !column.is_empty() && column.bytes().all(|octet| octet.is_ascii_digit())
}

/// As much as is read of any CRL.
const CRL_OCTETS_MAX: usize = 1 << 30;
const FEED_NAME_MAX: usize = 64;
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3_600);
const STALE_MIN: Duration = Duration::from_secs(2);
const STALE_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use crate::config::{judge::judge, load::parse, place::Map};

    fn found(feeds: &str) -> Vec<String> {
        let text = format!(
            "[[issuer]]\nname = \"a\"\ncertificate = \"ca.pem\"\n\
             [[issuer.signer]]\ncertificate = \"s.pem\"\nkey = \"s.key\"\n{feeds}"
        );
        let config = parse(&text).unwrap_or_else(|error| panic!("{}: {text}", error.message));
        let found = judge(&config, &Map::new(&text));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn feeds_of_every_kind_are_fine() {
        let feeds = "[[issuer.feed]]\nkind = \"index\"\npath = \"index.txt\"\n\
            [[issuer.feed]]\nkind = \"csv\"\npath = \"a.csv\"\nstatuses = { V = \"good\" }\n\
            columns = { serial = \"Number\" }\ndelimiter = \";\"\n\
            [[issuer.feed]]\npath = \"crls\"\nkind = \"crl_folder\"\nstale_after = \"1h\"\n\
            [[issuer.feed]]\nkind = \"certificate_folder\"\npath = \"c\"\ninterval = \"500ms\"\n\
            [[issuer.feed]]\nkind = \"push\"\nclient = \"ra\"\nname = \"ra.1\"\n";
        assert_eq!(found(feeds), [""; 0]);
    }

    #[test]
    fn names_are_unique_and_fit_a_file_name() {
        let index = |rest: &str| format!("[[issuer.feed]]\nkind = \"index\"\npath = \"i\"\n{rest}");
        assert_eq!(
            found(&format!("{}{}", index(""), index(""))),
            ["10:1: issuer.feed.name: the feed name \"index\" is set twice, first in line 7"]
        );
        for name in ["", "a/b", "..", "ä", &"x".repeat(65)] {
            let found = found(&index(&format!("name = \"{name}\"\n")));
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(
                found[0].starts_with("10:1: issuer.feed.name: "),
                "{found:?}"
            );
        }
    }

    #[test]
    fn times_that_make_no_feed_are_refused() {
        for (line, fine) in [
            ("interval = \"1s\"", true),
            ("interval = \"10ms\"", false),
            ("interval = \"25h\"", false),
            ("stale_after = \"2s\"", true),
            ("stale_after = \"1s\"", false),
            ("interval = \"1m\"\nstale_after = \"90s\"", false),
            ("interval = \"1m\"\nstale_after = \"2m\"", true),
            ("stale_after = \"400d\"", false),
        ] {
            let feed = format!("[[issuer.feed]]\nkind = \"index\"\npath = \"i\"\n{line}\n");
            let found = found(&feed);
            assert_eq!(found.is_empty(), fine, "{line}: {found:?}");
        }
    }
}
