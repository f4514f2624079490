//! Counts at one moment, as JSON for programs and as text for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::histogram::HistogramSnapshot;

/// What the HTTP side did since the start.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HttpStats {
    /// OCSP answers by kind.
    pub answers: BTreeMap<String, MethodCounts>,
    /// Answers among them that were not sent because the client's copy was still good (304).
    pub not_modified: u64,
    /// Requests that got an HTTP error instead of an OCSP answer, by status code and name.
    pub errors: BTreeMap<String, u64>,
    /// Connections closed because their time was up, by what they were waiting for.
    pub timeouts: BTreeMap<String, u64>,
    /// Connections.
    pub connections: ConnectionStats,
    /// How long the backend took.
    pub times: AnswerTimes,
    /// CRLs and other files.
    #[serde(default)]
    pub files: FileStats,
}

/// What was served by name beside OCSP answers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileStats {
    /// Answers by what was asked for (`crl`, `document`, `certificate`), then by status code and name.
    pub answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// Octets of content that were handed to connections.
    pub octets: u64,
}

/// Answers of one kind, by the method of the request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MethodCounts {
    /// Asked by GET.
    pub get: u64,
    /// Asked by HEAD.
    pub head: u64,
    /// Asked by POST.
    pub post: u64,
}

/// Connections, in numbers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ConnectionStats {
    /// Open now.
    pub open: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Closed at once, since as many as allowed were open.
    pub refused: u64,
    /// Broken by the client in the middle of a request or an answer.
    pub aborted: u64,
    /// Failures of `accept` itself, for instance for want of file descriptors.
    pub accept_failures: u64,
}

/// How long the backend took, without the time on the network.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AnswerTimes {
    /// Of answers given at once.
    pub ready: HistogramSnapshot,
    /// Of answers that waited for a signature.
    pub waited: HistogramSnapshot,
}

impl HttpStats {
    /// All OCSP answers.
    #[must_use]
    pub fn answer_count(&self) -> u64 {
        self.answers
            .values()
            .fold(0, |sum, counts| sum.saturating_add(counts.all()))
    }
}

impl MethodCounts {
    /// Of all methods together.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.get.saturating_add(self.head).saturating_add(self.post)
    }
}

/// One fact a line; kinds, errors, timeouts and requests for files that never happened are left out.
impl fmt::Display for HttpStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<30}{}", "OCSP answers", self.answer_count())?;
        for (kind, counts) in self.answers.iter().filter(|(_, counts)| counts.all() > 0) {
            let MethodCounts { get, head, post } = counts;
            write!(f, "  {kind:<28}{}", counts.all())?;
            writeln!(f, " (GET {get}, HEAD {head}, POST {post})")?;
        }
        writeln!(f, "  {:<28}{}", "not modified", self.not_modified)?;
        write_times(f, "answered at once", &self.times.ready)?;
        write_times(f, "signed on demand", &self.times.waited)?;
        for (kind, counts) in &self.files.answers {
            if counts.values().any(|count| *count > 0) {
                write_counts(f, &format!("{kind} requests"), counts)?;
            }
        }
        if self.files.octets > 0 {
            writeln!(f, "{:<30}{}", "octets of files sent", self.files.octets)?;
        }
        write_counts(f, "HTTP errors", &self.errors)?;
        let ConnectionStats {
            open,
            accepted,
            refused,
            aborted,
            accept_failures,
        } = self.connections;
        writeln!(f, "{:<30}{open} (accepted {accepted})", "connections open")?;
        writeln!(f, "  {:<28}{refused}", "over the limit")?;
        writeln!(f, "  {:<28}{aborted}", "broken by clients")?;
        writeln!(f, "  {:<28}{accept_failures}", "accept failures")?;
        write_counts(f, "timeouts", &self.timeouts)
    }
}

fn write_counts(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: &BTreeMap<String, u64>,
) -> fmt::Result {
    let all = counts
        .values()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    writeln!(f, "{title:<30}{all}")?;
    for (name, count) in counts.iter().filter(|(_, count)| **count > 0) {
        writeln!(f, "  {:<28}{count}", name.replace('_', " "))?;
    }
    Ok(())
}

fn write_times(f: &mut fmt::Formatter<'_>, title: &str, times: &HistogramSnapshot) -> fmt::Result {
    let (Some(half), Some(most), Some(nearly_all)) =
        (times.within(500), times.within(990), times.within(999))
    else {
        return Ok(());
    };
    let [half, most, nearly_all] = [half, most, nearly_all].map(Rounded);
    writeln!(
        f,
        "  {title:<28}p50 < {half}, p99 < {most}, p99.9 < {nearly_all}"
    )
}

/// A duration with the unit that suits it, without a fraction.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_nanos() {
            nanos @ 0..10_000 => write!(f, "{nanos} ns"),
            nanos @ 10_000..10_000_000 => write!(f, "{} µs", nanos.div_ceil(1_000)),
            nanos @ 10_000_000..10_000_000_000 => write!(f, "{} ms", nanos.div_ceil(1_000_000)),
            nanos => write!(f, "{} s", nanos.div_ceil(1_000_000_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counters, HttpError, Method};
    use super::*;
    use crate::observe::{AnswerKind, FileAnswer, FileKind};

    fn some_stats() -> HttpStats {
        let counters = Counters::default();
        counters.connection_accepted();
        counters.answered(AnswerKind::Presigned, Method::Get, 700);
        counters.answered(AnswerKind::Unauthorized, Method::Post, 900);
        counters.answered_after_waiting(AnswerKind::Live, Method::Post, 90_000);
        counters.http_error(HttpError::UnsupportedMediaType);
        counters.file_answered(FileKind::Crl, FileAnswer::NotModified);
        counters.file_answered(FileKind::Crl, FileAnswer::Part);
        counters.file_octets(1_000);
        counters.snapshot()
    }

    #[test]
    fn text_names_what_happened_and_its_units() {
        assert_eq!(
            some_stats().to_string(),
            "OCSP answers                  3\n  \
               live                        1 (GET 0, HEAD 0, POST 1)\n  \
               presigned                   1 (GET 1, HEAD 0, POST 0)\n  \
               unauthorized                1 (GET 0, HEAD 0, POST 1)\n  \
               not modified                0\n  \
               answered at once            p50 < 1024 ns, p99 < 1024 ns, p99.9 < 1024 ns\n  \
               signed on demand            p50 < 132 µs, p99 < 132 µs, p99.9 < 132 µs\n\
             crl requests                  2\n  \
               206 part                    1\n  \
               304 not modified            1\n\
             octets of files sent          1000\n\
             HTTP errors                   1\n  \
               415 unsupported media type  1\n\
             connections open              1 (accepted 1)\n  \
               over the limit              0\n  \
               broken by clients           0\n  \
               accept failures             0\n\
             timeouts                      0\n"
        );
    }

    #[test]
    fn json_reads_back() {
        let stats = some_stats();
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["answers"]["presigned"]["get"], 1);
        assert_eq!(json["connections"]["open"], 1);
        assert_eq!(serde_json::from_value::<HttpStats>(json).unwrap(), stats);
    }
}
