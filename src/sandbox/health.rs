//! `/healthz`, `/livez` and `/readyz`: whether the server is well, whole or by parts (apiserver, `pkg/server/healthz`).
//! The sandbox is well for as long as it answers.

use std::fmt::Write;

/// What a path of this kind is answered with; `None` for all others.
pub(crate) fn answer(path: &str, query: &[(String, String)]) -> Option<String> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let name = parts.next().unwrap_or_default();
    let checks = checks(name)?;
    if let Some(part) = parts.next().filter(|part| !part.is_empty()) {
        return checks.contains(&part).then(|| "ok".to_owned());
    }
    if !query.iter().any(|(key, _)| key == "verbose") {
        return Some("ok".to_owned());
    }
    let excluded: Vec<&str> =
        query.iter().filter(|(key, _)| key == "exclude").map(|(_, value)| value.as_str()).collect();
    // A text takes whatever is written to it.
    let mut text = String::new();
    for check in checks {
        let how = if excluded.contains(check) { "excluded: ok" } else { "ok" };
        let _ = writeln!(text, "[+]{check} {how}");
    }
    let mut unknown: Vec<String> = excluded
        .iter()
        .filter(|name| !name.is_empty() && !checks.contains(name))
        .map(|name| format!("{name:?}"))
        .collect();
    unknown.dedup();
    if !unknown.is_empty() {
        let unknown = unknown.join(",");
        let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {unknown}");
    }
    let _ = writeln!(text, "{name} check passed");
    Some(text)
}

/// The parts of a check.
fn checks(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "healthz" | "livez" => Some(&["ping", "log", "etcd"]),
        "readyz" => Some(&["ping", "log", "etcd", "etcd-readiness", "informer-sync", "shutdown"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_whole_and_by_parts() {
        let pairs = |text: &str| -> Vec<(String, String)> {
            let parts = text.split('&').filter(|part| !part.is_empty());
            parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(k, v)| (k.into(), v.into()))
                .collect()
        };
        let all = "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n";
        for (path, query, wanted) in [
            ("/healthz", "", Some("ok")),
            ("/livez", "verbose", Some(all)),
            ("/livez/", "verbose=true", Some(all)),
            (
                "/livez",
                "verbose&exclude=etcd&exclude=nothing",
                Some(
                    "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no \
                     matches for \"nothing\"\nlivez check passed\n",
                ),
            ),
            ("/livez/ping", "", Some("ok")),
            ("/readyz/informer-sync", "", Some("ok")),
            ("/livez/informer-sync", "", None),
            ("/metrics", "", None),
        ] {
            assert_eq!(answer(path, &pairs(query)).as_deref(), wanted, "{path}?{query}");
        }
    }
}
