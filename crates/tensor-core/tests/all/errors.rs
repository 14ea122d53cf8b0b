//! Bad calls: each names the operation and the mend in its message, and none panics that can return an error.

#[path = "../common/bad_calls.rs"]
mod bad_calls;

use crate::fail;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use tensor_core::shape::Axes;
use tensor_core::{Border, Ellipsis, Error, Interpolation, IntoShape, Scalar, Tensor, i, rows};

/// Files whose public functions cannot be reached from outside, or lie behind features: tests/interop.rs is for those.
const PRIVATE: &[&str] = &[
    "interop/mod.rs",
    "interop/npy.rs",
    "interop/npz.rs",
    "interop/safetensors.rs",
    "layout.rs",
];

/// What `autograd` shares with this crate and users do not call: each with the function that has a row and calls it.
const APART: &[(&str, &str)] = &[
    ("$name", "a list of names, each of which has a row"),
    ("channel_weight", "prelu"),
    ("half_of", "glu"),
    ("grid", "meshgrid"),
    ("turn", "rot90"),
    ("check_matrix", "trace"),
    ("slices", "diff"),
    ("side", "index_fill"),
    ("square_size", "det"),
    ("border_places", "pad_with"),
    ("check_points", "cdist"),
    ("check_product", "addmm"),
    ("along", "take_along_dim"),
    ("triangle_mask", "tril"),
    ("slice_index", "index_add"),
    ("repeat_shapes", "repeat"),
    ("moved_order", "movedim"),
    ("real_dim", "size"),
    ("places", "quantile"),
];

type F = Tensor<f32>;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

fn zeros(shape: impl IntoShape) -> F {
    Tensor::zeros(shape).unwrap()
}

#[test]
fn creation() {
    fail! {
        F::from_vec(vec![0.0; 5], [2, 3]) => "from_vec: 5 values do not fill shape [2, 3], which holds 6";
        F::from_slice(&[0.0; 5], [6]) => "from_slice: 5 values do not fill shape [6], which holds 6";
        F::zeros([2, -3]) => "zeros: shape [2, -3] has a negative size";
        F::ones([-1]) => "ones: shape [-1] has a negative size";
        F::full([1, i64::MIN], 2.0) =>
            "full: shape [1, -9223372036854775808] has a negative size";
        F::build("squares", [-2], |_| ()) => "squares: shape [-2] has a negative size";
        Tensor::arange(0, 5, 0) =>
            "arange: step is 0, but it must not be 0, and all bounds must be finite";
        Tensor::arange(0.0, f64::INFINITY, 1.0) =>
            "arange: step is 1, but it must not be 0, and all bounds must be finite";
        Tensor::arange(0, 5, -1) => "arange: step is -1, but it must lead from start towards end";
        IntoShape::dims(&[3, -1], "mine") => "mine: shape [3, -1] has a negative size";
    }
}

/// The message for a tensor that cannot exist.
fn too_large(op: &str, shape: impl IntoShape) -> String {
    let shape = shape.sizes();
    format!(
        "{op}: shape {:?} is too large: its size in bytes overflows, or the system has not that much memory",
        &shape[..]
    )
}

#[test]
fn absurd_sizes() {
    const MOST: usize = usize::MAX;
    // The first overflows bytes, the second elements, and the third exceeds any memory.
    for shape in [
        vec![MOST],
        vec![1 << 40, 1 << 40],
        vec![1 << 27, 1 << 28],
        vec![2; 64],
    ] {
        fail! {
            F::zeros(&shape) => too_large("zeros", &shape);
            F::ones(&shape) => too_large("ones", &shape);
            F::full(&shape, 1.0) => too_large("full", &shape);
            F::rand(&shape, &mut rng()) => too_large("rand", &shape);
            F::randn(&shape, &mut rng()) => too_large("randn", &shape);
            F::normal(&shape, 0.0, 1.0, &mut rng()) => too_large("normal", &shape);
            F::uniform(&shape, 0.0, 1.0, &mut rng()) => too_large("uniform", &shape);
            F::sample(&shape, &StandardNormal, &mut rng()) => too_large("sample", &shape);
            Tensor::randint(0, 2, &shape, &mut rng()) => too_large("randint", &shape);
            F::build("mine", &shape, |_| ()) => too_large("mine", &shape);
            F::build_rows("mine", &shape, 0, |_| ()) => too_large("mine", &shape);
        }
    }
    fail! {
        F::eye(MOST, 3) => too_large("eye", [MOST, 3]);
        F::eye(3, MOST) => too_large("eye", [3, MOST]);
        F::linspace(0.0, 1.0, MOST) => too_large("linspace", MOST);
        Tensor::arange(i64::MIN, i64::MAX, 1) => too_large("arange", i64::MAX);
        Tensor::arange(0.0, 1e300, 1e-300) => too_large("arange", i64::MAX);
        Tensor::randperm(MOST, &mut rng()) => too_large("randperm", i64::MAX);
        Tensor::scalar(0i64).one_hot::<f32>(MOST) => too_large("one_hot", i64::MAX);
        F::from_vec(vec![], [0, 1i64 << 40, 1 << 40]) => too_large("from_vec", [0, 1i64 << 40, 1 << 40]);
        zeros([0]).reshape([0, 1i64 << 40, 1 << 40]) =>
            "reshape: shape [0] holds 0 elements, and [0, 1099511627776, 1099511627776] asks for more than there can be";
        zeros([4]).reshape([MOST, MOST]) =>
            "reshape: shape [4] holds 4 elements, and [9223372036854775807, 9223372036854775807] asks for more than \
             there can be";
        zeros([1]).expand([MOST, 3]) => too_large("expand", [MOST, 3]);
        zeros([1]).broadcast_to([1u64 << 62, 2]) => too_large("broadcast_to", [1u64 << 62, 2]);
    }
    assert_eq!(F::zeros([1; 64]).unwrap().numel(), 1);
    assert_eq!(F::zeros(vec![0; 64]).unwrap().numel(), 0);
}

#[test]
fn absurd_views() {
    // A view of this size takes no memory; what would need as much as it shows is an error.
    let shape = [1i64 << 61];
    let huge = Tensor::scalar(1.5f32).expand(shape).unwrap();
    let wide = huge.reshape([1i64 << 30, 1 << 31]).unwrap();
    let index = Tensor::scalar(0i64).expand(shape).unwrap();
    assert_eq!(huge.exp().get([1i64 << 60]).unwrap(), 1.5f32.exp());
    assert_eq!((&huge + 1.0).shape(), [1 << 61]);
    assert_eq!(wide.t().shape(), [1 << 31, 1 << 30]);
    assert_eq!(wide.flip([0, 1]).unwrap()[[-1, -1]], 1.5);
    let mask = Tensor::scalar(true).expand(shape).unwrap();
    const MOST: usize = usize::MAX;
    let column = Tensor::from([[1.0f32], [2.0]])
        .expand([2, 1i64 << 60])
        .unwrap();
    let (columns, long) = (column.shape().to_vec(), vec![1i64 << 61]);
    fail! {
        huge.add(&huge) => too_large("add", shape);
        huge.eq(&huge) => too_large("eq", shape);
        huge.zip(&huge, |a, b: f32| a + b) => too_large("zip", shape);
        huge.isclose(&huge, 0.0, 0.0) => too_large("isclose", shape);
        huge.gt(0.0).and_then(|mask| mask.where_(&huge, 0.0)) => too_large("where", shape);
        huge.masked_fill(&huge.gt(0.0).unwrap(), 1.0) => too_large("masked_fill", shape);
        huge.sum(..) => too_large("sum", shape);
        huge.prod(0) => too_large("prod", shape);
        huge.max(..) => too_large("max", shape);
        huge.min(..) => too_large("min", shape);
        huge.mean(..) => too_large("mean", shape);
        huge.var(.., 1) => too_large("var", shape);
        huge.std(.., 1) => too_large("std", shape);
        huge.logsumexp(..) => too_large("logsumexp", shape);
        huge.all(..) => too_large("all", shape);
        huge.any(..) => too_large("any", shape);
        wide.softmax(1) => too_large("softmax", wide.shape());
        wide.log_softmax(0) => too_large("log_softmax", wide.shape());
        huge.cumsum(0) => too_large("cumsum", shape);
        huge.shuffle(&mut rng()) => too_large("randperm", shape);
        huge.bernoulli(&mut rng()) => too_large("bernoulli", shape);
        huge.index_select(0, &Tensor::from([0])) => too_large("index_select", shape);
        zeros([3]).index_select(0, &index) => too_large("index_select", shape);
        zeros([3]).gather(0, &index) => too_large("gather", shape);
        zeros([3]).scatter_add(0, &index, &huge) => too_large("scatter_add", shape);
        huge.scatter_add(0, &Tensor::from([0]), &zeros([1])) => too_large("scatter_add", shape);
        index.one_hot::<f32>(3) => too_large("one_hot", shape);
        F::cat(&[&huge, &huge], 0) => too_large("cat", [1i64 << 62]);
        F::stack(&[&huge, &huge], 0) => too_large("stack", [2, 1i64 << 61]);
        huge.median() => too_large("median", shape);
        huge.topk(1, 0, true) => too_large("topk", shape);
        huge.kthvalue(2, 0) => too_large("kthvalue", shape);
        huge.norm(2.0, ..) => too_large("norm", shape);
        huge.argmax(0) => too_large("argmax", shape);
        huge.max_dim(0) => too_large("max_dim", shape);
        huge.mode(0) => too_large("mode", shape);
        huge.histc(3, 0.0, 2.0) => too_large("histc", shape);
        Tensor::scalar(1.0f32).histc(MOST, 0.0, 2.0) => too_large("histc", MOST);
        index.bincount(3) => too_large("bincount", shape);
        index.bincount_weighted(&huge, 3) => too_large("bincount", shape);
        huge.searchsorted(&huge, false) => too_large("searchsorted", shape);
        huge.masked_select(&mask) => too_large("masked_select", shape);
        zeros([1]).masked_select(&mask) => too_large("masked_select", shape);
        huge.index(mask.clone()) => too_large("index", shape);
        huge.inner(&huge) => too_large("inner", [1i64, 1 << 61]);
        huge.tensordot(&huge, [0], [0]) => too_large("matmul", [1i64, 1 << 61]);
        F::einsum("i,i->", &[&huge, &huge]) => too_large("mul", shape);
        huge.split(1, 0) => too_large("split", shape);
        huge.chunk(MOST, 0) => too_large("chunk", shape);
        huge.unbind(0) => too_large("unbind", shape);
        huge.pad_with([1, 0], Border::Replicate) => too_large("pad_with", [(1i64 << 61) + 1]);
        zeros([2]).pad_with([0, 1i64 << 60], Border::Replicate) => too_large("pad_with", [(1i64 << 60) + 2]);
        zeros([2]).pad_with([i64::MIN, 0], Border::Reflect) =>
            "pad_with: pad is [-9223372036854775808, 0], but it must leave no size below 0";
        zeros([2]).split_sizes(&[MOST, 3], 0) =>
            "split_sizes: sizes is [18446744073709551615, 3], but they must add up to the size of the dimension";
        huge.clone().set([0], 2.0) => too_large("set", shape);
        huge.clone().add_assign(&huge) => too_large("add_assign", shape);
        column.reshape(&long) => too_large("reshape", &columns);
        column.matmul(&zeros([1])) =>
            "matmul: the right operand has shape [1], but the left operand has shape [2, 1152921504606846976]: its \
             last size must be the second last of the right one";
        wide.matmul(&wide.t()) => too_large("matmul", [1 << 30, 1 << 30]);
        rows::map_rows("mine", &wide, 1, |_, _: &mut [f32]| ()) => too_large("mine", wide.shape());
        huge.unview(shape, |x| Ok(x.clone())) => too_large("zeros", shape);
    }
    assert_eq!(
        panic_of(|| mask.nonzero()),
        too_large("nonzero", [1i64 << 61])
    );
    assert_eq!(zeros([2]).roll(i64::MIN, 0).unwrap().shape(), [2]);
    let far = Tensor::scalar(1.0f32).expand([1i64 << 32, 1]).unwrap();
    let long = Tensor::scalar(1.0f32).expand([1i64 << 31]).unwrap();
    fail! { far.add(&long) => too_large("add", [1i64 << 32, 1 << 31]); }
    let none = zeros([0]).expand([1i64 << 61, 0]).unwrap();
    assert_eq!(none.exp().numel() + none.contiguous().to_vec().len(), 0);
    let none = zeros([0, 0, 1]).expand([0i64, 0, 1 << 62]).unwrap().exp();
    assert_eq!(none.diagonal(0, 0, 1).unwrap().shape(), [1 << 62, 0]);
}

#[test]
fn randomness() {
    fail! {
        F::normal([2], 0.0, -1.0, &mut rng()) =>
            "normal: std is -1, but it must be finite and not negative";
        F::normal([2], 0.0, f64::NAN, &mut rng()) =>
            "normal: std is NaN, but it must be finite and not negative";
        F::uniform([2], 1.0, 0.0, &mut rng()) =>
            "uniform: high is 0, but it must be finite and not below `low`";
        F::uniform([2], 0.0, f64::INFINITY, &mut rng()) =>
            "uniform: high is inf, but it must be finite and not below `low`";
        F::rand([-2], &mut rng()) => "rand: shape [-2] has a negative size";
        F::randn([-2], &mut rng()) => "randn: shape [-2] has a negative size";
        F::sample([-2], &StandardNormal, &mut rng()) => "sample: shape [-2] has a negative size";
        Tensor::randint(3, 3, [2], &mut rng()) => "randint: high is 3, but it must be above `low`";
        Tensor::from([[0.5f32, 0.0], [1.5, 1.0]]).bernoulli(&mut rng()) =>
            "bernoulli: p[1, 0] is 1.5, but a probability lies in 0..=1";
        Tensor::scalar(f64::NAN).bernoulli(&mut rng()) =>
            "bernoulli: p is NaN, but a probability lies in 0..=1";
        Tensor::scalar(1.0f32).shuffle(&mut rng()) =>
            "shuffle: the tensor has shape [], but a scalar has no dimension to take from";
    }
}

#[test]
fn elements() {
    let (x, scalar) = (zeros([2, 3]), Tensor::scalar(1.0f32));
    fail! {
        x.size(2) => "size: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        scalar.size(0) => "size: the tensor has shape [], but a scalar has no dimension to take from";
        x.dim_index("mine", -3) =>
            "mine: dimension -3 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.item() =>
            "item: the tensor has shape [2, 3], but an item can be taken of one element only: index or reduce it first";
        x.get([0]) => "get: the tensor has shape [2, 3], but the index [0] names 1 dimensions";
        x.get([0, 3]) => "get: index 3 is out of range for dimension 1 of size 3";
        x.get([-3, 0]) => "get: index -3 is out of range for dimension 0 of size 2";
        x.get([0, usize::MAX]) => "get: index 9223372036854775807 is out of range for dimension 1 of size 3";
        x.get([i64::MIN, 0]) => "get: index -9223372036854775808 is out of range for dimension 0 of size 2";
        x.clone().set([2, 0], 1.0) => "set: index 2 is out of range for dimension 0 of size 2";
        x.clone().set((), 1.0) => "set: the tensor has shape [2, 3], but the index [] names 0 dimensions";
        2.5.element::<i64>("mine") => "mine: 2.5 is not a value of i64";
        300usize.element::<bool>("mine") => "mine: 300 is not a value of bool";
        2.element::<bool>("mine") => "mine: 2 is not a value of bool";
        true.element::<f32>("mine") => "mine: true is not a value of f32";
        usize::MAX.element::<i64>("mine") => "mine: 18446744073709551615 is not a value of i64";
        2f64.powi(63).element::<i64>("mine") => "mine: 9223372036854776000 is not a value of i64";
        f32::NAN.element::<i64>("mine") => "mine: NaN is not a value of i64";
    }
    assert_eq!(usize::MAX.element::<f64>("mine"), Ok(2f64.powi(64)));
    assert_eq!((-(2f64.powi(63))).element::<i64>("mine"), Ok(i64::MIN));
    assert_eq!(1usize.element::<bool>("mine"), Ok(true));
}

#[test]
fn views() {
    let (x, scalar) = (zeros([2, 3]), Tensor::scalar(1.0f32));
    let dim = |op: &str, dim: isize| {
        format!("{op}: dimension {dim} of a tensor with shape [2, 3]: dimensions go from -2 to 1")
    };
    fail! {
        x.reshape([4, 2]) => "reshape: shape [2, 3] holds 6 elements, and [4, 2] asks for 8";
        x.reshape([4, -1]) => "reshape: shape [2, 3] holds 6 elements, and [4, -1] asks for a multiple of 4";
        x.reshape([-1, -1]) => "reshape: shape [-1, -1] has a negative size";
        x.reshape([-2, 3]) => "reshape: shape [-2, 3] has a negative size";
        zeros([0]).reshape([0, -1]) =>
            "reshape: shape [0] holds 0 elements, and [0, -1] asks for a size of -1 beside a size of 0, which leaves \
             it open";
        x.view([5]) => "view: shape [2, 3] holds 6 elements, and [5] asks for 5";
        x.t().view([6]) =>
            "view: the tensor has shape [3, 2], but its strides [1, 3] allow no view of shape [6]: use `reshape`";
        x.transpose(0, 2) => dim("transpose", 2);
        x.transpose(isize::MIN, 0) => dim("transpose", isize::MIN);
        x.permute([0]) => "permute: the tensor has shape [2, 3], but [0] names 1 dimensions";
        x.permute([0, -2]) => "permute: dimension 0 is named twice in [0, -2]";
        x.permute([0, 2]) => dim("permute", 2);
        x.movedim(2, 0) => dim("movedim", 2);
        x.movedim(0, -3) => dim("movedim", -3);
        x.squeeze(2) => dim("squeeze", 2);
        x.unsqueeze(3) =>
            "unsqueeze: dimension 3 of a tensor with shape [2, 3, 1]: dimensions go from -3 to 2";
        x.unsqueeze(isize::MAX) =>
            "unsqueeze: dimension 9223372036854775807 of a tensor with shape [2, 3, 1]: dimensions go from -3 to 2";
        x.broadcast_to([2, 4]) =>
            "broadcast_to: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.broadcast_to([3]) =>
            "broadcast_to: shapes [2, 3] and [3] do not broadcast: counted from the right, sizes must be equal or 1";
        x.broadcast_to([-1, 3]) => "broadcast_to: shape [-1, 3] has a negative size";
        x.expand([-1, 3, 3]) => "expand: shape [-1, 3, 3] has a negative size";
        x.expand([5, -1]) =>
            "expand: shapes [2, 3] and [5, 3] do not broadcast: counted from the right, sizes must be equal or 1";
        x.narrow(1, 1, 3) => "narrow: index 3 is out of range for dimension 1 of size 3";
        x.narrow(1, 0, usize::MAX) =>
            "narrow: index 9223372036854775807 is out of range for dimension 1 of size 3";
        x.narrow(1, isize::MIN, 1) =>
            "narrow: index -9223372036854775808 is out of range for dimension 1 of size 3";
        x.narrow(2, 0, 1) => dim("narrow", 2);
        x.select(1, 3) => "select: index 3 is out of range for dimension 1 of size 3";
        x.select(1, isize::MIN) =>
            "select: index -9223372036854775808 is out of range for dimension 1 of size 3";
        scalar.select(0, 0) => "select: the tensor has shape [], but a scalar has no dimension to take from";
        x.slice(0, .., 0) => "slice: step is 0, but it must not be 0";
        x.slice(2, .., 1) => dim("slice", 2);
        x.flip([0, 0]) => "flip: dimension 0 is named twice in [0, 0]";
        x.flip([2]) => dim("flip", 2);
        x.flatten(1, 0) => "flatten: end is 0, but it must not lie before `start`";
        x.flatten(0, 2) => dim("flatten", 2);
        zeros([2]).diagonal(0, 0, 1) => "diagonal: the tensor has shape [2], but a diagonal needs two dimensions";
    }
}

#[derive(Clone, Copy)]
struct Sum;
impl tensor_core::kernel::Binary<f32, f32, f32> for Sum {
    fn at<I: tensor_core::kernel::Isa>(self, a: f32, b: f32) -> f32 {
        a + b
    }
}

#[test]
fn arithmetic() {
    let (x, y) = (zeros([2, 3]), zeros([2, 4]));
    let mask = x.gt(0.0).unwrap();
    let clash = |op: &str| {
        format!(
            "{op}: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1"
        )
    };
    macro_rules! binary {
        ($($name:ident)*) => { fail! { $(x.$name(&y) => clash(stringify!($name));)* } };
    }
    binary!(add sub mul maximum minimum div atan2 hypot logaddexp xlogy fmod remainder pow eq ne lt le gt ge
        logical_and logical_or logical_xor);
    fail! {
        x.zip(&y, |a, b: f32| a + b) => clash("zip");
        x.zip_kernel(&y, Sum) => clash("zip_kernel");
        x.isclose(&y, 0.0, 0.0) => clash("isclose");
        x.allclose(&y, 0.0, 0.0) => clash("allclose");
        mask.where_(&y, 0.0) => clash("where");
        mask.where_(0.0, &y) => clash("where");
        mask.where_(&x, true) => "where: true is not a value of f32";
        y.masked_fill(&mask, 1.0) => clash("masked_fill");
        x.clone().add_assign(&y) =>
            "add_assign: the summand has shape [2, 4], but it must have the shape [2, 3] of the sum";
        Tensor::from([1i64]).add(0.5) => "add: 0.5 is not a value of i64";
        Tensor::from([true]).eq(2) => "eq: 2 is not a value of bool";
    }
}

#[test]
fn reductions() {
    let (x, none) = (zeros([2, 3]), zeros([2, 0]));
    macro_rules! reductions {
        ($($name:ident($($more:expr)?))*) => { $(
            let name = stringify!($name);
            fail! {
                x.$name(2 $(, $more)?) => format!(
                    "{name}: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1"
                );
                x.$name([1, 0, -1] $(, $more)?) => format!("{name}: dimension 1 is named twice in [1, 0, -1]");
            }
        )* };
    }
    reductions!(sum() prod() max() min() mean() var(1) std(0) logsumexp() all() any());
    macro_rules! rows {
        ($($name:ident)*) => { fail! { $(
            x.$name(-3) => concat!(
                stringify!($name), ": dimension -3 of a tensor with shape [2, 3]: dimensions go from -2 to 1"
            );
        )* } };
    }
    rows!(softmax log_softmax cumsum argmax argmin max_dim min_dim);
    let empty = |op: &str| {
        format!("{op}: dimension of size 0 in shape [2, 0]: there is no element to choose from")
    };
    fail! {
        none.max(..) => empty("max");
        none.min(1) => empty("min");
        none.argmax(1) => empty("argmax");
        none.argmin(-1) => empty("argmin");
        none.max_dim(1) => empty("max_dim");
        none.min_dim(1) => empty("min_dim");
        Axes::from(1).mask("mine", &[]) =>
            "mine: dimension 1 of a tensor with shape []: dimensions go from -1 to 0";
        Axes::from([0, -1]).mask("mine", &[]) => "mine: dimension 0 is named twice in [0, -1]";
        rows::map_rows("mine", &x, 2, |_, _: &mut [f32]| ()) =>
            "mine: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        rows::map_blocks("mine", &x, 2, |_, _, _: &mut [f32]| ()) =>
            "mine: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        rows::map_rows2("mine", (&x, &none), 0, |_, _, _: &mut [f32]| ()) =>
            "mine: the second operand has shape [2, 0], but it must have the shape [2, 3] of the first";
        rows::map_blocks2("mine", (&x, &none), 0, |_, _, _, _: &mut [f32]| ()) =>
            "mine: the second operand has shape [2, 0], but it must have the shape [2, 3] of the first";
    }
}

#[test]
fn products() {
    let clash = |left: &str, right: &str| {
        format!(
            "matmul: the right operand has shape {right}, but the left operand has shape {left}: its last size must \
             be the second last of the right one"
        )
    };
    fail! {
        zeros([2, 3]).linear(&zeros([4, 2]), None) =>
            "linear: the input has shape [2, 3], but the weight has shape [4, 2]: the last size must be 2, the inputs";
        zeros([2, 3]).linear(&zeros([3]), None) =>
            "linear: the weight has shape [3], but it must be [out, in]: a row for each output";
        zeros(()).linear(&zeros([4, 3]), None) =>
            "linear: the input has shape [], but its last size must be the 3 inputs of the weight";
        zeros([2, 3]).linear(&zeros([4, 3]), &zeros([3])) =>
            "linear: the bias has shape [3], but the weight has shape [4, 3]: it must be [4], one number for each output";
        zeros([2, 3]).matmul(&zeros([2, 3])) => clash("[2, 3]", "[2, 3]");
        zeros([3]).matmul(&zeros([2])) => clash("[3]", "[2]");
        zeros([3]).matmul(&zeros(())) => clash("[3]", "[]");
        zeros([2, 4, 3]).matmul(&zeros([3, 3, 5])) =>
            "matmul: shapes [2] and [3] do not broadcast: counted from the right, sizes must be equal or 1";
    }
}

#[test]
fn picking_and_joining() {
    let (x, index) = (zeros([2, 3]), Tensor::from([[0], [3]]));
    fail! {
        x.gather(1, &index) => "gather: index 3 is out of range for dimension 1 of size 3";
        x.gather(2, &index) =>
            "gather: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.gather(1, &Tensor::from([0])) =>
            "gather: the index has shape [1], but the tensor has shape [2, 3]: they must have as many dimensions, and \
             agree or fit but for 1";
        x.gather(1, &Tensor::from([[0], [0], [0]])) =>
            "gather: the index has shape [3, 1], but the tensor has shape [2, 3]: they must have as many dimensions, \
             and agree or fit but for 1";
        x.scatter_add(1, &Tensor::from([[-1]]), &zeros([1, 1])) =>
            "scatter_add: index -1 is out of range for dimension 1 of size 3";
        x.scatter_add(1, &Tensor::from([[0, 0]]), &zeros([1, 1])) =>
            "scatter_add: the source has shape [1, 1], but the index has shape [1, 2], which must fit into it";
        x.index_select(0, &Tensor::from([2])) =>
            "index_select: index 2 is out of range for dimension 0 of size 2";
        x.index_select(0, &index) =>
            "index_select: the index has shape [2, 1], but it must have one dimension";
        Tensor::scalar(1.0f32).index_select(0, &Tensor::from([1])) =>
            "index_select: index 1 is out of range for dimension 0 of size 1";
        F::cat(&[], 0) => "cat: dimension of size 0 in shape []: there is no element to choose from";
        F::cat(&[&x, &zeros([2, 4])], 0) =>
            "cat: one tensor has shape [2, 4], but it must agree with the first, [2, 3], but for dimension 0";
        F::cat(&[&x], 2) => "cat: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        F::stack(&[], 0) => "stack: dimension of size 0 in shape []: there is no element to choose from";
        F::stack(&[&x, &zeros([2, 4])], 0) =>
            "stack: one tensor has shape [2, 4], but it must have the shape [2, 3] of the first";
        F::stack(&[&x], 3) =>
            "stack: dimension 3 of a tensor with shape [2, 3, 1]: dimensions go from -3 to 2";
        index.one_hot::<f32>(3) => "one_hot: target[1, 0] is 3, but the rows have 3 classes";
        Tensor::scalar(-1i64).one_hot::<f32>(3) => "one_hot: target is -1, but the rows have 3 classes";
        zeros([2]).unview([4], |x| x.narrow(0, 0, 3)) =>
            "unview: the view has shape [3], but the gradient has shape [2], and a view looks into its tensor";
        zeros([2]).unview([0], |_| F::ones([2])) =>
            "unview: the view has shape [2], but the gradient has shape [2], and a view looks into its tensor";
    }
}

thread_local! {
    /// The file in which this thread panicked last.
    static PANICKED_IN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The message of the panic that `f` ends in, whose place is the line in this file that called.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let file = panic.location().map_or("", |place| place.file());
            PANICKED_IN.with(|p| p.replace(file.to_string()));
            before(panic);
        }));
    });
    let words = words_of(f);
    assert_eq!(PANICKED_IN.take(), file!(), "{words}");
    words
}

fn words_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(|| drop(f()))) {
        Ok(()) => panic!("no panic"),
        Err(message) => *message.downcast::<String>().expect("a message"),
    }
}

#[test]
fn operators_and_indexing_panic_with_the_same_message() {
    let (x, y) = (zeros([2, 3]), zeros([2, 4]));
    let message = |e: Option<Error>| e.unwrap().to_string();
    assert_eq!(panic_of(|| &x + &y), message(x.add(&y).err()));
    assert_eq!(panic_of(|| x.clone() - &y), message(x.sub(&y).err()));
    assert_eq!(panic_of(|| &x * y.clone()), message(x.mul(&y).err()));
    assert_eq!(panic_of(|| x.clone() / y.clone()), message(x.div(&y).err()));
    assert_eq!(panic_of(|| &x + true), message(x.add(true).err()));
    let ints = Tensor::from([1i64]);
    assert_eq!(panic_of(|| 0.5 * &ints), message(ints.mul(0.5).err()));
    for index in [vec![0], vec![2, 0], vec![0, -4]] {
        let want = message(x.get(&index).err()).replacen("get", "index", 1);
        assert_eq!(panic_of(|| x[&index]), want);
    }
    let huge = Tensor::scalar(1.0f32).expand([1i64 << 61]).unwrap();
    assert_eq!(
        panic_of(|| huge.contiguous()),
        too_large("contiguous", [1i64 << 61])
    );
    let mut writable = huge.clone();
    let panic = panic_of(|| writable.as_mut_slice().len());
    assert_eq!(panic, too_large("as_mut_slice", [1i64 << 61]));
}

#[test]
fn parts_by_index() {
    let mut x = zeros([4, 3]);
    let far = Tensor::from([0, 4]);
    fail! {
        x.index(4) => "index: index 4 is out of range for dimension 0 of size 4";
        x.index((0, -4)) => "index: index -4 is out of range for dimension 1 of size 3";
        x.index((0, 0, 0)) => "index: the tensor has shape [4, 3], but the index names 3 dimensions";
        x.index((Ellipsis, Ellipsis)) => "index: the tensor has shape [4, 3], but an index takes one `Ellipsis`";
        x.index(i![..; 0]) => "index: step is 0, but it must not be 0";
        x.index(&far) => "index: index 4 is out of range for dimension 0 of size 4";
        x.index((.., Tensor::from([-4]))) => "index: index -4 is out of range for dimension 1 of size 3";
        x.index((&far - 1, Tensor::from([0, 1, 2]))) =>
            "index: shapes [2] and [3] do not broadcast: counted from the right, sizes must be equal or 1";
        x.index(Tensor::from([true, false])) =>
            "index: the tensor has shape [4, 3], but a mask of shape [2] stands for its dimensions from 0 on";
        x.slice_assign((.., 0..2), zeros([3])) =>
            "slice_assign: shapes [3] and [4, 2] do not broadcast: counted from the right, sizes must be equal or 1";
        x.index_put(4, 1.0, true) => "index_put: index 4 is out of range for dimension 0 of size 4";
        x.assign(4, 1.0) => "assign: index 4 is out of range for dimension 0 of size 4";
        Tensor::from([1]).slice_assign(0, 0.5) => "slice_assign: 0.5 is not a value of i64";
    }
    assert_eq!(x, zeros([4, 3]));
}

#[test]
fn whole_quotients() {
    let x = Tensor::from([[7, -7], [3, 0]]);
    fail! {
        x.fmod(0) => "fmod: the divisor is 0, but an integer can be divided by others only";
        x.remainder(&x) => "remainder: the divisor[1, 1] is 0, but an integer can be divided by others only";
        x.div_floor(0) => "div_floor: the divisor is 0, but an integer can be divided by others only";
        x.div_trunc(0) => "div_trunc: the divisor is 0, but an integer can be divided by others only";
        x.pow(-1) => "pow: exponent is -1, but a negative power of an integer is none: cast to a float first";
        x.slice(0, ..0, 1).unwrap().median() =>
            "median: dimension of size 0 in shape [0, 2]: there is no element to choose from";
    }
    // The largest quotient that there is no integer for wraps around instead of ending the program.
    let least = Tensor::scalar(i64::MIN);
    assert_eq!(least.div_floor(-1).unwrap()[()], i64::MIN);
    assert_eq!(least.div_trunc(-1).unwrap()[()], i64::MIN);
    assert_eq!(
        least.fmod(-1).unwrap()[()] + least.remainder(-1).unwrap()[()],
        0
    );
}

#[test]
fn borders_and_diagonals() {
    let x = zeros([2, 3]);
    fail! {
        x.pad_with([1], Border::Reflect) =>
            "pad_with: pad is [1], but it must hold a pair of widths for some last dimensions";
        x.pad_with([3, 0], Border::Reflect) =>
            "pad_with: pad is [3, 0], but a reflected border is narrower than its dimension, a circular one no wider, and \
             none is made of nothing";
        x.pad_with([-2, -2], Border::Replicate) =>
            "pad_with: pad is [-2, -2], but it must leave no size below 0";
        zeros([2, 0]).pad_with([1, 0], Border::Replicate) =>
            "pad_with: pad is [1, 0], but a reflected border is narrower than its dimension, a circular one no wider, and \
             none is made of nothing";
        x.diagonal(0, 1, -1) => "diagonal: dimension 1 is named twice in [1, -1]";
        x.diag_embed(0, 1, -2) => "diag_embed: dimension 1 is named twice in [1, -2]";
        zeros(()).diag_embed(0, 0, 1) =>
            "diag_embed: the tensor has shape [], but a scalar has no dimension to take from";
        zeros([1, 1, 1]).diag(0) => "diag: the tensor has shape [1, 1, 1], but it must be a vector or a matrix";
        x.movedim([0, 1], [1]) =>
            "movedim: destination is [1] for the dimensions [0, 1], but there must be one place for each dimension";
        x.movedim([0, -2], [1, 0]) => "movedim: dimension 0 is named twice in [0, -2]";
        Tensor::<i64>::zeros([0]).unwrap().one_hot::<f32>(None) =>
            "one_hot: dimension of size 0 in shape [0]: there is no element to choose from";
    }
}

#[test]
fn contractions() {
    let (a, b) = (zeros([2, 3]), zeros([3, 4]));
    fail! {
        a.tensordot(&b, [0], [0]) =>
            "tensordot: the right operand has shape [3, 4], but the left operand has shape [2, 3]: dimensions [0] and [0] \
             must have the same sizes";
        a.tensordot(&b, [0, 1], [0]) =>
            "tensordot: other_dims is [0] for the dimensions [0, 1], but there must be one for each dimension";
        a.tensordot(&a, [0, -2], [0, 1]) => "tensordot: dimension 0 is named twice in [0, -2]";
        a.inner(&b) =>
            "inner: the right operand has shape [3, 4], but the left operand has shape [2, 3]: dimensions [1] and [1] must \
             have the same sizes";
        F::einsum("ij,jk->ik", &[&a]) =>
            "einsum: equation is \"ij,jk->ik\", but it must have one term for each operand";
        F::einsum("ij,kj", &[&a, &b]) =>
            "einsum: an operand has shape [3, 4], but dimension 1 of it in \"ij,kj\" must have size 3";
        F::einsum("ijk", &[&a]) =>
            "einsum: an operand has shape [2, 3], but its term in \"ijk\" names 3 dimensions";
        F::einsum("i", &[&a]) => "einsum: an operand has shape [2, 3], but its term in \"i\" names 1 dimensions";
        F::einsum("ii", &[&a]) =>
            "einsum: an operand has shape [2, 3], but dimension 1 of it in \"ii\" must have size 2";
        F::einsum("ij->ijj", &[&a]) =>
            "einsum: equation is \"ij->ijj\", but the result takes each letter once, and only those that an operand has";
        F::einsum("ij->ik", &[&a]) =>
            "einsum: equation is \"ij->ik\", but the result takes each letter once, and only those that an operand has";
        F::einsum("i1->i", &[&a]) =>
            "einsum: equation is \"i1->i\", but a term holds letters, and `...` once";
        F::einsum("...i...", &[&a]) =>
            "einsum: equation is \"...i...\", but a term holds letters, and `...` once";
    }
}

#[test]
fn weights_halves_and_arrangements() {
    let (x, i) = (zeros([2, 3]), Tensor::from([1i64]));
    fail! {
        x.prelu(&zeros([2])) =>
            "prelu: the weight has shape [2], but it must be one number, or one for each of the 3 channels of [2, 3], which are \
             dimension 1";
        x.glu(1) =>
            "glu: the operand has shape [2, 3], but dimension 1 is cut in two halves, so its size must be even";
        x.glu(2) => "glu: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        F::scalar(0.0).glu(0) => "glu: the tensor has shape [], but a scalar has no dimension to take from";
        x.nanmean(2) => "nanmean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        F::meshgrid(&[]) => "meshgrid: dimension of size 0 in shape []: there is no element to choose from";
        F::meshgrid(&[&x]) =>
            "meshgrid: a side of the grid has shape [2, 3], but the sides of a grid are vectors";
        x.rot90(1, [0, -2]) => "rot90: dimension 0 is named twice in [0, -2]";
        x.rot90(1, [0, 2]) => "rot90: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.diff(1, 2) => "diff: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        F::scalar(0.0).diff(1, 0) => "diff: the tensor has shape [], but a scalar has no dimension to take from";
        zeros([3]).trace() => "trace: the tensor has shape [3], but it must be a matrix, of two dimensions";
        x.index_fill(0, &Tensor::from([[0i64]]), 1.0) =>
            "index_fill: the index has shape [1, 1], but it must be a vector, one place for each slice";
        x.index_fill(0, &Tensor::from([2i64]), 1.0) => "index_fill: index 2 is out of range for dimension 0 of size 2";
        x.index_copy(0, &i, &zeros([2, 3])) =>
            "index_copy: the source has shape [2, 3], but an index of shape [1] into shape [2, 3] asks for [1, 3]";
        x.index_copy(0, &Tensor::from([2i64]), &zeros([1, 3])) =>
            "index_copy: index 2 is out of range for dimension 0 of size 2";
        x.matrix_power(2) => "matrix_power: the matrix has shape [2, 3], but its last two sizes must be equal";
        zeros([2, 2]).matrix_power(-1) =>
            "matrix_power: the matrix is singular, but only a matrix of full rank has an inverse";
        Tensor::tril_indices(usize::MAX, 2, 0) => too_large("tril_indices", [isize::MAX as i64, 2]);
        F::logspace(0.0, 1.0, usize::MAX, 10.0) => too_large("logspace", [isize::MAX as i64]);
    }
}

#[test]
fn statistics_and_orders() {
    let (x, none) = (zeros([2, 3]), zeros([2, 0]));
    fail! {
        x.norm(2.0, 2) => "norm: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.nansum(2) => "nansum: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.nanmean(2) => "nanmean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.count_nonzero(2) => "count_nonzero: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.var_mean(2, 1) => "var_mean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.std_mean(2, 1) => "std_mean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cdist(&zeros([2, 4]), 2.0) =>
            "cdist: the right operand has shape [2, 4], but the left operand has shape [2, 3]: their last sizes must \
             be equal";
        x.cumprod(2) => "cumprod: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cummax(2) => "cummax: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cummin(2) => "cummin: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.logcumsumexp(2) => "logcumsumexp: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.sort(2, false) => "sort: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.argsort(2, false) => "argsort: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.topk(4, 1, true) => "topk: k is 4, but there must be as many elements along the dimension";
        x.kthvalue(0, 1) => "kthvalue: k is 0, but there must be as many elements along the dimension";
        x.median_dim(2) => "median_dim: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.mode(2) => "mode: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        none.mode(1) => "mode: dimension of size 0 in shape [2, 0]: there is no element to choose from";
        x.quantile(1.5, 1, Interpolation::Linear) => "quantile: q is 1.5, but a quantile lies in 0..=1";
        x.histc(0, 0.0, 1.0) => "histc: bins is 0, but there must be at least one";
        x.histc(3, 1.0, 0.0) =>
            "histc: min and max is 1 and 0, but the bounds, or the elements that stand for them, must be finite and \
             in order";
        x.unique_dim(2) => "unique_dim: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        Tensor::from([-1i64]).bincount(0) => "bincount: the tensor[0] is -1, but only numbers from 0 on are counted";
        Tensor::from([1i64]).bincount_weighted(&x, 0) =>
            "bincount: the weights has shape [2, 3], but the tensor has shape [1]: they must be the same";
        x.searchsorted(&x, false) => "searchsorted: the sorted tensor has shape [2, 3], but it must be a vector";
        x.multinomial(4, false, &mut rng()) =>
            "multinomial: num_samples is 4, but each row needs a weight above 0, and as many as samples without \
             replacement";
        Tensor::scalar(1.0f32).multinomial(1, true, &mut rng()) =>
            "multinomial: the weights has shape [], but they must be a vector or a matrix";
        Tensor::scalar(1.0f32).expand([1i64 << 61]).unwrap().unique() =>
            "unique: shape [2305843009213693952] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        Tensor::scalar(1.0f32).expand([1i64 << 61]).unwrap().unique_consecutive() =>
            "unique_consecutive: shape [2305843009213693952] is too large: its size in bytes overflows, or the \
             system has not that much memory";
    }
}

#[test]
fn matrices_and_mixtures() {
    let (x, y, v) = (zeros([2, 3]), zeros([2, 4]), zeros([3]));
    let square = zeros([2, 2]);
    fail! {
        x.det() => "det: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.slogdet() => "slogdet: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.inverse() => "inverse: the matrix has shape [2, 3], but its last two sizes must be equal";
        square.inverse() => "inverse: the matrix is singular, but only a matrix of full rank has an inverse";
        x.matrix_power(2) => "matrix_power: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.adjugate() => "adjugate: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.cholesky() => "cholesky: the matrix has shape [2, 3], but its last two sizes must be equal";
        square.cholesky() =>
            "cholesky: the matrix is not positive definite, but only a positive definite matrix has a Cholesky \
             factor";
        x.solve(&x) => "solve: the matrix has shape [2, 3], but its last two sizes must be equal";
        square.solve(&zeros([3, 1])) =>
            "solve: the right-hand side has shape [3, 1], but the matrix has shape [2, 2]: it must have 2 rows";
        x.solve_triangular(&x, true, false) =>
            "solve_triangular: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.outer(&v) => "outer: the left operand has shape [2, 3], but it must have 1 dimensions";
        x.addmm(&x, &x, 1.0, 1.0) =>
            "addmm: the right operand has shape [2, 3], but the left operand has shape [2, 3]: inner sizes and \
             batches must agree";
        x.addmv(&x, &zeros([4]), 1.0, 1.0) =>
            "addmv: the right operand has shape [4], but the left operand has shape [2, 3]: inner sizes and batches \
             must agree";
        x.baddbmm(&x, &x, 1.0, 1.0) => "baddbmm: the left operand has shape [2, 3], but it must have 3 dimensions";
        x.lerp(&y, 0.5) =>
            "lerp: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.addcmul(&x, &y, 1.0) =>
            "addcmul: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.addcdiv(&x, &y, 1.0) =>
            "addcdiv: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.clamp_with(Some(&y), None) =>
            "clamp_with: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.isclose_nan(&y, 0.0, 0.0) =>
            "isclose_nan: shapes [2, 3] and [2, 4] do not broadcast: counted from the right, sizes must be equal or \
             1";
        x.softmin(2) => "softmin: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.swapdims(0, 2) => "swapdims: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        Tensor::scalar(1.0f32).expand([1i64 << 61]).unwrap().kron(&v) =>
            "kron: shape [2305843009213693952, 3] is too large: its size in bytes overflows, or the system has not \
             that much memory";
    }
}

#[test]
fn triangles_and_places() {
    let (x, v) = (zeros([2, 3]), zeros([3]));
    let (index, far) = (Tensor::from([[0], [3]]), Tensor::from([0, 4]));
    fail! {
        v.tril(0) => "tril: the tensor has shape [3], but a triangle needs two dimensions";
        v.triu(0) => "triu: the tensor has shape [3], but a triangle needs two dimensions";
        Tensor::<i64>::tril_indices(1 << 40, 1 << 40, 0) =>
            "tril_indices: shape [1099511627776, 1099511627776] is too large: its size in bytes overflows, or the \
             system has not that much memory";
        Tensor::<i64>::triu_indices(1 << 40, 1 << 40, 0) =>
            "triu_indices: shape [1099511627776, 1099511627776] is too large: its size in bytes overflows, or the \
             system has not that much memory";
        x.scatter(1, &index, &zeros([2, 1])) => "scatter: index 3 is out of range for dimension 1 of size 3";
        x.take_along_dim(&index, 1) => "take_along_dim: index 3 is out of range for dimension 1 of size 3";
        x.index_add(0, &far, &zeros([2, 3])) => "index_add: index 4 is out of range for dimension 0 of size 2";
        x.roll([1, 2], [0]) =>
            "roll: shifts is [1, 2] for the dimensions [0], but there must be one for each dimension";
        x.roll(1, 2) => "roll: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.repeat([2]) => "repeat: repeats is [2], but there must be one for each dimension";
        x.tile([-1]) => "tile: shape [1, -1] has a negative size";
        x.repeat_interleave(2, 2) =>
            "repeat_interleave: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.unflatten(1, [2, 2]) => "unflatten: shape [3] holds 3 elements, and [2, 2] asks for 4";
        x.pad([1], 0.0) =>
            "pad: pad is [1], but it must hold a pair of widths for some last dimensions, and leave no size below 0";
        x.split(0, 1) => "split: size is 0, but the pieces of a dimension have at least one element";
        x.chunk(0, 1) => "chunk: chunks is 0, but there must be at least one";
        x.unbind(2) => "unbind: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.unfold(1, 4, 1) =>
            "unfold: size and step is 4 and 1, but a window must fit into the dimension, and a step be at least 1";
    }
}

#[test]
fn every_public_function_has_a_bad_call() {
    statistics_and_orders();
    matrices_and_mixtures();
    triangles_and_places();
    creation();
    absurd_sizes();
    absurd_views();
    randomness();
    elements();
    views();
    arithmetic();
    reductions();
    products();
    picking_and_joining();
    operators_and_indexing_panic_with_the_same_message();
    parts_by_index();
    whole_quotients();
    borders_and_diagonals();
    contractions();
    weights_halves_and_arrangements();
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let functions = bad_calls::fallible(&src, PRIVATE);
    assert!(functions.len() > 100, "{} functions", functions.len());
    bad_calls::assert_covered(&functions, APART, bad_calls::calls_it);
}

/// In `f32` a number that is counted up by 1 stands still at 2^24.
#[test]
fn bins_count_beyond_the_digits_of_their_type() {
    let n = (1 << 24) + 4;
    let many = Tensor::scalar(0.5f32).broadcast_to([n]).unwrap();
    let counts = many.histc(2, 0.0, 2.0).unwrap();
    assert_eq!(counts.to_vec(), [n as f32, 0.0]);
}
