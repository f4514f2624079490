//! Writing fixed fields, and widths of integers.

/// Puts fields one behind the other into octets that are large enough for all of them.
pub(super) struct Pen<'a>(pub(super) &'a mut [u8]);

impl Pen<'_> {
    pub(super) fn put(&mut self, field: &[u8]) {
        let (place, rest) = std::mem::take(&mut self.0)
            .split_at_mut_checked(field.len())
            .expect("the array that the pen was made for has room for every field");
        place.copy_from_slice(field);
        self.0 = rest;
    }
}

/// A length as it goes into sums of offsets.
pub(super) fn long(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// An offset as it goes into ranges of memory; one that no memory can have stays out of any range.
pub(super) fn short(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A record or bucket number as an index.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
