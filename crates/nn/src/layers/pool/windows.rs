//! Where the windows lie, and what is found in them.

use super::super::checks::{input_shape, option};
use super::super::sizes::Sizes;
use losses::autograd::Float;
use losses::tensor_core::kernel::par;
use losses::{Result, Tensor};

/// The places of one window along one dimension, and for how many the mean counts them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) step: usize,
    pub(super) counts: usize,
}

impl Window {
    pub(super) fn places(self) -> std::iter::StepBy<std::ops::Range<usize>> {
        (self.start..self.end).step_by(self.step)
    }

    /// Calls `f` with each place, in a loop that counts by 1 where places are neighbours.
    fn each(self, f: impl FnMut(usize)) {
        match self.step {
            1 => (self.start..self.end).for_each(f),
            _ => self.places().for_each(f),
        }
    }
}

/// How windows of one size lie, along each dimension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slide<const D: usize> {
    pub(super) kernel: [usize; D],
    pub(super) stride: [usize; D],
    pub(super) padding: [usize; D],
    pub(super) dilation: [usize; D],
    pub(super) ceil_mode: bool,
}

impl<const D: usize> Slide<D> {
    pub(super) fn new(kernel: impl Sizes<D>) -> Self {
        let kernel = kernel.sizes();
        Slide {
            kernel,
            stride: kernel,
            padding: [0; D],
            dilation: [1; D],
            ceil_mode: false,
        }
    }

    /// The windows along dimension `d` of `n` places. The mean counts what lies in the border, unless `inside`.
    pub(super) fn windows(
        &self,
        op: &'static str,
        d: usize,
        shape: &[usize],
        inside: bool,
    ) -> Result<Vec<Window>> {
        let n = shape[shape.len() - D + d];
        let (kernel, stride, padding, dilation) = (
            self.kernel[d],
            self.stride[d],
            self.padding[d],
            self.dilation[d],
        );
        for (name, value) in [
            ("kernel_size", kernel),
            ("stride", stride),
            ("dilation", dilation),
        ] {
            option(op, name, value > 0, value, "it must be at least 1")?;
        }
        let reach = dilation.saturating_mul(kernel - 1).saturating_add(1);
        option(
            op,
            "padding",
            padding <= kernel / 2,
            padding,
            "it must be at most half of the kernel",
        )?;
        if n == 0 {
            let expected = "it must have at least one place along each dimension";
            return Err(input_shape(op, shape, expected));
        }
        // Of sizes that no memory holds the largest serves.
        let whole = n.saturating_add(padding.saturating_mul(2));
        let Some(rest) = whole.checked_sub(reach) else {
            let expected = format!(
                "with its border it must not be smaller than the kernel {:?}",
                self.kernel
            );
            return Err(input_shape(op, shape, expected));
        };
        let mut count = rest / stride + 1;
        // One more that reaches beyond the end, if it begins before it.
        if self.ceil_mode
            && rest % stride > 0
            && count.saturating_mul(stride) < n.saturating_add(padding)
        {
            count += 1;
        }
        let window = |i: usize| {
            let first = i * stride;
            // Places are counted from the beginning of the border.
            let skipped = padding.saturating_sub(first).div_ceil(dilation);
            let end = first.saturating_add(reach).min(n.saturating_add(padding));
            let start = (first + skipped * dilation).min(end);
            let all = first.saturating_add(reach).min(whole) - first;
            let window = Window {
                start: start.saturating_sub(padding),
                end: end.saturating_sub(padding),
                step: dilation,
                counts: all,
            };
            if inside {
                let counts = window.places().len();
                Window { counts, ..window }
            } else {
                window
            }
        };
        Ok((0..count).map(window).collect())
    }
}

/// The windows along both dimensions of pictures; sequences are pictures one place high.
pub(super) struct Windows {
    down: Vec<Window>,
    across: Vec<Window>,
    size: [usize; 2],
}

impl Windows {
    pub(super) fn new<const D: usize>(
        op: &'static str,
        x: &[usize],
        along: impl Fn(usize) -> Result<Vec<Window>>,
    ) -> Result<Self> {
        if x.len() != D + 1 && x.len() != D + 2 {
            let places = if D == 1 { "L" } else { "H, W" };
            let expected = format!("it must be [N, C, {places}] or [C, {places}]");
            return Err(input_shape(op, x, expected));
        }
        let one = Window {
            start: 0,
            end: 1,
            step: 1,
            counts: 1,
        };
        let across = along(D - 1)?;
        let (down, height) = if D == 1 {
            (vec![one], 1)
        } else {
            (along(0)?, x[x.len() - 2])
        };
        Ok(Windows {
            down,
            across,
            size: [height, x[x.len() - 1]],
        })
    }

    /// The shape of the result for an input of this shape.
    pub(super) fn shape<const D: usize>(&self, x: &[usize]) -> Vec<usize> {
        let lead = &x[..x.len() - D];
        let places = [self.down.len(), self.across.len()];
        lead.iter().chain(&places[2 - D..]).copied().collect()
    }

    pub(super) fn picture(&self) -> usize {
        self.size[0] * self.size[1]
    }

    pub(super) fn count(&self) -> usize {
        self.down.len() * self.across.len()
    }

    /// Calls `f` with each window's number, its places in the picture, and for how many elements its mean counts it.
    pub(super) fn each(&self, mut f: impl FnMut(usize, &mut dyn Iterator<Item = usize>, usize)) {
        let mut i = 0;
        for down in &self.down {
            for across in &self.across {
                let mut places = down
                    .places()
                    .flat_map(|y| across.places().map(move |x| y * self.size[1] + x));
                f(i, &mut places, down.counts * across.counts);
                i += 1;
            }
        }
    }

    /// Which windows, one row of them, lie in the border with all their places: dilated ones can. None of them mostly.
    pub(super) fn outside(&self) -> Result<Option<Tensor<bool>>> {
        let is_empty = |w: &Window| w.places().next().is_none();
        if !self.down.iter().chain(&self.across).any(is_empty) {
            return Ok(None);
        }
        let mut outside = vec![false; self.count()];
        self.each(|w, places, _| outside[w] = places.next().is_none());
        Tensor::from_vec(outside, [1, self.count()]).map(Some)
    }

    /// The place of the largest element of each window, for each picture of `x`; 0 where a window has none.
    pub(super) fn largest<T: Float>(&self, x: &Tensor<T>) -> Result<Tensor<i64>> {
        let (x, n, count) = (x.contiguous(), self.picture(), self.count());
        let pictures = x.shape()[0];
        let x = x.as_slice().unwrap_or_default();
        Tensor::build("max_pool", [pictures, count], |out| {
            par::split(out, count, 4 * n, |start, out| {
                for (i, out) in out.chunks_exact_mut(count.max(1)).enumerate() {
                    let x = &x[(start + i) * n..][..n];
                    self.each(|w, places, _| {
                        let first = places.next().unwrap_or(0);
                        // NaN wins, as in PyTorch.
                        let best = places.fold(first, |best, p| {
                            if x[p] > x[best] || x[p].is_nan_() {
                                p
                            } else {
                                best
                            }
                        });
                        out[w] = best as i64;
                    });
                }
            });
        })
    }

    /// The sum of each window divided by its count, or the transpose of that map.
    pub(super) fn mean<T: Float>(
        &self,
        x: &Tensor<T>,
        divisor: Option<usize>,
        back: bool,
    ) -> Result<Tensor<T>> {
        let (from, to) = if back {
            (self.count(), self.picture())
        } else {
            (self.picture(), self.count())
        };
        let (x, width) = (x.contiguous(), self.size[1]);
        let pictures = x.shape()[0];
        let x = x.as_slice().unwrap_or_default();
        Tensor::build("avg_pool", [pictures, to], |out| {
            par::split(out, to, 4 * from.max(to), |start, out| {
                for (i, out) in out.chunks_exact_mut(to.max(1)).enumerate() {
                    let x = &x[(start + i) * from..][..from];
                    if back {
                        out.fill(T::ZERO);
                    }
                    for (i, down) in self.down.iter().enumerate() {
                        for (j, across) in self.across.iter().enumerate() {
                            let w = i * self.across.len() + j;
                            let counts = divisor.unwrap_or(down.counts * across.counts);
                            let share = 1.0 / counts as f64;
                            let rows = down.places().map(|y| y * width);
                            if back {
                                let part = T::of(x[w].f64() * share);
                                for row in rows {
                                    let row = &mut out[row..row + width];
                                    across.each(|p| row[p] = row[p] + part);
                                }
                            } else {
                                let mut sum = 0.0;
                                for row in rows {
                                    let row = &x[row..row + width];
                                    across.each(|p| sum += row[p].f64());
                                }
                                out[w] = T::of(sum * share);
                            }
                        }
                    }
                }
            });
        })
    }
}
