//! Losses that look at a row at a time: classes, distributions, lists, vectors.

use crate::book::Book;
use nn::prelude::*;

pub fn add(book: &mut Book<'_>) -> Result<()> {
    classification(book)?;
    divergence(book)?;
    ranking(book)?;
    metric(book)
}

const SHAPE: &[usize] = &[4, 3];

fn classification(book: &mut Book<'_>) -> Result<()> {
    book.family("classification");
    let (x, y) = (book.normal(SHAPE)?, book.classes(3, &[4])?);
    let (q, w) = (book.distributions(SHAPE)?, book.between(0.5, 2.0, &[3])?);
    // The last row is one that is to be ignored.
    let mut some = y.clone();
    some.set([3], -100)?;
    for (options, loss, t) in [
        ("", CrossEntropy::new(), &y),
        ("ignore_index", CrossEntropy::new(), &some),
        ("weight", CrossEntropy::new().weight(w.clone()), &some),
        (
            "weight, label_smoothing",
            CrossEntropy::new().weight(w.clone()).label_smoothing(0.2),
            &some,
        ),
    ] {
        let t = t.clone();
        book.add("cross_entropy", options, &[&x], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    for (options, loss) in [
        ("distributions", CrossEntropy::new()),
        (
            "distributions, weight, smoothing",
            CrossEntropy::new().weight(w.clone()).label_smoothing(0.2),
        ),
    ] {
        book.add("cross_entropy", options, &[&x, &q], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    let (pixels, t) = (book.normal(&[2, 3, 2])?, book.classes(3, &[2, 2])?);
    book.add("cross_entropy", "[N, C, d]", &[&pixels], move |v, r| {
        CrossEntropy::new().reduction(r).forward(&v[0], &t)
    });
    let log_p = x.log_softmax(1)?;
    for (options, loss) in [
        ("", NllLoss::new()),
        ("weight", NllLoss::new().weight(w.clone())),
    ] {
        let t = some.clone();
        book.add("nll_loss", options, &[&log_p], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    Ok(())
}

fn divergence(book: &mut Book<'_>) -> Result<()> {
    book.family("divergence");
    let log_p = book.normal(SHAPE)?.log_softmax(1)?;
    let q = book.distributions(SHAPE)?;
    book.add("kl_div", "", &[&log_p, &q], |v, r| {
        KlDiv::new().reduction(r).forward(&v[0], &v[1])
    });
    let log_q = q.log();
    book.add("kl_div", "log_target", &[&log_p, &log_q], |v, r| {
        KlDiv::new()
            .log_target(true)
            .reduction(r)
            .forward(&v[0], &v[1])
    });
    book.add_plain("entropy", "", &[&q], |v| entropy(&v[0], 1));
    book.add_plain("entropy_with_logits", "", &[&log_p], |v| {
        entropy_with_logits(&v[0], 1)
    });
    Ok(())
}

fn ranking(book: &mut Book<'_>) -> Result<()> {
    book.family("ranking");
    let (a, b, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?, book.sides(SHAPE)?);
    for (options, loss) in [
        ("", MarginRankingLoss::new()),
        ("margin 0.5", MarginRankingLoss::new().margin(0.5)),
    ] {
        let t = Var::from(&t);
        book.add("margin_ranking_loss", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1], &t)
        });
    }
    book.add("pairwise_logistic", "", &[&a, &b], |v, r| {
        PairwiseLogistic::new().reduction(r).forward(&v[0], &v[1])
    });
    for (options, loss) in [
        ("", HingeEmbeddingLoss::new()),
        ("margin 0.4", HingeEmbeddingLoss::new().margin(0.4)),
    ] {
        let t = t.clone();
        book.add("hinge_embedding_loss", options, &[&a], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    let mask = Tensor::from([
        true, true, true, true, true, false, true, true, true, true, false, false,
    ]);
    let mask = mask.reshape([4, 3])?;
    for (options, loss) in [
        ("", ListNet::new()),
        ("mask", ListNet::new().mask(mask.clone())),
    ] {
        book.add("list_net", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1])
        });
    }
    for (options, loss) in [("", ListMle::new()), ("mask", ListMle::new().mask(mask))] {
        let t = b.clone();
        book.add("list_mle", options, &[&a], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &t)
        });
    }
    Ok(())
}

fn metric(book: &mut Book<'_>) -> Result<()> {
    book.family("metric learning");
    let (a, b, t) = (book.normal(SHAPE)?, book.normal(SHAPE)?, book.sides(&[4])?);
    for (options, loss) in [
        ("", CosineEmbeddingLoss::new()),
        ("margin -0.3", CosineEmbeddingLoss::new().margin(-0.3)),
    ] {
        let t = t.clone();
        book.add("cosine_embedding_loss", options, &[&a, &b], move |v, r| {
            loss.clone().reduction(r).forward(&v[0], &v[1], &t)
        });
    }
    Ok(())
}
