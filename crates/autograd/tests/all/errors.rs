//! Bad calls of every public function of the crate: each names the operation and says what is wrong.
//!
//! What an operation says of its operands is decided by `tensor-core`, whose own table has more of it; here it is shown
//! that each operation on a tape passes it on, and what is the tape's own to refuse. The last test reads the sources.

#[path = "../../../tensor-core/tests/common/bad_calls.rs"]
mod bad_calls;

use crate::fail;

use autograd::{
    Border, GradCheck, GradOptions, Interpolation, OneHot, Param, Tape, Tensor, Var, checkpoint,
    checkpoint_many, checkpoint_with, grad, gradcheck, gradgradcheck, hessian, hvp, jacobian, jvp,
    vjp,
};
use bad_calls::{assert_covered, fallible};
use std::path::Path;

type F = f64;

fn x() -> Var<F> {
    Tape::new().leaf(Tensor::full([2, 3], 0.5).unwrap())
}

fn of(shape: &[usize]) -> Var<F> {
    Var::from(Tensor::full(shape, 0.5).unwrap())
}

/// More elements than any memory holds, all of them one.
fn huge() -> Var<F> {
    of(&[1]).expand([1i64 << 61]).unwrap()
}

fn ints(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

/// What is said of a third dimension of two.
fn dim(op: &str) -> String {
    format!("{op}: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1")
}

/// What is said of shapes that do not fit.
fn clash(op: &str) -> String {
    format!(
        "{op}: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1"
    )
}

#[test]
fn elements() {
    let (x, y) = (x(), of(&[4]));
    let mask = Tensor::full([2, 3], true).unwrap();
    fail! {
        x.add(&y) => clash("add");
        x.keep_where(&Tensor::full([3], true).unwrap()) =>
            "keep_where: the mask has shape [3], but it must have the shape [2, 3] of the value";
        x.sub(&y) => clash("sub");
        x.mul(&y) => clash("mul");
        x.div(&y) => clash("div");
        x.pow(&y) => clash("pow");
        x.maximum(&y) => clash("maximum");
        x.minimum(&y) => clash("minimum");
        x.div_floor(&y) => clash("div_floor");
        x.div_trunc(&y) => clash("div_trunc");
        x.fmod(&y) => clash("fmod");
        x.remainder(&y) => clash("remainder");
        x.atan2(&y) => clash("atan2");
        x.hypot(&y) => clash("hypot");
        x.logaddexp(&y) => clash("logaddexp");
        x.xlogy(&y) => clash("xlogy");
        x.lerp(&y, 0.5) =>
            "lerp: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.addcmul(&x, &y, 1.0) =>
            "addcmul: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.addcdiv(&x, &y, 1.0) =>
            "addcdiv: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.clamp_with(Some(&y), None) =>
            "clamp_with: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.prelu(&y) =>
            "prelu: the weight has shape [4], but it must be one number, or one for each of the 3 channels of [2, 3], which are \
             dimension 1";
        x.glu(1) => "glu: the operand has shape [2, 3], but dimension 1 is cut in two halves, so its size must be even";
        x.softmin(2) => "softmin: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.softmax(2) => dim("softmax");
        x.log_softmax(2) => dim("log_softmax");
        x.where_(&mask, &y) =>
            "where: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        y.masked_fill(&mask, 1.0) =>
            "masked_fill: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.masked_select(&Tensor::full([4], true).unwrap()) =>
            "masked_select: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.item() => "item: the tensor has shape [2, 3], but an item can be taken of one element only: index or reduce it first";
    }
}

#[test]
fn reductions() {
    let (x, none) = (x(), of(&[2, 0]));
    fail! {
        x.sum(2) => dim("sum");
        x.mean(2) => dim("mean");
        x.prod(2) => dim("prod");
        x.max(2) => dim("max");
        x.min(2) => dim("min");
        none.max(1) => "max: dimension of size 0 in shape [2, 0]: there is no element to choose from";
        x.max_dim(2) => dim("max_dim");
        x.linear(&of(&[4, 2]), None) =>
            "linear: the input has shape [2, 3], but the weight has shape [4, 2]: the last size must be 2, the inputs";
        x.argmax(2) => dim("argmax");
        x.argmin(2) => dim("argmin");
        x.min_dim(2) => dim("min_dim");
        x.var(2, 1) => dim("var");
        x.std(2, 1) => dim("std");
        x.var_mean(2, 1) => "var_mean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.std_mean(2, 1) => "std_mean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.logsumexp(2) => dim("logsumexp");
        x.norm(2.0, 2) => "norm: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.nanmean(2) => "nanmean: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.nansum(2) => "nansum: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cdist(&of(&[2, 4]), 2.0) =>
            "cdist: the right operand has shape [2, 4], but the left operand has shape [2, 3]: their last sizes must \
             be equal";
        x.cumsum(2) => dim("cumsum");
        x.cumprod(2) => "cumprod: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.logcumsumexp(2) => "logcumsumexp: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cummax(2) => "cummax: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.cummin(2) => "cummin: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.sort(2, false) => "sort: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.topk(4, 1, true) => "topk: k is 4, but there must be as many elements along the dimension";
        x.kthvalue(4, 1) => "kthvalue: k is 4, but there must be as many elements along the dimension";
        x.median_dim(2) => "median_dim: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.mode(2) => "mode: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        huge().median() =>
            "median: shape [2305843009213693952] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        x.quantile(1.5, 1, Interpolation::Linear) => "quantile: q is 1.5, but a quantile lies in 0..=1";
    }
}

#[test]
fn views_and_places() {
    let x = x();
    let (index, far) = (Tensor::from([[0], [3]]), ints(&[0, 4]));
    fail! {
        x.reshape([4, 2]) => "reshape: shape [2, 3] holds 6 elements, and [4, 2] asks for 8";
        x.flatten(1, 0) => "flatten: end is 0, but it must not lie before `start`";
        x.squeeze(2) => dim("squeeze");
        x.unsqueeze(4) => "unsqueeze: dimension 4 of a tensor with shape [2, 3, 1]: dimensions go from -3 to 2";
        x.permute([0, 2]) => dim("permute");
        x.transpose(0, 2) => dim("transpose");
        x.movedim(2, 0) => dim("movedim");
        x.swapdims(0, 2) => "swapdims: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.broadcast_to([4]) =>
            "broadcast_to: shapes [2, 3] and [4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.expand([4, 4]) =>
            "expand: shapes [2, 3] and [4, 4] do not broadcast: counted from the right, sizes must be equal or 1";
        x.narrow(1, 1, 3) => "narrow: index 3 is out of range for dimension 1 of size 3";
        x.select(1, 3) => "select: index 3 is out of range for dimension 1 of size 3";
        x.slice(0, .., 0) => "slice: step is 0, but it must not be 0";
        x.flip([2]) => dim("flip");
        x.diagonal(0, 1, -1) => "diagonal: dimension 1 is named twice in [1, -1]";
        x.diag_embed(0, 1, -2) => "diag_embed: dimension 1 is named twice in [1, -2]";
        of(&[1, 1, 1]).diag(0) => "diag: the tensor has shape [1, 1, 1], but it must be a vector or a matrix";
        x.roll(1, 2) => "roll: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.pad([1], 0.0) =>
            "pad: pad is [1], but it must hold a pair of widths for some last dimensions, and leave no size below 0";
        x.pad_with([5, 0], Border::Reflect) =>
            "pad_with: pad is [5, 0], but a reflected border is narrower than its dimension, a circular one no \
             wider, and none is made of nothing";
        x.repeat([2]) => "repeat: repeats is [2], but there must be one for each dimension";
        x.tile([-1]) => "tile: shape [1, -1] has a negative size";
        x.repeat_interleave(2, 2) =>
            "repeat_interleave: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.unflatten(1, [2, 2]) => "unflatten: shape [3] holds 3 elements, and [2, 2] asks for 4";
        x.split(0, 1) => "split: size is 0, but the pieces of a dimension have at least one element";
        x.split_sizes(&[1, 1], 1) => "split_sizes: sizes is [1, 1], but they must add up to the size of the dimension";
        x.chunk(0, 1) => "chunk: chunks is 0, but there must be at least one";
        x.unbind(2) => "unbind: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        x.unfold(1, 4, 1) =>
            "unfold: size and step is 4 and 1, but a window must fit into the dimension, and a step be at least 1";
        x.rot90(1, [0, 0]) => "rot90: dimension 0 is named twice in [0, 0]";
        x.diff(1, 2) => "diff: dimension 2 of a tensor with shape [2, 3]: dimensions go from -2 to 1";
        of(&[3]).trace() => "trace: the tensor has shape [3], but it must be a matrix, of two dimensions";
        of(&[3]).tril(0) => "tril: the tensor has shape [3], but a triangle needs two dimensions";
        of(&[3]).triu(0) => "triu: the tensor has shape [3], but a triangle needs two dimensions";
        Var::meshgrid(&[&x]) => "meshgrid: a side of the grid has shape [2, 3], but the sides of a grid are vectors";
        x.gather(1, &index) => "gather: index 3 is out of range for dimension 1 of size 3";
        x.scatter(1, &index, &of(&[2, 1])) => "scatter: index 3 is out of range for dimension 1 of size 3";
        x.scatter_add(1, &index, &of(&[2, 1])) => "scatter_add: index 3 is out of range for dimension 1 of size 3";
        x.index_select(0, &ints(&[2])) => "index_select: index 2 is out of range for dimension 0 of size 2";
        x.index_add(0, &far, &of(&[2, 3])) => "index_add: index 4 is out of range for dimension 0 of size 2";
        x.index_fill(0, &far, 1.0) => "index_fill: index 4 is out of range for dimension 0 of size 2";
        x.index_copy(0, &far, &of(&[2, 3])) => "index_copy: index 4 is out of range for dimension 0 of size 2";
        x.take_along_dim(&index, 1) => "take_along_dim: index 3 is out of range for dimension 1 of size 3";
        x.pick(1, &far) => "gather: index 4 is out of range for dimension 1 of size 3";
        x.index(4) => "index: index 4 is out of range for dimension 0 of size 2";
        x.index_put(4, 1.0, true) => "index_put: index 4 is out of range for dimension 0 of size 2";
        x.slice_assign((.., 0..2), of(&[3])) =>
            "slice_assign: shapes [3] and [2, 2] do not broadcast: counted from the right, sizes must be equal or 1";
        Var::cat(&[&x, &of(&[2, 4])], 0) =>
            "cat: one tensor has shape [2, 4], but it must agree with the first, [2, 3], but for dimension 0";
        Var::stack(&[&x, &of(&[2, 4])], 0) =>
            "stack: one tensor has shape [2, 4], but it must have the shape [2, 3] of the first";
        Var::<F>::full([2, -3], 1.0) => "full: shape [2, -3] has a negative size";
    }
}

#[test]
fn products() {
    let (x, v) = (x(), of(&[4]));
    let square = of(&[2, 2]);
    fail! {
        x.matmul(&of(&[2, 3])) =>
            "matmul: the right operand has shape [2, 3], but the left operand has shape [2, 3]: its last size must \
             be the second last of the right one";
        x.outer(&v) => "outer: the left operand has shape [2, 3], but it must have 1 dimensions";
        x.inner(&v) =>
            "inner: the right operand has shape [4], but the left operand has shape [2, 3]: dimensions [1] and [0] \
             must have the same sizes";
        huge().kron(&v) =>
            "kron: shape [2305843009213693952, 4] is too large: its size in bytes overflows, or the system has not \
             that much memory";
        x.tensordot(&v, [1], [0]) =>
            "tensordot: the right operand has shape [4], but the left operand has shape [2, 3]: dimensions [1] and \
             [0] must have the same sizes";
        Var::einsum("ij,kj", &[&x, &of(&[3, 4])]) =>
            "einsum: an operand has shape [3, 4], but dimension 1 of it in \"ij,kj\" must have size 3";
        x.addmm(&x, &x, 1.0, 1.0) =>
            "addmm: the right operand has shape [2, 3], but the left operand has shape [2, 3]: inner sizes and \
             batches must agree";
        x.addmv(&x, &v, 1.0, 1.0) =>
            "addmv: the right operand has shape [4], but the left operand has shape [2, 3]: inner sizes and batches \
             must agree";
        x.baddbmm(&x, &x, 1.0, 1.0) => "baddbmm: the left operand has shape [2, 3], but it must have 3 dimensions";
        x.det() => "det: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.slogdet() => "slogdet: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.inverse() => "inverse: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.matrix_power(2) => "matrix_power: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.cholesky() => "cholesky: the matrix has shape [2, 3], but its last two sizes must be equal";
        x.solve(&x) => "solve: the matrix has shape [2, 3], but its last two sizes must be equal";
        square.solve(&of(&[3, 1])) =>
            "solve: the right-hand side has shape [3, 1], but the matrix has shape [2, 2]: it must have 2 rows";
        x.solve_triangular(&x, true, false) =>
            "solve_triangular: the matrix has shape [2, 3], but its last two sizes must be equal";
    }
}

#[test]
fn the_tape() {
    let (x, other) = (x(), x());
    let y = x.square();
    let sum = y.sum(..).unwrap();
    let constant = of(&[2, 3]);
    let one = Tensor::scalar(1.0);
    let (row, rows) = (Tensor::from([1.0]), Tensor::from([1.0, 2.0]));
    let w = Param::new(one.clone());
    let ones = [one.clone()];
    let grads = sum.backward_retain().unwrap();
    let square = |v: &[Var<F>]| Ok(v[0].square());
    let summed = |v: &[Var<F>]| v[0].square().sum(..);
    let value = x.value().clone();
    let inputs = [value.clone()];
    let mut resized = Param::new(Tensor::from([1.0, 2.0]));
    let of = |w: &Param<F>| {
        w.on(&Tape::new().input(Tensor::scalar(1.0)))
            .sum(..)
            .unwrap()
            .backward()
            .unwrap()
    };
    let mut of_w = of(&resized);
    *resized.value_mut() = Tensor::from([1.0, 2.0, 3.0]);
    let of_longer = of(&resized);
    let mut counter = 0;
    let (captured, again, third) = (other.clone(), other.clone(), other.clone());
    fail! {
        y.backward() =>
            "backward: the result has more than one element: give a seed gradient of its shape, or reduce it first";
        constant.backward() =>
            "backward: the result has more than one element: give a seed gradient of its shape, or reduce it first";
        y.backward_with(&one) => "backward: the seed has shape [], but the output has shape [2, 3]";
        constant.backward_retain() =>
            "backward: the result has more than one element: give a seed gradient of its shape, or reduce it first";
        grad(&[&sum], &[&other], GradOptions::new()) =>
            "grad: the operands lie on different tapes: make all leaves on one tape, or `detach` one operand";
        grad(&[&sum], &[&constant], GradOptions::new()) =>
            "grad: the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`";
        grads.get(&other) =>
            "gradients: the value lies on another tape than these gradients come from: ask those of its own tape's \
             backward pass";
        grads.get(&w) =>
            "gradients: no gradient for this value: the result that was differentiated does not depend on it";
        of_w.accumulate(of_longer) => "accumulate: a gradient has shape [3], but here the same parameter has shape [2]";
        x.add(&other) => "add: the operands lie on different tapes: make all leaves on one tape, or `detach` one operand";
        OneHot::new(&[2, 3], 2, &ints(&[0, 1]), &rows) => dim("one_hot gradient");
        OneHot::new(&[2, 3], 1, &ints(&[0]), &rows) =>
            "one_hot gradient: places has shape [1], but shape [2, 3] without dimension 1 is [2]";
        OneHot::new(&[2, 3], 0, &ints(&[0, 1, 1]), &rows) =>
            "one_hot gradient: values has shape [2], but shape [2, 3] without dimension 0 is [3]";
        OneHot::new(&[2, 3], 1, &ints(&[0, 3]), &rows) =>
            "one_hot gradient: index 3 is out of range for dimension 1 of size 3";
        OneHot::new(&[2, 3], 1, &ints(&[-1, 0]), &rows) =>
            "one_hot gradient: index -1 is out of range for dimension 1 of size 3";
        OneHot::new(&[1, 1 << 62], 1, &ints(&[0]), &row).and_then(|dx| dx.whole()) =>
            "one_hot gradient: shape [1, 4611686018427387904] is too large: its size in bytes overflows, or the system has \
             not that much memory";
        constant.hook(|_| Ok(None)) => "hook: the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`";
        constant.retain_grad() =>
            "retain_grad: the value depends on no leaf of a tape: make what it is differentiated by with `tape.leaf`, or give a model its data with `tape.input`";
        checkpoint(move |v: &[Var<F>]| v[0].mul(&captured), &[&x]) =>
            "mul: the function uses a value of a tape that is none of its inputs: pass it as an input, or `detach` \
             it";
        checkpoint_with(&mut counter, move |v: &[Var<F>], _| v[0].mul(&again), &[&x]) =>
            "mul: the function uses a value of a tape that is none of its inputs: pass it as an input, or `detach` \
             it";
        checkpoint_many(move |v: &[Var<F>]| Ok(vec![v[0].mul(&third)?]), &[&x]) =>
            "mul: the function uses a value of a tape that is none of its inputs: pass it as an input, or `detach` it";
        vjp(square, &inputs, &ones) =>
            "vjp: seeds has shape [], but the value that it belongs to has shape [2, 3]";
        jvp(square, &inputs, &ones) =>
            "jvp: tangents has shape [], but the value that it belongs to has shape [2, 3]";
        jacobian(|v: &[Var<F>]| v[0].reshape([7]), &inputs) =>
            "reshape: shape [2, 3] holds 6 elements, and [7] asks for 7";
        hessian(square, &inputs) =>
            "hessian: the result of the function has shape [2, 3], but it must have one element: reduce it first";
        hvp(summed, &inputs, &ones) =>
            "hvp: v has shape [], but the value that it belongs to has shape [2, 3]";
        gradcheck(|v: &[Var<F>]| v[0].reshape([7]), &inputs) =>
            "reshape: shape [2, 3] holds 6 elements, and [7] asks for 7";
        gradgradcheck(|v: &[Var<F>]| v[0].reshape([7]), &inputs) =>
            "reshape: shape [2, 3] holds 6 elements, and [7] asks for 7";
        GradCheck::new().run(|v: &[Var<F>]| v[0].reshape([7]), &inputs) =>
            "reshape: shape [2, 3] holds 6 elements, and [7] asks for 7";
        GradCheck::new().run_second(|v: &[Var<F>]| v[0].reshape([7]), &inputs) =>
            "reshape: shape [2, 3] holds 6 elements, and [7] asks for 7";
    }
}

/// Whose rows are in the tables of others: `fused` gives what its kernels give, and `record` is what every operation of
/// these tables calls.
const APART: &[(&str, &str)] = &[
    ("fused", "fused"),
    ("Var::record", "add"),
    ("$name", "a list of names, each of which has a row"),
];

#[test]
fn every_public_function_has_a_bad_call() {
    elements();
    reductions();
    views_and_places();
    products();
    the_tape();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let functions = fallible(&src, &[]);
    assert!(functions.len() > 100, "{} functions", functions.len());
    assert_covered(&functions, APART, bad_calls::calls_it);
}
