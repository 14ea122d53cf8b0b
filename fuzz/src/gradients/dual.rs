//! Numbers that carry a derivative: forward mode, and the whole of it.

use std::cell::Cell;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value, and how fast it moves along the direction in question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    pub v: f64,
    pub d: f64,
}

thread_local! {
    static KINK: Cell<bool> = const { Cell::new(false) };
}

/// Nearer to a kink, a jump or the edge of a domain than this, nothing is compared.
const NEAR: f64 = 0.02;

/// Whether a calculation since the last such question came near to a place without a derivative.
pub fn met_kink() -> bool {
    KINK.replace(false)
}

/// Marks the calculation if `distance`, that to a kink, is small.
pub fn kink(distance: f64) {
    if distance.is_nan() || distance.abs() < NEAR {
        KINK.set(true);
    }
}

impl Dual {
    pub fn of(v: f64) -> Self {
        Dual { v, d: 0.0 }
    }

    /// `f` with slope `slope`.
    pub fn chain(self, f: f64, slope: f64) -> Self {
        Dual {
            v: f,
            d: slope * self.d,
        }
    }

    pub fn exp(self) -> Self {
        let e = self.v.exp();
        self.chain(e, e)
    }

    pub fn ln(self) -> Self {
        kink((self.v - NEAR).max(0.0));
        self.chain(self.v.ln(), 1.0 / self.v)
    }

    pub fn sqrt(self) -> Self {
        kink((self.v - NEAR).max(0.0));
        let r = self.v.sqrt();
        self.chain(r, 0.5 / r)
    }

    pub fn abs(self) -> Self {
        kink(self.v);
        if self.v < 0.0 { -self } else { self }
    }

    pub fn max(self, b: Self) -> Self {
        kink(self.v - b.v);
        if self.v > b.v { self } else { b }
    }

    pub fn min(self, b: Self) -> Self {
        -((-self).max(-b))
    }

    pub fn powf(self, b: Self) -> Self {
        (b * self.ln()).exp()
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, b: Dual) -> Dual {
        Dual {
            v: self.v + b.v,
            d: self.d + b.d,
        }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, b: Dual) -> Dual {
        self + -b
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual {
            v: -self.v,
            d: -self.d,
        }
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, b: Dual) -> Dual {
        Dual {
            v: self.v * b.v,
            d: self.d * b.v + self.v * b.d,
        }
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, b: Dual) -> Dual {
        kink(b.v);
        Dual {
            v: self.v / b.v,
            d: (self.d - self.v / b.v * b.d) / b.v,
        }
    }
}
