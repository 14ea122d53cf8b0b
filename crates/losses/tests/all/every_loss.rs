//! Laws that hold of every loss, whatever its formula: what reductions have to do with each other, which changes of the
//! input change nothing, weights that are repetitions, and samples that are left out.

use crate::common::{Draw, Entry, Inputs, Run, all};
use losses::prelude::*;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// Panics unless all numbers agree to about twelve digits of the largest.
fn assert_same(what: &str, a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let largest = b.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        // A mean over nothing is NaN on both sides.
        let near = (a - b).abs() <= 1e-11 * largest || (a.is_nan() && b.is_nan());
        assert!(near, "{what}: element {i} is {a}, and should be {b}");
    }
}

/// As [`assert_same`], each number of the one multiplied by `scale`.
fn assert_scaled(what: &str, a: &Tensor<f64>, b: &Tensor<f64>, scale: f64) {
    let b = Vec::from_iter(b.to_vec().iter().map(|v| v * scale));
    assert_same(what, &a.to_vec(), &b);
}

fn total(x: &Tensor<f64>) -> f64 {
    x.to_vec().iter().sum()
}

/// A failing case is printed whole; a file beside the test would say no more.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// An order of `n` things, by exchanging.
fn order(d: &mut Draw, n: usize) -> Tensor<i64> {
    let mut order = Vec::from_iter(0..n as i64);
    for i in (1..n).rev() {
        order.swap(i, d.pick(i + 1));
    }
    Tensor::from_vec(order, [n]).unwrap()
}

/// `None` summed is `Sum`; divided by the number of values it is `Mean`, by that of samples `BatchMean`. The gradients
/// follow.
fn reductions(loss: &Entry<f64>, x: &Inputs<f64>, batch: Option<usize>) {
    let what = |r: &str| format!("{}: {r}", loss.name);
    let (each, sum) = (loss.ones(x, Reduction::None), loss.ones(x, Reduction::Sum));
    let mut equal = vec![("sum", &sum, 1.0)];
    let mean = loss.ones(x, Reduction::Mean);
    if loss.plain_mean {
        equal.push(("mean", &mean, 1.0 / each.value.numel() as f64));
    }
    let by_batch = loss.ones(x, Reduction::BatchMean);
    if let Some(n) = batch {
        equal.push(("batch mean", &by_batch, 1.0 / n as f64));
    }
    for (name, run, scale) in equal {
        let want = total(&each.value) * scale;
        assert_same(&what(name), &run.value.to_vec(), &[want]);
        for (a, b) in run.grads.iter().zip(&each.grads) {
            assert_scaled(&what(&format!("gradient of the {name}")), a, b, scale);
        }
    }
}

/// Samples in another order: the same values in that order, and gradients alike.
fn permutation(loss: &Entry<f64>, x: &Inputs<f64>, order: &Tensor<i64>) {
    let moved = loss.select(x, order);
    let r = match loss.separate {
        true => Reduction::None,
        false => Reduction::Mean,
    };
    let of = |x: &Inputs<f64>| loss.ones(x, r);
    let (before, after) = (of(x), of(&moved));
    let as_inputs = |run: &Run<f64>| Inputs {
        v: run.grads.clone(),
        ..x.clone()
    };
    let moved_grads = loss.select(&as_inputs(&before), order).v;
    for (a, b) in after.grads.iter().zip(&moved_grads) {
        assert_scaled(&format!("{}: gradient, reordered", loss.name), a, b, 1.0);
    }
    if loss.separate && before.value.ndim() > 0 {
        let want = before.value.index_select(0, order).unwrap();
        assert_scaled(
            &format!("{}: reordered", loss.name),
            &after.value,
            &want,
            1.0,
        );
    } else {
        let what = format!("{}: reordered", loss.name);
        assert_same(&what, &[total(&after.value)], &[total(&before.value)]);
    }
}

/// A sample's value does not depend on the others: that of the first is the same alone.
fn alone(loss: &Entry<f64>, x: &Inputs<f64>) {
    let first = loss.select(x, &Tensor::from([0]));
    let (one, many) = (
        loss.ones(&first, Reduction::None),
        loss.ones(x, Reduction::None),
    );
    let want = many.value.narrow(0, 0, 1).unwrap();
    assert_scaled(&format!("{}: alone", loss.name), &one.value, &want, 1.0);
}

/// The same number added to a whole row changes nothing, and the gradient of a row sums to 0.
fn shifts(loss: &Entry<f64>, x: &Inputs<f64>, d: &mut Draw) {
    for &input in loss.shifts {
        let mut shape = x.v[input].shape().to_vec();
        *shape.last_mut().unwrap() = 1;
        let shift = d.between(-20.0, 20.0, &shape);
        let mut moved = x.clone();
        moved.v[input] = x.v[input].add(&shift).unwrap();
        let (before, after) = (
            loss.ones(x, Reduction::Mean),
            loss.ones(&moved, Reduction::Mean),
        );
        let what = format!("{}: input {input} shifted", loss.name);
        assert_scaled(&what, &after.value, &before.value, 1.0);
        for (a, b) in after.grads.iter().zip(&before.grads) {
            assert_scaled(&what, a, b, 1.0);
        }
        let sums = before.grads[input].sum(-1).unwrap();
        assert_scaled(&what, &sums, &sums.zeros_like(), 0.0);
    }
}

/// Backward is linear in the gradient that it begins with, and the gradient of a sum is the sum of the gradients.
fn linearity(loss: &Entry<f64>, x: &Inputs<f64>, d: &mut Draw) {
    let r = Reduction::None;
    let like = |y: &Tensor<f64>, d: &mut Draw| d.between::<f64>(-2.0, 2.0, y.shape());
    let y = loss.ones(x, r).value;
    let (a, b) = (like(&y, d), like(&y, d));
    let both = a.mul(3.0).unwrap().sub(b.mul(0.5).unwrap()).unwrap();
    let of = |seed: &Tensor<f64>| loss.run(x, r, |_| seed.clone()).grads;
    for ((both, a), b) in of(&both).iter().zip(of(&a)).zip(of(&b)) {
        let want = a.mul(3.0).unwrap().sub(b.mul(0.5).unwrap()).unwrap();
        assert_scaled(&format!("{}: linearity", loss.name), both, &want, 1.0);
    }
    // The loss twice on one tape, once with a factor, beside itself.
    let tape = Tape::new();
    let v: Vec<Var<f64>> = x.v.iter().map(|v| tape.leaf(v.clone())).collect();
    let of = |v: &[Var<f64>]| (loss.call)(v, x, Reduction::Mean).unwrap().sum(..).unwrap();
    let sum = of(&v).add(of(&v).mul(0.25).unwrap()).unwrap();
    let together = sum.backward().unwrap();
    let one = loss.ones(x, Reduction::Mean).grads;
    for (v, one) in v.iter().zip(&one) {
        let got = together
            .find(v)
            .cloned()
            .unwrap_or_else(|| one.zeros_like());
        assert_scaled(&format!("{}: sum of losses", loss.name), &got, one, 1.25);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn every_loss_obeys(seed in any::<u64>(), n in 2..6usize, c in 2..5usize) {
        for loss in all::<f64>() {
            let d = &mut Draw::new(seed, n, c);
            let x = (loss.make)(d);
            if loss.reduces {
                // Sequences lie along the second dimension, and a batch against itself is counted otherwise.
                let batch = loss.separate && loss.samples[0][0] == Some(0);
                let batch = batch.then_some(n);
                reductions(&loss, &x, batch);
            }
            let order = order(d, n);
            permutation(&loss, &x, &order);
            if loss.separate && loss.reduces {
                alone(&loss, &x);
            }
            shifts(&loss, &x, d);
            linearity(&loss, &x, d);
        }
    }
}

/// A loss of classes with a weight for each, and one class that is ignored.
type Classed = fn(Option<Tensor<f64>>, i64, Reduction, &Var<f64>, &Tensor<i64>) -> Result<Var<f64>>;

const CLASSED: &[(&str, Classed)] = &[
    ("cross_entropy", |w, i, r, x, t| {
        CrossEntropy::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r)
            .forward(x, t)
    }),
    ("nll_loss", |w, i, r, x, t| {
        NllLoss::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r)
            .forward(x, t)
    }),
    ("softmax_focal_loss", |w, i, r, x, t| {
        SoftmaxFocalLoss::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r)
            .forward(x, t)
    }),
    ("generalized_cross_entropy", |w, i, r, x, t| {
        GeneralizedCrossEntropy::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r)
            .forward(x, t)
    }),
    ("poly1_cross_entropy", |w, i, r, x, t| {
        Poly1CrossEntropy::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r)
            .forward(x, t)
    }),
    ("linear_cross_entropy", |w, i, r, x, t| {
        let layer = Var::from(x.value().index_select(0, &Tensor::from([0, 1, 0])).unwrap());
        let loss = LinearCrossEntropy::new()
            .weight(w)
            .ignore_index(i)
            .reduction(r);
        loss.forward(
            x,
            &layer.mul(Var::from(Tensor::from([[1.0], [0.5], [-1.0]])))?,
            t,
        )
    }),
];

/// The value of a loss, and the gradient by its rows.
fn value_and_rows(
    x: &Tensor<f64>,
    loss: impl FnOnce(&Var<f64>) -> Result<Var<f64>>,
) -> (f64, Tensor<f64>) {
    let x = Tape::new().leaf(x.clone());
    let y = loss(&x).unwrap().sum(..).unwrap();
    let mut grads = y.backward().unwrap();
    (y.item().unwrap(), grads.take(&x).unwrap())
}

/// The rows of `from` at each place of `order` summed into `n` rows.
fn gathered(from: &Tensor<f64>, order: &Tensor<i64>, n: usize) -> Tensor<f64> {
    let zero = Tensor::zeros([n, from.shape()[1]]).unwrap();
    zero.index_add(0, order, from).unwrap()
}

/// Every sample as often as its weight says.
fn repeated(weights: &[i64]) -> Tensor<i64> {
    let all = weights.iter().enumerate();
    let all = Vec::from_iter(all.flat_map(|(i, w)| std::iter::repeat_n(i as i64, *w as usize)));
    let n = all.len();
    Tensor::from_vec(all, [n]).unwrap()
}

const BOTH: [Reduction; 2] = [Reduction::Sum, Reduction::Mean];

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn a_weight_of_a_class_repeats_its_samples(seed in any::<u64>(), n in 2..7usize) {
        let d = &mut Draw::new(seed, n, 3);
        let (x, t) = (d.between(-3.0, 3.0, &[n, 3]), d.classes(3, &[n]));
        let w = [1, 2, 3];
        let weight = Tensor::from(w.map(|w| w as f64));
        let order = repeated(&Vec::from_iter(t.to_vec().iter().map(|&t| w[t as usize])));
        let (many_x, many_t) = (x.index_select(0, &order).unwrap(), t.index_select(0, &order).unwrap());
        for (name, loss) in CLASSED.iter().filter(|(name, _)| !name.starts_with("linear")) {
            for r in BOTH {
                let weighted = value_and_rows(&x, |x| loss(Some(weight.clone()), -100, r, x, &t));
                let many = value_and_rows(&many_x, |x| loss(None, -100, r, x, &many_t));
                assert_same(name, &[weighted.0], &[many.0]);
                assert_scaled(name, &weighted.1, &gathered(&many.1, &order, n), 1.0);
            }
        }
    }

    #[test]
    fn a_weight_of_an_element_repeats_it(seed in any::<u64>(), n in 1..7usize) {
        type Weighted = fn(Tensor<f64>, Reduction, &Var<f64>, &Var<f64>) -> Result<Var<f64>>;
        let losses: [(&str, Weighted); 5] = [
            ("mse_loss", |w, r, x, t| MseLoss::new().weight(w).reduction(r).forward(x, t)),
            ("l1_loss", |w, r, x, t| L1Loss::new().weight(w).reduction(r).forward(x, t)),
            ("huber_loss", |w, r, x, t| HuberLoss::new().weight(w).reduction(r).forward(x, t)),
            ("smooth_l1_loss", |w, r, x, t| SmoothL1Loss::new().weight(w).reduction(r).forward(x, t)),
            ("binary_cross_entropy_with_logits", |w, r, x, t| {
                BinaryCrossEntropyWithLogits::new().weight(w).reduction(r).forward(x, t)
            }),
        ];
        let d = &mut Draw::new(seed, n, 2);
        let (x, t) = (d.between(-3.0, 3.0, &[n, 2]), d.between::<f64>(0.0, 1.0, &[n, 2]));
        let weights = d.classes(4, &[n]);
        let order = repeated(&weights.to_vec());
        let weight = weights.cast::<f64>().reshape([n, 1]).unwrap().expand([n, 2]).unwrap();
        let (many_x, many_t) = (x.index_select(0, &order).unwrap(), t.index_select(0, &order).unwrap());
        let ones = many_t.ones_like();
        for (name, loss) in losses {
            let weighted = value_and_rows(&x, |x| loss(weight.clone(), Reduction::Sum, x, &Var::from(&t)));
            let many = value_and_rows(&many_x, |x| loss(ones.clone(), Reduction::Sum, x, &Var::from(&many_t)));
            assert_same(name, &[weighted.0], &[many.0]);
            assert_scaled(name, &weighted.1, &gathered(&many.1, &order, n), 1.0);
        }
    }

    #[test]
    fn an_ignored_sample_is_as_one_left_out(seed in any::<u64>(), n in 3..8usize, ignored in -2..3i64) {
        let d = &mut Draw::new(seed, n, 3);
        let (mut x, mut t) = (d.between::<f64>(-3.0, 3.0, &[n, 3]), d.classes(3, &[n]));
        // The first two make the layer of one of the losses, and are counted.
        t = t.map(|k| if k == ignored { (k + 1) % 3 } else { k });
        let left_out = Vec::from_iter((2..n as i64).filter(|_| d.pick(2) == 0));
        for &i in &left_out {
            t.set([i], ignored).unwrap();
            // Not even a number that is none may be looked at.
            x.set([i, 1], f64::NAN).unwrap();
        }
        let kept = Vec::from_iter((0..n as i64).filter(|i| !left_out.contains(i)));
        let kept = Tensor::from_vec(kept.clone(), [kept.len()]).unwrap();
        let (few_x, few_t) = (x.index_select(0, &kept).unwrap(), t.index_select(0, &kept).unwrap());
        let weight = Tensor::from([1.0, 2.5, 0.5]);
        for (name, loss) in CLASSED {
            for r in BOTH {
                let all = value_and_rows(&x, |x| loss(Some(weight.clone()), ignored, r, x, &t));
                let few = value_and_rows(&few_x, |x| loss(Some(weight.clone()), ignored, r, x, &few_t));
                assert_same(name, &[all.0], &[few.0]);
                assert_scaled(name, &all.1, &gathered(&few.1, &kept, n), 1.0);
            }
        }
    }

    /// Pixels of pictures, which a loss of regions leaves out of its sums.
    #[test]
    fn an_ignored_pixel_is_as_one_left_out(seed in any::<u64>(), n in 2..8usize) {
        let d = &mut Draw::new(seed, n, 3);
        let x = d.between::<f64>(-2.0, 2.0, &[1, 3, n]).softmax(1).unwrap();
        let mut t = d.classes(3, &[1, n]);
        let kept = Vec::from_iter((0..n as i64).filter(|&i| i == 0 || d.pick(2) == 0));
        for i in (0..n as i64).filter(|i| !kept.contains(i)) {
            t.set([0, i], 255).unwrap();
        }
        let kept = Tensor::from_vec(kept.clone(), [kept.len()]).unwrap();
        let (few_x, few_t) = (x.index_select(2, &kept).unwrap(), t.index_select(1, &kept).unwrap());
        type Regions = fn(&Var<f64>, &Tensor<i64>) -> Result<Var<f64>>;
        let losses: [(&str, Regions); 3] = [
            ("dice_loss", |x, t| DiceLoss::new().ignore_index(255).forward(x, t)),
            ("tversky_loss", |x, t| TverskyLoss::new().alpha(0.3).ignore_index(255).forward(x, t)),
            ("lovasz_softmax", |x, t| LovaszSoftmax::new().ignore_index(255).forward(x, t)),
        ];
        for (name, loss) in losses {
            let all = value_and_rows(&x, |x| loss(x, &t));
            let few = value_and_rows(&few_x, |x| loss(x, &few_t));
            assert_same(name, &[all.0], &[few.0]);
            let zero = x.zeros_like();
            assert_scaled(name, &all.1, &zero.index_add(2, &kept, &few.1).unwrap(), 1.0);
        }
    }
}

/// Functions that are no losses, or have laws of their own.
const APART: &[&str] = &["softmax", "log_softmax", "sigmoid", "log_sigmoid"];

#[test]
fn no_loss_is_missing_from_the_table() {
    let names = Vec::from_iter(all::<f64>().iter().map(|loss| loss.name));
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = 0;
    for folder in fs::read_dir(src)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let Ok(files) = fs::read_dir(folder) else {
            continue;
        };
        for file in files {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines().filter_map(|line| line.strip_prefix("pub fn ")) {
                let name = line.split(['<', '(']).next().unwrap();
                found += 1;
                let known = names.contains(&name) || APART.contains(&name);
                assert!(
                    known,
                    "tests/all/common/entries.rs has no entry for `{name}`"
                );
            }
        }
    }
    assert!(found >= names.len(), "{found} functions");
}
