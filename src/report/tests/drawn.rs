//! What is drawn is what the rows say: paths are read back, and their coordinates held against the values through the
//! labels of the axes, as somebody with a ruler would do it.

use std::collections::BTreeMap;

use super::*;
use crate::simulation::service::Standing;

/// The `d` of every path of a class, in order, and the points at which texts stand.
struct Drawing {
    paths: BTreeMap<String, Vec<String>>,
    texts: Vec<(f64, f64, String)>,
}

impl Drawing {
    fn read(svg: &str) -> Self {
        let path = regex::Regex::new("<path class=\"([^\"]*)\" d=\"([^\"]*)\"").unwrap();
        let text = regex::Regex::new("<text class=\"[^\"]*\" x=\"([0-9.]+)\" y=\"([0-9.]+)\"[^>]*>([^<]*)<")
            .unwrap();
        let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for found in path.captures_iter(svg) {
            paths.entry(found[1].to_owned()).or_default().push(found[2].to_owned());
        }
        let number = |text: &str| text.parse().unwrap();
        let texts =
            text.captures_iter(svg).map(|found| (number(&found[1]), number(&found[2]), found[3].to_owned()));
        Self { texts: texts.collect(), paths }
    }

    /// The last path of a class: the one before it, if there is one, is the legend's.
    fn series(&self, class: &str) -> &str {
        self.paths.get(class).and_then(|paths| paths.last()).unwrap_or_else(|| panic!("no {class}"))
    }

    /// Value per unit of height and the height of zero, by the labels of the axis below `top` and above `bottom`.
    fn scale(&self, (top, bottom): (f64, f64)) -> (f64, f64) {
        let labels: Vec<(f64, f64)> = self
            .texts
            .iter()
            .filter(|(x, y, _)| *x < 60.0 && *y > top - 1.0 && *y < bottom + 10.0)
            .filter_map(|(_, y, label)| Some((*y - 4.0, label.parse().ok()?)))
            .collect();
        let (zero, _) = labels.iter().copied().find(|(_, value)| *value == 0.0).unwrap();
        let (y, highest) = labels.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        (highest / (zero - y), zero)
    }
}

/// The level stretches of a line of steps: from, to and how high.
fn stretches(d: &str) -> Vec<(f64, f64, f64)> {
    let command = regex::Regex::new("([MHVZ])([0-9.]*) ?([0-9.]*)").unwrap();
    let (mut at, mut height, mut found) = (0.0, 0.0, Vec::new());
    for step in command.captures_iter(d) {
        let number = |i: usize| step[i].parse::<f64>().unwrap();
        match &step[1] {
            "M" => (at, height) = (number(2), number(3)),
            "V" => height = number(2),
            "H" => {
                found.push((at, number(2), height));
                at = number(2);
            }
            _ => {}
        }
    }
    found
}

/// How high a line is at `x`; `None` where it has a gap.
fn height(stretches: &[(f64, f64, f64)], x: f64) -> Option<f64> {
    stretches.iter().find(|(from, to, _)| (*from..*to).contains(&x)).map(|(_, _, height)| *height)
}

/// A day whose numbers all change, with a gap in the metric and a decision that is not written.
fn lively() -> Run {
    let mut run = made_up(96, 40);
    for (index, row) in (0_u32..).zip(&mut run.rows) {
        row.qps = f64::from(20 + index % 7 * 10);
        row.floor = 2 + index / 24;
        row.recommendation = (index > 0).then_some(3 + index % 5);
        row.level = (index > 3).then_some(4 + index / 10 % 4);
        row.desired = 5 + index / 12;
        row.replicas = if index < 90 { row.desired } else { 11 };
        row.ready = row.replicas - index % 2;
        row.capacity = f64::from(row.ready) * 10.0;
        row.measured = (!(30..34).contains(&index)).then_some(row.qps);
    }
    run
}

#[test]
fn every_series_of_a_page_is_where_its_rows_are() {
    type Value = dyn Fn(&Row) -> Option<f64>;
    let run = lively();
    let layout = svg::detail::Layout::detailed(&run);
    let drawing = Drawing::read(&html::page(&run, &[], &berlin()));
    let series: [(&str, (f64, f64), &Value); 8] = [
        ("tt-demand", layout.upper, &|row| Some(row.qps)),
        ("tt-capacity", layout.upper, &|row| Some(row.capacity)),
        ("tt-floor", layout.lower, &|row| Some(f64::from(row.floor))),
        ("tt-asked", layout.lower, &|row| row.recommendation.map(f64::from)),
        ("tt-level", layout.lower, &|row| row.level.map(f64::from)),
        ("tt-ready", layout.lower, &|row| Some(f64::from(row.ready))),
        ("tt-desired", layout.lower, &|row| Some(f64::from(row.desired))),
        ("tt-replicas", layout.lower, &|row| Some(f64::from(row.replicas))),
    ];
    let width = (svg::SIDES.1 - svg::SIDES.0) / 96.0;
    for (class, panel, value) in series {
        let (per_height, zero) = drawing.scale(panel);
        let drawn = stretches(drawing.series(class));
        for (index, row) in (0_u32..).zip(&run.rows) {
            let x = svg::SIDES.0 + (f64::from(index) + 0.5) * width;
            let drawn = height(&drawn, x).map(|y| (zero - y) * per_height);
            match (drawn, value(row)) {
                (Some(drawn), Some(value)) => {
                    assert!(
                        (drawn - value).abs() < 0.1 * per_height + 1e-9,
                        "{class} {index}: {drawn}, not {value}"
                    );
                }
                (drawn, value) => assert_eq!(drawn, value, "{class} {index}"),
            }
        }
    }
}

#[test]
fn a_run_with_a_queue_has_panels_of_who_waits_and_what_is_in_use() {
    type Value = fn(Standing) -> f64;
    let mut run = lively();
    assert!(!html::page(&run, &[], &berlin()).contains("class=\"tt-queue\""), "it has none");
    for (index, row) in (0_u32..).zip(&mut run.rows) {
        let share = f64::from(index % 9) / 10.0;
        let queue = f64::from(index % 5) * 20.0;
        row.service = Some(Standing { queue, latency: 0.25, utilization: share, downstream: 1.0 - share });
    }
    let (queue, usage) = svg::detail::Layout::detailed(&run).service.unwrap();
    let page = html::page(&run, &[], &berlin());
    balanced(&page);
    let drawing = Drawing::read(&page);
    let series: [(&str, (f64, f64), Value); 3] = [
        ("tt-queue", queue, |service| service.queue),
        ("tt-usage", usage, |service| service.utilization),
        ("tt-downstream", usage, |service| service.downstream),
    ];
    let width = (svg::SIDES.1 - svg::SIDES.0) / 96.0;
    for (class, panel, value) in series {
        let (per_height, zero) = drawing.scale(panel);
        let drawn = stretches(drawing.series(class));
        for (index, row) in (0_u32..).zip(&run.rows) {
            let x = svg::SIDES.0 + (f64::from(index) + 0.5) * width;
            let (drawn, value) =
                ((zero - height(&drawn, x).unwrap()) * per_height, value(row.service.unwrap()));
            assert!((drawn - value).abs() < 0.1 * per_height + 1e-9, "{class} {index}: {drawn}, not {value}");
        }
    }
    assert!(page.contains("[20.0,0.25,0.1,0.9]"), "and under the cursor");
    // More is asked than all of them could carry, and it counts where somebody waits or is turned away.
    let marks = |run: &Run| Drawing::read(&html::page(run, &[], &berlin())).paths.get("tt-mark").cloned();
    run.rows.iter_mut().for_each(|row| (row.qps, row.dropped) = (row.capacity + 20.0, 0.0));
    let waiting =
        run.rows.iter().filter(|row| row.service.is_some_and(|service| service.queue > 0.0)).count();
    assert_eq!(marks(&run).map(|marks| marks[0].matches('Z').count()), Some(waiting));
    run.rows.iter_mut().for_each(|row| row.service = Some(Standing::default()));
    assert_eq!(marks(&run), None);
    run.rows[50].dropped = 1.0;
    assert_eq!(marks(&run).map(|marks| marks[0].matches('Z').count()), Some(1));
    for row in &mut run.rows {
        row.service = row.service.map(|service| Standing { downstream: 0.0, ..service });
    }
    assert!(!html::page(&run, &[], &berlin()).contains("of the tier behind"), "there is none");
}

#[test]
fn a_gap_is_marked_in_both_panels_and_in_the_legend() {
    let drawing = Drawing::read(&html::page(&lively(), &[], &berlin()));
    let gaps = &drawing.paths["tt-gap"];
    assert_eq!(gaps.len(), 3, "the legend's, and one in each panel");
    let width = (svg::SIDES.1 - svg::SIDES.0) / 96.0;
    let (start, end) = (svg::SIDES.0 + 30.0 * width, svg::SIDES.0 + 34.0 * width);
    for gap in &gaps[1..] {
        assert!(gap.starts_with(&format!("M{start:.1} ")) && gap.contains(&format!("H{end:.1}V")), "{gap}");
        assert_eq!(gap.matches('Z').count(), 1, "{gap}");
    }
    assert!(drawing.texts.iter().any(|(_, _, text)| text == "metrics not read"));
    for row in [Some(1.0), None] {
        // All read, and a policy without metrics, which has none to miss.
        let mut run = lively();
        run.rows.iter_mut().for_each(|each| each.measured = row);
        assert!(!html::page(&run, &[], &berlin()).contains("tt-gap"));
    }
}

#[test]
fn every_change_is_marked_and_tells_its_reason_without_a_script_too() {
    let mut run = made_up(96, 40);
    let page = html::page(&run, &[], &berlin());
    let marks: Vec<_> = page.match_indices("<path class=\"tt-change\"").collect();
    assert_eq!(marks.len(), run.changes.len());
    let title =
        "<title>2026-11-23 00:00:00+01:00, 3 → 10, Baseline: entry &lt;morning&gt; &amp; more</title>";
    assert!(page.contains(title), "{}", &page[marks[0].0..][..300]);
    let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let change = serde_json::json!([0.0, "Mon 23 Nov 00:00:00: 3 → 10, Baseline", "entry <morning> & more"]);
    assert_eq!(data["changes"], serde_json::json!([change]));
    let row = serde_json::json!(["Mon 23 Nov 00:15", 60.0, 100.0, 4, 6, 6, 10, 10, 10, null]);
    assert_eq!(data["rows"][1], row);
    // So many that they would hide the lines are in the table alone.
    run.changes = vec![run.changes[0].clone(); svg::detail::MOST_MARKS + 1];
    let page = html::page(&run, &[], &berlin());
    assert!(!page.contains("<path class=\"tt-change\""));
    assert_eq!(
        page.matches("<td class=\"why\">entry &lt;morning&gt; &amp; more</td>").count(),
        run.changes.len()
    );
}

#[test]
fn compared_runs_have_a_line_a_name_and_a_row_each() {
    let runs: Vec<Run> = (1..=9_u32)
        .map(|n| {
            let mut run = Run { name: format!("rival <{n}>"), ..made_up(96, -1) };
            run.rows.iter_mut().for_each(|row| row.replicas = n);
            run
        })
        .collect();
    let page = html::page(&runs[0], &runs, &berlin());
    balanced(&page);
    let picture = comparison::picture(&runs, &berlin());
    balanced(&picture);
    let drawing = Drawing::read(&picture);
    let top = drawing.texts.iter().filter(|(x, _, _)| *x < 60.0).map(|(_, y, _)| *y).fold(f64::MAX, f64::min);
    let (per_height, zero) = drawing.scale((top + 10.0, 1000.0));
    for (index, n) in (0..).zip(1..=9_u32) {
        let class = format!("tt-run tt-run-{} tt-series-{index}", index % 8);
        let drawn = (zero - height(&stretches(drawing.series(&class)), 500.0).unwrap()) * per_height;
        assert!((drawn - f64::from(n)).abs() < 0.1, "{class}: {drawn}");
        assert!(page.contains(&format!("<tr><td>rival &lt;{n}&gt;</td>")));
        assert!(page.contains(&format!(".compared:has(#run-{index}:not(:checked)) .tt-series-{index}{{")));
    }
    let within = |(x, y, _): &(f64, f64, String)| (0.0..=960.0).contains(x) && *y > 0.0;
    assert!(drawing.texts.iter().all(within));
    // 60 requests/s of 10 a replica.
    let needed = height(&stretches(drawing.series("tt-needed")), 500.0).unwrap();
    assert!(((zero - needed) * per_height - 6.0).abs() < 0.1);
    let table = comparison::table(&runs);
    assert_eq!(table.lines().count(), 11, "{table}");
    assert!(table.lines().all(|line| line.len() == table.lines().next().unwrap().len()), "{table}");
    assert_eq!(comparison::chart(&[], &berlin(), 80, false), "");
}
