//! Accept-Encoding (RFC 9110 §12.5.3).
//!
//! A coding is used only for a client that names it: old clients of CRLs decode none, and some send `*`
//! without meaning it. `*` counts where the plain form is refused.

use hyper::{HeaderMap, header::ACCEPT_ENCODING};

use crate::catalog::files::{Coding, Form};

/// What a client says of codings, in thousandths.
#[derive(Debug, Default)]
struct Wishes {
    gzip: Option<u16>,
    zstd: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

/// The forms that the client takes, the best first.
pub(super) fn acceptable<'file>(
    request: &HeaderMap,
    mut forms: Vec<&'file Form>,
) -> Vec<&'file Form> {
    let wishes = Wishes::of(request);
    forms.retain(|form| wishes.rank(form.coding).is_some());
    forms.sort_by_key(|form| std::cmp::Reverse(wishes.rank(form.coding)));
    forms
}

impl Wishes {
    fn of(request: &HeaderMap) -> Self {
        let mut wishes = Self::default();
        let lines = request.get_all(ACCEPT_ENCODING).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b','));
        for member in members {
            let mut parts = member.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            // What cannot be read was not asked for.
            let weight = parts
                .next()
                .map_or(1_000, |weight| quality(weight).unwrap_or(0));
            let place = match name.to_ascii_lowercase().as_slice() {
                b"gzip" | b"x-gzip" => &mut wishes.gzip,
                b"zstd" => &mut wishes.zstd,
                b"identity" => &mut wishes.identity,
                b"*" => &mut wishes.any,
                _ => continue,
            };
            *place = Some(weight);
        }
        wishes
    }

    /// Weight, then what is preferred of equals: zstd is quicker to read, and about as small.
    fn rank(&self, coding: Coding) -> Option<(u16, u8)> {
        let (named, preferred) = match coding {
            Coding::Zstd => (self.zstd, 4),
            Coding::Gzip => (self.gzip, 3),
            // Acceptable unless something says otherwise, after all that is named.
            Coding::Identity => (self.identity.or(self.any).or(Some(1)), 2),
        };
        let unnamed = match coding {
            Coding::Gzip => 1,
            _ => 0,
        };
        let rank = match named {
            Some(weight) => (weight, preferred),
            None => (self.any?, unnamed),
        };
        (rank.0 > 0).then_some(rank)
    }
}

/// `q=0.5` in thousandths.
fn quality(parameter: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(parameter).ok()?;
    let value = text
        .strip_prefix("q=")
        .or_else(|| text.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::header::HeaderValue;

    use super::*;
    use crate::catalog::files::Content;

    #[test]
    fn the_best_of_what_is_asked_for_comes_first() {
        let form = |coding| Form {
            coding,
            tag: String::new(),
            content: Content::Memory(Arc::default()),
        };
        let forms = [Coding::Identity, Coding::Zstd, Coding::Gzip].map(form);
        for (field, expected) in [
            (None, "identity"),
            (Some(""), "identity"),
            (Some("br"), "identity"),
            (Some("*"), "identity gzip zstd"),
            (Some("gzip"), "gzip identity"),
            (Some("x-gzip"), "gzip identity"),
            (Some("gzip, deflate, br, zstd"), "zstd gzip identity"),
            (Some("GZIP;q=1.0, zstd;q=0.9"), "gzip zstd identity"),
            (Some("gzip;q=0.5, identity"), "identity gzip"),
            (Some("gzip;q=0.001"), "gzip identity"),
            (Some("gzip ; q=0 , zstd"), "zstd identity"),
            (Some("identity;q=0"), ""),
            (Some("identity;q=0, zstd"), "zstd"),
            (Some("*;q=0"), ""),
            (Some("*;q=0, gzip"), "gzip"),
            (Some("identity;q=0, *"), "gzip zstd"),
            (Some("identity;q=0.5, *;q=0"), "identity"),
            (Some("gzip;q=2"), "identity"),
            (Some("gzip;q=x"), "identity"),
            (Some("gzip;q=0.5555"), "identity"),
        ] {
            let mut request = HeaderMap::new();
            if let Some(field) = field {
                request.insert(ACCEPT_ENCODING, HeaderValue::from_static(field));
            }
            let ranked = acceptable(&request, forms.iter().collect());
            let names: Vec<_> = ranked.iter().map(|form| form.coding.name()).collect();
            assert_eq!(names.join(" "), expected, "{field:?}");
        }
    }
}
