//! Reading and writing fixed fields, big-endian.

/// Takes fields off the front of octets.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

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
