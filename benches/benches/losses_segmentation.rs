//! Losses of masks, each forward and backward from a fresh tape.

use autograd::Tensor;
use benches::losses::{Data, first, numbers, step};
use benches::{case, classes, close, uniform};
use criterion::Criterion;
use losses::prelude::*;

const IMAGES: usize = 4;
const CLASSES: usize = 21;
const PIXELS: usize = 128 * 128;

/// Probabilities of 21 classes, and the class of each pixel.
fn pictures() -> (Data, Tensor<i64>) {
    let x = uniform([IMAGES, CLASSES, 128, 128], -2.0, 2.0, 1);
    let t = classes(IMAGES * PIXELS, CLASSES, 2).reshape([IMAGES, 128, 128]);
    let x = x.softmax(1).expect("classes").contiguous();
    (vec![x], t.expect("a class for each pixel"))
}

/// For each class the probabilities of the pixels that are of it, and of those that are not.
fn by_class(x: &Tensor<f32>, t: &Tensor<i64>) -> Vec<(Vec<f64>, Vec<f64>)> {
    let (x, t) = (numbers(x), t.to_vec());
    let mut sides = vec![(Vec::new(), Vec::new()); CLASSES];
    for (plane, x) in x.chunks(PIXELS).enumerate() {
        let (image, class) = (plane / CLASSES, plane % CLASSES);
        for (x, t) in x.iter().zip(&t[image * PIXELS..]) {
            let (own, other) = &mut sides[class];
            if *t == class as i64 { own } else { other }.push(*x);
        }
    }
    sides
}

fn overlaps(c: &mut Criterion) {
    let mean = |x: &Tensor<f32>, t: &Tensor<i64>, cost: fn(f64, f64, f64) -> f64| {
        let sides = by_class(x, t);
        let each = sides.iter().map(|(own, other)| {
            let (hit, all) = (own.iter().sum::<f64>(), own.len() as f64);
            cost(hit, other.iter().sum(), all - hit)
        });
        each.sum::<f64>() / CLASSES as f64
    };
    case(
        c,
        "losses/dice/4x21x128x128",
        pictures,
        |(x, t)| {
            step::<1>(x, |v| {
                DiceLoss::new().region(Region::Class).forward(&v[0], &*t)
            })
        },
        |(x, t), y| {
            let dice =
                |tp: f64, fp: f64, fnn: f64| 1.0 - (2.0 * tp + 1.0) / (2.0 * tp + fp + fnn + 1.0);
            close(y.0, mean(&x[0], t, dice), 1e-5);
        },
    );
    case(
        c,
        "losses/tversky/4x21x128x128",
        pictures,
        |(x, t)| {
            let tversky = TverskyLoss::new()
                .alpha(0.3)
                .beta(0.7)
                .region(Region::Class);
            step::<1>(x, |v| tversky.forward(&v[0], &*t))
        },
        |(x, t), y| {
            let tversky =
                |tp: f64, fp: f64, fnn: f64| 1.0 - (tp + 1.0) / (tp + 0.3 * fp + 0.7 * fnn + 1.0);
            close(y.0, mean(&x[0], t, tversky), 1e-5);
        },
    );
    case(
        c,
        "losses/dice_binary/16x256x256",
        || {
            vec![
                uniform([16, 256, 256], 0.0, 1.0, 1),
                uniform([16, 256, 256], 0.0, 1.0, 2).round(),
            ]
        },
        |v| step::<1>(v, |v| dice_loss(&v[0], &v[1])),
        |v, y| {
            let (x, t) = (numbers(&v[0]), numbers(&v[1]));
            let len = 256 * 256;
            let sums = |i: usize| {
                let (x, t) = (&x[i * len..][..len], &t[i * len..][..len]);
                let both: f64 = x.iter().zip(t).map(|(x, t)| x * t).sum();
                (2.0 * both + 1.0, x.iter().chain(t).sum::<f64>() + 1.0)
            };
            let each = (0..16).map(|i| 1.0 - sums(i).0 / sums(i).1);
            close(y.0, each.sum::<f64>() / 16.0, 1e-5);
            let (a, b) = sums(0);
            close(first(y), (a - 2.0 * t[0] * b) / (b * b) / 16.0, 1e-4);
        },
    );
}

/// The extension by its definition: errors in falling order times the differences of one minus the intersection over
/// union.
fn extension(mut errors: Vec<(f64, bool)>) -> f64 {
    errors.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all = errors.iter().filter(|(_, own)| *own).count() as f64;
    let (mut own, mut other, mut last, mut sum) = (0.0, 0.0, 0.0, 0.0);
    for (error, is_own) in errors {
        if is_own {
            own += 1.0;
        } else {
            other += 1.0;
        }
        let jaccard = 1.0 - (all - own) / (all + other);
        sum += error.max(0.0) * (jaccard - last);
        last = jaccard;
    }
    sum
}

fn sorted(c: &mut Criterion) {
    case(
        c,
        "losses/lovasz_softmax/4x21x128x128",
        pictures,
        |(x, t)| step::<1>(x, |v| lovasz_softmax(&v[0], t)),
        |(x, t), y| {
            let sides = by_class(&x[0], t);
            let each = sides.into_iter().map(|(own, other)| {
                let own = own.into_iter().map(|p| (1.0 - p, true));
                extension(own.chain(other.into_iter().map(|p| (p, false))).collect())
            });
            close(y.0, each.sum::<f64>() / CLASSES as f64, 1e-5);
        },
    );
    case(
        c,
        "losses/lovasz_hinge/512x512",
        || {
            let t = uniform([512, 512], 0.0, 1.0, 2).round();
            (vec![uniform([512, 512], -2.0, 2.0, 1)], t)
        },
        |(x, t)| step::<1>(x, |v| lovasz_hinge(&v[0], t)),
        |(x, t), y| {
            let each = numbers(&x[0]).into_iter().zip(numbers(t));
            let errors = each.map(|(x, t)| (1.0 - x * (2.0 * t - 1.0), t == 1.0));
            close(y.0, extension(errors.collect()), 1e-5);
        },
    );
}

fn main() {
    benches::main(&[overlaps, sorted]);
}
