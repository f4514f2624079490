//! Certificate files: PEM bundles and DER, each certificate proof of its own issuance.
//!
//! Whose it is and that it was issued at all is taken from its signature: it must be one by a
//! configured issuer, whose name it carries octet for octet. From each the serial number, notBefore,
//! notAfter and its SHA-256 are kept. Of revocation it says nothing: it is recorded as issued, and one
//! that the ledger knows as revoked stays so ([`IssuanceSink`]).
//!
//! - A file is DER when it begins as DER does, and then it is one certificate; else it is text with
//!   any number of `CERTIFICATE` blocks. One that holds no certificate is bad.
//! - A CA certificate that another configured issuer issued is recorded like any other, and a
//!   self-signed one as its own issuer's. The certificate of a configured issuer that none of the
//!   issuers in question signed is there because bundles carry chains: it is passed over.
//! - The same certificate twice is once. Two certificates of one issuer with the same serial number
//!   are both bad, except a precertificate (RFC 6962 §3.1) and the certificate it was made for: they
//!   have to agree in their dates, and the certificate's hash is kept.
//!
//! Signatures are verified on several threads; files arrive as one [`stream`].

mod blocks;
mod cause;
mod entry;
pub mod files;
mod issuance;
mod judge;
mod names;
pub mod stream;

use std::io::{self, BufRead};
use std::num::NonZeroUsize;

use blocks::{Block, Blocks};
use entry::Entry;

use names::Names;
use stream::Files;

pub use cause::CertificateCause;
pub use issuance::IssuanceSink;
pub use judge::Issuers;
pub(super) use judge::{Issued, Verdict, judge};

use super::{
    import::{Findings, Record},
    problems::{Place, Problem, Problems, Unit},
    repetition::{Said as _, settle},
};
use crate::{
    change::{Action, Change},
    identity::IssuerId,
};

/// The longest certificate that is read, in octets of DER. The longest that CAs issue, with thousands
/// of names, have about 100 KiB.
pub const CERTIFICATE_OCTETS_MAX: usize = 256 << 10;

/// What certificate files say: 80 octets of memory a certificate, and the files' names.
#[derive(Debug)]
pub struct Certificates {
    issuers: Vec<IssuerId>,
    names: Names,
    /// In the order of the ledger, each certificate once.
    entries: Vec<Entry>,
    certificate_count: u64,
    passed_over: u64,
    repeated: u64,
    problems: Problems<CertificateCause>,
}

impl Certificates {
    /// Reads all files of a [`stream`] and verifies their certificates on this many threads. A bad
    /// file or certificate does not end it; all are in [`Findings::problems`].
    ///
    /// # Errors
    /// What reading gives, `InvalidData` for a stream of another form, `UnexpectedEof` for one that
    /// was cut short and `FileTooLarge` for more than 2³² files or certificates.
    pub fn read(
        reader: impl BufRead,
        issuers: &Issuers<'_>,
        threads: NonZeroUsize,
    ) -> io::Result<Self> {
        let mut known = Self {
            issuers: issuers.ids().collect(),
            names: Names::default(),
            entries: Vec::new(),
            certificate_count: 0,
            passed_over: 0,
            repeated: 0,
            problems: Problems::of(Unit::Certificate),
        };
        let mut batch = Batch::default();
        let mut files = Files::new(reader);
        while let Some(mut file) = files.next_file()? {
            let number = known.names.push(file.name())?;
            if let Some(why) = file.unreadable() {
                let cause = CertificateCause::Unreadable {
                    why: why.replace(char::is_control, "?"),
                };
                known.add_bad(At::file(number), cause);
                continue;
            }
            let mut blocks = Blocks::new(file.content())?;
            let mut ordinal = 0_u32;
            while let Some(block) = blocks.next_block()? {
                ordinal = ordinal.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
                let file = number;
                batch.push(At { file, ordinal }, block);
                if batch.is_full() {
                    known.judge(&mut batch, issuers, threads);
                }
            }
            let cause = blocks.why_none();
            if ordinal == 0 {
                known.add_bad(At::file(number), cause);
            }
            file.skip_rest()?;
        }
        known.judge(&mut batch, issuers, threads);
        known.settle();
        Ok(known)
    }

    /// How many certificates of configured issuers were there only as parts of chains.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Judges what was read, empties `batch`, and notes what came of it.
    fn judge(&mut self, batch: &mut Batch, issuers: &Issuers<'_>, threads: NonZeroUsize) {
        let share = batch.blocks.len().div_ceil(threads.get()).max(1);
        let verdicts: Vec<Vec<Result<Verdict, CertificateCause>>> = std::thread::scope(|scope| {
            let judge_share = |share: &[(At, Block)]| {
                let one = |(_, block): &(At, Block)| match block {
                    Ok(der) => judge(der, issuers),
                    Err(cause) => Err(cause.clone()),
                };
                share.iter().map(one).collect()
            };
            let mut shares = batch.blocks.chunks(share);
            let first = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| scope.spawn(move || judge_share(share)))
                .collect();
            let mut all = vec![judge_share(first)];
            all.extend(others.into_iter().map(|other| {
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }));
            all
        });
        for ((at, _), verdict) in batch.blocks.iter().zip(verdicts.into_iter().flatten()) {
            match verdict {
                Ok(Verdict::Issued(issued)) => {
                    self.certificate_count = self.certificate_count.saturating_add(1);
                    self.entries.push(Entry::new(*at, &issued));
                }
                Ok(Verdict::OwnOfIssuer) => self.passed_over = self.passed_over.saturating_add(1),
                Err(cause) => self.add_bad(*at, cause),
            }
        }
        batch.clear();
    }

    fn add_bad(&mut self, at: At, cause: CertificateCause) {
        self.certificate_count = self.certificate_count.saturating_add(1);
        let names = &self.names;
        self.problems.push_at(at.order(), || Problem {
            place: at.place(names),
            part: None,
            cause,
        });
    }

    fn settle(&mut self) {
        let Self {
            issuers,
            names,
            entries,
            problems,
            ..
        } = self;
        let issuer = |entry: &Entry| entry.issuer(issuers);
        self.repeated = settle(entries, issuer, |entry, other| {
            problems.push_at(entry.at().order(), || Problem {
                place: entry.at().place(names),
                part: None,
                cause: CertificateCause::Contradiction {
                    serial: entry.serial(),
                    other: other.at().place(names),
                },
            });
        });
    }
}

impl Findings for Certificates {
    type Cause = CertificateCause;

    const UNIT: Unit = Unit::Certificate;

    /// All certificates but those passed over; a file without any counts as one.
    fn line_count(&self) -> u64 {
        self.certificate_count
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn problems(&self) -> &Problems<CertificateCause> {
        &self.problems
    }

    /// In the order of the ledger.
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.entries.iter().map(|entry| Record {
            line: entry.at().order(),
            change: Change {
                issuer: entry.issuer(&self.issuers),
                serial: entry.serial(),
                action: Action::Issue(entry.inventory()),
            },
        })
    }

    fn place(&self, line: u64) -> Place {
        At::from_order(line).place(&self.names)
    }

    fn notes(&self) -> Vec<String> {
        match self.passed_over {
            0 => Vec::new(),
            1 => vec!["1 certificate of a configured issuer was passed over".to_owned()],
            count => vec![format!(
                "{count} certificates of configured issuers were passed over"
            )],
        }
    }
}

/// Where a certificate stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct At {
    /// The number of its file, counted from 0.
    file: u32,
    /// Its own in the file, counted from 1; 0 for the file as a whole.
    ordinal: u32,
}

impl At {
    const fn file(file: u32) -> Self {
        Self { file, ordinal: 0 }
    }

    /// Both numbers in one that orders places.
    fn order(self) -> u64 {
        u64::from(self.file) << 32 | u64::from(self.ordinal)
    }

    fn from_order(order: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = order.to_be_bytes();
        Self {
            file: u32::from_be_bytes([a, b, c, d]),
            ordinal: u32::from_be_bytes([e, f, g, h]),
        }
    }

    fn place(self, names: &Names) -> Place {
        Place {
            file: Some(names.name(self.file).to_owned()),
            unit: Unit::Certificate,
            line: u64::from(self.ordinal),
        }
    }
}

/// Certificates that are judged together.
#[derive(Default)]
struct Batch {
    blocks: Vec<(At, Block)>,
    octets: usize,
}

impl Batch {
    fn push(&mut self, at: At, block: Block) {
        let octets = block.as_ref().map_or(0, Vec::len);
        self.octets = self.octets.saturating_add(octets);
        self.blocks.push((at, block));
    }

    fn is_full(&self) -> bool {
        self.octets >= BATCH_OCTETS || self.blocks.len() >= BATCH_CERTIFICATES
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.octets = 0;
    }
}

/// Tens of milliseconds of verifying on each thread: a thousand times what starting them costs.
const BATCH_CERTIFICATES: usize = 2048;
const BATCH_OCTETS: usize = 4 << 20;

#[cfg(test)]
mod tests;
