//! `tidetable check`: what is wrong with policies and scenarios, before a cluster or a simulation sees them.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::manifest::{self, Document, Mistakes};
use crate::simulation::scenario::{self, Overrides};

/// Arguments of `tidetable check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML files with ScalePolicies (other kinds among them are passed over) or one scenario
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut mistakes = Vec::new();
    for file in &args.files {
        match check(file) {
            Ok(found) => writeln!(out, "{}: {found}", file.display())?,
            Err(Mistakes(found)) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes).into()) }
}

/// What a file holds, or everything that is wrong with it.
fn check(file: &Path) -> Result<String, Mistakes> {
    let documents = manifest::read(file)?;
    if documents.iter().any(scenario::is_scenario) {
        scenario::read(file, &Overrides { is_check: true, ..Overrides::default() })?;
        return Ok("ok, a scenario".to_owned());
    }
    let mut mistakes = Vec::new();
    let mut policies = 0;
    for document in documents.iter().filter(|document| document.is_policy()) {
        policies += 1;
        if let Err(Mistakes(found)) = document.policy() {
            mistakes.extend(found);
        }
    }
    if policies == 0 {
        mistakes.push(nothing(file, documents.first()));
    }
    let plural = if policies == 1 { "y" } else { "ies" };
    if mistakes.is_empty() { Ok(format!("ok, {policies} polic{plural}")) } else { Err(Mistakes(mistakes)) }
}

fn nothing(file: &Path, document: Option<&Document>) -> manifest::Mistake {
    let problem = "neither a ScalePolicy (kind: ScalePolicy) nor a scenario (policy, traffic, plant)";
    match document {
        Some(document) => document.mistake("", problem),
        None => manifest::Mistake {
            file: file.to_owned(),
            place: None,
            path: String::new(),
            problem: "the file is empty".to_owned(),
        },
    }
}
