//! What a demo prints when it answers: what is there, and command lines that work when pasted.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;

use crate::cli::{Exit, Failure};
use crate::pki::demo::{
    self, CertificateDescription, DemoError, Description, IssuerDescription, Record,
};

/// How it went.
pub(super) struct Tale<'a> {
    pub(super) record: &'a Record,
    pub(super) certificates: u64,
    pub(super) revoked: u64,
    pub(super) built_in: Option<Duration>,
    pub(super) signed_in: Duration,
    pub(super) serves_on: bool,
}

/// Facts for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    demo: String,
    config: String,
    ocsp_url: String,
    certificates: u64,
    revoked: u64,
    #[serde(rename = "try")]
    suggestions: Vec<String>,
}

/// Command lines for a POSIX shell in the working folder.
pub(super) struct Suggestions {
    dir: String,
    json: String,
    config: String,
    url: String,
    lines: Vec<Suggestion>,
}

struct Suggestion {
    about: &'static str,
    /// The line, in the parts between which it may be broken.
    parts: Vec<String>,
}

impl Suggestion {
    fn in_one_line(&self) -> String {
        self.parts.join(" ")
    }
}

impl Suggestions {
    /// Lines about the first issuer's first certificate.
    pub(super) fn new(
        description: &Description,
        dir: &Path,
        is_served: bool,
    ) -> Result<Self, Failure> {
        let file = |name: &str| quoted(&dir.join(name).display().to_string());
        let first = |description: &Description| {
            let issuer = description.issuers.first()?;
            Some((issuer.clone(), issuer.certs.first()?.clone()))
        };
        let (issuer, certificate): (IssuerDescription, CertificateDescription) = first(description)
            .ok_or_else(|| Failure::new(Exit::Damaged, "the demo's record names no certificate"))?;
        let config = file("estelam.toml");
        let url = description.ocsp_url.clone();
        let get = demo::get_url(&url, &dir.join(&issuer.issuer), &certificate.serial)
            .map_err(|error: DemoError| Failure::from(error))?;
        let program = program();
        let which = vec![
            format!("-issuer {}", file(&issuer.issuer)),
            format!("-cert {}", file(&certificate.cert)),
            format!("-CAfile {}", file(&description.root)),
        ];
        let ask = |about| Suggestion {
            about,
            parts: [
                &["openssl ocsp -no_nonce".to_owned()][..],
                &which,
                &[format!("-url {}", quoted(&url))],
            ]
            .concat(),
        };
        let mut lines = Vec::new();
        if !is_served {
            lines.push(Suggestion {
                about: "Serve it",
                parts: vec![format!(
                    "{program} demo --dir {}",
                    quoted(&dir.display().to_string())
                )],
            });
        }
        lines.push(ask("Is this certificate good?"));
        lines.push(Suggestion {
            about: "The same by GET, as browsers and caches ask",
            parts: [
                &[
                    format!("curl -sS {} |", quoted(&get)),
                    "openssl ocsp -no_nonce -respin /dev/stdin".to_owned(),
                ][..],
                &which,
            ]
            .concat(),
        });
        lines.push(Suggestion {
            about: "The CRL of its CA",
            parts: vec![format!(
                "curl -sS {} | {program} crl show -",
                quoted(&issuer.crl.full)
            )],
        });
        lines.push(Suggestion {
            about: "What the server does",
            parts: vec![format!("{program} stats --config {config}")],
        });
        lines.push(Suggestion {
            about: "Revoke it; the next answer says so",
            parts: vec![
                format!("{program} revoke {}", file(&certificate.cert)),
                format!("--reason keyCompromise --config {config}"),
            ],
        });
        lines.push(ask("Ask again"));
        Ok(Self {
            dir: dir.display().to_string(),
            json: dir.join(demo::DESCRIPTION).display().to_string(),
            config: dir.join("estelam.toml").display().to_string(),
            url,
            lines,
        })
    }

    pub(super) fn facts(&self, tale: &Tale<'_>) -> Facts {
        Facts {
            demo: self.json.clone(),
            config: self.config.clone(),
            ocsp_url: self.url.clone(),
            certificates: tale.certificates,
            revoked: tale.revoked,
            suggestions: self.lines.iter().map(Suggestion::in_one_line).collect(),
        }
    }

    pub(super) fn text(&self, tale: &Tale<'_>) -> String {
        let mut text = format!(
            "A PKI in {}: a root, {} intermediates, {} certificates, {} of them revoked or on hold; {} keys\n",
            self.dir,
            tale.record.description.issuers.len().saturating_sub(1),
            HumanCount(tale.certificates),
            HumanCount(tale.revoked),
            tale.record.key_type,
        );
        let signed = format!(
            "every answer signed {:.1} s later",
            tale.signed_in.as_secs_f32()
        );
        // Writing to a String cannot fail.
        let _infallible = match tale.built_in {
            Some(built_in) => writeln!(text, "built in {:.1} s, {signed}", built_in.as_secs_f32()),
            None => writeln!(text, "found there; {signed}"),
        };
        let _infallible = writeln!(
            text,
            "{} lists everything and what to expect of it",
            self.json
        );
        text.push_str(&if tale.serves_on {
            format!(
                "\nIt answers at {} until Ctrl-C. Try in another terminal:\n",
                self.url
            )
        } else {
            "\nTry:\n".to_owned()
        });
        for line in &self.lines {
            let _infallible = writeln!(text, "\n# {}\n{}", line.about, wrapped(&line.parts));
        }
        text
    }
}

/// Parts in lines of a width that terminals and pages have.
fn wrapped(parts: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(part.len()) < WIDTH => {
                line.push(' ');
                line.push_str(part);
            }
            Some(_) => lines.push(format!("    {part}")),
            None => lines.push(part.clone()),
        }
    }
    lines.join(" \\\n")
}

const WIDTH: usize = 100;

/// How the program was called, so that it can be called again: by its name where the shell found it,
/// else by its path, from the working folder where that is shorter.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if !called.contains('/') {
        return "estelam".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let path = Path::new(&called);
    let shown = match path.strip_prefix(&here) {
        // Without a slash a shell would look for it elsewhere.
        Ok(inside) if inside.components().count() == 1 => format!("./{}", inside.display()),
        Ok(inside) => inside.display().to_string(),
        Err(_) => called.clone(),
    };
    quoted(&shown)
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_through_a_shell_as_they_are() {
        for word in ["a b", "it's", "$HOME", "[::1]", "", "نمونه", "a\"b\\c", "*"] {
            let said = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output()
                .unwrap();
            assert_eq!(said.stdout, word.as_bytes());
        }
        assert_eq!(
            quoted("http://127.0.0.1:80/a%2B"),
            "http://127.0.0.1:80/a%2B"
        );
    }

    #[test]
    fn long_lines_are_broken_where_a_shell_goes_on() {
        let parts = ["x".repeat(90), "y".repeat(20), "z".to_owned()];
        let text = wrapped(&parts);
        assert_eq!(
            text,
            format!("{} \\\n    {} z", "x".repeat(90), "y".repeat(20))
        );
    }
}
