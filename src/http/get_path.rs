//! Stand-in for `ocsp::decode_get_path` until it is merged.

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub(super) fn decode_get_path(raw: &[u8], out: &mut [u8]) -> Result<usize, ()> {
    STANDARD.decode_slice(raw, out).map_err(|_| ())
}
