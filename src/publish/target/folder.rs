//! A folder, on this machine or mounted there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

use super::{Caching, Carrier, Consignment, Memory, TargetError, may_follow};
use crate::{
    catalog::crls::SignedDocument,
    config::FolderTarget,
    publish::{
        ServedPath, TreeError,
        manifest::MANIFEST_OCTETS_MAX,
        tree::{READ_OCTETS, Tree},
    },
    segment::names::hexadecimal,
};

pub(super) struct Folder {
    path: PathBuf,
    mode: u32,
    /// During a delivery: the folder is held no longer than that.
    tree: Option<Tree>,
}

impl Folder {
    pub(super) fn new(settings: &FolderTarget) -> Self {
        Self {
            path: settings.path.clone(),
            mode: settings.mode,
            tree: None,
        }
    }

    fn tree(&mut self) -> Result<&mut Tree, TargetError> {
        let none = || TargetError::Settings("the folder was not opened".to_owned());
        self.tree.as_mut().ok_or_else(none)
    }
}

impl Carrier for Folder {
    fn begin(&mut self, memory: &mut Memory, _: &dyn Fn() -> bool) -> Result<(), TargetError> {
        let placed = std::mem::take(&mut memory.placed);
        let tree = Tree::open(&self.path, "publish", self.mode, placed)?;
        // What was not finished when this was killed.
        tree.sweep(|_| false)?;
        // What somebody removed or touched is looked at again.
        memory.delivered.retain(|path, sha256| {
            let path = ServedPath::parse(&format!("/{path}"));
            let lies = path.ok().and_then(|path| tree.lies(&path).ok().flatten());
            lies.is_some_and(|lies| lies.is_intact && lies.sha256 == *sha256)
        });
        self.tree = Some(tree);
        Ok(())
    }

    fn crl(
        &mut self,
        crl: &Consignment<'_>,
        is_stopping: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let tree = self.tree()?;
        if let Some(lies) = tree.lies(&crl.path)? {
            let may_be = lies.may_be_followed(crl.edition);
            let may_be = may_be.map_err(|source| TargetError::GoesBack {
                path: crl.path.to_string(),
                source,
            })?;
            if !may_be {
                return Ok(false);
            }
        }
        let beside = Beside(tree.own(&format!("{}.tmp", crl.edition.sha256)));
        copy(&crl.file, &beside.0, &crl.edition.sha256, is_stopping)?;
        let number = Some(crl.edition.number);
        tree.place(&beside.0, &crl.path, &crl.edition.sha256, number)?;
        Ok(true)
    }

    fn document(
        &mut self,
        document: &SignedDocument,
        path: &ServedPath,
        _: &Caching,
        _: &dyn Fn() -> bool,
    ) -> Result<bool, TargetError> {
        let file = path.below(&self.path);
        let tree = self.tree()?;
        match fs::metadata(&file) {
            Ok(found) if found.len() <= u64::try_from(MANIFEST_OCTETS_MAX).unwrap_or(u64::MAX) => {
                let lies = fs::read(&file).map_err(|source| TreeError { path: file, source })?;
                if !may_follow(&lies, document)? {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let source = error;
                return Err(TreeError { path: file, source }.into());
            }
            _ => {}
        }
        tree.write(path, document.text.as_bytes())?;
        Ok(true)
    }

    fn end(&mut self, memory: &mut Memory) {
        if let Some(mut tree) = self.tree.take() {
            memory.placed = std::mem::take(&mut tree.placed);
        }
    }
}

/// A file that is gone when it was not given another name.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // After it was placed there is none.
        drop(fs::remove_file(&self.0));
    }
}

/// Copies a CRL, and checks on the way that it is the one that it is called.
fn copy(
    from: &Path,
    to: &Path,
    sha256: &str,
    is_stopping: &dyn Fn() -> bool,
) -> Result<(), TargetError> {
    let source = |why: String| TargetError::Source {
        path: from.to_owned(),
        why,
    };
    let written = |source: io::Error| {
        let path = to.to_owned();
        TargetError::from(TreeError { path, source })
    };
    let input = File::open(from).map_err(|error| source(error.to_string()))?;
    let mut input = BufReader::with_capacity(READ_OCTETS, input);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(to).map_err(written)?;
    let mut hasher = digest::Context::new(&digest::SHA256);
    loop {
        let octets = input
            .fill_buf()
            .map_err(|error| source(error.to_string()))?;
        if octets.is_empty() {
            break;
        }
        if is_stopping() {
            return Err(TargetError::Stopped);
        }
        hasher.update(octets);
        file.write_all(octets).map_err(written)?;
        let read = octets.len();
        input.consume(read);
    }
    match hexadecimal(hasher.finish().as_ref()) == sha256 {
        true => Ok(()),
        false => Err(source("it was altered since it was made".to_owned())),
    }
}
