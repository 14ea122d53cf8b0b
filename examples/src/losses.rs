//! Losses of classes that the examples choose from.

use clap::ValueEnum;
use nn::prelude::*;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// Cross entropy of the classes
    #[value(alias = "cross_entropy")]
    CrossEntropy,
    /// Cross entropy with a tenth of the probability spread over all classes
    #[value(alias = "label_smoothed")]
    LabelSmoothed,
    /// Cross entropy that turns away from what is easy
    Focal,
    /// Cross entropy with one term more of its series
    Poly1,
    /// A margin between the class and each other one
    MultiMargin,
    /// Binary cross entropy of each class against the rest
    Binary,
    /// Squared hinge of each class against the rest
    SquaredHinge,
    /// Between cross entropy and absolute error
    Generalized,
    /// Squared error of the softmax against 1 at the class and 0 elsewhere
    Mse,
    /// Absolute error of the softmax against the same
    Mae,
}

impl LossName {
    /// Its name in tables and pictures.
    pub fn title(self) -> &'static str {
        match self {
            LossName::CrossEntropy => "cross entropy",
            LossName::LabelSmoothed => "label smoothing 0.1",
            LossName::Focal => "focal, gamma 2",
            LossName::Poly1 => "poly-1, epsilon 1",
            LossName::MultiMargin => "multi-margin",
            LossName::Binary => "binary, against the rest",
            LossName::SquaredHinge => "squared hinge, against rest",
            LossName::Generalized => "generalised, q 0.7",
            LossName::Mse => "squared error of softmax",
            LossName::Mae => "absolute error of softmax",
        }
    }

    /// Whether it bears wrong labels: it hardly pulls at what does not fit at all.
    pub fn is_robust(self) -> bool {
        matches!(self, LossName::Generalized | LossName::Mae)
    }

    /// The loss of logits `[n, classes]` against classes `[n]`.
    ///
    /// # Errors
    /// What the loss returns.
    pub fn of(self, x: &Var<f32>, y: &Tensor<i64>) -> Result<Var<f32>> {
        let one_hot = || y.one_hot::<f32>(x.shape()[1]);
        match self {
            LossName::CrossEntropy => cross_entropy(x, y),
            LossName::LabelSmoothed => CrossEntropy::new().label_smoothing(0.1).forward(x, y),
            // Without the factor 1/4, by which the losses of the classes are multiplied alike.
            LossName::Focal => SoftmaxFocalLoss::new().alpha(1.0).forward(x, y),
            LossName::Poly1 => poly1_cross_entropy(x, y),
            LossName::MultiMargin => multi_margin_loss(x, y),
            LossName::Binary => binary_cross_entropy_with_logits(x, &Var::from(one_hot()?)),
            LossName::SquaredHinge => squared_hinge_loss(x, &one_hot()?.map(|t| 2.0 * t - 1.0)),
            LossName::Generalized => generalized_cross_entropy(x, y),
            LossName::Mse => mse_loss(&x.softmax(1)?, &Var::from(one_hot()?)),
            LossName::Mae => l1_loss(&x.softmax(1)?, &Var::from(one_hot()?)),
        }
    }
}
