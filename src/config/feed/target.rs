//! What is asked for: an `http` or `https` URL (RFC 3986), and where a redirection leads from it.

use std::fmt;

/// A URL that can be asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// Whether the connection is by TLS.
    pub https: bool,
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port, from 1.
    pub port: u16,
    /// Path and query; begins with a slash.
    pub path: String,
}

impl Target {
    /// The longest URL.
    pub const OCTETS_MAX: usize = 4096;

    /// Reads a URL. A fragment is left out; it is nothing to a server.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        if url.len() > Self::OCTETS_MAX {
            return Err(TargetError::TooLong);
        }
        // Nothing that could end a line of the request is in it.
        if !url.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(TargetError::Characters);
        }
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(TargetError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(TargetError::Host)?;
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let (host, port) = host_and_port(authority)?;
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            https,
            host,
            port: port.unwrap_or_else(|| default_port(https)),
            path: format!("{slash}{path}"),
        })
    }

    /// The URL that a Location header names, seen from this one (RFC 3986 §5.2, RFC 9110 §10.2.2).
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn join(&self, location: &str) -> Result<Self, TargetError> {
        let scheme = if self.https { "https" } else { "http" };
        let has_scheme = location
            .split_once(':')
            .is_some_and(|(scheme, _)| !scheme.is_empty() && !scheme.contains(['/', '?', '#']));
        if has_scheme {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{own}{location}"),
            None | Some('#') => self.path.clone(),
            Some(_) => {
                let folder = own.rfind('/').and_then(|at| own.get(..at));
                format!("{}/{location}", folder.unwrap_or_default())
            }
        };
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (path.split('#').next().unwrap_or_default(), String::new()),
        };
        let origin = self.origin();
        Self::parse(&format!("{scheme}://{origin}{}{query}", without_dots(path)))
    }

    /// Host and port as the Host header has them.
    #[must_use]
    pub fn origin(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port {
            port if port == default_port(self.https) => host,
            port => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.origin(), self.path)
    }
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), TargetError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(TargetError::Host)?;
            let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or(TargetError::Host)?),
            };
            (is_address.then_some(host).ok_or(TargetError::Host)?, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:".contains(&octet);
    if host.is_empty() || !host.bytes().all(is_name) {
        return Err(TargetError::Host);
    }
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            let port = digits.parse().ok().filter(|port| *port > 0);
            Some(port.ok_or(TargetError::Host)?)
        }
        Some(_) => return Err(TargetError::Host),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// A path without the segments `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What it was the end of is a folder.
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Why a text is no URL that can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Another scheme, or none.
    #[error("it begins neither with http:// nor with https://")]
    Scheme,
    /// A name and password.
    #[error("it has a user name or password in it, which are not sent")]
    UserInfo,
    /// No host, or one that cannot be asked for.
    #[error("its host or port is malformed (names in other scripts are written in punycode)")]
    Host,
    /// Blanks, controls, letters of other scripts.
    #[error("it has characters that no URL has: write them as %XX")]
    Characters,
    /// Too long.
    #[error("it is longer than {} octets", Target::OCTETS_MAX)]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown() {
        for (url, shown) in [
            ("http://x.test", "http://x.test/"),
            ("HTTP://X.test:80/a?b#c", "http://x.test/a?b"),
            ("https://x.test:443?q", "https://x.test/?q"),
            ("https://x.test:80/%2F//a", "https://x.test:80/%2F//a"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
            ("http://[::1]", "http://[::1]/"),
            ("http://127.0.0.1:/a", "http://127.0.0.1/a"),
        ] {
            assert_eq!(Target::parse(url).unwrap().to_string(), shown);
        }
        for (url, error) in [
            ("", TargetError::Scheme),
            ("x.test/a", TargetError::Scheme),
            ("ftp://x.test/a", TargetError::Scheme),
            ("ldap://x.test/cn=a", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("http:///a", TargetError::Host),
            ("http://x.test:0/", TargetError::Host),
            ("http://x.test:65536/", TargetError::Host),
            ("http://x.test:a/", TargetError::Host),
            ("http://[::1/", TargetError::Host),
            ("http://[x]/", TargetError::Host),
            ("http://[::1]80/", TargetError::Host),
            ("http://a:b:80/", TargetError::Host),
            ("http://x.test%00/", TargetError::Host),
            ("http://u@x.test/", TargetError::UserInfo),
            ("http://u:p@x.test/", TargetError::UserInfo),
            ("http://x.test/a b", TargetError::Characters),
            ("http://x.test/a\r\nHost: y", TargetError::Characters),
            ("http://é.test/", TargetError::Characters),
        ] {
            assert_eq!(Target::parse(url), Err(error), "{url:?}");
        }
        let long = format!("http://x.test/{}", "a".repeat(Target::OCTETS_MAX));
        assert_eq!(Target::parse(&long), Err(TargetError::TooLong));
    }

    /// From RFC 3986 §5.4, those of its examples that stay with HTTP.
    #[test]
    fn a_redirection_leads_where_it_says() {
        let base = Target::parse("http://a/b/c/d;p?q").unwrap();
        for (location, shown) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://g:444/h", "https://g:444/h"),
        ] {
            assert_eq!(
                base.join(location).unwrap().to_string(),
                shown,
                "{location:?}"
            );
        }
        for (location, error) in [
            ("g:h", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("//u@g", TargetError::UserInfo),
            ("a b", TargetError::Characters),
        ] {
            assert_eq!(base.join(location), Err(error), "{location:?}");
        }
    }
}
