//! Extensions of responses (RFC 6960 §4.4). All of them are non-critical.

use const_oid::{
    ObjectIdentifier,
    db::{
        rfc5280::ID_CE_INVALIDITY_DATE,
        rfc6960::{ID_PKIX_OCSP_ARCHIVE_CUTOFF, ID_PKIX_OCSP_EXTENDED_REVOKE, ID_PKIX_OCSP_NONCE},
    },
};

use super::cert_status::{GENERALIZED_TIME_LEN, put_generalized_time};
use crate::asn1::{Elements, UnixTime, put_header, put_tlv, tag, tlv_len, total};

/// `Extensions` with one invalidityDate (RFC 5280 §5.3.2), which a SingleResponse may carry as any
/// CRL entry extension (RFC 6960 §4.4.5): what `single_extensions` parameters take.
#[must_use]
pub fn invalidity_date_extension(invalidity_date: UnixTime) -> Vec<u8> {
    sequence(&time_extension(&ID_CE_INVALIDITY_DATE, invalidity_date))
}

/// The single extensions of a live answer: a certificate's own, a whole `Extensions` SEQUENCE if it has any, and
/// archiveCutoff behind them where there is one, as a [`Template`](super::Template) puts it.
#[must_use]
pub fn with_archive_cutoff(
    extensions: Option<Vec<u8>>,
    archive_cutoff: Option<UnixTime>,
) -> Option<Vec<u8>> {
    let Some(cutoff) = archive_cutoff else {
        return extensions;
    };
    // Its own come from this module, and are a SEQUENCE.
    let mut list = list_of(extensions.as_deref())?.to_vec();
    list.extend(archive_cutoff_extension(cutoff));
    Some(sequence(&list))
}

/// archiveCutoff, an Extension of a SingleResponse (RFC 6960 §4.4.4).
pub(super) fn archive_cutoff_extension(cutoff: UnixTime) -> Vec<u8> {
    time_extension(&ID_PKIX_OCSP_ARCHIVE_CUTOFF, cutoff)
}

fn time_extension(oid: &ObjectIdentifier, time: UnixTime) -> Vec<u8> {
    let mut value = Vec::with_capacity(GENERALIZED_TIME_LEN);
    put_generalized_time(&mut value, time);
    extension(oid, &value)
}

/// The list in a whole `Extensions` SEQUENCE, empty for an absent one; `None` for what is no SEQUENCE.
#[inline]
pub(super) fn list_of(extensions: Option<&[u8]>) -> Option<&[u8]> {
    match extensions {
        None | Some([]) => Some(&[]),
        Some(der) => Elements::only(der, tag::SEQUENCE)
            .ok()
            .map(|element| element.content),
    }
}

/// Octets of `[1] EXPLICIT Extensions` around these lists as one; none where both are empty.
#[inline]
pub(super) fn wrapped_lists_len(lists: [&[u8]; 2]) -> usize {
    match total(lists.map(<[u8]>::len)) {
        0 => 0,
        len => tlv_len(tlv_len(len)),
    }
}

/// Appends `[1] EXPLICIT Extensions`; see [`wrapped_lists_len`].
#[inline]
pub(super) fn put_wrapped_lists(out: &mut Vec<u8>, lists: [&[u8]; 2]) {
    let len = total(lists.map(<[u8]>::len));
    if len == 0 {
        return;
    }
    put_header(out, tag::constructed(1), tlv_len(len));
    put_header(out, tag::SEQUENCE, len);
    for list in lists {
        out.extend_from_slice(list);
    }
}

/// The content of responseExtensions: the nonce (RFC 9654 §2.1), then extended-revoke (RFC 6960
/// §4.4.8). Empty when there is neither.
pub(super) fn response_extensions(nonce: Option<&[u8]>, extended_revoke: bool) -> Vec<u8> {
    let mut list = Vec::new();
    if let Some(nonce) = nonce {
        let value_len = tlv_len(nonce.len());
        let content_len = extension_len(&ID_PKIX_OCSP_NONCE, value_len);
        list.reserve_exact(tlv_len(content_len));
        put_header(&mut list, tag::SEQUENCE, content_len);
        put_tlv(
            &mut list,
            tag::OBJECT_IDENTIFIER,
            ID_PKIX_OCSP_NONCE.as_bytes(),
        );
        put_header(&mut list, tag::OCTET_STRING, value_len);
        put_tlv(&mut list, tag::OCTET_STRING, nonce);
    }
    if extended_revoke {
        list.extend(extension(&ID_PKIX_OCSP_EXTENDED_REVOKE, &[tag::NULL, 0]));
    }
    list
}

/// Octets of `[1] EXPLICIT Extensions` around a whole SEQUENCE; none for an absent or an empty one,
/// since an empty list of extensions must never be sent (some clients refuse the response).
#[inline]
pub(super) fn wrapped_len(extensions: Option<&[u8]>) -> usize {
    present(extensions).map_or(0, |extensions| tlv_len(extensions.len()))
}

/// Appends `[1] EXPLICIT Extensions`; see [`wrapped_len`].
#[inline]
pub(super) fn put_wrapped(out: &mut Vec<u8>, extensions: Option<&[u8]>) {
    if let Some(extensions) = present(extensions) {
        put_tlv(out, tag::constructed(1), extensions);
    }
}

#[inline]
fn present(extensions: Option<&[u8]>) -> Option<&[u8]> {
    const EMPTY_SEQUENCE: [u8; 2] = [tag::SEQUENCE, 0];
    extensions.filter(|der| !der.is_empty() && *der != EMPTY_SEQUENCE)
}

/// Wraps a list of extensions as an `Extensions` SEQUENCE.
pub(super) fn sequence(list: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(tlv_len(list.len()));
    put_tlv(&mut der, tag::SEQUENCE, list);
    der
}

/// Content octets of an extension that is not critical.
const fn extension_len(oid: &ObjectIdentifier, value_len: usize) -> usize {
    tlv_len(oid.as_bytes().len()).saturating_add(tlv_len(value_len))
}

fn extension(oid: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    let content_len = extension_len(oid, value.len());
    let mut der = Vec::with_capacity(tlv_len(content_len));
    put_header(&mut der, tag::SEQUENCE, content_len);
    put_tlv(&mut der, tag::OBJECT_IDENTIFIER, oid.as_bytes());
    put_tlv(&mut der, tag::OCTET_STRING, value);
    der
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn invalidity_date_is_a_list_of_one() {
        let time = UnixTime::from_generalized_time(b"20260102030405Z").unwrap();
        let expected = [
            &hex!("301a 3018 0603551d18 0411 180f")[..], // 2.5.29.24
            b"20260102030405Z",
        ];
        assert_eq!(invalidity_date_extension(time), expected.concat());
    }

    #[test]
    fn nonce_is_an_octet_string_in_an_octet_string() {
        let list = response_extensions(Some(&[0xaa, 0xbb]), true);
        let nonce = hex!("3011 0609 2b06010505073001 02 0404 0402 aabb");
        let extended_revoke = hex!("300f 0609 2b06010505073001 09 0402 0500");
        assert_eq!(list, [&nonce[..], &extended_revoke].concat());
        assert!(response_extensions(None, false).is_empty());
    }

    #[test]
    fn an_empty_list_is_left_out() {
        for nothing in [None, Some(&[][..]), Some(&[0x30, 0x00])] {
            let mut out = Vec::new();
            put_wrapped(&mut out, nothing);
            assert!(out.is_empty());
            assert_eq!(wrapped_len(nothing), 0);
        }
    }
}
