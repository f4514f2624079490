//! What is found in a CRL, one line each.

use std::collections::BTreeMap;

use crate::crl::CrlError;

/// Something about a CRL that somebody should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The clause that it is about, for instance `RFC 5280 §5.2.3`.
    pub clause: &'static str,
    /// What it is, a sentence without its full stop.
    pub text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Worth to be known, and forbidden by nobody, or by the rules of one programme alone.
    Note,
    /// It does not hold now.
    NotInDate,
    /// A rule is broken: verifiers may refuse it, or take it for what it is not.
    Fault,
}

/// Findings in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn fault(&mut self, clause: &'static str, text: impl Into<String>) {
        self.add(Severity::Fault, clause, text);
    }

    pub(super) fn note(&mut self, clause: &'static str, text: impl Into<String>) {
        self.add(Severity::Note, clause, text);
    }

    /// A fault unless `holds`.
    pub(super) fn demand(&mut self, holds: bool, clause: &'static str, text: &str) {
        if !holds {
            self.fault(clause, text);
        }
    }

    /// Why it cannot be read to its end.
    pub(super) fn unreadable(&mut self, error: &CrlError) {
        let clause = match error {
            CrlError::SignatureAlgorithmsDiffer => "RFC 5280 §5.1.1.2",
            CrlError::Version | CrlError::ExtensionsNeedV2 => "RFC 5280 §5.1.2.1",
            CrlError::Time { .. } => "RFC 5280 §5.1.2.4",
            _ => "RFC 5280 §5.1",
        };
        self.fault(clause, error.to_string());
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        clause: &'static str,
        text: impl Into<String>,
    ) {
        let text = text.into();
        self.0.push(Finding {
            severity,
            clause,
            text,
        });
    }
}

/// The same thing in many entries is one finding.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(Severity, &'static str, String), (u32, u32)>);

impl Tally {
    /// Different things that are told apart; what comes after them is one.
    const KINDS_MAX: usize = 64;

    pub(super) fn add(
        &mut self,
        number: u32,
        severity: Severity,
        clause: &'static str,
        text: impl Into<String>,
    ) {
        let mut key = (severity, clause, text.into());
        if self.0.len() >= Self::KINDS_MAX && !self.0.contains_key(&key) {
            key = (Severity::Fault, "RFC 5280 §5.1.2.6", MORE.to_owned());
        }
        let (_, count) = self.0.entry(key).or_insert((number, 0));
        *count = count.saturating_add(1);
    }

    pub(super) fn tell(self, findings: &mut Findings) {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by_key(|(_, (first, _))| *first);
        for ((severity, clause, text), (first, count)) in all {
            let others = match count {
                0 | 1 => String::new(),
                _ => format!(" and {} more", count.saturating_sub(1)),
            };
            findings.add(severity, clause, format!("entry {first}{others}: {text}"));
        }
    }
}

const MORE: &str = "other things are wrong with entries; correct those above first";
