//! A tour of the core objectives: each section computes a loss in two ways that mathematics says are one, and checks
//! its gradient by finite differences.
//!
//! `cargo run --release --example objective_functions -- --seed 7`

use clap::Parser;
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::process::ExitCode;

/// A tour of the core objectives: cross entropy, NLL, KL divergence, binary cross entropy, cosine embedding.
///
/// Every section prints its numbers, the identity that ties them together, and the gradient beside its check by finite
/// differences. The exit code is 1 if an identity or a gradient check fails.
#[derive(Parser)]
struct Args {
    /// Seed of the random logits; the same seed gives the same numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Accepted for uniformity with the other examples: the tour is short anyway.
    #[arg(long)]
    quick: bool,
}

/// Prints the sections, and remembers whether all that was claimed held.
struct Tour {
    ok: bool,
}

impl Tour {
    fn section(&self, title: &str) {
        println!("\n{title}\n{}", "─".repeat(title.chars().count()));
    }

    /// Two numbers, or lists of numbers, that must be one.
    fn identity(&mut self, claim: &str, a: &Var<f64>, b: &Var<f64>) -> Result<()> {
        let holds = a.shape() == b.shape() && a.value().allclose(b.value(), 1e-12, 1e-12)?;
        self.ok &= holds;
        println!("  {} {claim}", if holds { "✓" } else { "✗" });
        Ok(())
    }

    /// The gradient of a scalar function, and its check by finite differences.
    fn gradient(
        &mut self,
        name: &str,
        x: &Tensor<f64>,
        f: impl Fn(&Var<f64>) -> Result<Var<f64>>,
    ) -> Result<()> {
        let leaf = Tape::new().leaf(x.clone());
        let grads = f(&leaf)?.backward()?;
        println!("  gradient by {name}:");
        println!("{}", indent(&grads.get(&leaf)?.to_string()));
        let report = gradcheck(|v| f(&v[0]), std::slice::from_ref(x))?;
        self.ok &= report.is_ok();
        println!("  {} {report}", if report.is_ok() { "✓" } else { "✗" });
        Ok(())
    }
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn show(name: &str, value: &Var<f64>) {
    println!("  {name} =");
    println!("{}", indent(&value.to_string()));
}

fn run(args: &Args) -> Result<bool> {
    let Args { seed, quick: _ } = args;
    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
    let mut tour = Tour { ok: true };
    let logits = Tensor::<f64>::randn([2, 4], &mut rng)?;
    let classes = Tensor::randint(0, 4, [2], &mut rng)?;
    let target = Tensor::<f64>::randn([2, 4], &mut rng)?.softmax(1)?;
    let (x, t) = (Var::from(&logits), Var::from(&target));
    let each = Reduction::None;

    tour.section("Logits, classes, and a distribution for each sample");
    show("logits", &x);
    println!("  classes = {classes}");
    show("distribution", &t);

    tour.section("Cross entropy with classes");
    let ce = cross_entropy(&x, &classes)?;
    show("cross_entropy(logits, classes)", &ce);
    let one_hot = Var::from(classes.one_hot::<f64>(4)?);
    tour.identity(
        "is the cross entropy with one-hot distributions",
        &ce,
        &cross_entropy(&x, &one_hot)?,
    )?;
    tour.gradient("the logits, (softmax - one-hot) / N", &logits, |x| {
        cross_entropy(x, &classes)
    })?;

    tour.section("Negative log-likelihood of log-softmax");
    let nll = nll_loss(&log_softmax(&x, 1)?, &classes)?;
    show("nll_loss(log_softmax(logits), classes)", &nll);
    tour.identity("CE = NLL ∘ log-softmax", &ce, &nll)?;
    tour.gradient("the logits, through both steps", &logits, |x| {
        nll_loss(&log_softmax(x, 1)?, &classes)
    })?;

    tour.section("Cross entropy with distributions");
    let soft = cross_entropy(&x, &t)?;
    show("cross_entropy(logits, distribution)", &soft);
    let by_hand = -t.mul(log_softmax(&x, 1)?)?.sum(1)?.mean(..)?;
    tour.identity(
        "is -Σ t ln softmax(x), averaged over the samples",
        &soft,
        &by_hand,
    )?;
    tour.gradient("the distribution: it gets one, too", &target, |t| {
        cross_entropy(&x, t)
    })?;

    tour.section("Kullback–Leibler divergence");
    let kl = kl_div(&log_softmax(&x, 1)?, &t)?;
    show(
        "kl_div(log_softmax(logits), distribution), the default: a mean over elements",
        &kl,
    );
    let batch = KlDiv::new()
        .reduction(Reduction::BatchMean)
        .forward(&log_softmax(&x, 1)?, &t)?;
    show("the divergence itself: the mean over samples", &batch);
    tour.identity(
        "the one is the other divided by the number of classes",
        &kl.mul(4.0)?,
        &batch,
    )?;
    tour.gradient("the logits", &logits, |x| kl_div(&log_softmax(x, 1)?, &t))?;

    tour.section("Cross entropy = entropy + KL, sample by sample");
    let ce = CrossEntropy::new().reduction(each).forward(&x, &t)?;
    let h = entropy(&t, 1)?;
    let kl = KlDiv::new()
        .reduction(each)
        .forward(&log_softmax(&x, 1)?, &t)?
        .sum(1)?;
    println!(
        "  {:>8} {:>12} {:>12} {:>12} {:>14}",
        "sample", "CE", "entropy", "KL", "entropy + KL"
    );
    for i in 0..2 {
        let [ce, h, kl] = [&ce, &h, &kl].map(|v| v.value()[[i]]);
        println!("  {i:>8} {ce:>12.8} {h:>12.8} {kl:>12.8} {:>14.8}", h + kl);
    }
    tour.identity(
        "CE(t, p) = H(t) + KL(t ‖ p) for each sample",
        &ce,
        &h.add(&kl)?,
    )?;
    tour.gradient(
        "the logits: the entropy of the target has none",
        &logits,
        |x| {
            KlDiv::new()
                .reduction(Reduction::Sum)
                .forward(&log_softmax(x, 1)?, &t)
        },
    )?;

    tour.section("Binary cross entropy, and the same number from NLL");
    let z = Tensor::<f64>::randn([4], &mut rng)?;
    let labels = Tensor::from([0.0, 1.0, 1.0, 0.0]);
    let (zv, yv) = (Var::from(&z), Var::from(&labels));
    let p = sigmoid(&zv);
    show("p = sigmoid(z)", &p);
    let bce = binary_cross_entropy(&p, &yv)?;
    show("binary_cross_entropy(p, labels)", &bce);
    tour.identity(
        "is binary_cross_entropy_with_logits(z, labels)",
        &bce,
        &binary_cross_entropy_with_logits(&zv, &yv)?,
    )?;
    let two_classes = Var::cat(&[&(1.0 - &p).unsqueeze(1)?, &p.unsqueeze(1)?], 1)?;
    let nll = nll_loss(&two_classes.log(), &labels.cast())?;
    show("nll_loss(ln cat([1 - p, p]), labels)", &nll);
    tour.identity("BCE = NLL over the two classes", &bce, &nll)?;
    tour.gradient("z, (σ(z) - label) / N", &z, |z| {
        binary_cross_entropy_with_logits(z, &yv)
    })?;

    tour.section("Cosine embedding");
    let a = Tensor::<f64>::randn([2, 512], &mut rng)?;
    let b = Tensor::<f64>::randn([2, 512], &mut rng)?;
    let (av, bv) = (Var::from(&a), Var::from(&b));
    let pairs = Tensor::from([1.0, -1.0]);
    let loss = CosineEmbeddingLoss::new()
        .reduction(each)
        .forward(&av, &bv, &pairs)?;
    show(
        "cosine_embedding_loss([2, 512], [2, 512], [1, -1]), each pair",
        &loss,
    );
    let length = |v: &Var<f64>| -> Result<Var<f64>> { Ok(v.square().sum(1)?.sqrt()) };
    let cos = av.mul(&bv)?.sum(1)?.div(length(&av)?.mul(length(&bv)?)?)?;
    let by_hand = Var::stack(
        &[
            &(1.0 - cos.select(0, 0)?),
            &cos.select(0, 1)?.clamp(0.0, None),
        ],
        0,
    )?;
    tour.identity(
        "is 1 - cos where the target is 1, and max(0, cos) where it is -1",
        &loss,
        &by_hand,
    )?;
    // The whole gradient has 1,024 numbers: the check compares every one, the print shows the ends.
    tour.gradient("the first vectors", &a, |a| {
        cosine_embedding_loss(a, &bv, &pairs)
    })?;
    Ok(tour.ok)
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => {
            println!(
                "\nEvery identity holds, and every gradient agrees with its finite differences."
            );
            ExitCode::SUCCESS
        }
        Ok(false) => {
            eprintln!("\nAn identity or a gradient check failed: see the ✗ above.");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
