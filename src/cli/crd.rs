//! `tidetable crd`: the CustomResourceDefinitions as YAML. `crds/` has its output, a file for each.

use std::io::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::Failure;
use crate::api::{ScaleCalendar, ScalePolicy};

/// Arguments of `tidetable crd`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one of them; without it, all
    #[arg(value_enum)]
    only: Option<Resource>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Resource {
    /// Schedule, load target and damping of one workload
    #[value(name = "scalepolicies")]
    Policies,
    /// Dates that many schedules share
    #[value(name = "scalecalendars")]
    Calendars,
}

impl Resource {
    const ALL: [Self; 2] = [Self::Policies, Self::Calendars];

    fn definition(self) -> CustomResourceDefinition {
        match self {
            Self::Policies => ScalePolicy::crd(),
            Self::Calendars => ScaleCalendar::crd(),
        }
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = Resource::ALL.into_iter().filter(|resource| args.only.is_none_or(|only| only == *resource));
    for (index, resource) in wanted.enumerate() {
        if index > 0 {
            writeln!(out, "---")?;
        }
        let crd = serde_saphyr::to_string(&resource.definition());
        let crd = crd.map_err(|error| Failure::Runtime(format!("can't write the CRD as YAML: {error}")))?;
        out.write_all(crd.as_bytes())?;
    }
    Ok(())
}
