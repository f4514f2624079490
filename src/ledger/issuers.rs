//! The issuers that the ledger knows, and their numbers.

use std::{collections::HashMap, sync::Arc};

use crate::identity::IssuerId;

use super::entry::IssuerIdentity;

/// An issuer that the ledger knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DefinedIssuer {
    /// Its number in entries and keys, from 1.
    pub number: u32,
    /// The entry that defined it.
    pub sequence: u64,
    /// Its id.
    pub id: IssuerId,
    /// Its name, key and label.
    pub identity: Arc<IssuerIdentity>,
}

/// All of them. Issuers are only ever added, and their numbers never change.
#[derive(Clone, Debug, Default)]
pub(super) struct IssuerTable {
    /// In the order of their numbers.
    defined: Vec<DefinedIssuer>,
    places: HashMap<IssuerId, usize>,
}

impl IssuerTable {
    pub(super) fn insert(&mut self, issuer: DefinedIssuer) {
        self.places.insert(issuer.id, self.defined.len());
        self.defined.push(issuer);
    }

    pub(super) fn by_id(&self, id: &IssuerId) -> Option<&DefinedIssuer> {
        self.defined.get(*self.places.get(id)?)
    }

    pub(super) fn by_number(&self, number: u32) -> Option<&DefinedIssuer> {
        let place = self
            .defined
            .binary_search_by_key(&number, |issuer| issuer.number)
            .ok()?;
        self.defined.get(place)
    }

    pub(super) fn by_label(&self, label: &str) -> Option<&DefinedIssuer> {
        self.defined
            .iter()
            .find(|issuer| issuer.identity.label == label)
    }

    pub(super) fn number(&self, id: &IssuerId) -> Option<u32> {
        self.by_id(id).map(|issuer| issuer.number)
    }

    /// The number that the next issuer gets.
    pub(super) fn next_number(&self) -> Option<u32> {
        let last = self.defined.last().map_or(0, |issuer| issuer.number);
        last.checked_add(1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DefinedIssuer> {
        self.defined.iter()
    }
}
