//! Runs as one page that needs nothing but itself: no network, no fonts, no script that it could not do
//! without. The script only tells the values under the cursor, and the decision in force there with its reason; the
//! marks of the changes tell theirs without it.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::axis::Period;
use super::columns::columns;
use super::scores as lines;
use super::svg;
use super::svg::detail::Layout;
use super::text::{escape, second};
use crate::simulation::Run;
use crate::simulation::service::Standing;

mod comparison;
pub mod preview;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/hover.js");

/// The most instants that the cursor tells apart.
const INSTANTS: usize = 1200;

/// The run as an HTML document: the picture, the scores, every change with its reason, and the policy, with
/// local times of `zone`. Runs of the same scenario to compare it with, if there are any, come after the
/// picture; the first of them is the run itself.
#[must_use]
pub fn page(run: &Run, compared: &[Run], zone: &TimeZone) -> String {
    let period = Period::of(run);
    let name = escape(&run.name);
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{name} · tidetable</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n\
         <p class=\"quiet\">{}, one tick every {}</p>\n",
        escape(&period.words(zone)),
        escape(&seconds(run))
    );
    let _ = write!(page, "<figure>\n{}", svg::draw(run, zone, &Layout::detailed(run)));
    page.push_str("<p id=\"hover\" aria-live=\"off\" hidden=\"hidden\"></p>\n<p id=\"decision\" aria-live=\"off\" hidden=\"hidden\"></p>\n</figure>\n");
    comparison::section(&mut page, compared, zone);
    sections(&mut page, run, zone);
    for (index, tier) in run.behind.iter().enumerate() {
        let _ = write!(page, "<h1>{}</h1>\n<figure>\n", escape(&tier.name));
        page += &svg::draw(tier, zone, &Layout::detailed(tier).numbered(index + 1));
        page.push_str("</figure>\n");
        sections(&mut page, tier, zone);
    }
    page.push_str("</main>\n");
    let _ = write!(
        page,
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        data(run, zone)
    );
    page
}

/// Scores, changes and the policy.
fn sections(page: &mut String, run: &Run, zone: &TimeZone) {
    scores(page, run);
    changes(page, run, zone);
    let _ = writeln!(page, "<h2>Policy</h2>\n<pre><code>{}</code></pre>", escape(&run.policy_text));
}

fn seconds(run: &Run) -> String {
    format!("{} s", run.interval.as_secs_f64())
}

fn scores(page: &mut String, run: &Run) {
    page.push_str("<h2>Scores</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>Score</th><th class=\"number\">Value</th><th>Unit</th><th>Name</th></tr></thead>\n<tbody>\n");
    for line in lines::lines(&run.scores) {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td><code>{}</code></td></tr>",
            escape(line.title),
            escape(&line.value),
            escape(line.unit),
            escape(line.name)
        );
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

fn changes(page: &mut String, run: &Run, zone: &TimeZone) {
    let _ = writeln!(page, "<h2>Changes <span class=\"quiet\">{}</span></h2>", run.changes.len());
    if run.changes.is_empty() {
        page.push_str("<p>The number of replicas never changed.</p>\n");
        return;
    }
    page.push_str("<div class=\"scroll\">\n<table>\n<thead><tr><th>Time</th><th>Replicas</th><th>Reason</th><th>Why</th></tr></thead>\n<tbody>\n");
    for change in &run.changes {
        let direction = if change.to > change.from { "up" } else { "down" };
        let _ = writeln!(
            page,
            "<tr><td class=\"time\"><time datetime=\"{}\">{}</time></td><td class=\"time {direction}\">{} → {}</td>\
             <td>{}</td><td class=\"why\">{}</td></tr>",
            change.at,
            second(change.at, zone),
            change.from,
            change.to,
            change.reason.as_str(),
            escape(&change.message)
        );
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

/// What the script shows: where the panels are, and the local time and values of each column.
fn data(run: &Run, zone: &TimeZone) -> String {
    let columns = columns(run, INSTANTS.min(run.rows.len()));
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let rows: Vec<_> = columns
        .iter()
        .map(|column| {
            let time = zone.to_datetime(column.at).strftime("%a %-d %b %H:%M").to_string();
            serde_json::json!([
                time,
                hundredths(column.demand),
                hundredths(column.capacity),
                column.floor,
                column.recommendation,
                column.level,
                column.desired,
                column.replicas,
                column.ready,
                column.service.map(|service| {
                    let Standing { queue, latency, utilization, downstream } = service;
                    [queue, latency, utilization, downstream].map(hundredths)
                }),
            ])
        })
        .collect();
    let layout = Layout::detailed(run);
    let period = Period::of(run);
    let changes: Vec<_> = run
        .changes
        .iter()
        .map(|change| {
            let place = (period.place(change.at) * 1e6).round() / 1e6;
            let time = zone.to_datetime(change.at).strftime("%a %-d %b %H:%M:%S").to_string();
            let what = format!("{time}: {} → {}, {}", change.from, change.to, change.reason.as_str());
            serde_json::json!([place, what, change.message])
        })
        .collect();
    let data = serde_json::json!({
        "width": layout.size.0,
        "left": svg::SIDES.0,
        "right": svg::SIDES.1,
        "top": layout.upper.0,
        "bottom": layout.bottom(),
        "rows": rows,
        "changes": changes,
    });
    // Nothing in here can end the element.
    data.to_string().replace('<', "\\u003c").replace('&', "\\u0026")
}
