//! A number for each combination of two others, as a picture: the redder, the more.

use std::fmt::Write;

use super::svg::text;
use super::text::escape;

/// Where the cells begin and end, from left to right and from top to bottom.
const SIDES: (f64, f64) = (110.0, 900.0);
const ENDS: (f64, f64) = (70.0, 470.0);

/// Draws `cells`, each at its place on both axes; what they are is said in the heading.
#[must_use]
pub fn picture(what: &str, axes: (&str, &str), cells: &[((f64, f64), u64)]) -> String {
    let places = |of: fn(&(f64, f64)) -> f64| {
        let mut places: Vec<f64> = cells.iter().map(|(place, _)| of(place)).collect();
        places.sort_by(f64::total_cmp);
        places.dedup_by(|a, b| a.total_cmp(b).is_eq());
        places
    };
    let (across, up) = (places(|place| place.0), places(|place| place.1));
    let most = cells.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 540\" class=\"tt\" role=\"img\" \
         aria-labelledby=\"tt-title\">\n<title id=\"tt-title\">{} by {} and {}</title>\n<style>\n{}\n.tt .tt-cell \
         {{fill:var(--short)}}\n</style>\n<rect class=\"tt-back\" width=\"960\" height=\"540\" rx=\"8\"/>",
        escape(what),
        escape(axes.0),
        escape(axes.1),
        super::svg::STYLE
    );
    text(
        &mut svg,
        "tt-head",
        (20.0, 32.0),
        "start",
        &format!("{what}: the redder, the more; at most {most}"),
    );
    text(&mut svg, "tt-sub", (SIDES.1, ENDS.1 + 44.0), "end", &format!("{} →", axes.0));
    text(&mut svg, "tt-sub", (20.0, 56.0), "start", &format!("↑ {}", axes.1));
    let (width, height) = ((SIDES.1 - SIDES.0) / size(across.len()), (ENDS.1 - ENDS.0) / size(up.len()));
    let left = |index: usize| SIDES.0 + width * number(index);
    let top = |index: usize| ENDS.1 - height * (number(index) + 1.0);
    for ((x, y), count) in cells {
        let at = |places: &[f64], value: &f64| places.iter().position(|place| place.total_cmp(value).is_eq());
        let (Some(column), Some(row)) = (at(&across, x), at(&up, y)) else { continue };
        let (x0, y0) = (left(column), top(row));
        let _ = writeln!(
            svg,
            "<rect class=\"tt-cell\" x=\"{x0:.1}\" y=\"{y0:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill-opacity=\"{:.2}\"><title>{x}, {y}: {count}</title></rect>",
            shade(*count, most)
        );
        if width >= 40.0 && height >= 18.0 {
            text(
                &mut svg,
                "tt-day",
                (x0 + width / 2.0, y0 + height / 2.0 + 4.0),
                "middle",
                &count.to_string(),
            );
        }
    }
    for index in named(across.len(), width, 56.0) {
        text(
            &mut svg,
            "tt-sub",
            (left(index) + width / 2.0, ENDS.1 + 20.0),
            "middle",
            &across[index].to_string(),
        );
    }
    for index in named(up.len(), height, 18.0) {
        text(
            &mut svg,
            "tt-sub",
            (SIDES.0 - 8.0, top(index) + height / 2.0 + 4.0),
            "end",
            &up[index].to_string(),
        );
    }
    svg += "</svg>\n";
    svg
}

/// How red a cell is. With more than 0.6 of it the number in the cell could not be read.
#[expect(clippy::cast_precision_loss, reason = "reversals of a run fit 53 bits")]
fn shade(count: u64, most: u64) -> f64 {
    0.6 * count as f64 / most.max(1) as f64
}

/// The places whose names have room for themselves.
fn named(count: usize, each: f64, room: f64) -> impl Iterator<Item = usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
    let every = (room / each.max(1e-9)).ceil().clamp(1.0, 1e6) as usize;
    (0..count).step_by(every)
}

fn size(count: usize) -> f64 {
    number(count.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "few enough to be drawn")]
fn number(count: usize) -> f64 {
    count as f64
}
