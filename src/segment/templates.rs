//! The templates' section of a file.

use super::checksum::Seed;
use super::error::Damage;
use super::format::Header;
use super::octets::index;
use crate::ocsp::{Template, TemplateError};

/// The section's octets.
pub(super) fn encode(templates: &[Template], seed: Seed) -> Vec<u8> {
    let mut octets = Vec::new();
    for (column, template) in (0..).zip(templates) {
        let template = template.to_bytes();
        let len = u32::try_from(template.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let checksum = seed.checksum_of_two(column, &len, &template);
        octets.extend(len);
        octets.extend(checksum.to_be_bytes());
        octets.extend(template);
    }
    octets
}

/// Why the section was refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// Not as it was written.
    Damaged(Damage),
    /// As it was written, and not a template.
    Template(u8, TemplateError),
}

/// The templates of a section that holds all that the header announces and nothing else.
pub(super) fn decode(
    mut octets: &[u8],
    header: &Header,
    seed: Seed,
) -> Result<Vec<Template>, Refused> {
    let mut templates: Vec<Template> = Vec::new();
    for column in 0..header.columns {
        let damaged = || Refused::Damaged(Damage::Template(column));
        let template = take(&mut octets, column, seed).ok_or_else(damaged)?;
        let template =
            Template::from_bytes(template).map_err(|error| Refused::Template(column, error))?;
        let mut others = templates.iter().map(Template::hash_algorithm);
        if template.signature_algorithm() != header.algorithm
            || others.any(|other| other == template.hash_algorithm())
        {
            return Err(damaged());
        }
        templates.push(template);
    }
    if octets.is_empty() {
        Ok(templates)
    } else {
        Err(Refused::Damaged(Damage::Template(header.columns)))
    }
}

fn take<'a>(octets: &mut &'a [u8], column: u8, seed: Seed) -> Option<&'a [u8]> {
    let (len, rest) = octets.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (template, rest) = rest.split_at_checked(index(u32::from_be_bytes(*len)))?;
    *octets = rest;
    let actual = seed.checksum_of_two(column.into(), len, template);
    (actual == u32::from_be_bytes(*checksum)).then_some(template)
}
