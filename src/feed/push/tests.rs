use super::*;
use crate::asn1::CrlReason;
use crate::change::{Action, Inventory, RevocationClaim};
use crate::identity::SerialNumber;
use crate::signer::test_pki::{Ca, leaf};

const NOW: u64 = 1_790_000_000; // 2026-09-21

fn at(text: &str) -> UnixTime {
    UnixTime::from_rfc3339(text).unwrap()
}

struct World {
    ours: Certificate,
    others: Certificate,
}

impl World {
    fn new() -> Self {
        Self {
            ours: Ca::new("ours").certificate(),
            others: Ca::new("others").certificate(),
        }
    }

    /// Reads for a client of the first `count` issuers.
    fn read(&self, count: usize, body: &str, form: Form) -> Result<Vec<Pushed>, BatchError> {
        let issuer = |name, certificate: &'static str| (name, certificate);
        let _ = issuer;
        let issuers = [("ours", &self.ours), ("others", &self.others)];
        let issuers: Vec<PushIssuer<'_>> = issuers
            .iter()
            .take(count)
            .map(|(name, certificate)| PushIssuer {
                name,
                id: certificate.issuer_id(),
                certificate,
            })
            .collect();
        Reading {
            issuers: &issuers,
            now: UnixTime::from_secs(NOW).unwrap(),
        }
        .read(body.as_bytes(), form)
    }
}
