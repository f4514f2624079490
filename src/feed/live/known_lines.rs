//! Of a text that is rewritten whole, the lines that were not there the last time.
//!
//! What is kept of a line is a digest of 64 bits under a key that is drawn at the start: 8 octets a line,
//! and 16 while the text is read again. Among a million lines, a new one is taken for a known one with a
//! probability of 5 in 10¹⁴, and nobody outside can make that happen.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, Read};

/// The lines of a text that are in the ledger.
#[derive(Debug, Default)]
pub(super) struct KnownLines {
    key: RandomState,
    /// Ascending.
    digests: Vec<u64>,
}

impl KnownLines {
    fn digest(&self, line: &[u8]) -> u64 {
        self.key.hash_one(line)
    }

    fn has(&self, digest: u64) -> bool {
        self.digests.binary_search(&digest).is_ok()
    }

    /// From now on these are known: the lines of a text that was read, in its order, less those with the
    /// numbers `left_out`, counted from 1.
    pub(super) fn replace(&mut self, mut lines: Vec<u64>, left_out: &[u64]) {
        // A line that was left out is known under no digest, wherever else it stands in the same words.
        let mut out: Vec<u64> = (left_out.iter())
            .filter_map(|number| {
                let place = usize::try_from(number.checked_sub(1)?).ok()?;
                lines.get(place).copied()
            })
            .collect();
        out.sort_unstable();
        if !out.is_empty() {
            lines.retain(|digest| out.binary_search(digest).is_err());
        }
        lines.sort_unstable();
        lines.dedup();
        lines.shrink_to_fit();
        self.digests = lines;
    }

    /// Nothing is known any more.
    pub(super) fn clear(&mut self) {
        self.digests = Vec::new();
    }
}

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineForm {
    /// What stands in place of a known line, so that the others keep their numbers: one that its reader
    /// passes over.
    pub(super) blank: &'static [u8],
    /// A line that is always shown: the header.
    pub(super) header: bool,
    /// Whether line feeds within quotes do not end a line. Lines of several are always shown.
    pub(super) quotes: bool,
    /// What a line begins with that says nothing.
    pub(super) comment: Option<u8>,
}

/// What was read to the end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Extent {
    /// Lines, comments and blank ones apart.
    pub(super) lines: u64,
    /// Those of them that were not known.
    pub(super) new: u64,
    /// Whether the last line ends.
    pub(super) is_whole: bool,
}

/// A text in which known lines are blank. At its end `judge` hears what was read, and may refuse it.
pub(super) struct NewLines<'a, R, J> {
    text: R,
    known: &'a KnownLines,
    form: LineForm,
    judge: J,
    /// Of every line, in order.
    digests: Vec<u64>,
    extent: Extent,
    line: Vec<u8>,
    in_quotes: bool,
    /// What is to be read, from `read` on.
    shown: Vec<u8>,
    read: usize,
    ended: bool,
}

impl<'a, R: BufRead, J: FnMut(Option<Extent>) -> io::Result<()>> NewLines<'a, R, J> {
    /// `judge` is also called now and then on the way, without an extent, and may end the reading.
    pub(super) fn new(text: R, known: &'a KnownLines, form: LineForm, judge: J) -> Self {
        Self {
            text,
            known,
            form,
            judge,
            digests: Vec::with_capacity(known.digests.len()),
            extent: Extent {
                is_whole: true,
                ..Extent::default()
            },
            line: Vec::new(),
            in_quotes: false,
            shown: Vec::new(),
            read: 0,
            ended: false,
        }
    }

    /// The digest of every line.
    pub(super) fn into_digests(self) -> Vec<u64> {
        self.digests
    }

    /// Reads on until there is something to show, or the end.
    fn go_on(&mut self) -> io::Result<()> {
        self.shown.clear();
        self.read = 0;
        (self.judge)(None)?;
        while self.shown.len() < SHOWN_OCTETS && !self.ended {
            self.line.clear();
            let room = u64::try_from(LINE_OCTETS_MAX).unwrap_or(u64::MAX);
            (&mut self.text)
                .take(room)
                .read_until(b'\n', &mut self.line)?;
            if self.line.is_empty() {
                self.ended = true;
                return (self.judge)(Some(self.extent));
            }
            self.take_line()?;
        }
        Ok(())
    }

    fn take_line(&mut self) -> io::Result<()> {
        let is_first = self.digests.is_empty();
        self.extent.is_whole = self.line.ends_with(b"\n");
        if !self.extent.is_whole && self.line.len() >= LINE_OCTETS_MAX {
            // Its reader refuses it, and says where.
            self.digests.push(0);
            self.extent.lines = self.extent.lines.saturating_add(1);
            self.extent.new = self.extent.new.saturating_add(1);
            self.shown.extend_from_slice(&self.line);
            self.text.skip_until(b'\n')?;
            self.extent.is_whole = true;
            self.shown.push(b'\n');
            return Ok(());
        }
        let began_in_quotes = self.in_quotes;
        if self.form.quotes {
            let quotes = self.line.iter().filter(|octet| **octet == b'"').count();
            self.in_quotes ^= !quotes.is_multiple_of(2);
        }
        let digest = self.known.digest(&self.line);
        self.digests.push(digest);
        let is_header = self.form.header && is_first;
        let content = self.line.trim_ascii();
        let is_nothing = content.is_empty() && self.form.comment.is_none()
            || self.form.comment.is_some() && self.line.first() == self.form.comment.as_ref();
        if !is_header && !is_nothing {
            self.extent.lines = self.extent.lines.saturating_add(1);
        }
        let is_one = !began_in_quotes && !self.in_quotes;
        if is_one && !is_header && (is_nothing || self.known.has(digest)) {
            self.shown.extend_from_slice(self.form.blank);
        } else {
            if !is_header {
                self.extent.new = self.extent.new.saturating_add(1);
            }
            self.shown.extend_from_slice(&self.line);
        }
        Ok(())
    }
}

impl<R: BufRead, J: FnMut(Option<Extent>) -> io::Result<()>> Read for NewLines<'_, R, J> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead, J: FnMut(Option<Extent>) -> io::Result<()>> BufRead for NewLines<'_, R, J> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read >= self.shown.len() && !self.ended {
            self.go_on()?;
        }
        Ok(self.shown.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, octets: usize) {
        self.read = self.read.saturating_add(octets);
    }
}

/// So much is shown at once.
const SHOWN_OCTETS: usize = 64 << 10;
/// Longer than any line that is taken from `index.txt` or CSV: those are refused by their readers.
const LINE_OCTETS_MAX: usize = (64 << 10) + 2;

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: LineForm = LineForm {
        blank: b"#\n",
        header: false,
        quotes: false,
        comment: Some(b'#'),
    };
    const CSV: LineForm = LineForm {
        blank: b"\n",
        header: true,
        quotes: true,
        comment: None,
    };

    fn read(known: &KnownLines, form: LineForm, text: &str) -> (String, Extent, Vec<u64>) {
        let mut extent = None;
        let mut lines = NewLines::new(text.as_bytes(), known, form, |end| {
            extent = extent.or(end);
            Ok(())
        });
        let mut shown = String::new();
        lines.read_to_string(&mut shown).unwrap();
        let digests = lines.into_digests();
        (shown, extent.unwrap(), digests)
    }

    #[test]
    fn known_lines_are_blank_and_the_others_keep_their_numbers() {
        let mut known = KnownLines::default();
        let (shown, extent, digests) = read(&known, INDEX, "a\n# c\nb\nc\n");
        assert_eq!(
            (shown.as_str(), extent.lines, extent.new),
            ("a\n#\nb\nc\n", 3, 3)
        );
        // The third line was left out.
        known.replace(digests, &[3]);
        let (shown, extent, _) = read(&known, INDEX, "b\nd\nc\na\n");
        assert_eq!(
            (shown.as_str(), extent.lines, extent.new),
            ("b\nd\n#\n#\n", 4, 2)
        );
        known.clear();
        assert_eq!(read(&known, INDEX, "a\n").1.new, 1);
    }

    #[test]
    fn a_line_that_was_left_out_is_not_known_by_its_twin() {
        let mut known = KnownLines::default();
        let (_, _, digests) = read(&known, INDEX, "a\nb\na\n");
        known.replace(digests, &[3]);
        assert_eq!(read(&known, INDEX, "a\nb\n").0, "a\n#\n");
    }

    #[test]
    fn the_header_and_lines_within_quotes_are_always_shown() {
        let mut known = KnownLines::default();
        let text = "serial,status\n01,good\n\n02,\"a\nb\"\n03,good\n";
        let (shown, extent, digests) = read(&known, CSV, text);
        assert_eq!((shown.as_str(), extent.lines, extent.new), (text, 4, 4));
        known.replace(digests, &[]);
        let (shown, extent, _) = read(&known, CSV, text);
        assert_eq!(shown, "serial,status\n\n\n02,\"a\nb\"\n\n");
        assert_eq!((extent.lines, extent.new), (4, 2));
    }

    #[test]
    fn a_text_that_is_cut_is_not_whole() {
        let known = KnownLines::default();
        assert!(read(&known, INDEX, "").1.is_whole);
        assert!(!read(&known, INDEX, "a\nb").1.is_whole);
        // Too long for any reader: shown as far as that takes, and one line.
        let long = "x".repeat(200_000) + "\nb\n";
        let (shown, extent, digests) = read(&known, INDEX, &long);
        assert!(shown.ends_with("x\nb\n") && shown.len() < 70_000);
        assert_eq!((extent.lines, extent.is_whole, digests.len()), (2, true, 2));
    }
}
