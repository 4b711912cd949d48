//! A preview as one page that needs nothing but itself: no network, no fonts, no script.

use std::fmt::Write;

use jiff::Timestamp;

use super::STYLE;
use crate::decision::Replicas;
use crate::report::preview::Preview;
use crate::report::svg;
use crate::report::text::escape;

/// The preview as an HTML document: the picture, every change, and what clock changes do to entries. `tzdb` is
/// the version of the time zone database that it was worked out with.
#[must_use]
pub fn page(preview: &Preview<'_>, tzdb: &str) -> String {
    let name = escape(&preview.name);
    let mut page = String::new();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{name} · tidetable</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n\
         <p class=\"quiet\">{}, time zone database {}</p>\n<figure>\n{}</figure>\n",
        escape(&preview.period().words(&preview.zone)),
        escape(tzdb),
        svg::preview::draw(preview)
    );
    changes(&mut page, preview);
    clock_changes(&mut page, preview);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn changes(page: &mut String, preview: &Preview<'_>) {
    let _ = writeln!(page, "<h2>Changes <span class=\"quiet\">{}</span></h2>", preview.changes.len());
    page.push_str(
        "<div class=\"scroll\">\n<table>\n<thead><tr><th>Local time</th><th>UTC</th>\
         <th class=\"number\">Floor</th><th class=\"number\">Ceiling</th><th>Entry</th><th>Why</th></tr></thead>\n\
         <tbody>\n",
    );
    let mut row = |at: Timestamp, floor: Replicas, ceiling: Replicas, names: &str, why: &str| {
        let _ = writeln!(
            page,
            "<tr><td class=\"time\"><time datetime=\"{at}\">{}</time></td><td class=\"time\">{at}</td>\
             <td class=\"number\">{floor}</td><td class=\"number\">{ceiling}</td><td>{}</td><td class=\"why\">{}</td></tr>",
            preview.local(at),
            escape(names),
            escape(why)
        );
    };
    let start = &preview.start;
    if !preview.begins_with_a_change() {
        row(preview.from, start.floor, start.ceiling, &preview.names_at_first(), &preview.why_at_first());
    }
    for change in &preview.changes {
        row(change.at, change.floor, change.ceiling, &preview.names(change), &preview.why(change));
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

fn clock_changes(page: &mut String, preview: &Preview<'_>) {
    if preview.clock_changes.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Clock changes</h2>\n<div class=\"scroll\">\n<table>\n<thead><tr><th>Date</th><th>Zone</th>\
         <th>Shift</th><th>Entry</th><th>Effect</th></tr></thead>\n<tbody>\n",
    );
    for change in &preview.clock_changes {
        for effect in &change.effects {
            let _ = writeln!(
                page,
                "<tr><td class=\"time\"><time datetime=\"{}\">{}</time></td><td>{}</td><td>{}</td><td>{}</td>\
                 <td class=\"why\">{}</td></tr>",
                change.at,
                change.date,
                escape(&change.zone),
                change.shift(),
                escape(preview.entry(effect.entry)),
                escape(&effect.words)
            );
        }
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}
