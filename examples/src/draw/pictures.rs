//! Images in gray, with words below.

use super::{Area, COLORS, canvas, centred, titled};
use crate::Outcome;
use plotters::prelude::*;
use std::path::Path;

/// Draws an image of rows of `width` pixels with its top left corner at `corner`, each `side` points wide, 0 as
/// paper, and a frame around it.
fn image(
    area: &Area<'_>,
    pixels: &[f32],
    width: usize,
    corner: (usize, usize),
    side: usize,
) -> Outcome {
    let width = width.max(1);
    let ink = pixels.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let point = |x: usize, y: usize| ((corner.0 + x * side) as i32, (corner.1 + y * side) as i32);
    for (j, value) in pixels.iter().enumerate() {
        let (x, y) = (j % width, j / width);
        let gray = 255 - (215.0 * (value / ink).clamp(0.0, 1.0)) as u8;
        let square = [point(x, y), point(x + 1, y + 1)];
        area.draw(&Rectangle::new(square, RGBColor(gray, gray, gray).filled()))?;
    }
    let frame = [point(0, 0), point(width, pixels.len() / width)];
    area.draw(&Rectangle::new(frame, BLACK.mix(0.3).stroke_width(1)))?;
    Ok(())
}

/// A picture that a model took for something else.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// Its pixels, row by row, 0 for paper.
    pub pixels: Vec<f32>,
    /// What it is.
    pub truth: i64,
    /// What it was taken for.
    pub predicted: i64,
    /// The probability that the model gave to that.
    pub confidence: f32,
}

/// Square pictures that were classified wrong, each with what it is and what it was taken for; at most 30.
///
/// # Errors
/// If the file cannot be written.
pub fn mistakes(path: &Path, title: &str, mistakes: &[Mistake]) -> Outcome {
    const CELL: (usize, usize) = (230, 270);
    let shown = &mistakes[..mistakes.len().min(30)];
    // At least as wide as the title.
    let columns = shown.len().clamp(3, 6);
    let rows = shown.len().div_ceil(columns).max(1);
    let size = (columns * CELL.0 + 40, rows * CELL.1 + 90);
    let area = canvas(path, (size.0 as u32, size.1 as u32))?;
    let body = titled(&area, title, &[])?;
    for (i, mistake) in shown.iter().enumerate() {
        let corner = (20 + i % columns * CELL.0 + 27, 16 + i / columns * CELL.1);
        let side = mistake.pixels.len().isqrt().max(1);
        image(&body, &mistake.pixels, side, corner, (176 / side).max(1))?;
        let middle = (corner.0 + 88) as i32;
        let below = (corner.1 + 176) as i32;
        let truth = format!("is {}", mistake.truth);
        body.draw_text(&truth, &centred(22), (middle, below + 18))?;
        let taken = format!(
            "taken for {} ({:.0} %)",
            mistake.predicted,
            100.0 * mistake.confidence
        );
        body.draw_text(&taken, &centred(20).color(&COLORS[1]), (middle, below + 44))?;
    }
    if shown.is_empty() {
        body.draw_text("none", &centred(28), ((size.0 / 2) as i32, 100))?;
    }
    Ok(area.present()?)
}

/// An image that was read from left to right.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Its pixels, row by row, 0 for paper.
    pub pixels: Vec<f32>,
    /// The length of a row.
    pub width: usize,
    /// What stands below it.
    pub caption: String,
    /// Whether it was read right.
    pub right: bool,
}

/// Images below each other in two columns, each with what was read.
///
/// # Errors
/// If the file cannot be written.
pub fn strips(path: &Path, title: &str, strips: &[Strip]) -> Outcome {
    let widest = strips.iter().map(|s| s.width).max().unwrap_or(1).max(1);
    let side = (700 / widest).max(1);
    let tallest = strips.iter().map(|s| s.pixels.len() / s.width.max(1));
    let cell = (740, tallest.max().unwrap_or(1) * side + 70);
    let rows = strips.len().div_ceil(2).max(1);
    let size = (2 * cell.0 + 20, rows * cell.1 + 90);
    let area = canvas(path, (size.0 as u32, size.1 as u32))?;
    let body = titled(&area, title, &[])?;
    for (i, strip) in strips.iter().enumerate() {
        let corner = (20 + i % 2 * cell.0, 16 + i / 2 * cell.1);
        image(&body, &strip.pixels, strip.width, corner, side)?;
        let middle = (corner.0 + strip.width * side / 2) as i32;
        let below = (corner.1 + cell.1 - 70) as i32;
        let style = match strip.right {
            true => centred(22),
            false => centred(22).color(&COLORS[1]),
        };
        body.draw_text(&strip.caption, &style, (middle, below + 22))?;
    }
    Ok(area.present()?)
}
