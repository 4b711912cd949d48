//! Lines of characters in colours, from the top down, and panels of cells, from the bottom up.

use super::super::axis::{Axis, Tick};
use super::super::columns::part;
use super::column_of;

/// What a character belongs to, which is what its colour depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Ink {
    Plain,
    Bold,
    Faint,
    Demand,
    Capacity,
    Shortage,
    Floor,
    Level,
    Replicas,
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Faint => "2",
            Self::Demand => "34",
            Self::Capacity => "32",
            Self::Shortage => "1;31",
            Self::Floor => "33",
            Self::Level => "35",
            Self::Replicas => "36",
        }
    }
}

/// The cells of one panel. Row 0 is at the bottom.
#[derive(Clone, Debug)]
pub(in super::super) struct Panel {
    axis: Axis,
    /// Rows between two ticks.
    spacing: u32,
    cells: Vec<Vec<(char, Ink)>>,
}

impl Panel {
    /// A panel with as many rows as make about eight with whole rows between ticks, and one for the top tick.
    pub(in super::super) fn new(axis: Axis, width: usize) -> Self {
        let spacing = match axis.steps {
            0 | 1 => 6,
            2 => 4,
            3 => 3,
            4 => 2,
            _ => 10_u32.div_ceil(axis.steps),
        };
        Self::spaced(axis, spacing, width)
    }

    /// A panel of five rows for an axis of one step.
    pub(in super::super) fn low(axis: Axis, width: usize) -> Self {
        Self::spaced(axis, 4, width)
    }

    fn spaced(axis: Axis, spacing: u32, width: usize) -> Self {
        let rows = usize::try_from(axis.steps.max(1) * spacing).unwrap_or(0) + 1;
        Self { axis, spacing, cells: vec![vec![(' ', Ink::Plain); width]; rows] }
    }

    pub(in super::super) fn put(&mut self, x: usize, y: usize, character: char, ink: Ink) {
        if let Some(cell) = self.cells.get_mut(y).and_then(|row| row.get_mut(x)) {
            *cell = (character, ink);
        }
    }

    /// The row that a value is in.
    pub(in super::super) fn row(&self, value: f64) -> usize {
        part(value / self.axis.top(), self.cells.len() - 1)
    }

    /// A bar from 0 to a value, to the eighth of a row.
    pub(in super::super) fn bar(&mut self, x: usize, value: f64, ink: Ink) {
        const EIGHTHS: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];
        let eighths = part(value / self.axis.top(), (self.cells.len() - 1) * 8);
        for y in 0..eighths / 8 {
            self.put(x, y, '█', ink);
        }
        // No demand and a little demand are not the same.
        let rest = if value > 0.0 { (eighths % 8).max(usize::from(eighths == 0)) } else { 0 };
        if rest > 0 {
            self.put(x, eighths / 8, EIGHTHS[rest], ink);
        }
    }

    /// A line of steps, with corners where it changes its row.
    pub(in super::super) fn line(&mut self, values: &[f64], ink: Ink) {
        let rows: Vec<usize> = values.iter().map(|value| self.row(*value)).collect();
        for (x, &y) in rows.iter().enumerate() {
            let before = if x == 0 { y } else { rows[x - 1] };
            let (low, high) = (before.min(y), before.max(y));
            for between in low + 1..high {
                self.put(x, between, '┃', ink);
            }
            match before.cmp(&y) {
                std::cmp::Ordering::Equal => self.put(x, y, '━', ink),
                std::cmp::Ordering::Less => {
                    self.put(x, before, '┛', ink);
                    self.put(x, y, '┏', ink);
                }
                std::cmp::Ordering::Greater => {
                    self.put(x, before, '┓', ink);
                    self.put(x, y, '┗', ink);
                }
            }
        }
    }
}

/// The text as it grows, from the top down.
#[derive(Debug)]
pub(in super::super) struct Canvas {
    width: usize,
    color: bool,
    text: String,
}

impl Canvas {
    pub(in super::super) fn new(width: usize, color: bool) -> Self {
        Self { width, color, text: String::new() }
    }

    /// A line of text, cut at the width.
    pub(in super::super) fn text(&mut self, text: &str, ink: Ink) {
        let cells: Vec<(char, Ink)> = text.chars().take(self.width).map(|c| (c, ink)).collect();
        self.put_line(&cells);
    }

    /// A unit, and what the characters of the panel below mean; on more lines when it is too wide for one.
    pub(in super::super) fn legend(&mut self, unit: &str, entries: &[(&str, Ink, &str)]) {
        let mut line: Vec<(char, Ink)> = unit.chars().map(|c| (c, Ink::Bold)).collect();
        for (sample, ink, meaning) in entries {
            let entry = sample.chars().map(|c| (c, *ink));
            let entry: Vec<_> =
                entry.chain([(' ', Ink::Plain)]).chain(meaning.chars().map(|c| (c, Ink::Plain))).collect();
            if line.len() + 3 + entry.len() > self.width {
                self.put_line(&line);
                line.clear();
            }
            line.extend([(' ', Ink::Plain); 3]);
            line.extend(entry);
        }
        self.put_line(&line);
    }

    /// A panel and its vertical axis, from its top row down.
    pub(in super::super) fn panel(&mut self, panel: &Panel, axis: Axis, gutter: usize) {
        let labels: Vec<String> = axis.ticks().map(|(_, label)| label).collect();
        for (y, cells) in panel.cells.iter().enumerate().rev() {
            let spacing = usize::try_from(panel.spacing).unwrap_or(1);
            let label = if y % spacing == 0 { labels.get(y / spacing) } else { None };
            let margin = gutter.saturating_sub(2);
            let axis = if label.is_some() { '┤' } else { '│' };
            let label = format!("{:>margin$} {axis}", label.map_or("", String::as_str));
            let mut line: Vec<(char, Ink)> = label.chars().map(|c| (c, Ink::Faint)).collect();
            line.extend(cells);
            self.put_line(&line);
        }
    }

    /// The time axis, with or without its labels.
    pub(in super::super) fn axis(&mut self, ticks: &[Tick], gutter: usize, labelled: bool) {
        let width = self.width - gutter;
        let mut line = vec![(' ', Ink::Faint); gutter - 1];
        line.push(('└', Ink::Faint));
        line.extend(std::iter::repeat_n(('─', Ink::Faint), width));
        for tick in ticks {
            line[gutter + column_of(tick, width)].0 = if tick.midnight { '╂' } else { '┴' };
        }
        self.put_line(&line);
        if !labelled {
            return;
        }
        let mut line = vec![' '; self.width];
        let mut free = 0;
        for tick in ticks {
            let length = tick.label.chars().count();
            let middle = gutter + column_of(tick, width);
            let start = middle.saturating_sub(length / 2).min(self.width.saturating_sub(length));
            if start >= free {
                for (cell, character) in line[start..].iter_mut().zip(tick.label.chars()) {
                    *cell = character;
                }
                free = start + length + 1;
            }
        }
        let line: String = line.into_iter().collect();
        self.text(&line, Ink::Plain);
    }

    pub(in super::super) fn finish(self) -> String {
        self.text
    }

    fn put_line(&mut self, cells: &[(char, Ink)]) {
        let end = cells.iter().rposition(|(character, _)| *character != ' ').map_or(0, |last| last + 1);
        let mut current = Ink::Plain;
        for &(character, ink) in &cells[..end] {
            if self.color && character != ' ' && ink != current {
                self.text.push_str("\u{1b}[0");
                if !ink.code().is_empty() {
                    self.text.push(';');
                    self.text.push_str(ink.code());
                }
                self.text.push('m');
                current = ink;
            }
            self.text.push(character);
        }
        if current != Ink::Plain {
            self.text.push_str("\u{1b}[0m");
        }
        self.text.push('\n');
    }
}
