//! What an issuer's profile wants of its signer, its CRLs and the statuses that its answers tell.
//!
//! What it wants of the settings is judged with them, and how long an answer is valid with its window
//! ([`ValidityBounds`]). Everything here is asked before something is signed: an answer that breaks its
//! profile is never made.

use std::time::Duration;

use const_oid::{
    ObjectIdentifier,
    db::rfc5280::{ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_NAME_CONSTRAINTS, ID_CE_SUBJECT_ALT_NAME},
};

use crate::asn1::{Certificate, CrlReason, SignatureAlgorithm};
use crate::config::{self, Profile, duration_text};
use crate::presign::ValidityBounds;
use crate::segment::RecordStatus;
use crate::signer::{LoadedSigner, Role, Warning};

/// The rules that one issuer keeps to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rules {
    profile: Profile,
    issues: Issues,
}

/// What an issuer's own certificate lets it issue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Issues {
    /// A root: certificates of CAs, and of its delegate (Mozilla §5.2).
    Cas,
    /// pathLenConstraint 0: end entities alone.
    EndEntities,
    /// Either.
    Both,
}

impl Rules {
    pub(super) fn new(profile: Profile, issuer: &Certificate) -> Self {
        let issues = if issuer.issuer_der() == issuer.subject_der() {
            Issues::Cas
        } else if issuer.path_len() == Some(0) {
            Issues::EndEntities
        } else {
            Issues::Both
        };
        Self { profile, issues }
    }

    pub(super) const fn profile(self) -> Profile {
        self.profile
    }

    /// How long its answers may be valid, where the profile says so.
    pub(super) const fn bounds(self) -> Option<ValidityBounds> {
        match self.profile {
            Profile::Br => Some(ValidityBounds::BR),
            Profile::Private | Profile::EtsiQualified => None,
        }
    }

    /// Whether CRLs may be made as these settings say.
    pub(super) fn judge_crl(self, crl: &config::Crl) -> Result<(), Breach> {
        if self.profile != Profile::Br || self.issues == Issues::Cas {
            return Ok(());
        }
        let validities = [
            Some(crl.validity),
            crl.shards.as_ref().map(|it| it.validity),
        ];
        let longest = validities.into_iter().flatten().max().unwrap_or_default();
        if longest > CRL_VALIDITY_MAX {
            return Err(Breach::CrlTooLong { validity: longest });
        }
        let intervals = [
            Some(crl.interval),
            crl.shards.as_ref().map(|it| it.interval),
        ];
        let longest = intervals.into_iter().flatten().max().unwrap_or_default();
        if longest > CRL_INTERVAL_MAX {
            return Err(Breach::CrlTooSeldom { interval: longest });
        }
        Ok(())
    }

    /// Whether this signer may sign its answers; that it may at all was judged when it was loaded.
    pub(super) fn judge_signer(self, signer: &LoadedSigner) -> Result<(), Breach> {
        if self.profile != Profile::Br {
            return Ok(());
        }
        let algorithm = signer.signer.algorithm();
        match algorithm {
            SignatureAlgorithm::EcdsaSha256P256
            | SignatureAlgorithm::EcdsaSha384P384
            | SignatureAlgorithm::RsaPkcs1Sha256 { .. }
            | SignatureAlgorithm::RsaPssSha256 { .. }
            | SignatureAlgorithm::RsaPssSha384 { .. } => {}
            _ => return Err(Breach::Algorithm { algorithm }),
        }
        let breaks = |warning: &&Warning| {
            matches!(
                warning,
                Warning::NoCheckMissing
                    | Warning::OtherPurposes { .. }
                    | Warning::NoKeyUsage
                    | Warning::OtherKeyUsages
                    | Warning::CaWithoutDigitalSignature
            )
        };
        if let Some(warning) = signer.warnings.iter().find(breaks) {
            return Err(Breach::Signer {
                warning: warning.clone(),
            });
        }
        if signer.role == Role::CaDirect {
            return Ok(());
        }
        let forbidden = FORBIDDEN_IN_DELEGATES
            .iter()
            .find(|(_, oid)| signer.certificate.extension(oid).is_some());
        match forbidden {
            Some((name, _)) => Err(Breach::DelegateExtension { name }),
            None => Ok(()),
        }
    }

    /// Whether this status may be told of an issued certificate.
    pub(super) fn judge_status(self, status: &RecordStatus) -> Result<(), Breach> {
        match *status {
            RecordStatus::Revoked { reason, .. } => self.judge_reason(reason),
            RecordStatus::Good => Ok(()),
        }
    }

    /// The same of a revocation for this reason.
    pub(super) fn judge_reason(self, reason: Option<CrlReason>) -> Result<(), Breach> {
        if self.profile != Profile::Br {
            return Ok(());
        }
        match reason {
            // BR §7.3: a CA's certificate is revoked for a reason that is told.
            None if self.issues == Issues::Cas => Err(Breach::NoReason),
            None => Ok(()),
            Some(CrlReason::CertificateHold) => Err(Breach::Hold),
            // BR §7.2.2: of end entities 1, 3, 4, 5 and 9.
            Some(CrlReason::CaCompromise) if self.issues != Issues::EndEntities => Ok(()),
            Some(reason @ (CrlReason::CaCompromise | CrlReason::AaCompromise)) => {
                Err(Breach::Reason { reason })
            }
            Some(_) => Ok(()),
        }
    }
}

/// BR §7.1.2.8: what a delegate's certificate must not have.
const FORBIDDEN_IN_DELEGATES: [(&str, ObjectIdentifier); 3] = [
    ("cRLDistributionPoints", ID_CE_CRL_DISTRIBUTION_POINTS),
    ("subjectAltName", ID_CE_SUBJECT_ALT_NAME),
    ("nameConstraints", ID_CE_NAME_CONSTRAINTS),
];

/// BR §7.2: nextUpdate of a CRL for end entities is at most ten days after thisUpdate.
const CRL_VALIDITY_MAX: Duration = Duration::from_secs(10 * 24 * 3_600);
/// BR §4.9.7: a new one at least every seven days, where each certificate names an OCSP responder.
const CRL_INTERVAL_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What breaks an issuer's profile.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Breach {
    /// An algorithm that public CAs may not use.
    #[error(
        "profile = \"br\" allows signatures by RSA, P-256 and P-384 keys alone (BR §7.1.3.2), and the signer \
         makes {algorithm}: have a certificate issued for another key"
    )]
    Algorithm {
        /// The signer's.
        algorithm: SignatureAlgorithm,
    },
    /// What is only odd elsewhere.
    #[error("profile = \"br\" does not allow it (BR §7.1.2.8): {warning}")]
    Signer {
        /// What it is.
        warning: Warning,
    },
    /// An extension too many.
    #[error(
        "profile = \"br\" forbids {name} in a delegate's certificate (BR §7.1.2.8): have the CA issue one \
         without it"
    )]
    DelegateExtension {
        /// Its name.
        name: &'static str,
    },
    /// A CRL that clients may rely on for too long.
    #[error(
        "profile = \"br\" wants nextUpdate of a CRL at most 10 days after thisUpdate (BR §7.2), and the \
         validity of its CRLs is {}",
        duration_text(*validity)
    )]
    CrlTooLong {
        /// As configured.
        validity: Duration,
    },
    /// A CRL that is made too seldom.
    #[error(
        "profile = \"br\" wants a new CRL every 7 days at the latest (BR §4.9.7), and the interval of its \
         CRLs is {}",
        duration_text(*interval)
    )]
    CrlTooSeldom {
        /// As configured.
        interval: Duration,
    },
    /// A suspension.
    #[error(
        "profile = \"br\" knows no certificateHold (BR §4.9.13): such a certificate is answered tryLater. \
         Revoke it for good, or release it"
    )]
    Hold,
    /// A reason that end entities may not have.
    #[error(
        "profile = \"br\" does not allow the reason {reason} (BR §7.2.2): such a certificate is answered \
         tryLater. Give another one"
    )]
    Reason {
        /// Which.
        reason: CrlReason,
    },
    /// A CA's certificate revoked without a reason.
    #[error(
        "profile = \"br\" wants a reason for the revocation of a CA's certificate (BR §7.3): without one it \
         is answered tryLater. Give one"
    )]
    NoReason,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::asn1::UnixTime;

    fn rules(profile: Profile, issues: Issues) -> Rules {
        Rules { profile, issues }
    }

    #[test]
    fn reasons_are_those_of_the_baseline_requirements() {
        use CrlReason::{
            AaCompromise, AffiliationChanged, CaCompromise, CertificateHold, CessationOfOperation,
            KeyCompromise, PrivilegeWithdrawn, Superseded,
        };

        let of_both = [
            KeyCompromise,
            AffiliationChanged,
            Superseded,
            CessationOfOperation,
            PrivilegeWithdrawn,
        ];
        for issues in [Issues::Cas, Issues::EndEntities, Issues::Both] {
            let br = rules(Profile::Br, issues);
            for reason in of_both {
                assert_eq!(br.judge_reason(Some(reason)), Ok(()));
            }
            assert_eq!(br.judge_reason(Some(CertificateHold)), Err(Breach::Hold));
            let reason = AaCompromise;
            assert_eq!(
                br.judge_reason(Some(reason)),
                Err(Breach::Reason { reason })
            );
            let of_a_ca = br.judge_reason(Some(CaCompromise));
            assert_eq!(of_a_ca.is_ok(), issues != Issues::EndEntities);
            let none = br.judge_reason(None);
            assert_eq!(none.is_err(), issues == Issues::Cas, "{none:?}");

            for profile in [Profile::Private, Profile::EtsiQualified] {
                for reason in CrlReason::ALL.map(Some).into_iter().chain([None]) {
                    assert_eq!(rules(profile, issues).judge_reason(reason), Ok(()));
                }
            }
        }
        let br = rules(Profile::Br, Issues::Cas);
        assert_eq!(br.judge_status(&RecordStatus::Good), Ok(()));
        let revoked = RecordStatus::Revoked {
            revocation_time: UnixTime::EPOCH,
            reason: None,
        };
        assert_eq!(br.judge_status(&revoked), Err(Breach::NoReason));
    }

    #[test]
    fn crls_for_end_entities_are_made_often() {
        let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
        let crl = |validity, interval| config::Crl {
            validity: days(validity),
            interval: days(interval),
            ..config::Crl::new("http://crl.example.org/ca.crl", Path::new("ca.key"))
        };
        let below = rules(Profile::Br, Issues::EndEntities);
        assert_eq!(below.judge_crl(&crl(10, 7)), Ok(()));
        let validity = days(11);
        assert_eq!(
            below.judge_crl(&crl(11, 1)),
            Err(Breach::CrlTooLong { validity })
        );
        let interval = days(8);
        assert_eq!(
            below.judge_crl(&crl(10, 8)),
            Err(Breach::CrlTooSeldom { interval })
        );
        let with_shards = config::Crl {
            shards: Some(config::CrlShards {
                validity: days(11),
                ..config::CrlShards::new("http://crl.example.org/ca/{shard}.crl", 16)
            }),
            ..crl(7, 1)
        };
        assert!(below.judge_crl(&with_shards).is_err());
        // Of CAs once a year.
        let root = rules(Profile::Br, Issues::Cas);
        assert_eq!(root.judge_crl(&crl(365, 300)), Ok(()));
        let private = rules(Profile::Private, Issues::EndEntities);
        assert_eq!(private.judge_crl(&crl(30, 29)), Ok(()));
    }

    #[test]
    fn what_an_issuer_issues_follows_from_its_certificate() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ocsp/ca.pem");
        let root = config::read_certificate(Path::new(root)).unwrap();
        let br = Rules::new(Profile::Br, &root);
        assert_eq!(br, rules(Profile::Br, Issues::Cas));
        assert_eq!(br.bounds(), Some(ValidityBounds::BR));
        assert_eq!(Rules::new(Profile::Private, &root).bounds(), None);
    }
}
