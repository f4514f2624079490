//! What the CRLs that are made here must keep to.

use std::time::Duration;

use super::Judge;
use crate::config::{
    crl::{Crl, CrlShards, DeltaCrl, SHARD},
    error::Problem,
    token::Token,
};

impl Judge<'_> {
    pub(super) fn crl(&mut self, crl: &Crl, tokens: &[Token]) {
        self.url("url", &crl.url);
        let has_passphrase = crl.passphrase().is_some();
        self.private_key(&crl.key, crl.token.as_deref(), has_passphrase, tokens);
        self.passphrase(
            crl.passphrase_file.is_some(),
            crl.passphrase_env.as_ref(),
            crl.passphrase_credential.as_ref(),
        );
        self.crl_times(crl.validity, crl.interval, crl.after_revocation);
        if let Some(delta) = &crl.delta {
            self.key("delta", |judge| judge.delta(delta));
        }
        if let Some(shards) = &crl.shards {
            self.key("shards", |judge| judge.shards(shards));
        }
    }

    fn delta(&mut self, delta: &DeltaCrl) {
        self.url("url", &delta.url);
        if let Some(url) = &delta.base_url {
            self.url("base_url", url);
        }
        self.crl_times(delta.validity, delta.interval, delta.after_revocation);
    }

    fn shards(&mut self, shards: &CrlShards) {
        let count = usize::try_from(shards.count).unwrap_or(usize::MAX);
        self.number("count", count, 1, SHARDS_MAX);
        if shards.url.contains(SHARD) {
            self.url("url", &shards.url_of(shards.count));
        } else {
            let url = shards.url.clone();
            self.key("url", |judge| judge.report(Problem::NoShard { url }));
        }
        self.crl_times(shards.validity, shards.interval, shards.after_revocation);
    }

    fn url(&mut self, key: &'static str, url: &str) {
        self.key(key, |judge| judge.served_url(url));
    }

    fn crl_times(
        &mut self,
        validity: Duration,
        interval: Duration,
        after_revocation: Option<Duration>,
    ) {
        self.key("validity", |judge| {
            judge.range(
                validity,
                INTERVAL_MIN,
                VALIDITY_MAX,
                "a year is the longest that BR §4.9.7 allows",
            );
            judge.whole_seconds(validity);
        });
        self.key("interval", |judge| {
            judge.range(
                interval,
                INTERVAL_MIN,
                VALIDITY_MAX,
                "a year is the longest that BR §4.9.7 allows",
            );
            judge.whole_seconds(interval);
            if interval >= validity {
                judge.report(Problem::CrlInterval { validity, interval });
            }
        });
        if let Some(after) = after_revocation {
            self.duration(
                "after_revocation",
                after,
                Duration::ZERO,
                AFTER_REVOCATION_MAX,
                "24 hours is what BR §4.9.5 leaves for the worst cases",
            );
        }
    }
}

const INTERVAL_MIN: Duration = Duration::from_secs(10);
const VALIDITY_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
const AFTER_REVOCATION_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Each is a file, a row and a number of its own.
const SHARDS_MAX: usize = 4_096;
