//! Where a certificate says that its CRLs are (RFC 5280 §4.2.1.13).

use super::{
    DistributionPointName, ReasonFlags, issuing_distribution_point::distribution_point_name,
};
use crate::asn1::{DerError, Elements, put_tlv, tag};

/// ```text
/// DistributionPoint ::= SEQUENCE { distributionPoint [0] DistributionPointName OPTIONAL,
///     reasons [1] ReasonFlags OPTIONAL, cRLIssuer [2] GeneralNames OPTIONAL }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DistributionPoint {
    /// distributionPoint
    pub name: Option<DistributionPointName>,
    /// reasons: `None` for all.
    pub reasons: Option<ReasonFlags>,
    /// cRLIssuer, each a whole GeneralName; `None` where the certificate's issuer makes the CRL.
    pub crl_issuer: Option<Vec<Vec<u8>>>,
}

impl DistributionPoint {
    /// Reads the value of cRLDistributionPoints, or of freshestCRL.
    ///
    /// # Errors
    /// [`DerError`] when it has another form.
    pub fn list(value: &[u8]) -> Result<Vec<Self>, DerError> {
        let mut points = Vec::new();
        let mut list = Elements::inside(value, tag::SEQUENCE)?;
        while !list.is_empty() {
            let mut fields = list.nested(tag::SEQUENCE)?;
            let name = fields
                .optional(tag::constructed(0))?
                .map(|name| distribution_point_name(name.content))
                .transpose()?;
            let reasons = fields
                .optional(tag::primitive(1))?
                .map(|reasons| ReasonFlags::decode(reasons.content))
                .transpose()?;
            let crl_issuer = fields
                .optional(tag::constructed(2))?
                .map(|names| general_names(names.content))
                .transpose()?;
            fields.finish()?;
            points.push(Self {
                name,
                reasons,
                crl_issuer,
            });
        }
        Ok(points)
    }
}

fn general_names(content: &[u8]) -> Result<Vec<Vec<u8>>, DerError> {
    let mut names = Elements::new(content);
    let mut all = Vec::new();
    while !names.is_empty() {
        all.push(names.any()?.der.to_vec());
    }
    Ok(all)
}

/// A Name in DER as a GeneralName: `directoryName [4] Name`, explicit because Name is a CHOICE.
#[must_use]
pub fn directory_name(name_der: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    put_tlv(&mut name, tag::constructed(4), name_der);
    name
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn reads_every_field_and_makes_relative_names_whole() {
        let value = hex!(
            "3024"
            "3009 a007 a005 8603 613a62"              // fullName
            "3017 a009 a107 3005 0603 550403"         // a relative name
            "8102 0640 a206 a404 3002 3100"           // reasons, cRLIssuer
        );
        let points = DistributionPoint::list(&value).unwrap();
        assert_eq!(points.len(), 2);
        let name = points[0].name.as_ref().unwrap();
        assert_eq!(name.general_names(&[]), [hex!("8603 613a62").to_vec()]);
        let relative = points[1].name.as_ref().unwrap();
        assert_eq!(
            relative.general_names(&hex!("3002 3100")),
            [hex!("a40d 300b 3100 3107 3005 0603 550403").to_vec()]
        );
        assert!(points[1].reasons.unwrap().contains(1));
        assert_eq!(
            points[1].crl_issuer,
            Some(vec![directory_name(&hex!("3002 3100"))])
        );
        for bad in [&hex!("3003 3001 a0")[..], &hex!("3004 3002 8100")] {
            assert!(DistributionPoint::list(bad).is_err());
        }
    }
}
