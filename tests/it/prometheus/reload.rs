//! A configuration that changes while the operator runs, in a volume as Kubernetes mounts it.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;
use tidetable::operator::prometheus::Reload;
use tidetable::operator::{Occasion, OperatorOptions, Sources};

use crate::support::operator::{Stage, at, deployment, policy, scaled};
use crate::support::source::Source;
use crate::support::{free_port, metrics};

const START: &str = "2026-11-23T12:00:00Z";

/// A mounted volume: `NAME → ..data/NAME`, `..data → ..VERSION`, and a swap is a rename of `..data`.
struct Volume {
    root: TempDir,
    version: usize,
}

impl Volume {
    fn with(files: &[(&str, &str)]) -> Self {
        let mut volume = Self { root: tempfile::tempdir().expect("a directory"), version: 0 };
        volume.swap(files);
        for (name, _) in files {
            symlink(format!("..data/{name}"), volume.path(name)).expect("linked");
        }
        volume
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn swap(&mut self, files: &[(&str, &str)]) {
        self.version += 1;
        let version = format!("..{}", self.version);
        std::fs::create_dir(self.path(&version)).expect("created");
        for (name, text) in files {
            std::fs::write(self.path(&version).join(name), text).expect("written");
        }
        symlink(&version, self.path("..data_tmp")).expect("linked");
        std::fs::rename(self.path("..data_tmp"), self.path("..data")).expect("renamed");
    }
}

fn config(source: &Source) -> String {
    format!("sources: [{{url: '{}', bearerTokenFile: token}}]", source.url())
}

/// Waits until the operator's metrics have this line.
async fn shows(port: u16, line: &str) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let text = metrics(port).await.expect("metrics");
            if text.lines().any(|found| found == line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("the metrics never show {line}"));
}

/// Brings the clock to an instant, and gives the outcome of the tick there.
async fn tick(stage: &mut Stage, tick: Timestamp) -> tidetable::operator::Outcome {
    stage.clock.advance_to(tick);
    loop {
        let evaluation = stage.next().await;
        if evaluation.occasion == Occasion::Tick && evaluation.at == tick {
            return evaluation.outcome;
        }
    }
}

fn tokens(source: &Source) -> Vec<String> {
    source.asked().into_iter().filter_map(|asked| asked.authorization).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_tick_after_a_change_asks_as_the_files_say_and_a_broken_one_changes_nothing() {
    let (old, new) = (Source::start().await, Source::start().await);
    old.set("qps", Some(40.0));
    new.set("qps", Some(90.0));
    let mut volume = Volume::with(&[("config.yaml", &config(&old)), ("token", "first")]);
    let sources = Sources::load(&volume.path("config.yaml")).expect("sources");
    let port = free_port();
    let spec = json!({
        "metrics": [{"name": "qps", "prometheus": {"query": "qps"}, "target": {"averageValue": "10"}}],
        "damping": {"scaleUp": {"policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}},
    });
    let objects = [deployment("web", 4), policy(&spec)];
    let mut stage = Stage::with_options(START, &objects, |options| OperatorOptions {
        sources,
        listen: Some(([127, 0, 0, 1], port).into()),
        ..options
    })
    .await;
    let start = at(START);
    let after = |seconds: i64| start + SignedDuration::from_secs(seconds);
    while stage.next().await.occasion != Occasion::Tick {}
    assert_eq!(tokens(&old), ["Bearer first"]);
    let successful = "tidetable_config_last_reload_successful 1";
    let read_at = |seconds: i64| {
        let seconds = after(seconds).as_second();
        format!("tidetable_config_last_reload_success_timestamp_seconds {seconds}.0")
    };
    shows(port, successful).await;
    shows(port, &read_at(0)).await;

    volume.swap(&[("config.yaml", &config(&new)), ("token", "second")]);
    stage.clock.advance_to(after(5));
    shows(port, &read_at(5)).await;
    assert_eq!(tick(&mut stage, after(15)).await, scaled(4, 9));
    assert_eq!((tokens(&old), tokens(&new)), (vec![], vec!["Bearer second".to_owned()]));

    volume.swap(&[("config.yaml", "sources: [{url: nowhere}]"), ("token", "third")]);
    stage.clock.advance_to(after(25));
    shows(port, "tidetable_config_last_reload_successful 0").await;
    new.set("qps", Some(120.0));
    assert_eq!(tick(&mut stage, after(30)).await, scaled(9, 12), "the old one stays in force");
    assert_eq!(tokens(&new), ["Bearer second"]);
    shows(port, &read_at(5)).await;

    volume.swap(&[("config.yaml", &config(&new)), ("token", "fourth")]);
    stage.clock.advance_to(after(40));
    shows(port, successful).await;
    tick(&mut stage, after(45)).await;
    assert_eq!(tokens(&new), ["Bearer fourth"], "a token is rotated");
    stage.stop().await;
}

#[tokio::test]
async fn a_broken_configuration_is_told_once_and_so_is_its_end() {
    let good = "sources: [{url: 'http://a', bearerTokenFile: token}]";
    let mut volume = Volume::with(&[("config.yaml", good), ("token", "first")]);
    let sources = Sources::load(&volume.path("config.yaml")).expect("sources");
    assert_eq!(sources.refresh(), Reload::Unchanged);
    for (config, token, part) in [
        ("sources: [{url: a}, {url: b}]", "first", "sources[1].url: must be a URL"),
        ("sources: [{url: a}]", "first", "sources[0].url: must be a URL"),
        (good, "", "sources[0].bearerTokenFile: must hold something"),
        ("sources: [", "first", "config.yaml:1:"),
    ] {
        volume.swap(&[("config.yaml", config), ("token", token)]);
        let Reload::Refused(mistakes) = sources.refresh() else { panic!("{config} is refused") };
        assert!(mistakes.to_string().contains(part), "{mistakes}");
        assert_eq!(sources.refresh(), Reload::Unchanged, "it is known");
        assert!(sources.contains("default"));
    }
    volume.swap(&[("config.yaml", good)]);
    let Reload::Refused(mistakes) = sources.refresh() else { panic!("a file is missing") };
    assert!(mistakes.to_string().contains("bearerTokenFile: can't be read: No such file"), "{mistakes}");
    volume.swap(&[("config.yaml", good), ("token", "first")]);
    assert_eq!(sources.refresh(), Reload::Loaded(1));
    assert_eq!(sources.refresh(), Reload::Unchanged);
}
