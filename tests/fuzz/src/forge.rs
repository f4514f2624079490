//! Makes checksums hold that a mutation broke, so that what lies behind them is reached. Written from the
//! formats as they are documented, not with the code that reads them.

use sha2::{Digest as _, Sha256};

/// A catalog manifest with this body and the first line that belongs to it.
pub fn manifest(body: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(body);
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    [format!("estelam-catalog 1 {digest}\n").as_bytes(), body].concat()
}

/// Gives a segment the lengths and checksums that its other octets ask for. Whatever makes no sense is
/// left as it is.
pub fn segment(octets: &mut Vec<u8>) {
    let _ = try_segment(octets);
}

const HEADER_LEN: usize = 256;
const BUCKET_LEN: usize = 64;

fn try_segment(octets: &mut Vec<u8>) -> Option<()> {
    let header: &[u8; HEADER_LEN] = octets.first_chunk()?;
    let at = |place: usize| u32::from_be_bytes([0, 1, 2, 3].map(|next| header[place + next]));
    let columns = usize::from(header[16]);
    let signature_len = match header[13] {
        1 | 3 => 64,
        2 => 96,
        _ => usize::from(u16::from_be_bytes([header[14], header[15]])),
    };
    let stride = usize::from(header[17]) + columns * signature_len + 11;
    let (record_count, side_count) = (at(28) as usize, at(36) as usize);
    let (templates_len, side_len) = (at(72) as usize, at(76) as usize);
    let seed = |kind: u8| crc32c::crc32c_append(crc32c::crc32c(&header[88..104]), &[kind]);
    let (templates, records, side, buckets) = (seed(b'T'), seed(b'R'), seed(b'S'), seed(b'B'));

    let records_at = (HEADER_LEN + templates_len).next_multiple_of(64);
    let side_at = records_at.checked_add(record_count.checked_mul(stride)?)?;
    let index_at = side_at.checked_add(side_len)?.next_multiple_of(64);
    let bucket_count = octets.len().checked_sub(index_at)? / BUCKET_LEN;
    if bucket_count > 0 {
        octets.truncate(index_at + bucket_count * BUCKET_LEN);
    }

    let mut rest = octets.get_mut(HEADER_LEN..HEADER_LEN + templates_len)?;
    for column in 0..columns as u32 {
        let (len, after) = rest.split_first_chunk_mut::<4>()?;
        let (checksum, after) = after.split_first_chunk_mut::<4>()?;
        let (template, after) = after.split_at_mut_checked(u32::from_be_bytes(*len) as usize)?;
        let sum = crc32c::crc32c_append(templates ^ column, len);
        *checksum = crc32c::crc32c_append(sum, template).to_be_bytes();
        rest = after;
    }
    for (number, record) in octets
        .get_mut(records_at..side_at)?
        .chunks_mut(stride)
        .enumerate()
    {
        let (record, checksum) = record.split_last_chunk_mut::<4>()?;
        *checksum = crc32c::crc32c_append(records ^ number as u32, record).to_be_bytes();
    }
    let table = octets.get_mut(side_at..side_at + side_len)?;
    if let Some((entries, blobs)) = table.split_at_mut_checked(side_count.checked_mul(16)?) {
        for entry in entries.as_chunks_mut::<16>().0 {
            let field =
                |place: usize| u32::from_be_bytes([0, 1, 2, 3].map(|next| entry[place + next]));
            let (record, offset, len) = (field(0), field(4) as usize, field(8) as usize);
            let blob = blobs.get(offset..).and_then(|blob| blob.get(..len));
            let sum = crc32c::crc32c_append(side ^ record, &entry[..12]);
            let sum = crc32c::crc32c_append(sum, blob.unwrap_or_default());
            entry[12..].copy_from_slice(&sum.to_be_bytes());
        }
    }
    for (number, bucket) in octets[index_at..]
        .as_chunks_mut::<BUCKET_LEN>()
        .0
        .iter_mut()
        .enumerate()
    {
        let sum = crc32c::crc32c_append(buckets ^ number as u32, &bucket[4..]);
        bucket[..4].copy_from_slice(&sum.to_be_bytes());
    }

    let len = octets.len() as u64;
    octets[20..22].copy_from_slice(&(stride as u16).to_be_bytes());
    octets[32..36].copy_from_slice(&(bucket_count as u32).to_be_bytes());
    octets[80..88].copy_from_slice(&len.to_be_bytes());
    let checksum = crc32c::crc32c(&octets[..252]);
    octets[252..256].copy_from_slice(&checksum.to_be_bytes());
    Some(())
}
