//! `tidetable crd`: the CustomResourceDefinition as YAML. `crds/scalepolicies.yaml` is its output.

use std::io::Write;

use kube::CustomResourceExt;

use super::Failure;
use crate::api::ScalePolicy;

pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let crd = serde_saphyr::to_string(&ScalePolicy::crd());
    let crd = crd.map_err(|error| Failure::Runtime(format!("can't write the CRD as YAML: {error}")))?;
    out.write_all(crd.as_bytes())?;
    Ok(())
}
