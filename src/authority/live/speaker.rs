//! Who signs an answer: a response has one signature, whatever it is about.

use std::sync::Arc;

use super::refusal::Refusal;
use crate::authority::issuer::Issuer;
use crate::ocsp::{AlgorithmOffer, PreferredAlgorithms};
use crate::signer::{LoadedSigner, Role};

/// The signer that may speak for all of these issuers, and that the client likes best.
///
/// Each issuer's signers stand in the order of the configuration, the one of the presigned answers first.
/// A client whose list names none of them gets that first one. (RFC 6960 §4.4.7.2 would have the
/// algorithm of the issuer's CRLs come before it, which nobody who puts another signer first wants.)
pub(super) fn speaker(
    issuers: &[&Arc<Issuer>],
    preferred: Option<PreferredAlgorithms<'_>>,
) -> Result<Arc<LoadedSigner>, Refusal> {
    let (first, others) = issuers.split_first().ok_or(Refusal::Malformed)?;
    let mut others = others
        .iter()
        .filter(|other| other.id != first.id)
        .peekable();
    if preferred.is_none() && others.peek().is_none() {
        return first.signer().ok_or(Refusal::CannotSign);
    }
    let others: Vec<&Arc<Issuer>> = others.copied().collect();
    let mut candidates: Vec<Arc<LoadedSigner>> = first.signers().collect();
    candidates.retain(|signer| {
        let has_it = |other: &&Arc<Issuer>| other.signers().any(|its| is_same(signer, &its));
        others.iter().all(has_it)
    });
    let chosen = choose(&candidates, preferred);
    chosen.cloned().ok_or_else(|| {
        // One that is away may be the one, and comes back.
        let is_whole = |issuer: &Issuer| issuer.has_all_signers();
        if is_whole(first) && others.iter().all(|other| is_whole(other)) && !others.is_empty() {
            Refusal::NotAuthoritative
        } else {
            Refusal::CannotSign
        }
    })
}

/// The candidate that the client's list names first; without a list, or where it names none, the first.
fn choose<'c>(
    candidates: &'c [Arc<LoadedSigner>],
    preferred: Option<PreferredAlgorithms<'_>>,
) -> Option<&'c Arc<LoadedSigner>> {
    let liked = preferred.and_then(|preferred| {
        let offers: Vec<(usize, AlgorithmOffer<'_>)> = candidates
            .iter()
            .enumerate()
            .filter_map(|(place, signer)| Some((place, offer(signer)?)))
            .collect();
        let liked = preferred.choose(offers.iter().map(|(_, offer)| *offer))?;
        candidates.get(offers.get(liked)?.0)
    });
    liked.or_else(|| candidates.first())
}

fn offer(signer: &LoadedSigner) -> Option<AlgorithmOffer<'_>> {
    AlgorithmOffer::new(
        signer.signer.algorithm().algorithm_identifier_der(),
        Some(signer.certificate.spki_der()),
    )
}

/// Whether two issuers' signers are one and the same to clients: the same certificate, or for issuers
/// that sign themselves the same key (a CA that was renamed, or has several certificates).
///
/// A delegate speaks for the CA alone that issued its certificate (RFC 6960 §4.2.2.2): a key that two CAs
/// made a delegate each is two signers, and clients look at one certificate.
fn is_same(one: &LoadedSigner, other: &LoadedSigner) -> bool {
    let is_same_key = || {
        one.signer.algorithm() == other.signer.algorithm()
            && one.signer.public_key_octets() == other.signer.public_key_octets()
    };
    let is_same_right = || match (one.role, other.role) {
        (Role::CaDirect, Role::CaDirect) => true,
        _ => one.certificate.der() == other.certificate.der(),
    };
    one.responder_id == other.responder_id && is_same_right() && is_same_key()
}
