//! Logistic regression by L-BFGS, held against scikit-learn: what the examples `iris`, `wine` and `breast_cancer` do.

use crate::Outcome;
use crate::cli::Common;
use crate::draw::{Chart, Series, charts};
use nn::autograd::Param;
use nn::metrics::log_loss;
use nn::prelude::*;
use serde_json::Value;

/// The data, its weights as scikit-learn found them, and what is minimised.
struct Problem {
    x: Tensor<f64>,
    y: Tensor<i64>,
    /// One row of weights for two classes, otherwise one for each.
    rows: usize,
    weights: Tensor<f64>,
    bias: Tensor<f64>,
}

impl Problem {
    fn new(data: &Dataset, book: &Value) -> Outcome<Self> {
        let x = data.x.cast::<f64>();
        let x = x.sub(&x.mean(0)?)?.div(&x.std(0, 0)?)?;
        let classes = data.num_classes();
        let rows = if classes == 2 { 1 } else { classes };
        let numbers = |v: &Value| -> Vec<f64> {
            let items = v.as_array().map(Vec::as_slice).unwrap_or_default();
            items.iter().filter_map(Value::as_f64).collect()
        };
        let weights = book["weights"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let weights: Vec<f64> = weights.iter().flat_map(numbers).collect();
        Ok(Problem {
            weights: Tensor::from_vec(weights, [rows, data.num_features()])?,
            bias: Tensor::from_vec(numbers(&book["bias"]), rows)?,
            x,
            y: data.y.clone(),
            rows,
        })
    }

    fn start(&self) -> Result<Linear<f64>> {
        Ok(Linear {
            weight: Param::new(self.weights.zeros_like()),
            bias: Some(Param::new(Tensor::zeros(self.rows)?)),
        })
    }

    /// The mean cross entropy plus `|W|² / 2` as one row's share of it: scikit-learn's objective with `C = 1`, divided
    /// by the number of rows.
    fn objective(&self, model: &Linear<f64>) -> Result<Var<f64>> {
        let x = Tape::new().input(self.x.clone());
        let logits = model.forward(&x)?;
        let loss = match self.rows {
            1 => {
                let target = Var::from(self.y.cast::<f64>());
                binary_cross_entropy_with_logits(&logits.squeeze(1)?, &target)?
            }
            _ => cross_entropy(&logits, &self.y)?,
        };
        let penalty = model.weight.on(&x).square().sum(..)?;
        loss.add(penalty.mul(0.5 / self.y.numel() as f64)?)
    }

    /// Mean cross entropy and accuracy.
    fn measure(&self, model: &Linear<f64>) -> Result<(f64, f64)> {
        let logits = model.forward(&Var::from(&self.x))?.into_value();
        let p = match self.rows {
            1 => {
                let p = logits.sigmoid();
                Tensor::cat(&[&p.map(|p| 1.0 - p), &p], 1)?
            }
            _ => logits.softmax(1)?,
        };
        Ok((log_loss(&p, &self.y)?, accuracy(&p.argmax(1)?, &self.y)?))
    }
}

/// Finds the weights of a logistic regression on `data`, compares them with scikit-learn's, which lie under `name` in
/// `data/logistic.json`, and draws how the loss fell.
///
/// # Errors
/// If weights or measures differ from scikit-learn's in their first three decimals.
pub fn run(common: &Common, name: &'static str, data: &Dataset) -> Outcome {
    let (out, _) = common.start(name)?;
    let book: Value = serde_json::from_str(include_str!("../data/logistic.json"))?;
    let book = &book[name];
    let problem = Problem::new(data, book)?;
    let theirs = Linear {
        weight: Param::new(problem.weights.clone()),
        bias: Some(Param::new(problem.bias.clone())),
    };
    let optimum = problem.objective(&theirs)?.item()?;

    let mut model = problem.start()?;
    let mut lbfgs = Lbfgs::new(1.0)
        .max_iter(1)
        .max_eval(25)
        .strong_wolfe(true)
        .tolerance_grad(1e-9)
        .tolerance_change(1e-16);
    let first = problem.objective(&model)?.item()?;
    let mut fall = vec![(0.0, first - optimum)];
    for _ in 0..200 {
        let before = lbfgs.evaluations();
        lbfgs.step_with(&mut model, |model| problem.objective(model))?;
        let now = problem.objective(&model)?.item()?;
        fall.push((lbfgs.evaluations() as f64, now - optimum));
        // A step that asks for one value only finds the slope to be 0.
        if lbfgs.evaluations() - before <= 1 {
            break;
        }
    }
    let evaluations = lbfgs.evaluations();
    // For comparison: plain descent with momentum, with as many evaluations and many more.
    let mut slow = problem.start()?;
    let mut descent = Sgd::new(0.3).momentum(0.9);
    let mut slow_fall = vec![(0.0, first - optimum)];
    for step in 1..=4 * evaluations {
        let grads = problem.objective(&slow)?.backward()?;
        descent.step(&mut slow, &grads)?;
        slow_fall.push((step as f64, problem.objective(&slow)?.item()? - optimum));
    }

    let far = |a: &Tensor<f64>, b: &Tensor<f64>| a.sub(b)?.abs().max(..)?.item();
    let bias = model.bias.as_ref().ok_or("the model has a bias")?;
    let off = far(model.weight.value(), &problem.weights)?.max(far(bias.value(), &problem.bias)?);
    let (loss, accuracy) = problem.measure(&model)?;
    let [their_loss, their_accuracy] =
        ["log_loss", "accuracy"].map(|key| book[key].as_f64().unwrap_or(f64::NAN));
    println!(
        "{} rows, {} features, {} classes; {} weights in {} iterations with {evaluations} evaluations",
        data.len(),
        data.num_features(),
        data.num_classes(),
        model.num_parameters(),
        fall.len() - 1,
    );
    println!("{:<28}{:>12}{:>16}", "", "here", "scikit-learn");
    println!("{:<28}{loss:>12.6}{their_loss:>16.6}", "log loss");
    println!("{:<28}{accuracy:>12.6}{their_accuracy:>16.6}", "accuracy");
    println!("largest distance of a weight {off:.1e}");

    let picture = out.join("logistic.png");
    let convergence = Chart {
        title: "how fast the loss falls".into(),
        x: "evaluations of the loss".into(),
        y: "loss above its minimum".into(),
        log: true,
        least: 1e-15,
        series: vec![
            Series::line("L-BFGS", 0, fall),
            Series::line("gradient descent with momentum", 1, slow_fall),
        ],
        ..Chart::default()
    };
    let pairs = problem
        .weights
        .to_vec()
        .into_iter()
        .zip(model.weight.value().to_vec());
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let widest = pairs.iter().fold(0.0, |w, p| p.0.abs().max(w)) * 1.1;
    let weights = Chart {
        title: "the weights".into(),
        x: "scikit-learn's".into(),
        y: "found here".into(),
        across: Some(-widest..widest),
        up: Some(-widest..widest),
        series: vec![
            Series::dashes("equal", 8, vec![(-widest, -widest), (widest, widest)]),
            Series::dots("weights", 2, pairs),
        ],
        ..Chart::default()
    };
    let title = format!(
        "Logistic regression on {name}: {:.1} % right",
        100.0 * accuracy
    );
    charts(&picture, &title, &[convergence, weights])?;
    println!("drawn: {}", picture.display());

    let same = |a: f64, b: f64| (a - b).abs() < 5e-4;
    if !(off < 5e-4 && same(loss, their_loss) && same(accuracy, their_accuracy)) {
        return Err("these are not scikit-learn's numbers to three decimals".into());
    }
    println!("agrees with scikit-learn to three decimals");
    Ok(())
}
