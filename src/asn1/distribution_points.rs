//! CRLDistributionPoints, which freshestCRL is too (RFC 5280 §4.2.1.13, §4.2.1.15).

use super::{DerError, Elements, tag};

/// The URIs of every distribution point, in order. Names of another kind and relative ones are passed
/// over.
///
/// ```text
/// CRLDistributionPoints ::= SEQUENCE SIZE (1..MAX) OF DistributionPoint
/// DistributionPoint ::= SEQUENCE { distributionPoint [0] DistributionPointName OPTIONAL,
///     reasons [1] ReasonFlags OPTIONAL, cRLIssuer [2] GeneralNames OPTIONAL }
/// DistributionPointName ::= CHOICE { fullName [0] GeneralNames, nameRelativeToCRLIssuer [1] … }
/// ```
///
/// # Errors
/// [`DerError`] when the value has another form.
pub(crate) fn distribution_point_urls(value: &[u8]) -> Result<Vec<&str>, DerError> {
    let mut urls = Vec::new();
    let mut points = Elements::inside(value, tag::SEQUENCE)?;
    while !points.is_empty() {
        let mut point = points.nested(tag::SEQUENCE)?;
        let Some(name) = point.optional(tag::constructed(0))? else {
            continue;
        };
        let mut name = Elements::new(name.content);
        let Some(full_name) = name.optional(tag::constructed(0))? else {
            continue;
        };
        let mut names = Elements::new(full_name.content);
        while !names.is_empty() {
            let name = names.any()?;
            if name.tag == tag::primitive(6)
                && name.content.is_ascii()
                && let Ok(url) = std::str::from_utf8(name.content)
            {
                urls.push(url);
            }
        }
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn urls_of_every_point_in_order() {
        let value = hex!(
            "3023 300b a009 a007 8605 613a2f2f62"  // fullName
            "3007 a105 8203 612e62"                // no name here
            "300b a009 a107 3005 0603 550403"      // relative
        );
        assert_eq!(distribution_point_urls(&value), Ok(vec!["a://b"]));
        assert!(distribution_point_urls(&hex!("3003 3001 a0")).is_err());
        assert_eq!(distribution_point_urls(&hex!("3000")), Ok(vec![]));
    }
}
