//! Files of which a part is there: what is asked for then, and going on from there.

use std::fs::File;
use std::io::{Read as _, Seek as _};

use aws_lc_rs::digest;
use hyper::header::{self, HeaderName, HeaderValue};

use super::{FetchError, FetchErrorKind, Validators};
use crate::config::feed::Target;

/// A file of which a part may be there already, and whose length is known.
pub(crate) struct Part<'a> {
    /// How many octets are there.
    pub(crate) octets: u64,
    /// What the server said of the file that they are of.
    pub(crate) validators: Option<Validators>,
    /// How many it has.
    pub(crate) octets_expected: u64,
    /// Whether caches on the way are asked to look whether theirs is the newest.
    pub(crate) past_caches: bool,
    /// Hears what the server says of a file that begins from its first octet, before any of it is kept.
    pub(crate) begins: &'a mut dyn FnMut(&Validators) -> std::io::Result<()>,
}

/// What is wanted of a file.
pub(super) enum Question<'a, 'b> {
    /// The whole, unless these are of it.
    Changed(Option<&'a Validators>),
    /// What is not there yet.
    Part(&'a mut Part<'b>),
}

impl Question<'_, '_> {
    /// The header lines that it is asked with.
    pub(super) fn headers(&self, url: &Target) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::new();
        match self {
            Self::Changed(known) => {
                let known = known.filter(|known| known.url == url.to_string());
                if let Some(known) = known {
                    let etag = known.etag.clone();
                    headers.extend(etag.map(|etag| (header::IF_NONE_MATCH, etag)));
                    let date = known.last_modified.clone();
                    headers.extend(date.map(|date| (header::IF_MODIFIED_SINCE, date)));
                }
            }
            Self::Part(part) => {
                let known = part.validators.as_ref().filter(|_| part.octets > 0);
                let known = known.filter(|known| known.url == url.to_string());
                // If-Range takes no weak one (RFC 9110 §13.1.5).
                let strong = known.and_then(|known| {
                    let etag = known.etag.clone().filter(|etag| !etag.starts_with("W/"));
                    etag.or_else(|| known.last_modified.clone())
                });
                if let Some(validator) = strong {
                    headers.push((header::RANGE, format!("bytes={}-", part.octets)));
                    headers.push((header::IF_RANGE, validator));
                }
                if part.past_caches {
                    headers.push((header::CACHE_CONTROL, "no-cache".to_owned()));
                }
            }
        }
        headers
    }
}

/// What of a file is there, hashed; the file stands at its end.
pub(super) struct Begun {
    pub(super) octets: u64,
    pub(super) hasher: digest::Context,
}

impl Begun {
    /// Nothing: what was in the file is gone.
    pub(super) fn empty(file: &mut File) -> Result<Self, FetchError> {
        file.set_len(0).map_err(|error| stored(&error))?;
        file.rewind().map_err(|error| stored(&error))?;
        Ok(Self {
            octets: 0,
            hasher: digest::Context::new(&digest::SHA256),
        })
    }

    /// The first octets of the file; what is behind them is gone.
    pub(super) fn after(file: &mut File, octets: u64) -> Result<Self, FetchError> {
        let mut begun = Self {
            octets: 0,
            hasher: digest::Context::new(&digest::SHA256),
        };
        file.set_len(octets).map_err(|error| stored(&error))?;
        file.rewind().map_err(|error| stored(&error))?;
        let mut buffer = vec![0; 64 << 10];
        while begun.octets < octets {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(stored(&error)),
            };
            begun.hasher.update(buffer.get(..read).unwrap_or_default());
            let read = u64::try_from(read).unwrap_or(u64::MAX);
            begun.octets = begun.octets.saturating_add(read);
        }
        Ok(begun)
    }
}

/// Whether a part that was sent begins where ours ends, and is of a file of the same length (RFC 9110
/// §14.4).
pub(super) fn follows(range: Option<&HeaderValue>, part: &Part<'_>) -> bool {
    let read = || {
        let range = range?.to_str().ok()?.strip_prefix("bytes ")?;
        let (range, whole) = range.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let expected = part.octets_expected;
        let is_whole = whole == "*" || whole.parse() == Ok(expected);
        Some(first == part.octets && last.checked_add(1) == Some(expected) && is_whole)
    };
    read().unwrap_or(false)
}

pub(super) fn stored(error: &std::io::Error) -> FetchError {
    FetchError::new(
        FetchErrorKind::Storage,
        format!("it cannot be kept while it is read: {error}"),
    )
}
