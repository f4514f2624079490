//! `Extension` as certificates, CRLs and OCSP share it (RFC 5280 §4.1.2.9).

use super::der_reader::{DerError, Elements, tag};

/// The most extensions in one list: real ones have fewer than 20, and looking for duplicates costs
/// the square of their number.
pub const EXTENSIONS_MAX: usize = 32;

/// `SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extension<'a> {
    /// The content octets of extnID.
    pub oid: &'a [u8],
    /// critical.
    pub critical: bool,
    /// The octets inside extnValue: usually DER, judged by whoever knows the OID.
    pub value: &'a [u8],
}

impl<'a> Extension<'a> {
    pub(super) fn decode(list: &mut Elements<'a>) -> Result<Self, DerError> {
        let mut fields = list.nested(tag::SEQUENCE)?;
        let oid = fields.oid()?;
        let critical = match fields
            .optional(tag::BOOLEAN)?
            .map(|element| element.content)
        {
            // A written FALSE is the default spelled out: not DER, but certificates that carry it
            // exist and other implementations take it, so a refusal would hit honest users only.
            None | Some([0x00]) => false,
            Some([0xff]) => true,
            Some(_) => return Err(DerError::Boolean),
        };
        let value = fields.required(tag::OCTET_STRING)?.content;
        fields.finish()?;
        Ok(Self {
            oid,
            critical,
            value,
        })
    }
}

/// Calls `each` for every extension of a list (the content of an `Extensions` SEQUENCE), in order.
///
/// Allocates nothing. An empty list is no error here.
///
/// # Errors
/// [`ExtensionError`], or what `each` returns.
pub(crate) fn distinct_extensions<'a, E: From<ExtensionError>>(
    list: &'a [u8],
    mut each: impl FnMut(Extension<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut seen = [&[][..]; EXTENSIONS_MAX]; // No OID is empty, so an unused place matches none.
    let mut list = Elements::new(list);
    for count in 0.. {
        if list.is_empty() {
            break;
        }
        let extension = Extension::decode(&mut list).map_err(ExtensionError::from)?;
        if seen.contains(&extension.oid) {
            return Err(ExtensionError::Duplicate.into());
        }
        *seen.get_mut(count).ok_or(ExtensionError::TooMany)? = extension.oid;
        each(extension)?;
    }
    Ok(())
}

/// Why a list of extensions was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// Not DER.
    #[error("malformed extension: {0}")]
    Der(#[from] DerError),
    /// The same extnID twice (RFC 5280 §4.2).
    #[error("the same extension twice")]
    Duplicate,
    /// More than [`EXTENSIONS_MAX`].
    #[error("more than {EXTENSIONS_MAX} extensions")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn read(list: &[u8]) -> Result<Vec<Extension<'_>>, ExtensionError> {
        let mut found = Vec::new();
        distinct_extensions(list, |extension| {
            found.push(extension);
            Ok::<_, ExtensionError>(())
        })?;
        Ok(found)
    }

    #[test]
    fn reads_criticality_in_its_three_spellings() {
        let list = hex!(
            "3007 0603 2a0304 0400" // absent
            "300a 0603 2a0305 0101ff 0400"
            "300b 0603 2a0306 010100 0401 aa" // FALSE spelled out
        );
        let read: Vec<_> = read(&list)
            .unwrap()
            .iter()
            .map(|e| (e.critical, e.value.len()))
            .collect();
        assert_eq!(read, [(false, 0), (true, 0), (false, 1)]);
    }

    #[test]
    fn a_boolean_that_is_not_der_is_refused() {
        for list in [
            &hex!("300a 0603 2a0305 010101 0400")[..],
            &hex!("3009 0603 2a0305 0100 0400"),
        ] {
            assert_eq!(read(list), Err(ExtensionError::Der(DerError::Boolean)));
        }
    }

    #[test]
    fn duplicates_and_endless_lists_are_refused() {
        let one = hex!("3007 0603 2a0304 0400");
        assert_eq!(read(&[one, one].concat()), Err(ExtensionError::Duplicate));
        let numbered = |count: u8| -> Vec<u8> {
            (0..count)
                .flat_map(|n| [0x30, 0x06, 0x06, 0x02, 0x2a, n, 0x04, 0x00])
                .collect()
        };
        assert_eq!(read(&numbered(32)).unwrap().len(), EXTENSIONS_MAX);
        assert_eq!(read(&numbered(33)), Err(ExtensionError::TooMany));
    }
}
