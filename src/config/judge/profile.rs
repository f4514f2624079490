//! What a profile wants of the settings beside it. What it wants of certificates, keys and answers is
//! checked where these are.

use std::time::Duration;

use super::Judge;
use crate::config::{
    error::Problem,
    profile::Profile,
    retention::Retention,
    settings::{Issuer, NotIssued},
};

impl Judge<'_> {
    pub(super) fn profile(&mut self, issuer: &Issuer) {
        let profile = issuer.profile;
        match profile {
            Profile::Private => {}
            Profile::Br => {
                self.never_good_unasked(issuer, "BR §4.9.9 forbids `good` for what was not issued");
                if issuer.crl.as_ref().is_some_and(|crl| crl.delta.is_some()) {
                    self.key("crl", |judge| {
                        judge.against("delta", profile, "BR §7.2.2 has no place for delta CRLs");
                    });
                }
            }
            Profile::EtsiQualified => self.etsi_qualified(issuer),
        }
    }

    fn etsi_qualified(&mut self, issuer: &Issuer) {
        let profile = issuer.profile;
        self.never_good_unasked(
            issuer,
            "EN 319 411-1 §6.3.10 forbids `good` for what was not issued",
        );
        if issuer.keep_expired != Retention::Forever {
            self.against(
                "keep_expired",
                profile,
                "EN 319 411-2 §6.3.10 wants the status of expired certificates to stay available: \
                 leave it at \"forever\"",
            );
        }
        if !issuer.archive_cutoff() {
            self.against(
                "archive_cutoff",
                profile,
                "EN 319 411-2 §6.3.10 wants archiveCutoff in answers: leave it out or set it to true",
            );
        }
        if issuer.cache_max_age() > VISIBLE_WITHIN {
            self.against(
                "cache_max_age",
                profile,
                "EN 319 411-1 §6.2.4 wants a revocation to be seen within 60 minutes: set at most 1h",
            );
        }
        if issuer.crl.as_ref().is_some_and(|crl| !crl.keep_expired) {
            self.key("crl", |judge| {
                judge.against(
                    "keep_expired",
                    profile,
                    "EN 319 411-2 §6.3.10 wants expired certificates to stay on the CRL: set it to true",
                );
            });
        }
    }

    fn never_good_unasked(&mut self, issuer: &Issuer, why: &'static str) {
        if issuer.not_issued == NotIssued::Good {
            self.against("not_issued", issuer.profile, why);
        }
    }

    fn against(&mut self, key: &'static str, profile: Profile, why: &'static str) {
        self.key(key, |judge| {
            judge.report(Problem::AgainstProfile { profile, why });
        });
    }
}

const VISIBLE_WITHIN: Duration = Duration::from_secs(60 * 60);
