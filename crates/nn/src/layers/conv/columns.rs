//! The windows of a picture as the columns of a matrix, and back.

use losses::autograd::Float;

/// How windows lie in a picture of several channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) channels: usize,
    pub(super) size: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// How many windows there are, down and across.
    pub(super) count: [usize; 2],
}

impl Windows {
    /// The elements of a picture.
    pub(super) fn picture(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }

    /// The rows of the matrix: one for each place of the kernel in each channel.
    pub(super) fn rows(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    /// The columns of the matrix: one for each window.
    pub(super) fn columns(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Whether the matrix is the picture itself.
    pub(super) fn is_identity(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// The windows in which place `k` of the kernel lies within the picture, along dimension `d`, and where it lies in
    /// the first of them.
    fn inside(&self, d: usize, k: usize) -> (std::ops::Range<usize>, usize) {
        let (stride, reach) = (self.stride[d], k * self.dilation[d]);
        let first = self.padding[d].saturating_sub(reach).div_ceil(stride);
        let end = (self.size[d] + self.padding[d])
            .saturating_sub(reach)
            .div_ceil(stride)
            .min(self.count[d]);
        let first = first.min(end);
        let start = (first * stride + reach).saturating_sub(self.padding[d]);
        (first..end, start)
    }

    /// Calls `f` with each run of windows side by side in which a place of the kernel lies within the picture: where
    /// they are in the matrix, where the first lies in the picture, and how many there are. From one to the next it is
    /// `stride[1]` further in the picture.
    fn each_run(&self, mut f: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.size;
        let [down, across] = self.count;
        let mut row = 0;
        for c in 0..self.channels {
            for ky in 0..self.kernel[0] {
                let (ys, y0) = self.inside(0, ky);
                for kx in 0..self.kernel[1] {
                    let (xs, x0) = self.inside(1, kx);
                    for (y, line) in ys.clone().zip((y0..).step_by(self.stride[0])) {
                        let to = (row * down + y) * across + xs.start;
                        f(to, (c * height + line) * width + x0, xs.len());
                    }
                    row += 1;
                }
            }
        }
    }

    /// Copies the windows of `picture` into `matrix`; zeros where they reach beyond it.
    pub(super) fn gather<T: Float>(&self, picture: &[T], matrix: &mut [T]) {
        if self.padding != [0, 0] {
            matrix.fill(T::ZERO);
        }
        let stride = self.stride[1];
        self.each_run(|to, from, n| {
            if n == 0 {
                return;
            }
            let to = &mut matrix[to..to + n];
            if stride == 1 {
                to.copy_from_slice(&picture[from..from + n]);
            } else {
                let from = picture[from..].iter().step_by(stride);
                to.iter_mut().zip(from).for_each(|(t, &f)| *t = f);
            }
        });
    }

    /// Adds the columns of `matrix` to the places of `picture` that they came from: the transpose of
    /// [`gather`](Windows::gather).
    pub(super) fn scatter<T: Float>(&self, matrix: &[T], picture: &mut [T]) {
        let stride = self.stride[1];
        self.each_run(|to, from, n| {
            if n == 0 {
                return;
            }
            let columns = &matrix[to..to + n];
            if stride == 1 {
                let places = &mut picture[from..from + n];
                places
                    .iter_mut()
                    .zip(columns)
                    .for_each(|(p, &m)| *p = *p + m);
            } else {
                let places = picture[from..].iter_mut().step_by(stride);
                places.zip(columns).for_each(|(p, &m)| *p = *p + m);
            }
        });
    }
}
