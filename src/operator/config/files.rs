//! The files that make up a configuration, and whether they are still what they were.
//!
//! They are compared by content. Kubernetes swaps the directory behind a mounted `ConfigMap` or `Secret` by
//! renaming a symbolic link; a watch on the files would miss that, and one on directories would depend on
//! the volume. A few small files every few seconds cost nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// What the files of one reading said. Each is read once, however often it is asked for.
#[derive(Default)]
pub(in crate::operator) struct Files(RefCell<BTreeMap<PathBuf, Content>>);

/// A text, or why there is none.
type Content = Result<String, String>;

impl Files {
    /// The text of a file.
    pub(super) fn text(&self, path: &Path) -> Content {
        let mut known = self.0.borrow_mut();
        known.entry(path.to_owned()).or_insert_with(|| read(path)).clone()
    }

    /// Whether all files say what they said.
    pub(in crate::operator) fn are_current(&self) -> bool {
        self.0.borrow().iter().all(|(path, content)| read(path) == *content)
    }
}

/// Reads a file. The problem never names it: who asks knows the field, and the field may hold a secret.
fn read(path: &Path) -> Content {
    let failed = |error: std::io::Error| format!("can't be read: {error}");
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err("must be a file, and is something else".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > usize::try_from(LARGEST).unwrap_or(usize::MAX) {
        return Err("must have at most 1 MiB, and has more".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "must be text in UTF-8, and is not".to_owned())
}
