//! Lines, points and bands over two axes.

use super::{Area, Key, Mark, canvas, centred, color, text, titled};
use crate::Outcome;
use nn::prelude::*;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

/// How a series is drawn.
#[derive(Clone, Debug)]
pub enum Drawn {
    /// A line through the points.
    Line(Vec<(f64, f64)>),
    /// A dashed line through the points.
    Dashes(Vec<(f64, f64)>),
    /// A dot at each point.
    Dots(Vec<(f64, f64)>),
    /// A ring around each point, larger than a dot: what the eye is to find.
    Rings(Vec<(f64, f64)>),
    /// Between a lower and an upper end: `(x, low, high)`.
    Band(Vec<(f64, f64, f64)>),
}

/// What has one name in the legend.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name; without one it is not in the legend.
    pub name: String,
    /// Which color of the palette.
    pub color: usize,
    /// How it is drawn.
    pub drawn: Drawn,
}

impl Series {
    /// A line.
    pub fn line(name: impl Into<String>, color: usize, points: Vec<(f64, f64)>) -> Self {
        let (name, drawn) = (name.into(), Drawn::Line(points));
        Series { name, color, drawn }
    }

    /// A dashed line.
    pub fn dashes(name: impl Into<String>, color: usize, points: Vec<(f64, f64)>) -> Self {
        let (name, drawn) = (name.into(), Drawn::Dashes(points));
        Series { name, color, drawn }
    }

    /// Dots.
    pub fn dots(name: impl Into<String>, color: usize, points: Vec<(f64, f64)>) -> Self {
        let (name, drawn) = (name.into(), Drawn::Dots(points));
        Series { name, color, drawn }
    }

    /// Rings.
    pub fn rings(name: impl Into<String>, color: usize, points: Vec<(f64, f64)>) -> Self {
        let (name, drawn) = (name.into(), Drawn::Rings(points));
        Series { name, color, drawn }
    }

    /// A band.
    pub fn band(name: impl Into<String>, color: usize, points: Vec<(f64, f64, f64)>) -> Self {
        let (name, drawn) = (name.into(), Drawn::Band(points));
        Series { name, color, drawn }
    }

    /// All finite points; a band has two for each place.
    fn points(&self) -> Vec<(f64, f64)> {
        let mut points = match &self.drawn {
            Drawn::Line(p) | Drawn::Dashes(p) | Drawn::Dots(p) | Drawn::Rings(p) => p.clone(),
            Drawn::Band(p) => p.iter().flat_map(|&(x, a, b)| [(x, a), (x, b)]).collect(),
        };
        points.retain(|(x, y)| x.is_finite() && y.is_finite());
        points
    }

    fn mark(&self) -> Mark {
        let color = color(self.color);
        match self.drawn {
            Drawn::Line(_) => Mark::Line(color),
            Drawn::Dashes(_) => Mark::Dashes(color),
            Drawn::Dots(_) => Mark::Dot(color),
            Drawn::Rings(_) => Mark::Ring(color),
            Drawn::Band(_) => Mark::Band(color),
        }
    }
}

/// One panel of a picture.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What stands above it; may be empty.
    pub title: String,
    /// What the axis to the right is.
    pub x: String,
    /// What the axis upwards is.
    pub y: String,
    /// The range to the right; without it that of the data.
    pub across: Option<Range<f64>>,
    /// The range upwards; without it that of the data, with some room.
    pub up: Option<Range<f64>>,
    /// Whether the axis upwards is logarithmic.
    pub log: bool,
    /// What is drawn in place of anything less on a logarithmic axis, which has no place for 0; 0 stands for 1e-6.
    pub least: f64,
    /// What is drawn, one over the other.
    pub series: Vec<Series>,
}

/// Loss and metric over the epochs, beside each other: of the training part, and of the other one, which is called
/// `other`.
///
/// # Errors
/// If the file cannot be written.
pub fn learning_curves(path: &Path, title: &str, history: &History, other: &str) -> Outcome {
    let pair = |train: Vec<(f64, f64)>, test: Vec<(f64, f64)>| {
        vec![
            Series::line("training part", 0, train),
            Series::line(other, 1, test),
        ]
    };
    let percent = history.metric() == "accuracy";
    let factor = if percent { 100.0 } else { 1.0 };
    let metric = pair(
        history.curve(|e| factor * e.train_metric),
        history.curve(|e| factor * e.test_metric),
    );
    let mut low = 95.0f64;
    for series in &metric {
        let lows = series
            .points()
            .into_iter()
            .map(|(_, y)| 5.0 * (y / 5.0).floor());
        low = lows.fold(low, f64::min);
    }
    let loss = Chart {
        x: "epoch".into(),
        y: "mean loss (logarithmic scale)".into(),
        log: true,
        series: pair(
            history.curve(|e| e.train_loss),
            history.curve(|e| e.test_loss),
        ),
        ..Chart::default()
    };
    let metric = Chart {
        x: "epoch".into(),
        y: if percent {
            "classified right, in %".into()
        } else {
            history.metric().into()
        },
        up: percent.then_some(low..100.5),
        series: metric,
        ..Chart::default()
    };
    charts(path, title, &[loss, metric])
}

/// Panels beside each other, at most three in a row, with one legend for all.
///
/// # Errors
/// If the file cannot be written.
pub fn charts(path: &Path, title: &str, charts: &[Chart]) -> Outcome {
    let columns = match charts.len() {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let rows = charts.len().div_ceil(columns).max(1);
    let mut keys: Vec<Key> = Vec::new();
    for series in charts.iter().flat_map(|c| &c.series) {
        let key = (series.mark(), series.name.clone());
        if !key.1.is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let width = if columns == 1 { 1200 } else { 760 * columns };
    let area = canvas(path, (width as u32, (140 + 600 * rows) as u32))?;
    let body = titled(&area, title, &keys)?;
    for (chart, part) in charts.iter().zip(body.split_evenly((rows, columns))) {
        chart.draw(&part)?;
    }
    Ok(area.present()?)
}

/// The least and the largest of the values, and something around them if there is but one, or none.
fn span(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    match (low > high, low == high) {
        (true, _) => 0.0..1.0,
        (_, true) => low - 0.5..high + 0.5,
        _ => low..high,
    }
}

impl Chart {
    fn least(&self) -> f64 {
        if self.least > 0.0 { self.least } else { 1e-6 }
    }

    fn draw(&self, area: &Area<'_>) -> Outcome {
        let points: Vec<(f64, f64)> = self.series.iter().flat_map(Series::points).collect();
        let across = self.across.clone();
        let across = across.unwrap_or_else(|| span(points.iter().map(|p| p.0)));
        if self.log {
            let least = self.least();
            let values = points.iter().map(|p| p.1.max(least));
            let up = self.up.clone().unwrap_or_else(|| {
                let Range { start, end } = span(values);
                start / 1.2..end * 1.2
            });
            let scale = up.clone().log_scale().with_key_points(ticks(&up));
            return self.panel(area, across, scale, up);
        }
        let up = self.up.clone().unwrap_or_else(|| {
            let Range { start, end } = span(points.iter().map(|p| p.1));
            let room = 0.05 * (end - start);
            start - room..end + room
        });
        self.panel(area, across, up.clone(), up)
    }

    fn panel<Y>(&self, area: &Area<'_>, across: Range<f64>, scale: Y, up: Range<f64>) -> Outcome
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let width = area.dim_in_pixel().0 as i32;
        let area = if self.title.is_empty() {
            area.clone()
        } else {
            area.draw_text(&self.title, &centred(25), (width / 2 + 40, 24))?;
            area.margin(26, 0, 0, 0)
        };
        let (wide, height) = (across.end - across.start, up.end - up.start);
        // Epochs are whole, and so are the numbers on their axis.
        let x_labels = if self.x == "epoch" {
            wide.clamp(1.0, 7.0) as usize + 1
        } else {
            8
        };
        let mut chart = ChartBuilder::on(&area)
            .margin(24)
            .x_label_area_size(64)
            .y_label_area_size(100)
            .build_cartesian_2d(across.clone(), scale)?;
        let y_label = |y: &f64| match self.log {
            true => power(*y),
            false => label(*y, height),
        };
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_labels(x_labels)
            .y_labels(9)
            .label_style(text(22))
            .axis_desc_style(text(24))
            .light_line_style(BLACK.mix(0.04))
            .bold_line_style(BLACK.mix(0.14))
            .x_label_formatter(&|x| label(*x, wide))
            .y_label_formatter(&y_label)
            .draw()?;
        for series in &self.series {
            let color = color(series.color);
            let line = color.stroke_width(if self.series.len() > 15 { 1 } else { 3 });
            let lifted = |p: &[(f64, f64)]| -> Vec<(f64, f64)> {
                let lift = |y: f64| if self.log { y.max(self.least()) } else { y };
                p.iter().map(|&(x, y)| (x, lift(y))).collect()
            };
            match &series.drawn {
                Drawn::Line(p) => {
                    for part in inside(&lifted(p), &up) {
                        chart.draw_series(LineSeries::new(part, line))?;
                    }
                }
                Drawn::Dashes(p) => {
                    for part in inside(&lifted(p), &up) {
                        chart.draw_series(DashedLineSeries::new(part, 12, 8, line))?;
                    }
                }
                Drawn::Dots(p) => {
                    let size = if p.len() > 1500 { 2 } else { 4 };
                    let mut dots = lifted(p);
                    dots.retain(|(x, y)| across.contains(x) && up.contains(y));
                    let dot = |p| Circle::new(p, size, color.mix(0.7).filled());
                    chart.draw_series(dots.into_iter().map(dot))?;
                }
                Drawn::Rings(p) => {
                    let mut rings = lifted(p);
                    rings.retain(|(x, y)| across.contains(x) && up.contains(y));
                    let ring = |p| Circle::new(p, 11, color.stroke_width(4));
                    chart.draw_series(rings.into_iter().map(ring))?;
                }
                Drawn::Band(p) => {
                    let there = p.iter().map(|&(x, low, _)| (x, low));
                    let back = p.iter().rev().map(|&(x, _, high)| (x, high));
                    let mut outline = lifted(&there.chain(back).collect::<Vec<_>>());
                    outline.retain(|(x, y)| x.is_finite() && y.is_finite());
                    for (_, y) in &mut outline {
                        *y = y.clamp(up.start, up.end);
                    }
                    chart.draw_series([Polygon::new(outline, color.mix(0.2))])?;
                }
            }
        }
        Ok(())
    }
}

/// The parts of a line whose points are finite and lie in `up`, each to the very edge.
fn inside(points: &[(f64, f64)], up: &Range<f64>) -> Vec<Vec<(f64, f64)>> {
    let mut parts = vec![Vec::new()];
    let mut last: Option<(f64, f64)> = None;
    for &(x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            parts.push(Vec::new());
            last = None;
            continue;
        }
        let is_in = |y: f64| up.start <= y && y <= up.end;
        let edge = |y: f64| y.clamp(up.start, up.end);
        // Where the way from the last point crosses the edge beyond which `out` lies.
        let cross = |a: (f64, f64), out: f64| {
            let t = (edge(out) - a.1) / (y - a.1);
            (a.0 + t * (x - a.0), edge(out))
        };
        match last {
            Some(a) if is_in(a.1) && !is_in(y) => {
                let end = cross(a, y);
                parts.last_mut().into_iter().for_each(|part| part.push(end));
                parts.push(Vec::new());
            }
            Some(a) if !is_in(a.1) && is_in(y) => parts.push(vec![cross(a, a.1), (x, y)]),
            _ if is_in(y) => parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.push((x, y))),
            _ => {}
        }
        last = Some((x, y));
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The numbers on a logarithmic axis: powers of 10, with their double and fivefold where there are few of them.
fn ticks(up: &Range<f64>) -> Vec<f64> {
    let decades = (up.end / up.start).log10();
    let steps: &[f64] = if decades < 3.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let powers = up.start.log10().floor() as i32..=up.end.log10().ceil() as i32;
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|v| up.contains(v)).collect()
}

/// A number of a logarithmic axis, without the traces of rounding.
fn power(value: f64) -> String {
    if value < 0.9e-3 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A number with as many decimals as an axis of the length `span` needs.
fn label(value: f64, span: f64) -> String {
    let decimals = match span {
        s if s >= 8.0 => 0,
        s if s >= 0.8 => 1,
        s if s >= 0.08 => 2,
        s if s >= 0.008 => 3,
        _ => 5,
    };
    let text = format!("{value:.decimals$}");
    // A rounded -0 is 0.
    match text.trim_start_matches(['-', '0', '.']) {
        "" => text.trim_start_matches('-').to_string(),
        _ => text,
    }
}
