//! Layers at their edges: empty input, other layouts, single precision, threads, and the things that fixtures cannot show.

use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn zeros(shape: &[usize]) -> Var<f32> {
    Var::from(Tensor::zeros(shape).unwrap())
}

#[test]
fn a_place_that_may_read_from_none_gets_zeros() {
    let mut attention = MultiheadAttention::<f64>::new(4, 2, &mut rng())
        .unwrap()
        .batch_first(true);
    attention.out_proj.bias = None;
    let tape = Tape::new();
    let x = tape.leaf(Tensor::randn([1, 2, 4], &mut rng()).unwrap());
    let mask = AttentionMask::new().attention(Tensor::from([[true, true], [false, true]]));
    let (y, weights) = attention.attend(&x, &x, &x, &mask).unwrap();
    assert_eq!(weights.value().to_vec(), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(y.value().to_vec()[..4], [0.0; 4]);
    let grads = y.sum(..).unwrap().backward().unwrap();
    assert!(
        grads
            .get(&x)
            .unwrap()
            .isfinite()
            .all(..)
            .unwrap()
            .item()
            .unwrap()
    );
}

#[test]
fn pools_see_nan_and_infinities() {
    let x = Var::from(Tensor::from([[
        f32::NAN,
        1.0,
        2.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NEG_INFINITY,
    ]]));
    let y = MaxPool1d::new(2).forward(&x).unwrap().value().to_vec();
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [f32::INFINITY, f32::NEG_INFINITY]);
    // NaN wins wherever it stands.
    let x = Var::from(Tensor::from([[1.0f32, f32::NAN]]));
    assert!(MaxPool1d::new(2).forward(&x).unwrap().value()[[0, 0]].is_nan());
}

/// As `torch.nn.functional.max_pool1d(x, 2, 1, 1, 2)`: the only window has its two places left and right of the element.
#[test]
fn a_window_with_no_place_inside_is_minus_infinity() {
    let layer = MaxPool1d::new(2).stride(1).padding(1).dilation(2);
    let x = Tape::new().leaf(Tensor::from([[5.0f64]]));
    let y = layer.forward(&x).unwrap();
    assert_eq!(y.value().to_vec(), [f64::NEG_INFINITY]);
    let grads = y.sum(..).unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap().to_vec(), [0.0]);
    // Half of the kernel, not of how far it reaches.
    let e = MaxPool1d::new(2).padding(2).dilation(3).forward(&x);
    assert_eq!(
        e.unwrap_err().to_string(),
        "max_pool1d: padding is 2, but it must be at most half of the kernel"
    );
}

#[test]
fn norms_keep_their_digits_far_from_zero() {
    // The deviation is lost in the square of the mean, were it taken from there.
    let x: Vec<f64> = (0..64).map(|i| 1e8 + f64::from(i % 7)).collect();
    let near: Vec<f64> = (0..64).map(|i| f64::from(i % 7)).collect();
    let norm = LayerNorm::<f64>::new([64]).unwrap();
    let y = norm
        .forward(&Var::from(Tensor::from_vec(x, [1, 64]).unwrap()))
        .unwrap();
    let z = norm
        .forward(&Var::from(Tensor::from_vec(near, [1, 64]).unwrap()))
        .unwrap();
    for (a, b) in y.value().to_vec().into_iter().zip(z.value().to_vec()) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
    // And large ones do not overflow in single precision.
    let x = Tensor::from([[1e30f32, -1e30, 1e30, -1e30]]);
    let y = RmsNorm::<f32>::new([4])
        .unwrap()
        .forward(&Var::from(x))
        .unwrap();
    assert_eq!(y.value().to_vec(), [1.0, -1.0, 1.0, -1.0]);
}

/// Every layer that takes pictures or rows, by shape of its input.
fn zoo() -> Vec<(Box<dyn Module<f64>>, Vec<usize>)> {
    let r = &mut rng();
    let mut train = BatchNorm2d::new(6).unwrap();
    train.mode = Mode::Train;
    vec![
        (Box::new(Linear::new(5, 3, r).unwrap()), vec![7, 5]),
        (Box::new(LayerNorm::new([5]).unwrap()), vec![7, 5]),
        (Box::new(RmsNorm::new([5]).unwrap()), vec![7, 5]),
        (Box::new(BatchNorm1d::new(5).unwrap()), vec![7, 5]),
        (Box::new(train), vec![3, 6, 4, 5]),
        (Box::new(Conv1d::new(6, 3, 2, r).unwrap()), vec![3, 6, 5]),
        (
            Box::new(Conv2d::grouped(6, 4, 3, 2, r).unwrap().padding(1).stride(2)),
            vec![3, 6, 4, 5],
        ),
        (Box::new(Conv2d::new(6, 4, 1, r).unwrap()), vec![3, 6, 4, 5]),
        (Box::new(MaxPool2d::new(2)), vec![3, 6, 4, 5]),
        (Box::new(AvgPool2d::new(3).padding(1)), vec![3, 6, 4, 5]),
        (Box::new(AdaptiveAvgPool2d::new([3, 2])), vec![3, 6, 4, 5]),
        (Box::new(Gru::new(5, 3, r).unwrap()), vec![4, 2, 5]),
        (
            Box::new(Lstm::layers(5, 3, 2, true, r).unwrap()),
            vec![4, 2, 5],
        ),
        (
            Box::new(MultiheadAttention::new(6, 3, r).unwrap()),
            vec![4, 2, 6],
        ),
        (Box::new(Flatten::new()), vec![3, 6, 4, 5]),
        (Box::new(Softmax(1)), vec![3, 6, 4, 5]),
    ]
}

/// Output, and the gradients of the sum of its squares by the input and by all parameters.
fn all(layer: &dyn Module<f64>, x: &Tensor<f64>) -> Vec<Tensor<f64>> {
    let tape = Tape::new();
    let leaf = tape.leaf(x.clone());
    let y = layer.forward(&leaf).unwrap();
    let grads = y.square().sum(..).unwrap().backward().unwrap();
    let mut found = vec![y.value().clone(), grads.get(&leaf).unwrap().clone()];
    layer.visit(&mut |_, p| found.push(grads.get(p).unwrap().clone()));
    found
}

#[test]
fn memory_layout_does_not_matter() {
    for (layer, shape) in zoo() {
        let x = Tensor::randn(&shape, &mut rng()).unwrap();
        let dims: Vec<i64> = (0..shape.len() as i64).rev().collect();
        let turned = x
            .permute(&dims[..])
            .unwrap()
            .contiguous()
            .permute(&dims[..])
            .unwrap();
        let wide = Tensor::cat(&[&x, &x], -1)
            .unwrap()
            .narrow(-1, 0, shape[shape.len() - 1])
            .unwrap();
        let flipped = x.flip(0).unwrap().contiguous().flip(0).unwrap();
        for other in [turned, wide, flipped] {
            assert_eq!(x, other);
            for (a, b) in all(&*layer, &x).iter().zip(all(&*layer, &other)) {
                let close = a.sub(&b).unwrap().abs().max(..).unwrap().item().unwrap() < 1e-12;
                assert!(close, "{}", layer.describe());
            }
        }
    }
}

#[test]
fn no_rows_are_rows_too() {
    for (layer, mut shape) in zoo() {
        let what = layer.describe();
        // Training statistics over nothing are refused; sequences have no example.
        let batch = usize::from(
            what.starts_with("Gru") || what.starts_with("Lstm") || what.starts_with("Multi"),
        );
        shape[batch] = 0;
        let tape = Tape::new();
        let x = tape.input(Tensor::zeros(&shape).unwrap());
        match layer.forward(&x) {
            Ok(y) => {
                assert_eq!(y.numel(), 0, "{what}");
                let Ok(grads) = y.sum(..).unwrap().backward() else {
                    continue;
                };
                layer.visit(&mut |_, p| {
                    if let Some(g) = grads.find(p) {
                        assert!(
                            g.eq(0.0).unwrap().all(..).unwrap().item().unwrap(),
                            "{what}"
                        );
                    }
                });
            }
            Err(e) => assert!(what.starts_with("BatchNorm"), "{what}: {e}"),
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let r = &mut rng();
    let layers: Vec<(Box<dyn Module<f64> + Send + Sync>, Vec<usize>)> = vec![
        (Box::new(LayerNorm::new([300]).unwrap()), vec![1000, 300]),
        (Box::new(BatchNorm1d::new(40).unwrap()), vec![3000, 40]),
        (
            Box::new(Conv2d::new(3, 8, 3, r).unwrap().padding(1)),
            vec![50, 3, 20, 20],
        ),
        (Box::new(MaxPool2d::new(2)), vec![40, 5, 40, 40]),
        (Box::new(AvgPool2d::new(2)), vec![40, 5, 40, 40]),
        (Box::new(Linear::new(300, 100, r).unwrap()), vec![500, 300]),
    ];
    for (layer, shape) in layers {
        let x = Tensor::randn(&shape, &mut rng()).unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| all(&*layer, &x))
        };
        let one = run(1);
        for threads in [2, 5] {
            assert!(
                one == run(threads),
                "{} on {threads} threads",
                layer.describe()
            );
        }
    }
    // Dropout, a lookup, and a step of an optimizer.
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut table = Embedding::from_weight(Tensor::<f32>::ones([500, 300]).unwrap());
            let index = Tensor::from_vec((0..4000).map(|i| i * i % 500).collect(), 4000).unwrap();
            let rows = table.lookup(&index, &Tape::new()).unwrap();
            let grads = Dropout::new(0.3, 5)
                .unwrap()
                .forward(&rows)
                .unwrap()
                .square()
                .sum(..)
                .unwrap()
                .backward()
                .unwrap();
            drop(rows);
            let mut adam = Adam::new(0.01).amsgrad(true);
            adam.step(&mut table, &grads).unwrap();
            table.weight.value().to_vec()
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

#[test]
fn a_model_crosses_threads() {
    let model = Sequential::<f32>::mlp(&[3, 4, 2], ReLU, &mut rng()).unwrap();
    let one = model.forward(&zeros(&[1, 3])).unwrap().into_value();
    std::thread::scope(|s| {
        let again = s.spawn(|| model.forward(&zeros(&[1, 3])).unwrap().into_value());
        assert_eq!(again.join().unwrap(), one);
    });
}

#[test]
fn dropout_between_recurrent_layers() {
    let r = &mut rng();
    let plain = Gru::<f64>::layers(2, 8, 2, false, r).unwrap();
    let gru = plain.clone().dropout(0.5, 3).unwrap();
    let x = Tensor::randn([5, 3, 2], r).unwrap();
    let run = |layer: &Gru<f64>, tape: &Tape<f64>| {
        layer.forward(&tape.input(x.clone())).unwrap().into_value()
    };
    let tape = Tape::new();
    let kept = run(&plain, &tape);
    // In use nothing is left out; in training something is, each time something else.
    assert_eq!(gru.forward(&Var::from(&x)).unwrap().value(), &kept);
    let (first, second) = (run(&gru, &tape), run(&gru, &tape));
    assert!(first != kept && first != second);
    // The generator is part of the state: an interrupted run goes on with the same draws.
    let mut again = plain.clone().dropout(0.5, 77).unwrap();
    again.load_state(&gru.state()).unwrap();
    assert_eq!(run(&again, &tape), run(&gru, &tape));
    // What PyTorch saved has no generator, and is taken as it is.
    let mut names = Vec::new();
    gru.visit(&mut |name, _| names.push(name.to_string()));
    assert_eq!(names.len(), 8);
    assert!(
        names
            .iter()
            .all(|n| n.starts_with("weight_") || n.starts_with("bias_"))
    );
}

#[test]
fn describe_says_what_matters() {
    let r = &mut rng();
    let conv = Conv2d::<f32>::grouped(4, 8, 3, 2, r)
        .unwrap()
        .stride(2)
        .padding([1, 0])
        .dilation(2);
    assert_eq!(
        conv.describe(),
        "Conv2d(4, 8, [3, 3], stride [2, 2], padding [1, 0], dilation [2, 2], 2 groups)"
    );
    assert_eq!(
        Linear::<f32>::new(2, 3, r)
            .unwrap()
            .without_bias()
            .describe(),
        "Linear(2, 3, no bias)"
    );
    assert_eq!(
        Lstm::<f32>::layers(2, 3, 2, true, r).unwrap().describe(),
        "Lstm(2, 3, 2 layers, bidirectional)"
    );
    let lstm = Lstm::<f32>::projected(2, 3, 1, 2, false, r).unwrap();
    assert_eq!(
        lstm.dropout(0.5, 1).unwrap().describe(),
        "Lstm(2, 3, 2 layers, projected to 1, Dropout(0.5))"
    );
    let conv = Conv1d::<f32>::new(1, 2, 3, r).unwrap().padding(1);
    assert_eq!(
        conv.padding_mode(Border::Circular).describe(),
        "Conv1d(1, 2, [3], padding [1], circular)"
    );
    assert_eq!(PReLU::<f32>::new(3).unwrap().describe(), "PReLU(3)");
    assert_eq!(Module::<f32>::describe(&LeakyReLU(0.1)), "LeakyReLU(0.1)");
    assert_eq!(
        Module::<f32>::describe(&Lambda(|x: &Var<f32>| Ok(x.clone()))),
        "Lambda"
    );
}

#[test]
fn a_summary_counts_buffers_too() {
    let r = &mut rng();
    let inner = Sequential::new()
        .push(Conv2d::new(1, 4, 3, r).unwrap())
        .push_named("norm", BatchNorm2d::new(4).unwrap());
    let model = Sequential::<f32>::new()
        .push(inner)
        .push(Flatten::new())
        .push(Linear::new(144, 10, r).unwrap());
    let summary = Summary::new(&model, [2, 1, 8, 8]).unwrap();
    assert_eq!(
        summary.to_string(),
        "\
name    layer                 output        parameters  buffers  bytes
0.0     Conv2d(1, 4, [3, 3])  [2, 4, 6, 6]          40        0    160
0.norm  BatchNorm2d(4)        [2, 4, 6, 6]           8        9     72
1       Flatten               [2, 144]               0        0      0
2       Linear(144, 10)       [2, 10]            1,450        0  5,800
sum                           [2, 10]            1,498        9  6,032
"
    );
    assert_eq!(summary.sizes().parameters, model.num_parameters());
    assert!(Summary::new(&model, [2, 1, 9, 9]).is_err());
}

/// A checkpoint runs its layers twice, and dropout and running means must not notice: nor in a checkpoint within another,
/// nor where the way is differentiated again.
#[test]
fn checkpoints_draw_and_count_once() {
    use nn::autograd::{GradOptions, checkpoint, grad};
    let model = || {
        let r = &mut rng();
        Sequential::<f64>::new()
            .push(Linear::new(3, 4, r).unwrap())
            .push(BatchNorm1d::new(4).unwrap())
            .push(Dropout::new(0.5, 7).unwrap())
            .push(Tanh)
            .push(Dropout::new(0.3, 8).unwrap())
    };
    let data = Tensor::<f64>::randn([6, 3], &mut rng()).unwrap();
    let run = |kind: usize| {
        let model = std::rc::Rc::new(model());
        let tape = Tape::new();
        let x = tape.leaf(data.clone());
        let mut found = Vec::new();
        // Two passes, so that what is drawn the second time is what follows the first.
        for _ in 0..2 {
            let inner = model.clone();
            let y = match kind {
                0 => model.forward(&x),
                1 => checkpoint(move |v: &[Var<f64>]| inner.forward(&v[0]), &[&x]),
                _ => {
                    let within = move |v: &[Var<f64>]| {
                        let inner = inner.clone();
                        let y = checkpoint(move |v: &[Var<f64>]| inner.forward(&v[0]), &[&v[0]])?;
                        y.mul(&v[0].sum(..)?)
                    };
                    let y = checkpoint(within, &[&x]).unwrap();
                    y.div(x.sum(..).unwrap())
                }
            }
            .unwrap();
            let loss = y.square().sum(..).unwrap();
            let again = GradOptions::new().create_graph(true);
            let dx = &grad(&[&loss], &[&x], again).unwrap()[0];
            let second = dx.square().sum(..).unwrap().backward().unwrap();
            found.push(y.value().clone());
            found.push(dx.value().clone());
            found.push(second.get(&x).unwrap().clone());
        }
        let state = model.state();
        found.extend(
            ["1.running_mean", "1.running_var"].map(|name| state.tensor(name).unwrap().clone()),
        );
        found
    };
    let plain = run(0);
    for kind in [1, 2] {
        for (a, b) in run(kind).iter().zip(&plain) {
            assert!(
                a.allclose(b, 1e-9, 1e-12).unwrap(),
                "{kind}: {a:?} and {b:?}"
            );
        }
    }
}

#[test]
fn a_bias_needs_no_weight() {
    let x = Var::from(Tensor::from([[1.0f64, 3.0], [5.0, -5.0]]));
    let mut layer = LayerNorm::new([2]).unwrap();
    (layer.weight, layer.bias) = (None, Some(Param::new(Tensor::from([10.0, 20.0]))));
    let y = layer.forward(&x).unwrap();
    let expected = Tensor::from([[9.0, 21.0], [11.0, 19.0]]);
    assert!(y.value().allclose(&expected, 1e-4, 0.0).unwrap(), "{y:?}");
}

#[test]
fn attention_of_a_constant_query_trains_its_projections() {
    let attention = MultiheadAttention::<f64>::new(4, 2, &mut rng()).unwrap();
    let query = Var::from(Tensor::randn([2, 4], &mut rng()).unwrap());
    let x = Tape::new().leaf(Tensor::randn([3, 4], &mut rng()).unwrap());
    let (y, _) = (attention.attend(&query, &x, &x, &AttentionMask::new())).unwrap();
    let grads = y.square().sum(..).unwrap().backward().unwrap();
    assert!(
        grads
            .get(&attention.in_proj_weight)
            .unwrap()
            .ne(0.0)
            .unwrap()
            .any(..)
            .unwrap()
            .item()
            .unwrap()
    );
}
