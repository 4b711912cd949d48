//! Files that commands write their results to.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::Failure;

/// Fails when a result could not be written, or when two would be one file: better before a run than after it. Outputs have
/// the flags that they were asked for with.
pub(super) fn writable<'a>(outputs: impl IntoIterator<Item = (&'a str, &'a PathBuf)>) -> Result<(), Failure> {
    let mut before: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, file) in outputs {
        let place = place(file);
        if let Some((other, _)) = before.iter().find(|(_, taken)| *taken == place) {
            return Err(Failure::BadInput(format!("{other} and {flag}: both are {}", file.display())));
        }
        before.push((flag, place));
        try_out(file).map_err(|error| Failure::BadInput(format!("{}: {error}", file.display())))?;
    }
    Ok(())
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
