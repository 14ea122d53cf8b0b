//! The operations that `layouts_table.rs` does not hold against plain loops: each gives for every layout of its operands
//! what it gives for contiguous copies of them, and the copies are held against PyTorch by `autograd`'s fixtures.

use crate::common::{layouts, special, values};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use tensor_core::{
    Border, DType, Element, Ellipsis, Float, Interpolation, NewAxis, Result, Tensor, i, keepdim,
};

/// Bits of any element, so that NaN compares, and zeros of both signs are told apart.
fn bits<T: Element>(x: &Tensor<T>) -> Vec<u64> {
    let word = |v: T| match T::DTYPE {
        DType::I64 => v.to_i64() as u64,
        _ if v.is_nan_() => u64::MAX,
        _ => v.to_f64().to_bits(),
    };
    x.to_vec().into_iter().map(word).collect()
}

/// What a call gives, in a form that compares: shapes and bits of all its results, or its message.
type Seen = std::result::Result<Vec<(Vec<usize>, Vec<u64>)>, String>;

/// The results of a call, whatever their number and types.
trait Results {
    fn seen(self) -> Seen;
}
impl<T: Element> Results for Tensor<T> {
    fn seen(self) -> Seen {
        Ok(vec![(self.shape().to_vec(), bits(&self))])
    }
}
impl<T: Element> Results for Result<Tensor<T>> {
    fn seen(self) -> Seen {
        self.map_err(|e| e.to_string())?.seen()
    }
}
impl<T: Element> Results for Result<Vec<Tensor<T>>> {
    fn seen(self) -> Seen {
        let list = self.map_err(|e| e.to_string())?;
        let parts = list.into_iter().map(Results::seen);
        Ok(parts.collect::<std::result::Result<Vec<_>, _>>()?.concat())
    }
}
impl<T: Element, U: Element> Results for Result<(Tensor<T>, Tensor<U>)> {
    fn seen(self) -> Seen {
        let (a, b) = self.map_err(|e| e.to_string())?;
        Ok([a.seen()?, b.seen()?].concat())
    }
}
impl<T: Element> Results for Result<tensor_core::Unique<T>> {
    fn seen(self) -> Seen {
        let u = self.map_err(|e| e.to_string())?;
        Ok([u.values.seen()?, u.inverse.seen()?, u.counts.seen()?].concat())
    }
}

type OneOperand<T> = Box<dyn Fn(&Tensor<T>) -> Seen>;

/// A call of one operand, by name.
struct Call<T: Element>(&'static str, OneOperand<T>);

/// A call of two operands, by name.
type Pair<T> = (&'static str, fn(&Tensor<T>, &Tensor<T>) -> Seen);

fn call<T: Element, R: Results>(
    name: &'static str,
    f: impl Fn(&Tensor<T>) -> R + 'static,
) -> Call<T> {
    Call(name, Box::new(move |x| f(x).seen()))
}

/// Names of methods of one operand and their further arguments.
macro_rules! calls {
    ($($name:ident($($arg:expr),*);)*) => {
        vec![$(call(stringify!($name), |x: &Tensor<_>| x.$name($($arg),*))),*]
    };
}

/// Operations that only move elements, on any type and any shape; what a shape does not allow is an error, and then the
/// same one.
fn moves<T: Element>() -> Vec<Call<T>> {
    let mut all: Vec<Call<T>> = calls! {
        reshape([-1]); flatten(0, -1); squeeze(0); squeeze_all(); unsqueeze(0); unsqueeze(-1); t(); transpose(0, -1);
        swapdims(-1, 0); movedim(0, -1); movedim([0, 1], [1, 0]); permute([1, 0]); permute([2, 0, 1]); flip([0]); flip([0, 1]);
        roll([2, -1], [0, -1]); repeat([2, 1, 1]); tile([2]); repeat_interleave(2, 0); unflatten(0, [1, -1]);
        diagonal(0, 0, 1); diagonal(-1, -1, 0); diag_embed(1, 0, 1); diag(0); tril(0); triu(1); unbind(0); split(2, 0);
        split(3, -1); chunk(2, 0); split_sizes(&[1, 2], 0); unfold(0, 2, 1); unfold(-1, 3, 2); narrow(0, 1, 1); select(-1, -1);
        slice(0, 1.., -2); expand([2, -1, -1]); broadcast_to([2, 3, 5]); nonzero(); count_nonzero(0);
        pad_with([1, 1], Border::Reflect); pad_with([2, 1, 1, 0], Border::Replicate); pad_with([-1, 1], Border::Circular);
        masked_select(&Tensor::from([true])); logical_not(); contiguous();
        index(i![.., ..; -2]); index(i![Ellipsis, NewAxis, 0]); index(i![Tensor::from([0, -1, 0])]);
        index(i![.., Tensor::from([[0], [1]])]); rot90(1, [0, 1]); rot90(3, [0, -1]);
        index_fill(0, &Tensor::from([0, -1]), T::ZERO);
    };
    all.push(call("meshgrid", |x| {
        let x = x.flatten(0, -1)?;
        Tensor::meshgrid(&[&x, &x])
    }));
    all.push(call("pad", |x| x.pad([1, 0, -1, 2], T::ONE)));
    all.push(call("where", |x| x.logical_not().where_(T::ONE, x)));
    all.push(call("slice_assign", |x| {
        x.slice_assign(i![..; 2], Tensor::scalar(T::ONE))
    }));
    all.push(call("assign", |x| {
        let mut y = x.clone();
        y.assign(i![-1], Tensor::scalar(T::ONE)).map(|()| y)
    }));
    all.push(call("cat", |x| Tensor::cat(&[x, x], -1)));
    all.push(call("stack", |x| Tensor::stack(&[x, x], -1)));
    all.push(call("unique bools", |x| {
        x.ne(T::ZERO)?.cast::<i64>().unique()
    }));
    all
}

fn numbers<T: Float>() -> Vec<Call<T>> {
    let axes = || [0, -1];
    let mut all: Vec<Call<T>> = calls! {
        cummax(0); cummin(-1); cumprod(0); cumsum(-1); logcumsumexp(0); sort(0, false); sort(-1, true); argsort(-1, true);
        topk(1, 0, true); topk(2, -1, false); kthvalue(1, 0); median_dim(-1); median(); mode(0); unique();
        unique_consecutive(); unique_dim(0); unique_dim(-1); leaky_relu(T::of(0.1)); elu(T::ONE); gelu(); gelu_tanh();
        silu(); mish(); softplus_with(T::ONE, T::of(2.0)); nan_to_num(T::ZERO, T::ONE, T::of(-1.0)); round_to(1);
        round_to(-1); fmod(0.7); remainder(-0.7); div_floor(0.7); div_trunc(0.7); pow(2.5);
        diff(1, 0); diff(2, -1); trace(); glu(-1); softmin(0);
        histc(5, T::of(-2.0), T::of(2.0)); kron(&Tensor::from([T::ONE, T::of(2.0)]));
    };
    all.push(call("quantile", |x| {
        x.quantile(0.3, 0, Interpolation::Linear)
    }));
    all.push(call("quantile", move |x| {
        x.quantile(0.3, axes(), Interpolation::Nearest)
    }));
    for p in [0.0, 0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
        all.push(call("norm", move |x| x.norm(p, keepdim(0))));
        all.push(call("norm", move |x| x.norm(p, ..)));
    }
    all
}

/// Operations with a second operand of the same shape, which comes in every layout too.
fn pairs<T: Float>() -> Vec<Pair<T>> {
    vec![
        ("lerp", |a, b| a.lerp(b, 0.3).seen()),
        ("lerp by a tensor", |a, b| a.lerp(1.5, b).seen()),
        ("addcmul", |a, b| a.addcmul(b, a, T::of(0.5)).seen()),
        ("addcdiv", |a, b| a.addcdiv(a, b, T::of(0.5)).seen()),
        ("clamp_with", |a, b| {
            a.clamp_with(b, &Tensor::scalar(T::ONE)).seen()
        }),
        ("fmod", |a, b| a.fmod(b).seen()),
        ("remainder", |a, b| a.remainder(b).seen()),
        ("div_floor", |a, b| a.div_floor(b).seen()),
        ("div_trunc", |a, b| a.div_trunc(b).seen()),
        ("logaddexp2", |a, b| a.logaddexp2(b).seen()),
        ("fmax", |a, b| a.fmax(b).seen()),
        ("fmin", |a, b| a.fmin(b).seen()),
        ("copysign", |a, b| a.copysign(b).seen()),
        ("prelu", |a, b| {
            let weight = b.flatten(0, -1).and_then(|b| b.narrow(0, 0, 1));
            weight.and_then(|w| a.prelu(&w)).seen()
        }),
        ("index_copy", |a, b| {
            let last = a.size(0).unwrap_or(1) as i64 - 1;
            let first = b.narrow(0, 0, 1);
            first
                .and_then(|b| a.index_copy(0, &Tensor::from([last]), &b))
                .seen()
        }),
        ("isclose", |a, b| a.isclose(b, 0.1, 0.1).seen()),
        ("inner", |a, b| a.inner(b).map(|y| y.isnan()).seen()),
        ("index_put", |a, b| a.index_put(i![..], b, true).seen()),
        ("slice_assign", |a, b| a.slice_assign(i![..; -1], b).seen()),
        ("searchsorted", |a, b| {
            let sorted = a.flatten(0, -1).and_then(|a| a.sort(0, false));
            sorted.and_then(|(s, _)| s.searchsorted(b, true)).seen()
        }),
    ]
}

/// Products and systems, whose operands are finite; what they round depends on nothing but the values.
fn products<T: Float>() -> Vec<Pair<T>> {
    vec![
        ("einsum", |a, b| Tensor::einsum("ij,ij->i", &[a, b]).seen()),
        ("einsum", |a, b| Tensor::einsum("ij,kj->ki", &[a, b]).seen()),
        ("einsum", |a, b| Tensor::einsum("ij,ik->jk", &[a, b]).seen()),
        ("tensordot", |a, b| a.tensordot(b, [0], [0]).seen()),
        ("inner", |a, b| a.inner(b).seen()),
        ("kron", |a, b| a.kron(b).seen()),
        ("addmm", |a, b| {
            a.addmm(a, &b.t(), T::ONE, T::of(0.5)).seen()
        }),
        ("mm", |a, b| a.mm(&b.t()).seen()),
    ]
}

/// Of square matrices.
fn squares<T: Float>() -> Vec<Call<T>> {
    let mut all: Vec<Call<T>> =
        calls! { det(); slogdet(); inverse(); adjugate(); matrix_power(3); matrix_power(-2); };
    all.push(call("cholesky", |x| {
        let eye = Tensor::eye(x.size(-1)?, x.size(-1)?)?;
        x.matmul(&x.t())?.add(&eye)?.cholesky()
    }));
    all.push(call("solve", |x| x.solve(&x.t())));
    all.push(call("solve_triangular", |x| {
        x.solve_triangular(&x.t(), true, false)
    }));
    all.push(call("solve a vector", |x| x.solve(&x.select(-1, 0)?)));
    all
}

const SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[0],
    &[9],
    &[3, 5],
    &[0, 3],
    &[3, 0],
    &[1, 1, 1],
    &[3, 3, 3],
    &[2, 70],
];

fn check_calls<T: Element>(
    calls: &[Call<T>],
    shapes: &[&[usize]],
    data: impl Fn(usize, u64) -> Vec<T> + Copy,
) {
    for shape in shapes {
        for (layout, x) in layouts(shape, data) {
            let copy = x.contiguous();
            for Call(name, f) in calls {
                assert_eq!(f(&x), f(&copy), "{name} of {layout}");
            }
        }
    }
}

#[test]
fn operations_that_move_elements() {
    check_calls(&moves::<f32>(), SHAPES, special::<f32>);
    let whole = |n, seed| values::<f64>(n, seed).iter().map(|v| *v as i64).collect();
    check_calls(&moves::<i64>(), SHAPES, whole);
    let truth = |n, seed| values::<f64>(n, seed).iter().map(|v| *v > 0.0).collect();
    check_calls(&moves::<bool>(), SHAPES, truth);
}

#[test]
fn operations_on_numbers() {
    check_calls(&numbers::<f32>(), SHAPES, special::<f32>);
    check_calls(&numbers::<f64>(), SHAPES, values::<f64>);
}

#[test]
fn operations_on_whole_numbers() {
    let whole =
        |n, seed| -> Vec<i64> { values::<f64>(n, seed).iter().map(|v| *v as i64).collect() };
    let mut calls: Vec<Call<i64>> = calls! {
        median(); median_dim(0); sort(-1, true); cumsum(0); unique(); unique_dim(0); mode(-1); pow(3); fmod(2);
        remainder(-2); div_floor(2); div_trunc(-2); max_dim(0); kron(&Tensor::from([1, 2]));
    };
    calls.push(call("bincount", |x: &Tensor<i64>| {
        x.abs().flatten(0, -1)?.bincount(2)
    }));
    calls.push(call("bincount_weighted", |x: &Tensor<i64>| {
        x.abs().bincount_weighted(&x.cast::<f64>(), 0)
    }));
    calls.push(call("one_hot", |x: &Tensor<i64>| {
        x.abs().one_hot::<f32>(None)
    }));
    calls.push(call("pow", |x: &Tensor<i64>| x.pow(x)));
    check_calls(&calls, SHAPES, whole);
}

#[test]
fn operations_on_two_operands() {
    for shape in SHAPES {
        for (left, a) in layouts(shape, special::<f32>) {
            for (right, b) in layouts(shape, |n, seed| special::<f32>(n, seed + 90)) {
                let (ca, cb) = (a.contiguous(), b.contiguous());
                for (name, f) in pairs::<f32>() {
                    assert_eq!(f(&a, &b), f(&ca, &cb), "{name} of {left} and {right}");
                }
            }
        }
    }
}

#[test]
fn products_of_two_operands() {
    // Small enough that the order of adding up does not depend on how operands lie.
    for shape in [&[2, 3][..], &[1, 4], &[0, 3], &[3, 0]] {
        for (left, a) in layouts(shape, values::<f64>) {
            for (right, b) in layouts(shape, |n, seed| values::<f64>(n, seed + 90)) {
                let (ca, cb) = (a.contiguous(), b.contiguous());
                for (name, f) in products::<f64>() {
                    let (got, want) = (f(&a, &b), f(&ca, &cb));
                    assert_eq!(got, want, "{name} of {left} and {right}");
                }
            }
        }
    }
}

#[test]
fn square_matrices() {
    let shapes: [&[usize]; 5] = [&[1, 1], &[3, 3], &[2, 4, 4], &[0, 2, 2], &[2, 3]];
    check_calls(&squares::<f64>(), &shapes, values::<f64>);
    check_calls(&squares::<f32>(), &shapes, values::<f32>);
}

#[test]
fn draws_by_weight() {
    let weights = |n, seed| -> Vec<f64> {
        values::<f64>(n, seed)
            .iter()
            .map(|v| v.abs() + 0.1)
            .collect()
    };
    let mut calls: Vec<Call<f64>> = Vec::new();
    for replacement in [false, true] {
        calls.push(call("multinomial", move |x: &Tensor<f64>| {
            x.multinomial(2, replacement, &mut ChaCha8Rng::seed_from_u64(1))
        }));
    }
    check_calls(&calls, &[&[9], &[3, 5], &[0, 3], &[3, 3, 3]], weights);
}

#[test]
fn a_nan_is_found_in_every_place() {
    for n in 1..=70 {
        let clean: Vec<f32> = values(n, n as u64);
        for at in 0..n {
            let mut row = clean.clone();
            row[at] = f32::NAN;
            let x = Tensor::from(row);
            let nan = |y: Result<Tensor<f32>>| y.unwrap().to_vec().iter().all(|v| v.is_nan());
            for p in [0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(nan(x.norm(p, ..)), "norm {p} of {n} at {at}");
            }
            assert!(
                nan(x.median()) && nan(x.prod(..)) && nan(x.var(.., 0)),
                "{n} at {at}"
            );
            assert!(
                nan(x.quantile(0.0, .., Interpolation::Linear)),
                "{n} at {at}"
            );
            let (median, place) = x.median_dim(0).unwrap();
            assert!(median[()].is_nan() && place[()] == at as i64, "{n} at {at}");
            // NaN counts as the largest of all.
            let (top, place) = x.topk(1, 0, true).unwrap();
            assert!(top[0].is_nan() && place[0] == at as i64, "{n} at {at}");
            assert_eq!(x.argsort(0, false).unwrap()[-1], at as i64);
            let runs = [x.cummax(0).unwrap().0, x.cummin(0).unwrap().0];
            let sums = [x.cumsum(0), x.cumprod(0), x.logcumsumexp(0)].map(Result::unwrap);
            for run in runs.iter().chain(&sums) {
                let found: Vec<bool> = run.to_vec().iter().map(|v| v.is_nan()).collect();
                assert!((0..n).all(|i| found[i] == (i >= at)), "{n} at {at}");
            }
            assert!(!x.nansum(..).unwrap()[()].is_nan());
        }
    }
}

#[test]
fn extremes_see_a_nan_wherever_it_stands_in_a_row() {
    for n in [1, 15, 16, 31, 32, 63, 64, 65, 127, 128, 129, 200] {
        let clean: Vec<f32> = values(n, n as u64);
        let x = Tensor::from(clean.clone());
        let most = clean.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = clean.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(
            (x.max(0).unwrap()[()], x.min(0).unwrap()[()]),
            (most, least)
        );
        assert_eq!(clean[x.argmax(0).unwrap()[()] as usize], most);
        for at in 0..n {
            let mut row = clean.clone();
            row[at] = f32::NAN;
            let x = Tensor::from(row);
            assert!(x.max(0).unwrap()[()].is_nan() && x.min(0).unwrap()[()].is_nan());
            assert_eq!(x.argmin(0).unwrap()[()], at as i64, "{n}");
        }
    }
}

/// Against a sort that keeps the order of equal elements: few and many of few and many, with ties and NaN among them.
#[test]
fn the_first_of_an_order_are_those_of_a_stable_sort() {
    for n in [1usize, 5, 16, 17, 40, 300] {
        let rows: Vec<f32> = (0..3 * n)
            .map(|i| match i * 7919 % 23 {
                22 => f32::NAN,
                v => (v / 2) as f32,
            })
            .collect();
        let x = Tensor::from_slice(&rows, [3, n]).unwrap();
        for (x, dim) in [(x.clone(), 1), (x.t(), 0)] {
            for largest in [false, true] {
                let order = x.argsort(dim, largest).unwrap();
                for k in [0, 1, 2, 15, 16, 17, 39, n] {
                    if k <= n {
                        let (_, index) = x.topk(k, dim, largest).unwrap();
                        assert_eq!(index, order.narrow(dim, 0, k).unwrap(), "{k} of {n}");
                    }
                }
            }
            let order = x.argsort(dim, false).unwrap();
            for k in [1, n / 2 + 1, n] {
                let (_, index) = x.kthvalue(k, dim).unwrap();
                assert_eq!(
                    index,
                    order.select(dim, k as isize - 1).unwrap(),
                    "{k} of {n}"
                );
            }
        }
    }
}

/// Short rows are taken side by side; what is not finite in one changes no other.
#[test]
fn short_rows_of_softmax_do_not_see_each_other() {
    for len in [1usize, 2, 10, 16, 17, 31, 32, 33, 100, 512, 513] {
        for n in [1usize, 15, 16, 17, 40] {
            let clean = Tensor::from_slice(&values::<f32>(n * len, 3), [n, len]).unwrap();
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                // A whole row of it, or one element.
                for width in [len, 1] {
                    let mut mixed = clean.clone();
                    let at = (len - width) / 2;
                    let part = Tensor::full([width], bad).unwrap();
                    mixed.assign(i![n / 2, at..at + width], part).unwrap();
                    check_softmax(&mixed, &format!("beside {width} times {bad}"));
                }
            }
        }
    }
}

/// Classes that stand, as those of pixels do, beside the same as rows: to the bit, unless something strange stands among them.
#[test]
fn classes_of_pixels() {
    fn check<T: Float>(classes: usize) {
        let (h, w) = (9, 7);
        let clean = values::<T>(3 * classes * h * w, 4);
        // Planes of a longer tensor, from the last to the first.
        let all = Tensor::from_slice(&clean, [3, classes, h, w]).unwrap();
        let back = all.narrow(0, 1, 2).unwrap().flip([0]).unwrap();
        for x in [
            all.clone(),
            back,
            all.flip([1]).unwrap(),
            all.flip([3]).unwrap(),
            all.narrow(3, 1, 4).unwrap(),
            all.narrow(1, 0, 1)
                .unwrap()
                .expand([3i64, 5, 9, 7])
                .unwrap(),
            all.select(0, 2).unwrap().unsqueeze(0).unwrap(),
        ] {
            let rows = x.permute([0, 2, 3, 1]).unwrap().contiguous();
            type Op<T> = fn(&Tensor<T>, isize) -> Result<Tensor<T>>;
            let ops: [(&str, Op<T>); 5] = [
                ("softmax", |x, d| x.softmax(d)),
                ("log_softmax", |x, d| x.log_softmax(d)),
                ("logsumexp", |x, d| x.logsumexp(keepdim(d))),
                ("max_dim", |x, d| x.max_dim(d)?.0.unsqueeze(d)),
                ("min_dim", |x, d| x.min_dim(d)?.0.unsqueeze(d)),
            ];
            for (name, op) in ops {
                let (stood, lain) = (op(&x, 1).unwrap(), op(&rows, 3).unwrap());
                let lain = lain.permute([0, 3, 1, 2]).unwrap();
                assert_eq!(bits(&stood), bits(&lain), "{name} of {classes} classes");
            }
        }
    }
    // Without pictures, classes or pixels.
    for shape in [[0, 3, 20], [2, 0, 20], [2, 3, 0]] {
        let x = Tensor::<f32>::zeros(shape).unwrap();
        for y in [x.softmax(1).unwrap(), x.log_softmax(1).unwrap()] {
            assert_eq!(y.shape(), shape);
        }
        let y = x.logsumexp(1).unwrap();
        assert_eq!(y.shape(), [shape[0], shape[2]]);
        assert!(y.to_vec().iter().all(|&v| v == f32::NEG_INFINITY));
        let empty = shape[1] == 0;
        assert!(
            x.argmax(1)
                .map_or(empty, |y| y.shape() == [shape[0], shape[2]])
        );
    }
    for classes in [1, 2, 10, 16, 17, 21, 24, 25, 33] {
        check::<f32>(classes);
        check::<f64>(classes);
        let strange = special::<f32>(2 * classes * 83, 6);
        let x = Tensor::from_slice(&strange, [2, classes, 83]).unwrap();
        let rows = x.permute([0, 2, 1]).unwrap().contiguous();
        let ties = x.mul(2.0).unwrap().round();
        let lain = ties.permute([0, 2, 1]).unwrap().contiguous();
        for (a, b) in [(&x, &rows), (&ties, &lain)] {
            assert_eq!(bits(&a.argmax(1).unwrap()), bits(&b.argmax(2).unwrap()));
            assert_eq!(bits(&a.argmin(1).unwrap()), bits(&b.argmin(2).unwrap()));
        }
        let near = |a: &Tensor<f32>, b: &Tensor<f32>| {
            let same = |(a, b): (f32, f32)| {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * (1.0 + b.abs())
            };
            a.to_vec().into_iter().zip(b.to_vec()).all(same)
        };
        let moved = |x: Tensor<f32>| x.permute([0, 2, 1]).unwrap();
        assert!(near(
            &x.softmax(1).unwrap(),
            &moved(rows.softmax(2).unwrap())
        ));
        assert!(near(
            &x.log_softmax(1).unwrap(),
            &moved(rows.log_softmax(2).unwrap())
        ));
        assert!(near(&x.logsumexp(1).unwrap(), &rows.logsumexp(2).unwrap()));
    }
}

/// What is beside the largest element of a row keeps its digits, however little it is, and whichever way the row goes.
#[test]
fn sums_of_exponentials_keep_what_is_beside_the_largest() {
    use tensor_core::kernel::softmax::LogSum;
    use tensor_core::kernel::{Isa, Kernel, dispatch};
    struct Sum<'a, T>(&'a [T], &'a mut [T]);
    impl<T: Float> Kernel for Sum<'_, T> {
        type Out = [LogSum<T>; 2];
        #[inline(always)]
        fn run<I: Isa>(self) -> Self::Out {
            [
                LogSum::of::<I>(self.0),
                LogSum::of_into::<I>(self.0, self.1),
            ]
        }
    }
    fn check<T: Float>(bound: f64) {
        for len in (2..70).chain([100, 127, 128, 511, 512, 513, 600, 1000, 1025]) {
            for gap in [0.0, 0.5, 3.0, 10.0, 16.0, 40.0, 80.0] {
                for at in [0, len / 2, len - 1] {
                    // In steps that make all differences exact.
                    let mut x = values::<T>(len, 5);
                    for v in &mut x {
                        *v = T::of((v.f64() * 1024.0).round() / 1024.0);
                    }
                    let most = x.iter().map(|v| v.f64()).fold(0.0, f64::max);
                    x[at] = T::of(most + gap);
                    // Twice the largest, too.
                    if gap == 3.0 {
                        x[(at + 1) % len] = x[at];
                    }
                    let most = x.iter().map(|v| v.f64()).fold(f64::NEG_INFINITY, f64::max);
                    let top = x.iter().position(|v| v.f64() == most).unwrap();
                    let beside = x.iter().enumerate().filter(|(i, _)| *i != top);
                    let want: f64 = beside.map(|(_, v)| (v.f64() - most).exp()).sum();
                    let mut out = vec![T::ZERO; len];
                    for sum in dispatch(Sum(&x, &mut out)) {
                        let off = (sum.rest - want).abs() / want;
                        assert!(
                            off <= bound,
                            "{len} elements, {gap} above at {at}: {off:e} off"
                        );
                        assert_eq!(sum.max.f64(), most);
                    }
                    for (e, v) in out.iter().zip(&x) {
                        let want = (v.f64() - most).exp();
                        assert!(
                            (e.f64() - want).abs() <= bound * want,
                            "{len} elements: {e} for {v}"
                        );
                    }
                }
            }
        }
    }
    check::<f32>(3e-7);
    check::<f64>(1e-14);
}

/// Softmax, its logarithm and that of the sum against their definitions, row by row.
fn check_softmax(x: &Tensor<f32>, what: &str) {
    let [softmax, log_softmax] = [x.softmax(1).unwrap(), x.log_softmax(1).unwrap()];
    let logsumexp = x.logsumexp(1).unwrap();
    for (i, row) in x.unbind(0).unwrap().iter().enumerate() {
        let row: Vec<f64> = row.to_vec().iter().map(|&v| v.into()).collect();
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let nan = row.iter().any(|v| v.is_nan());
        let lse = match most.is_finite() {
            true => most + row.iter().map(|v| (v - most).exp()).sum::<f64>().ln(),
            false if nan => f64::NAN,
            false => most,
        };
        let same = |a: f32, b: f64| {
            let a = f64::from(a);
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-6 * (1.0 + b.abs())
        };
        let what = format!("row {i} of {:?} {what}", x.shape());
        assert!(same(logsumexp[i], lse), "logsumexp, {what}");
        for (j, v) in row.iter().enumerate() {
            // Of an infinite sum nothing is a share, as in PyTorch.
            let share = if lse.is_finite() { v - lse } else { f64::NAN };
            assert!(same(log_softmax[[i, j]], share), "log_softmax, {what}");
            assert!(same(softmax[[i, j]], share.exp()), "softmax, {what}");
        }
    }
}
