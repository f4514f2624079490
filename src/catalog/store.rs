//! The catalog on disk and in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};

use super::crls::Shelf;
use super::error::CatalogError;
use super::files::{CrlFiles, FileTable, Opened};
use super::holdings::{Holdings, IssuerRevoked};
use super::issuer_table::IssuerTable;
use super::manifest::{self, Listed, Manifest, ManifestState, Unusable};
use super::overlay::OverlayEntry;
use super::publication::Publication;
use super::shards::Holding;
use super::snapshot::{IssuerSnapshot, Snapshot};
use crate::identity::IssuerId;
use crate::segment::disk::{self, DiskError};
use crate::segment::{
    HeaderError, MappedFile, Segment, SegmentError, SegmentFile, names, pending_markers,
};

/// Generations that one writing of the manifest reserves, so that a mask costs no write.
const GENERATIONS_RESERVED: u64 = 1 << 20;
const QUARANTINED: &str = ".seg.quarantined";
/// Files that were replaced and are still being read by slow clients, at most. Each holds its place on
/// the disk; the oldest is withdrawn for one more, and its readers come back for the newest.
const REPLACED_FILES_MAX: usize = 16;

/// The one writable handle of a catalog's folder. Publishing is serialised; reading never waits.
#[derive(Debug)]
pub struct Catalog {
    folder: PathBuf,
    _lock: FolderLock,
    current: ArcSwap<Snapshot>,
    /// Of the current files, so that a longer path costs no look at the snapshot.
    path_octets_max: AtomicUsize,
    writer: Mutex<Writer>,
}

/// What opening a catalog found and did.
#[derive(Debug)]
pub struct OpenReport {
    /// The manifest.
    pub manifest: ManifestState,
    /// The generation it opened with.
    pub generation: u64,
    /// Segments taken out of service.
    pub quarantined: Vec<Quarantined>,
    /// Files removed: segments of no manifest, unfinished ones.
    pub removed: Vec<PathBuf>,
}

/// A segment taken out of service.
#[derive(Debug)]
pub struct Quarantined {
    /// The digest in its name.
    pub sha256: [u8; 32],
    /// Its issuer.
    pub issuer: IssuerId,
    /// Why.
    pub cause: QuarantineCause,
    /// Where it is kept for inspection; `None` when the file is missing.
    pub kept: Option<PathBuf>,
}

/// Why a segment was taken out of service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineCause {
    /// A page of it could not be read, and the process died of that.
    #[error("a page of it could not be read")]
    Fault,
    /// It did not open.
    #[error(transparent)]
    Refused(#[from] SegmentError),
    /// Its header is that of another segment.
    #[error("another segment lies under its name")]
    Mismatch,
}

impl Catalog {
    /// Opens the catalog in `folder`, created if need be: loads the manifest, maps its segments, takes
    /// damaged ones out of service, removes what no manifest names. Every issuer is catching up, and
    /// none is known until the first [`Publication::IssuerTable`].
    ///
    /// `generation_floor` is a number that no generation has reached before, or 0 to trust the manifest
    /// alone: milliseconds since 1970 will do, and keep generations rising when the manifest is lost.
    ///
    /// # Errors
    /// [`CatalogError`]: another process has it open, a newer version of manifest or segment, or a disk
    /// that refuses. Damage is no error; it is in the report.
    pub fn open(folder: &Path, generation_floor: u64) -> Result<(Self, OpenReport), CatalogError> {
        disk::create_folder(folder)?;
        let lock = FolderLock::take(folder)?;
        let names = disk::names(folder)?;
        let (old, state) = load(folder, &names)?;
        let mut opening = Opening {
            folder,
            marked: pending_markers(folder)?.into_iter().collect(),
            holdings: BTreeMap::new(),
            quarantined: Vec::new(),
        };
        for listed in &old.segments {
            opening.take(*listed)?;
        }
        let Opening {
            holdings,
            mut quarantined,
            ..
        } = opening;

        let generation = old.generation_below.max(generation_floor);
        let writer = Writer {
            holdings: holdings
                .into_iter()
                .map(|(issuer, listing)| (issuer, Arc::new(Holdings::new(issuer, listing))))
                .collect(),
            generation_below: generation.saturating_add(GENERATIONS_RESERVED),
            previous: None,
            replaced: Vec::new(),
        };
        let manifest = writer.manifest(&BTreeMap::new(), writer.generation_below);
        manifest.store(folder)?;
        // Only now: had the process stopped before, it would have found everything in place again.
        for quarantined in &mut quarantined {
            quarantined.kept = keep_aside(folder, &quarantined.sha256)?;
        }
        let spare_segments = matches!(
            state,
            ManifestState::Damaged { .. } | ManifestState::Missing
        );
        let removed = sweep(folder, &manifest, spare_segments)?;

        let report = OpenReport {
            manifest: state,
            generation,
            quarantined,
            removed,
        };
        let catalog = Self {
            folder: folder.to_owned(),
            _lock: lock,
            current: ArcSwap::from_pointee(Snapshot {
                generation,
                table: Arc::default(),
                issuers: Vec::new(),
                files: Arc::default(),
            }),
            path_octets_max: AtomicUsize::new(0),
            writer: Mutex::new(writer),
        };
        Ok((catalog, report))
    }

    /// What may be served now. Never waits; hold it for one answer, not longer.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The longest path that anything but OCSP is served at; one relaxed load.
    pub fn path_octets_max(&self) -> usize {
        self.path_octets_max.load(Ordering::Relaxed)
    }

    /// The folder that CRLs are published from.
    #[must_use]
    pub fn crl_folder(&self) -> PathBuf {
        Shelf::folder_in_catalog(&self.folder)
    }

    /// Whether the manifest names any segment, of whatever issuer, withheld ones included.
    #[must_use]
    pub fn has_segments(&self) -> bool {
        let writer = self.lock();
        let mut holdings = writer.holdings.values();
        holdings.any(|holdings| !holdings.shards.listing().is_empty())
    }

    /// The folder that segments are written into.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes all publications visible together, in their order, and returns the generation that shows
    /// them. New segments are opened and mapped before; the manifest that names them is durable before;
    /// files that no manifest names any more are removed after. Publications without segments or CRLs
    /// touch no disk. CRLs are read before anybody else's publications are held up.
    ///
    /// # Errors
    /// [`CatalogError`]; nothing is published then, and the files of refused segments are removed: a
    /// signer that tries again and again would fill the disk with them.
    pub fn publish(&self, publications: &[Publication]) -> Result<u64, CatalogError> {
        let published = self.open_files(publications).and_then(|files| {
            self.change(|draft| {
                publications
                    .iter()
                    .try_for_each(|publication| draft.apply(publication))?;
                files.into_iter().for_each(|file| draft.take(file));
                Ok(())
            })
        });
        if published.is_err() {
            self.discard(publications);
        }
        published
    }

    /// What the publications of files bring, opened and checked.
    fn open_files(&self, publications: &[Publication]) -> Result<Vec<Opened>, CatalogError> {
        let mut opened = Vec::new();
        for publication in publications {
            let current = || Arc::clone(self.current.load().files.parts().0);
            match publication {
                Publication::Crls(listing) => {
                    let files = CrlFiles::load(&self.crl_folder(), listing, &current());
                    opened.push(Opened::Crls(files));
                }
                Publication::CrlCoding { sha256, coding } => {
                    let folder = self.crl_folder();
                    opened.extend(Opened::coding(&folder, sha256, *coding, &current())?);
                }
                Publication::Certificates(certificates) => {
                    let certificates = certificates.as_slice().into();
                    opened.push(Opened::Certificates(certificates));
                }
                _ => {}
            }
        }
        Ok(opened)
    }

    /// Removes the files of segments that were not published. One that the manifest on the disk names
    /// stays: the writing of that may have failed at its very end.
    pub fn discard(&self, publications: &[Publication]) {
        let writer = self.lock();
        let Ok(on_disk) = disk::read(&self.folder.join(manifest::NAME)) else {
            return;
        };
        let Ok(on_disk) = Manifest::decode(&on_disk) else {
            return;
        };
        let in_service = writer.manifest(&BTreeMap::new(), writer.generation_below);
        let named = on_disk.segments.iter().chain(&in_service.segments);
        for publication in publications {
            if let Publication::Segment { file, .. } = publication
                && !named.clone().any(|listed| listed.sha256 == file.sha256)
            {
                // What cannot be removed is removed at the next opening.
                let _result =
                    disk::remove(&self.folder.join(names::name(&file.sha256, names::SEGMENT)));
            }
        }
    }

    /// Takes a segment found damaged out of service: its serials become
    /// [`Finding::Damaged`](super::Finding::Damaged), and for a patch the issuer must catch up again.
    /// The file is kept under another name. Returns the generation, the current one if no such segment
    /// is in service.
    ///
    /// # Errors
    /// [`CatalogError::Disk`]; the segment then stays in service.
    pub fn quarantine(&self, sha256: &[u8; 32]) -> Result<u64, CatalogError> {
        self.change(|draft| {
            draft.quarantine(sha256);
            Ok(())
        })
    }

    fn change(
        &self,
        edit: impl FnOnce(&mut Draft<'_>) -> Result<(), CatalogError>,
    ) -> Result<u64, CatalogError> {
        let mut writer = self.lock();
        let current = self.current.load_full();
        let mut draft = Draft {
            folder: &self.folder,
            writer: &writer,
            table: Arc::clone(&current.table),
            table_changed: false,
            files: Arc::clone(&current.files),
            changed: BTreeMap::new(),
            segments_changed: false,
            installed: BTreeSet::new(),
            aside: BTreeSet::new(),
        };
        edit(&mut draft)?;
        let Draft {
            table,
            table_changed,
            files,
            changed,
            segments_changed,
            installed,
            aside,
            ..
        } = draft;
        let files_changed = !Arc::ptr_eq(&files, &current.files);
        if changed.is_empty() && !table_changed && !files_changed {
            return Ok(current.generation);
        }

        let generation = current.generation.saturating_add(1);
        let mut generation_below = writer.generation_below;
        if segments_changed || generation >= generation_below {
            if generation >= generation_below {
                generation_below = generation.saturating_add(GENERATIONS_RESERVED);
            }
            writer
                .manifest(&changed, generation_below)
                .store(&self.folder)?;
        }
        writer.generation_below = generation_below;

        let retired = writer.retired(&changed, installed);
        let mut issuers = if table_changed {
            Vec::new()
        } else {
            current.issuers.clone()
        };
        for (issuer, holdings) in changed {
            let holdings = Arc::new(holdings);
            writer.holdings.insert(issuer, Arc::clone(&holdings));
            let place = table.position(&issuer);
            if let Some(snapshot) = place.and_then(|place| issuers.get_mut(place)) {
                snapshot.holdings = holdings;
            }
        }
        if table_changed {
            issuers = table
                .entries()
                .iter()
                .map(|entry| writer.issuer(entry))
                .collect();
        }
        if files_changed {
            writer.replace_files(&current.files, &files);
        }
        // A path that is longer than all old ones, or than all new ones, is looked for too long rather
        // than not at all.
        let path_octets_max = files.path_octets_max();
        self.path_octets_max
            .fetch_max(path_octets_max, Ordering::Relaxed);
        self.current.store(Arc::new(Snapshot {
            generation,
            table,
            issuers,
            files,
        }));
        self.path_octets_max
            .store(path_octets_max, Ordering::Relaxed);
        // Kept until the next change, so that a map is seldom undone by the reader that used it last.
        writer.previous = Some(current);

        for sha256 in retired {
            // A file that cannot be moved or removed is in no manifest: the next opening removes it.
            let _result = if aside.contains(&sha256) {
                keep_aside(&self.folder, &sha256).map(|_| ())
            } else {
                disk::remove(&self.folder.join(names::name(&sha256, names::SEGMENT)))
            };
        }
        Ok(generation)
    }

    #[cfg(test)]
    pub(super) fn skip_generations_to(&self, generation: u64) {
        let mut snapshot = Snapshot::clone(&self.current.load());
        snapshot.generation = generation;
        self.current.store(Arc::new(snapshot));
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A panic leaves the writer as it was before or after one publication.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An advisory lock on the folder.
#[derive(Debug)]
struct FolderLock(File);

impl FolderLock {
    fn take(folder: &Path) -> Result<Self, CatalogError> {
        let file = disk::open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(CatalogError::Locked {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(CatalogError::Disk(DiskError {
                action: "lock",
                path: folder.to_owned(),
                source,
            })),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing would do, unless a child that is just being started still has a copy.
        let _result = self.0.unlock();
    }
}

/// What publishing changes.
#[derive(Debug)]
struct Writer {
    /// Of every issuer that something was published for, in the table or not.
    holdings: BTreeMap<IssuerId, Arc<Holdings>>,
    generation_below: u64,
    previous: Option<Arc<Snapshot>>,
    /// Files that are served no more, oldest first: some client may still read them.
    replaced: Vec<Weak<MappedFile>>,
}

impl Writer {
    /// Notes what `old` has and `new` has not, and withdraws what was replaced too long ago.
    fn replace_files(&mut self, old: &FileTable, new: &FileTable) {
        let kept: BTreeSet<_> = new.parts().0.files().map(|file| *file.sha256()).collect();
        let gone = old.parts().0.files();
        let gone = gone.filter(|file| !kept.contains(file.sha256()));
        self.replaced.extend(gone.map(Arc::downgrade));
        self.replaced.retain(|file| file.strong_count() > 0);
        let too_many = self.replaced.len().saturating_sub(REPLACED_FILES_MAX);
        for file in self.replaced.drain(..too_many) {
            if let Some(file) = file.upgrade() {
                file.withdraw();
            }
        }
    }

    fn manifest(&self, changed: &BTreeMap<IssuerId, Holdings>, generation_below: u64) -> Manifest {
        let unchanged = self.holdings.iter();
        let unchanged = unchanged.filter(|(issuer, _)| !changed.contains_key(issuer));
        let all = unchanged
            .map(|(_, holdings)| &**holdings)
            .chain(changed.values());
        Manifest {
            generation_below,
            segments: all
                .flat_map(|holdings| holdings.shards.listing())
                .map(|holding| holding.listed)
                .collect(),
        }
    }

    /// The files that the change takes out of service, those included that it brought itself.
    fn retired(
        &self,
        changed: &BTreeMap<IssuerId, Holdings>,
        installed: BTreeSet<[u8; 32]>,
    ) -> BTreeSet<[u8; 32]> {
        let mut retired = installed;
        for (issuer, after) in changed {
            let before = self.holdings.get(issuer);
            if before.is_some_and(|before| Arc::ptr_eq(&before.shards, &after.shards)) {
                continue;
            }
            retired.extend(before.into_iter().flat_map(|before| in_service(before)));
            for sha256 in in_service(after) {
                retired.remove(&sha256);
            }
        }
        retired
    }

    fn issuer(&self, entry: &Arc<super::IssuerEntry>) -> IssuerSnapshot {
        let holdings = self.holdings.get(&entry.id).map(Arc::clone);
        IssuerSnapshot {
            holdings: holdings.unwrap_or_else(|| Arc::new(Holdings::new(entry.id, Vec::new()))),
            entry: Arc::clone(entry),
        }
    }
}

fn in_service(holdings: &Holdings) -> impl Iterator<Item = [u8; 32]> {
    let listing = holdings.shards.listing().iter();
    let held = listing.filter(|holding| holding.segment.is_some());
    held.map(|holding| holding.listed.sha256)
}

/// The next snapshot while publications are applied.
struct Draft<'a> {
    folder: &'a Path,
    writer: &'a Writer,
    table: Arc<IssuerTable>,
    table_changed: bool,
    files: Arc<FileTable>,
    changed: BTreeMap<IssuerId, Holdings>,
    segments_changed: bool,
    installed: BTreeSet<[u8; 32]>,
    /// Of the files that leave, those to be kept for inspection.
    aside: BTreeSet<[u8; 32]>,
}

impl Draft<'_> {
    fn apply(&mut self, publication: &Publication) -> Result<(), CatalogError> {
        match publication {
            Publication::IssuerTable(table) => {
                self.table = Arc::clone(table);
                self.table_changed = true;
            }
            Publication::Segment { issuer, file } => self.install(issuer, file)?,
            Publication::Mask { issuer, changes } => {
                let entries = changes
                    .iter()
                    .map(|mask| OverlayEntry::masked(issuer, mask));
                self.holdings(issuer).overlay_with(entries);
            }
            Publication::FreshAnswer { issuer, answers } => {
                let entries = answers
                    .iter()
                    .map(|answer| OverlayEntry::fresh(issuer, answer));
                self.holdings(issuer).overlay_with(entries);
            }
            Publication::IssuerRevoked {
                issuer,
                sequence,
                status,
            } => {
                let revoked = &mut self.holdings(issuer).revoked;
                // The first is the one that the ledger knows; nothing takes its place.
                revoked.get_or_insert(IssuerRevoked {
                    sequence: *sequence,
                    status: *status,
                });
            }
            Publication::Freshness { issuer, stale } => self.holdings(issuer).stale = *stale,
            Publication::CatchingUp { issuer } => self.holdings(issuer).caught_up = None,
            Publication::CaughtUp { issuer, as_of } => {
                self.holdings(issuer).caught_up = Some(*as_of);
            }
            Publication::Retire { sha256 } => {
                let has_patch = |holdings: &Holdings| {
                    let mut patches = holdings.shards.patches().iter();
                    patches.any(|patch| patch.listed.sha256 == *sha256)
                };
                let issuer = self.owner(sha256).or_else(|| self.issuer_where(has_patch));
                if let Some(issuer) = issuer {
                    self.segments_changed |= self.holdings(&issuer).retire(sha256);
                }
            }
            // Opened before, and taken over by `take`.
            Publication::Crls(_) | Publication::CrlCoding { .. } | Publication::Certificates(_) => {
            }
        }
        Ok(())
    }

    /// Takes over what was opened before the writer was locked.
    fn take(&mut self, opened: Opened) {
        let (crls, certificates) = self.files.parts();
        let table = match opened {
            // Overtaken while its files were read.
            Opened::Crls(files) if files.listing().generation < crls.listing().generation => return,
            Opened::Crls(mut files) => {
                files.take_codings_of(crls);
                FileTable::new(Arc::new(files), Arc::clone(certificates))
            }
            Opened::Coding {
                sha256,
                coding,
                file,
            } => match crls.with_coding(&sha256, coding, &file) {
                Some(files) => FileTable::new(Arc::new(files), Arc::clone(certificates)),
                None => return,
            },
            Opened::Certificates(certificates) => FileTable::new(Arc::clone(crls), certificates),
        };
        self.files = Arc::new(table);
    }

    fn install(&mut self, issuer: &IssuerId, file: &SegmentFile) -> Result<(), CatalogError> {
        if self.owner(&file.sha256).is_some() {
            return Ok(());
        }
        let segment = Segment::open(self.folder, file.sha256, file.len)?;
        let path = || segment.path().to_owned();
        if segment.issuer() != issuer {
            return Err(CatalogError::OtherIssuer {
                path: path(),
                expected: *issuer,
                actual: *segment.issuer(),
            });
        }
        let holding = Holding {
            listed: Listed::of(&segment),
            segment: Some(Arc::clone(&segment)),
        };
        let installed = self.holdings(issuer).install(holding);
        installed.map_err(|newer| CatalogError::Stale {
            path: path(),
            as_of: segment.as_of(),
            current: newer.as_of,
        })?;
        self.segments_changed = true;
        self.installed.insert(file.sha256);
        Ok(())
    }

    fn quarantine(&mut self, sha256: &[u8; 32]) {
        if let Some(issuer) = self.owner(sha256)
            && self.holdings(&issuer).quarantine(sha256)
        {
            self.segments_changed = true;
            self.aside.insert(*sha256);
        }
    }

    fn holdings(&mut self, issuer: &IssuerId) -> &mut Holdings {
        let current = self.writer.holdings.get(issuer);
        self.changed.entry(*issuer).or_insert_with(|| {
            current.map_or_else(
                || Holdings::new(*issuer, Vec::new()),
                |holdings| Holdings::clone(holdings),
            )
        })
    }

    /// The issuer that has this segment in service.
    fn owner(&self, sha256: &[u8; 32]) -> Option<IssuerId> {
        self.issuer_where(|holdings| in_service(holdings).any(|other| other == *sha256))
    }

    fn issuer_where(&self, condition: impl Fn(&Holdings) -> bool) -> Option<IssuerId> {
        let unchanged = self.writer.holdings.iter();
        let unchanged = unchanged.filter(|(issuer, _)| !self.changed.contains_key(issuer));
        let all = unchanged.map(|(_, holdings)| &**holdings);
        let mut all = all.chain(self.changed.values());
        let found = all.find(|holdings| condition(holdings));
        found.map(|holdings| holdings.issuer)
    }
}

/// What opening has gathered so far.
struct Opening<'a> {
    folder: &'a Path,
    marked: BTreeSet<[u8; 32]>,
    holdings: BTreeMap<IssuerId, Vec<Arc<Holding>>>,
    quarantined: Vec<Quarantined>,
}

impl Opening<'_> {
    fn take(&mut self, listed: Listed) -> Result<(), CatalogError> {
        let segment = if listed.withheld {
            None
        } else {
            match self.open(&listed)? {
                Ok(segment) => Some(segment),
                Err(cause) => {
                    self.quarantined.push(Quarantined {
                        sha256: listed.sha256,
                        issuer: listed.issuer,
                        cause,
                        kept: None,
                    });
                    None
                }
            }
        };
        let listed = match &segment {
            Some(_) => listed,
            None => listed.withheld(),
        };
        let listing = self.holdings.entry(listed.issuer).or_default();
        listing.push(Arc::new(Holding { listed, segment }));
        Ok(())
    }

    /// The outer error stops the opening: setting a good file aside would make it worse.
    fn open(&self, listed: &Listed) -> Result<Result<Arc<Segment>, QuarantineCause>, CatalogError> {
        if self.marked.contains(&listed.sha256) {
            return Ok(Err(QuarantineCause::Fault));
        }
        match Segment::open(self.folder, listed.sha256, listed.len) {
            Ok(segment) if Listed::of(&segment) == *listed => Ok(Ok(segment)),
            Ok(_) => Ok(Err(QuarantineCause::Mismatch)),
            Err(error) if is_damage(&error) => Ok(Err(error.into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the file itself is bad or gone, rather than our means to read it.
fn is_damage(error: &SegmentError) -> bool {
    match error {
        SegmentError::Disk(DiskError { source, .. }) => {
            let input_output = rustix::io::Errno::IO.raw_os_error();
            let cut_short = source.kind() == io::ErrorKind::UnexpectedEof;
            let missing = source.kind() == io::ErrorKind::NotFound;
            missing || cut_short || source.raw_os_error() == Some(input_output)
        }
        SegmentError::Header { source, .. } => !matches!(source, HeaderError::NewerVersion { .. }),
        _ => true,
    }
}

fn load(folder: &Path, names: &[String]) -> Result<(Manifest, ManifestState), CatalogError> {
    let path = folder.join(manifest::NAME);
    if !names.iter().any(|name| name == manifest::NAME) {
        let mut segments = names
            .iter()
            .filter_map(|name| names::parse(name, names::SEGMENT));
        let state = match segments.next() {
            Some(_) => ManifestState::Missing,
            None => ManifestState::New,
        };
        return Ok((Manifest::default(), state));
    }
    match Manifest::decode(&disk::read(&path)?) {
        Ok(manifest) => Ok((manifest, ManifestState::Loaded)),
        Err(Unusable::Newer(found)) => Err(CatalogError::NewerManifest {
            path,
            found,
            supported: manifest::VERSION,
        }),
        Err(Unusable::Damaged) => {
            let set_aside = manifest::set_aside(folder)?;
            Ok((Manifest::default(), ManifestState::Damaged { set_aside }))
        }
    }
}

/// Renames a segment that is out of service; `None` when there is no such file.
fn keep_aside(folder: &Path, sha256: &[u8; 32]) -> Result<Option<PathBuf>, DiskError> {
    let target = folder.join(names::name(sha256, QUARANTINED));
    match disk::rename(&folder.join(names::name(sha256, names::SEGMENT)), &target) {
        Ok(()) => Ok(Some(target)),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes unfinished files, markers that have been acted on, and segments that the manifest does not
/// name. Other files are not ours.
fn sweep(
    folder: &Path,
    manifest: &Manifest,
    spare_segments: bool,
) -> Result<Vec<PathBuf>, DiskError> {
    let named: BTreeSet<_> = manifest
        .segments
        .iter()
        .map(|listed| listed.sha256)
        .collect();
    let mut removed = Vec::new();
    for name in disk::names(folder)? {
        let unnamed_segment = names::parse(&name, names::SEGMENT)
            .is_some_and(|sha256| !spare_segments && !named.contains(&sha256));
        let unfinished = name.ends_with(names::TEMPORARY) || name == manifest::TEMPORARY;
        let marker = names::parse(&name, names::MARKER).is_some();
        if unnamed_segment || unfinished || marker {
            let path = folder.join(name);
            disk::remove(&path)?;
            if !marker {
                removed.push(path);
            }
        }
    }
    Ok(removed)
}
