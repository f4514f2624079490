//! What the ledger recorded about one certificate, proved to whoever has the log's key: a document in
//! JSON, each entry in it with a proof as C2SP tlog-proof writes it.
//!
//! ```json
//! {
//!   "format": "estelam-proof-v1",
//!   "log": "NAME",
//!   "issuer": "the issuer's label",
//!   "serial": "the serial number in hexadecimal",
//!   "checkpoint": "the signed checkpoint that all proofs end in",
//!   "entries": [
//!     {
//!       "about": "issuer" | "certificate" | "all of the issuer",
//!       "sequence": 5,
//!       "entry": "the entry's canonical octets, in base64",
//!       "proof": "c2sp.org/tlog-proof@v1\nindex 4\n…"
//!     }
//!   ]
//! }
//! ```
//!
//! The first entry defines the issuer; then come the certificate's own, the oldest first, each naming
//! the one before it; last that which revoked all of the issuer's certificates, if there is one. The
//! words outside `entry`, `proof` and `checkpoint` are for people: nothing vouches for them.
//!
//! **What it does not prove:** that there is no later entry. Only the log itself shows that.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{AuditError, Checkpoint, CheckpointError, SignedCheckpoint, TlogProof, VerifierKey};
use crate::{
    asn1::{CrlReason, UnixTime},
    identity::SerialNumber,
    ledger::{
        DefinedIssuer, Entry, EntryKind, LedgerSnapshot, Statement,
        log::{SnapshotNodes, inclusion_proof, leaf_hash, proves_inclusion},
    },
};

/// The document.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct CertificateProof {
    /// `PROOF_FORMAT`.
    pub format: String,
    /// The log's name.
    pub log: String,
    /// The issuer's label.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The signed note.
    pub checkpoint: String,
    /// The entries.
    pub entries: Vec<ProvenEntry>,
}

/// An entry with its proof.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProvenEntry {
    /// What it is about.
    pub about: String,
    /// Its sequence.
    pub sequence: u64,
    /// Its canonical octets in base64.
    pub entry: String,
    /// Its proof.
    pub proof: String,
}

/// What a document of this form says of itself.
const PROOF_FORMAT: &str = "estelam-proof-v1";

/// Proves what the ledger recorded about a certificate. The snapshot has to have what the checkpoint
/// covers; entries after it are left out.
///
/// # Errors
/// [`AuditError::NoEntry`], or those of the ledger.
pub fn prove(
    snapshot: &LedgerSnapshot,
    signed: &SignedCheckpoint,
    log: &str,
    issuer: &DefinedIssuer,
    serial: &SerialNumber,
) -> Result<CertificateProof, AuditError> {
    let size = signed.checkpoint.head.size;
    let history = snapshot.history(&issuer.id, serial)?;
    let mut history = history.collect::<Result<Vec<_>, _>>()?;
    history.reverse();
    let is_own = |entry: &Entry| matches!(entry.kind, EntryKind::Certificate(_));
    let own = history.iter().filter(|entry| is_own(entry));
    let own = own.map(|entry| (CERTIFICATE, entry.sequence));
    let whole = snapshot.revoked_issuer(&issuer.id);
    let whole = whole.map(|whole| (WHOLE, whole.sequence));
    let of_issuer = std::iter::once((ISSUER, issuer.sequence));
    let mut nodes = SnapshotNodes::new(snapshot)?;
    let mut entries = Vec::new();
    for (about, sequence) in of_issuer.chain(own).chain(whole) {
        let leaf = snapshot.epochs().leaf_of(sequence);
        let Some(leaf) = leaf.filter(|leaf| *leaf < size) else {
            continue;
        };
        let Some(octets) = snapshot.entry_octets(sequence)? else {
            continue;
        };
        let proof = TlogProof {
            index: leaf,
            path: inclusion_proof(&mut nodes, leaf, size)?,
            checkpoint: signed.note.clone(),
        };
        entries.push(ProvenEntry {
            about: about.to_owned(),
            sequence,
            entry: STANDARD.encode(octets),
            proof: proof.to_string(),
        });
    }
    if !entries.iter().any(|entry| entry.about == CERTIFICATE) {
        return Err(AuditError::NoEntry {
            serial: serial.to_string(),
            issuer: issuer.identity.label.clone(),
        });
    }
    Ok(CertificateProof {
        format: PROOF_FORMAT.to_owned(),
        log: log.to_owned(),
        issuer: issuer.identity.label.clone(),
        serial: serial.to_string(),
        checkpoint: signed.note.clone(),
        entries,
    })
}

const ISSUER: &str = "issuer";
const CERTIFICATE: &str = "certificate";
const WHOLE: &str = "all of the issuer";

/// What a document proves, in the order of the entries.
#[derive(Clone, Debug, Serialize)]
pub struct ProvenStatement {
    /// The entry's sequence.
    pub sequence: u64,
    /// When it was recorded, RFC 3339.
    pub recorded: String,
    /// By whose word.
    pub source: String,
    /// What it says.
    pub says: String,
}

/// Verifies a document with the key that signs for the log, from it alone.
///
/// # Errors
/// [`ProofError`] names the entry that is not proved.
pub fn verify_proof(
    text: &str,
    key: &VerifierKey,
) -> Result<(Checkpoint, Vec<ProvenStatement>), ProofError> {
    let document: CertificateProof = serde_json::from_str(text)?;
    if document.format != PROOF_FORMAT {
        return Err(ProofError::Format(document.format));
    }
    let checkpoint = Checkpoint::verified(&document.checkpoint, key)?;
    let mut about = About::default();
    let mut statements = Vec::new();
    for proven in &document.entries {
        let sequence = proven.sequence;
        let failed = |why| ProofError::Entry { sequence, why };
        let octets = STANDARD
            .decode(&proven.entry)
            .map_err(|_| failed("it is not in base64"))?;
        let proof = TlogProof::parse(&proven.proof)
            .ok_or_else(|| failed("its proof is not one of c2sp.org/tlog-proof@v1"))?;
        if proof.checkpoint != document.checkpoint {
            return Err(failed("its proof ends in another checkpoint"));
        }
        let leaf = leaf_hash(&octets);
        if !proves_inclusion(&proof.path, &leaf, proof.index, &checkpoint.head) {
            return Err(failed("its proof does not lead to the checkpoint's root"));
        }
        let entry = Entry::decode(&octets).map_err(|_| failed("its octets are not an entry's"))?;
        if entry.sequence != sequence {
            return Err(failed("it has another sequence"));
        }
        about.take(&entry, &document.serial).map_err(failed)?;
        statements.push(statement(&entry));
    }
    match about.last_own {
        0 => Err(ProofError::Nothing),
        _ => Ok((checkpoint, statements)),
    }
}

/// Whom the entries were about so far.
#[derive(Default)]
struct About {
    issuer_number: Option<u32>,
    last_own: u64,
}

impl About {
    fn take(&mut self, entry: &Entry, serial: &str) -> Result<(), &'static str> {
        let number = match &entry.kind {
            EntryKind::IssuerDefined { number, .. } if self.issuer_number.is_none() => {
                self.issuer_number = Some(*number);
                *number
            }
            EntryKind::Certificate(certificate) => {
                if certificate.serial.to_string() != serial {
                    return Err("it is about another certificate");
                }
                if certificate.previous != self.last_own {
                    return Err("it does not name the entry before it: one was left out");
                }
                self.last_own = entry.sequence;
                certificate.issuer_number
            }
            EntryKind::IssuerRevoked { issuer_number, .. } => *issuer_number,
            _ => return Err("it is about something else"),
        };
        match self.issuer_number {
            Some(issuer) if issuer == number => Ok(()),
            Some(_) => Err("it is about another issuer"),
            None => Err("the entry that defines the issuer is missing before it"),
        }
    }
}

fn statement(entry: &Entry) -> ProvenStatement {
    let at = |time: UnixTime| time.to_string();
    let because = |reason: Option<CrlReason>| {
        reason.map_or_else(String::new, |reason| format!(" ({})", reason.name()))
    };
    let says = match &entry.kind {
        EntryKind::IssuerDefined { issuer, .. } => {
            format!("the issuer {} is called {:?}", issuer.id(), issuer.label)
        }
        EntryKind::Certificate(certificate) => match certificate.statement {
            Statement::Issued(_) => "issued".to_owned(),
            Statement::Revoked { claim, .. } => format!(
                "revoked at {}{}",
                at(claim.revocation_time),
                because(claim.reason)
            ),
            Statement::Released => "released from hold".to_owned(),
            Statement::Corrected(claim) => format!(
                "its revocation corrected: at {}{}",
                at(claim.revocation_time),
                because(claim.reason)
            ),
        },
        EntryKind::IssuerRevoked { claim, .. } => format!(
            "all certificates of the issuer revoked at {}{}",
            at(claim.revocation_time),
            because(claim.reason)
        ),
        _ => "something else".to_owned(),
    };
    ProvenStatement {
        sequence: entry.sequence,
        recorded: UnixTime::from_secs(entry.recorded_ms / 1_000)
            .map(at)
            .unwrap_or_default(),
        source: match entry.source.cursor() {
            "" => entry.source.name().to_owned(),
            cursor => format!("{} {cursor}", entry.source.name()),
        },
        says,
    }
}

/// Why a document proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// Not JSON of this form.
    #[error("it is not a proof: {0}")]
    Json(#[from] serde_json::Error),
    /// Of a form that this program does not know.
    #[error("it has the format {0:?}, and this estelam reads {PROOF_FORMAT:?}")]
    Format(String),
    /// Its checkpoint is refused.
    #[error("its checkpoint is refused: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// One of its entries is not proved.
    #[error("entry {sequence} is not proved: {why}")]
    Entry {
        /// Its sequence, as the document says it.
        sequence: u64,
        /// Why.
        why: &'static str,
    },
    /// It has no entry about a certificate.
    #[error("it has no entry about a certificate")]
    Nothing,
}
