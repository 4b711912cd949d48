//! The part of a page that shows a run beside others. Whoever reads it can take lines out of the picture; that needs
//! no script.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::super::comparison::{heads, picture, values};
use super::super::text::escape;
use crate::simulation::Run;

/// A picture with the replicas of all, and a table of their scores. Nothing where there is nothing to compare.
pub(super) fn section(page: &mut String, runs: &[Run], zone: &TimeZone) {
    if runs.is_empty() {
        return;
    }
    page.push_str("<h2>Compared</h2>\n<figure class=\"compared\">\n");
    page.push_str("<p class=\"choice\">\n");
    for (index, run) in runs.iter().enumerate() {
        let _ = writeln!(
            page,
            "<label><input type=\"checkbox\" id=\"run-{index}\" checked=\"checked\"/> {}</label>",
            escape(&run.name)
        );
    }
    page.push_str("</p>\n<style>\n");
    for index in 0..runs.len() {
        let _ =
            writeln!(page, ".compared:has(#run-{index}:not(:checked)) .tt-series-{index}{{display:none}}");
    }
    page.push_str("</style>\n");
    page.push_str(&picture(runs, zone));
    page.push_str("</figure>\n<div class=\"scroll\">\n<table>\n<thead><tr><th></th>");
    for (head, unit) in heads() {
        let _ = write!(page, "<th class=\"number\">{head}<br/>{unit}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for run in runs {
        let _ = write!(page, "<tr><td>{}</td>", escape(&run.name));
        for value in values(run) {
            let _ = write!(page, "<td class=\"number\">{}</td>", escape(&value));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
    for run in runs.iter().skip(1).filter(|run| !run.policy_text.is_empty()) {
        let name = escape(&run.name);
        let _ = writeln!(
            page,
            "<details><summary>{name}</summary>\n<pre><code>{}</code></pre></details>",
            escape(&run.policy_text)
        );
    }
}
