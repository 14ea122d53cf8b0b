//! Views of views against copies that are made element by element.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tensor_core::{Tensor, unravel};

/// An array in row-major order, and nothing clever.
#[derive(Clone, Debug)]
struct Naive {
    shape: Vec<usize>,
    data: Vec<i64>,
}

impl Naive {
    fn at(&self, index: &[usize]) -> i64 {
        let place = index
            .iter()
            .zip(&self.shape)
            .fold(0, |p, (&i, &n)| p * n + i);
        self.data[place]
    }

    /// An array of `shape` whose element at an index is this one's element at `f` of it.
    fn pick(&self, shape: Vec<usize>, f: impl Fn(Vec<usize>) -> Vec<usize>) -> Naive {
        let n: usize = shape.iter().product();
        let data = (0..n)
            .map(|i| self.at(&f(unravel(i, &shape).to_vec())))
            .collect();
        Naive { shape, data }
    }

    /// Some indices of dimension `d`, in the given order.
    fn keep(&self, d: usize, indices: Vec<usize>) -> Naive {
        let mut shape = self.shape.clone();
        shape[d] = indices.len();
        self.pick(shape, |mut index| {
            index[d] = indices[index[d]];
            index
        })
    }

    fn permute(&self, order: &[usize]) -> Naive {
        let shape = order.iter().map(|&d| self.shape[d]).collect();
        self.pick(shape, |index| {
            let mut from = vec![0; index.len()];
            for (&d, i) in order.iter().zip(index) {
                from[d] = i;
            }
            from
        })
    }

    fn with_shape(&self, shape: Vec<usize>) -> Naive {
        Naive {
            shape,
            data: self.data.clone(),
        }
    }
}

/// A dimension of `n`, counted from either end, and counted from the front.
fn dim(raw: u32, n: usize) -> (isize, usize) {
    let d = raw as usize % n;
    let named = if raw & 0x1_0000 == 0 {
        d as isize
    } else {
        d as isize - n as isize
    };
    (named, d)
}

/// One step: the number of an operation and what its arguments are made of.
type Raw = (u8, u32, u32, u32);

const OPERATIONS: u8 = 15;

/// The operation on both; `None` where it does not apply.
fn step(x: &Tensor<i64>, y: &Naive, (op, a, b, c): Raw) -> Option<(Tensor<i64>, Naive)> {
    let n = y.shape.len();
    let both = |x: tensor_core::Result<Tensor<i64>>, y: Naive| Some((x.unwrap(), y));
    if n == 0 && !matches!(op, 6 | 7 | 9 | 13 | 14) {
        return None;
    }
    match op {
        0 => {
            let ((i, d), (j, e)) = (dim(a, n), dim(b, n));
            let mut order: Vec<usize> = (0..n).collect();
            order.swap(d, e);
            both(x.transpose(i, j), y.permute(&order))
        }
        1 => {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by_key(|&d| (a >> (4 * d)) & 15);
            both(x.permute(&order), y.permute(&order))
        }
        2 => {
            let (i, d) = dim(a, n);
            let size = y.shape[d] as isize;
            let bound = |raw: u32| raw as isize % (2 * size + 5) - size - 2;
            let (start, end) = (bound(b), bound(c));
            let step = [1, 2, 3, -1, -2, -3, isize::MAX, isize::MIN][b as usize % 8];
            let wrap = |i: isize| if i < 0 { i + size } else { i }.clamp(0, size) as usize;
            let mut indices: Vec<usize> = (wrap(start)..wrap(end)).collect();
            if step < 0 {
                indices.reverse();
            }
            let indices = indices.into_iter().step_by(step.unsigned_abs()).collect();
            both(x.slice(i, start..end, step), y.keep(d, indices))
        }
        3 => {
            let (i, d) = dim(a, n);
            let size = y.shape[d];
            let start = b as usize % (size + 1);
            let len = c as usize % (size - start + 1);
            let named = if start < size && b & 0x1_0000 != 0 {
                start as isize - size as isize
            } else {
                start as isize
            };
            let indices = (start..start + len).collect();
            both(x.narrow(i, named, len), y.keep(d, indices))
        }
        4 => {
            let (i, d) = dim(a, n);
            let size = y.shape[d];
            if size == 0 {
                return None;
            }
            let (named, at) = dim(b, size);
            let mut shape = y.shape.clone();
            shape.remove(d);
            let picked = y.pick(shape, |mut index| {
                index.insert(d, at);
                index
            });
            both(x.select(i, named), picked)
        }
        5 => {
            let (i, d) = dim(a, n);
            let indices = (0..y.shape[d]).rev().collect();
            both(x.flip([i]), y.keep(d, indices))
        }
        6 => {
            // Sizes of 1 grow, and perhaps a dimension comes in front.
            let grown: Vec<usize> = y
                .shape
                .iter()
                .enumerate()
                .map(|(d, &size)| match size {
                    1 => (a >> (2 * d)) as usize & 3,
                    size => size,
                })
                .collect();
            let front = (b & 1 == 1 && n < 5).then_some(c as usize % 4);
            let shape: Vec<usize> = front.into_iter().chain(grown).collect();
            let extra = shape.len() - n;
            let wide = y.pick(shape.clone(), |index| {
                index[extra..]
                    .iter()
                    .zip(&y.shape)
                    .map(|(&i, &size)| if size == 1 { 0 } else { i })
                    .collect()
            });
            let asked: Vec<i64> = (shape.iter().enumerate())
                .map(|(d, &size)| {
                    let same = d >= extra && y.shape[d - extra] == size;
                    if same && b & 2 == 2 { -1 } else { size as i64 }
                })
                .collect();
            both(x.expand(asked), wide)
        }
        7 if n < 6 => {
            let (i, d) = dim(a, n + 1);
            let mut shape = y.shape.clone();
            shape.insert(d, 1);
            both(x.unsqueeze(i), y.with_shape(shape))
        }
        8 => {
            let (i, d) = dim(a, n);
            let mut shape = y.shape.clone();
            if shape[d] == 1 {
                shape.remove(d);
            }
            both(x.squeeze(i), y.with_shape(shape))
        }
        9 => {
            // Prime factors of the number of elements are dealt out to a few dimensions.
            let mut rest = y.data.len();
            let mut shape = vec![1; 1 + a as usize % 4];
            let (mut place, mut factor) = (b as usize, 2);
            while rest > 1 {
                if rest.is_multiple_of(factor) {
                    rest /= factor;
                    let at = place % shape.len();
                    shape[at] *= factor;
                    place = place / 3 + c as usize % 7;
                } else {
                    factor += 1;
                }
            }
            if rest == 0 {
                shape[0] = 0;
            }
            let mut asked: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            if rest == 1 {
                asked[c as usize % shape.len()] = -1;
            }
            if let Ok(view) = x.view(&asked) {
                assert!(view.shares_buffer(x) || x.buffer().len() == 1);
                assert_eq!(view.to_vec(), y.data);
            }
            both(x.reshape(&asked), y.with_shape(shape))
        }
        10 if n >= 2 => {
            let (rows, columns) = (y.shape[0] as isize, y.shape[1] as isize);
            let offset = a as isize % (rows + columns + 3) - rows - 1;
            let (down, right) = ((-offset).max(0) as usize, offset.max(0) as usize);
            let len = (rows - down as isize).min(columns - right as isize).max(0) as usize;
            let mut shape = y.shape[2..].to_vec();
            shape.push(len);
            let picked = y.pick(shape, |mut index| {
                let i = index.pop().unwrap_or(0);
                [vec![i + down, i + right], index].concat()
            });
            both(x.diagonal(offset, 0, 1), picked)
        }
        11 => {
            let ((i, d), (j, e)) = (dim(a, n), dim(b, n));
            let mut order: Vec<usize> = (0..n).collect();
            let moved = order.remove(d);
            order.insert(e, moved);
            both(x.movedim(i, j), y.permute(&order))
        }
        12 => {
            let (d, e) = (a as usize % n, b as usize % n);
            let (d, e) = (d.min(e), d.max(e));
            let mut shape = y.shape[..d].to_vec();
            shape.push(y.shape[d..=e].iter().product());
            shape.extend(&y.shape[e + 1..]);
            both(x.flatten(d as isize, e as isize), y.with_shape(shape))
        }
        13 => {
            let shape = y.shape.iter().copied().filter(|&n| n != 1).collect();
            both(Ok(x.squeeze_all()), y.with_shape(shape))
        }
        14 => {
            let mut order: Vec<usize> = (0..n).collect();
            if n >= 2 {
                order.swap(n - 2, n - 1);
            }
            both(Ok(x.t()), y.permute(&order))
        }
        _ => None,
    }
}

/// All ways of reading `x` give `y`, and none reaches outside the buffer.
fn check(x: &Tensor<i64>, y: &Naive) {
    assert_eq!(x.shape(), y.shape);
    assert_eq!(x.strides().len(), y.shape.len());
    assert_eq!((x.numel(), x.to_vec()), (y.data.len(), y.data.clone()));
    let copy = x.contiguous();
    assert!(copy.is_contiguous());
    assert_eq!(copy.as_slice(), Some(&y.data[..]));
    assert_eq!(copy, *x);
    assert_eq!(
        x.as_slice().is_some(),
        x.is_contiguous(),
        "a slice there is just where the elements are one run"
    );
    if let Some(slice) = x.as_slice() {
        assert_eq!(slice, y.data);
    }
    for (i, &value) in y.data.iter().enumerate() {
        let index = unravel(i, &y.shape);
        assert_eq!((x.get(&index).unwrap(), x[&index]), (value, value));
        let from_end: Vec<i64> = (index.iter().zip(&y.shape))
            .map(|(&i, &n)| i as i64 - n as i64)
            .collect();
        assert_eq!(x.get(from_end).unwrap(), value);
    }
    if let Some(&last) = y.data.last() {
        let (at, value) = x.find(|v| v == last).unwrap();
        let first = y.data.iter().position(|&v| v == last).unwrap();
        assert_eq!((at, value), (unravel(first, &y.shape), last));
    }
    // As operands, they are read by blocks.
    let twice: Vec<i64> = y.data.iter().map(|v| 2 * v).collect();
    assert_eq!((x + x).to_vec(), twice);
    assert_eq!((x * 2).to_vec(), twice);
}

/// A write to `x` is seen in it, and by no other tensor.
fn check_write(x: &Tensor<i64>, y: &Naive, raw: u32) {
    if y.data.is_empty() {
        return;
    }
    let (at, mut written, before) = (raw as usize % y.data.len(), x.clone(), x.to_vec());
    written.set(unravel(at, &y.shape), -7).unwrap();
    let mut expected = before.clone();
    expected[at] = -7;
    assert_eq!(written.to_vec(), expected);
    assert_eq!(x.to_vec(), before);
    let mut all = x.clone();
    all.as_mut_slice().fill(3);
    assert_eq!(all.to_vec(), vec![3; y.data.len()]);
    assert_eq!(x.to_vec(), before);
}

fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        8 => prop::collection::vec(1usize..6, 0..5),
        2 => prop::collection::vec(0usize..4, 1..4),
        1 => Just(vec![3, 70]),
    ]
}

fn raw() -> impl Strategy<Value = Raw> {
    (0..OPERATIONS, any::<u32>(), any::<u32>(), any::<u32>())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn views_of_views_show_what_copies_hold(
        shape in shapes(),
        steps in prop::collection::vec(raw(), 1..8),
    ) {
        let n: usize = shape.iter().product();
        let data: Vec<i64> = (0..n as i64).collect();
        let mut x = Tensor::from_vec(data.clone(), &shape).unwrap();
        let mut y = Naive { shape, data };
        check(&x, &y);
        for raw in steps {
            if let Some(next) = step(&x, &y, raw) && next.1.data.len() <= 2000 {
                (x, y) = next;
                check(&x, &y);
            }
        }
        check_write(&x, &y, y.data.len() as u32 / 2);
    }
}

#[test]
fn every_view_but_a_copying_reshape_shares_the_buffer() {
    let x = Tensor::arange(0, 24, 1)
        .unwrap()
        .reshape([2, 3, 4])
        .unwrap();
    let views = [
        x.transpose(0, 2),
        x.permute([2, 0, 1]),
        x.slice(1, .., -2),
        x.narrow(2, 1, 2),
        x.select(0, -1),
        x.flip([0, 2]),
        x.expand([5, 2, 3, 4]),
        x.unsqueeze(1),
        x.squeeze(0),
        x.diagonal(1, 0, 1),
        x.movedim(0, -1),
        x.flatten(0, -1),
        x.view([6, 4]),
    ];
    for view in views {
        assert!(view.unwrap().shares_buffer(&x));
    }
    assert!(!x.t().reshape([24]).unwrap().shares_buffer(&x));
}

#[test]
fn ranges_are_cut_and_counted_as_in_python() {
    let x = Tensor::arange(0, 6, 1).unwrap();
    let all = x.to_vec();
    assert_eq!(x.slice(0, ..=-1, 1).unwrap().to_vec(), all);
    assert_eq!(x.slice(0, ..=isize::MAX, 1).unwrap().to_vec(), all);
    assert_eq!(x.slice(0, isize::MIN.., 1).unwrap().to_vec(), all);
    assert_eq!(x.slice(0, 1..=3, 1).unwrap().to_vec(), [1, 2, 3]);
    assert_eq!(x.slice(0, 1..4, -1).unwrap().to_vec(), [3, 2, 1]);
    // A range that ends before it begins is empty, as in Python.
    let backwards = std::ops::Range { start: 4, end: 1 };
    assert_eq!(x.slice(0, backwards, 1).unwrap().shape(), [0]);
    let after_two = (std::ops::Bound::Excluded(2), std::ops::Bound::Unbounded);
    assert_eq!(x.slice(0, after_two, 2).unwrap().to_vec(), [3, 5]);
}

#[test]
fn a_stride_of_one_element_does_not_overflow() {
    let x = Tensor::arange(0, 16, 1).unwrap().reshape([4, 4]).unwrap();
    let one = x
        .slice(0, 1.., isize::MAX)
        .and_then(|x| x.slice(1, .., isize::MIN))
        .unwrap();
    assert_eq!(one.to_vec(), [7]);
    for view in [one.diagonal(0, 0, 1), one.unsqueeze(0), one.flatten(0, 1)] {
        assert_eq!(view.unwrap().to_vec(), [7]);
    }
    for offset in [isize::MIN, isize::MAX, 4, -4] {
        assert_eq!(x.diagonal(offset, 0, 1).unwrap().shape(), [0]);
    }
}
