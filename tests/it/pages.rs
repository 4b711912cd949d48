//! The pages of `simulate --html` and `preview --html`, and pictures by themselves, in a real browser: what is drawn
//! where, what the cursor tells, and that all of it can be read, also on a phone and on paper.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::browser::{Browser, DARK, LIGHT, PHONE, PRINT, Rectangle};

/// Says what can't be read or is out of place, as a list of sentences.
const ILLEGIBLE: &str = include_str!("pages/illegible.js");

/// What stands where in the first picture: texts and the centres of their boxes.
const TEXTS: &str = "[...document.querySelector('svg').querySelectorAll('text')].map(text => {
    const box = text.getBoundingClientRect();
    return [text.textContent, box.left + box.width / 2, box.top + box.height / 2];
})";

fn tidetable(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidetable"));
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// Three hours with a queue, a tier behind, and a load that a guard holds: every series that there is.
const SCENARIO: &str = "simulations/shared-database-guard.yaml";

/// The page of [`SCENARIO`], and the rows that it was made of, each as its fields.
fn guarded(directory: &Path) -> (PathBuf, Vec<Vec<String>>) {
    let [page, csv] = ["page.html", "rows.csv"].map(|name| directory.join(name));
    tidetable(&[
        "simulate",
        SCENARIO,
        "--html",
        &page.display().to_string(),
        "--csv",
        &csv.display().to_string(),
    ]);
    let csv = std::fs::read_to_string(csv).expect("written");
    (page, csv.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// The values of a column of the CSV, where there are any.
fn column(rows: &[Vec<String>], name: &str) -> Vec<Option<f64>> {
    let index = rows[0].iter().position(|head| head == name).unwrap_or_else(|| panic!("no {name}"));
    rows[1..].iter().map(|row| row[index].parse().ok()).collect()
}

/// Where labels stand, to read a picture with a ruler.
struct Ruler(Vec<(String, f64, f64)>);

impl Ruler {
    fn of(browser: &mut Browser) -> Self {
        let texts = browser.value(TEXTS);
        let texts = texts.as_array().expect("a list").iter();
        let number = |value: &serde_json::Value| value.as_f64().expect("a number");
        Self(
            texts
                .map(|text| (text[0].as_str().expect("text").to_owned(), number(&text[1]), number(&text[2])))
                .collect(),
        )
    }

    /// The place of the `nth` label with this text, from the top.
    fn place(&self, label: &str, nth: usize) -> (f64, f64) {
        let mut found: Vec<_> = self.0.iter().filter(|(text, _, _)| text == label).collect();
        found.sort_by(|a, b| a.2.total_cmp(&b.2));
        let (_, x, y) = found.get(nth).unwrap_or_else(|| panic!("no {label} in {:?}", self.0));
        (*x, *y)
    }

    /// Where the share of the whole time lies that is over.
    fn across(&self, share: f64) -> f64 {
        let (first, last) = (self.place("08:00", 0).0, self.place("11:00", 0).0);
        first + share * (last - first)
    }

    /// How high a value stands in the panel with this number, whose highest label is `highest`.
    fn height(&self, panel: usize, highest: &str, value: f64) -> f64 {
        let (zero, top) = (self.place("0", panel).1, self.place(highest, 0).1);
        zero - value / highest.parse::<f64>().expect("a number") * (zero - top)
    }
}

/// The rectangle of the first picture, in whole pixels.
fn place_of_picture(browser: &mut Browser) -> Rectangle {
    let place = browser.value(
        "(() => { const box = document.querySelector('svg').getBoundingClientRect();
            return [box.left, box.top, box.width, box.height].map(Math.floor); })()",
    );
    let side = |index: usize| place[index].as_f64().expect("a number");
    (side(0), side(1), side(2), side(3))
}

#[expect(clippy::cast_precision_loss, reason = "pixels and rows are few")]
fn float(count: usize) -> f64 {
    count as f64
}

#[test]
fn every_series_is_seen_where_its_rows_say_in_light_and_in_dark() {
    let directory = tempfile::tempdir().expect("a directory");
    let (page, rows) = guarded(directory.path());
    let mut browser = Browser::start();
    for view in [LIGHT, DARK] {
        browser.look(view);
        browser.open(&page);
        let ruler = Ruler::of(&mut browser);
        let place = place_of_picture(&mut browser);
        browser.value("document.head.append(Object.assign(document.createElement('style'), {id: 'test'}))");
        let seen = browser.picture(place);
        // Each with the panel that it is in, from the top, and that panel's highest label.
        for (class, name, panel, highest) in [
            ("tt-demand", "qps", 0, "800"),
            ("tt-capacity", "capacity", 0, "800"),
            ("tt-floor", "floor", 1, "40"),
            ("tt-asked", "recommendation", 1, "40"),
            ("tt-level", "level", 1, "40"),
            ("tt-ready", "ready", 1, "40"),
            ("tt-desired", "desired", 1, "40"),
            ("tt-queue", "queue", 2, "1500"),
            ("tt-usage", "utilization", 3, "1.0"),
            ("tt-downstream", "downstream_utilization", 3, "1.0"),
        ] {
            let mut with = |style: &str| {
                browser.value(&format!("document.getElementById('test').textContent = '{style}'"));
                browser.picture(place)
            };
            let hidden = with(&format!("svg path.{class}{{visibility:hidden}}"));
            assert!(!seen.difference(&hidden).is_empty(), "{class} is covered by others");
            let nothing = with("svg path{visibility:hidden}");
            let alone = with(&format!("svg path{{visibility:hidden}}svg path.{class}{{visibility:visible}}"));
            let drawn = nothing.difference(&alone);
            let values = column(&rows, name);
            let mut checked = 0;
            for (index, near) in values.windows(9).enumerate() {
                // Recommendations may be above what there is room for.
                let is_level = near.iter().all(|other| *other == near[4]);
                let most = highest.parse().expect("a number");
                let Some(value) = near[4].filter(|value| is_level && *value <= most) else { continue };
                let x = ruler.across((float(index) + 4.5) / float(values.len())) - place.0;
                let expected = ruler.height(panel, highest, value) - place.1;
                // A line is as thick as it is; an area reaches down from its value.
                let is_here = |(across, down): &&(usize, usize)| {
                    (float(*across) + 0.5 - x).abs() < 1.0 && (float(*down) + 0.5 - expected).abs() < 4.0
                };
                // Dashes have gaps, and a third of two neighbours in each is none.
                checked += usize::from(drawn.iter().any(|pixel| is_here(&pixel)));
                let is_dashed = ["tt-level", "tt-downstream"].contains(&class);
                assert!(
                    is_dashed || drawn.iter().any(|pixel| is_here(&pixel)),
                    "{class} at row {}",
                    index + 4
                );
            }
            assert!(checked > 50, "{class}: seen at {checked} rows");
        }
        assert_eq!(browser.requested(), [format!("file://{}", page.display())]);
        assert!(browser.console().is_empty(), "{:?}", browser.console());
    }
}

#[test]
fn the_cursor_tells_the_values_and_the_decision_in_force_with_its_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let (page, rows) = guarded(directory.path());
    let mut browser = Browser::start();
    browser.look(LIGHT);
    browser.open(&page);
    let ruler = Ruler::of(&mut browser);
    let told = |browser: &mut Browser, id: &str| {
        let text = browser.value(&format!("document.getElementById('{id}').textContent"));
        text.as_str().expect("text").to_owned()
    };
    assert_eq!(told(&mut browser, "decision"), "");
    let value = |name: &str, row: usize| column(&rows, name)[row].expect("a value");
    // In the middle of ticks: before any change, while the queue is full, after the first change, at the end.
    for (row, decision) in [
        (40, None),
        (150, None),
        (190, Some("16 → 32, Load: the load's level is 32; latency is")),
        (700, Some("5 → 4, ")),
    ] {
        let y = ruler.height(1, "40", 20.0);
        browser.point((ruler.across((float(row) + 0.5) / float(rows.len() - 1)), y));
        let said = told(&mut browser, "hover");
        for (words, name) in
            [("demand", "qps"), ("baseline", "floor"), ("desired", "desired"), ("ready", "ready")]
        {
            let expected = format!("{words} {}", value(name, row));
            assert!(said.contains(&expected), "row {row}: no {expected:?} in {said}");
        }
        let expected = format!("waiting {}", (value("queue", row) * 100.0).round() / 100.0);
        assert!(said.contains(&expected), "row {row}: no {expected:?} in {said}");
        let why = told(&mut browser, "decision");
        assert!(why.contains(decision.unwrap_or("no change yet")), "row {row}: {why}");
        let cursor = browser.value("document.querySelector('.tt-cursor').getBoundingClientRect().height");
        assert!(cursor.as_f64().expect("a number") > 300.0, "a line through all panels: {cursor}");
    }
    browser.point((2.0, 2.0));
    assert!(told(&mut browser, "hover").starts_with("Move over the chart"));
    assert_eq!(told(&mut browser, "decision"), "");
}

#[test]
fn a_compared_run_can_be_taken_out_of_the_picture() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("page.html");
    let more = ["--length", "12h", "--compare", "hpa,static:22", "--html", &page.display().to_string()];
    tidetable(&[["simulate", "simulations/web-day.yaml"].as_slice(), &more].concat());
    let mut browser = Browser::start();
    browser.look(LIGHT);
    browser.open(&page);
    let box_of = |browser: &mut Browser, what: &str| -> Rectangle {
        let place = browser.value(&format!(
            "(() => {{ const box = document.querySelector('{what}').getBoundingClientRect();
                return [box.left, box.top, box.width, box.height]; }})()"
        ));
        let side = |index: usize| place[index].as_f64().expect("a number").floor();
        (side(0), side(1), side(2), side(3))
    };
    let place = box_of(&mut browser, ".compared svg");
    let before = browser.picture(place);
    let tick = browser.value(
        "(() => { const box = document.getElementById('run-2').getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2]; })()",
    );
    browser.click((tick[0].as_f64().expect("x"), tick[1].as_f64().expect("y")));
    let gone = before.difference(&browser.picture(place));
    // The line of static:22 is level: whatever is gone lies in one row of the picture, and all along it.
    let heights = gone.iter().map(|(_, y)| *y);
    let (top, bottom) = (heights.clone().min().expect("gone"), heights.max().expect("gone"));
    assert!(bottom - top <= 3 && gone.len() > 300, "{top} to {bottom}, {} pixels", gone.len());
}

/// Every scenario that has traffic of its own.
fn scenarios() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations");
    let files =
        std::fs::read_dir(directory).expect("simulations").map(|entry| entry.expect("an entry").file_name());
    let names = files.map(|name| name.to_string_lossy().into_owned());
    let is_played = |name: &String| match name.strip_suffix(".yaml") {
        Some(name) => !name.contains(".policy") && !name.contains("-trace"),
        None => false,
    };
    let mut names: Vec<String> = names.filter(is_played).collect();
    names.sort();
    names
}

fn is_legible(browser: &mut Browser, file: &Path, what: &str) {
    for view in [LIGHT, DARK, PHONE, PRINT] {
        browser.look(view);
        browser.open(file);
        let problems = browser.value(ILLEGIBLE);
        assert_eq!(problems, serde_json::json!([]), "{what}, {view:?}");
        assert_eq!(browser.requested(), [format!("file://{}", file.display())], "{what} asks nobody");
        assert!(browser.console().is_empty(), "{what}: {:?}", browser.console());
    }
}

#[test]
fn everything_can_be_read_on_a_screen_on_a_phone_and_on_paper() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut browser = Browser::start();
    let scenarios = scenarios();
    assert!(scenarios.len() > 12, "{scenarios:?}");
    for name in scenarios {
        let [page, picture] = ["page.html", "picture.svg"].map(|file| directory.path().join(file));
        let (html, svg) = (page.display().to_string(), picture.display().to_string());
        let scenario = format!("simulations/{name}");
        let mut arguments = vec!["simulate", &scenario, "--html", &html, "--svg", &svg];
        if name == "web-day.yaml" {
            arguments.extend([
                "--compare",
                "hpa,keda,knative,oracle,static:22,simulations/noisy-load.policy.yaml",
            ]);
        }
        tidetable(&arguments);
        is_legible(&mut browser, &page, &name);
    }
    let page = directory.path().join("preview.html");
    let html = page.display().to_string();
    for policy in ["simulations/web-day.policy.yaml", "simulations/clock-change.policy.yaml"] {
        tidetable(&["preview", policy, "--from", "2026-10-20", "--html", &html]);
        is_legible(&mut browser, &page, policy);
    }
}

#[test]
fn a_picture_by_itself_can_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    tidetable(&[
        "tune",
        "simulations/hunting.yaml",
        "--param",
        "damping.scaleDown.stabilizationWindowSeconds=0..300/60",
        "--param",
        "metrics[0].target.averageValue=60..100/10",
        "--objective",
        "reversals",
        "--heat-map",
        &file("heat.svg"),
        "--explain",
        &file(""),
    ]);
    tidetable(&["simulate", "simulations/two-tiers.yaml", "--svg", &file("tiers.svg")]);
    let mut browser = Browser::start();
    for name in ["heat.svg", "less.svg", "tiers.svg"] {
        for view in [LIGHT, DARK] {
            browser.look(view);
            browser.open(&directory.path().join(name));
            assert_eq!(browser.value(ILLEGIBLE), serde_json::json!([]), "{name}, {view:?}");
        }
    }
}
