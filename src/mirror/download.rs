//! One CRL on its way here.

use std::{
    fs::{self, OpenOptions},
    io::BufReader,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{Mirror, MirrorError, MirrorErrorKind};
use crate::{
    catalog::crls::CrlEdition,
    config::feed::Target,
    fetch::{FetchErrorKind, Part, Validators},
    publish::tree::{READ_OCTETS, TreeError, sha256, write_whole},
    segment::names::hexadecimal,
};

/// Why a CRL was not had.
pub(super) enum Lack {
    /// What lies there is not what the manifest says: a newer one may, or a cache's older one.
    Another(MirrorError),
    Failure(MirrorError),
}

impl From<MirrorError> for Lack {
    fn from(error: MirrorError) -> Self {
        Self::Failure(error)
    }
}

impl From<TreeError> for Lack {
    fn from(error: TreeError) -> Self {
        Self::Failure(error.into())
    }
}

/// Fetches a CRL into a file of our own, from where an earlier try ended; gives that file, and how many
/// octets of it were there before.
pub(super) fn download(
    mirror: &mut Mirror,
    edition: &CrlEdition,
    past_caches: bool,
    is_stopping: &dyn Fn() -> bool,
) -> Result<(PathBuf, u64), Lack> {
    let url = source(edition, &mirror.settings.url, mirror.settings.from_urls)?;
    let path = mirror.tree.own(&format!("{}.part", edition.sha256));
    let beside = path.with_extension("json");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let of = |source| TreeError {
        path: path.clone(),
        source,
    };
    let mut file = options.mode(0o600).open(&path).map_err(of)?;
    let octets = file.metadata().map_err(of)?.len();
    if octets == edition.octets {
        // All of it came, and this program ended before it had its name.
        let input = BufReader::with_capacity(READ_OCTETS, &file);
        if sha256(input).map_err(of)? == edition.sha256 {
            return Ok((path, octets));
        }
    }
    let validators = fs::read(&beside).ok();
    let validators = validators.and_then(|text| serde_json::from_slice(&text).ok());
    let is_part = octets <= edition.octets && validators.is_some();
    let mut begins = |validators: &Validators| {
        let text = serde_json::to_vec(validators)?;
        write_whole(&beside, &text).map_err(|error| error.source)
    };
    let mut part = Part {
        octets: if is_part { octets } else { 0 },
        validators,
        octets_expected: edition.octets,
        past_caches,
        begins: &mut begins,
    };
    let fetched = mirror
        .fetcher
        .resume(&url, &mut part, &mut file, is_stopping);
    let resumed = part.octets;
    let sha256 = fetched.map_err(|error| {
        let kind = error.kind;
        let error = MirrorError::fetching(&url, error);
        match kind {
            FetchErrorKind::Different => {
                forget(&path);
                Lack::Another(error)
            }
            _ => Lack::Failure(error),
        }
    })?;
    if hexadecimal(&sha256) != edition.sha256 {
        forget(&path);
        let message = format!(
            "{url}: it is not the {} that the manifest names: its SHA-256 is {}, not {} (somebody on the \
                 way altered it, or a cache keeps an older one)",
            edition.kind,
            hexadecimal(&sha256),
            edition.sha256
        );
        let error = MirrorError::new(MirrorErrorKind::Untrusted, message);
        return Err(Lack::Another(error));
    }
    Ok((path, resumed))
}

/// Where a CRL is fetched.
fn source(edition: &CrlEdition, manifest: &Target, from_urls: bool) -> Result<Target, MirrorError> {
    let url = Target::parse(&edition.url).map_err(|error| {
        let message = format!("{}: {error}", edition.url);
        MirrorError::new(MirrorErrorKind::Untrusted, message)
    })?;
    Ok(match from_urls {
        true => url,
        false => Target {
            path: url.path,
            ..manifest.clone()
        },
    })
}

/// Removes what came of a CRL so far. What stays is swept later.
pub(super) fn forget(part: &Path) {
    drop(fs::remove_file(part));
    drop(fs::remove_file(part.with_extension("json")));
}
