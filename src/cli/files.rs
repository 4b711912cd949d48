//! Files that commands read, and those that they write their results to.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::Failure;

/// A file, and the argument that names it.
pub(super) type Named<'a> = (&'a str, &'a PathBuf);

/// Fails when a result could not be written, or would take the place of what is read or of another result: better before
/// a run than after it.
pub(super) fn writable<'a>(
    inputs: impl IntoIterator<Item = Named<'a>>,
    outputs: impl IntoIterator<Item = Named<'a>>,
) -> Result<(), Failure> {
    let mut taken: Vec<(&str, PathBuf)> =
        inputs.into_iter().map(|(name, file)| (name, place(file))).collect();
    for (name, file) in outputs {
        let place = place(file);
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == place) {
            return Err(Failure::BadInput(format!("{other} and {name}: both are {}", file.display())));
        }
        taken.push((name, place));
        try_out(file).map_err(|error| Failure::BadInput(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

/// Whether two names are of the same file.
pub(super) fn is_same(file: &Path, other: &Path) -> bool {
    place(file) == place(other)
}

/// Where a file is or would be, whatever it is called.
fn place(file: &Path) -> PathBuf {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let would_be = || Some(directory.canonicalize().ok()?.join(file.file_name()?));
    file.canonicalize().ok().or_else(would_be).unwrap_or_else(|| file.to_owned())
}

fn try_out(file: &Path) -> std::io::Result<()> {
    let existed = file.exists();
    OpenOptions::new().append(true).create(true).open(file)?;
    if !existed {
        // A run that is interrupted leaves nothing behind. Should this fail, so will the result.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

/// Writes a result to a file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Runtime(format!("{}: {error}", file.display())))
}
