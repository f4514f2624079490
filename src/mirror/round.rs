//! One round: the manifest, what changed, and their places.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::BufReader,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    Change, Mirror, MirrorError, MirrorErrorKind, Round, changed,
    download::{Lack, download, forget},
    state, untrusted,
};
use crate::{
    asn1::{CrlNumber, UnixTime},
    catalog::crls::{CrlEdition, CrlKind},
    fetch::{Fetched, Validators},
    publish::{
        ServedPath,
        facts::CrlFacts,
        manifest::Manifest,
        tree::{READ_OCTETS, TreeError},
    },
    segment::names::hexadecimal,
};

pub(super) struct Errand<'a> {
    pub(super) mirror: &'a mut Mirror,
    pub(super) is_stopping: &'a dyn Fn() -> bool,
    pub(super) tell: &'a mut dyn FnMut(&Change),
    pub(super) changed: usize,
}

/// A manifest that is newer than what is in place.
struct News {
    manifest: Manifest,
    /// Its octets; `None` where they lie in their place already.
    text: Option<Vec<u8>>,
    validators: Option<Validators>,
}

/// A CRL that is whole and was checked, and has no name yet.
struct Whole<'a> {
    edition: &'a CrlEdition,
    path: ServedPath,
    file: PathBuf,
    issuer_der: Vec<u8>,
    resumed: u64,
}

/// Manifests that are fetched in one round, where CRLs are replaced while it goes on.
const MANIFESTS_MAX: u32 = 4;

impl Errand<'_> {
    pub(super) fn run(mut self, now: UnixTime) -> Result<Round, MirrorError> {
        let mut past_caches = false;
        let mut before = None;
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            let Some(news) = self.manifest(tries == 1)? else {
                return Ok(self.found(now, true));
            };
            let generation = news.manifest.generation;
            match self.follow(&news.manifest, past_caches) {
                Ok(()) => {
                    self.finish(news)?;
                    return Ok(self.found(now, false));
                }
                Err(Lack::Failure(error)) => {
                    self.save()?;
                    return Err(error);
                }
                Err(Lack::Another(error)) => {
                    self.save()?;
                    // The same manifest again, and caches were asked: then it is not a matter of time.
                    let is_same = before == Some(generation);
                    if tries == MANIFESTS_MAX || (is_same && past_caches) {
                        return Err(error);
                    }
                    (before, past_caches) = (Some(generation), true);
                }
            }
        }
    }

    /// The manifest, unless it and everything that it names is in its place.
    fn manifest(&mut self, conditional: bool) -> Result<Option<News>, MirrorError> {
        let kept = match conditional {
            true => self.kept_manifest()?,
            false => None,
        };
        let state = &self.mirror.state;
        let known = kept.as_ref().and_then(|_| state.validators.clone());
        let path = self.mirror.tree.own("manifest.part");
        let mut file = create(&path)?;
        let url = self.mirror.settings.url.clone();
        let fetcher = &mut self.mirror.fetcher;
        let fetched = fetcher.fetch(&url, known.as_ref(), &mut file, self.is_stopping);
        let fetched = fetched.map_err(|error| MirrorError::fetching(&url, error))?;
        let Fetched::Body { validators, sha256 } = fetched else {
            let manifest = kept.ok_or_else(|| {
                let message = format!("{url}: it did not answer the question");
                MirrorError::new(MirrorErrorKind::Untrusted, message)
            })?;
            let in_place = self.is_in_place(&manifest)?;
            self.mirror.manifest = Some(manifest.clone());
            return Ok((!in_place).then_some(News {
                manifest,
                text: None,
                validators: known,
            }));
        };
        let text = fs::read(&path).map_err(|source| TreeError { path, source })?;
        let manifest = Manifest::verified(&text, &self.mirror.settings.key);
        let manifest = manifest.map_err(|error| untrusted(&url, &error))?;
        self.judge(&manifest, &hexadecimal(&sha256))?;
        Ok(Some(News {
            manifest,
            text: Some(text),
            validators: validators.strict(),
        }))
    }

    /// Never to a lower generation, and never to another manifest of the same.
    fn judge(&mut self, manifest: &Manifest, sha256: &str) -> Result<(), MirrorError> {
        let url = &self.mirror.settings.url;
        let state = &mut self.mirror.state;
        let (last, found) = (state.generation, manifest.generation);
        let is_twin = found == last && !state.sha256.is_empty() && state.sha256 != sha256;
        if !self.mirror.settings.accept_older {
            let message = if found < last {
                format!(
                    "{url}: the manifest has generation {found}, and one of generation {last} came before: \
                     an old one is kept there by somebody, or the authority goes on from a backup. If that \
                     is so, run this once with --accept-older"
                )
            } else if is_twin {
                format!(
                    "{url}: another manifest of generation {found} came before, and there are no two. If the \
                     authority goes on from a backup, run this once with --accept-older"
                )
            } else {
                String::new()
            };
            if !message.is_empty() {
                return Err(MirrorError::new(MirrorErrorKind::Refused, message));
            }
        }
        state.generation = found;
        sha256.clone_into(&mut state.sha256);
        state.validators = None;
        self.save()
    }

    /// The manifest as it lies in its place, if it is the one that the validators are of.
    fn kept_manifest(&mut self) -> Result<Option<Manifest>, MirrorError> {
        let mirror = &mut *self.mirror;
        if mirror.state.validators.is_none() {
            return Ok(None);
        }
        let lies = mirror.tree.lies(&mirror.manifest_path)?;
        if lies.is_none_or(|lies| lies.sha256 != mirror.state.sha256) {
            return Ok(None);
        }
        if mirror.manifest.is_none() {
            let path = mirror.manifest_path.below(&mirror.settings.folder);
            let text = fs::read(&path).map_err(|source| TreeError { path, source })?;
            mirror.manifest = Manifest::verified(&text, &mirror.settings.key).ok();
        }
        Ok(mirror.manifest.clone())
    }

    /// Whether each of its CRLs lies where it should, by what was remembered when it was placed.
    fn is_in_place(&self, manifest: &Manifest) -> Result<bool, MirrorError> {
        for edition in &manifest.crls {
            let lies = self.mirror.tree.lies(&place(edition)?)?;
            if lies.is_none_or(|lies| lies.sha256 != edition.sha256) {
                return Ok(false);
            }
        }
        Ok(!self.mirror.settings.prune || self.unnamed(manifest)?.is_empty())
    }

    /// Brings what changed into place, issuer by issuer. One that fails keeps no other from being
    /// followed; the first failure is given.
    fn follow(&mut self, manifest: &Manifest, past_caches: bool) -> Result<(), Lack> {
        // What was begun for a manifest before it only takes room.
        let named: HashSet<&str> = manifest.crls.iter().map(|crl| &*crl.sha256).collect();
        self.mirror.tree.sweep(|name| {
            let stem = name.split('.').next().unwrap_or(name);
            name == state::FILE || named.contains(stem)
        })?;
        let mut first = None;
        for (_, mut editions) in manifest.issuers() {
            // Deltas last: see the module's beginning.
            editions.sort_by_key(|edition| (edition.kind == CrlKind::Delta, edition.kind));
            let mut wholes = Vec::new();
            for edition in editions.iter().copied() {
                match self.have(edition, past_caches) {
                    Ok(whole) => wholes.extend(whole),
                    Err(Lack::Failure(error)) if error.kind == MirrorErrorKind::Stopped => {
                        return Err(error.into());
                    }
                    Err(lack) => first = first.or(Some(lack)),
                }
            }
            if let Err(lack) = self.place(&editions, wholes) {
                first = first.or(Some(lack));
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Has a CRL whole and checked; `None` when it lies in its place.
    fn have<'a>(
        &mut self,
        edition: &'a CrlEdition,
        past_caches: bool,
    ) -> Result<Option<Whole<'a>>, Lack> {
        let path = place(edition)?;
        if let Some(lies) = self.mirror.tree.lies(&path)? {
            let may_be = lies.may_be_followed(edition).map_err(|error| {
                let message = format!("{}: {error}", edition.url);
                MirrorError::new(MirrorErrorKind::Refused, message)
            })?;
            if !may_be {
                return Ok(None);
            }
        }
        let (file, resumed) = download(self.mirror, edition, past_caches, self.is_stopping)?;
        let open = File::open(&file).map_err(|source| TreeError {
            path: file.clone(),
            source,
        })?;
        let with_signature = !self.mirror.settings.issuers.is_empty();
        let input = BufReader::with_capacity(READ_OCTETS, open);
        let wrong = |why: String| {
            let message = format!("{}: {why}", edition.url);
            MirrorError::new(MirrorErrorKind::Untrusted, message)
        };
        let facts = CrlFacts::read(input, with_signature)
            .map_err(|error| wrong(format!("it is no CRL: {error}")))?;
        facts.agrees(edition).map_err(wrong)?;
        if with_signature {
            let issuers = &self.mirror.settings.issuers;
            facts.is_signed_by_one_of(issuers).map_err(wrong)?;
        }
        Ok(Some(Whole {
            edition,
            path,
            file,
            issuer_der: facts.issuer_der,
            resumed,
        }))
    }

    /// Gives the CRLs of one issuer their names, in their order.
    fn place(&mut self, editions: &[&CrlEdition], wholes: Vec<Whole<'_>>) -> Result<(), Lack> {
        let mut first = None;
        let issuer_der = wholes.first().map(|whole| whole.issuer_der.clone());
        for (number, whole) in wholes.iter().enumerate() {
            let edition = whole.edition;
            if Some(&whole.issuer_der) != issuer_der.as_ref() {
                let message = format!(
                    "{}: it is of another issuer than the other CRLs of {:?}",
                    edition.url, edition.issuer
                );
                let error = MirrorError::new(MirrorErrorKind::Untrusted, message);
                first = first.or(Some(Lack::Failure(error)));
                continue;
            }
            if let Some(error) = self.without_base(edition, editions)? {
                first = first.or(Some(Lack::Failure(error)));
                continue;
            }
            // A base may be the full CRL itself: one file for two places.
            let later = wholes.iter().skip(number.saturating_add(1));
            let is_last = !later.into_iter().any(|later| later.file == whole.file);
            let file = match is_last {
                true => whole.file.clone(),
                false => another(&whole.file)?,
            };
            let crl_number = Some(edition.number);
            let tree = &mut self.mirror.tree;
            tree.place(&file, &whole.path, &edition.sha256, crl_number)?;
            if is_last {
                forget(&whole.file);
            }
            self.changed = self.changed.saturating_add(1);
            (self.tell)(&changed(edition, &whole.path, whole.resumed));
        }
        self.save()?;
        first.map_or(Ok(()), Err)
    }

    /// Why a delta cannot be placed: the full CRL that lies there is older than its base.
    fn without_base(
        &self,
        delta: &CrlEdition,
        editions: &[&CrlEdition],
    ) -> Result<Option<MirrorError>, MirrorError> {
        let Some(base) = delta.base else {
            return Ok(None);
        };
        let full = editions
            .iter()
            .find(|edition| edition.kind == CrlKind::Full);
        let lies = match full {
            Some(full) => self.mirror.tree.lies(&place(full)?)?,
            None => None,
        };
        let number = lies.and_then(|lies| lies.number);
        if number.is_some_and(|number| number >= CrlNumber::from(base)) {
            return Ok(None);
        }
        let message = format!(
            "{}: the delta's base is {base}, and no full CRL that is as new lies beside it: it waits for that",
            delta.url
        );
        Ok(Some(MirrorError::new(
            MirrorErrorKind::Unreachable,
            message,
        )))
    }

    /// Everything is in its place: so is then the manifest, and what it does not name goes.
    fn finish(&mut self, news: News) -> Result<(), MirrorError> {
        let mirror = &mut *self.mirror;
        if let Some(text) = &news.text {
            let lies = mirror.tree.lies(&mirror.manifest_path)?;
            if lies.is_none_or(|lies| lies.sha256 != mirror.state.sha256) {
                mirror.tree.write(&mirror.manifest_path, text)?;
                self.changed = self.changed.saturating_add(1);
                (self.tell)(&Change {
                    change: "placed",
                    path: mirror.manifest_path.to_string(),
                    crl: None,
                });
            }
        }
        if mirror.settings.prune {
            self.prune(&news.manifest)?;
        }
        let mirror = &mut *self.mirror;
        mirror.state.validators = news.validators;
        mirror.manifest = Some(news.manifest);
        // What was begun for an earlier manifest; the state itself is written anew.
        mirror.tree.sweep(|name| name == state::FILE)?;
        self.save()
    }

    /// What was placed here once, and the manifest does not name.
    fn unnamed(&self, manifest: &Manifest) -> Result<Vec<String>, MirrorError> {
        let mut named = HashSet::from([self.mirror.manifest_path.clone()]);
        for edition in &manifest.crls {
            named.insert(place(edition)?);
        }
        let files = self.mirror.tree.placed.keys();
        let unnamed = files.filter(|path| !named.contains(path.as_str()));
        Ok(unnamed.cloned().collect())
    }

    fn prune(&mut self, manifest: &Manifest) -> Result<(), MirrorError> {
        let gone = self.unnamed(manifest)?;
        for path in gone {
            if self.mirror.tree.remove(&path)? {
                self.changed = self.changed.saturating_add(1);
                (self.tell)(&Change {
                    change: "removed",
                    path: format!("/{path}"),
                    crl: None,
                });
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<(), MirrorError> {
        let mirror = &*self.mirror;
        let path = mirror.tree.own(state::FILE);
        mirror.state.write(&path, &mirror.tree.placed)
    }

    fn found(&self, now: UnixTime, not_modified: bool) -> Round {
        let manifest = self.mirror.manifest.as_ref();
        let crls = manifest.map(|manifest| &*manifest.crls).unwrap_or_default();
        let ended = crls.iter().filter(|crl| crl.next_update <= now);
        Round {
            generation: self.mirror.state.generation,
            crls: crls.len(),
            changed: self.changed,
            not_modified,
            ended: ended.map(|crl| crl.url.clone()).collect(),
            next_due: manifest.and_then(Manifest::next_due),
        }
    }
}

/// The place of a CRL in the folder.
/// A copy beside a file.
fn another(file: &Path) -> Result<PathBuf, TreeError> {
    let copy = file.with_extension("copy.part");
    let copied = fs::copy(file, &copy).and_then(|_| File::open(&copy)?.sync_all());
    copied.map_err(|source| TreeError {
        path: copy.clone(),
        source,
    })?;
    Ok(copy)
}

fn place(edition: &CrlEdition) -> Result<ServedPath, MirrorError> {
    ServedPath::parse(edition.path()).map_err(|error| {
        let message = format!("{}: {error}", edition.url);
        MirrorError::new(MirrorErrorKind::Refused, message)
    })
}

/// A file of our own, empty.
fn create(path: &Path) -> Result<File, TreeError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(true);
    options.mode(0o600).open(path).map_err(|source| TreeError {
        path: path.to_owned(),
        source,
    })
}
