//! What only integers have: classes, wrapping around, and division.

use super::{Machine, Pair};
use crate::array::Array;
use tensor_core::{Result, Tensor};

/// An operation of two tensors of integers, and of two integers.
type Two = (
    &'static str,
    fn(&Tensor<i64>, &Tensor<i64>) -> Result<Tensor<i64>>,
    fn(i64, i64) -> i64,
);

fn twos() -> [Two; 9] {
    [
        ("add", |a, b| a.add(b), i64::wrapping_add),
        ("sub", |a, b| a.sub(b), i64::wrapping_sub),
        ("mul", |a, b| a.mul(b), i64::wrapping_mul),
        ("maximum", |a, b| a.maximum(b), i64::max),
        ("minimum", |a, b| a.minimum(b), i64::min),
        ("fmod", |a, b| a.fmod(b), i64::wrapping_rem),
        ("div_trunc", |a, b| a.div_trunc(b), i64::wrapping_div),
        (
            "remainder",
            |a, b| a.remainder(b),
            |a, b| {
                let r = a.wrapping_rem(b);
                if r != 0 && (r < 0) != (b < 0) {
                    r + b
                } else {
                    r
                }
            },
        ),
        (
            "div_floor",
            |a, b| a.div_floor(b),
            |a, b| {
                (i128::from(a).div_euclid(i128::from(b))
                    - i128::from(b < 0 && i128::from(a).rem_euclid(i128::from(b)) != 0))
                    as i64
            },
        ),
    ]
}

impl Machine<'_> {
    pub fn whole_step(&mut self) {
        if self.draw.bit() {
            self.one_hot_step();
        } else {
            self.wrapping_step();
        }
    }

    fn one_hot_step(&mut self) {
        let x: Pair<i64> = self.take();
        let want = &x.want;
        let classes = if self.draw.bit() {
            None
        } else {
            Some(self.draw.size(6))
        };
        let most = want.data.iter().copied().fold(0.0, f64::max);
        let n = match classes {
            Some(n) => Some(n),
            None if want.numel() == 0 => None,
            None => Some(most as usize + 1),
        };
        let inside = |n: usize| {
            want.data
                .iter()
                .all(|v| *v >= 0.0 && (*v as u64) < n as u64)
        };
        let rows = n.filter(|&n| inside(n)).map(|n| {
            Array::build(&[&want.shape[..], &[n]].concat(), |at| {
                let (class, own) = at.split_last().expect("a class");
                f64::from(want.at(own) == *class as f64)
            })
        });
        // What fits into the memory may still take too much of it; what cannot is an error.
        match n {
            Some(n) if n >= 1 << 40 => {
                let _ = x.got.one_hot::<f32>(classes);
                return;
            }
            Some(n) if n * want.numel() > 1 << 16 => return,
            _ => {}
        }
        self.exact("one_hot", &x, &classes, x.got.one_hot::<f32>(classes), rows);
    }

    /// Any integers: they wrap around, and never panic.
    fn wrapping_step(&mut self) {
        let draw = &mut self.draw;
        let any = |draw: &mut fuzz_losses::draw::Draw<'_>| {
            if draw.bit() {
                draw.whole(-3, 3)
            } else {
                draw.between(i64::MIN, i64::MAX)
            }
        };
        let n = draw.pick(&[1, 2, 3, 8, 9, 17]);
        let a: Vec<i64> = (0..n).map(|_| any(draw)).collect();
        let b: Vec<i64> = (0..n).map(|_| any(draw)).collect();
        let (x, y) = (Tensor::from(a.clone()), Tensor::from(b.clone()));
        assert_eq!(
            x.neg().to_vec(),
            a.iter().map(|v| v.wrapping_neg()).collect::<Vec<_>>()
        );
        assert_eq!(
            x.abs().to_vec(),
            a.iter().map(|v| v.wrapping_abs()).collect::<Vec<_>>()
        );
        assert_eq!(
            x.square().to_vec(),
            a.iter().map(|v| v.wrapping_mul(*v)).collect::<Vec<_>>()
        );
        let sum = a.iter().fold(0i64, |s, v| s.wrapping_add(*v));
        assert_eq!(x.sum(..).expect("a sum").to_vec(), [sum]);
        let product = a.iter().fold(1i64, |s, v| s.wrapping_mul(*v));
        assert_eq!(x.prod(..).expect("a product").to_vec(), [product]);
        let dot = a
            .iter()
            .zip(&b)
            .fold(0i64, |s, (a, b)| s.wrapping_add(a.wrapping_mul(*b)));
        assert_eq!(x.dot(&y).expect("a product").to_vec(), [dot]);
        for (i, (name, f, by_one)) in twos().into_iter().enumerate() {
            match f(&x, &y) {
                Ok(made) => {
                    let want: Vec<i64> = a.iter().zip(&b).map(|(a, b)| by_one(*a, *b)).collect();
                    assert_eq!(made.to_vec(), want, "{name} of {a:?} and {b:?}");
                }
                Err(e) => assert!(i >= 5 && b.contains(&0), "{name} of {a:?} and {b:?}: {e}"),
            }
        }
        let _ = x.pow(&y).expect("a power");
        let _ = x.cumprod(0).expect("products");
        let _ = x.cast::<f32>();
        // As many as fit easily, or as cannot be.
        let (start, end, step) = (i128::from(a[0]), i128::from(b[0]), i128::from(a[n - 1]));
        let count = (end - start).checked_div(step).unwrap_or(0);
        if !(1 << 16..1 << 40).contains(&count) {
            let _ = Tensor::arange(a[0], b[0], a[n - 1]).map(|made| made.numel());
        }
        let _ = format!("{x}");
        let _ = x.one_hot::<bool>(Some(b[0].unsigned_abs() as usize));
    }
}
