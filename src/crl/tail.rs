//! What stands after the entries.

use super::{CrlExtensions, CrlExtensionsError};

/// crlExtensions and the signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tail {
    /// How many entries there were.
    pub entry_count: u32,
    /// The content of crlExtensions; `None` when the field is absent.
    pub(super) extensions: Option<Vec<u8>>,
    /// The octets of signatureValue.
    pub signature: Vec<u8>,
}

impl Tail {
    /// The content of crlExtensions, a list as it is encoded; `None` when the field is absent.
    #[must_use]
    pub fn extension_list(&self) -> Option<&[u8]> {
        self.extensions.as_deref()
    }

    /// What the extensions say.
    ///
    /// # Errors
    /// [`CrlExtensionsError`] when one that is understood is malformed, or the list is.
    pub fn extensions(&self) -> Result<CrlExtensions, CrlExtensionsError> {
        CrlExtensions::decode(self.extensions.as_deref().unwrap_or_default())
    }
}
