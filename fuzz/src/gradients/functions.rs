//! The functions of differentiable programs: each in the library, and of dual numbers.

use super::dual::{Dual, kink};
use crate::array::Array;
use losses::autograd::{Axes, Result, Var};

pub type One = (&'static str, fn(&Var<f64>) -> Var<f64>, fn(Dual) -> Dual);
pub type Two = (
    &'static str,
    fn(&Var<f64>, &Var<f64>) -> Result<Var<f64>>,
    fn(Dual, Dual) -> Dual,
);

pub fn num(v: f64) -> Dual {
    Dual::of(v)
}

fn sigmoid(x: Dual) -> Dual {
    let s = 1.0 / (1.0 + (-x.v).exp());
    x.chain(s, s * (1.0 - s))
}

fn softplus(x: Dual) -> Dual {
    x.chain(x.v.max(0.0) + (-x.v.abs()).exp().ln_1p(), sigmoid(x).v)
}

fn tanh(x: Dual) -> Dual {
    let t = x.v.tanh();
    x.chain(t, 1.0 - t * t)
}

pub const ONES: [One; 36] = [
    ("neg", Var::neg, |x| -x),
    ("exp", Var::exp, Dual::exp),
    ("exp2", Var::exp2, |x| {
        (x * num(std::f64::consts::LN_2)).exp()
    }),
    ("expm1", Var::expm1, |x| x.chain(x.v.exp_m1(), x.v.exp())),
    ("log", Var::log, Dual::ln),
    ("log2", Var::log2, |x| x.ln() / num(std::f64::consts::LN_2)),
    ("log10", Var::log10, |x| {
        x.ln() / num(std::f64::consts::LN_10)
    }),
    ("log1p", Var::log1p, |x| (x + num(1.0)).ln()),
    ("sqrt", Var::sqrt, Dual::sqrt),
    ("rsqrt", Var::rsqrt, |x| num(1.0) / x.sqrt()),
    ("cbrt", Var::cbrt, |x| {
        kink(x.v);
        let r = x.v.cbrt();
        x.chain(r, 1.0 / (3.0 * r * r))
    }),
    ("reciprocal", Var::reciprocal, |x| num(1.0) / x),
    ("square", Var::square, |x| x * x),
    ("abs", Var::abs, Dual::abs),
    ("sin", Var::sin, |x| x.chain(x.v.sin(), x.v.cos())),
    ("cos", Var::cos, |x| x.chain(x.v.cos(), -x.v.sin())),
    ("atan", Var::atan, |x| {
        x.chain(x.v.atan(), 1.0 / (1.0 + x.v * x.v))
    }),
    ("sinh", Var::sinh, |x| x.chain(x.v.sinh(), x.v.cosh())),
    ("cosh", Var::cosh, |x| x.chain(x.v.cosh(), x.v.sinh())),
    ("tanh", Var::tanh, tanh),
    ("asinh", Var::asinh, |x| {
        x.chain(x.v.asinh(), 1.0 / (x.v * x.v + 1.0).sqrt())
    }),
    ("asin", Var::asin, |x| {
        kink((1.0 - x.v.abs()).max(0.0));
        x.chain(x.v.asin(), 1.0 / (1.0 - x.v * x.v).sqrt())
    }),
    ("atanh", Var::atanh, |x| {
        kink((1.0 - x.v.abs()).max(0.0));
        x.chain(x.v.atanh(), 1.0 / (1.0 - x.v * x.v))
    }),
    ("acosh", Var::acosh, |x| {
        kink((x.v - 1.0).max(0.0));
        x.chain(x.v.acosh(), 1.0 / (x.v * x.v - 1.0).sqrt())
    }),
    ("sigmoid", Var::sigmoid, sigmoid),
    ("softplus", Var::softplus, softplus),
    ("log_sigmoid", Var::log_sigmoid, |x| -softplus(-x)),
    ("relu", Var::relu, |x| x.max(num(0.0))),
    ("silu", Var::silu, |x| x * sigmoid(x)),
    ("mish", Var::mish, |x| x * tanh(softplus(x))),
    ("gelu_tanh", Var::gelu_tanh, |x| {
        let u = num((2.0 / std::f64::consts::PI).sqrt()) * (x + num(0.044715) * x * x * x);
        x * num(0.5) * (num(1.0) + tanh(u))
    }),
    (
        "elu",
        |x| x.elu(0.7),
        |x| {
            kink(x.v);
            if x.v > 0.0 {
                x
            } else {
                num(0.7) * (x.exp() - num(1.0))
            }
        },
    ),
    (
        "leaky_relu",
        |x| x.leaky_relu(0.1),
        |x| {
            kink(x.v);
            if x.v > 0.0 { x } else { num(0.1) * x }
        },
    ),
    (
        "clamp",
        |x| x.clamp(-1.0, 1.5),
        |x| x.max(num(-1.0)).min(num(1.5)),
    ),
    (
        "floor",
        |x| Var::from(x.floor()),
        |x| {
            kink((x.v - x.v.floor()).min(x.v.ceil() - x.v));
            num(x.v.floor())
        },
    ),
    (
        "softplus_with",
        |x| x.softplus_with(2.0, 3.0),
        |x| {
            kink(2.0 * x.v - 3.0);
            if 2.0 * x.v > 3.0 {
                x
            } else {
                softplus(x * num(2.0)) / num(2.0)
            }
        },
    ),
];

pub const TWOS: [Two; 13] = [
    ("add", |a, b| a.add(b), |a, b| a + b),
    ("sub", |a, b| a.sub(b), |a, b| a - b),
    ("mul", |a, b| a.mul(b), |a, b| a * b),
    ("div", |a, b| a.div(b), |a, b| a / b),
    ("maximum", |a, b| a.maximum(b), Dual::max),
    ("minimum", |a, b| a.minimum(b), Dual::min),
    ("pow", |a, b| a.pow(b), Dual::powf),
    ("hypot", |a, b| a.hypot(b), |a, b| (a * a + b * b).sqrt()),
    (
        "logaddexp",
        |a, b| a.logaddexp(b),
        |a, b| a + softplus(b - a),
    ),
    (
        "xlogy",
        |a, b| a.xlogy(b),
        |a, b| {
            kink(a.v);
            a * b.ln()
        },
    ),
    (
        "atan2",
        |a, b| a.atan2(b),
        |a, b| {
            // The angle jumps where it is π.
            kink(if b.v < 0.0 { a.v } else { 1.0 });
            let r = a.v * a.v + b.v * b.v;
            kink(r);
            Dual {
                v: a.v.atan2(b.v),
                d: (b.v * a.d - a.v * b.d) / r,
            }
        },
    ),
    (
        "fmod",
        |a, b| a.fmod(b),
        |a, b| {
            let q = a.v / b.v;
            kink(b.v);
            // How far the operands are from the next jump, a multiple of the divisor, that moves with them.
            kink((q - q.floor()).min(q.ceil() - q) * b.v / (1.0 + q.abs()));
            a - b * num(q.trunc())
        },
    ),
    ("lerp", |a, b| a.lerp(b, 0.3), |a, b| a + (b - a) * num(0.3)),
];

pub fn sum(all: &[Dual]) -> Dual {
    all.iter().fold(num(0.0), |s, &x| s + x)
}

fn logsumexp(all: &[Dual]) -> Dual {
    let top = all.iter().map(|x| x.v).fold(f64::NEG_INFINITY, f64::max);
    if all.is_empty() {
        return num(top);
    }
    sum(&all
        .iter()
        .map(|&x| (x - num(top)).exp())
        .collect::<Vec<_>>())
    .ln()
        + num(top)
}

fn variance(all: &[Dual]) -> Dual {
    let n = num(all.len() as f64);
    let mean = sum(all) / n;
    let squares: Vec<Dual> = all.iter().map(|&x| (x - mean) * (x - mean)).collect();
    // Of one element or none it is no number.
    kink(all.len() as f64 - 1.0);
    sum(&squares) / (n - num(1.0))
}

/// The elements in ascending order, which no two may share.
fn sorted(line: &[Dual]) -> Vec<Dual> {
    let mut line = line.to_vec();
    line.sort_by(|a, b| a.v.total_cmp(&b.v));
    line.windows(2).for_each(|w| kink(w[1].v - w[0].v));
    line
}

/// Whether a reduction is over no element.
pub fn is_empty(x: &Array<Dual>, gone: &[bool]) -> bool {
    x.shape.iter().zip(gone).any(|(n, gone)| *gone && *n == 0)
}

pub type Fold = (
    &'static str,
    fn(&Var<f64>, Axes) -> Result<Var<f64>>,
    fn(&[Dual]) -> Dual,
);

pub const FOLDS: [Fold; 9] = [
    ("sum", |x, to| x.sum(to), sum),
    (
        "mean",
        |x, to| x.mean(to),
        |all| sum(all) / num(all.len() as f64),
    ),
    (
        "prod",
        |x, to| x.prod(to),
        |all| all.iter().fold(num(1.0), |p, &x| p * x),
    ),
    ("logsumexp", |x, to| x.logsumexp(to), logsumexp),
    ("var", |x, to| x.var(to, 1), variance),
    ("std", |x, to| x.std(to, 1), |all| variance(all).sqrt()),
    (
        "norm",
        |x, to| x.norm(2.0, to),
        |all| sum(&all.iter().map(|&x| x * x).collect::<Vec<_>>()).sqrt(),
    ),
    (
        "max",
        |x, to| x.max(to),
        |all| sorted(all).last().copied().unwrap_or(num(0.0)),
    ),
    (
        "min",
        |x, to| x.min(to),
        |all| sorted(all).first().copied().unwrap_or(num(0.0)),
    ),
];

pub type Line = (
    &'static str,
    fn(&Var<f64>, isize) -> Result<Var<f64>>,
    fn(&[Dual]) -> Vec<Dual>,
);

fn running(line: &[Dual], f: fn(Dual, Dual) -> Dual) -> Vec<Dual> {
    let mut so_far = None;
    (line.iter())
        .map(|&x| *so_far.insert(so_far.map_or(x, |y| f(y, x))))
        .collect()
}

pub const LINES: [Line; 7] = [
    (
        "softmax",
        |x, d| x.softmax(d),
        |line| {
            let total = logsumexp(line);
            line.iter().map(|&x| (x - total).exp()).collect()
        },
    ),
    (
        "log_softmax",
        |x, d| x.log_softmax(d),
        |line| {
            let total = logsumexp(line);
            line.iter().map(|&x| x - total).collect()
        },
    ),
    (
        "cumsum",
        |x, d| x.cumsum(d),
        |line| running(line, |a, b| a + b),
    ),
    (
        "cumprod",
        |x, d| x.cumprod(d),
        |line| running(line, |a, b| a * b),
    ),
    (
        "logcumsumexp",
        |x, d| x.logcumsumexp(d),
        |line| (1..=line.len()).map(|k| logsumexp(&line[..k])).collect(),
    ),
    (
        "cummax",
        |x, d| Ok(x.cummax(d)?.0),
        |line| running(line, Dual::max),
    ),
    ("sort", |x, d| Ok(x.sort(d, false)?.0), sorted),
];
