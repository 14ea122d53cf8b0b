//! Points of classes over what models make of the plane.

use super::{Area, Mark, canvas, centred, color, text, titled};
use crate::Outcome;
use nn::prelude::*;
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

/// What a model makes of the plane: for points `[n, 2]` the probabilities `[n, classes]`.
pub struct Plane<'a> {
    /// What stands above it.
    pub title: String,
    /// The model.
    pub probabilities: &'a dyn Fn(Tensor<f32>) -> Result<Tensor<f32>>,
}

impl std::fmt::Debug for Plane<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane")
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}

/// Cells of the plane in each direction.
const N: usize = 200;

/// Points over the plane as each model sees it, the models beside each other. A place has the color of the class
/// that is most probable there, the stronger the surer the model is; lines are where the class changes. Filled points
/// are of the training part, rings of the test part.
///
/// # Errors
/// Those of the models, and if the file cannot be written.
pub fn boundaries(
    path: &Path,
    title: &str,
    (train, test): (&Dataset, &Dataset),
    planes: &[Plane<'_>],
) -> Outcome {
    let classes = train.num_classes().max(test.num_classes());
    let mut keys = Vec::new();
    for class in 0..classes {
        keys.push((
            Mark::Dot(color(class)),
            format!("class {class}, training part"),
        ));
        keys.push((
            Mark::Ring(color(class)),
            format!("class {class}, test part"),
        ));
    }
    keys.push((Mark::Line(BLACK), "where the class changes".into()));
    let side = if planes.len() > 1 { 700 } else { 900 };
    let columns = planes.len().clamp(1, 3);
    let rows = planes.len().div_ceil(columns).max(1);
    let size = (columns * side, 150 + rows * (side - 60));
    let area = canvas(path, (size.0 as u32, size.1 as u32))?;
    let body = titled(&area, title, &keys)?;
    for (plane, part) in planes.iter().zip(body.split_evenly((rows, columns))) {
        draw(&part, plane, train, test)?;
    }
    Ok(area.present()?)
}

fn draw(area: &Area<'_>, plane: &Plane<'_>, train: &Dataset, test: &Dataset) -> Outcome {
    let width = area.dim_in_pixel().0 as i32;
    area.draw_text(&plane.title, &centred(25), (width / 2 + 40, 24))?;
    let (across, up) = (bounds(&[train, test], 0)?, bounds(&[train, test], 1)?);
    let mut chart = ChartBuilder::on(&area.margin(26, 0, 0, 0))
        .margin(20)
        .x_label_area_size(60)
        .y_label_area_size(80)
        .build_cartesian_2d(across.clone(), up.clone())?;

    // The corners of the cells, row by row.
    let at = |range: &Range<f32>, i: usize| {
        range.start + (range.end - range.start) * i as f32 / N as f32
    };
    let corners = (0..=N).flat_map(|j| (0..=N).map(move |i| (i, j)));
    let points: Vec<f32> = corners
        .flat_map(|(i, j)| [at(&across, i), at(&up, j)])
        .collect();
    let p = (plane.probabilities)(Tensor::from_vec(points, [(N + 1) * (N + 1), 2])?)?;
    let classes = p.shape().get(1).copied().unwrap_or(0).max(1);
    let p = p.to_vec();
    let rows: Vec<&[f32]> = p.chunks(classes).collect();
    let place = |i: usize, j: usize| (at(&across, i), at(&up, j));
    let row = |i: usize, j: usize| rows[j * (N + 1) + i];

    let cells = (0..N).flat_map(|j| (0..N).map(move |i| (i, j)));
    chart.draw_series(cells.clone().map(|(i, j)| {
        Rectangle::new(
            [place(i, j), place(i + 1, j + 1)],
            shade(row(i, j)).filled(),
        )
    }))?;
    // How much more probable a class is than all others; of two classes one tells of both.
    for class in usize::from(classes == 2)..classes {
        let lead = |row: &[f32]| {
            let others = row.iter().enumerate().filter(|(c, _)| *c != class);
            row[class] - others.map(|(_, p)| *p).fold(0.0, f32::max)
        };
        let border = cells.clone().filter_map(|(i, j)| {
            let around = [(0, 0), (1, 0), (1, 1), (0, 1)]
                .map(|(di, dj)| (place(i + di, j + dj), lead(row(i + di, j + dj))));
            crossing(around).map(|line| PathElement::new(line, BLACK.stroke_width(3)))
        });
        chart.draw_series(border)?;
    }
    let small = train.len() > 400;
    for class in 0..classes {
        let color = color(class);
        let (dot, ring) = if small { (3, 4) } else { (4, 6) };
        let points = of_class(train, class as i64)?.into_iter();
        chart.draw_series(points.map(|p| Circle::new(p, dot, color.filled())))?;
        let points = of_class(test, class as i64)?.into_iter();
        chart.draw_series(points.map(|p| Circle::new(p, ring, color.stroke_width(2))))?;
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("x")
        .y_desc("y")
        .x_labels(7)
        .y_labels(7)
        .label_style(text(22))
        .axis_desc_style(text(24))
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.1}"))
        .draw()?;
    Ok(())
}

/// The range of a column, with some room around.
fn bounds(parts: &[&Dataset], column: isize) -> Result<Range<f32>> {
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for part in parts {
        let values = part.x.select(1, column)?;
        low = low.min(values.min(..)?.item()?);
        high = high.max(values.max(..)?.item()?);
    }
    let room = 0.08 * (high - low).max(0.1);
    Ok(low - room..high + room)
}

fn of_class(data: &Dataset, class: i64) -> Result<Vec<(f32, f32)>> {
    let points = data.x.to_vec();
    let points = points.chunks_exact(2).map(|p| (p[0], p[1]));
    let classes = data.y.to_vec();
    Ok(points
        .zip(classes)
        .filter(|&(_, c)| c == class)
        .map(|(p, _)| p)
        .collect())
}

/// White where all classes are as probable, and the nearer to the color of the most probable one the surer it is.
fn shade(row: &[f32]) -> RGBColor {
    let mut best = 0;
    for (class, p) in row.iter().enumerate() {
        if *p > row[best] {
            best = class;
        }
    }
    let even = 1.0 / row.len() as f32;
    let share = 0.4 * ((row[best] - even) / (1.0 - even).max(1e-3)).clamp(0.0, 1.0);
    let mix = |c: u8| (255.0 + share * (f32::from(c) - 255.0)) as u8;
    let RGBColor(r, g, b) = color(best);
    RGBColor(mix(r), mix(g), mix(b))
}

/// Where a function crosses 0 in a cell, from its values at the corners in order, as a line from edge to edge.
fn crossing(corners: [((f32, f32), f32); 4]) -> Option<[(f32, f32); 2]> {
    let mut ends = Vec::new();
    for i in 0..4 {
        let ((a, fa), (b, fb)) = (corners[i], corners[(i + 1) % 4]);
        if (fa > 0.0) != (fb > 0.0) {
            let t = fa / (fa - fb);
            ends.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
        }
    }
    (ends.len() >= 2).then(|| [ends[0], ends[1]])
}
