//! Pictures as PNG files. The font comes with this package, so a machine without fonts draws the same pictures.

use crate::Outcome;
use nn::prelude::*;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use std::path::Path;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Blue and orange, which also differ in lightness for those who do not see the hue.
const COLORS: [RGBColor; 2] = [RGBColor(31, 89, 164), RGBColor(230, 119, 0)];
const INK: RGBColor = RGBColor(40, 40, 40);

/// A white picture that is written to `path` when it is presented.
fn canvas(path: &Path, size: (u32, u32)) -> Outcome<Area<'_>> {
    let font = include_bytes!("../fonts/DejaVuSans-subset.ttf");
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

/// Writes `title` at the top of the picture and returns what is left below.
fn titled<'a>(area: &Area<'a>, title: &str) -> Outcome<Area<'a>> {
    let (width, _) = area.dim_in_pixel();
    area.draw_text(title, &centred(32), (width as i32 / 2, 36))?;
    Ok(area.margin(64, 0, 0, 0))
}

/// Loss and accuracy of training and test part over the epochs, beside each other.
///
/// # Errors
/// If the file cannot be written.
pub fn learning_curves(path: &Path, title: &str, history: &History) -> Outcome {
    let area = canvas(path, (1600, 720))?;
    let (left, right) = titled(&area, title)?.split_horizontally(800);

    // A logarithm has no place for 0.
    let loss = [
        history.curve(|e| e.train_loss.max(1e-6)),
        history.curve(|e| e.test_loss.max(1e-6)),
    ];
    let (low, high) = span(&loss);
    let scale = (low / 1.2..high * 1.2).log_scale();
    let corner = SeriesLabelPosition::UpperRight;
    panel(&left, "mean loss (logarithmic scale)", scale, &loss, corner)?;

    let accuracy = [
        history.curve(|e| 100.0 * e.train_accuracy),
        history.curve(|e| 100.0 * e.test_accuracy),
    ];
    let low = 5.0 * (span(&accuracy).0 / 5.0).floor();
    let corner = SeriesLabelPosition::LowerRight;
    panel(
        &right,
        "classified right, in %",
        low.min(95.0)..100.5,
        &accuracy,
        corner,
    )?;
    Ok(area.present()?)
}

/// The least and the largest value of both curves.
fn span(curves: &[Vec<(f64, f64)>; 2]) -> (f64, f64) {
    let values = curves.iter().flatten().map(|point| point.1);
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// One number over the epochs, a curve for the training part and one for the test part.
fn panel<Y>(
    area: &Area<'_>,
    what: &str,
    scale: Y,
    curves: &[Vec<(f64, f64)>; 2],
    corner: SeriesLabelPosition,
) -> Outcome
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let epochs = curves[0].len().max(2) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(24)
        .x_label_area_size(64)
        .y_label_area_size(100)
        .build_cartesian_2d(1.0..epochs, scale)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(what)
        .label_style(text(22))
        .axis_desc_style(text(24))
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.14))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .draw()?;
    for ((name, curve), color) in ["training part", "test part"]
        .iter()
        .zip(curves)
        .zip(COLORS)
    {
        let line = color.stroke_width(3);
        chart
            .draw_series(LineSeries::new(curve.iter().copied(), line))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 32, y)], line));
    }
    chart
        .configure_series_labels()
        .position(corner)
        .label_font(text(24))
        .legend_area_size(44)
        .margin(20)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// A picture that a model took for something else.
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
    let body = titled(&area, title)?;
    for (i, mistake) in shown.iter().enumerate() {
        let corner = (20 + i % columns * CELL.0 + 27, 16 + i / columns * CELL.1);
        let side = mistake.pixels.len().isqrt().max(1);
        let pixel = (176 / side).max(1);
        let ink = mistake
            .pixels
            .iter()
            .copied()
            .fold(f32::MIN_POSITIVE, f32::max);
        for (j, value) in mistake.pixels.iter().enumerate() {
            let (x, y) = (corner.0 + j % side * pixel, corner.1 + j / side * pixel);
            let gray = 255 - (215.0 * (value / ink).clamp(0.0, 1.0)) as u8;
            let square = [
                (x as i32, y as i32),
                ((x + pixel) as i32, (y + pixel) as i32),
            ];
            body.draw(&Rectangle::new(square, RGBColor(gray, gray, gray).filled()))?;
        }
        let frame = [corner, (corner.0 + side * pixel, corner.1 + side * pixel)];
        let frame = frame.map(|(x, y)| (x as i32, y as i32));
        body.draw(&Rectangle::new(frame, BLACK.mix(0.3).stroke_width(1)))?;
        let middle = (corner.0 + 88) as i32;
        let below = (corner.1 + 176) as i32;
        body.draw_text(
            &format!("is {}", mistake.truth),
            &centred(22),
            (middle, below + 18),
        )?;
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

/// Points of two classes over what a model makes of the plane: `probability` gives, for points `[n, 2]`, the
/// probability of class 1. The line is where that is one half. Filled points are of the training part, rings of the
/// test part.
///
/// # Errors
/// Those of `probability`, and if the file cannot be written.
pub fn boundary(
    path: &Path,
    title: &str,
    train: &Dataset,
    test: &Dataset,
    probability: impl Fn(Tensor<f32>) -> Result<Tensor<f32>>,
) -> Outcome {
    /// Cells of the plane in each direction.
    const N: usize = 200;
    let area = canvas(path, (1200, 900))?;
    let (across, up) = (bounds(&[train, test], 0)?, bounds(&[train, test], 1)?);
    let mut chart = ChartBuilder::on(&titled(&area, title)?)
        .margin(24)
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
    let p = probability(Tensor::from_vec(points, [(N + 1) * (N + 1), 2])?)?.to_vec();
    let corner = |i: usize, j: usize| ((at(&across, i), at(&up, j)), p[j * (N + 1) + i]);

    let cells = (0..N).flat_map(|j| (0..N).map(move |i| (i, j)));
    chart.draw_series(cells.clone().map(|(i, j)| {
        let ((a, pa), (b, pb)) = (corner(i, j), corner(i + 1, j + 1));
        Rectangle::new([a, b], shade((pa + pb) / 2.0).filled())
    }))?;
    let border = cells.filter_map(|(i, j)| {
        let around = [(0, 0), (1, 0), (1, 1), (0, 1)].map(|(di, dj)| corner(i + di, j + dj));
        crossing(around).map(|line| PathElement::new(line, BLACK.stroke_width(3)))
    });
    chart
        .draw_series(border)?
        .label("probability one half")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 32, y)], BLACK.stroke_width(3)));

    for (class, color) in (0..).zip(COLORS) {
        let train = of_class(train, class)?;
        chart
            .draw_series(train.into_iter().map(|p| Circle::new(p, 4, color.filled())))?
            .label(format!("class {class}, training part"))
            .legend(move |(x, y)| Circle::new((x + 16, y), 5, color.filled()));
        let test = of_class(test, class)?;
        chart
            .draw_series(
                test.into_iter()
                    .map(|p| Circle::new(p, 6, color.stroke_width(2))),
            )?
            .label(format!("class {class}, test part"))
            .legend(move |(x, y)| Circle::new((x + 16, y), 6, color.stroke_width(2)));
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("x")
        .y_desc("y")
        .label_style(text(22))
        .axis_desc_style(text(24))
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.1}"))
        .draw()?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(text(22))
        .legend_area_size(44)
        .margin(16)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(area.present()?)
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

/// From a light blue at 0 over white to a light orange at 1.
fn shade(p: f32) -> RGBColor {
    let color = COLORS[usize::from(p > 0.5)];
    let share = 0.4 * (2.0 * p - 1.0).abs();
    let mix = |c: u8| (255.0 + share * (f32::from(c) - 255.0)) as u8;
    RGBColor(mix(color.0), mix(color.1), mix(color.2))
}

/// Where probability one half crosses a cell, from its corners in order, as a line from edge to edge.
fn crossing(corners: [((f32, f32), f32); 4]) -> Option<[(f32, f32); 2]> {
    let mut ends = Vec::new();
    for i in 0..4 {
        let ((a, pa), (b, pb)) = (corners[i], corners[(i + 1) % 4]);
        if (pa > 0.5) != (pb > 0.5) {
            let t = (0.5 - pa) / (pb - pa);
            ends.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
        }
    }
    (ends.len() >= 2).then(|| [ends[0], ends[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws into a file and returns whether it became a PNG with something dark in it, such as text.
    fn is_drawn(name: &str, draw: impl FnOnce(&Path) -> Outcome) -> bool {
        let path = std::env::temp_dir().join(format!("draw-{}-{name}.png", std::process::id()));
        draw(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        bytes.starts_with(b"\x89PNG\r\n") && bytes.len() > 3000
    }

    #[test]
    fn the_least_there_can_be_is_drawn() {
        let mut history = History::default();
        let epoch = Epoch {
            epoch: 1,
            train_loss: 0.0,
            train_accuracy: 1.0,
            test_loss: 0.0,
            test_accuracy: 1.0,
        };
        history.push(epoch);
        assert!(is_drawn("curves", |path| learning_curves(
            path,
            "one epoch",
            &history
        )));
        assert!(is_drawn("none", |path| mistakes(path, "no mistake", &[])));
        let point = Dataset::new(Tensor::from([[0.5, 0.5]]), Tensor::from([0])).unwrap();
        let half = |points: Tensor<f32>| Tensor::full(points.shape()[0], 0.5);
        assert!(is_drawn("point", |path| boundary(
            path, "a point", &point, &point, half
        )));
    }
}
