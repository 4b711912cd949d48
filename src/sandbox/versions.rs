//! Versions of an API, and which of them come first.

/// Versions in the order in which clients should prefer them: `v2`, `v1`, `v1beta2`, `v1beta1`, `v1alpha1`, and
/// then whatever has another form, by name (apimachinery, `pkg/version/helpers.go`).
pub(crate) fn by_priority<'a>(versions: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let rank = |version: &str| -> Option<(u8, u32, u32)> {
        let rest = version.strip_prefix('v')?;
        for (word, stage) in [("alpha", 0), ("beta", 1)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stage, major.parse().ok()?, minor.parse().ok()?));
            }
        }
        Some((2, rest.parse().ok()?, 0))
    };
    let mut sorted: Vec<&str> = versions.collect();
    sorted.sort_by(|one, other| match (rank(one), rank(other)) {
        (None, None) => one.cmp(other),
        (one, other) => other.cmp(&one),
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first() {
        let sorted = by_priority(["v1", "v1alpha1", "v10", "v1beta2", "v1beta10", "blue", "v2"].into_iter());
        assert_eq!(sorted, ["v10", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "blue"]);
    }
}
