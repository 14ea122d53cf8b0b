//! The engine of Lovász extensions: the errors of a class in falling order, each times what the intersection over union
//! loses when that pixel is added to those that are wrong.

use crate::elementwise::scaled;
use crate::reduction::Reduction;
use autograd::fused::FusedGrads;
use autograd::tensor_core::kernel::par;
use autograd::tensor_core::kernel::source::Source;
use autograd::{Float, Fused, Needs, Result, Tensor, Var, fused};

/// A loss of an input of shape `(images, classes, pixels)`, and the class of each pixel.
#[derive(Clone)]
pub(super) struct Lovasz {
    pub name: &'static str,
    /// The class of each pixel of each image, or [`IGNORED`].
    pub labels: Vec<u32>,
    pub images: usize,
    pub classes: usize,
    /// Whether each image has a value of its own.
    pub per_image: bool,
    /// Whether classes without a pixel count.
    pub absent: bool,
    /// The input at which a pixel that is not of the class makes no error; for one that is, it is 1.
    pub away: f64,
    pub reduction: Reduction,
}

/// The label of a pixel that counts for nothing.
pub(super) const IGNORED: u32 = u32::MAX;

#[track_caller]
pub(super) fn run<T: Float>(loss: Lovasz, x: &Var<T>) -> Result<Var<T>> {
    fused(loss, &[x])
}

impl Lovasz {
    fn pixels(&self) -> usize {
        self.labels.len() / self.images.max(1)
    }

    /// The number of values before reduction.
    fn values(&self) -> usize {
        if self.per_image { self.images } else { 1 }
    }

    /// The number of images that share a value.
    fn joined(&self) -> usize {
        if self.per_image { 1 } else { self.images }
    }

    fn divisor(&self, shape: &[usize]) -> f64 {
        self.reduction.divisor(self.values() as f64, shape)
    }

    /// The share that each class of each value has in it, value by value.
    fn shares(&self) -> Vec<f64> {
        let (classes, each) = (self.classes, self.joined() * self.pixels());
        let mut shares = vec![if self.absent { 1.0 } else { 0.0 }; self.values() * classes];
        for (value, shares) in shares.chunks_mut(classes.max(1)).enumerate() {
            for &class in &self.labels[value * each..][..each] {
                if let Some(share) = shares.get_mut(class as usize) {
                    *share = 1.0;
                }
            }
            let counted: f64 = shares.iter().sum();
            shares
                .iter_mut()
                .filter(|s| **s > 0.0)
                .for_each(|s| *s /= counted);
        }
        shares
    }

    /// The extension of one class in the images that share a value, times its share; `slopes` gets its gradient. A group's
    /// elements are one piece of `x`.
    fn extension<T: Float>(
        &self,
        x: &Source<'_, T>,
        (group, share): (usize, f64),
        mut slopes: Option<&mut [T]>,
    ) -> f64 {
        if let Some(slopes) = slopes.as_deref_mut() {
            slopes.fill(T::ZERO);
        }
        if share == 0.0 {
            return 0.0;
        }
        let width = self.joined() * self.pixels();
        let (value, class) = (group / self.classes, group % self.classes);
        let labels = &self.labels[value * width..][..width];
        // Errors that are not positive count for nothing, and come last: they need not be sorted. The lowest bit of a
        // place says whether the pixel is of the class.
        let (mut errors, mut own) = (Vec::with_capacity(width), 0);
        let (mut at, mut x) = (0, x.reader());
        while at < width {
            let len = x.ready(group * width + at, width - at);
            let x = x.read(group * width + at, len);
            for ((p, x), label) in (at..).zip(x).zip(&labels[at..]) {
                if *label == IGNORED {
                    continue;
                }
                let is_own = *label as usize == class;
                own += usize::from(is_own);
                let error = if is_own {
                    1.0 - x.f64()
                } else {
                    x.f64() - self.away
                };
                if error > 0.0 || error.is_nan() {
                    errors.push((error, p << 1 | usize::from(is_own)));
                }
            }
            at += len;
        }
        errors.sort_unstable_by(|a: &(f64, usize), b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut inner, mut union) = (own as f64, own as f64);
        let mut sum = 0.0;
        for (error, place) in errors {
            let is_own = place & 1 == 1;
            // The steps of 1 - inner/union, without its differences.
            let step = if union == 0.0 {
                1.0
            } else if is_own {
                1.0 / union
            } else {
                inner / (union * (union + 1.0))
            };
            if is_own {
                inner -= 1.0;
            } else {
                union += 1.0;
            }
            if step == 0.0 {
                continue;
            }
            sum += share * step * error;
            if let Some(slopes) = slopes.as_deref_mut() {
                let slope = T::of(share * step);
                slopes[place >> 1] = if is_own { -slope } else { slope };
            }
        }
        sum
    }

    /// The values, and the gradient of each with respect to its images if it is `wanted`.
    fn extensions<T: Float>(
        &self,
        x: &Tensor<T>,
        wanted: bool,
    ) -> Result<(Vec<f64>, Option<Tensor<T>>)> {
        let shares = self.shares();
        let width = self.joined() * self.pixels();
        let mut each = vec![0.0; shares.len()];
        // The gradient of a class lies in one piece: classes come first in memory where images share a value.
        let class_first = !self.per_image && self.images > 1 && self.classes > 1;
        let x = match class_first {
            true => x.transpose(0, 1)?,
            false => x.clone(),
        };
        let elements = &x.source();
        let mut slopes = match wanted {
            true => Some(Tensor::build(self.name, x.shape(), |out: &mut [T]| {
                out.fill(T::ZERO);
            })?),
            false => None,
        };
        match slopes.as_mut().and_then(Tensor::own_run) {
            Some(out) if width > 0 => {
                let out = (out, width);
                par::split2((&mut each, 1), out, width * COST, |first, each, out| {
                    let parts = each.iter_mut().zip(out.chunks_mut(width)).enumerate();
                    for (i, (value, out)) in parts {
                        let group = (first + i, shares[first + i]);
                        *value = self.extension(elements, group, Some(out));
                    }
                });
            }
            _ => par::split(&mut each, 1, width * COST, |first, each| {
                for (i, value) in each.iter_mut().enumerate() {
                    let group = (first + i, shares[first + i]);
                    *value = self.extension(elements, group, None);
                }
            }),
        }
        let slopes = match slopes {
            Some(slopes) if class_first => Some(slopes.transpose(0, 1)?),
            other => other,
        };
        let values = match self.classes {
            0 => vec![0.0; self.values()],
            classes => each.chunks(classes).map(|c| c.iter().sum()).collect(),
        };
        Ok((values, slopes))
    }

    /// The loss, and its gradient before reduction if it is `wanted`.
    fn run<T: Float>(&self, x: &Tensor<T>, wanted: bool) -> Result<(Tensor<T>, Option<Tensor<T>>)> {
        let (values, slopes) = self.extensions(x, wanted)?;
        let y = match self.reduction {
            Reduction::None => {
                let images = [self.images];
                let shape: &[usize] = if self.per_image { &images } else { &[] };
                Tensor::build(self.name, shape, |out| {
                    out.iter_mut().zip(values).for_each(|(o, v)| *o = T::of(v));
                })?
            }
            _ => {
                let divisor = self.divisor(x.shape());
                self.reduction.value(values.iter().sum(), divisor)
            }
        };
        Ok((y, slopes))
    }
}

/// What a pixel is worth, in additions: mostly its part in sorting.
const COST: usize = 64;

impl<T: Float> Fused<T> for Lovasz {
    /// The gradient of the values.
    type Saved = Option<Tensor<T>>;

    fn name(&self) -> &'static str {
        self.name
    }

    #[track_caller]
    fn definition(&self, v: &[Var<T>]) -> Result<Var<T>> {
        // Between two orders of errors the extension is linear: a constant gradient times the distance from the inputs
        // that make no error.
        let x = &v[0];
        let (_, slopes) = self.extensions(x.value(), true)?;
        let slopes = slopes.unwrap_or_else(|| x.value().zeros_like());
        let counts = slopes.ne(T::ZERO)?;
        let right = slopes.map(|g| T::of(if g < T::ZERO { 1.0 } else { self.away }));
        let terms = x.sub(Var::from(right))?.keep_where(&counts)?;
        let terms = terms.mul(Var::from(slopes))?;
        let values = if self.per_image && x.numel() > 0 {
            terms.reshape([self.images as i64, -1])?.sum(1)?
        } else if self.per_image {
            Var::full([self.images as i64], T::ZERO)?
        } else {
            terms.sum(..)?
        };
        self.reduction.apply(&values, self.divisor(x.shape()))
    }

    fn forward(&self, inputs: &[&Tensor<T>]) -> Result<(Tensor<T>, Self::Saved)> {
        self.run(inputs[0], false)
    }

    fn forward_for(&self, inputs: &[&Tensor<T>], needs: Needs) -> Result<(Tensor<T>, Self::Saved)> {
        self.run(inputs[0], needs.get(0))
    }

    fn backward(
        &self,
        inputs: &[&Tensor<T>],
        saved: &Self::Saved,
        dy: &Tensor<T>,
        _: Needs,
    ) -> Result<FusedGrads<T>> {
        let slopes = match saved {
            Some(slopes) => slopes.clone(),
            None => self
                .extensions(inputs[0], true)?
                .1
                .unwrap_or_else(|| inputs[0].zeros_like()),
        };
        let dx = if self.reduction != Reduction::None {
            let divisor = self.divisor(inputs[0].shape());
            scaled(&slopes, self.reduction.scale(dy, divisor)?)?
        } else if self.per_image {
            let mut shape = vec![1i64; slopes.ndim()];
            shape[0] = self.images as i64;
            slopes.mul(dy.reshape(&shape)?)?
        } else {
            scaled(&slopes, dy.item()?)?
        };
        Ok(FusedGrads::from_iter([Some(dx)]))
    }
}
