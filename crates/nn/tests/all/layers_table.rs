//! Every layer in one table: the gradients by its input and by each of its parameters, against finite differences; the
//! second derivatives too. A layer that the sources export and the table lacks makes a test fail.

use losses::autograd::{gradcheck, gradgradcheck};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::collections::BTreeSet;

/// A layer under the name that it is exported by, and the shape of its input.
struct Row(&'static str, Sequential<f64>, Vec<usize>);

#[track_caller]
fn row(
    name: &'static str,
    layer: impl Module<f64> + Send + Sync + 'static,
    shape: &[usize],
) -> Row {
    Row(name, Sequential::new().push(layer), shape.into())
}

/// A layer of two inputs, given as one value cut in two.
struct Halves {
    layer: Bilinear<f64>,
}

nn::parts!(Halves: f64 { layer });

impl Module<f64> for Halves {
    fn forward(&self, x: &Var<f64>) -> Result<Var<f64>> {
        let halves = x.chunk(2, -1)?;
        self.layer.forward(&halves[0], &halves[1])
    }
}

/// Numbers away from kinks and from each other.
fn input(shape: &[usize]) -> Tensor<f64> {
    let n: usize = shape.iter().product();
    let value = |i: usize| {
        let x = 3.7 * ((i as f64 + 1.0) * 0.618_033_988_749_894_9).fract() - 1.85;
        let nearest = (x * 2.0).round() / 2.0;
        if (x - nearest).abs() < 0.02 {
            x + 0.04
        } else {
            x
        }
    };
    Tensor::from_vec((0..n).map(value).collect(), shape).unwrap()
}

fn convolutions(r: &mut ChaCha8Rng) -> Vec<Row> {
    let conv1 = |kernel, r: &mut _| Conv1d::new(2, 3, kernel, r).unwrap();
    let conv2 = |kernel: [usize; 2], r: &mut _| Conv2d::new(2, 3, kernel, r).unwrap();
    let mut rows = vec![
        row("Conv1d", conv1(3, r).padding(1), &[2, 2, 5]),
        row("Conv1d", conv1(2, r).dilation(2).stride(2), &[2, 2, 6]),
        row("Conv2d", conv2([2, 3], r), &[1, 2, 3, 4]),
        row(
            "Conv2d",
            Conv2d::grouped(4, 2, 2, 2, r).unwrap().padding(1),
            &[1, 4, 2, 3],
        ),
        row("Conv", conv1(1, r).without_bias(), &[2, 3]),
    ];
    for border in [Border::Reflect, Border::Replicate, Border::Circular] {
        rows.push(row(
            "Conv1d",
            conv1(3, r).padding(2).padding_mode(border),
            &[1, 2, 4],
        ));
        rows.push(row(
            "Conv2d",
            conv2([3, 2], r).padding(1).padding_mode(border),
            &[1, 2, 3, 3],
        ));
    }
    rows
}

fn pools() -> Vec<Row> {
    let (line, picture) = ([2, 2, 5], [1, 2, 4, 5]);
    vec![
        row("MaxPool1d", MaxPool1d::new(2), &line),
        row("MaxPool2d", MaxPool2d::new(2).stride(1), &picture),
        row(
            "MaxPool",
            MaxPool2d::new(3).padding(1).ceil_mode(true),
            &picture,
        ),
        row("AvgPool1d", AvgPool1d::new(2), &line),
        row("AvgPool2d", AvgPool2d::new(3).padding(1), &picture),
        row("AvgPool", AvgPool2d::new(2).divisor_override(3), &picture),
        row("AdaptiveAvgPool1d", AdaptiveAvgPool1d::new(2), &line),
        row(
            "AdaptiveAvgPool2d",
            AdaptiveAvgPool2d::new([3, 2]),
            &picture,
        ),
        row("AdaptiveAvgPool", AdaptiveAvgPool2d::new(1), &picture),
        row("AdaptiveMaxPool1d", AdaptiveMaxPool1d::new(2), &line),
        row(
            "AdaptiveMaxPool2d",
            AdaptiveMaxPool2d::new([3, 2]),
            &picture,
        ),
        row("AdaptiveMaxPool", AdaptiveMaxPool2d::new(1), &picture),
        row("GlobalAvgPool", GlobalAvgPool, &picture),
        row("GlobalMaxPool", GlobalMaxPool, &line),
    ]
}

fn recurrent(r: &mut ChaCha8Rng) -> Vec<Row> {
    let mut dropped = Gru::layers(2, 3, 2, false, r)
        .unwrap()
        .dropout(0.4, 5)
        .unwrap();
    dropped.set_mode(Mode::Eval);
    vec![
        row("Gru", Gru::new(2, 3, r).unwrap(), &[3, 2, 2]),
        row("Gru", Gru::layers(2, 2, 2, true, r).unwrap(), &[3, 1, 2]),
        row("Gru", dropped, &[3, 1, 2]),
        row(
            "Lstm",
            Lstm::new(2, 3, r).unwrap().without_bias(),
            &[3, 2, 2],
        ),
        row(
            "Lstm",
            Lstm::layers(2, 2, 2, true, r).unwrap().batch_first(true),
            &[1, 3, 2],
        ),
        row(
            "Lstm",
            Lstm::projected(2, 3, 2, 2, true, r).unwrap(),
            &[2, 1, 2],
        ),
    ]
}

fn activations() -> Vec<Row> {
    let all = [
        ReLU,
        LeakyReLU(0.1),
        ELU(0.7),
        Tanh,
        Sigmoid,
        Softplus,
        SiLU,
        Mish,
        GELU,
        GELUTanh,
        ReLU6,
        Hardtanh(-0.7, 1.2),
        Hardsigmoid,
        Hardswish,
        CELU(0.7),
        SELU,
        Softsign,
        Tanhshrink,
        Softshrink(0.7),
        Hardshrink(0.7),
        LogSigmoid,
        GLU(-1),
        Softmin(1),
        Softmax(0),
        LogSoftmax(1),
    ];
    let mut rows: Vec<Row> = all.map(|a| row("Activation", a, &[3, 4])).into();
    rows.push(row("PReLU", PReLU::new(1).unwrap(), &[2, 3]));
    rows.push(row("PReLU", PReLU::new(3).unwrap(), &[2, 3, 2]));
    rows
}

/// What does not lie on a tape is normalised by running means, unless it is told to train.
fn norm<const D: usize>(features: usize, mode: Mode) -> nn::BatchNorm<f64, D> {
    let mut layer = nn::BatchNorm::new(features).unwrap();
    layer.mode = mode;
    layer
}

fn others(r: &mut ChaCha8Rng) -> Vec<Row> {
    let mut off = Dropout::new(0.5, 1).unwrap();
    off.mode = Mode::Eval;
    let halves = Bilinear::new(2, 2, 3, r).unwrap();
    let mut rows = vec![
        row("Linear", Linear::new(4, 3, r).unwrap(), &[2, 4]),
        row(
            "Linear",
            Linear::new(4, 3, r).unwrap().without_bias(),
            &[2, 2, 4],
        ),
        row("Bilinear", Halves { layer: halves }, &[3, 4]),
        row("LayerNorm", LayerNorm::new([4]).unwrap(), &[3, 4]),
        row("LayerNorm", LayerNorm::new([2, 4]).unwrap(), &[2, 2, 4]),
        row("RmsNorm", RmsNorm::new([4]).unwrap(), &[3, 4]),
        row("BatchNorm1d", norm::<1>(3, Mode::Train), &[4, 3]),
        row("BatchNorm", norm::<1>(2, Mode::Eval), &[2, 2, 3]),
        row("BatchNorm2d", norm::<2>(2, Mode::Train), &[2, 2, 2, 3]),
        row(
            "MultiheadAttention",
            MultiheadAttention::new(4, 2, r).unwrap(),
            &[3, 2, 4],
        ),
        row("Dropout", off, &[3, 4]),
        row("Flatten", Flatten::new(), &[2, 3, 2]),
        row("Lambda", Lambda(|x: &Var<f64>| Ok(x.square())), &[3]),
    ];
    let model = Sequential::mlp(&[3, 4, 2], Tanh, r).unwrap();
    rows.push(row("Sequential", model, &[2, 3]));
    rows
}

fn table() -> Vec<Row> {
    let mut r = ChaCha8Rng::seed_from_u64(3);
    let parts = [
        convolutions(&mut r),
        pools(),
        recurrent(&mut r),
        activations(),
        others(&mut r),
    ];
    parts.into_iter().flatten().collect()
}

/// `Σ wᵢ yᵢ` with weights that are not all alike, so that no gradient cancels.
fn total(y: &Var<f64>) -> Var<f64> {
    let weights = Tensor::from_vec(
        (0..y.numel()).map(|i| 1.0 + (i % 7) as f64 / 4.0).collect(),
        y.shape(),
    );
    y.mul(Var::from(weights.unwrap())).unwrap().sum(..).unwrap()
}

/// The value of a parameter, by its number.
fn parameter(layer: &mut dyn Module<f64>, k: usize, change: impl FnOnce(&mut Tensor<f64>)) {
    let (mut at, mut change) = (0, Some(change));
    layer.visit_mut(&mut |_, p| {
        if at == k {
            change.take().unwrap()(p.value_mut());
        }
        at += 1;
    });
}

/// Compares the gradients of all parameters with differences; returns how many numbers there were.
fn check_parameters(name: &str, layer: &mut dyn Module<f64>, x: &Tensor<f64>) -> usize {
    if layer.num_parameters() == 0 {
        return 0;
    }
    let tape = Tape::new();
    let leaf = tape.input(x.clone());
    let grads = total(&layer.forward(&leaf).unwrap()).backward().unwrap();
    let mut found = Vec::new();
    layer.visit(&mut |part, p| found.push((part.to_string(), grads.get(p).unwrap().to_vec())));
    let mut compared = 0;
    for (k, (part, gradient)) in found.iter().enumerate() {
        for (i, &slope) in gradient.iter().enumerate() {
            let mut at = |step: f64| {
                parameter(layer, k, |p| p.as_mut_slice()[i] += step);
                let y = total(&layer.forward(&tape.input(x.clone())).unwrap())
                    .item()
                    .unwrap();
                parameter(layer, k, |p| p.as_mut_slice()[i] -= step);
                y
            };
            // Differences of fourth order.
            let h = 1e-3;
            let (near, far) = (at(h) - at(-h), at(2.0 * h) - at(-2.0 * h));
            let expected = (8.0 * near - far) / (12.0 * h);
            let off = (slope - expected).abs();
            assert!(
                off <= 1e-7 * expected.abs().max(1.0),
                "{name} {}: gradient of {part}[{i}] is {slope}, differences say {expected}",
                layer.describe()
            );
            compared += 1;
        }
    }
    compared
}

#[test]
fn gradients_of_every_layer() {
    let (mut inputs, mut parameters) = (0, 0);
    for Row(name, mut layer, shape) in table() {
        let x = input(&shape);
        let f = |v: &[Var<f64>]| layer.forward(&v[0]);
        let first = gradcheck(f, std::slice::from_ref(&x)).unwrap();
        assert!(first.is_clean(), "{name} {}\n{first}", layer.describe());
        let second = gradgradcheck(f, std::slice::from_ref(&x)).unwrap();
        assert!(
            second.is_clean(),
            "{name} {}, second order\n{second}",
            layer.describe()
        );
        inputs += first.compared + second.compared;
        parameters += check_parameters(name, &mut layer, &x);
    }
    // An embedding has no input that a gradient could have.
    let mut table = Embedding::<f64>::from_weight(input(&[4, 3]))
        .padding_idx(1)
        .unwrap();
    let index = Tensor::from([[2.0, 0.0], [2.0, 3.0]]);
    parameters += check_parameters("Embedding", &mut table, &index) - 3;
    println!("{inputs} derivatives by inputs and {parameters} by parameters compared");
    assert!(
        inputs > 10_000 && parameters > 700,
        "{inputs}, {parameters}"
    );
}

/// An anomaly in a layer names the line of this file that made the layer a part of the model, not one of the library.
#[test]
fn an_anomaly_names_a_line_of_the_program() {
    let mut seen = BTreeSet::new();
    for Row(name, mut layer, shape) in table() {
        layer.visit_mut(&mut |_, p| p.value_mut().as_mut_slice().fill(1e200));
        let tape = Tape::with_anomaly();
        let x = tape.leaf(input(&shape).mul(1e200).unwrap());
        // Many layers stay finite whatever comes: then there is nothing to see.
        let _ = layer.forward(&x);
        if let Some(found) = tape.anomaly() {
            assert!(found.file.ends_with("layers_table.rs"), "{name}: {found}");
            seen.insert(name);
        }
    }
    for name in [
        "Linear",
        "Bilinear",
        "Conv2d",
        "BatchNorm",
        "Gru",
        "Lstm",
        "MultiheadAttention",
        "PReLU",
    ] {
        assert!(seen.contains(name), "{name} is not among {seen:?}");
    }
    // A layer that is called by itself, from a model's own forward, names that call.
    let mut linear = Linear::new(2, 2, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    linear.weight.value_mut().as_mut_slice().fill(1e200);
    let tape = Tape::with_anomaly();
    let x = tape.leaf(Tensor::full([1, 2], 1e200).unwrap());
    let line = line!() + 1;
    let _ = linear.forward(&x);
    assert_eq!(
        tape.anomaly().map(|a| (a.file, a.line)),
        Some((file!(), line))
    );
}

#[test]
fn the_table_lists_every_layer() {
    let source = include_str!("../../src/layers/mod.rs");
    let exported = source.split("pub use ").skip(1).flat_map(|part| {
        let list = part.split(';').next().unwrap();
        let names = list.split(['{', '}', ',', ':']).map(str::trim);
        names
            .filter(|n| n.starts_with(char::is_uppercase))
            .collect::<Vec<_>>()
    });
    let exported: BTreeSet<&str> = exported.collect();
    assert!(exported.contains("Linear") && exported.contains("AvgPool2d"));
    let listed: BTreeSet<&str> = table()
        .iter()
        .map(|row| row.0)
        .chain(["Embedding"])
        .collect();
    // No layers: what attention is told, what borders are made of, and a size.
    let helpers = BTreeSet::from(["AttentionMask", "Border", "Sizes"]);
    let missing: Vec<_> = exported
        .difference(&listed)
        .filter(|n| !helpers.contains(*n))
        .collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}
