//! All operations in one table: each is held against finite differences, to first and second order, and an operation
//! that the sources have and the table lacks makes a test fail.

use autograd::check::Report;
use autograd::tensor_core::{Border, Interpolation};
use autograd::{
    Ellipsis, GradOptions, NewAxis, Result, Tape, Tensor, Var, grad, gradcheck, gradgradcheck, i,
    keepdim,
};
use std::collections::BTreeSet;

type Function = Box<dyn Fn(&[Var<f64>]) -> Result<Vec<Var<f64>>>>;

/// One use of an operation: its name, its inputs, and the call.
struct Row {
    name: &'static str,
    inputs: Vec<Tensor<f64>>,
    f: Function,
}

/// What a call may return.
trait Outputs {
    fn list(self) -> Vec<Var<f64>>;
}
impl Outputs for Var<f64> {
    fn list(self) -> Vec<Var<f64>> {
        vec![self]
    }
}
impl Outputs for Vec<Var<f64>> {
    fn list(self) -> Vec<Var<f64>> {
        self
    }
}
impl Outputs for (Var<f64>, Var<f64>) {
    fn list(self) -> Vec<Var<f64>> {
        vec![self.0, self.1]
    }
}
impl Outputs for (Var<f64>, Tensor<i64>) {
    fn list(self) -> Vec<Var<f64>> {
        vec![self.0]
    }
}
impl Outputs for (Tensor<f64>, Var<f64>) {
    fn list(self) -> Vec<Var<f64>> {
        vec![self.1]
    }
}

fn row<O: Outputs>(
    name: &'static str,
    inputs: Vec<Tensor<f64>>,
    f: impl Fn(&[Var<f64>]) -> Result<O> + 'static,
) -> Row {
    Row {
        name,
        inputs,
        f: Box::new(move |v| Ok(f(v)?.list())),
    }
}

/// Numbers from `low` to `high`, no two alike and none near a multiple of one half, so that no kink is near.
fn between(shape: &[usize], low: f64, high: f64) -> Tensor<f64> {
    let n: usize = shape.iter().product();
    let golden = 0.618_033_988_749_894_9;
    let values = (0..n).map(|i| {
        let x = low + (high - low) * ((i as f64 + 1.0) * golden).fract();
        let nearest = (x * 2.0).round() / 2.0;
        if (x - nearest).abs() < 0.02 {
            x + 0.04
        } else {
            x
        }
    });
    Tensor::from_vec(values.collect(), shape).unwrap()
}

/// A tensor, a scalar, one element, none, sizes of 1, six dimensions, and one that is broadcast.
fn shapes(make: impl Fn(&[usize]) -> Tensor<f64>) -> Vec<Tensor<f64>> {
    let of: [&[usize]; 6] = [&[2, 3], &[], &[1], &[0, 3], &[1, 3, 1], &[1, 2, 1, 1, 2, 1]];
    let mut all: Vec<Tensor<f64>> = of.into_iter().map(&make).collect();
    all.push(make(&[3]).expand([2, 3]).unwrap());
    all
}

fn x(shape: &[usize]) -> Tensor<f64> {
    between(shape, -1.9, 1.9)
}

/// Positive numbers.
fn p(shape: &[usize]) -> Tensor<f64> {
    between(shape, 0.3, 2.2)
}

/// Matrices far from singular ones.
fn square(shape: &[usize]) -> Tensor<f64> {
    let n = shape[shape.len() - 1];
    x(shape).add(Tensor::eye(n, n).unwrap() * 3.0).unwrap()
}

/// A symmetric positive definite matrix of a value: what a Cholesky factor is made of.
fn positive(v: &Var<f64>) -> Result<Var<f64>> {
    let n = v.shape()[v.ndim() - 1];
    v.matmul(&v.t())?.add(Var::from(Tensor::eye(n, n)?))
}

/// Functions of one element: the name of a method and the part of the line on which it is smooth.
macro_rules! elements {
    ($rows:ident: $($name:ident $low:literal $high:literal;)*) => { $(
        for x in shapes(|shape| between(shape, $low, $high)) {
            $rows.push(row(stringify!($name), vec![x], |v| Ok(v[0].$name())));
        }
    )* };
}

/// Functions of two elements, which broadcast.
macro_rules! pairs {
    ($rows:ident: $($name:ident $a:ident $b:ident;)*) => { $(
        $rows.push(row(stringify!($name), vec![$a(&[2, 3]), $b(&[3])], |v| v[0].$name(&v[1])));
        $rows.push(row(stringify!($name), vec![$a(&[2, 1]), $b(&[])], |v| v[0].$name(&v[1])));
        $rows.push(row(stringify!($name), vec![$a(&[0, 3]), $b(&[3])], |v| v[0].$name(&v[1])));
        $rows.push(row(stringify!($name), vec![$a(&[1, 2, 1, 1, 2, 1]), $b(&[2, 1])], |v| v[0].$name(&v[1])));
        $rows.push(row(stringify!($name), vec![$a(&[3]).expand([2, 3]).unwrap(), $b(&[2, 1]).expand([2, 3]).unwrap()], |v| v[0].$name(&v[1])));
        $rows.push(row(stringify!($name), vec![$a(&[3])], |v| v[0].$name(0.7)));
    )* };
}

/// Reductions over none, one and several dimensions.
macro_rules! reductions {
    ($rows:ident: $($name:ident $make:ident ($($more:expr),*);)*) => { $(
        $rows.push(row(stringify!($name), vec![$make(&[2, 3])], |v| v[0].$name(.. $(, $more)*)));
        $rows.push(row(stringify!($name), vec![$make(&[2, 3, 2])], |v| v[0].$name([0, -1] $(, $more)*)));
        $rows.push(row(stringify!($name), vec![$make(&[1, 2, 1, 1, 2, 1])], |v| v[0].$name([1, 4, 5] $(, $more)*)));
        $rows.push(row(stringify!($name), vec![$make(&[2, 1]).expand([2, 3]).unwrap()], |v| v[0].$name(0 $(, $more)*)));
        $rows.push(row(stringify!($name), vec![$make(&[2, 3])], |v| v[0].$name(keepdim(1) $(, $more)*)));
    )* };
}

/// Operations along a dimension.
macro_rules! along {
    ($rows:ident: $($name:ident $make:ident;)*) => { $(
        $rows.push(row(stringify!($name), vec![$make(&[2, 3])], |v| v[0].$name(-1)));
        $rows.push(row(stringify!($name), vec![$make(&[3, 2])], |v| v[0].$name(0)));
        $rows.push(row(stringify!($name), vec![$make(&[1, 2, 1, 1, 2, 1])], |v| v[0].$name(4)));
    )* };
}

fn elementwise(rows: &mut Vec<Row>) {
    elements! { rows:
        abs -1.9 1.9; acos -0.9 0.9; acosh 1.1 3.0; alias -1.9 1.9; asin -0.9 0.9; asinh -1.9 1.9; atan -1.9 1.9;
        atanh -0.9 0.9; cbrt 0.3 2.0; cos -1.9 1.9; cosh -1.9 1.9; digamma 0.3 3.0; erf -1.9 1.9;
        erfc -1.9 1.9; exp -1.9 1.9; exp2 -1.9 1.9; expm1 -1.9 1.9; gelu -1.9 1.9;
        gelu_tanh -1.9 1.9; lgamma 0.3 3.0; log 0.3 3.0; log10 0.3 3.0; log1p -0.6 2.0; log2 0.3 3.0;
        log_sigmoid -1.9 1.9; mish -1.9 1.9; neg -1.9 1.9; reciprocal 0.4 2.0; relu -1.9 1.9;
        rsqrt 0.3 2.0; sigmoid -1.9 1.9; silu -1.9 1.9; sin -1.9 1.9; sinh -1.9 1.9;
        softplus -1.9 1.9; frac -1.9 1.9; hardsigmoid -5.0 5.0; hardswish -5.0 5.0; relu6 -3.0 9.0; selu -1.9 1.9;
        softsign -1.9 1.9; tanhshrink -1.9 1.9; sqrt 0.3 2.0; square -1.9 1.9; tan -1.2 1.2; tanh -1.9 1.9;
    }
    pairs! { rows:
        add x x; sub x x; mul x x; div x p; pow p x; maximum x p; minimum x p; atan2 p x; hypot x p; logaddexp x x;
        logaddexp2 x x; fmax x p; fmin x p; copysign x x; xlogy x p; fmod x p; remainder x p;
    }
    let a = || vec![x(&[2, 3])];
    rows.extend([
        row("clamp", a(), |v| Ok(v[0].clamp(-0.7, 1.2))),
        row("clamp", a(), |v| Ok(v[0].clamp(None, 0.3))),
        row(
            "clamp_with",
            vec![x(&[2, 3]), x(&[3]) - 1.13, p(&[2, 1])],
            |v| v[0].clamp_with(&v[1], &v[2]),
        ),
        row("clamp_with", vec![x(&[2, 3]), x(&[3]) * 0.73], |v| {
            v[0].clamp_with(None, &v[1])
        }),
        row("elu", a(), |v| Ok(v[0].elu(0.8))),
        row("leaky_relu", a(), |v| Ok(v[0].leaky_relu(0.1))),
        row("hardtanh", a(), |v| Ok(v[0].hardtanh(-0.7, 1.1))),
        row("celu", a(), |v| Ok(v[0].celu(1.3))),
        row("softshrink", a(), |v| Ok(v[0].softshrink(0.7))),
        row("hardshrink", a(), |v| Ok(v[0].hardshrink(0.7))),
        row("threshold", a(), |v| Ok(v[0].threshold(0.3, -2.0))),
        row("prelu", vec![x(&[2, 3]), p(&[3])], |v| v[0].prelu(&v[1])),
        row("prelu", vec![x(&[2, 3, 2]), p(&[1])], |v| v[0].prelu(&v[1])),
        row("prelu", vec![x(&[4]), p(&[])], |v| v[0].prelu(&v[1])),
        row("glu", vec![x(&[2, 4])], |v| v[0].glu(-1)),
        row("logit", vec![between(&[2, 3], 0.1, 0.9)], |v| {
            Ok(v[0].logit(None))
        }),
        row("logit", vec![between(&[2, 3], -0.4, 1.4)], |v| {
            Ok(v[0].logit(0.1))
        }),
        row("softplus_with", a(), |v| Ok(v[0].softplus_with(1.3, 1.1))),
        row("nan_to_num", a(), |v| Ok(v[0].nan_to_num(0.0, 1.0, -1.0))),
        row("polygamma", vec![p(&[3])], |v| Ok(v[0].polygamma(1))),
        row("polygamma", vec![p(&[3])], |v| Ok(v[0].polygamma(2))),
        row("pow", vec![p(&[3])], |v| v[0].pow(2.5)),
        row("pow", vec![x(&[3])], |v| v[0].pow(3)),
        row("pow", vec![x(&[3])], |v| {
            Var::from(Tensor::scalar(1.7)).pow(&v[0])
        }),
        row("lerp", vec![x(&[2, 3]), p(&[3]), x(&[2, 1])], |v| {
            v[0].lerp(&v[1], &v[2])
        }),
        row("lerp", vec![x(&[2]), p(&[2])], |v| v[0].lerp(&v[1], 0.3)),
        row("addcmul", vec![x(&[2, 3]), p(&[3]), x(&[2, 1])], |v| {
            v[0].addcmul(&v[1], &v[2], 0.7)
        }),
        row("addcdiv", vec![x(&[2, 3]), x(&[3]), p(&[2, 1])], |v| {
            v[0].addcdiv(&v[1], &v[2], 0.7)
        }),
        row("where_", vec![x(&[2, 3]), p(&[3])], |v| {
            v[0].where_(
                &Tensor::from([[true, false, true], [false, false, true]]),
                &v[1],
            )
        }),
        row("masked_fill", a(), |v| {
            v[0].masked_fill(&Tensor::from([true, false, true]), 2.0)
        }),
        row("keep_where", a(), |v| {
            v[0].keep_where(&Tensor::from([[true, false, true], [false, false, true]]))
        }),
    ]);
}

fn reductions(rows: &mut Vec<Row>) {
    reductions! { rows:
        sum x (); mean x (); prod x (); max x (); min x (); var x (1); std x (0); var_mean x (1); std_mean x (0); nanmean x (); logsumexp x (); nansum x ();
    }
    along! { rows:
        softmax x; softmin x; log_softmax x; cumsum x; cumprod x; logcumsumexp x; cummax x; cummin x; max_dim x; min_dim x;
        median_dim x; mode x;
    }
    for norm in [0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY, 0.0] {
        rows.push(row("norm", vec![x(&[2, 3])], move |v| v[0].norm(norm, 1)));
        rows.push(row("norm", vec![x(&[2, 3])], move |v| v[0].norm(norm, ..)));
    }
    rows.push(row("cdist", vec![x(&[2, 3]), p(&[2, 3])], |v| {
        v[0].cdist(&v[1], 2.0)
    }));
    rows.push(row("cdist", vec![x(&[2, 1, 2]), p(&[3, 2])], |v| {
        v[0].cdist(&v[1], 1.0)
    }));
    rows.extend([
        // Products of which some, or all but one, are zero.
        row(
            "prod",
            vec![Tensor::from([[0.0, 1.5, 2.5], [0.0, 0.0, 1.5]])],
            |v| v[0].prod(1),
        ),
        row("cumprod", vec![Tensor::from([0.7, 0.0, 1.5, 2.5])], |v| {
            v[0].cumprod(0)
        }),
        row("sort", vec![x(&[2, 4])], |v| v[0].sort(1, true)),
        row("topk", vec![x(&[2, 4])], |v| v[0].topk(2, 1, true)),
        row("kthvalue", vec![x(&[2, 4])], |v| v[0].kthvalue(2, 1)),
        row("median", vec![x(&[2, 3])], |v| v[0].median()),
        row(
            "quantile",
            vec![x(&[2, 4]), Tensor::from([0.31, 0.8])],
            |v| v[0].quantile(&v[1], 1, Interpolation::Linear),
        ),
        row("quantile", vec![x(&[2, 2, 3])], |v| {
            v[0].quantile(0.4, [0, 2], Interpolation::Midpoint)
        }),
    ]);
}

fn views(rows: &mut Vec<Row>) {
    let a = || vec![x(&[2, 3])];
    let b = || vec![x(&[2, 1, 3])];
    rows.extend([
        row("reshape", a(), |v| v[0].reshape([3, -1])),
        row("flatten", b(), |v| v[0].flatten(0, -1)),
        row("unflatten", vec![x(&[6])], |v| v[0].unflatten(0, [2, 3])),
        row("squeeze", b(), |v| v[0].squeeze(1)),
        row("squeeze_all", b(), |v| Ok(v[0].squeeze_all())),
        row("unsqueeze", a(), |v| v[0].unsqueeze(-1)),
        row("permute", vec![x(&[2, 3, 2])], |v| v[0].permute([2, 0, 1])),
        row("transpose", a(), |v| v[0].transpose(0, 1)),
        row("swapdims", a(), |v| v[0].swapdims(0, 1)),
        row("t", a(), |v| Ok(v[0].t())),
        row("movedim", vec![x(&[2, 3, 2])], |v| {
            v[0].movedim([0, 1], [2, 0])
        }),
        row("broadcast_to", vec![x(&[3])], |v| v[0].broadcast_to([2, 3])),
        row("expand", vec![x(&[2, 1])], |v| v[0].expand([-1, 3])),
        row("narrow", a(), |v| v[0].narrow(1, 1, 2)),
        row("select", a(), |v| v[0].select(0, -1)),
        row("slice", vec![x(&[5])], |v| v[0].slice(0, 1.., -2)),
        row("flip", a(), |v| v[0].flip([0, 1])),
        row("diagonal", vec![x(&[2, 3, 2])], |v| v[0].diagonal(1, 2, 1)),
        row("diag_embed", a(), |v| v[0].diag_embed(-1, 0, 2)),
        row("diag", vec![x(&[3])], |v| v[0].diag(1)),
        row("diag", vec![x(&[3, 3])], |v| v[0].diag(1)),
        row("unfold", vec![x(&[5])], |v| v[0].unfold(0, 3, 1)),
        row("roll", a(), |v| v[0].roll([1, -1], [0, 1])),
        row("tile", a(), |v| v[0].tile([2, 1, 2])),
        row("repeat", a(), |v| v[0].repeat([2, 2])),
        row("repeat_interleave", a(), |v| v[0].repeat_interleave(2, 1)),
        row("pad", a(), |v| v[0].pad([1, -1, 0, 2], 0.5)),
        row("pad_with", a(), |v| v[0].pad_with([2, 1], Border::Reflect)),
        row("pad_with", a(), |v| {
            v[0].pad_with([2, 1], Border::Replicate)
        }),
        row("pad_with", a(), |v| {
            v[0].pad_with([2, 1, 1, 0], Border::Circular)
        }),
        row("tril", vec![x(&[2, 3, 3])], |v| v[0].tril(1)),
        row("triu", vec![x(&[3, 4])], |v| v[0].triu(-1)),
        row("meshgrid", vec![x(&[2]), p(&[3]), x(&[])], |v| {
            Var::meshgrid(&[&v[0], &v[1], &v[2]])
        }),
        row("rot90", b(), |v| v[0].rot90(1, [0, 2])),
        row("rot90", b(), |v| v[0].rot90(-1, [2, 1])),
        row("diff", vec![x(&[2, 4])], |v| v[0].diff(2, 1)),
        row("trace", vec![x(&[3, 2])], |v| v[0].trace()),
        row("split", a(), |v| v[0].split(2, 1)),
        row("split_sizes", a(), |v| v[0].split_sizes(&[1, 2], 1)),
        row("chunk", a(), |v| v[0].chunk(2, 0)),
        row("unbind", a(), |v| v[0].unbind(0)),
        row("cat", vec![x(&[2, 3]), p(&[2, 1])], |v| {
            Var::cat(&[&v[0], &v[1], &v[0]], 1)
        }),
        row("stack", vec![x(&[2]), p(&[2])], |v| {
            Var::stack(&[&v[0], &v[1]], 1)
        }),
    ]);
}

fn picks(rows: &mut Vec<Row>) {
    let a = || vec![x(&[3, 4])];
    let index = || Tensor::from([[2, 0], [1, 1]]);
    rows.extend([
        row("gather", a(), move |v| v[0].gather(1, &index())),
        row("take_along_dim", a(), move |v| {
            v[0].take_along_dim(&Tensor::from([[3, 0]]), 1)
        }),
        row("pick", a(), |v| v[0].pick(1, &Tensor::from([3, 0, 0]))),
        row("index_select", a(), |v| {
            v[0].index_select(0, &Tensor::from([2, 0, 2]))
        }),
        row("masked_select", a(), |v| {
            v[0].masked_select(&Tensor::from([true, false, false, true]))
        }),
        row("scatter", vec![x(&[2, 4]), p(&[2, 2])], |v| {
            v[0].scatter(1, &Tensor::from([[2, 0], [1, 3]]), &v[1])
        }),
        row("scatter_add", vec![x(&[2, 4]), p(&[2, 3])], move |v| {
            v[0].scatter_add(1, &index(), &v[1])
        }),
        row("index_add", vec![x(&[3, 2]), p(&[4, 2])], |v| {
            v[0].index_add(0, &Tensor::from([0, 2, 2, 1]), &v[1])
        }),
        row("index_fill", a(), |v| {
            v[0].index_fill(1, &Tensor::from([2, -4]), 0.5)
        }),
        row("index_copy", vec![x(&[3, 2]), p(&[2, 2])], |v| {
            v[0].index_copy(0, &Tensor::from([2, 0]), &v[1])
        }),
        row("index", a(), |v| v[0].index(i![1.., ..; -2, NewAxis])),
        row("index", a(), |v| v[0].index((Ellipsis, -1))),
        row("index", a(), move |v| v[0].index(i![.., index()])),
        row("index", a(), |v| {
            v[0].index(Tensor::from([true, false, true]))
        }),
        row("index_put", vec![x(&[3, 4]), p(&[2, 1])], |v| {
            v[0].index_put(i![Tensor::from([2, 0]), 1..3], &v[1], false)
        }),
        row("index_put", vec![x(&[3]), p(&[4])], |v| {
            v[0].index_put(i![Tensor::from([2, 0, 2, -1])], &v[1], true)
        }),
        row("slice_assign", vec![x(&[3, 4]), p(&[2])], |v| {
            v[0].slice_assign(i![.., ..; 2], &v[1])
        }),
    ]);
}

fn products(rows: &mut Vec<Row>) {
    rows.extend([
        row("matmul", vec![x(&[2, 3]), p(&[3, 2])], |v| {
            v[0].matmul(&v[1])
        }),
        row("matmul", vec![x(&[2, 1, 2, 3]), p(&[2, 3, 1])], |v| {
            v[0].matmul(&v[1])
        }),
        row("matmul", vec![x(&[3]), p(&[2, 3, 2])], |v| {
            v[0].matmul(&v[1])
        }),
        row("matmul", vec![x(&[2, 2, 3]), p(&[3])], |v| {
            v[0].matmul(&v[1])
        }),
        row("matmul", vec![x(&[3]), p(&[3])], |v| v[0].matmul(&v[1])),
        row("dot", vec![x(&[3]), p(&[3])], |v| v[0].dot(&v[1])),
        row("outer", vec![x(&[3]), p(&[2])], |v| v[0].outer(&v[1])),
        row("mm", vec![x(&[2, 3]), p(&[3, 2])], |v| v[0].mm(&v[1])),
        row("mv", vec![x(&[2, 3]), p(&[3])], |v| v[0].mv(&v[1])),
        row("bmm", vec![x(&[2, 2, 3]), p(&[2, 3, 2])], |v| {
            v[0].bmm(&v[1])
        }),
        row("addmm", vec![x(&[2]), x(&[2, 3]), p(&[3, 2])], |v| {
            v[0].addmm(&v[1], &v[2], 0.5, 1.5)
        }),
        row("addmv", vec![x(&[2]), x(&[2, 3]), p(&[3])], |v| {
            v[0].addmv(&v[1], &v[2], 0.5, 1.5)
        }),
        row(
            "baddbmm",
            vec![x(&[2, 1]), x(&[2, 2, 3]), p(&[2, 3, 2])],
            |v| v[0].baddbmm(&v[1], &v[2], 0.5, 1.5),
        ),
        row("inner", vec![x(&[2, 3]), p(&[2, 3])], |v| v[0].inner(&v[1])),
        row("kron", vec![x(&[2]), p(&[2, 2])], |v| v[0].kron(&v[1])),
        row("tensordot", vec![x(&[2, 3, 2]), p(&[2, 2])], |v| {
            v[0].tensordot(&v[1], [0, 2], [1, 0])
        }),
        row("einsum", vec![x(&[2, 2]), p(&[2, 3]), x(&[3])], |v| {
            Var::einsum("ii,ij,j->j", &[&v[0], &v[1], &v[2]])
        }),
        row("einsum", vec![x(&[2, 2, 3]), p(&[1, 3])], |v| {
            Var::einsum("b...i,...i->b...", &[&v[0], &v[1]])
        }),
        row("det", vec![square(&[2, 3, 3])], |v| v[0].det()),
        // Singular: its gradient is made of cofactors, and the second one of theirs.
        row(
            "det",
            vec![Tensor::from([
                [1.0, 2.0, 0.5],
                [2.0, 4.0, 1.0],
                [0.3, 1.0, 2.0],
            ])],
            |v| v[0].det(),
        ),
        row("det", vec![Tensor::from([[1.0, 2.0], [2.0, 4.0]])], |v| {
            v[0].det()
        }),
        row("linear", vec![x(&[3, 4]), p(&[2, 4]), x(&[2])], |v| {
            v[0].linear(&v[1], &v[2])
        }),
        row("linear", vec![x(&[2, 3, 2]), p(&[4, 2])], |v| {
            v[0].linear(&v[1], None)
        }),
        row("linear", vec![x(&[2]), p(&[3, 2]), x(&[3])], |v| {
            v[0].linear(&v[1], &v[2])
        }),
        row("slogdet", vec![square(&[3, 3])], |v| v[0].slogdet()),
        row("inverse", vec![square(&[2, 2, 2])], |v| v[0].inverse()),
        row("matrix_power", vec![square(&[2, 2, 2])], |v| {
            v[0].matrix_power(5)
        }),
        row("matrix_power", vec![square(&[2, 2])], |v| {
            v[0].matrix_power(-2)
        }),
        row("cholesky", vec![x(&[3, 3])], |v| {
            positive(&v[0])?.cholesky()
        }),
        row("solve", vec![square(&[3, 3]), x(&[3, 2])], |v| {
            v[0].solve(&v[1])
        }),
        row("solve", vec![square(&[2, 2, 2]), x(&[2])], |v| {
            v[0].solve(&v[1])
        }),
        row(
            "solve_triangular",
            vec![square(&[3, 3]), x(&[2, 3, 1])],
            |v| v[0].solve_triangular(&v[1], true, false),
        ),
        row("solve_triangular", vec![square(&[3, 3]), x(&[3])], |v| {
            v[0].solve_triangular(&v[1], false, true)
        }),
    ]);
}

fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    for part in [elementwise, reductions, views, picks, products] {
        part(&mut rows);
    }
    rows
}

/// Methods of a value that make no new one of it: constants.
const CONSTANTS: [&str; 2] = ["full", "zeros_like"];

/// The operations that the sources declare: public methods, and the rows of the tables there. Those of `step.rs` give
/// tensors.
fn declared() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut names = BTreeSet::new();
    let word = |text: &str| -> String {
        (text.chars())
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("step.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        // What a macro expands to has its names elsewhere.
        let declared = text.split("pub fn ").skip(1).map(word);
        names.extend(declared.filter(|name| !name.is_empty()));
        for line in text.lines().filter_map(|l| l.strip_prefix("    ")) {
            let name = word(line);
            let rest = &line[name.len()..];
            let rest = rest
                .split_once(')')
                .filter(|_| rest.starts_with('('))
                .map_or(rest, |r| r.1);
            let is_row = rest.starts_with(" / ") && rest.contains(" = |") || rest == ";";
            if is_row && !name.is_empty() {
                names.insert(name);
            }
        }
    }
    names
}

#[test]
fn the_table_lists_every_operation() {
    let listed: BTreeSet<String> = table().iter().map(|row| row.name.to_string()).collect();
    let declared = declared();
    for known in ["sqrt", "elu", "maximum", "dot", "reshape"] {
        assert!(
            declared.contains(known),
            "`{known}` was not found in the sources"
        );
    }
    let missing: Vec<&String> = (declared.difference(&listed))
        .filter(|name| !CONSTANTS.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unknown: Vec<&String> = listed.difference(&declared).collect();
    assert!(unknown.is_empty(), "not in the sources: {unknown:?}");
}

/// Copies with the same elements in other places of the memory.
fn layouts(x: &Tensor<f64>) -> Vec<(&'static str, Tensor<f64>)> {
    let (n, nan) = (x.ndim(), f64::NAN);
    let longer = Tensor::stack(&[&x.full_like(nan), x, &x.full_like(nan)], 0).unwrap();
    let mut all = vec![("offset", longer.select(0, 1).unwrap())];
    if n == 0 {
        return all;
    }
    // Written in another order of the dimensions, and read in the first.
    let ordered = |order: Vec<usize>, write: &dyn Fn(&Tensor<f64>) -> Tensor<f64>| {
        let mut back = vec![0; n];
        order.iter().enumerate().for_each(|(i, &d)| back[d] = i);
        write(&x.permute(&order).unwrap()).permute(&back).unwrap()
    };
    let plain = |x: &Tensor<f64>| x.contiguous();
    let flipped = |x: &Tensor<f64>| {
        let dims: Vec<usize> = (0..x.ndim()).collect();
        x.flip(&dims).unwrap().contiguous().flip(&dims).unwrap()
    };
    let stepped = |x: &Tensor<f64>| {
        let apart = Tensor::stack(&[x, &x.full_like(nan)], -1).unwrap();
        apart.select(-1, 0).unwrap()
    };
    let (straight, turned): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (0..n).rev().collect());
    let rolled: Vec<usize> = (0..n).map(|d| (d + 1) % n).collect();
    all.push(("transposed", ordered(turned.clone(), &plain)));
    all.push(("rolled", ordered(rolled, &plain)));
    all.push(("reversed", flipped(x)));
    all.push(("stepped", stepped(x)));
    all.push(("stepped backwards", flipped(&stepped(x))));
    all.push(("transposed and stepped", ordered(turned.clone(), &stepped)));
    all.push(("transposed and reversed", ordered(turned, &flipped)));
    all.push(("last reversed", {
        x.flip([-1]).unwrap().contiguous().flip([-1]).unwrap()
    }));
    all.push(("rows apart", {
        let wide = Tensor::cat(&[&ordered(straight, &plain), &x.full_like(nan)], -1).unwrap();
        wide.narrow(-1, 0, x.shape()[n - 1]).unwrap()
    }));
    for (name, copy) in &all {
        assert!(copy == x, "{name}: {copy:?} for {x:?}");
    }
    all
}

fn assert_ok(row: &Row, what: &str, report: Result<Report>) -> usize {
    let report = report.unwrap_or_else(|e| panic!("{}, {what}: {e}", row.name));
    assert!(report.is_clean(), "{}, {what}:\n{report}", row.name);
    report.compared
}

/// The calls of a table's rows, in parts, so that threads share them. Fewer derivatives than `least` say that rows or
/// layouts have gone.
fn check(part: fn(&mut Vec<Row>), least: usize) {
    let mut rows = Vec::new();
    part(&mut rows);
    let mut compared = 0;
    for row in &rows {
        // Every input is used twice, so a gradient that were assigned and not added would be found.
        let twice = |v: &[Var<f64>]| {
            let (first, second) = ((row.f)(v)?, (row.f)(v)?);
            let sums = first.iter().zip(&second).map(|(a, b)| a.add(b.mul(0.5)?));
            sums.collect::<Result<Vec<_>>>()
        };
        compared += assert_ok(row, "as given", gradcheck(&row.f, &row.inputs));
        let plain: Vec<Tensor<f64>> = row.inputs.iter().map(|x| x.contiguous()).collect();
        compared += assert_ok(row, "used twice", gradcheck(twice, &plain));
        compared += assert_ok(row, "second order", gradgradcheck(&row.f, &plain));
        // An operation whose own second derivative is zero must still pass on that of what comes before it. The inputs
        // move by less than their distance to the next kink.
        let slopes = |v: &[Var<f64>]| {
            // For the differences the function gets constants.
            let tape = Tape::new();
            let leaf = |x: &Var<f64>| match x.is_tracked() {
                true => x.clone(),
                false => tape.leaf(x.value().clone()),
            };
            let v: Vec<Var<f64>> = v.iter().map(leaf).collect();
            let bent = v.iter().map(|x| x.mul(x.mul(0.003)?.add(1.0)?));
            let y = (row.f)(&bent.collect::<Result<Vec<_>>>()?)?;
            let sums = y.iter().map(|y| y.sum(..));
            let sums = sums.collect::<Result<Vec<_>>>()?;
            // The gradient of the result is a constant here, where that of `gradgradcheck` is an input.
            let options = GradOptions::new().create_graph(true).allow_unused(true);
            let (sums, v): (Vec<_>, Vec<_>) = (sums.iter().collect(), v.iter().collect());
            grad(&sums, &v, options)
        };
        compared += assert_ok(row, "behind another", gradcheck(slopes, &plain));
        let moved: Vec<_> = row.inputs.iter().map(layouts).collect();
        for k in 0..moved.iter().map(Vec::len).max().unwrap_or(0) {
            // Scalars lie in fewer ways.
            let pick = |all: &Vec<(&'static str, Tensor<f64>)>| all[k % all.len()].clone();
            let (names, inputs): (Vec<_>, Vec<_>) = moved.iter().map(pick).unzip();
            compared += assert_ok(row, names[0], gradcheck(&row.f, &inputs));
        }
    }
    println!("{} calls, {compared} derivatives compared", rows.len());
    assert!(
        compared >= least,
        "only {compared} derivatives were compared"
    );
}

#[test]
fn elementwise_operations() {
    check(elementwise, 120_000);
}

#[test]
fn reductions_and_scans() {
    check(reductions, 30_000);
}

#[test]
fn views_and_arrangements() {
    check(views, 30_000);
}

#[test]
fn picking_and_placing() {
    check(picks, 20_000);
}

#[test]
fn products_and_systems() {
    check(products, 24_000);
}
