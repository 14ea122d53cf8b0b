//! Pooling: the largest or the mean of the elements of each window.

mod global;
mod windows;

use super::checks::{input_shape, option};
use super::sizes::Sizes;
use super::transposable::linear_map;
use crate::module::Module;
pub use global::{GlobalAvgPool, GlobalMaxPool};
use losses::autograd::Float;
use losses::{Error, Result, Var};
use std::rc::Rc;
use windows::{Slide, Window, Windows};

#[track_caller]
fn max<T: Float, const D: usize>(x: &Var<T>, windows: &Windows) -> Result<Var<T>> {
    let pictures: usize = x.shape()[..x.ndim() - D].iter().product();
    let flat = x.reshape([pictures, windows.picture()])?;
    let index = windows.largest(flat.value())?;
    let mut y = flat.gather(1, &index)?;
    if let Some(outside) = windows.outside()? {
        y = y.masked_fill(&outside, T::of(f64::NEG_INFINITY))?;
    }
    y.reshape(windows.shape::<D>(x.shape()))
}

#[track_caller]
fn mean<T: Float, const D: usize>(
    x: &Var<T>,
    windows: Windows,
    divisor: Option<usize>,
) -> Result<Var<T>> {
    let pictures: usize = x.shape()[..x.ndim() - D].iter().product();
    let (flat, shape) = (
        x.reshape([pictures, windows.picture()])?,
        windows.shape::<D>(x.shape()),
    );
    let windows = Rc::new(windows);
    let back = windows.clone();
    let y = linear_map(
        "avg_pool",
        &flat,
        Rc::new(move |x| windows.mean(x, divisor, false)),
        Rc::new(move |dy| back.mean(dy, divisor, true)),
    )?;
    y.reshape(&shape)
}

/// The largest element of each window of a sequence (`D = 1`) or a picture (`D = 2`).
///
/// `x` has shape `[N, C, …]` or `[C, …]`. The border counts as minus infinity, which is what a window gives that has no
/// place inside, as one with `dilation` can. The gradient goes to the largest element, the first of several.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([[[1.0f32, 2.0], [3.0, 4.0], [5.0, 0.0], [7.0, 0.0]]]));
/// assert_eq!(MaxPool2d::new(2).forward(&x)?.value(), &Tensor::from([[[4.0], [7.0]]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`torch.nn.MaxPool2d`](https://pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html).
#[derive(Clone, Copy, Debug)]
pub struct MaxPool<const D: usize>(Slide<D>);

/// [`MaxPool`] over sequences.
pub type MaxPool1d = MaxPool<1>;
/// [`MaxPool`] over pictures.
pub type MaxPool2d = MaxPool<2>;

/// The mean of each window of a sequence (`D = 1`) or a picture (`D = 2`).
///
/// `x` has shape `[N, C, …]` or `[C, …]`. The border counts as zeros.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([[1.0f32, 3.0, 5.0, 9.0]]));
/// assert_eq!(AvgPool1d::new(2).forward(&x)?.value(), &Tensor::from([[2.0, 7.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch, [`torch.nn.AvgPool2d`](https://pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html).
#[derive(Clone, Copy, Debug)]
pub struct AvgPool<const D: usize> {
    slide: Slide<D>,
    count_include_pad: bool,
    divisor_override: Option<usize>,
}

/// [`AvgPool`] over sequences.
pub type AvgPool1d = AvgPool<1>;
/// [`AvgPool`] over pictures.
pub type AvgPool2d = AvgPool<2>;

/// The builder methods of windows that slide.
macro_rules! sliding {
    ($($slide:tt)+) => {
        /// How far it is from one window to the next. Default: the window's size.
        #[must_use]
        pub fn stride(mut self, stride: impl Sizes<D>) -> Self {
            self.$($slide)+.stride = stride.sizes();
            self
        }

        /// How wide the border is, at most half of the window. Default: 0.
        #[must_use]
        pub fn padding(mut self, padding: impl Sizes<D>) -> Self {
            self.$($slide)+.padding = padding.sizes();
            self
        }

        /// Whether a last window may reach beyond the end. Default: no.
        #[must_use]
        pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
            self.$($slide)+.ceil_mode = ceil_mode;
            self
        }
    };
}

impl<const D: usize> MaxPool<D> {
    /// Windows of this size, side by side.
    pub fn new(kernel_size: impl Sizes<D>) -> Self {
        MaxPool(Slide::new(kernel_size))
    }

    sliding!(0);

    /// How far apart the places of a window are. Default: 1.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Sizes<D>) -> Self {
        self.0.dilation = dilation.sizes();
        self
    }
}

impl<const D: usize> AvgPool<D> {
    /// Windows of this size, side by side.
    pub fn new(kernel_size: impl Sizes<D>) -> Self {
        AvgPool {
            slide: Slide::new(kernel_size),
            count_include_pad: true,
            divisor_override: None,
        }
    }

    sliding!(slide);

    /// Whether the mean counts the zeros of the border. Default: yes.
    #[must_use]
    pub fn count_include_pad(self, count_include_pad: bool) -> Self {
        AvgPool {
            count_include_pad,
            ..self
        }
    }

    /// What each sum is divided by, in place of the number of its elements.
    #[must_use]
    pub fn divisor_override(self, divisor: usize) -> Self {
        AvgPool {
            divisor_override: Some(divisor),
            ..self
        }
    }
}

impl<T: Float, const D: usize> Module<T> for MaxPool<D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let op = if D == 1 { "max_pool1d" } else { "max_pool2d" };
        let along = |d| self.0.windows(op, d, x.shape(), false);
        max::<T, D>(x, &Windows::new::<D>(op, x.shape(), along)?)
    }

    fn describe(&self) -> String {
        format!("MaxPool{D}d({:?})", self.0.kernel)
    }
}

impl<T: Float, const D: usize> Module<T> for AvgPool<D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        let op = if D == 1 { "avg_pool1d" } else { "avg_pool2d" };
        let good = self.divisor_override != Some(0);
        option(op, "divisor_override", good, 0, "it must be at least 1")?;
        let along = |d| {
            self.slide
                .windows(op, d, x.shape(), !self.count_include_pad)
        };
        mean::<T, D>(
            x,
            Windows::new::<D>(op, x.shape(), along)?,
            self.divisor_override,
        )
    }

    fn describe(&self) -> String {
        format!("AvgPool{D}d({:?})", self.slide.kernel)
    }
}

/// The mean of each of so many windows, that together are the whole: `adaptive(1)` is the mean of all places.
///
/// ```
/// use nn::prelude::*;
/// let x = Var::from(Tensor::from([[1.0f32, 2.0, 3.0, 4.0, 5.0]]));
/// assert_eq!(AdaptiveAvgPool1d::new(1).forward(&x)?.value(), &Tensor::from([[3.0]]));
/// // Windows that do not come out even share a place.
/// assert_eq!(AdaptiveAvgPool1d::new(2).forward(&x)?.value(), &Tensor::from([[2.0, 4.0]]));
/// # Ok::<(), nn::Error>(())
/// ```
/// # Reference
/// PyTorch,
/// [`torch.nn.AdaptiveAvgPool2d`](https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html).
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool<const D: usize>([usize; D]);

/// [`AdaptiveAvgPool`] over sequences.
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// [`AdaptiveAvgPool`] over pictures.
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;

/// The largest element of each of so many windows, that together are the whole.
///
/// # Reference
/// PyTorch,
/// [`torch.nn.AdaptiveMaxPool2d`](https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html).
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveMaxPool<const D: usize>([usize; D]);

/// [`AdaptiveMaxPool`] over sequences.
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// [`AdaptiveMaxPool`] over pictures.
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;

impl<const D: usize> AdaptiveAvgPool<D> {
    /// With so many windows along each dimension.
    pub fn new(output_size: impl Sizes<D>) -> Self {
        AdaptiveAvgPool(output_size.sizes())
    }
}

impl<const D: usize> AdaptiveMaxPool<D> {
    /// With so many windows along each dimension.
    pub fn new(output_size: impl Sizes<D>) -> Self {
        AdaptiveMaxPool(output_size.sizes())
    }
}

/// So many windows that together are the whole.
fn adaptive<const D: usize>(op: &'static str, x: &[usize], count: [usize; D]) -> Result<Windows> {
    Windows::new::<D>(op, x, |d| {
        let (n, count) = (x[x.len() - D + d], count[d]);
        option(op, "output_size", count > 0, count, "it must be at least 1")?;
        // Whatever there cannot be so many of, there is no memory for either.
        let too_many = || Error::Size {
            op,
            shape: vec![count.try_into().unwrap_or(i64::MAX)],
        };
        if count
            .checked_add(1)
            .and_then(|c| c.checked_mul(n))
            .is_none()
        {
            return Err(too_many());
        }
        let mut windows = Vec::new();
        windows.try_reserve_exact(count).map_err(|_| too_many())?;
        if n == 0 {
            return Err(input_shape(
                op,
                x,
                "it must have at least one place along each dimension",
            ));
        }
        let window = |i: usize| {
            let (start, end) = (i * n / count, ((i + 1) * n).div_ceil(count));
            Window {
                start,
                end,
                step: 1,
                counts: end - start,
            }
        };
        windows.extend((0..count).map(window));
        Ok(windows)
    })
}

impl<T: Float, const D: usize> Module<T> for AdaptiveAvgPool<D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        mean::<T, D>(x, adaptive("adaptive_avg_pool", x.shape(), self.0)?, None)
    }

    fn describe(&self) -> String {
        format!("AdaptiveAvgPool{D}d({:?})", self.0)
    }
}

impl<T: Float, const D: usize> Module<T> for AdaptiveMaxPool<D> {
    #[track_caller]
    fn forward(&self, x: &Var<T>) -> Result<Var<T>> {
        max::<T, D>(x, &adaptive("adaptive_max_pool", x.shape(), self.0)?)
    }

    fn describe(&self) -> String {
        format!("AdaptiveMaxPool{D}d({:?})", self.0)
    }
}

/// The four have no parameters.
macro_rules! no_parts {
    ($($pool:ident)*) => {$(
        impl<T: Float, const D: usize> crate::Parts<T> for $pool<D> {
            fn walk(&self, _: &str, _: &mut dyn FnMut(&str, crate::Part<'_, T>)) {}
            fn walk_mut(&mut self, _: &str, _: &mut dyn FnMut(&str, crate::PartMut<'_, T>)) {}
        }
    )*};
}
no_parts!(MaxPool AvgPool AdaptiveAvgPool AdaptiveMaxPool);
