//! URLs as certificates and CRLs name them (RFC 5280 §4.2.1.13, §5.2.5).

/// Plain `http`: the certificate of an https server would need its own status first, which is asked
/// here (BR §4.9.7 speaks of HTTP URLs for the same reason).
///
/// # Errors
/// [`UrlError`] when clients of certificates could not follow it.
pub fn judge_url(url: &str) -> Result<(), UrlError> {
    let refuse = |why| {
        Err(UrlError {
            url: url.to_owned(),
            why,
        })
    };
    let Some(rest) = url.strip_prefix("http://") else {
        return refuse(
            "it has to begin with http:// (not https, whose certificate needs a status first)",
        );
    };
    if url.len() > OCTETS_MAX {
        return refuse("it is longer than 1024 octets");
    }
    if !url
        .bytes()
        .all(|octet| octet.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&octet))
    {
        return refuse(
            "it has to be written in the ASCII characters of a URL, others escaped with %",
        );
    }
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    if host.is_empty() || rest.contains('#') || host.contains('@') {
        return refuse(
            "a host has to follow http://, and neither a user nor a fragment belongs there",
        );
    }
    Ok(())
}

/// Longer ones are an accident; clients have limits of about 2 KiB.
const OCTETS_MAX: usize = 1024;

/// A URL that cannot stand in a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the URL {url:?} cannot stand in a certificate: {why}")]
pub struct UrlError {
    /// The URL.
    pub url: String,
    /// Why not.
    pub why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_client_can_follow_is_taken() {
        for fine in [
            "http://127.0.0.1:8080/ocsp",
            "http://ocsp.example.ir",
            "http://[::1]:80/",
            "http://a/%D8%A7?b=c",
        ] {
            assert_eq!(judge_url(fine), Ok(()), "{fine}");
        }
        for bad in [
            "",
            "ocsp.example.ir",
            "https://ocsp.example.ir/",
            "http://",
            "http:///ocsp",
            "http://a b/",
            "http://a/\n",
            "http://نمونه/",
            "http://u@h/",
            "http://h/#f",
            &format!("http://{}", "a".repeat(1024)),
        ] {
            assert!(judge_url(bad).is_err(), "{bad}");
        }
    }
}
