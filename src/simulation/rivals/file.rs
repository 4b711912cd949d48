//! Rivals from files: another `ScalePolicy`, or a `HorizontalPodAutoscaler` of `autoscaling/v2`.

use std::path::Path;

use super::{Kind, Rival};
use crate::api::AUTOSCALER_KIND;
use crate::manifest::{self, Document, Mistake, Mistakes};
use crate::simulation::autoscaler::Autoscaler;

/// Reads the one autoscaler of a file.
pub(super) fn read(file: &Path, others: &[Document]) -> Result<Rival, Mistakes> {
    let text = std::fs::read_to_string(file).map_err(|error| whole(file, error.to_string()))?;
    parse(file, text, others)
}

fn whole(file: &Path, problem: String) -> Mistake {
    Mistake { file: file.to_owned(), place: None, path: String::new(), problem }
}

/// Reads the one autoscaler of a text, which is called `file` in errors.
pub(super) fn parse(file: &Path, text: String, others: &[Document]) -> Result<Rival, Mistakes> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let documents = manifest::parse(file, &text)?;
    let mut missing_calendars = Vec::new();
    let kind = match documents
        .iter()
        .filter(|document| Autoscaler::is_in(document))
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => {
            let (manifest, _) = manifest::parse_policy_with(file, &text, others)?;
            missing_calendars = manifest.missing_calendars;
            let target = manifest.resource.spec.scale_target_ref;
            let autoscaler = target.is_autoscaler().then_some(target.name);
            Kind::Policy { policy: Box::new(manifest.policy), autoscaler, text }
        }
        [_] if documents.iter().any(Document::is_policy) => {
            let problem = format!(
                "has a ScalePolicy and a {AUTOSCALER_KIND}; one is needed (of the two together, the policy: the scenario names \
                 the other one as its `autoscaler`)"
            );
            return Err(whole(file, problem).into());
        }
        [hpa] => Kind::Autoscaler(Box::new(Autoscaler::read(hpa, &text)?)),
        several => {
            let problem = format!("{} {AUTOSCALER_KIND}s in this file; one is needed", several.len());
            return Err(whole(file, problem).into());
        }
    };
    Ok(Rival { name, missing_calendars, kind })
}
