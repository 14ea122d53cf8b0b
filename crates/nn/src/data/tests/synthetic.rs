use super::super::*;
use super::{fixtures, floats, rng};

#[test]
fn circles_and_moons_without_noise_are_scikit_learns() -> Result<()> {
    let book = fixtures();
    let ours = circles(9, 0.4, 0.0, &mut rng())?;
    let close = |a: &Tensor<f32>, b: Vec<f32>| {
        a.to_vec().iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6) && a.numel() == b.len()
    };
    assert!(close(&ours.x, floats(&book["circles"]["x"])));
    assert_eq!(ours.y.cast::<f32>().to_vec(), floats(&book["circles"]["y"]));
    assert!(close(&moons(7, 0.0, &mut rng())?.x, floats(&book["moons"])));
    Ok(())
}

#[test]
fn drawn_data_is_what_it_says() -> Result<()> {
    // On an arm the angle, turned back by the class, grows with the radius.
    let arms = spirals(31, 3, 0.5, 0.0, &mut rng())?;
    let points = arms.x.to_vec();
    for (p, class) in points.chunks(2).zip(arms.y.to_vec()) {
        let (x, y) = (f64::from(p[0]), f64::from(p[1]));
        let t = y.atan2(x) / std::f64::consts::TAU - class as f64 / 3.0;
        let off = t - 0.5 * x.hypot(y);
        assert!((off - off.round()).abs() < 1e-6);
    }
    assert_eq!(arms.num_classes(), 3);

    let data = xor(400, 0.0, &mut rng())?;
    for (p, class) in data.x.to_vec().chunks(2).zip(data.y.to_vec()) {
        assert_eq!(p[0] * p[1] < 0.0, class == 1);
    }

    let centers = Tensor::from([[0.0, 0.0], [4.0, -4.0], [8.0, 8.0]]);
    let data = blobs(3000, &centers, 0.5, &mut rng())?;
    for class in 0..3 {
        let rows = data.x.narrow(0, 1000 * class, 1000)?;
        let (mean, std) = (rows.mean(0)?, rows.std(0, 1)?);
        assert!(
            mean.sub(&centers.select(0, class)?)?
                .abs()
                .max(..)?
                .item()?
                < 0.1
        );
        assert!(std.sub(0.5)?.abs().max(..)?.item()? < 0.05);
        assert_eq!(
            data.y.narrow(0, 1000 * class, 1000)?.to_vec(),
            [class as i64; 1000]
        );
    }
    assert_eq!(
        blobs(7, &centers, 0.0, &mut rng())?.y.to_vec(),
        [0, 0, 0, 1, 1, 2, 2]
    );

    let (data, w) = regression(2000, 3, 0.5, &mut rng())?;
    let off = data.y.sub(&data.x.matmul(&w)?)?;
    assert!((off.std(.., 1)?.item()? - 0.5).abs() < 0.05);
    // None of anything is no error.
    assert_eq!(blobs(0, &centers, 0.5, &mut rng())?.len(), 0);
    assert_eq!(circles(0, 0.5, 0.0, &mut rng())?.len(), 0);
    assert_eq!(spirals(0, 1, 1.0, 0.0, &mut rng())?.len(), 0);
    Ok(())
}

#[test]
fn data_that_cannot_be_drawn_is_refused() {
    let message = |data: Result<Dataset>| data.unwrap_err().to_string();
    let rng = &mut rng();
    assert_eq!(
        message(circles(5, 1.0, 0.1, rng)),
        "circles: factor is 1, but it must be at least 0 and below 1"
    );
    assert_eq!(
        message(spirals(5, 0, 1.0, 0.1, rng)),
        "spirals: classes is 0, but it must be at least 1, and at most the number of points"
    );
    assert_eq!(
        message(spirals(5, 2, f64::INFINITY, 0.1, rng)),
        "spirals: turns is inf, but it must be finite"
    );
    assert_eq!(
        message(xor(5, -1.0, rng)),
        "xor: noise is -1, but it must be finite and not negative"
    );
    assert_eq!(
        message(blobs(5, &Tensor::from([1.0]), 1.0, rng)),
        "blobs: centers has shape [1], but it must have two dimensions, classes and features, and at least one class"
    );
    let error = regression(5, 2, f64::NAN, rng).unwrap_err();
    assert_eq!(
        error.to_string(),
        "regression: noise is NaN, but it must be finite and not negative"
    );
}

/// The least there is to draw, and a noise that is none.
#[test]
fn moons_can_be_few() -> Result<()> {
    assert_eq!(
        moons(5, f64::NAN, &mut rng()).unwrap_err().to_string(),
        "moons: noise is NaN, but it must be finite and not negative"
    );
    assert_eq!(moons(0, 0.1, &mut rng())?.len(), 0);
    assert_eq!(moons(1, 0.1, &mut rng())?.len(), 1);
    Ok(())
}
