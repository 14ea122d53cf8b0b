//! Bytes as choices. When they run out, every choice is the first one.

use arbitrary::Unstructured;

/// Integers with which sums and products overflow, as sizes and as distances.
const EXTREME: [i64; 10] = [
    i64::MIN,
    i64::MIN + 1,
    i64::MAX,
    i64::MAX - 1,
    1 << 62,
    -(1 << 62),
    1 << 60,
    1 << 56,
    -(1 << 48),
    1 << 48,
];

/// Choices made by the bytes of an input.
pub struct Draw<'a>(Unstructured<'a>);

impl<'a> Draw<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Draw(Unstructured::new(data))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.int_in_range(0..=n.max(1) - 1).unwrap_or(0)
    }

    pub fn bit(&mut self) -> bool {
        self.below(2) == 1
    }

    /// True once in `n`.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.int_in_range(low..=high).unwrap_or(low)
    }

    /// A whole number that is mostly of `low..=high`, and now and then of those that overflow.
    pub fn whole(&mut self, low: i64, high: i64) -> i64 {
        if self.rarely(48) {
            self.pick(&EXTREME)
        } else {
            self.between(low, high)
        }
    }

    /// A size or a step.
    pub fn size(&mut self, high: i64) -> usize {
        self.whole(0, high).unsigned_abs() as usize
    }

    /// A dimension of `ndim`, now and then one that is not there.
    pub fn dim(&mut self, ndim: usize) -> i64 {
        let n = ndim.max(1) as i64;
        if self.rarely(24) {
            self.whole(-n - 1, n)
        } else {
            self.between(-n, n - 1)
        }
    }

    pub fn list(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> i64) -> Vec<i64> {
        let n = self.below(most + 1);
        (0..n).map(|_| item(self)).collect()
    }

    /// The dimensions of a reduction; `None` for all.
    pub fn axes(&mut self, ndim: usize) -> Option<Vec<i64>> {
        match self.below(3) {
            0 => None,
            1 => Some(vec![self.dim(ndim)]),
            _ => Some(self.list(ndim.min(3), |d| d.dim(ndim))),
        }
    }

    /// The dimensions in some order, now and then not each of them.
    pub fn order(&mut self, ndim: usize) -> Vec<i64> {
        let mut order: Vec<i64> = (0..ndim as i64).collect();
        for i in (1..ndim).rev() {
            order.swap(i, self.below(i + 1));
        }
        if self.rarely(16) {
            order = self.list(ndim + 1, |d| d.dim(ndim));
        }
        order
    }

    /// A number such as calculations meet, without the special ones.
    pub fn number(&mut self) -> f64 {
        match self.below(4) {
            0 => self.between(-4, 4) as f64,
            1 => self.between(-4096, 4096) as f64 / 1024.0,
            2 => self.between(-1_000_000, 1_000_000) as f64 / 999_983.0,
            _ => self.between(-1000, 1000) as f64 / 10.0,
        }
    }

    /// Any number, the special ones too.
    pub fn any_number(&mut self) -> f64 {
        const SPECIAL: [f64; 10] = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            1e-310,
            f64::MIN_POSITIVE,
            1e-40,
            1e30,
            -1e300,
            0.1,
        ];
        if self.rarely(12) {
            self.pick(&SPECIAL)
        } else {
            self.number()
        }
    }

    /// A shape of at most `most` elements.
    pub fn shape(&mut self, ndim: usize, most: usize) -> Vec<usize> {
        const SIZES: [usize; 16] = [1, 2, 3, 4, 1, 2, 3, 5, 7, 8, 9, 16, 17, 33, 0, 65];
        let ndim = self.below(ndim + 1);
        let mut shape = Vec::new();
        let mut room = most;
        for _ in 0..ndim {
            let n = self.pick(&SIZES).min(room);
            shape.push(n);
            room /= n.max(1);
        }
        shape
    }
}
