//! What layers refuse, and with which message: `errors.rs` has a bad call of each function, this has each bad input of a
//! layer.

use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn zeros(shape: &[usize]) -> Var<f32> {
    Var::from(Tensor::zeros(shape).unwrap())
}

/// The message with which a layer refuses an input of this shape.
fn refusal(layer: &dyn Module<f32>, shape: &[usize]) -> String {
    layer.forward(&zeros(shape)).unwrap_err().to_string()
}

#[test]
fn wrong_shapes_name_the_right_one() {
    let r = &mut rng();
    type Case = (Box<dyn Module<f32>>, &'static [usize], &'static str);
    let cases: Vec<Case> = vec![
        (
            Box::new(LayerNorm::new([3, 4]).unwrap()),
            &[2, 4],
            "layer_norm: the input has shape [2, 4], but its last dimensions must be [3, 4], the layer's",
        ),
        (
            Box::new(RmsNorm::new([4]).unwrap()),
            &[2, 3],
            "rms_norm: the input has shape [2, 3], but its last dimensions must be [4], the layer's",
        ),
        (
            Box::new(BatchNorm1d::new(3).unwrap()),
            &[2, 4],
            "batch_norm1d: the input has shape [2, 4], but it must be [N, C] or [N, C, L] with C = 3, the layer's channels",
        ),
        (
            Box::new(BatchNorm2d::new(3).unwrap()),
            &[2, 3],
            "batch_norm2d: the input has shape [2, 3], but it must be [N, C, H, W] with C = 3, the layer's channels",
        ),
        (
            Box::new(Conv1d::new(2, 3, 2, r).unwrap()),
            &[2, 3, 5],
            "conv1d: the input has shape [2, 3, 5], but it must be [N, C, L] or [C, L] with C = 2, the layer's inputs",
        ),
        (
            Box::new(Conv2d::new(2, 3, 2, r).unwrap()),
            &[2, 5],
            "conv2d: the input has shape [2, 5], but it must be [N, C, H, W] or [C, H, W] with C = 2, the layer's inputs",
        ),
        (
            Box::new(Conv2d::new(2, 3, 4, r).unwrap().padding(1).dilation(2)),
            &[1, 2, 9, 3],
            "conv2d: the input has shape [1, 2, 9, 3], but with its border it must not be smaller than the kernel [4, 4], spread by the dilation",
        ),
        (
            Box::new(Conv1d::new(1, 1, 2, r).unwrap().stride(0)),
            &[1, 1, 9],
            "conv1d: stride is [0], but it must be at least 1",
        ),
        (
            Box::new(Conv1d::new(1, 1, 2, r).unwrap().dilation(0)),
            &[1, 1, 9],
            "conv1d: dilation is [0], but it must be at least 1",
        ),
        (
            Box::new(Conv1d::new(1, 1, 2, r).unwrap().dilation(usize::MAX)),
            &[1, 1, 9],
            "conv1d: the input has shape [1, 1, 9], but with its border it must not be smaller than the kernel [1, 2], spread by the dilation",
        ),
        (
            Box::new(MaxPool2d::new(3)),
            &[1, 2, 5],
            "max_pool2d: the input has shape [1, 2, 5], but with its border it must not be smaller than the kernel [3, 3]",
        ),
        (
            Box::new(MaxPool2d::new(3)),
            &[2, 5],
            "max_pool2d: the input has shape [2, 5], but it must be [N, C, H, W] or [C, H, W]",
        ),
        (
            Box::new(MaxPool1d::new(0)),
            &[2, 5],
            "max_pool1d: kernel_size is 0, but it must be at least 1",
        ),
        (
            Box::new(AvgPool1d::new(2).stride(0)),
            &[2, 5],
            "avg_pool1d: stride is 0, but it must be at least 1",
        ),
        (
            Box::new(AvgPool1d::new(2).padding(2)),
            &[2, 5],
            "avg_pool1d: padding is 2, but it must be at most half of the kernel",
        ),
        (
            Box::new(AvgPool1d::new(2).divisor_override(0)),
            &[2, 5],
            "avg_pool1d: divisor_override is 0, but it must be at least 1",
        ),
        (
            Box::new(AdaptiveAvgPool1d::new(0)),
            &[2, 5],
            "adaptive_avg_pool: output_size is 0, but it must be at least 1",
        ),
        (
            Box::new(AdaptiveMaxPool1d::new(2)),
            &[2, 0],
            "adaptive_max_pool: the input has shape [2, 0], but it must have at least one place along each dimension",
        ),
        (
            Box::new(Gru::new(3, 4, r).unwrap()),
            &[5, 2, 4],
            "gru: the input has shape [5, 2, 4], but it must be [L, N, …] or [L, …] with 3 numbers at each place",
        ),
        (
            Box::new(Lstm::new(3, 4, r).unwrap().batch_first(true)),
            &[5],
            "lstm: the input has shape [5], but it must be [N, L, …] or [L, …] with 3 numbers at each place",
        ),
        (
            Box::new(Lstm::new(3, 4, r).unwrap()),
            &[0, 2, 3],
            "lstm: the input has shape [0, 2, 3], but a sequence must have at least one place",
        ),
        (
            Box::new(MultiheadAttention::new(4, 2, r).unwrap()),
            &[5, 2, 3],
            "multihead_attention: the input has shape [5, 2, 3], but it must be [L, N, …] or [L, …], as the query, with 4 numbers at each place",
        ),
        (
            Box::new(Softmax(2)),
            &[5, 2],
            "softmax: dimension 2 of a tensor with shape [5, 2]: dimensions go from -2 to 1",
        ),
    ];
    for (layer, shape, right) in cases {
        assert_eq!(refusal(&*layer, shape), right);
    }
}

#[test]
fn layers_that_cannot_be_are_refused() {
    let r = &mut rng();
    let message = |e: Result<()>| e.unwrap_err().to_string();
    let cases = [
        (
            Conv2d::<f32>::new(1, 1, [3, 0], r).map(drop),
            "conv2d: kernel is [3, 0], but it must have at least one place",
        ),
        (
            Conv1d::<f32>::grouped(4, 6, 1, 4, r).map(drop),
            "conv1d: groups is 4, but it must divide the numbers of inputs and of outputs",
        ),
        (
            Conv1d::<f32>::grouped(4, 6, 1, 0, r).map(drop),
            "conv1d: groups is 0, but it must divide the numbers of inputs and of outputs",
        ),
        (
            LayerNorm::<f32>::new(()).map(drop),
            "layer_norm: what is normalized has shape [], but it must have at least one dimension, and none of size 0",
        ),
        (
            RmsNorm::<f32>::new([3, 0]).map(drop),
            "rms_norm: what is normalized has shape [3, 0], but it must have at least one dimension, and none of size 0",
        ),
        (
            Gru::<f32>::new(3, 0, r).map(drop),
            "gru: hidden_size is 0, but it must be at least 1",
        ),
        (
            Lstm::<f32>::layers(3, 2, 0, false, r).map(drop),
            "lstm: num_layers is 0, but it must be at least 1",
        ),
        (
            Lstm::<f32>::projected(3, 2, 2, 1, false, r).map(drop),
            "lstm: proj_size is 2, but it must be at least 1, and smaller than the hidden size",
        ),
        (
            Gru::<f32>::new(3, 2, r)
                .and_then(|g| g.dropout(0.5, 1))
                .map(drop),
            "gru: num_layers is 1, but between layers there is nothing to leave out with one of them: take two or more",
        ),
        (
            (Lstm::<f32>::layers(3, 2, 2, false, r).and_then(|l| l.dropout(1.5, 1))).map(drop),
            "dropout: p is 1.5, but a probability lies in 0..=1",
        ),
        (
            PReLU::<f32>::new(2)
                .and_then(|p| p.forward(&zeros(&[2, 3])))
                .map(drop),
            "prelu: the weight has shape [2], but it must be one number, or one for each of the 3 channels of [2, 3], which are dimension 1",
        ),
        (
            GlobalAvgPool.forward(&zeros(&[2, 3])).map(drop),
            "global_avg_pool: the input has shape [2, 3], but it must be [N, C, …] with at least one place",
        ),
        (
            (Conv1d::<f32>::new(1, 1, 3, r).map(|c| c.padding(4).padding_mode(Border::Reflect)))
                .and_then(|c| c.forward(&zeros(&[1, 1, 3])))
                .map(drop),
            "conv1d: padding is [4, 4] of an input [1, 1, 3], Reflect, but a reflected border is narrower than its dimension, \
             a circular one no wider, and none is made of nothing",
        ),
        (
            MultiheadAttention::<f32>::new(4, 3, r).map(drop),
            "multihead_attention: num_heads is 3, but it must divide the width of the embedding",
        ),
        (
            Embedding::<f32>::new(3, 2, r)
                .and_then(|e| e.padding_idx(3))
                .map(drop),
            "embedding: index 3 is out of range for dimension 0 of size 3",
        ),
    ];
    for (result, right) in cases {
        assert_eq!(message(result), right);
    }
}

#[test]
fn other_inputs_are_checked_too() {
    let r = &mut rng();
    let bilinear = Bilinear::<f32>::new(2, 3, 4, r).unwrap();
    let message = |a: &[usize], b: &[usize]| {
        bilinear
            .forward(&zeros(a), &zeros(b))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&[5, 3], &[5, 3]),
        "bilinear: the input has shape [5, 3], but its last dimension must be 2, the layer's inputs"
    );
    assert_eq!(
        message(&[5, 2], &[1, 3]),
        "bilinear: the second input has shape [1, 3], but its dimensions before the last must be [5], the first one's"
    );
    assert_eq!(
        message(&[], &[3]),
        "bilinear: the input has shape [], but its last dimension must be 2, the layer's inputs"
    );

    let table = Embedding::<f32>::new(3, 2, r).unwrap();
    for bad in [3, -1] {
        assert_eq!(
            table
                .lookup(&Tensor::from([0, bad]), None)
                .unwrap_err()
                .to_string(),
            format!("embedding: index {bad} is out of range for dimension 0 of size 3")
        );
    }
    let x = Var::from(Tensor::from([[0.0f32, 2.0], [1.5, 0.0]]));
    assert_eq!(
        table.forward(&x).unwrap_err().to_string(),
        "embedding: the input[1, 0] is 1.5, but it must hold whole numbers, those of the rows to look up"
    );
    assert_eq!(table.forward(&zeros(&[2, 3])).unwrap().shape(), [2, 3, 2]);
    assert_eq!(
        table
            .lookup(&Tensor::zeros([0, 2]).unwrap(), None)
            .unwrap()
            .shape(),
        [0, 2, 2]
    );

    let gru = Gru::<f32>::layers(3, 4, 2, true, r).unwrap();
    let start = zeros(&[2, 5, 4]);
    assert_eq!(
        gru.run(&zeros(&[6, 5, 3]), Some(&start))
            .unwrap_err()
            .to_string(),
        "gru: the first state has shape [2, 5, 4], but it must be [4, 5, 4]: layers and directions, examples, hidden size"
    );

    let attention = MultiheadAttention::<f32>::new(4, 2, r)
        .unwrap()
        .batch_first(true);
    let (q, k) = (zeros(&[2, 3, 4]), zeros(&[2, 5, 4]));
    let message = |k: &Var<f32>, v: &Var<f32>, mask: AttentionMask| {
        attention.attend(&q, k, v, &mask).unwrap_err().to_string()
    };
    let masked = |shape: &[usize]| Tensor::full(shape, true).unwrap();
    assert_eq!(
        message(&k, &zeros(&[2, 4, 4]), AttentionMask::new()),
        "multihead_attention: the input has shape [2, 4, 4], but key and value must have one shape, and 2 examples as the query"
    );
    assert_eq!(
        message(&k, &k, AttentionMask::new().key_padding(masked(&[2, 3]))),
        "multihead_attention: the key padding mask has shape [2, 3], but it must be [2, 5], examples and keys"
    );
    assert_eq!(
        message(&k, &k, AttentionMask::new().attention(masked(&[5, 3]))),
        "multihead_attention: the attention mask has shape [5, 3], but it must be [3, 5] or [4, 3, 5]"
    );

    let alone = BatchNorm1d::<f32>::new(3).unwrap();
    let x = Tape::new().input(Tensor::zeros([1, 3]).unwrap());
    assert_eq!(
        alone.forward(&x).unwrap_err().to_string(),
        "batch_norm1d: the input has shape [1, 3], but in training each channel must have more than one value: their \
         deviation would be 0"
    );
    assert_eq!(alone.forward(&zeros(&[1, 3])).unwrap().shape(), [1, 3]);
}

/// A parameter that was replaced by one of another shape is named, and never read beyond its end or in part.
#[test]
fn replaced_parameters_are_checked() {
    let r = &mut rng();
    let ones = |shape: &[usize]| Tensor::<f32>::ones(shape).unwrap();
    let bias = |n: usize| Some(Param::new(ones(&[n])));
    let conv = |weight: &[usize], bias| {
        let mut layer = Conv1d::grouped(2, 2, 1, 2, &mut rng()).unwrap();
        *layer.weight.value_mut() = ones(weight);
        layer.bias = bias;
        refusal(&layer, &[1, 2, 4])
    };
    assert_eq!(
        conv(&[2, 1, 1], bias(1)),
        "conv1d: the bias has shape [1], but this layer needs [2] there"
    );
    assert_eq!(
        conv(&[2, 1, 1], bias(3)),
        "conv1d: the bias has shape [3], but this layer needs [2] there"
    );
    let weight =
        "but it must be [out, in / groups, …] without a size of 0, and 2 must divide `out`";
    for shape in [[3, 1, 1], [2, 1, 0]] {
        assert_eq!(
            conv(&shape, None),
            format!("conv1d: the weight has shape {shape:?}, {weight}")
        );
    }
    let norm = |weight, bias, mode| {
        let mut layer = BatchNorm1d::new(3).unwrap();
        (layer.weight, layer.bias) = (weight, bias);
        layer.set_mode(mode);
        refusal(&layer, &[2, 3])
    };
    for mode in [Mode::Train, Mode::Eval] {
        assert_eq!(
            norm(bias(1), bias(3), mode),
            "batch_norm1d: the weight has shape [1], but this layer needs [3] there"
        );
        assert_eq!(
            norm(bias(3), bias(4), mode),
            "batch_norm1d: the bias has shape [4], but this layer needs [3] there"
        );
    }
    let mut layer = LayerNorm::new([3]).unwrap();
    layer.bias = bias(1);
    assert_eq!(
        refusal(&layer, &[2, 3]),
        "layer_norm: the bias has shape [1], but this layer needs [3] there"
    );
    let mut layer = MultiheadAttention::new(4, 2, r).unwrap();
    layer.in_proj_bias = bias(4);
    assert_eq!(
        refusal(&layer, &[3, 4]),
        "multihead_attention: in_proj_bias has shape [4], but this layer needs [12] there"
    );
    let mut layer = Gru::new(3, 2, r).unwrap();
    layer.visit_mut(&mut |name, p| {
        if name == "bias_ih_l0" {
            *p.value_mut() = ones(&[1]);
        }
    });
    assert_eq!(
        refusal(&layer, &[5, 3]),
        "gru: bias_ih has shape [1], but this layer needs [6] there"
    );
}

#[test]
fn no_epsilon_is_negative() {
    for eps in [-1e-5, f64::NAN] {
        let text = |op: &str| format!("{op}: eps is {eps:?}, but it must not be negative");
        let layer = LayerNorm::new([3]).unwrap().eps(eps);
        assert_eq!(refusal(&layer, &[2, 3]), text("layer_norm"));
        let layer = BatchNorm1d::new(3).unwrap().eps(eps);
        assert_eq!(refusal(&layer, &[2, 3]), text("batch_norm1d"));
    }
}

#[test]
fn no_pool_is_too_large_to_be_refused() {
    let too_large = |op: &str, n: i64| {
        format!(
            "{op}: shape [{n}] is too large: its size in bytes overflows, or the system has not that much memory"
        )
    };
    for n in [1 << 46, 1 << 62, usize::MAX] {
        let shown = i64::try_from(n).unwrap_or(i64::MAX);
        assert_eq!(
            refusal(&AdaptiveAvgPool1d::new(n), &[1, 1, 4]),
            too_large("adaptive_avg_pool", shown)
        );
        assert_eq!(
            refusal(&AdaptiveMaxPool1d::new(n), &[1, 1, 4]),
            too_large("adaptive_max_pool", shown)
        );
    }
    // At the end of all numbers too a kernel is held against the input with its border, without overflow.
    let pool = |padding| AvgPool1d::new(usize::MAX).padding(padding);
    assert_eq!(
        refusal(&pool(usize::MAX / 4), &[1, 1, 4]),
        "avg_pool1d: the input has shape [1, 1, 4], but with its border it must not be smaller than the kernel \
         [18446744073709551615]"
    );
    let all = pool(usize::MAX / 2).forward(&zeros(&[1, 1, 4])).unwrap();
    assert_eq!(all.shape(), [1, 1, 1]);
}
