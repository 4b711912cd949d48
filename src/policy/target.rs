//! What a policy scales: the name of an object and how its kind is found. Both become paths of requests, so nothing else may
//! be in them.

use super::{Mistakes, Path};
use crate::api::{AUTOSCALER_API_VERSION, AUTOSCALER_KIND, ScalePolicySpec, ScaleTargetRef};
use crate::dns;

/// What a field of a target has to be.
struct Form {
    field: &'static str,
    value: fn(&ScaleTargetRef) -> &str,
    /// In characters.
    longest: usize,
    is_good: fn(&str) -> bool,
    words: &'static str,
}

/// As in the CRD.
const FORMS: [Form; 3] = [
    Form {
        field: "apiVersion",
        value: |target| &target.api_version,
        longest: 317,
        is_good: is_api_version,
        words: "`group/version` or `version`, such as apps/v1",
    },
    Form {
        field: "kind",
        value: |target| &target.kind,
        longest: 63,
        is_good: |kind| dns::is_letter_label(&kind.to_ascii_lowercase()),
        words: "letters, digits and \"-\", such as Deployment",
    },
    Form {
        field: "name",
        value: |target| &target.name,
        longest: 253,
        is_good: dns::is_subdomain,
        words: "lower-case letters, digits, \"-\" and \".\", with a letter or digit at the beginning and the end",
    },
];

impl Form {
    /// What is wrong with a value.
    fn mistake(&self, value: &str) -> Option<String> {
        let (longest, length) = (self.longest, value.chars().count());
        if value.trim().is_empty() {
            Some("must not be empty".to_owned())
        } else if length > longest {
            Some(format!("must have at most {longest} characters, and has {length}"))
        } else if !(self.is_good)(value) {
            Some(format!("{value:?} must be {}", self.words))
        } else {
            None
        }
    }
}

/// Whether a target's fields are what they have to be.
pub(crate) fn is_target(target: &ScaleTargetRef) -> bool {
    FORMS.iter().all(|form| form.mistake((form.value)(target)).is_none())
}

/// Judges what is scaled.
pub(super) fn target_ref(spec: &ScalePolicySpec, path: &Path, mistakes: &mut Mistakes) {
    let target = &spec.scale_target_ref;
    for form in &FORMS {
        if let Some(mistake) = form.mistake((form.value)(target)) {
            mistakes.add(&path.field(form.field), mistake);
        }
    }
    if target.kind == AUTOSCALER_KIND {
        autoscaler(spec, mistakes);
    }
}

/// What a policy for a HorizontalPodAutoscaler can't have.
fn autoscaler(spec: &ScalePolicySpec, mistakes: &mut Mistakes) {
    let root = Path::root("spec");
    if spec.scale_target_ref.api_version != AUTOSCALER_API_VERSION {
        let path = root.field("scaleTargetRef").field("apiVersion");
        mistakes.add(&path, format!("must be {AUTOSCALER_API_VERSION} for a {AUTOSCALER_KIND}"));
    }
    if spec.metrics.as_ref().is_some_and(|metrics| !metrics.is_empty()) {
        let problem = format!(
            "a {AUTOSCALER_KIND} has metrics of its own: remove these, or scale its workload and remove it"
        );
        mistakes.add(&root.field("metrics"), problem);
    }
    if spec.max_replicas == 0 {
        mistakes.add(&root.field("maxReplicas"), format!("a {AUTOSCALER_KIND} needs at least 1"));
    }
}

/// A version, or a group and a version.
fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').unzip();
    group.is_none_or(dns::is_subdomain) && dns::is_letter_label(version.unwrap_or(text))
}
