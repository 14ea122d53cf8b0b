mod idx;
mod synthetic;
mod table;

use super::*;
use losses::autograd::keepdim;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

fn fixtures() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../fixtures/metrics.json")).unwrap()
}

fn floats(v: &serde_json::Value) -> Vec<f32> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect()
}

#[test]
fn standardized_columns_have_mean_0_and_deviation_1() -> Result<()> {
    let digits = digits()?;
    let x = Standardize::fit(&digits.x)?.apply(&digits.x)?.cast::<f64>();
    assert!(x.mean(0)?.abs().max(..)?.item()? < 1e-6);
    // A pixel that is blank in all pictures, such as the first, stays 0; the others have deviation 1.
    for s in x.std(0, 0)?.to_vec() {
        assert!(s == 0.0 || (s - 1.0).abs() < 1e-6);
    }
    assert_eq!(x.std(0, 0)?[0], 0.0);
    let message = Standardize::fit(&digits.x)?
        .apply(&Tensor::zeros([2, 3])?)
        .unwrap_err();
    assert_eq!(
        message.to_string(),
        "standardize: x has shape [2, 3], but it must have 64 columns, as the fitted table has"
    );
    Ok(())
}

#[test]
fn a_split_keeps_proportions_and_loses_no_row() -> Result<()> {
    let data = breast_cancer()?;
    let (train, test) = data.split(0.25, &mut rng())?;
    // 212 / 4 = 53, 357 / 4 = 89.25.
    assert_eq!(test.y.eq(0)?.cast::<i64>().sum(..)?.item()?, 53);
    assert_eq!(test.y.eq(1)?.cast::<i64>().sum(..)?.item()?, 89);
    let rows = |data: &Dataset| {
        let x = data.x.to_vec();
        x.chunks(30)
            .map(|row| row.iter().map(|v| v.to_bits()).collect())
            .collect::<Vec<Vec<u32>>>()
    };
    let mut both = [rows(&train), rows(&test)].concat();
    let mut all = rows(&data);
    both.sort();
    all.sort();
    assert_eq!(both, all);
    let again = data.split(0.25, &mut rng())?;
    assert_eq!((again.0.x, again.1.x), (train.x, test.x));
    Ok(())
}

#[test]
fn splits_that_cannot_be_are_refused() -> Result<()> {
    let data = Dataset::new(Tensor::zeros([2, 1])?, Tensor::from([0, 1]))?;
    let message = |fraction| data.split(fraction, &mut rng()).unwrap_err().to_string();
    let range = "it must lie between 0 and 1";
    for (fraction, shown) in [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (f64::NAN, "NaN")] {
        assert_eq!(
            message(fraction),
            format!("split: test_fraction is {shown}, but {range}")
        );
    }
    assert_eq!(
        message(0.1),
        "split: test_fraction is 0.1, but it must leave rows for the training part and for the test part"
    );
    Ok(())
}

#[test]
fn batches_hold_every_row_once() -> Result<()> {
    let x = Tensor::arange(0.0f32, 10.0, 1.0)?.reshape([10, 1])?;
    let data = Dataset::new(x, Tensor::from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))?;
    let mut seen = Vec::new();
    for batch in data.batches(4, &mut rng())? {
        for (x, y) in batch.x.to_vec().into_iter().zip(batch.y.to_vec()) {
            assert_eq!(x, y as f32);
            seen.push(y);
        }
    }
    assert_ne!(seen, data.y.to_vec());
    seen.sort_unstable();
    assert_eq!(seen, data.y.to_vec());
    assert_eq!(
        data.batches(0, &mut rng()).unwrap_err().to_string(),
        "batches: size is 0, but a batch must hold at least one row"
    );
    Ok(())
}

#[test]
fn numbers_are_split_and_batched_too() -> Result<()> {
    let x = Tensor::arange(0.0f32, 10.0, 1.0)?.reshape([10, 1])?;
    let data = Dataset::new(x.clone(), x.mul(2.0f32)?)?;
    let (train, test) = data.split(0.3, &mut rng())?;
    assert_eq!((train.len(), test.len()), (7, 3));
    for batch in train.full_batches(3, &mut rng())? {
        assert_eq!(batch.x.mul(2.0f32)?, batch.y);
        assert_eq!(batch.len(), 3);
    }
    assert_eq!(train.full_batches(3, &mut rng())?.len(), 2);
    let in_order: Vec<usize> = data.chunks(4)?.map(|part| part.len()).collect();
    assert_eq!(in_order, [4, 4, 2]);
    assert_eq!(
        Dataset::new(x, Tensor::from([0.0f32; 9]))
            .unwrap_err()
            .to_string(),
        "dataset: y has shape [9], but it must be [10], a number for each row of x"
    );
    assert_eq!(
        Dataset::new(Tensor::from([[1.0]]), Tensor::from([f32::INFINITY]))
            .unwrap_err()
            .to_string(),
        "dataset: y[0] is inf, but data must be finite: leave such rows out, or fill them in"
    );
    assert_eq!(
        Standardize::fit(&Tensor::from([[1.0], [f32::NAN]]))
            .unwrap_err()
            .to_string(),
        "standardize: x[1, 0] is NaN, but data must be finite: leave such rows out, or fill them in"
    );
    Ok(())
}

#[test]
fn datasets_that_do_not_match_are_refused() -> Result<()> {
    let message = |x: Tensor<f32>, y: Tensor<i64>| Dataset::new(x, y).unwrap_err().to_string();
    assert_eq!(
        message(Tensor::zeros([3])?, Tensor::zeros([3])?),
        "dataset: x has shape [3], but it must have two dimensions, rows and features"
    );
    assert_eq!(
        message(Tensor::zeros([3, 2])?, Tensor::zeros([2])?),
        "dataset: y has shape [2], but it must be [3], a class for each row of x"
    );
    assert_eq!(
        message(Tensor::zeros([2, 1])?, Tensor::from([0, -3])),
        "dataset: y[1] is -3, but classes count from 0"
    );
    Ok(())
}

#[test]
fn broadcast_statistics_agree_with_the_definition() -> Result<()> {
    let x = wine()?.x;
    let scale = Standardize::fit(&x)?;
    let by_hand = x.sub(&x.mean(keepdim(0))?)?.div(&x.std(keepdim(0), 0)?)?;
    assert_eq!(scale.apply(&x)?, by_hand);
    Ok(())
}
