use super::*;
use nn::prelude::*;

/// Draws into a file and returns whether it became a PNG with something dark in it, such as text.
fn is_drawn(name: &str, draw: impl FnOnce(&Path) -> Outcome) -> bool {
    let path = std::env::temp_dir().join(format!("draw-{}-{name}.png", std::process::id()));
    draw(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes.starts_with(b"\x89PNG\r\n") && bytes.len() > 3000
}

#[test]
fn the_least_there_can_be_is_drawn() {
    let mut history = History::new("accuracy");
    let epoch = Epoch {
        epoch: 1,
        train_loss: 0.0,
        train_metric: 1.0,
        test_loss: 0.0,
        test_metric: 1.0,
        lr: 0.0,
    };
    history.push(epoch);
    assert!(is_drawn("curves", |path| learning_curves(
        path,
        "one epoch",
        &history,
        "test part"
    )));
    assert!(is_drawn("none", |path| mistakes(path, "no mistake", &[])));
    assert!(is_drawn("empty", |path| charts(
        path,
        "nothing to see",
        &[Chart::default()]
    )));
    let point = Dataset::new(Tensor::from([[0.5, 0.5]]), Tensor::from([0])).unwrap();
    let half = |points: Tensor<f32>| Tensor::full([points.shape()[0], 2], 0.5);
    let plane = Plane {
        title: "a point".into(),
        probabilities: &half,
    };
    let planes = [plane];
    assert!(is_drawn("point", |path| boundaries(
        path,
        "a point",
        (&point, &point),
        &planes
    )));
}

#[test]
fn what_is_not_finite_is_left_out() {
    let holes = vec![
        (0.0, 1.0),
        (1.0, f64::NAN),
        (2.0, f64::INFINITY),
        (3.0, -2.0),
    ];
    let band = vec![(0.0, 0.0, 1.0), (1.0, f64::NAN, 2.0), (2.0, 1.0, 2.0)];
    for log in [false, true] {
        let chart = Chart {
            log,
            series: vec![
                Series::line("line", 0, holes.clone()),
                Series::dashes("dashes", 1, holes.clone()),
                Series::dots("dots", 2, holes.clone()),
                Series::rings("rings", 2, holes.clone()),
                Series::band("band", 3, band.clone()),
            ],
            ..Chart::default()
        };
        assert!(is_drawn(&format!("holes-{log}"), |path| charts(
            path,
            "holes",
            &[chart]
        )));
    }
}
