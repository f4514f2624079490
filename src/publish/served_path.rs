//! The path of a URL as a place below a folder, or in a store.
//!
//! What a manifest or a configuration names decides where files are written, so nothing is guessed: a
//! path that a server, a file system and a store could take for different things is refused.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A path as it is looked up by who serves it: percent escapes resolved, without the slash before it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServedPath(String);

/// What the names of our own files in a mirror and in a store begin with: nothing that is published lies
/// there.
pub(crate) const OWN_PREFIX: &str = ".estelam";

/// The longest path, and the longest of its segments: what file systems take, and room for a suffix.
const OCTETS_MAX: usize = 900;
const SEGMENT_OCTETS_MAX: usize = 240;

impl ServedPath {
    /// The place that `path` (of a URL, from its first slash) leads to.
    ///
    /// # Errors
    /// [`ServedPathError`]
    pub fn parse(path: &str) -> Result<Self, ServedPathError> {
        let below = path.strip_prefix('/').ok_or(ServedPathError::Relative)?;
        let mut segments = Vec::new();
        for segment in below.split('/') {
            let segment = decoded(segment)?;
            if segment.is_empty() {
                return Err(ServedPathError::EmptySegment);
            }
            if segment == "." || segment == ".." || segment.contains(['/', '\\']) {
                return Err(ServedPathError::Escape);
            }
            if segment.chars().any(char::is_control) {
                return Err(ServedPathError::Control);
            }
            if segment.starts_with(OWN_PREFIX) {
                return Err(ServedPathError::Own);
            }
            if segment.len() > SEGMENT_OCTETS_MAX {
                return Err(ServedPathError::TooLong);
            }
            segments.push(segment);
        }
        let joined = segments.join("/");
        match joined.len() <= OCTETS_MAX {
            true => Ok(Self(joined)),
            false => Err(ServedPathError::TooLong),
        }
    }

    /// As a store's key, and relative to a folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Below a folder.
    #[must_use]
    pub fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

/// So that a set of them can be asked for one.
impl std::borrow::Borrow<str> for ServedPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// Resolves `%XX`, once.
fn decoded(segment: &str) -> Result<String, ServedPathError> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'%' => {
                let mut digit = || {
                    let digit = char::from(rest.next()?).to_digit(16)?;
                    u8::try_from(digit).ok()
                };
                let (high, low) = (digit(), digit());
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(ServedPathError::Escape);
                };
                octets.push((high << 4) | low);
            }
            b'?' | b'#' => return Err(ServedPathError::Query),
            octet => octets.push(octet),
        }
    }
    String::from_utf8(octets).map_err(|_| ServedPathError::NotUtf8)
}

/// Why nothing can be written to where a path leads.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServedPathError {
    /// No slash at its beginning.
    #[error("it does not begin with a slash")]
    Relative,
    /// Two slashes, or one at the end.
    #[error("it names no file: it ends in a slash, or two follow each other")]
    EmptySegment,
    /// `..` and the like.
    #[error("it would lead out of its folder, or to another file for every reader")]
    Escape,
    /// Controls.
    #[error("it has control characters")]
    Control,
    /// A query.
    #[error("it has a query, and files have none")]
    Query,
    /// No text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// Where this program has files of its own.
    #[error("names that begin with {OWN_PREFIX} are this program's own")]
    Own,
    /// Too long.
    #[error("it is longer than a file's name may be")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_lead_below_the_folder_or_nowhere() {
        for (path, place) in [
            ("/ca.crl", Ok("ca.crl")),
            ("/crl/ca-1_x~.crl", Ok("crl/ca-1_x~.crl")),
            ("/a%20b/%DA%86.crl", Ok("a b/چ.crl")),
            ("/a%25.crl", Ok("a%.crl")),
            ("/.well-known/crl", Ok(".well-known/crl")),
            ("/...", Ok("...")),
            ("ca.crl", Err(ServedPathError::Relative)),
            ("", Err(ServedPathError::Relative)),
            ("/", Err(ServedPathError::EmptySegment)),
            ("/a/", Err(ServedPathError::EmptySegment)),
            ("//etc/passwd", Err(ServedPathError::EmptySegment)),
            ("/../x", Err(ServedPathError::Escape)),
            ("/a/..", Err(ServedPathError::Escape)),
            ("/%2e%2E/x", Err(ServedPathError::Escape)),
            ("/a%2fb", Err(ServedPathError::Escape)),
            ("/a\\b", Err(ServedPathError::Escape)),
            ("/./x", Err(ServedPathError::Escape)),
            ("/a%", Err(ServedPathError::Escape)),
            ("/a%0", Err(ServedPathError::Escape)),
            ("/a%0g", Err(ServedPathError::Escape)),
            ("/a%00", Err(ServedPathError::Control)),
            ("/a%0a", Err(ServedPathError::Control)),
            ("/a\n", Err(ServedPathError::Control)),
            ("/a?x", Err(ServedPathError::Query)),
            ("/%ff", Err(ServedPathError::NotUtf8)),
            ("/.estelam-mirror/state.json", Err(ServedPathError::Own)),
        ] {
            let found = ServedPath::parse(path);
            assert_eq!(
                found.as_ref().map(ServedPath::as_str),
                place.as_ref().copied(),
                "{path}"
            );
        }
        assert_eq!(
            ServedPath::parse(&format!("/{}", "a".repeat(241))),
            Err(ServedPathError::TooLong)
        );
        assert_eq!(
            ServedPath::parse(&"/aaaaaaaaa".repeat(100)),
            Err(ServedPathError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn nothing_leads_out(path in "[/.%a-f0-9\\\\\\x00-\\x1fé]{0,40}") {
            if let Ok(place) = ServedPath::parse(&path) {
                let whole = place.below(Path::new("/srv/mirror"));
                prop_assert!(whole.starts_with("/srv/mirror"));
                let names = whole.components().map(|part| part.as_os_str().to_owned());
                let back: PathBuf = names.collect();
                prop_assert_eq!(back, whole.clone());
                let is_plain = |part: std::path::Component<'_>| !matches!(part, std::path::Component::ParentDir | std::path::Component::CurDir);
                prop_assert!(whole.components().all(is_plain));
            }
        }
    }
}
