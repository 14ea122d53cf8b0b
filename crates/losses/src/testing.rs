//! What every loss must hold, row by row of its fixture file: PyTorch's value and gradients, the kernels against the
//! definition, finite differences, and the same numbers from any layout.

use crate::Reduction;
use autograd::check::{Report, Status};
use autograd::{
    Error, Float, GradOptions, Result, Tape, Tensor, Var, grad, gradcheck, gradgradcheck,
};
use serde_json::Value;

/// A loss as the fixtures call it.
pub trait Checked {
    /// The fixture file, without its ending.
    const NAME: &'static str;
    /// Whether the gradient is that of the value; not where the loss counts a part of itself as a constant.
    const TRUE_SLOPES: bool = true;
    /// The loss with a case's options, of its floating inputs in the order of their names.
    fn call<T: Float>(case: &Case<'_>, v: &[Var<T>]) -> Result<Var<T>>;
}

/// One row of a fixture file.
#[derive(Clone, Copy)]
pub struct Case<'a>(&'a Value);

impl Case<'_> {
    pub fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or("?")
    }
    fn option(&self, name: &str) -> &Value {
        &self.0["options"][name]
    }
    pub fn f64(&self, name: &str, default: f64) -> f64 {
        if self.option(name).is_null() {
            default
        } else {
            number(self.option(name))
        }
    }
    pub fn i64(&self, name: &str, default: i64) -> i64 {
        self.option(name).as_i64().unwrap_or(default)
    }
    pub fn bool(&self, name: &str, default: bool) -> bool {
        self.option(name).as_bool().unwrap_or(default)
    }
    pub fn str(&self, name: &str) -> Option<&str> {
        self.option(name).as_str()
    }
    /// Whether the option `name` is a tensor.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.option(name).is_object()
    }
    /// A list of sizes among the options.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        ints(self.option(name))
            .iter()
            .map(|&n| n as usize)
            .collect()
    }
    /// A tensor among the options.
    pub fn tensor<T: Float>(&self, name: &str) -> Option<Tensor<T>> {
        Some(self.option(name)).filter(|v| !v.is_null()).map(floats)
    }
    /// A tensor of truth values among the options.
    pub fn mask(&self, name: &str) -> Option<Tensor<bool>> {
        let x = Some(self.option(name)).filter(|v| !v.is_null())?;
        let data = x["data"].as_array().unwrap().iter();
        let data = data.map(|v| v.as_bool().unwrap()).collect();
        Some(Tensor::from_vec(data, shape(x)).unwrap())
    }
    /// A word among the options.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.option(name).as_str()
    }
    /// An integer tensor among the inputs.
    pub fn ints(&self, name: &str) -> Tensor<i64> {
        let x = &self.0["inputs"][name];
        let data = x["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_i64().unwrap())
            .collect();
        self.arrange(name, Tensor::from_vec(data, shape(x)).unwrap())
    }
    /// Whether the input `name` holds integers.
    pub fn is_int(&self, name: &str) -> bool {
        self.0["inputs"][name]["dtype"] == "i64"
    }
    pub fn reduction(&self) -> Reduction {
        self.reduction_or(Reduction::Mean)
    }
    pub fn reduction_or(&self, default: Reduction) -> Reduction {
        match self.option("reduction").as_str() {
            None => default,
            Some("none") => Reduction::None,
            Some("mean") => Reduction::Mean,
            Some("sum") => Reduction::Sum,
            Some("batchmean") => Reduction::BatchMean,
            Some(other) => panic!("reduction {other}"),
        }
    }
    /// The input as the case lays it out: expanded, transposed, stepped or reversed, its values the same.
    fn arrange<T: autograd::Element>(&self, name: &str, x: Tensor<T>) -> Tensor<T> {
        let expand = &self.0["expand"][name];
        let x = if expand.is_null() {
            x
        } else {
            x.expand(ints(expand)).unwrap()
        };
        lay(self.0["layout"][name].as_str().unwrap_or("plain"), &x)
    }
    /// The one of `v` that stands for the floating input `name`, if there is such an input.
    pub fn of<'v, T: Float>(&self, v: &'v [Var<T>], name: &str) -> Option<&'v Var<T>> {
        let names = self.floats::<T>();
        names.iter().position(|(n, _)| n == name).map(|i| &v[i])
    }
    /// Names and values of the floating inputs.
    fn floats<T: Float>(&self) -> Vec<(String, Tensor<T>)> {
        let inputs = self.0["inputs"].as_object().unwrap();
        let is_float = |v: &Value| matches!(v["dtype"].as_str(), Some("f32" | "f64"));
        inputs
            .iter()
            .filter(|(_, v)| is_float(v))
            .map(|(n, v)| (n.clone(), self.arrange(n, floats(v))))
            .collect()
    }
}

/// The same values in another order in memory.
pub fn lay<T: autograd::Element>(layout: &str, x: &Tensor<T>) -> Tensor<T> {
    if x.ndim() == 0 {
        return x.clone();
    }
    match layout {
        "transposed" => x
            .transpose(0, -1)
            .unwrap()
            .contiguous()
            .transpose(0, -1)
            .unwrap(),
        "reversed" => x.flip(0).unwrap().contiguous().flip(0).unwrap(),
        "stepped" => {
            // Every second element of a tensor twice as long, whose other elements are never to be seen.
            let gap = x.full_like(T::from_f64(777.0));
            let both = Tensor::stack(&[x, &gap], x.ndim() as isize).unwrap();
            both.select(-1, 0).unwrap()
        }
        _ => x.clone(),
    }
}

fn number(v: &Value) -> f64 {
    match v.as_str() {
        Some("nan") => f64::NAN,
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => v.as_f64().unwrap(),
    }
}

fn ints(v: &Value) -> Vec<i64> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_i64().unwrap())
        .collect()
}

fn shape(v: &Value) -> Vec<i64> {
    ints(&v["shape"])
}

fn floats<T: Float>(v: &Value) -> Tensor<T> {
    let data = v["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| T::of(number(v)))
        .collect();
    Tensor::from_vec(data, shape(v)).unwrap()
}

/// Fails unless shapes agree and every element lies within `rtol` of its own size and `atol` of the largest; NaN
/// equals NaN alone, an infinity itself alone.
#[track_caller]
pub fn assert_close<T: Float>(what: &str, got: &Tensor<T>, want: &Tensor<T>, rtol: f64, atol: f64) {
    assert_eq!(got.shape(), want.shape(), "{what}: shapes");
    let (got, want) = (got.to_vec(), want.to_vec());
    // Rounding of numbers about 1 that cancel; none of it where the smallest numbers are the point.
    let floor = if atol < 1e-8 && T::EPSILON.f64() > 1e-10 || atol < 1e-16 {
        T::TINY.f64()
    } else {
        T::EPSILON.f64()
    };
    let largest = want
        .iter()
        .filter(|v| v.finite())
        .fold(0.0f64, |m, v| m.max(v.f64().abs()));
    for (i, (a, b)) in got.iter().zip(&want).enumerate() {
        let same = a == b || (a.is_nan_() && b.is_nan_());
        let off = (a.f64() - b.f64()).abs();
        let near = b.finite() && a.finite() && off <= rtol * b.f64().abs() + atol * largest + floor;
        assert!(
            same || near,
            "{what}: element {i} is {a}, and should be {b}: {} ulps off\n{got:?}\n{want:?}",
            a.ulps(*b)
        );
    }
}

/// All checks, on all cases of a loss's fixture file.
pub fn check_loss<L: Checked>() {
    let single = |case: &Case<'_>, v: &[Var<f32>]| L::call(case, v);
    let double = |case: &Case<'_>, v: &[Var<f64>]| L::call(case, v);
    check(L::NAME, &single, &double, L::TRUE_SLOPES);
}

/// A loss as [`Checked::call`] gives it. Behind a pointer, since the checks would otherwise be compiled anew for each
/// loss, which took minutes.
type Call<'a, T> = &'a dyn Fn(&Case<'_>, &[Var<T>]) -> Result<Var<T>>;

fn check(name: &str, single: Call<'_, f32>, double: Call<'_, f64>, true_slopes: bool) {
    let path = format!("{}/fixtures/{}.json", env!("CARGO_MANIFEST_DIR"), name);
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 20, "{path} holds {} cases", cases.len());
    for case in cases {
        let case = Case(case);
        match case.0["dtype"].as_str() {
            Some("f32") => check_case(name, single, &case),
            _ => {
                check_case(name, double, &case);
                if true_slopes {
                    check_differences(name, double, &case);
                }
            }
        }
    }
}

fn check_case<T: Float>(loss: &str, call: Call<'_, T>, case: &Case<'_>) {
    let at = |what: &str| format!("{loss} {}: {what}", case.name());
    let inputs = case.floats::<T>();
    let tape = Tape::new();
    let leaves: Vec<Var<T>> = inputs.iter().map(|(_, x)| tape.leaf(x.clone())).collect();
    let y = call(case, &leaves);
    if !case.0["error"].is_null() {
        assert!(y.is_err(), "{}: should be an error, is {:?}", at("call"), y);
        return;
    }
    let y = y.unwrap_or_else(|e| panic!("{}: {e}", at("call")));
    // Confident rows must be right to the last digits of the smallest number.
    let exact = case.name().contains("confident") || case.name().contains("parallel");
    let (rtol, atol) = match (T::EPSILON.f64() > 1e-10, exact) {
        (true, true) => (4e-6, 1e-12),
        (true, false) => (4e-6, 4e-7),
        (false, true) => (1e-9, 1e-20),
        (false, false) => (1e-9, 1e-11),
    };
    assert_close(
        &at("value"),
        y.value(),
        &floats(&case.0["output"]),
        rtol,
        atol,
    );

    let dy: Tensor<T> = floats(&case.0["dy"]);
    let used: Vec<&Var<T>> = leaves.iter().collect();
    let seed = |dy: Var<T>| GradOptions::new().allow_unused(true).seed([dy]);
    if !y.is_tracked() {
        return;
    }
    let first = grad(&[&y], &used, seed(Var::from(&dy)).retain_graph(true)).unwrap();
    for ((name, _), dx) in inputs.iter().zip(&first) {
        let want = &case.0["grads"][name];
        if !want.is_null() {
            assert_close(
                &at(&format!("gradient of {name}")),
                dx.value(),
                &floats(want),
                rtol,
                atol,
            );
        }
    }
    // The same numbers from inputs that lie otherwise in memory.
    for layout in ["transposed", "stepped", "reversed"] {
        let tape = Tape::new();
        let moved: Vec<Var<T>> = inputs
            .iter()
            .map(|(_, x)| tape.leaf(lay(layout, x)))
            .collect();
        let y2 = call(case, &moved).unwrap();
        assert_close(&at(layout), y2.value(), y.value(), 1e-6, 1e-6);
        let again = grad(
            &[&y2],
            &moved.iter().collect::<Vec<_>>(),
            seed(Var::from(&dy)),
        )
        .unwrap();
        for (a, b) in again.iter().zip(&first) {
            assert_close(&at(layout), a.value(), b.value(), 2e-6, 1e-6);
        }
    }
    if !case.0["second"].is_null() {
        // The definition is plain, and may lose what the kernels keep.
        let (rtol, atol) = if T::EPSILON.f64() > 1e-10 {
            (4e-5, 4e-6)
        } else {
            (1e-8, 1e-10)
        };
        check_second(loss, call, case, &inputs, &dy, &first, (rtol, atol));
    }
}

/// The definition: its value is PyTorch's, its first gradient the kernel's, and its second PyTorch's.
fn check_second<T: Float>(
    loss: &str,
    call: Call<'_, T>,
    case: &Case<'_>,
    inputs: &[(String, Tensor<T>)],
    dy: &Tensor<T>,
    first: &[Var<T>],
    (rtol, atol): (f64, f64),
) {
    let at = |what: &str| format!("{loss} {}: {what}", case.name());
    let tape = Tape::new();
    let leaves: Vec<Var<T>> = inputs.iter().map(|(_, x)| tape.leaf(x.clone())).collect();
    let seed = tape.leaf(dy.clone());
    let y = call(case, &leaves).unwrap();
    // A loss that is made of others has no definition beside what was recorded.
    if let Some(plain) = y.by_definition() {
        assert_close(
            &at("value by the definition"),
            plain.unwrap().value(),
            &floats(&case.0["output"]),
            rtol,
            atol,
        );
    }
    let second = &case.0["second"];
    let v = second["v"].as_object().unwrap();
    let wanted: Vec<&Var<T>> = leaves.iter().collect();
    let options = GradOptions::new()
        .create_graph(true)
        .allow_unused(true)
        .seed([seed.clone()]);
    let gradients = grad(&[&y], &wanted, options).unwrap();
    let mut total = Var::from(Tensor::scalar(T::ZERO));
    for (((name, _), g), k) in inputs.iter().zip(&gradients).zip(first) {
        assert_close(
            &at(&format!("definition's gradient of {name}")),
            g.value(),
            k.value(),
            rtol,
            atol,
        );
        if let Some(v) = v.get(name) {
            total = total
                .add(g.mul(Var::from(floats::<T>(v))).unwrap().sum(..).unwrap())
                .unwrap();
        }
    }
    if !total.is_tracked() {
        return;
    }
    let mut names: Vec<&str> = inputs.iter().map(|(n, _)| n.as_str()).collect();
    names.push("dy");
    let wanted: Vec<&Var<T>> = leaves.iter().chain([&seed]).collect();
    let found = grad(&[&total], &wanted, GradOptions::new().allow_unused(true)).unwrap();
    for (name, dx) in names.iter().zip(&found) {
        let want = &second["grads"][*name];
        if !want.is_null() {
            assert_close(
                &at(&format!("second gradient of {name}")),
                dx.value(),
                &floats(want),
                rtol,
                atol,
            );
        }
    }
}

/// Finite differences, to first and second order, where the point lies inside the domain: by those inputs that have a
/// gradient.
fn check_differences(loss: &str, call: Call<'_, f64>, case: &Case<'_>) {
    let inputs: Vec<(String, Tensor<f64>)> = case
        .floats()
        .into_iter()
        .map(|(name, x)| (name, x.contiguous()))
        .collect();
    let numel: usize = inputs.iter().map(|(_, x)| x.numel()).sum();
    // Beside a number far smaller than the step the differences see nothing of the slope.
    let wild = |v: f64| v.is_nan() || v.abs() > 50.0 || (v != 0.0 && v.abs() < 1e-12);
    let tame = inputs.iter().all(|(_, x)| x.find(wild).is_none());
    let wanted = case.0["error"].is_null()
        && case.0["differs"].is_null()
        && tame
        && numel > 0
        && numel <= 40;
    if !wanted
        || case.0["output"]["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|v| v.is_string())
    {
        return;
    }
    let varies = |name: &str| !case.0["grads"][name].is_null();
    let varied: Vec<Tensor<f64>> = inputs
        .iter()
        .filter(|(name, _)| varies(name))
        .map(|(_, x)| x.clone())
        .collect();
    let f = |v: &[Var<f64>]| {
        let mut v = v.iter();
        let all: Vec<Var<f64>> = inputs
            .iter()
            .map(|(name, x)| match varies(name) {
                true => v.next().unwrap().clone(),
                false => Var::from(x),
            })
            .collect();
        call(case, &all)
    };
    let sound = |order: &str, report: Result<Report>| match report {
        Ok(report) => {
            assert!(report.is_ok(), "{loss} {} {order}: {report}", case.name());
            report.count(Status::Kink) == 0
        }
        // The differences step out of the domain, from a probability of 0 for one.
        Err(Error::Value { .. }) => true,
        Err(e) => panic!("{loss} {} {order}: {e}", case.name()),
    };
    // At a kink there is no second derivative.
    if sound("first", gradcheck(f, &varied)) {
        sound("second", gradgradcheck(f, &varied));
    }
}

/// The values of a loss that does not reduce, and the slopes of their sum by each input.
pub fn value_and_slopes<T: Float>(
    inputs: &[Tensor<T>],
    loss: impl Fn(&[Var<T>]) -> Result<Var<T>>,
) -> (Vec<T>, Vec<Vec<T>>) {
    let tape = Tape::new();
    let leaves: Vec<Var<T>> = inputs.iter().map(|x| tape.leaf(x.clone())).collect();
    let y = loss(&leaves).unwrap();
    let seed = Var::from(y.value().ones_like());
    let options = GradOptions::new().allow_unused(true).seed([seed]);
    let slopes = grad(&[&y], &leaves.iter().collect::<Vec<_>>(), options).unwrap();
    let slopes = slopes.iter().map(|dx| dx.value().to_vec()).collect();
    (y.value().to_vec(), slopes)
}

/// Panics unless `got` lies within `rtol` of `want`, relative to each.
#[track_caller]
pub fn assert_near<T: Float>(got: &[T], want: &[f64], rtol: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (a, &b)) in got.iter().zip(want).enumerate() {
        let off = (a.f64() - b).abs() / b.abs().max(T::TINY.f64());
        assert!(
            off <= rtol,
            "element {i} is {a}, and should be {b}: off by {off:e}"
        );
    }
}
