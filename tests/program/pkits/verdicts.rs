//! The cases of PKITS 4.4, 4.5, 4.14 and 4.15 with the verdicts that NIST gives, judged by `crl verify`: a
//! certificate is good when the CRLs that speak of it cover every reason, and none of them lists it.
//!
//! What an answer says of the same certificates is in the tests beside this one. Four cases are told apart:
//! a certificate in the middle of the path is judged in the place of the last one, or the case is about
//! paths, which are for clients to build.

use std::process::Command;

use serde_json::Value;

use super::PKITS;
use crate::common::tools::{run, text};

/// A CRL, the certificate of its issuer, and other certificates whose keys may have signed it.
type Offer = (&'static str, &'static str, &'static [&'static str]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Nist {
    Valid,
    Invalid,
    /// The same, and refused here, for this reason.
    ValidButRefused(&'static str),
    /// About paths.
    Path(&'static str),
}

use Nist::{Invalid, Path, Valid, ValidButRefused};

/// Number, certificate, CRLs (a delta after its base), verdict.
const CASES: &[(&str, &str, &[Offer], Nist)] = &[
    ("4.4.1", "InvalidMissingCRLTest1EE", &[], Invalid),
    // The one that is revoked is the CA in the middle.
    ("4.4.2", "RevokedsubCACert", &[GOOD], Invalid),
    ("4.4.3", "InvalidRevokedEETest3EE", &[GOOD], Invalid),
    (
        "4.4.4",
        "InvalidBadCRLSignatureTest4EE",
        &[("BadCRLSignatureCACRL", "BadCRLSignatureCACert", &[])],
        Invalid,
    ),
    (
        "4.4.5",
        "InvalidBadCRLIssuerNameTest5EE",
        &[("BadCRLIssuerNameCACRL", "BadCRLIssuerNameCACert", &[])],
        Invalid,
    ),
    (
        "4.4.6",
        "InvalidWrongCRLTest6EE",
        &[("WrongCRLCACRL", "WrongCRLCACert", &[])],
        Invalid,
    ),
    (
        "4.4.7",
        "ValidTwoCRLsTest7EE",
        &[
            ("TwoCRLsCABadCRL", "TwoCRLsCACert", &[]),
            ("TwoCRLsCAGoodCRL", "TwoCRLsCACert", &[]),
        ],
        Valid,
    ),
    (
        "4.4.8",
        "InvalidUnknownCRLEntryExtensionTest8EE",
        &[(
            "UnknownCRLEntryExtensionCACRL",
            "UnknownCRLEntryExtensionCACert",
            &[],
        )],
        Invalid,
    ),
    (
        "4.4.9",
        "InvalidUnknownCRLExtensionTest9EE",
        &[UNKNOWN],
        Invalid,
    ),
    (
        "4.4.10",
        "InvalidUnknownCRLExtensionTest10EE",
        &[UNKNOWN],
        Invalid,
    ),
    (
        "4.4.11",
        "InvalidOldCRLnextUpdateTest11EE",
        &[("OldCRLnextUpdateCACRL", "OldCRLnextUpdateCACert", &[])],
        Invalid,
    ),
    (
        "4.4.12",
        "Invalidpre2000CRLnextUpdateTest12EE",
        &[(
            "pre2000CRLnextUpdateCACRL",
            "pre2000CRLnextUpdateCACert",
            &[],
        )],
        Invalid,
    ),
    (
        "4.4.13",
        "ValidGeneralizedTimeCRLnextUpdateTest13EE",
        &[(
            "GeneralizedTimeCRLnextUpdateCACRL",
            "GeneralizedTimeCRLnextUpdateCACert",
            &[],
        )],
        Valid,
    ),
    (
        "4.4.14",
        "ValidNegativeSerialNumberTest14EE",
        &[NEGATIVE],
        ValidButRefused("a CRL with a negative serial number is refused (RFC 5280 §4.1.2.2)"),
    ),
    (
        "4.4.15",
        "InvalidNegativeSerialNumberTest15EE",
        &[NEGATIVE],
        Invalid,
    ),
    ("4.4.16", "ValidLongSerialNumberTest16EE", &[LONG], Valid),
    ("4.4.17", "ValidLongSerialNumberTest17EE", &[LONG], Valid),
    (
        "4.4.18",
        "InvalidLongSerialNumberTest18EE",
        &[LONG],
        Invalid,
    ),
    (
        "4.4.19",
        "ValidSeparateCertificateandCRLKeysTest19EE",
        &[SEPARATE],
        Valid,
    ),
    (
        "4.4.20",
        "InvalidSeparateCertificateandCRLKeysTest20EE",
        &[SEPARATE],
        Invalid,
    ),
    // The one that is revoked is the certificate of the key that signs CRLs.
    (
        "4.4.21",
        "SeparateCertificateandCRLKeysCA2CRLSigningCert",
        &[("TrustAnchorRootCRL", "TrustAnchorRootCertificate", &[])],
        Invalid,
    ),
    (
        "4.5.1",
        "ValidBasicSelfIssuedOldWithNewTest1EE",
        &[NEW_KEY],
        Valid,
    ),
    (
        "4.5.2",
        "InvalidBasicSelfIssuedOldWithNewTest2EE",
        &[NEW_KEY],
        Invalid,
    ),
    (
        "4.5.3",
        "ValidBasicSelfIssuedNewWithOldTest3EE",
        &[OLD_KEY],
        Valid,
    ),
    (
        "4.5.4",
        "ValidBasicSelfIssuedNewWithOldTest4EE",
        &[OLD_KEY],
        Valid,
    ),
    (
        "4.5.5",
        "InvalidBasicSelfIssuedNewWithOldTest5EE",
        &[OLD_KEY],
        Invalid,
    ),
    (
        "4.5.6",
        "ValidBasicSelfIssuedCRLSigningKeyTest6EE",
        &[CRL_KEY],
        Valid,
    ),
    (
        "4.5.7",
        "InvalidBasicSelfIssuedCRLSigningKeyTest7EE",
        &[CRL_KEY],
        Invalid,
    ),
    (
        "4.5.8",
        "InvalidBasicSelfIssuedCRLSigningKeyTest8EE",
        &[CRL_KEY],
        Path("its issuer's certificate has no cA and no keyCertSign (RFC 5280 §6.1.4 (k), (n))"),
    ),
    ("4.14.1", "ValiddistributionPointTest1EE", &[POINT_1], Valid),
    (
        "4.14.2",
        "InvaliddistributionPointTest2EE",
        &[POINT_1],
        Invalid,
    ),
    (
        "4.14.3",
        "InvaliddistributionPointTest3EE",
        &[POINT_1],
        Invalid,
    ),
    ("4.14.4", "ValiddistributionPointTest4EE", &[POINT_1], Valid),
    ("4.14.5", "ValiddistributionPointTest5EE", &[POINT_2], Valid),
    (
        "4.14.6",
        "InvaliddistributionPointTest6EE",
        &[POINT_2],
        Invalid,
    ),
    ("4.14.7", "ValiddistributionPointTest7EE", &[POINT_2], Valid),
    (
        "4.14.8",
        "InvaliddistributionPointTest8EE",
        &[POINT_2],
        Invalid,
    ),
    (
        "4.14.9",
        "InvaliddistributionPointTest9EE",
        &[POINT_2],
        Invalid,
    ),
    (
        "4.14.10",
        "ValidNoissuingDistributionPointTest10EE",
        &[(
            "NoissuingDistributionPointCACRL",
            "NoissuingDistributionPointCACert",
            &[],
        )],
        Valid,
    ),
    (
        "4.14.11",
        "InvalidonlyContainsUserCertsTest11EE",
        &[(
            "onlyContainsUserCertsCACRL",
            "onlyContainsUserCertsCACert",
            &[],
        )],
        Invalid,
    ),
    (
        "4.14.12",
        "InvalidonlyContainsCACertsTest12EE",
        &[CA_CERTS],
        Invalid,
    ),
    (
        "4.14.13",
        "ValidonlyContainsCACertsTest13EE",
        &[CA_CERTS],
        Valid,
    ),
    (
        "4.14.14",
        "InvalidonlyContainsAttributeCertsTest14EE",
        &[(
            "onlyContainsAttributeCertsCACRL",
            "onlyContainsAttributeCertsCACert",
            &[],
        )],
        Invalid,
    ),
    (
        "4.14.15",
        "InvalidonlySomeReasonsTest15EE",
        REASONS_1,
        Invalid,
    ),
    (
        "4.14.16",
        "InvalidonlySomeReasonsTest16EE",
        REASONS_1,
        Invalid,
    ),
    (
        "4.14.17",
        "InvalidonlySomeReasonsTest17EE",
        &[
            ("onlySomeReasonsCA2CRL1", "onlySomeReasonsCA2Cert", &[]),
            ("onlySomeReasonsCA2CRL2", "onlySomeReasonsCA2Cert", &[]),
        ],
        Invalid,
    ),
    (
        "4.14.18",
        "ValidonlySomeReasonsTest18EE",
        &[
            (
                "onlySomeReasonsCA3compromiseCRL",
                "onlySomeReasonsCA3Cert",
                &[],
            ),
            (
                "onlySomeReasonsCA3otherreasonsCRL",
                "onlySomeReasonsCA3Cert",
                &[],
            ),
        ],
        Valid,
    ),
    ("4.14.19", "ValidonlySomeReasonsTest19EE", REASONS_4, Valid),
    (
        "4.14.20",
        "InvalidonlySomeReasonsTest20EE",
        REASONS_4,
        Invalid,
    ),
    (
        "4.14.21",
        "InvalidonlySomeReasonsTest21EE",
        REASONS_4,
        Invalid,
    ),
    (
        "4.14.22",
        "ValidIDPwithindirectCRLTest22EE",
        &[INDIRECT_1],
        Valid,
    ),
    (
        "4.14.23",
        "InvalidIDPwithindirectCRLTest23EE",
        &[INDIRECT_1],
        Invalid,
    ),
    (
        "4.14.24",
        "ValidIDPwithindirectCRLTest24EE",
        &[INDIRECT_1],
        Valid,
    ),
    (
        "4.14.25",
        "ValidIDPwithindirectCRLTest25EE",
        &[INDIRECT_1],
        Valid,
    ),
    (
        "4.14.26",
        "InvalidIDPwithindirectCRLTest26EE",
        &[INDIRECT_1],
        Invalid,
    ),
    (
        "4.14.27",
        "InvalidcRLIssuerTest27EE",
        &[INDIRECT_1, GOOD],
        Invalid,
    ),
    ("4.14.28", "ValidcRLIssuerTest28EE", INDIRECT_3, Valid),
    ("4.14.29", "ValidcRLIssuerTest29EE", INDIRECT_3, Valid),
    (
        "4.14.30",
        "ValidcRLIssuerTest30EE",
        &[(
            "indirectCRLCA4cRLIssuerCRL",
            "indirectCRLCA4cRLIssuerCert",
            &[],
        )],
        Valid,
    ),
    (
        "4.14.31",
        "InvalidcRLIssuerTest31EE",
        &[INDIRECT_5],
        Invalid,
    ),
    (
        "4.14.32",
        "InvalidcRLIssuerTest32EE",
        &[INDIRECT_5],
        Invalid,
    ),
    ("4.14.33", "ValidcRLIssuerTest33EE", &[INDIRECT_5], Valid),
    (
        "4.14.34",
        "InvalidcRLIssuerTest34EE",
        &[INDIRECT_5],
        Invalid,
    ),
    (
        "4.14.35",
        "InvalidcRLIssuerTest35EE",
        &[INDIRECT_5],
        Invalid,
    ),
    (
        "4.15.1",
        "InvaliddeltaCRLIndicatorNoBaseTest1EE",
        &[(
            "deltaCRLIndicatorNoBaseCACRL",
            "deltaCRLIndicatorNoBaseCACert",
            &[],
        )],
        Invalid,
    ),
    ("4.15.2", "ValiddeltaCRLTest2EE", DELTA_1, Valid),
    ("4.15.3", "InvaliddeltaCRLTest3EE", DELTA_1, Invalid),
    ("4.15.4", "InvaliddeltaCRLTest4EE", DELTA_1, Invalid),
    ("4.15.5", "ValiddeltaCRLTest5EE", DELTA_1, Valid),
    ("4.15.6", "InvaliddeltaCRLTest6EE", DELTA_1, Invalid),
    ("4.15.7", "ValiddeltaCRLTest7EE", DELTA_1, Valid),
    ("4.15.8", "ValiddeltaCRLTest8EE", DELTA_2, Valid),
    ("4.15.9", "InvaliddeltaCRLTest9EE", DELTA_2, Invalid),
    (
        "4.15.10",
        "InvaliddeltaCRLTest10EE",
        &[
            ("deltaCRLCA3CRL", "deltaCRLCA3Cert", &[]),
            ("deltaCRLCA3deltaCRL", "deltaCRLCA3Cert", &[]),
        ],
        Invalid,
    ),
];

const GOOD: Offer = ("GoodCACRL", "GoodCACert", &[]);
const UNKNOWN: Offer = ("UnknownCRLExtensionCACRL", "UnknownCRLExtensionCACert", &[]);
const NEGATIVE: Offer = (
    "NegativeSerialNumberCACRL",
    "NegativeSerialNumberCACert",
    &[],
);
const LONG: Offer = ("LongSerialNumberCACRL", "LongSerialNumberCACert", &[]);
const SEPARATE: Offer = (
    "SeparateCertificateandCRLKeysCRL",
    "SeparateCertificateandCRLKeysCertificateSigningCACert",
    &["SeparateCertificateandCRLKeysCRLSigningCert"],
);
const NEW_KEY: Offer = (
    "BasicSelfIssuedNewKeyCACRL",
    "BasicSelfIssuedNewKeyCACert",
    &[],
);
const OLD_KEY: Offer = (
    "BasicSelfIssuedOldKeyCACRL",
    "BasicSelfIssuedOldKeyCACert",
    &["BasicSelfIssuedOldKeyNewWithOldCACert"],
);
const CRL_KEY: Offer = (
    "BasicSelfIssuedCRLSigningKeyCACRL",
    "BasicSelfIssuedCRLSigningKeyCACert",
    &["BasicSelfIssuedCRLSigningKeyCRLCert"],
);
const POINT_1: Offer = ("distributionPoint1CACRL", "distributionPoint1CACert", &[]);
const POINT_2: Offer = ("distributionPoint2CACRL", "distributionPoint2CACert", &[]);
const CA_CERTS: Offer = ("onlyContainsCACertsCACRL", "onlyContainsCACertsCACert", &[]);
const REASONS_1: &[Offer] = &[
    (
        "onlySomeReasonsCA1compromiseCRL",
        "onlySomeReasonsCA1Cert",
        &[],
    ),
    (
        "onlySomeReasonsCA1otherreasonsCRL",
        "onlySomeReasonsCA1Cert",
        &[],
    ),
];
const REASONS_4: &[Offer] = &[
    (
        "onlySomeReasonsCA4compromiseCRL",
        "onlySomeReasonsCA4Cert",
        &[],
    ),
    (
        "onlySomeReasonsCA4otherreasonsCRL",
        "onlySomeReasonsCA4Cert",
        &[],
    ),
];
const INDIRECT_1: Offer = ("indirectCRLCA1CRL", "indirectCRLCA1Cert", &[]);
const INDIRECT_3: &[Offer] = &[
    ("indirectCRLCA3CRL", "indirectCRLCA3Cert", &[]),
    (
        "indirectCRLCA3cRLIssuerCRL",
        "indirectCRLCA3cRLIssuerCert",
        &[],
    ),
];
const INDIRECT_5: Offer = ("indirectCRLCA5CRL", "indirectCRLCA5Cert", &[]);
const DELTA_1: &[Offer] = &[
    ("deltaCRLCA1CRL", "deltaCRLCA1Cert", &[]),
    ("deltaCRLCA1deltaCRL", "deltaCRLCA1Cert", &[]),
];
const DELTA_2: &[Offer] = &[
    ("deltaCRLCA2CRL", "deltaCRLCA2Cert", &[]),
    ("deltaCRLCA2deltaCRL", "deltaCRLCA2Cert", &[]),
];

#[test]
fn every_case_gets_the_verdict_of_nist() {
    assert_eq!(
        ["4.4.", "4.5.", "4.14.", "4.15."].map(|section| {
            let cases = CASES.iter().filter(|case| case.0.starts_with(section));
            cases.count()
        }),
        [21, 8, 35, 10]
    );
    for (number, certificate, offers, nist) in CASES {
        let is_good = is_good(certificate, offers);
        let due = match nist {
            Valid => true,
            Invalid => false,
            // Named in the table; nothing is taken for good that NIST refuses.
            ValidButRefused(_) => false,
            // What the CRLs say of it, though no path leads to it.
            Path(_) => true,
        };
        assert_eq!(is_good, due, "{number} {certificate}");
    }
}

/// Whether the CRLs together say that a certificate is good.
fn is_good(certificate: &str, offers: &[Offer]) -> bool {
    let mut missing: Option<Vec<String>> = None;
    let mut is_revoked = false;
    let mut base: Option<String> = None;
    for (crl, issuer, signers) in offers {
        let folder = &PKITS.1.crl_folder;
        let file = |name: &str| folder.join("../certs").join(format!("{name}.crt"));
        let path = folder.join(format!("{crl}.crl"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_estelam"));
        command.args(["crl", "verify", "--json", text(&path)]);
        command.arg("--issuer").arg(file(issuer));
        command.arg("--certificate").arg(file(certificate));
        for signer in *signers {
            command.arg("--crl-signer").arg(file(signer));
        }
        if let Some(base) = &base {
            command.args(["--base", base]);
        }
        let told = run(&mut command);
        assert!(matches!(told.code, 0 | 13 | 14), "{told}");
        if told.code != 0 {
            // Nothing that it says counts.
            continue;
        }
        let told = told.json();
        let status = told["certificates"][0]["status"]
            .as_str()
            .expect("a status");
        match status {
            "not told" => continue,
            "revoked" => is_revoked = true,
            "not revoked any more" => is_revoked = false,
            // Of a delta without a base nothing is known.
            "as its base says" => {}
            "not revoked" | "not revoked for some reasons" => {
                base = Some(text(&path).to_owned());
            }
            other => panic!("{other}"),
        }
        if status == "revoked" {
            base = Some(text(&path).to_owned());
        }
        if !told["base_crl_number"].is_null() {
            continue;
        }
        let lacks: Vec<String> = match &told["certificates"][0]["reasons_missing"] {
            Value::Array(reasons) => (reasons.iter())
                .map(|reason| reason.as_str().expect("a reason").to_owned())
                .collect(),
            _ => Vec::new(),
        };
        missing = Some(match missing {
            None => lacks,
            Some(known) => (known.into_iter())
                .filter(|reason| lacks.contains(reason))
                .collect(),
        });
    }
    missing.is_some_and(|missing| missing.is_empty()) && !is_revoked
}
