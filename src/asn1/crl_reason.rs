//! Why a certificate was revoked (RFC 5280 §5.3.1).

/// CRLReason with its wire values, less `unspecified` (0), which is expressed by absence
/// (`Option<CrlReason>`), and `removeFromCRL` (8), which exists in delta CRLs only and is no reason.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CrlReason {
    /// keyCompromise (1)
    KeyCompromise,
    /// cACompromise (2)
    CaCompromise,
    /// affiliationChanged (3)
    AffiliationChanged,
    /// superseded (4)
    Superseded,
    /// cessationOfOperation (5)
    CessationOfOperation,
    /// certificateHold (6): the only one that can be released.
    CertificateHold,
    /// privilegeWithdrawn (9)
    PrivilegeWithdrawn,
    /// aACompromise (10)
    AaCompromise,
}

impl CrlReason {
    /// Every reason, in the order of its wire value.
    pub const ALL: [Self; 8] = [
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The ENUMERATED value.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The reason with this ENUMERATED value; `None` for 0, 7, 8 and what does not exist.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The name as RFC 5280 spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// The reason with this name, letter case aside (`openssl ca` writes `CACompromise`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.name().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for CrlReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_values_are_those_of_rfc_5280() {
        let table = [
            (1, "keyCompromise"),
            (2, "cACompromise"),
            (3, "affiliationChanged"),
        ]
        .into_iter()
        .chain([
            (4, "superseded"),
            (5, "cessationOfOperation"),
            (6, "certificateHold"),
        ])
        .chain([(9, "privilegeWithdrawn"), (10, "aACompromise")]);
        for (code, name) in table {
            let reason = CrlReason::from_code(code).unwrap();
            assert_eq!((reason.code(), reason.name()), (code, name));
            assert_eq!(CrlReason::from_name(&name.to_uppercase()), Some(reason));
        }
        for code in [0, 7, 8, 11, 255] {
            assert_eq!(CrlReason::from_code(code), None, "{code}");
        }
        assert_eq!(CrlReason::from_name("unspecified"), None);
    }
}
