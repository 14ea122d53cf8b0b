//! Losses of whole pictures, sequences, batches and answers.

use crate::book::Book;
use nn::prelude::*;

pub fn add(book: &mut Book<'_>) -> Result<()> {
    segmentation(book)?;
    sequence(book)?;
    batches(book)?;
    preference(book)
}

fn segmentation(book: &mut Book<'_>) -> Result<()> {
    book.family("segmentation");
    let shape = &[2, 3, 4];
    let (p, t) = (
        book.between(0.1, 0.9, shape)?,
        book.between(0.1, 0.9, shape)?,
    );
    let classes = book.classes(3, &[2, 4])?;
    for (options, loss) in [
        ("", DiceLoss::new()),
        (
            "smooth 0.1, squared",
            DiceLoss::new().smooth(0.1).squared(true),
        ),
        ("region class", DiceLoss::new().region(Region::Class)),
        ("region batch", DiceLoss::new().region(Region::Batch)),
    ] {
        book.add("dice_loss", options, &[&p, &t], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let y = classes.clone();
    book.add("dice_loss", "classes", &[&p], move |v, r| {
        DiceLoss::new().reduction(r).forward(&v[0], &y)
    });
    for (options, loss) in [
        ("", TverskyLoss::new()),
        (
            "alpha 0.3, beta 0.7, gamma 1.5",
            TverskyLoss::new().alpha(0.3).beta(0.7).gamma(1.5),
        ),
        (
            "region sample and class",
            TverskyLoss::new().region(Region::SampleClass),
        ),
    ] {
        book.add("tversky_loss", options, &[&p, &t], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let (x, labels) = (book.normal(&[2, 5])?, book.labels(&[2, 5])?);
    for (options, loss) in [
        ("", LovaszHinge::new()),
        ("per_image", LovaszHinge::new().per_image(true)),
    ] {
        let t = labels.clone();
        book.add("lovasz_hinge", options, &[&x], move |v, r| {
            // Over the whole batch it is one number, which is not reduced any more.
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let p = book.normal(shape)?.softmax(1)?;
    for (options, loss) in [
        ("", LovaszSoftmax::new()),
        (
            "per_image, all_classes",
            LovaszSoftmax::new().per_image(true).all_classes(true),
        ),
    ] {
        let t = classes.clone();
        book.add("lovasz_softmax", options, &[&p], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    Ok(())
}

fn sequence(book: &mut Book<'_>) -> Result<()> {
    book.family("sequence");
    let x = book.normal(&[5, 2, 3])?;
    let targets = Tensor::from([[1, 2], [2, 2]]);
    let (steps, lengths) = (Tensor::from([5, 4]), Tensor::from([2, 1]));
    let (t, s, l) = (targets.clone(), steps.clone(), lengths.clone());
    // Inside, so that what is moved is a row of probabilities and not a number by itself.
    book.add("ctc_loss", "after log_softmax", &[&x], move |v, r| {
        CtcLoss::new()
            .reduction(r)
            .forward(&v[0].log_softmax(2)?, &t, &s, &l)
    });
    let (t, s, l) = (targets, steps, lengths);
    for (options, loss) in [
        ("", CtcLossWithLogits::new()),
        (
            "zero_infinity",
            CtcLossWithLogits::new().zero_infinity(true),
        ),
    ] {
        let (t, s, l) = (t.clone(), s.clone(), l.clone());
        book.add("ctc_loss_with_logits", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t, &s, &l)
        });
    }
    let x = book.normal(&[2, 3, 3, 3])?;
    let steps = Tensor::from([3, 2]);
    for (options, loss) in [
        ("", RnntLoss::new()),
        (
            "fused_log_softmax false",
            RnntLoss::new().fused_log_softmax(false),
        ),
    ] {
        let (t, s, l) = (Tensor::from([[1, 2], [2, 1]]), steps.clone(), l.clone());
        book.add("rnnt_loss", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t, &s, &l)
        });
    }
    Ok(())
}

fn batches(book: &mut Book<'_>) -> Result<()> {
    book.family("self-supervised");
    let (a, b) = (book.normal(&[4, 3])?, book.normal(&[4, 3])?);
    for (options, loss) in [
        ("", BarlowTwinsLoss::new()),
        ("lambda 0.5", BarlowTwinsLoss::new().lambda_(0.5)),
    ] {
        book.add_plain("barlow_twins_loss", options, &[&a, &b], move |v| {
            loss.forward(&v[0], &v[1])
        });
    }
    for (options, loss) in [
        ("", VicregLoss::new()),
        ("cov_weight 20", VicregLoss::new().cov_weight(20.0)),
    ] {
        book.add_plain("vicreg_loss", options, &[&a, &b], move |v| {
            loss.forward(&v[0], &v[1])
        });
    }
    Ok(())
}

fn preference(book: &mut Book<'_>) -> Result<()> {
    book.family("preference");
    let shape = &[4];
    let four = [0, 1, 2, 3].map(|_| book.normal(shape));
    let [a, b, c, d] = four;
    let (a, b, c, d) = (a?, b?, c?, d?);
    for (options, loss) in [
        ("", DpoLoss::new()),
        (
            "beta 0.5, label_smoothing",
            DpoLoss::new().beta(0.5).label_smoothing(0.1),
        ),
        ("hinge", DpoLoss::new().variant(DpoVariant::Hinge)),
        ("ipo", DpoLoss::new().variant(DpoVariant::Ipo)),
    ] {
        book.add("dpo_loss", options, &[&a, &b, &c, &d], move |v, r| {
            loss.clone()
                .reduction(r)
                .forward(&v[0], &v[1], &v[2], &v[3])
        });
    }
    Ok(())
}
