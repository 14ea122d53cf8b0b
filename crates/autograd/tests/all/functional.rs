//! Derivatives of whole functions, against `torch.func`, against finite differences, and nested.

use autograd::functional::WithProduct;
use autograd::{
    Error, GradOptions, Result, Tape, TapeProblem, Tensor, Var, grad, gradcheck, gradgradcheck,
    hessian, hvp, jacobian, jvp, vjp,
};
use serde_json::Value as Json;

type Function = fn(&[Var<f64>]) -> Result<Vec<Var<f64>>>;

/// The functions of `scripts/fixtures/functional.py`.
fn function(name: &str) -> Function {
    match name {
        "polynomial" => |v| Ok(vec![v[0].pow(3.0)?.mul(v[0].sin())?]),
        "network" => |v| Ok(vec![v[2].matmul(&v[0].t())?.add(&v[1])?.tanh()]),
        "two_outputs" => |v| Ok(vec![v[0].mul(v[1].exp())?.sum(..)?, v[0].div(&v[1])?]),
        "log_partition" => |v| {
            let squares = v[0].square().sum(..)?.div(10.0)?;
            Ok(vec![v[0].logsumexp(1)?.mean(..)?.sub(squares)?])
        },
        "rosenbrock" => |v| {
            let (low, high) = (v[0].narrow(0, 0, 4)?, v[0].narrow(0, 1, 4)?);
            let valley = high.sub(low.square())?.square().mul(100.0)?;
            Ok(vec![valley.add((1.0 - low).square())?.sum(..)?])
        },
        "unused" => |v| Ok(vec![v[0].pow(3.0)?.sum(..)?]),
        "widens" => |v| {
            let outer = v[0].unsqueeze(1)?.mul(&v[0])?;
            Ok(vec![outer.repeat([3, 2])?.exp()])
        },
        name => panic!("no function {name}"),
    }
}

fn tensor(x: &Json) -> Tensor<f64> {
    let list = |key: &str| x[key].as_array().unwrap().iter();
    let shape: Vec<i64> = list("shape").map(|n| n.as_i64().unwrap()).collect();
    Tensor::from_vec(list("data").map(|v| v.as_f64().unwrap()).collect(), shape).unwrap()
}

fn tensors(list: &Json) -> Vec<Tensor<f64>> {
    list.as_array().unwrap().iter().map(tensor).collect()
}

fn close(what: &str, got: &[Var<f64>], expected: &Json) {
    let expected = tensors(expected);
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(&expected) {
        let same = g.shape() == e.shape() && g.value().allclose(e, 1e-12, 1e-13).unwrap();
        assert!(same, "{what}: {g}, expected {e}");
        assert!(!g.is_tracked(), "{what}");
    }
}

fn close_rows(what: &str, got: &[Vec<Var<f64>>], expected: &Json) {
    let rows = expected.as_array().unwrap();
    assert_eq!(got.len(), rows.len(), "{what}");
    got.iter().zip(rows).for_each(|(g, e)| close(what, g, e));
}

#[test]
fn as_torch_func() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/functional.json"
    ));
    let file: Json = serde_json::from_str(&text.unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (f, x) = (function(name), tensors(&case["inputs"]));
        let (y, dx) = vjp(f, &x, &tensors(&case["seeds"])).unwrap();
        close(&format!("{name}: outputs"), &y, &case["outputs"]);
        close(&format!("{name}: vjp"), &dx, &case["vjp"]);
        let tangents = tensors(&case["tangents"]);
        let (y, dy) = jvp(f, &x, &tangents).unwrap();
        close(&format!("{name}: outputs"), &y, &case["outputs"]);
        close(&format!("{name}: jvp"), &dy, &case["jvp"]);
        let j = jacobian(f, &x).unwrap();
        close_rows(&format!("{name}: jacobian"), &j, &case["jacobian"]);
        if case["hessian"].is_null() {
            continue;
        }
        let h = hessian(f, &x).unwrap();
        close_rows(&format!("{name}: hessian"), &h, &case["hessian"]);
        let (y, hv) = hvp(f, &x, &tangents).unwrap();
        close(&format!("{name}: outputs"), &[y], &case["outputs"]);
        close(&format!("{name}: hvp"), &hv, &case["hvp"]);
    }
}

fn point() -> [Tensor<f64>; 2] {
    let a = Tensor::from([[0.3, -0.7], [1.1, 0.4]]);
    [a, Tensor::from([0.9, -1.3])]
}

/// Checks `g`, a derivative, and its own.
fn through(name: &str, g: impl Fn(&[Var<f64>]) -> Result<Vec<Var<f64>>>) {
    let report = gradcheck(&g, &point()).unwrap();
    assert!(report.is_clean(), "{name}: {report}");
    let report = gradgradcheck(&g, &point()).unwrap();
    assert!(report.is_clean(), "{name}: {report}");
}

fn f(v: &[Var<f64>]) -> Result<Var<f64>> {
    Ok(v[0].matmul(&v[1])?.tanh() * v[1].exp())
}

/// All of them are differentiable themselves, to second order: checked by finite differences.
#[test]
fn they_can_be_differentiated() {
    let seed = [Tensor::from([0.5, -2.0])];
    let tangents = point().map(|x| x.mul(0.3).unwrap());
    through("vjp", |v| Ok(vjp(f, v, &seed)?.1));
    through("jvp", |v| Ok(jvp(f, v, &tangents)?.1));
    through("jacobian", |v| Ok(jacobian(f, v)?.concat()));
    let one = |v: &[Var<f64>]| f(v)?.sum(..);
    through("hessian", |v| Ok(hessian(one, v)?.concat()));
    through("hvp", |v| Ok(hvp(one, v, &tangents)?.1));
}

#[test]
fn a_jacobian_of_a_gradient_is_a_hessian() {
    let one = |v: &[Var<f64>]| f(v)?.sum(..);
    let gradient = |v: &[Var<f64>]| {
        let y = one(v)?;
        let inputs: Vec<&Var<f64>> = v.iter().collect();
        grad(&[&y], &inputs, GradOptions::new().create_graph(true))
    };
    let (a, b) = (
        jacobian(gradient, &point()).unwrap().concat(),
        hessian(one, &point()).unwrap().concat(),
    );
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.shape(), b.shape());
        assert!(a.value().allclose(b.value(), 1e-14, 1e-15).unwrap());
    }
}

#[test]
fn a_jacobian_of_columns_is_one_of_rows() {
    // Twelve outputs of two inputs go by columns; the same function with idle inputs goes by rows.
    let few = [Tensor::from([0.5, -0.25])];
    let wide = |v: &[Var<f64>]| v[0].unsqueeze(1)?.mul(&v[0])?.exp().repeat([3, 1]);
    let columns = jacobian(wide, &few).unwrap();
    let many = [few[0].clone(), Tensor::zeros([20]).unwrap()];
    let rows = jacobian(wide, &many).unwrap();
    assert_eq!(columns[0][0].shape(), [6, 2, 2]);
    assert_eq!(columns[0][0].value(), rows[0][0].value());
    assert_eq!(rows[0][1].shape(), [6, 2, 20]);
    assert!(
        rows[0][1]
            .value()
            .eq(0.0)
            .unwrap()
            .all(..)
            .unwrap()
            .item()
            .unwrap()
    );
}

#[test]
fn empty_and_constant_functions() {
    let empty = [Tensor::<f64>::zeros([0]).unwrap()];
    let j = jacobian(|v: &[Var<f64>]| Ok(v[0].exp()), &empty).unwrap();
    assert_eq!(j[0][0].shape(), [0, 0]);
    let constant = |_: &[Var<f64>]| Ok(Var::from(Tensor::from([1.0, 2.0])));
    let x = [Tensor::from([3.0])];
    let (_, dy) = jvp(constant, &x, &x).unwrap();
    assert_eq!(dy[0].value().to_vec(), [0.0, 0.0]);
    let (_, dx) = vjp(constant, &x, &[Tensor::from([1.0, 1.0])]).unwrap();
    assert_eq!(dx[0].value().to_vec(), [0.0]);
    let h = hessian(|v: &[Var<f64>]| v[0].mul(2.0)?.sum(..), &x).unwrap();
    assert_eq!(h[0][0].value().to_vec(), [0.0]);
}

#[test]
fn wrong_uses_say_so() {
    let x = [Tensor::from([1.0, 2.0])];
    let square = |v: &[Var<f64>]| Ok(v[0].square());
    let text = |e: Result<WithProduct<f64>>| e.unwrap_err().to_string();
    assert_eq!(
        text(jvp(square, &x, &[Tensor::from([1.0])])),
        "jvp: tangents has shape [1], but the value that it belongs to has shape [2]"
    );
    assert_eq!(
        text(vjp(square, &x, &[x[0].clone(), x[0].clone()])),
        "vjp: seeds is a list of 2 beside 1 values, but there must be one for each"
    );
    assert_eq!(
        hessian(square, &x).unwrap_err().to_string(),
        "hessian: the result of the function has shape [2], but it must have one element: reduce it first"
    );
    let pair = |v: &[Var<f64>]| Ok([v[0].sum(..)?, v[0].sum(..)?]);
    assert_eq!(
        hvp(pair, &x, &x).unwrap_err().to_string(),
        "hvp: the result of the function is a list of 2, but it must be one value of one element"
    );
    // A value of another tape cannot be differentiated through.
    let outer = Tape::new().leaf(Tensor::from([1.0, 2.0]));
    let e = jacobian(|v: &[Var<f64>]| v[0].mul(&outer), &x).unwrap_err();
    assert!(
        matches!(
            e,
            Error::Tape {
                op: "mul",
                problem: TapeProblem::Foreign
            }
        ),
        "{e}"
    );
}
