//! Cross entropy of every number of classes that takes another way through the kernels, against its definition in `f64`.

use losses::prelude::*;

/// Pseudo-random numbers in `[-1, 1)`, in steps that make differences of a hundred exact in single precision.
fn noise(n: usize, seed: usize) -> Vec<f64> {
    let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 100_003) as f64;
    (0..n)
        .map(|i| ((at(i) / 50_001.5 - 1.0) * 2048.0).floor() / 2048.0)
        .collect()
}

/// The loss of a row and its slopes by `Σ q (lse(x) - x)`, each term and each slope summed from its small parts.
fn exact(x: &[f64], q: &[f64]) -> (f64, Vec<f64>) {
    let top = (0..x.len()).fold(0, |top, i| if x[i] > x[top] { i } else { top });
    let rest: f64 = (0..x.len())
        .filter(|&i| i != top)
        .map(|i| (x[i] - x[top]).exp())
        .sum();
    let (log, total) = (rest.ln_1p(), q.iter().sum::<f64>());
    let cost = |i: usize| {
        if q[i] == 0.0 {
            0.0
        } else {
            q[i] * (x[top] - x[i] + log)
        }
    };
    let value = (0..x.len()).map(cost).sum();
    let slope = |i: usize| total * (x[i] - x[top]).exp() / (1.0 + rest) - q[i];
    let mut slopes: Vec<f64> = (0..x.len()).map(slope).collect();
    // They add up to nothing; where a class has nearly all of both, what the others lack has more digits.
    let sure = (0..x.len()).fold(0, |best, i| if q[i] > q[best] { i } else { best });
    slopes[sure] = -(0..x.len())
        .filter(|&i| i != sure)
        .map(|i| slopes[i])
        .sum::<f64>();
    (value, slopes)
}

/// Rows of `classes` logits: plain ones, one that is sure of its class, one of equal logits, one with an impossible class.
fn rows(n: usize, classes: usize) -> (Vec<f64>, Vec<i64>) {
    let mut x: Vec<f64> = noise(n * classes, 1).iter().map(|v| v * 6.0).collect();
    let t: Vec<i64> = (0..n).map(|i| (i * 5 % classes) as i64).collect();
    for (i, row) in x.chunks_mut(classes).enumerate() {
        match i % 4 {
            1 => row[t[i] as usize] += 40.0,
            2 => row.fill(0.25),
            3 if classes > 1 => row[(t[i] as usize + 1) % classes] = f64::NEG_INFINITY,
            _ => {}
        }
    }
    (x, t)
}

/// Asserts that `loss` has the value and the slopes that the weights `q` of the classes give it.
fn check(
    what: &str,
    (x, q): (&[f64], &[f64]),
    classes: usize,
    made_of_others: impl Fn(usize, usize, &[f64]) -> bool,
    loss: impl Fn(&Var<f32>, Reduction) -> Result<Var<f32>>,
) {
    let n = x.len() / classes;
    let single: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let tensor = Tensor::from_vec(single, [n, classes]).unwrap();
    // The sum takes the way of training, with many rows at once; the values by themselves take another.
    let tape = Tape::new();
    let leaf = tape.leaf(tensor);
    let sum = loss(&leaf, Reduction::Sum).unwrap();
    let dx = sum.backward().unwrap().get(&leaf).unwrap().to_vec();
    let each = loss(&leaf, Reduction::None).unwrap();
    let each_dx = each
        .sum(..)
        .unwrap()
        .backward()
        .unwrap()
        .get(&leaf)
        .unwrap()
        .to_vec();
    // Classes that stand, as those of pixels do.
    let tape = Tape::new();
    let stood = tape.leaf(standing(leaf.value()));
    let stood_sum = loss(&stood, Reduction::Sum).unwrap();
    let stood_dx = stood_sum.backward().unwrap().get(&stood).unwrap().clone();
    let stood_dx = stood_dx.squeeze(0).unwrap().t().to_vec();
    let mut total = 0.0;
    for i in 0..n {
        let here = i * classes..(i + 1) * classes;
        let (value, slopes) = exact(&x[here.clone()], &q[here.clone()]);
        total += value;
        let got = f64::from(each.value().to_vec()[i]);
        assert!(
            (got - value).abs() <= 3e-7 * value.abs() + 1e-30,
            "{what}: row {i} of {n} costs {value:e}, not {got:e}"
        );
        for (c, want) in slopes.iter().enumerate() {
            for (way, got) in [
                ("sum", dx[here.start + c]),
                ("each", each_dx[here.start + c]),
                ("standing", stood_dx[here.start + c]),
            ] {
                // A slope has the error of its two terms, but for that of a class with nearly all of both; the one that is
                // made of the others has theirs.
                let share = q[here.start + c];
                let terms = match (i % 4, share > 0.5) {
                    (1, true) => 0.0,
                    _ if made_of_others(i, c, &x[here.clone()]) => 1.0 + 2.0 * share,
                    _ => 2.0 * share + want.abs(),
                };
                let bound = 4e-7 * (want.abs() + terms) + 1e-30;
                let off = (f64::from(got) - want).abs();
                assert!(
                    off <= bound,
                    "{what}, {way}: slope {c} of row {i} of {n} is {want:e}, not {got:e}"
                );
            }
        }
    }
    for sum in [sum, stood_sum] {
        let got = f64::from(sum.item().unwrap());
        assert!(
            (got - total).abs() <= 3e-7 * total.abs() + 1e-30,
            "{what}: {total} of {n} rows, not {got}"
        );
    }
}

/// Rows of classes as one picture, whose pixels are the rows.
fn standing<T: Element>(rows: &Tensor<T>) -> Tensor<T> {
    rows.t().contiguous().unsqueeze(0).unwrap()
}

/// Some that stand are read four vectors at a time.
const ROWS: [usize; 5] = [1, 5, 16, 37, 83];
const CLASSES: [usize; 15] = [1, 2, 3, 10, 15, 16, 17, 31, 32, 33, 48, 64, 100, 513, 600];

#[test]
fn of_a_class() {
    for classes in CLASSES {
        for n in ROWS {
            let (x, t) = rows(n, classes);
            for smoothing in [0.0, 0.1, 1.0] {
                // An impossible class that takes part in the smoothing costs an infinity.
                let x: Vec<f64> = match smoothing == 0.0 {
                    true => x.clone(),
                    false => x.iter().map(|v| v.max(-30.0)).collect(),
                };
                let even = smoothing / classes as f64;
                let mut q = vec![even; x.len()];
                for (i, &t) in t.iter().enumerate() {
                    q[i * classes + t as usize] += 1.0 - smoothing;
                }
                let target = Tensor::from_slice(&t, [n]).unwrap();
                check(
                    &format!("{classes} classes, smoothing {smoothing}"),
                    (&x, &q),
                    classes,
                    |row, class, _| t[row] as usize == class,
                    |x, reduction| {
                        CrossEntropy::new()
                            .label_smoothing(smoothing)
                            .reduction(reduction)
                            .forward(x, &seen(&target, x.ndim() == 3))
                    },
                );
            }
        }
    }
}

#[test]
fn of_a_distribution() {
    for classes in CLASSES {
        for n in ROWS {
            let (x, t) = rows(n, classes);
            let mut q: Vec<f64> = noise(x.len(), 2).iter().map(|v| v.abs()).collect();
            for (i, q) in q.chunks_mut(classes).enumerate() {
                let sum: f64 = q.iter().sum();
                q.iter_mut().for_each(|q| *q = f64::from((*q / sum) as f32));
                if i % 4 == 1 {
                    // As sure as the logits are.
                    q.fill(0.0);
                    q[t[i] as usize] = 1.0;
                }
            }
            // Nothing of an impossible class.
            q.iter_mut().zip(&x).for_each(|(q, x)| {
                if x.is_infinite() {
                    *q = 0.0
                }
            });
            let single: Vec<f32> = q.iter().map(|&q| q as f32).collect();
            let target = Tensor::from_vec(single, [n, classes]).unwrap();
            let targets = [target.clone(), standing(&target)].map(Var::from);
            check(
                &format!("a distribution over {classes}"),
                (&x, &q),
                classes,
                |_, class, x| x.iter().all(|&v| v <= x[class]),
                |x, reduction| {
                    let target = &targets[usize::from(x.ndim() == 3)];
                    CrossEntropy::new().reduction(reduction).forward(x, target)
                },
            );
        }
    }
}

/// Classes for rows, or for the pixels of one picture.
fn seen(target: &Tensor<i64>, stands: bool) -> Tensor<i64> {
    if stands {
        target.unsqueeze(0).unwrap()
    } else {
        target.clone()
    }
}

/// The sum of what rows cost, and its slopes; of pixels, if they shall stand.
fn slopes(x: &Tensor<f32>, stands: bool, loss: impl Fn(&Var<f32>) -> Var<f32>) -> (f32, Vec<f32>) {
    let tape = Tape::new();
    let leaf = tape.leaf(if stands { standing(x) } else { x.clone() });
    let y = loss(&leaf);
    let dx = y.backward().unwrap().get(&leaf).unwrap().clone();
    let dx = if stands {
        dx.squeeze(0).unwrap().t()
    } else {
        dx
    };
    (y.item().unwrap(), dx.to_vec())
}

/// Weights, and rows that do not count, in which there may stand anything.
#[test]
fn weighed_and_ignored() {
    for classes in CLASSES {
        let n = 83;
        let (x, mut t) = rows(n, classes);
        let mut single: Vec<f32> = x.iter().map(|&v| (v as f32).max(-30.0)).collect();
        for i in (0..n).filter(|i| i % 7 == 3) {
            t[i] = -100;
            single[i * classes] = [f32::NAN, f32::INFINITY, 1.0][i % 3];
        }
        let x = Tensor::from_vec(single, [n, classes]).unwrap();
        let target = Tensor::from_slice(&t, [n]).unwrap();
        let weight: Vec<f32> = (0..classes).map(|c| (c % 3) as f32 * 0.5).collect();
        for (weighs, smoothing) in [(false, 0.0), (false, 0.2), (true, 0.0)] {
            let mut options = CrossEntropy::new()
                .label_smoothing(smoothing)
                .reduction(Reduction::Sum);
            if weighs {
                options = options.weight(Tensor::from_vec(weight.clone(), [classes]).unwrap());
            }
            let loss = |x: &Var<f32>| options.forward(x, &seen(&target, x.ndim() == 3)).unwrap();
            let ((value, dx), (stood, stood_dx)) =
                (slopes(&x, false, loss), slopes(&x, true, loss));
            // Row by row, each by itself.
            let (mut sum, mut each) = (0.0, Vec::new());
            for i in 0..n {
                let row = x.narrow(0, i as isize, 1).unwrap().contiguous();
                let target = target.narrow(0, i as isize, 1).unwrap();
                let (value, dx) = slopes(&row, false, |x| options.forward(x, &target).unwrap());
                sum += f64::from(value);
                each.extend(dx);
            }
            for (way, value, dx) in [("rows", value, dx), ("standing", stood, stood_dx)] {
                let near = (f64::from(value) - sum).abs() <= 1e-6 * sum.abs();
                assert!(near, "{classes} classes, {way}: {value}, not {sum}");
                for (i, (got, want)) in dx.iter().zip(&each).enumerate() {
                    let near = (got - want).abs() <= 1e-6 * want.abs() + 1e-9;
                    assert!(
                        near,
                        "{classes} classes, {way}: slope {i} is {got:e}, not {want:e}"
                    );
                }
            }
        }
    }
}

/// A NaN or an infinity in one row changes no other, whichever way the rows go.
#[test]
fn beside_strange_rows() {
    for classes in CLASSES {
        let n = 37;
        let (x, t) = rows(n, classes);
        let single: Vec<f32> = x.iter().map(|&v| (v as f32).max(-30.0)).collect();
        let target = Tensor::from_slice(&t, [n]).unwrap();
        let share = Var::from(Tensor::full([n, classes], 1.0 / classes as f32).unwrap());
        let slopes = |x: Vec<f32>, soft: bool, stands: bool| {
            let x = Tensor::from_vec(x, [n, classes]).unwrap();
            let options = CrossEntropy::new().reduction(Reduction::Sum);
            let shares = [share.clone(), Var::from(standing(share.value()))];
            let loss = |x: &Var<f32>| {
                if soft {
                    options.forward(x, &shares[usize::from(stands)])
                } else {
                    options.forward(x, &seen(&target, stands))
                }
            };
            slopes(&x, stands, |x| loss(x).unwrap()).1
        };
        for (soft, stands) in [(false, false), (false, true), (true, false), (true, true)] {
            let clean = slopes(single.clone(), soft, stands);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut strange = single.clone();
                let row = 18 * classes..19 * classes;
                strange[row.clone()].fill(bad);
                let got = slopes(strange, soft, stands);
                for (i, (got, want)) in got
                    .iter()
                    .zip(&clean)
                    .enumerate()
                    .filter(|(i, _)| !row.contains(i))
                {
                    let near = (got - want).abs() <= 1e-6 * want.abs() + 1e-9;
                    assert!(
                        near,
                        "{classes} classes beside {bad}: slope {i} is {got:e}, not {want:e}"
                    );
                }
            }
        }
    }
}
