//! Where OCSP answers live: the paths of the URLs that certificates name.

/// The mount paths of the OCSP route, longest first.
///
/// A mount matches raw octets on segment borders: `/ocsp` matches `/ocsp` and `/ocsp/…`, not
/// `/ocspx`. Nothing is decoded, merged or resolved before, since base64 contains `/` and `//`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mounts(Box<[Box<str>]>);

impl Mounts {
    /// Mounts from configured paths such as `/`, `/ocsp` or `/ca/ocsp/`; a final `/` is dropped.
    ///
    /// # Errors
    /// [`MountError`] when there is none or one cannot be a path in a URL.
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Result<Self, MountError> {
        let mut mounts = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if !path.starts_with('/') {
                return Err(MountError::NotAbsolute(path.to_owned()));
            }
            if let Some(found) = path.chars().find(|found| !may_stand_in_path(*found)) {
                let path = path.to_owned();
                return Err(MountError::Character { path, found });
            }
            mounts.push(path.trim_end_matches('/').to_owned());
        }
        if mounts.is_empty() {
            return Err(MountError::None);
        }
        mounts.sort_by_key(|mount: &String| std::cmp::Reverse(mount.len()));
        Ok(Self(
            mounts.into_iter().map(String::into_boxed_str).collect(),
        ))
    }

    /// What follows the longest mount that `path` lies under, without the `/` between them; `None`
    /// when it lies under none.
    #[must_use]
    pub fn strip<'path>(&self, path: &'path str) -> Option<&'path str> {
        self.0.iter().find_map(|mount| {
            let rest = path.strip_prefix(&**mount)?;
            if rest.is_empty() {
                Some(rest)
            } else {
                rest.strip_prefix('/')
            }
        })
    }
}

/// The one mount `/`.
impl Default for Mounts {
    fn default() -> Self {
        Self(Box::new([Box::from("")]))
    }
}

/// pchar and `/` of RFC 3986 §3.3, as they stand in a request line.
const fn may_stand_in_path(found: char) -> bool {
    found.is_ascii_graphic()
        && !matches!(
            found,
            '?' | '#' | '"' | '<' | '>' | '[' | '\\' | ']' | '^' | '`' | '{' | '|' | '}'
        )
}

/// Why a configured path cannot be a mount.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// No path at all.
    #[error("no path to answer OCSP requests at; give at least one, for instance \"/\"")]
    None,
    /// A path without the `/` in front.
    #[error("the path {0:?} does not begin with \"/\"")]
    NotAbsolute(String),
    /// A character that a path in a URL cannot hold.
    #[error("the path {path:?} holds {found:?}, which cannot stand in the path of a URL")]
    Character {
        /// The path.
        path: String,
        /// The first such character.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_wins_on_segment_borders() {
        let mounts = Mounts::new(["/", "/ocsp/", "/ocsp/ca"]).unwrap();
        for (path, rest) in [
            ("/", ""),
            ("/MEow", "MEow"),
            ("//MEow", "/MEow"),
            ("/ocsp", ""),
            ("/ocsp/", ""),
            ("/ocsp/MEow//x==", "MEow//x=="),
            ("/ocsp//MEow", "/MEow"),
            ("/ocspMEow", "ocspMEow"),
            ("/ocsp/ca/MEow", "MEow"),
            ("/ocsp/cax", "cax"),
        ] {
            assert_eq!(mounts.strip(path), Some(rest), "{path}");
        }
        assert_eq!(Mounts::default(), Mounts::new(["/"]).unwrap());
    }

    #[test]
    fn a_path_under_no_mount_is_not_found() {
        let mounts = Mounts::new(["/ocsp"]).unwrap();
        for path in ["/", "", "*", "/ocspx/MEow", "/OCSP/MEow", "//ocsp/MEow"] {
            assert_eq!(mounts.strip(path), None, "{path}");
        }
    }

    #[test]
    fn paths_that_no_url_can_hold_are_refused() {
        assert_eq!(Mounts::new([""; 0]), Err(MountError::None));
        assert!(matches!(
            Mounts::new(["ocsp"]),
            Err(MountError::NotAbsolute(_))
        ));
        for path in ["/a b", "/a?b", "/a#b", "/é", "/a\n"] {
            let refused = Mounts::new([path]);
            assert!(
                matches!(refused, Err(MountError::Character { .. })),
                "{path}"
            );
        }
    }
}
