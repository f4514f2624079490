//! Proofs of inclusion as C2SP tlog-proof writes them.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index N
//! a hash in base64, from the leaf's neighbour up; none or more such lines
//!
//! the checkpoint, a signed note
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::checkpoint::{decimal, hash};
use crate::ledger::log::Hash;

/// A proof that is read and not judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlogProof {
    /// The index of the leaf.
    pub index: u64,
    /// The hashes beside the way to the root.
    pub path: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The longest path: a tree has fewer than 2⁶⁴ leaves.
const PATH_MAX: usize = 64;

impl TlogProof {
    /// Reads a proof; `None` for anything else. Extra data, which nothing vouches for, is passed over.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(FIRST_LINE)?.strip_prefix('\n')?;
        let (head, checkpoint) = rest.split_once("\n\n")?;
        let mut lines = head.split('\n').peekable();
        lines.next_if(|line| line.starts_with("extra "));
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let path: Vec<Hash> = lines.map(hash).collect::<Option<_>>()?;
        (path.len() <= PATH_MAX).then(|| Self {
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

impl std::fmt::Display for TlogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{FIRST_LINE}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_read_as_it_was_written() {
        for path in [vec![], vec![[1; 32], [2; 32]]] {
            let proof = TlogProof {
                index: 73_894,
                path,
                checkpoint: "log\n109482\nAAAA\n\n— log AAAA\n".to_owned(),
            };
            let text = proof.to_string();
            assert_eq!(TlogProof::parse(&text).as_ref(), Some(&proof));
            let with_extra = text.replace("index ", "extra YWdl\nindex ");
            assert_eq!(TlogProof::parse(&with_extra), Some(proof));
        }
        for wrong in [
            "",
            "c2sp.org/tlog-proof@v2\nindex 1\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 01\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nx\n",
            "c2sp.org/tlog-proof@v1\nindex 1\n",
        ] {
            assert_eq!(TlogProof::parse(wrong), None, "{wrong:?}");
        }
    }
}
