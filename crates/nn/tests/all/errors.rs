//! Bad calls of every public function: each names the operation, shows what was given, and says what would be right.
//!
//! The last test reads the sources, and fails for a public function that returns a `Result` and has no row.

#[path = "../../../tensor-core/tests/common/bad_calls.rs"]
mod bad_calls;

use crate::fail;
use bad_calls::{assert_covered, fallible};
use nn::init::{self, FanMode, Nonlinearity};
use nn::metrics::*;
use nn::prelude::*;
use nn::{autograd::Gradients, data};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use std::path::Path;

type F = f32;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn v(shape: &[usize]) -> Var<F> {
    Var::from(t(shape))
}

fn t(shape: &[usize]) -> Tensor<F> {
    Tensor::full(shape, 0.5).unwrap()
}

fn ints(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

fn linear() -> Linear<F> {
    Linear::new(2, 3, &mut rng()).unwrap()
}

/// Gradients of the sum of what a layer makes, times `by`.
fn gradients(model: &Linear<F>, by: F) -> Gradients<F> {
    let x = Tape::new().input(t(&[4, 2]));
    let sum = model.forward(&x).unwrap().sum(..).unwrap();
    sum.mul(by).unwrap().backward().unwrap()
}

const NAN: f64 = f64::NAN;
const NOWHERE: &str = "no/such/folder/file";

#[test]
fn start_values_and_files() {
    let (model, mut other) = (linear(), linear());
    let state = State::<F>::new();
    fail! {
        init::fans(&[3]) =>
            "fans: the weight has shape [3], but it must have at least two dimensions, outputs and inputs";
        init::xavier_uniform::<F>([3], 1.0, &mut rng()) =>
            "xavier_uniform: the weight has shape [3], but it must have at least two dimensions, outputs and \
             inputs";
        init::xavier_normal::<F>([3], 1.0, &mut rng()) =>
            "xavier_normal: the weight has shape [3], but it must have at least two dimensions, outputs and inputs";
        init::kaiming_uniform::<F>([3], FanMode::In, Nonlinearity::ReLU, &mut rng()) =>
            "kaiming_uniform: the weight has shape [3], but it must have at least two dimensions, outputs and \
             inputs";
        init::kaiming_normal::<F>([3], FanMode::Out, Nonlinearity::ReLU, &mut rng()) =>
            "kaiming_normal: the weight has shape [3], but it must have at least two dimensions, outputs and \
             inputs";
        init::orthogonal::<F>([3], 1.0, &mut rng()) =>
            "orthogonal: the weight has shape [3], but it must have at least two dimensions, outputs and inputs";
        init::xavier_normal::<F>([3i64, i64::MAX, 2], 1.0, &mut rng()) =>
            "xavier_normal: shape [3, 9223372036854775807, 2] is too large: its size in bytes overflows, or the \
             system has not that much memory";
        init::orthogonal::<F>([3i64, i64::MAX, 2], 1.0, &mut rng()) =>
            "orthogonal: shape [3, 9223372036854775807, 2] is too large: its size in bytes overflows, or the system \
             has not that much memory";
        init::trunc_normal::<F>([3], NAN, 1.0, (-1.0, 1.0), &mut rng()) =>
            "trunc_normal: mean is NaN, but it must be finite";
        init::trunc_normal::<F>([3], 0.0, 0.0, (-1.0, 1.0), &mut rng()) =>
            "trunc_normal: std is 0, but it must be finite and above 0";
        init::trunc_normal::<F>([3], 0.0, 1.0, (1.0, -1.0), &mut rng()) =>
            "trunc_normal: low is 1, but it must be below `high`";
        save(&model, NOWHERE) => "save: no/such/folder/file: No such file or directory (os error 2)";
        load(&mut other, NOWHERE) => "load: no/such/folder/file: No such file or directory (os error 2)";
        other.load_state(&state) =>
            "load_state: the state is that of another model: missing in the state: weight, bias, but it must have \
             the model's names and shapes: build the model as it was when saved";
        State::<F>::new().save(NOWHERE) => "save: no/such/folder/file: No such file or directory (os error 2)";
        State::<F>::open(NOWHERE) => "open: no/such/folder/file: No such file or directory (os error 2)";
        State::<F>::new().parse_note::<i64>("epoch") =>
            "state: a note is `epoch`: missing, but it must be there and be of the type asked for: save and load \
             with the same program";
        State::<F>::new().section("optimizer") =>
            "state: the section asked for is `optimizer`, but the state has none of that name: was it saved with \
             one?";
        History::new("accuracy").save(NOWHERE) =>
            "history: no/such/folder/file: No such file or directory (os error 2)";
        Summary::new(&model, [4, 5]) =>
            "linear: the input has shape [4, 5], but its last dimension must be 2, the layer's inputs";
    }
}

#[test]
fn layers() {
    let x = v(&[4, 5]);
    let (image, places) = (v(&[2, 3, 4, 4]), v(&[5, 2, 6]));
    let embedding = Embedding::<F>::new(3, 2, &mut rng()).unwrap();
    let none = AttentionMask::new();
    let padded = AttentionMask::new().key_padding(Tensor::full([2, 4], false).unwrap());
    let masked = AttentionMask::new().attention(Tensor::full([2, 4], false).unwrap());
    fail! {
        Linear::<F>::new(usize::MAX, 2, &mut rng()) =>
            "uniform: shape [2, 9223372036854775807] is too large: its size in bytes overflows, or the system has \
             not that much memory";
        linear().forward(&x) =>
            "linear: the input has shape [4, 5], but its last dimension must be 2, the layer's inputs";
        Bilinear::<F>::new(1 << 40, 1 << 40, 2, &mut rng()) =>
            "uniform: shape [2, 1099511627776, 1099511627776] is too large: its size in bytes overflows, or the \
             system has not that much memory";
        Bilinear::<F>::new(5, 3, 2, &mut rng()).unwrap().forward(&x, &x) =>
            "bilinear: the input has shape [4, 5], but its last dimension must be 3, the layer's inputs";
        Dropout::new(1.5, 0) => "dropout: p is 1.5, but a probability lies in 0..=1";
        PReLU::<F>::new(usize::MAX) =>
            "full: shape [9223372036854775807] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        PReLU::<F>::new(3).unwrap().forward(&x) =>
            "prelu: the weight has shape [3], but it must be one number, or one for each of the 5 channels of [4, \
             5], which are dimension 1";
        Activation::Softmax(2).forward(&x) =>
            "softmax: dimension 2 of a tensor with shape [4, 5]: dimensions go from -2 to 1";
        Embedding::<F>::new(usize::MAX, 2, &mut rng()) =>
            "randn: shape [9223372036854775807, 2] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        Embedding::<F>::new(3, 2, &mut rng()).unwrap().padding_idx(3) =>
            "embedding: index 3 is out of range for dimension 0 of size 3";
        embedding.lookup(&ints(&[0, 3]), None) => "embedding: index 3 is out of range for dimension 0 of size 3";
        Embedding::<F>::new(3, 2, &mut rng()).unwrap().lookup(&ints(&[-1]), None) =>
            "embedding: index -1 is out of range for dimension 0 of size 3";
        embedding.forward(&x) =>
            "embedding: the input[0, 0] is 0.5, but it must hold whole numbers, those of the rows to look up";
        Sequential::<F>::mlp(&[4], ReLU, &mut rng()) =>
            "mlp: widths is [4], but it must list at least two, those of input and output, and none may be 0";
        Sequential::<F>::mlp(&[4, 3], ReLU, &mut rng()).unwrap().forward(&x) =>
            "linear: the input has shape [4, 5], but its last dimension must be 4, the layer's inputs";
        LayerNorm::<F>::new([0]) =>
            "layer_norm: what is normalized has shape [0], but it must have at least one dimension, and none of \
             size 0";
        LayerNorm::<F>::new([4]).unwrap().forward(&x) =>
            "layer_norm: the input has shape [4, 5], but its last dimensions must be [4], the layer's";
        RmsNorm::<F>::new([0]) =>
            "rms_norm: what is normalized has shape [0], but it must have at least one dimension, and none of size \
             0";
        RmsNorm::<F>::new([4]).unwrap().forward(&x) =>
            "rms_norm: the input has shape [4, 5], but its last dimensions must be [4], the layer's";
        BatchNorm::<F, 1>::new(usize::MAX) =>
            "ones: shape [9223372036854775807] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        BatchNorm1d::<F>::new(4).unwrap().forward(&x) =>
            "batch_norm1d: the input has shape [4, 5], but it must be [N, C] or [N, C, L] with C = 4, the layer's \
             channels";
        BatchNorm2d::<F>::new(4).unwrap().forward(&image) =>
            "batch_norm2d: the input has shape [2, 3, 4, 4], but it must be [N, C, H, W] with C = 4, the layer's \
             channels";
        Conv::<F, 2>::new(3, 2, [3, 0], &mut rng()) =>
            "conv2d: kernel is [3, 0], but it must have at least one place";
        Conv::<F, 2>::new(usize::MAX, 2, 3, &mut rng()) =>
            "uniform: shape [2, 9223372036854775807, 3, 3] is too large: its size in bytes overflows, or the system \
             has not that much memory";
        Conv::<F, 2>::grouped(3, 4, 3, 2, &mut rng()) =>
            "conv2d: groups is 2, but it must divide the numbers of inputs and of outputs";
        Conv2d::<F>::new(4, 2, 3, &mut rng()).unwrap().forward(&image) =>
            "conv2d: the input has shape [2, 3, 4, 4], but it must be [N, C, H, W] or [C, H, W] with C = 4, the \
             layer's inputs";
        Conv2d::<F>::new(3, 2, 5, &mut rng()).unwrap().forward(&image) =>
            "conv2d: the input has shape [2, 3, 4, 4], but with its border it must not be smaller than the kernel \
             [5, 5], spread by the dilation";
        MaxPool2d::new(0).forward(&image) => "max_pool2d: kernel_size is 0, but it must be at least 1";
        MaxPool2d::new(5).forward(&image) =>
            "max_pool2d: the input has shape [2, 3, 4, 4], but with its border it must not be smaller than the \
             kernel [5, 5]";
        MaxPool1d::new(2).padding(2).forward(&places) =>
            "max_pool1d: padding is 2, but it must be at most half of the kernel";
        AvgPool2d::new(2).divisor_override(0).forward(&image) =>
            "avg_pool2d: divisor_override is 0, but it must be at least 1";
        AdaptiveAvgPool2d::new(0).forward(&image) => "adaptive_avg_pool: output_size is 0, but it must be at least 1";
        AdaptiveMaxPool2d::new(2).forward(&x) =>
            "adaptive_max_pool: the input has shape [4, 5], but it must be [N, C, H, W] or [C, H, W]";
        GlobalAvgPool.forward(&v(&[3])) =>
            "global_avg_pool: the input has shape [3], but it must be [N, C, …] with at least one place";
        GlobalMaxPool.forward(&v(&[3])) =>
            "global_max_pool: the input has shape [3], but it must be [N, C, …] with at least one place";
        Gru::<F>::new(6, 0, &mut rng()) => "gru: hidden_size is 0, but it must be at least 1";
        Gru::<F>::layers(6, 4, 0, false, &mut rng()) => "gru: num_layers is 0, but it must be at least 1";
        Gru::<F>::new(6, 4, &mut rng()).unwrap().dropout(0.5, 0) =>
            "gru: num_layers is 1, but between layers there is nothing to leave out with one of them: take two or \
             more";
        Gru::<F>::new(6, 4, &mut rng()).unwrap().run(&x, None) =>
            "gru: the input has shape [4, 5], but it must be [L, N, …] or [L, …] with 6 numbers at each place";
        Gru::<F>::new(6, 4, &mut rng()).unwrap().run(&places, Some(&x)) =>
            "gru: the first state has shape [4, 5], but it must be [1, 2, 4]: layers and directions, examples, \
             hidden size";
        Lstm::<F>::new(6, 0, &mut rng()) => "lstm: hidden_size is 0, but it must be at least 1";
        Lstm::<F>::layers(6, 4, 0, false, &mut rng()) => "lstm: num_layers is 0, but it must be at least 1";
        Lstm::<F>::projected(6, 4, 4, 1, false, &mut rng()) =>
            "lstm: proj_size is 4, but it must be at least 1, and smaller than the hidden size";
        Lstm::<F>::new(6, 4, &mut rng()).unwrap().dropout(0.5, 0) =>
            "lstm: num_layers is 1, but between layers there is nothing to leave out with one of them: take two or \
             more";
        Lstm::<F>::new(6, 4, &mut rng()).unwrap().run(&x, None) =>
            "lstm: the input has shape [4, 5], but it must be [L, N, …] or [L, …] with 6 numbers at each place";
        Lstm::<F>::new(6, 4, &mut rng()).unwrap().run(&places, Some((&x, &x))) =>
            "lstm: the first state has shape [4, 5], but it must be [1, 2, 4]: layers and directions, examples, \
             hidden size";
        MultiheadAttention::<F>::new(6, 4, &mut rng()) =>
            "multihead_attention: num_heads is 4, but it must divide the width of the embedding";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().dropout(-0.1, &mut rng()) =>
            "dropout: p is -0.1, but a probability lies in 0..=1";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().attend(&x, &x, &x, &none) =>
            "multihead_attention: the input has shape [4, 5], but it must be [L, N, …] or [L, …], as the query, \
             with 6 numbers at each place";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().attend(&places, &v(&[4, 3, 6]), &places, &none) =>
            "multihead_attention: the input has shape [2, 5, 6], but key and value must have one shape, and 2 \
             examples as the query";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().attend(&places, &places, &places, &padded) =>
            "multihead_attention: the key padding mask has shape [2, 4], but it must be [2, 5], examples and keys";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().attend(&places, &places, &places, &masked) =>
            "multihead_attention: the attention mask has shape [2, 4], but it must be [5, 5] or [4, 5, 5]";
        MultiheadAttention::<F>::new(6, 2, &mut rng()).unwrap().forward(&x) =>
            "multihead_attention: the input has shape [4, 5], but it must be [L, N, …] or [L, …], as the query, \
             with 6 numbers at each place";
    }
}

#[test]
fn optimizers() {
    let mut model = linear();
    let mut grads = gradients(&model, 1.0);
    let mut wild = gradients(&model, F::INFINITY);
    let (twin, ones) = (linear(), Tensor::full([1, 2], 1.0).unwrap());
    let other = gradients(&twin, 1.0);
    let empty = State::<F>::new();
    let bad = |o: Box<dyn Optimizer<F>>| o.check();
    fail! {
        Sgd::<F>::new(-0.1).step(&mut model, &grads) => "sgd: lr is -0.1, but it must be finite and not negative";
        Sgd::<F>::new(0.1).nesterov(true).step(&mut model, &grads) =>
            "sgd: nesterov is true, but it needs a momentum above 0 and no dampening";
        Sgd::<F>::new(0.1).momentum(-0.1).step(&mut model, &grads) =>
            "sgd: momentum is -0.1, but it must be finite and not negative";
        bad(Box::new(Adam::<F>::new(0.1).betas(0.9, 1.0))) =>
            "adam: beta2 is 1, but it must be at least 0 and below 1";
        bad(Box::new(AdamW::<F>::new(NAN))) => "adamw: lr is NaN, but it must be finite and not negative";
        bad(Box::new(NAdam::<F>::new(0.1).eps(-1.0))) => "nadam: eps is -1, but it must be finite and not negative";
        bad(Box::new(RmsProp::<F>::new(0.1).alpha(1.5))) =>
            "rmsprop: alpha is 1.5, but it must be at least 0 and below 1";
        bad(Box::new(Adagrad::<F>::new(0.1).lr_decay(-1.0))) =>
            "adagrad: lr_decay is -1, but it must be finite and not negative";
        bad(Box::new(Adadelta::<F>::new(0.1).rho(1.5))) =>
            "adadelta: rho is 1.5, but it must be at least 0 and below 1";
        bad(Box::new(Lion::<F>::new(0.1).betas(1.0, 0.9))) =>
            "lion: beta1 is 1, but it must be at least 0 and below 1";
        bad(Box::new(Groups::<F>::new().add(|_| true, Sgd::new(-1.0)))) =>
            "sgd: lr is -1, but it must be finite and not negative";
        Sgd::<F>::new(0.1).step(&mut model, &other) =>
            "sgd: the set of gradients is one of 2 values, none of them a parameter of this model, but it must come \
             from a backward pass through this very model: a clone has parameters of its own";
        Groups::<F>::new().rest(Sgd::new(0.1)).step(&mut model, &other) =>
            "groups: the set of gradients is one of 2 values, none of them a parameter of this model, but it must \
             come from a backward pass through this very model: a clone has parameters of its own";
        Lbfgs::<F>::new(1.0).step_with(&mut model, |_| twin.forward(&Tape::new().input(ones.clone()))?.sum(..)) =>
            "lbfgs: the set of gradients is one of 2 values, none of them a parameter of this model, but it must \
             come from a backward pass through this very model: a clone has parameters of its own";
        Sgd::<F>::new(0.1).load_state(&empty) =>
            "sgd: the state is not that of an optimizer, but it must be that of an optimizer of the same kind and \
             options";
        Adam::<F>::new(0.1).load_state(&Optimizer::<F>::state(&Sgd::<F>::new(0.1))) =>
            "adam: the state is that of sgd, but it must be that of an optimizer of the same kind and options";
        Groups::<F>::new().rest(Sgd::new(0.1)).load_state(&empty) =>
            "state: the section asked for is `0`, but the state has none of that name: was it saved with one?";
        Groups::<F>::new().rest(Sgd::new(-1.0)).step(&mut model, &grads) =>
            "sgd: lr is -1, but it must be finite and not negative";
        Lbfgs::<F>::new(-1.0).check() => "lbfgs: lr is -1, but it must be finite and not negative";
        Lbfgs::<F>::new(1.0).load_state(&empty) =>
            "lbfgs: the state is not that of an optimizer, but it must be that of an optimizer of the same kind and \
             options";
        Lbfgs::<F>::new(1.0).step_with(&mut model, |m| m.forward(&v(&[4, 2]))) =>
            "item: the tensor has shape [4, 3], but an item can be taken of one element only: index or reduce it \
             first";
        Lbfgs::<F>::new(1.0).step_with(&mut model, |_| Ok(Var::from(Tensor::scalar(1.0)))) =>
            "backward: the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`";
        clip_grad_norm(&model, &mut grads, -1.0, 2.0) =>
            "clip_grad_norm: max_norm is -1, but it must not be negative";
        clip_grad_norm(&model, &mut grads, 1.0, NAN) => "clip_grad_norm: norm_type is NaN, but it must be above 0";
        clip_grad_norm(&model, &mut wild, 1.0, 2.0) =>
            "clip_grad_norm: the norm of the gradients is inf, but it must be finite: a smaller learning rate or \
             another scale of the data may help";
        clip_grad_value(&model, &mut grads, -1.0) => "clip_grad_value: clip_value is -1, but it must not be negative";
    }
}

#[test]
fn schedules() {
    let mut one = Sgd::<F>::new(0.1);
    let mut two = Groups::<F>::new()
        .add(|name| name == "weight", Sgd::new(0.1))
        .rest(Sgd::new(0.1));
    let mut scheduler = Scheduler::new(StepLr::new(2), &mut one).unwrap();
    let empty = State::<F>::new();
    fail! {
        Scheduler::new(StepLr::new(0), &mut one) => "step_lr: step_size is 0, but it must be at least 1";
        Scheduler::new(LambdaLr::new(|t| -(t as f64) - 1.0), &mut one) =>
            "lambda_lr: the learning rate is -0.1, but it must be finite and not negative";
        scheduler.step(&mut two) =>
            "step_lr: the optimizer is one with 2 groups, but a schedule belongs to one optimizer: begin another \
             one";
        Scheduler::new(StepLr::new(2), &mut one).unwrap().step(&mut two) =>
            "step_lr: the optimizer is one with 2 groups, but a schedule belongs to one optimizer: begin another \
             one";
        Scheduler::new(StepLr::new(2), &mut one).unwrap().load_state(&empty) =>
            "state: a note is `t`: missing, but it must be there and be of the type asked for: save and load with \
             the same program";
        StepLr::new(2).gamma(-1.0).check() => "step_lr: gamma is -1, but it must be finite and not negative";
        MultiStepLr::new([3, 2]).gamma(-1.0).check() =>
            "multi_step_lr: gamma is -1, but it must be finite and not negative";
        ExponentialLr::new(NAN).check() => "exponential_lr: gamma is NaN, but it must be finite and not negative";
        ConstantLr::new(3).factor(-1.0).check() => "constant_lr: factor is -1, but it must lie in 0..=1";
        LinearLr::new(3).start_factor(0.0).check() =>
            "linear_lr: start_factor is 0, but it must be above 0 and at most 1";
        PolynomialLr::new(0).check() => "polynomial_lr: total_iters is 0, but it must be at least 1";
        CosineAnnealingLr::new(0).check() => "cosine_annealing_lr: t_max is 0, but it must be at least 1";
        CosineAnnealingWarmRestarts::new(0).check() =>
            "cosine_annealing_warm_restarts: t_0 is 0, but it must be at least 1";
        OneCycleLr::new(-1.0, 10).check() => "one_cycle_lr: max_lr is -1, but it must be finite and not negative";
        OneCycleLr::new(1.0, 0).check() => "one_cycle_lr: total_steps is 0, but it must be at least 1";
        ChainedScheduler::new().add(StepLr::new(0)).check() => "step_lr: step_size is 0, but it must be at least 1";
        SequentialLr::new(StepLr::new(1)).then(5, StepLr::new(1)).then(5, StepLr::new(1)).check() =>
            "sequential_lr: milestones is 5 after 5, but each must come after the one before";
        ReduceLrOnPlateau::new(Goal::Min).factor(1.5).step(&mut one, 1.0) =>
            "reduce_lr_on_plateau: factor is 1.5, but it must be at least 0 and below 1";
        ReduceLrOnPlateau::new(Goal::Min).load_state(&empty) =>
            "state: a note is `best`: missing, but it must be there and be of the type asked for: save and load \
             with the same program";
    }
}

#[test]
fn measures() {
    let (three, two) = (ints(&[0, 1, 1]), ints(&[0, 1]));
    let p = Tensor::from([[0.5f32, 0.5], [0.25, 0.75], [1.0, 0.0]]);
    let wrong = Tensor::from([[0.5f32, 0.75], [0.25, 0.75], [1.0, 0.0]]);
    let scores = Tensor::from([0.5f32, 0.25, 1.0]);
    fail! {
        accuracy(&three, &two) =>
            "accuracy: predicted has shape [3], but the target has shape [2]: they must be the same";
        ConfusionMatrix::new(&three, &two, 2) =>
            "confusion_matrix: predicted has shape [3], but the target has shape [2]: they must be the same";
        ConfusionMatrix::new(&three, &three, 1) => "confusion_matrix: target[1] is 1, but the rows have 1 classes";
        log_loss(&p, &two) =>
            "log_loss: probabilities has shape [3, 2], but the target has shape [2]: it must have a row of classes \
             for each element of it";
        log_loss(&wrong, &three) =>
            "log_loss: the sum of probabilities[0] is 1.25, but each row must sum to 1: `softmax` makes it so";
        log_loss(&p, &ints(&[0, 1, 2])) => "log_loss: target[2] is 2, but the rows have 2 classes";
        brier_score(&wrong, &three) =>
            "brier_score: the sum of probabilities[0] is 1.25, but each row must sum to 1: `softmax` makes it so";
        calibration(&p, &three, 0) =>
            "calibration: bins is 0, but it must be at least 1, and not more than a million";
        calibration_error(&p, &two, 10) =>
            "calibration_error: probabilities has shape [3, 2], but the target has shape [2]: it must have a row of \
             classes for each element of it";
        top_k_accuracy(&p, &three, 0) => "top_k_accuracy: k is 0, but it must be at least 1";
        roc_curve(&p, &three) =>
            "roc_curve: scores has shape [3, 2], but it must have one dimension: a score of class 1 for each row";
        roc_auc(&scores, &ints(&[0, 1, 2])) =>
            "roc_auc: target[2] is 2, but there are two classes, 0 and 1: compare one class with the rest";
        precision_recall_curve(&scores, &two) =>
            "precision_recall_curve: scores has shape [3], but the target has shape [2]: they must be the same";
        average_precision(&Tensor::from([NAN as F, 0.0]), &two) =>
            "average_precision: scores[0] is NaN, but a score must be a number, to be compared with others";
        mean_absolute_error(&scores, &p) =>
            "mean_absolute_error: predicted has shape [3], but the target has shape [3, 2]: they must be the same";
        mean_squared_error(&scores, &p) =>
            "mean_squared_error: predicted has shape [3], but the target has shape [3, 2]: they must be the same";
        r2_score(&scores, &p) =>
            "r2_score: predicted has shape [3], but the target has shape [3, 2]: they must be the same";
    }
}

#[test]
fn data_sets() {
    let rows = Dataset::new(t(&[4, 2]), ints(&[0, 1, 0, 1])).unwrap();
    let center = t(&[2]);
    let other = Standardize::fit(&t(&[4, 2])).unwrap();
    fail! {
        Dataset::<i64>::new(t(&[4]), ints(&[0, 1, 0, 1])) =>
            "dataset: x has shape [4], but it must have two dimensions, rows and features";
        Dataset::<i64>::new(t(&[4, 2]), ints(&[0, 1])) =>
            "dataset: y has shape [2], but it must be [4], a class for each row of x";
        Dataset::<i64>::new(t(&[2, 2]), ints(&[0, -1])) => "dataset: y[1] is -1, but classes count from 0";
        Dataset::<i64>::new(Tensor::from([[F::NAN]]), ints(&[0])) =>
            "dataset: x[0, 0] is NaN, but data must be finite: leave such rows out, or fill them in";
        Dataset::select(&rows, &[0, 4]) => "select: index 4 is out of range for dimension 0 of size 4";
        Dataset::split(&rows, 1.5, &mut rng()) => "split: test_fraction is 1.5, but it must lie between 0 and 1";
        Dataset::batches(&rows, 0, &mut rng()) => "batches: size is 0, but a batch must hold at least one row";
        Dataset::full_batches(&rows, 5, &mut rng()) =>
            "full_batches: size is 5, but there are fewer rows than that, so no batch would be full";
        Dataset::chunks(&rows, 0) => "chunks: size is 0, but a batch must hold at least one row";
        Standardize::fit(&center) =>
            "standardize: x has shape [2], but it must have two dimensions, rows and features, and at least one \
             row";
        Standardize::fit(&Tensor::from([[F::INFINITY]])) =>
            "standardize: x[0, 0] is inf, but data must be finite: leave such rows out, or fill them in";
        Standardize::apply(&other, &t(&[4, 3])) =>
            "standardize: x has shape [4, 3], but it must have 2 columns, as the fitted table has";
        data::read_idx(NOWHERE) => "read_idx: no/such/folder/file: No such file or directory (os error 2)";
        Dataset::from_idx(NOWHERE, NOWHERE) =>
            "read_idx: no/such/folder/file: No such file or directory (os error 2)";
        Dataset::from_csv(NOWHERE) => "csv: no/such/folder/file: No such file or directory (os error 2)";
        Dataset::from_csv_text("rows", "a,label\n1,x\n") =>
            "csv: rows: line 2, column 2 (label): \"x\" is not a class, a whole number from 0 to 999999: names \
             are read with `class_names`";
        Csv::new().read(NOWHERE) => "csv: no/such/folder/file: No such file or directory (os error 2)";
        Csv::new().read_text("rows", "") => "csv: rows: the file is empty";
        Csv::new().read_text("rows", "a,label\n1\n") =>
            "csv: rows: line 2: the row has 1 field, but the header has 2 columns";
        Csv::new().read_text("rows", "a,label\n") => "csv: rows: there is no row after the header";
        Csv::new().read_text("rows", "a,b\n1,0\n") =>
            "csv: rows: line 1: no column is called \"label\": there are \"a\", \"b\"";
        Csv::new().read_regression(NOWHERE) =>
            "csv: no/such/folder/file: No such file or directory (os error 2)";
        Csv::new().read_regression_text("rows", "a,label\n1,inf\n") =>
            "csv: rows: line 2, column 2 (label): \"inf\" is not a finite number";
        data::moons(usize::MAX, 0.1, &mut rng()) =>
            "normal: shape [9223372036854775807, 2] is too large: its size in bytes overflows, or the system has \
             not that much memory";
        data::moons(4, -0.1, &mut rng()) => "moons: noise is -0.1, but it must be finite and not negative";
        data::circles(4, 1.5, 0.1, &mut rng()) => "circles: factor is 1.5, but it must be at least 0 and below 1";
        data::spirals(4, 0, 1.0, 0.1, &mut rng()) =>
            "spirals: classes is 0, but it must be at least 1, and at most the number of points";
        data::xor(4, NAN, &mut rng()) => "xor: noise is NaN, but it must be finite and not negative";
        data::blobs(4, &center, 1.0, &mut rng()) =>
            "blobs: centers has shape [2], but it must have two dimensions, classes and features, and at least one \
             class";
        data::regression(4, 2, NAN, &mut rng()) => "regression: noise is NaN, but it must be finite and not negative";
        data::regression(4, usize::MAX, 0.1, &mut rng()) =>
            "randn: shape [9223372036854775807] is too large: its size in bytes overflows, or the system has not \
             that much memory";
    }
}

#[test]
fn training() {
    let rows = Dataset::new(t(&[4, 2]), ints(&[0, 1, 0, 1])).unwrap();
    let mut model = linear();
    let mut adam = Adam::new(0.1);
    let loss = |x: &Var<F>, y: &Tensor<i64>| cross_entropy(x, y);
    fail! {
        Trainer::new(1).batch_size(0).fit(&mut model, &mut adam, loss, (&rows, &rows), &mut rng()) =>
            "batches: size is 0, but a batch must hold at least one row";
        Trainer::new(1).checkpoint(NOWHERE).fit(&mut model, &mut adam, loss, (&rows, &rows), &mut rng()) =>
            "save: no/such/folder/file: No such file or directory (os error 2)";
        predict(&model, &t(&[4, 3])) =>
            "linear: the input has shape [4, 3], but its last dimension must be 2, the layer's inputs";
    }
}

/// What has no call that fails.
const APART: &[(&str, &str)] = &[
    ("digits", "reads what is built in"),
    ("iris", "reads what is built in"),
    ("wine", "reads what is built in"),
    ("breast_cancer", "reads what is built in"),
    ("Dataset::shuffle", "takes the rows that are there"),
];

#[test]
fn every_public_function_has_a_bad_call() {
    start_values_and_files();
    layers();
    optimizers();
    schedules();
    measures();
    data_sets();
    training();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let functions = fallible(&src, &[]);
    assert!(functions.len() > 80, "{} functions", functions.len());
    assert_covered(&functions, APART, |of, name, call, said| match of {
        "" => bad_calls::calls_it(of, name, call, said),
        of => call.contains(of) && bad_calls::calls_it(of, name, call, said),
    });
}
