//! Runs as people read them: a chart and tables for a terminal, a picture for a README, a page for a
//! browser, rows for a spreadsheet. Everything here is a pure function of a run, and the same run gives the
//! same bytes: number formats are fixed, and nothing asks for the time or the locale.
//!
//! All charts show the same two panels over the same time: demand against what the ready replicas can
//! carry, and below it the schedule's floor, the load's level and the replicas that came of them.
//!
//! A [`comparison`] is of several runs of one scenario.
//!
//! A [`difference`] is what a change of a policy makes of a run.
//!
//! A [`preview`] is what is to come: the schedule's floor and ceiling, without any load.

pub mod comparison;
pub mod csv;
pub mod difference;
pub mod heatmap;
pub mod html;
pub mod preview;
pub mod svg;
pub mod table;
pub mod terminal;

mod axis;
mod columns;
mod scores;
mod text;

#[cfg(test)]
mod tests;
