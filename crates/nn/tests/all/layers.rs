//! Layers against PyTorch's, from fixtures/layers.json: outputs, gradients by inputs and parameters, second
//! derivatives, buffers; and against finite differences.

use crate::common::*;
use losses::autograd::GradCheck;
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde_json::Value;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn size(options: &Value, name: &str) -> usize {
    options[name].as_u64().unwrap() as usize
}

fn list(v: &Value) -> Vec<usize> {
    match v.as_array() {
        Some(list) => list.iter().map(|n| n.as_u64().unwrap() as usize).collect(),
        None => vec![v.as_u64().unwrap() as usize],
    }
}

/// A number for each dimension, one for all, or `none`.
fn sizes<const D: usize>(options: &Value, name: &str, none: usize) -> [usize; D] {
    if options[name].is_null() {
        return [none; D];
    }
    match list(&options[name])[..] {
        [one] => [one; D],
        ref all => all.try_into().unwrap(),
    }
}

fn truth(v: &Value) -> Tensor<bool> {
    let data = v["data"].as_array().unwrap().iter();
    Tensor::from_vec(data.map(|b| b.as_bool().unwrap()).collect(), shape(v)).unwrap()
}

fn state(v: &Value) -> State<f64> {
    let mut state = State::new();
    for (name, v) in v.as_object().unwrap() {
        if v["dtype"] == "i64" {
            state.set_count(name, v["data"][0].as_i64().unwrap());
        } else {
            state.set_tensor(name, tensor(v));
        }
    }
    state
}

fn assert_close(case: &Value, what: &str, ours: &Tensor<f64>, theirs: &Tensor<f64>) {
    let label = format!("{} {} {what}", case["layer"], case["options"]);
    assert_eq!(ours.shape(), theirs.shape(), "{label}");
    for (a, b) in ours.to_vec().into_iter().zip(theirs.to_vec()) {
        // Not the other way round: NaN must not pass.
        let near = a == b || (a - b).abs() <= 1e-12 * b.abs().max(1.0);
        assert!(
            near,
            "{label}: {a}, but PyTorch has {b}\nours {ours}\ntheirs {theirs}"
        );
    }
}

/// The sum of the products of values with given numbers.
fn total(pairs: impl Iterator<Item = (Var<f64>, Tensor<f64>)>) -> Var<f64> {
    pairs.fold(Var::from(Tensor::scalar(0.0)), |sum, (y, dy)| {
        sum.add(y.mul(Var::from(dy)).unwrap().sum(..).unwrap())
            .unwrap()
    })
}

/// Everything that a case holds. `call` gives all outputs for the inputs of floats.
fn check<L: Parts<f64>>(
    case: &Value,
    mut layer: L,
    call: impl Fn(&L, &[Var<f64>]) -> Result<Vec<Var<f64>>>,
) {
    let start = state(&case["state"]);
    layer.load_state(&start).unwrap();
    layer.set_mode(if case["train"] == true {
        Mode::Train
    } else {
        Mode::Eval
    });
    if let Some(before) = case.get("before") {
        call(&layer, &[Var::from(tensor(before))]).unwrap();
    }
    let floats = |v: &&Value| v["dtype"] == "f64";
    let given: Vec<Tensor<f64>> = case["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(floats)
        .map(tensor)
        .collect();
    let tape = Tape::new();
    // An index alone does not lead to the tape; a scalar beside it does.
    let beside = tape.input(Tensor::scalar(0.0));
    let inputs: Vec<Var<f64>> = given.iter().map(|x| tape.leaf(x.clone())).collect();
    let outputs = if inputs.is_empty() {
        call(&layer, std::slice::from_ref(&beside)).unwrap()
    } else {
        call(&layer, &inputs).unwrap()
    };
    for (i, (y, theirs)) in outputs
        .iter()
        .zip(case["outputs"].as_array().unwrap())
        .enumerate()
    {
        assert_close(case, &format!("output {i}"), y.value(), &tensor(theirs));
    }
    let mut after = layer.state();
    after.set_section("x", State::new());
    for (name, theirs) in case["after"].as_object().unwrap() {
        match after.count(name) {
            Some(n) => assert_eq!(n, theirs["data"][0].as_i64().unwrap(), "{name}"),
            None => assert_close(case, name, after.tensor(name).unwrap(), &tensor(theirs)),
        }
    }

    let dys = case["dys"].as_array().unwrap().iter().map(tensor);
    let loss = total(outputs.into_iter().zip(dys));
    let mut leaves: Vec<(String, Var<f64>)> = (inputs.iter().enumerate())
        .map(|(i, x)| (format!("input.{i}"), x.clone()))
        .collect();
    layer.visit(&mut |name, p| leaves.push((name.to_string(), p.on(&beside))));
    let plain = loss.backward_retain().unwrap();
    for (name, leaf) in &leaves {
        let theirs = tensor(&case["grads"][name]);
        let ours = plain.find(leaf).cloned().unwrap_or(theirs.zeros_like());
        assert_close(case, &format!("gradient of {name}"), &ours, &theirs);
    }
    let vars: Vec<&Var<f64>> = leaves.iter().map(|(_, x)| x).collect();
    let options = || GradOptions::new().allow_unused(true);
    let grads = grad(&[&loss], &vars, options().create_graph(true)).unwrap();
    let vs = leaves.iter().map(|(name, _)| tensor(&case["v"][name]));
    let pairs = grads.into_iter().zip(vs);
    let second = total(pairs);
    if second.is_tracked() {
        let found = grad(&[&second], &vars, options()).unwrap();
        for ((name, _), ours) in leaves.iter().zip(found) {
            let theirs = tensor(&case["second"][name]);
            assert_close(
                case,
                &format!("second derivative of {name}"),
                ours.value(),
                &theirs,
            );
        }
    } else {
        for (name, theirs) in case["second"].as_object().unwrap() {
            assert!(
                tensor(theirs)
                    .eq(0.0)
                    .unwrap()
                    .all(..)
                    .unwrap()
                    .item()
                    .unwrap(),
                "{name}"
            );
        }
    }
    // Elements of 1e4 leave finite differences too few digits.
    let mild = |x: &Tensor<f64>| x.abs().le(100.0).unwrap().all(..).unwrap().item().unwrap();
    if !given.is_empty() && given.iter().all(|x| x.numel() > 0 && mild(x)) {
        let report = GradCheck::new().run(|v| call(&layer, v), &given).unwrap();
        assert!(
            report.is_ok(),
            "{} {}\n{report}",
            case["layer"],
            case["options"]
        );
    }
}

/// A layer of one input.
fn module<M: Module<f64>>(case: &Value, layer: M) {
    check(case, layer, |m, v| Ok(vec![m.forward(&v[0])?]));
}

fn conv<const D: usize>(case: &Value) {
    let o = &case["options"];
    let kernel = sizes::<D>(o, "kernel_size", 1);
    let groups = o["groups"].as_u64().unwrap_or(1) as usize;
    let (inputs, outputs) = (size(o, "in_channels"), size(o, "out_channels"));
    let layer = nn::Conv::<f64, D>::grouped(inputs, outputs, kernel, groups, &mut rng()).unwrap();
    let layer = layer
        .stride(sizes::<D>(o, "stride", 1))
        .padding(sizes::<D>(o, "padding", 0))
        .dilation(sizes::<D>(o, "dilation", 1));
    let layer = layer.padding_mode(match o["padding_mode"].as_str() {
        Some("reflect") => Some(Border::Reflect),
        Some("replicate") => Some(Border::Replicate),
        Some("circular") => Some(Border::Circular),
        _ => None,
    });
    let without = o["bias"] == false;
    module(case, if without { layer.without_bias() } else { layer });
}

fn max_pool<const D: usize>(case: &Value) {
    let o = &case["options"];
    let kernel = sizes::<D>(o, "kernel_size", 1);
    let mut layer = nn::MaxPool::<D>::new(kernel)
        .padding(sizes::<D>(o, "padding", 0))
        .dilation(sizes::<D>(o, "dilation", 1))
        .ceil_mode(o["ceil_mode"] == true);
    if !o["stride"].is_null() {
        layer = layer.stride(sizes::<D>(o, "stride", 1));
    }
    module(case, layer);
}

fn avg_pool<const D: usize>(case: &Value) {
    let o = &case["options"];
    let kernel = sizes::<D>(o, "kernel_size", 1);
    let mut layer = nn::AvgPool::<D>::new(kernel)
        .padding(sizes::<D>(o, "padding", 0))
        .ceil_mode(o["ceil_mode"] == true)
        .count_include_pad(o["count_include_pad"] != false);
    if !o["stride"].is_null() {
        layer = layer.stride(sizes::<D>(o, "stride", 1));
    }
    if let Some(n) = o["divisor_override"].as_u64() {
        layer = layer.divisor_override(n as usize);
    }
    module(case, layer);
}

fn batch_norm<const D: usize>(case: &Value) {
    let o = &case["options"];
    let mut layer = nn::BatchNorm::<f64, D>::new(size(o, "num_features")).unwrap();
    if let Some(eps) = o["eps"].as_f64() {
        layer = layer.eps(eps);
    }
    match o.get("momentum") {
        Some(Value::Null) => layer = layer.momentum(None),
        Some(m) => layer = layer.momentum(m.as_f64().unwrap()),
        None => {}
    }
    if o["affine"] == false {
        layer = layer.without_affine();
    }
    if o["track_running_stats"] == false {
        layer = layer.without_running_stats();
    }
    module(case, layer);
}

fn run(case: &Value) {
    let o = &case["options"];
    let n = |name: &str, none: f64| o[name].as_f64().unwrap_or(none);
    let dim = || o["dim"].as_i64().unwrap() as isize;
    match case["layer"].as_str().unwrap() {
        "Linear" => {
            let layer =
                Linear::new(size(o, "in_features"), size(o, "out_features"), &mut rng()).unwrap();
            module(
                case,
                if o["bias"] == false {
                    layer.without_bias()
                } else {
                    layer
                },
            );
        }
        "Bilinear" => {
            let [a, b, c] = ["in1_features", "in2_features", "out_features"].map(|s| size(o, s));
            let layer = Bilinear::new(a, b, c, &mut rng()).unwrap();
            let layer = if o["bias"] == false {
                layer.without_bias()
            } else {
                layer
            };
            check(case, layer, |l, v| Ok(vec![l.forward(&v[0], &v[1])?]));
        }
        "Embedding" => {
            let index = integers(&case["inputs"][0]);
            let mut layer = Embedding::<f64>::new(
                size(o, "num_embeddings"),
                size(o, "embedding_dim"),
                &mut rng(),
            )
            .unwrap();
            if let Some(row) = o["padding_idx"].as_i64() {
                layer = layer.padding_idx(row).unwrap();
            }
            check(case, layer, |l, v| Ok(vec![l.lookup(&index, v[0].tape())?]));
        }
        "LayerNorm" => {
            let mut layer = LayerNorm::new(list(&o["normalized_shape"]))
                .unwrap()
                .eps(n("eps", 1e-5));
            if o["bias"] == false {
                layer = layer.without_bias();
            }
            if o["elementwise_affine"] == false {
                layer = layer.without_affine();
            }
            module(case, layer);
        }
        "RMSNorm" => {
            let layer = RmsNorm::new(list(&o["normalized_shape"]))
                .unwrap()
                .eps(n("eps", f64::EPSILON));
            module(
                case,
                if o["elementwise_affine"] == false {
                    layer.without_affine()
                } else {
                    layer
                },
            );
        }
        "BatchNorm1d" => batch_norm::<1>(case),
        "BatchNorm2d" => batch_norm::<2>(case),
        "Conv1d" => conv::<1>(case),
        "Conv2d" => conv::<2>(case),
        "MaxPool1d" => max_pool::<1>(case),
        "MaxPool2d" => max_pool::<2>(case),
        "AvgPool1d" => avg_pool::<1>(case),
        "AvgPool2d" => avg_pool::<2>(case),
        "AdaptiveAvgPool1d" => module(case, AdaptiveAvgPool1d::new(sizes(o, "output_size", 1))),
        "AdaptiveAvgPool2d" => module(case, AdaptiveAvgPool2d::new(sizes(o, "output_size", 1))),
        "AdaptiveMaxPool1d" => module(case, AdaptiveMaxPool1d::new(sizes(o, "output_size", 1))),
        "AdaptiveMaxPool2d" => module(case, AdaptiveMaxPool2d::new(sizes(o, "output_size", 1))),
        "ReLU" => module(case, ReLU),
        "LeakyReLU" => module(case, LeakyReLU(n("negative_slope", 0.01))),
        "ELU" => module(case, ELU(n("alpha", 1.0))),
        "Tanh" => module(case, Tanh),
        "Sigmoid" => module(case, Sigmoid),
        "SiLU" => module(case, SiLU),
        "Mish" => module(case, Mish),
        "ReLU6" => module(case, ReLU6),
        "Hardtanh" => module(case, Hardtanh(n("min_val", -1.0), n("max_val", 1.0))),
        "Hardswish" => module(case, Hardswish),
        "CELU" => module(case, CELU(n("alpha", 1.0))),
        "SELU" => module(case, SELU),
        "Softsign" => module(case, Softsign),
        "Tanhshrink" => module(case, Tanhshrink),
        "Softshrink" => module(case, Softshrink(n("lambd", 0.5))),
        "Hardshrink" => module(case, Hardshrink(n("lambd", 0.5))),
        "LogSigmoid" => module(case, LogSigmoid),
        "GLU" => module(case, GLU(dim())),
        "Softmin" => module(case, Softmin(dim())),
        "PReLU" => {
            let count = o["num_parameters"].as_u64().unwrap_or(1);
            module(case, PReLU::new(count as usize).unwrap());
        }
        "GELU" if o["approximate"] == "tanh" => module(case, GELUTanh),
        "GELU" => module(case, GELU),
        "Softplus" => module(case, Softplus),
        "Softmax" => module(case, Softmax(dim())),
        "LogSoftmax" => module(case, LogSoftmax(dim())),
        "Flatten" if o.as_object().unwrap().is_empty() => module(case, Flatten::new()),
        "Flatten" => module(case, Flatten::dims(0, -2)),
        kind @ ("GRU" | "LSTM") => {
            let (inputs, hidden) = (size(o, "input_size"), size(o, "hidden_size"));
            let layers = o["num_layers"].as_u64().unwrap_or(1) as usize;
            let (both, first, bias) = (
                o["bidirectional"] == true,
                o["batch_first"] == true,
                o["bias"] != false,
            );
            if kind == "GRU" {
                let mut gru = Gru::layers(inputs, hidden, layers, both, &mut rng())
                    .unwrap()
                    .batch_first(first);
                if let Some(p) = o["dropout"].as_f64() {
                    gru = gru.dropout(p, 1).unwrap();
                }
                check(case, if bias { gru } else { gru.without_bias() }, |l, v| {
                    let (y, h) = l.run(&v[0], v.get(1))?;
                    Ok(vec![y, h])
                });
            } else {
                let r = &mut rng();
                let lstm = match o["proj_size"].as_u64() {
                    Some(n) => Lstm::projected(inputs, hidden, n as usize, layers, both, r),
                    None => Lstm::layers(inputs, hidden, layers, both, r),
                };
                let mut lstm = lstm.unwrap().batch_first(first);
                if let Some(p) = o["dropout"].as_f64() {
                    lstm = lstm.dropout(p, 1).unwrap();
                }
                check(
                    case,
                    if bias { lstm } else { lstm.without_bias() },
                    |l, v| {
                        let (y, (h, c)) = l.run(&v[0], v.get(1).zip(v.get(2)))?;
                        Ok(vec![y, h, c])
                    },
                );
            }
        }
        "MultiheadAttention" => {
            let layer =
                MultiheadAttention::new(size(o, "embed_dim"), size(o, "num_heads"), &mut rng())
                    .unwrap();
            let layer = layer.batch_first(o["batch_first"] == true);
            let mut mask = AttentionMask::new();
            if let Some(m) = case["inputs"].get(3) {
                // Padding has a row for each example, and there are two; the other mask is causal too.
                mask = if shape(m) == [2, 3] {
                    mask.key_padding(truth(m))
                } else {
                    mask.attention(truth(m)).causal(true)
                };
            }
            check(
                case,
                if o["bias"] == false {
                    layer.without_bias()
                } else {
                    layer
                },
                move |l, v| {
                    let (y, w) = l.attend(&v[0], &v[1], &v[2], &mask)?;
                    Ok(vec![y, w])
                },
            );
        }
        kind => panic!("no layer {kind}"),
    }
}

#[test]
fn all_layers_are_pytorchs() {
    let book: Value = serde_json::from_str(include_str!("../../fixtures/layers.json")).unwrap();
    let cases = book["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 156);
    cases.iter().for_each(run);
}
