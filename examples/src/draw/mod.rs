//! Pictures as PNG files. The font comes with this package, so a machine without fonts draws the same pictures.
//!
//! Every picture has a title, a legend below it in which nothing can lie over the data, and one panel or several:
//! [`charts`] draws lines, points and bands, [`boundaries`] what a classifier makes of the plane, [`mistakes`] and
//! [`strips`] draw images.

mod chart;
mod pictures;
mod plane;

pub use chart::{Chart, Drawn, Series, charts, learning_curves};
pub use pictures::{Mistake, Strip, mistakes, strips};
pub use plane::{Plane, boundaries};

use crate::Outcome;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Neighbours differ in lightness too, for those who do not see the hue.
const COLORS: [RGBColor; 10] = [
    RGBColor(31, 89, 164),
    RGBColor(230, 119, 0),
    RGBColor(0, 120, 80),
    RGBColor(214, 64, 96),
    RGBColor(96, 52, 150),
    RGBColor(86, 180, 222),
    RGBColor(120, 78, 40),
    RGBColor(240, 140, 190),
    RGBColor(110, 110, 110),
    RGBColor(170, 170, 20),
];
const INK: RGBColor = RGBColor(40, 40, 40);

fn color(i: usize) -> RGBColor {
    COLORS[i % COLORS.len()]
}

/// A white picture that is written to `path` when it is presented.
fn canvas(path: &Path, size: (u32, u32)) -> Outcome<Area<'_>> {
    let font = include_bytes!("../../fonts/DejaVuSans-subset.ttf");
    plotters::style::register_font("sans-serif", FontStyle::Normal, font)
        .map_err(|_| "the font that comes with the examples cannot be read")?;
    let area = BitMapBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn centred(size: i32) -> TextStyle<'static> {
    text(size).pos(Pos::new(HPos::Center, VPos::Center))
}

/// What a legend shows beside a name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Line(RGBColor),
    Dashes(RGBColor),
    Dot(RGBColor),
    Ring(RGBColor),
    Band(RGBColor),
}

/// What a legend explains: the mark and its name.
type Key = (Mark, String);

/// A line of a legend: how wide it is, and its keys with their places.
type KeyLine<'k> = (i32, Vec<(i32, &'k Key)>);

/// Writes `title` at the top of the picture, a legend below it, and returns what is left.
fn titled<'a>(area: &Area<'a>, title: &str, keys: &[Key]) -> Outcome<Area<'a>> {
    const MARK: i32 = 44;
    const GAP: i32 = 36;
    const LINE: i32 = 34;
    let width = area.dim_in_pixel().0 as i32;
    // A title that is wider than its picture is written smaller.
    let wide = area.estimate_text_size(title, &text(32))?.0 as i32;
    let size = if wide > width - 20 {
        32 * (width - 20) / wide
    } else {
        32
    };
    area.draw_text(title, &centred(size), (width / 2, 36))?;

    let style = text(22).pos(Pos::new(HPos::Left, VPos::Center));
    let mut lines: Vec<KeyLine<'_>> = Vec::new();
    for key in keys {
        let wide = MARK + area.estimate_text_size(&key.1, &style)?.0 as i32;
        match lines.last_mut() {
            Some((used, line)) if *used + GAP + wide <= width - 40 => {
                line.push((*used + GAP, key));
                *used += GAP + wide;
            }
            _ => lines.push((wide, vec![(0, key)])),
        }
    }
    let mut y = 80;
    for (used, line) in &lines {
        let left = (width - used) / 2;
        for (at, (mark, name)) in line {
            let x = left + at;
            let (a, b, middle) = ((x, y), (x + 32, y), (x + 16, y));
            match *mark {
                Mark::Line(c) => area.draw(&PathElement::new([a, b], c.stroke_width(4)))?,
                Mark::Dashes(c) => {
                    for from in [x, x + 12, x + 24] {
                        let dash = [(from, y), (from + 8, y)];
                        area.draw(&PathElement::new(dash, c.stroke_width(4)))?;
                    }
                }
                Mark::Dot(c) => area.draw(&Circle::new(middle, 6, c.filled()))?,
                Mark::Ring(c) => area.draw(&Circle::new(middle, 6, c.stroke_width(2)))?,
                Mark::Band(c) => {
                    let corners = [(x, y - 9), (x + 32, y + 9)];
                    area.draw(&Rectangle::new(corners, c.mix(0.3).filled()))?;
                }
            }
            area.draw_text(name, &style, (x + MARK, y))?;
        }
        y += LINE;
    }
    let head = if lines.is_empty() { 64 } else { y - 8 };
    Ok(area.margin(head, 0, 0, 0))
}

#[cfg(test)]
mod tests;
