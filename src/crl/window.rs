//! The octets around the place that is being read.

use std::io::BufRead;
use std::ops::Range;

use super::{CrlError, Tap, input::Input};

/// Octets of the window. Twice the longest field, so that most of a read is new.
const WINDOW_OCTETS: usize = 128 << 10;

/// A stretch of the DER in memory, that moves on as it is consumed.
#[derive(Debug)]
pub(super) struct Window<R> {
    input: Input<R>,
    buffer: Box<[u8]>,
    /// What the tap has not heard yet begins here, at `heard` octets from the beginning of the DER.
    unheard: usize,
    heard: u64,
    /// What has not been consumed yet.
    start: usize,
    end: usize,
}

impl<R: BufRead> Window<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            input,
            buffer: vec![0; WINDOW_OCTETS].into(),
            unheard: 0,
            heard: 0,
            start: 0,
            end: 0,
        }
    }

    /// Where the next octet lies in the DER, counted from 0.
    pub(super) fn position(&self) -> u64 {
        let unheard = self.start.saturating_sub(self.unheard);
        self.heard
            .saturating_add(u64::try_from(unheard).unwrap_or(u64::MAX))
    }

    /// The octets that are in memory, from the next one on.
    pub(super) fn octets(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Has at least `octets` octets in memory, at most half of the window; fewer only where the input
    /// ends.
    #[inline]
    pub(super) fn fill<T: Tap>(
        &mut self,
        octets: usize,
        tbs: &Range<u64>,
        tap: &mut T,
    ) -> Result<(), CrlError> {
        if self.end.saturating_sub(self.start) < octets {
            self.refill(octets, tbs, tap)?;
        }
        Ok(())
    }

    fn refill<T: Tap>(
        &mut self,
        octets: usize,
        tbs: &Range<u64>,
        tap: &mut T,
    ) -> Result<(), CrlError> {
        self.tell(tbs, tap);
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        (self.start, self.unheard) = (0, 0);
        while self.end < octets {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            let read = self.input.read(room)?;
            if read == 0 {
                break;
            }
            self.end = self.end.saturating_add(read).min(self.buffer.len());
        }
        Ok(())
    }

    /// Moves on by `octets` that are in memory.
    #[inline]
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
    }

    /// The last `octets` octets that were consumed.
    #[inline]
    pub(super) fn consumed(&self, octets: usize) -> &[u8] {
        let start = self.start.saturating_sub(octets);
        self.buffer.get(start..self.start).unwrap_or_default()
    }

    /// Tells the tap what was consumed since it heard last. `tbs` is where tbsCertList lies in the
    /// DER.
    pub(super) fn tell<T: Tap>(&mut self, tbs: &Range<u64>, tap: &mut T) {
        let octets = self
            .buffer
            .get(self.unheard..self.start)
            .unwrap_or_default();
        if octets.is_empty() {
            return;
        }
        tap.whole(octets);
        let from_here = |position: u64| {
            let offset = position.saturating_sub(self.heard);
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(octets.len())
        };
        let signed = octets.get(from_here(tbs.start)..from_here(tbs.end));
        if let Some(signed @ [_, ..]) = signed {
            tap.tbs(signed);
        }
        self.heard = self.position();
        self.unheard = self.start;
    }

    /// Whether the input has ended where it should; then whatever else it may hold is read.
    pub(super) fn finish(mut self) -> Result<(), CrlError> {
        if self.start == self.end {
            let mut more = [0; 3];
            self.end = self.end.saturating_add(self.input.read(&mut more)?);
        }
        if self.start < self.end {
            return Err(CrlError::TrailingOctets {
                at: self.position(),
            });
        }
        self.input.finish()
    }
}
