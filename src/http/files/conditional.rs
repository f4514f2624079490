//! Conditional requests (RFC 9110 §13).

use hyper::{
    HeaderMap,
    header::{
        HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    },
};

use crate::{asn1::UnixTime, catalog::files::Form, http::cache::system_time};

/// How tags are compared (RFC 9110 §8.8.3.2).
#[derive(Clone, Copy, Eq, PartialEq)]
enum Comparison {
    /// `W/` makes no difference.
    Weak,
    /// What has `W/` equals nothing.
    Strong,
}

/// A condition of the request that does not hold.
#[derive(Debug)]
pub(super) struct Failed;

/// If-Match, or without it If-Unmodified-Since: gives the form that If-Match names.
pub(super) fn expected<'file>(
    request: &HeaderMap,
    forms: &[&'file Form],
    modified: Option<UnixTime>,
) -> Result<Option<&'file Form>, Failed> {
    if request.contains_key(IF_MATCH) {
        let named = named(request, &IF_MATCH, forms, Comparison::Strong);
        return named.map(Some).ok_or(Failed);
    }
    let since = date(request, &IF_UNMODIFIED_SINCE);
    match (since, modified) {
        (Some(since), Some(modified)) if system_time(modified) > since => Err(Failed),
        _ => Ok(None),
    }
}

/// If-None-Match, or without it If-Modified-Since: the form that the client has a good copy of.
pub(super) fn not_modified<'file>(
    request: &HeaderMap,
    forms: &[&'file Form],
    modified: Option<UnixTime>,
) -> Option<&'file Form> {
    if request.contains_key(IF_NONE_MATCH) {
        return named(request, &IF_NONE_MATCH, forms, Comparison::Weak);
    }
    let since = date(request, &IF_MODIFIED_SINCE)?;
    let is_old = system_time(modified?) <= since;
    forms.first().copied().filter(|_| is_old)
}

/// The form that a range is of: `best`, or the one that If-Range names; `None` where that one is gone, so
/// that the whole is sent.
///
/// A date in If-Range is taken as gone: plain and compressed forms have the same, so it is no strong
/// validator (RFC 9110 §8.8.2.2).
pub(super) fn in_range<'file>(
    request: &HeaderMap,
    forms: &[&'file Form],
    best: &'file Form,
) -> Option<&'file Form> {
    let Some(value) = request.get(IF_RANGE) else {
        return Some(best);
    };
    let mut forms = forms.iter().copied();
    forms.find(|form| is_tag(value.as_bytes(), &form.tag, Comparison::Strong))
}

/// The first of the forms that a list of tags names. `*` names the first.
fn named<'file>(
    request: &HeaderMap,
    field: &HeaderName,
    forms: &[&'file Form],
    comparison: Comparison,
) -> Option<&'file Form> {
    // A comma within a foreign tag cuts it into pieces, none of which is one of ours: they have 64
    // digits, and no comma.
    let members = || {
        let lines = request.get_all(field).iter();
        lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b','))
    };
    if members().any(|member| member.trim_ascii() == b"*") {
        return forms.first().copied();
    }
    let mut forms = forms.iter().copied();
    forms.find(|form| members().any(|member| is_tag(member, &form.tag, comparison)))
}

fn is_tag(member: &[u8], tag: &str, comparison: Comparison) -> bool {
    let member = member.trim_ascii();
    let opaque = match (member.strip_prefix(b"W/"), comparison) {
        (Some(_), Comparison::Strong) => return false,
        (Some(opaque), Comparison::Weak) => opaque,
        (None, _) => member,
    };
    let opaque = opaque.strip_prefix(b"\"");
    let opaque = opaque.and_then(|opaque| opaque.strip_suffix(b"\""));
    opaque == Some(tag.as_bytes())
}

fn date(request: &HeaderMap, field: &HeaderName) -> Option<std::time::SystemTime> {
    let value = request.get(field)?.to_str().ok()?;
    httpdate::parse_http_date(value).ok()
}
