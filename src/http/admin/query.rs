//! Names and values in a query, in any script: percent-encoded UTF-8.

use std::fmt;

/// The decoded query of a request: names and values in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `a=b&c=d`. A `+` stands for itself; what is not UTF-8 is replaced by U+FFFD.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    /// A query of these names and values.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(pairs.iter().map(owned).collect())
    }

    /// The first value of `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// All values of `name`.
    pub fn values<'query, 'name>(
        &'query self,
        name: &'name str,
    ) -> impl Iterator<Item = &'query str> + use<'query, 'name> {
        let named = move |pair: &&(String, String)| pair.0 == name;
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }
}

/// Encoded, without the `?`.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "&" };
            write!(f, "{separator}{}={}", Encoded(name), Encoded(value))?;
        }
        Ok(())
    }
}

struct Encoded<'text>(&'text str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.0.bytes() {
            if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
                write!(f, "{}", char::from(octet))?;
            } else {
                write!(f, "%{octet:02X}")?;
            }
        }
        Ok(())
    }
}

/// Without percent-encoding; what is not UTF-8 is replaced by U+FFFD.
pub(in crate::http) fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return String::from_utf8_lossy(&octets).into_owned(),
            [b'%', high, low, after @ ..]
                if let (Some(high), Some(low)) = (digit(*high), digit(*low)) =>
            {
                octets.push(high << 4 | low);
                rest = after;
            }
            [octet, after @ ..] => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_with_their_values() {
        let query = Query::parse("issuer=%D8%B1%DB%8C%D8%B4%D9%87&x&issuer=b+c&z=100%");
        assert_eq!(query.value("issuer"), Some("ریشه"));
        assert_eq!(query.values("issuer").collect::<Vec<_>>(), ["ریشه", "b+c"]);
        assert_eq!(query.value("x"), Some(""));
        assert_eq!(query.value("z"), Some("100%"));
        assert_eq!(query.value("none"), None);
        assert_eq!(Query::parse(""), Query::default());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(name in ".+", value in ".*") {
            let query = Query::of(&[(&name, &value), ("x", "y")]);
            let text = query.to_string();
            prop_assert!(text.is_ascii() && !text.contains([' ', '#', '?']));
            prop_assert_eq!(Query::parse(&text), query);
        }
    }
}
