//! Losses that look at one element of each input at a time.

use crate::book::Book;
use nn::prelude::*;

pub fn add(book: &mut Book<'_>) -> Result<()> {
    regression(book)?;
    binary(book)
}

const SHAPE: &[usize] = &[4, 3];

fn regression(book: &mut Book<'_>) -> Result<()> {
    book.family("regression");
    let (x, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?);
    let w = book.between(0.5, 2.0, SHAPE)?;
    let pair = &[&x, &t];
    book.add("mse_loss", "", pair, |v, r| {
        MseLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    let weight = w.clone();
    book.add("mse_loss", "weight", pair, move |v, r| {
        let loss = MseLoss::new().weight(weight.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    book.add("l1_loss", "", pair, |v, r| {
        L1Loss::new().reduction(r).forward(&v[0], &v[1])
    });
    let weight = w.clone();
    book.add("l1_loss", "weight", pair, move |v, r| {
        let loss = L1Loss::new().weight(weight.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    book.add("smooth_l1_loss", "", pair, |v, r| {
        SmoothL1Loss::new().reduction(r).forward(&v[0], &v[1])
    });
    let weight = w.clone();
    book.add("smooth_l1_loss", "beta 0.3, weight", pair, move |v, r| {
        let loss = SmoothL1Loss::new().beta(0.3).weight(weight.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    book.add("smooth_l1_loss", "beta 0", pair, |v, r| {
        SmoothL1Loss::new()
            .beta(0.0)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add("huber_loss", "", pair, |v, r| {
        HuberLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("huber_loss", "delta 0.3, weight", pair, move |v, r| {
        let loss = HuberLoss::new().delta(0.3).weight(w.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    book.add("log_cosh_loss", "", pair, |v, r| {
        LogCoshLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("charbonnier_loss", "", pair, |v, r| {
        CharbonnierLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("charbonnier_loss", "eps 0.5", pair, |v, r| {
        CharbonnierLoss::new()
            .eps(0.5)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add("quantile_loss", "q 0.9", pair, |v, r| {
        QuantileLoss::new()
            .q(0.9)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    let one = book.normal(&[4])?;
    book.add("quantile_loss", "q 0.1, 0.5, 0.9", &[&x, &one], |v, r| {
        QuantileLoss::new()
            .q([0.1, 0.5, 0.9])
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add("expectile_loss", "", pair, |v, r| {
        ExpectileLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("expectile_loss", "q 0.8", pair, |v, r| {
        ExpectileLoss::new()
            .q(0.8)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    let (amount, paid) = (
        book.between(0.2, 3.0, SHAPE)?,
        book.between(0.2, 3.0, SHAPE)?,
    );
    let pair = &[&amount, &paid];
    book.add("msle_loss", "", pair, |v, r| {
        MsleLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("mape_loss", "", pair, |v, r| {
        MapeLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("mape_loss", "eps 1", pair, |v, r| {
        MapeLoss::new().eps(1.0).reduction(r).forward(&v[0], &v[1])
    });
    let pair = &[&x, &paid];
    book.add("tweedie_nll_loss", "", pair, |v, r| {
        TweedieNllLoss::new().reduction(r).forward(&v[0], &v[1])
    });
    book.add("tweedie_nll_loss", "p 1.2", pair, |v, r| {
        TweedieNllLoss::new()
            .p(1.2)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    let [nu, alpha, beta] = [0.5, 1.2, 0.3].map(|low| book.between(low, low + 1.5, SHAPE));
    let five = &[&x, &nu?, &alpha?, &beta?, &t];
    book.add("evidential_nig_loss", "", five, |v, r| {
        let loss = EvidentialNigLoss::new().reduction(r);
        loss.forward(&v[0], &v[1], &v[2], &v[3], &v[4])
    });
    book.add("evidential_nig_loss", "coefficient 0.5", five, |v, r| {
        let loss = EvidentialNigLoss::new().coefficient(0.5).reduction(r);
        loss.forward(&v[0], &v[1], &v[2], &v[3], &v[4])
    });
    Ok(())
}

fn binary(book: &mut Book<'_>) -> Result<()> {
    book.family("binary");
    let (x, t) = (book.normal(SHAPE)?, book.between(0.1, 0.9, SHAPE)?);
    let p = book.between(0.1, 0.9, SHAPE)?;
    let (w, each) = (
        book.between(0.5, 2.0, SHAPE)?,
        book.between(0.5, 2.0, &[3])?,
    );
    book.add("binary_cross_entropy", "", &[&p, &t], |v, r| {
        BinaryCrossEntropy::new().reduction(r).forward(&v[0], &v[1])
    });
    let weight = w.clone();
    book.add("binary_cross_entropy", "weight", &[&p, &t], move |v, r| {
        let loss = BinaryCrossEntropy::new().weight(weight.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    let name = "binary_cross_entropy_with_logits";
    book.add(name, "", &[&x, &t], |v, r| {
        BinaryCrossEntropyWithLogits::new()
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    let (weight, pos) = (w, each.clone());
    book.add(name, "weight, pos_weight", &[&x, &t], move |v, r| {
        let loss = BinaryCrossEntropyWithLogits::new();
        let loss = loss.weight(weight.clone()).pos_weight(pos.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    let labels = book.labels(SHAPE)?;
    let name = "sigmoid_focal_loss";
    for (options, loss) in [
        ("", SigmoidFocalLoss::new()),
        (
            "alpha 0.6, gamma 1.5",
            SigmoidFocalLoss::new().alpha(0.6).gamma(1.5),
        ),
        (
            "alpha -1, gamma 0",
            SigmoidFocalLoss::new().alpha(-1.0).gamma(0.0),
        ),
    ] {
        let t = labels.clone();
        book.add(name, options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("", AsymmetricLoss::new()),
        (
            "gammas 1 and 2, clip 0",
            AsymmetricLoss::new()
                .gamma_pos(1.0)
                .gamma_neg(2.0)
                .clip(0.0),
        ),
    ] {
        let t = labels.clone();
        book.add("asymmetric_loss", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let name = "multilabel_soft_margin_loss";
    book.add(name, "", &[&x, &t], |v, r| {
        MultilabelSoftMarginLoss::new()
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add(name, "weight", &[&x, &t], move |v, r| {
        let loss = MultilabelSoftMarginLoss::new().weight(each.clone());
        loss.reduction(r).forward(&v[0], &v[1])
    });
    book.add("multilabel_margin_loss", "", &[&x], |v, r| {
        let t = Tensor::from([[0, 2, -1], [1, -1, 0], [2, 1, 0], [-1, 0, 0]]);
        MultilabelMarginLoss::new().reduction(r).forward(&v[0], &t)
    });
    let sides = book.sides(SHAPE)?;
    let t = sides.clone();
    book.add("soft_margin_loss", "", &[&x], move |v, r| {
        SoftMarginLoss::new().reduction(r).forward(&v[0], &t)
    });
    let t = sides.clone();
    book.add("hinge_loss", "", &[&x], move |v, r| {
        HingeLoss::new().reduction(r).forward(&v[0], &t)
    });
    book.add("squared_hinge_loss", "", &[&x], move |v, r| {
        SquaredHingeLoss::new().reduction(r).forward(&v[0], &sides)
    });
    Ok(())
}
