use super::*;
use losses::autograd::keepdim;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

/// The message for a table, which is called `t.csv`.
fn refusal(text: &str) -> String {
    Dataset::from_csv_text("t.csv", text)
        .unwrap_err()
        .to_string()
}

#[test]
fn tables_that_are_wrong_are_refused_by_line_and_column() {
    let header = "but it must name at least one feature and end in \"label\"";
    let cases = [
        ("", format!("line 1: the header has 0 columns and ends in \"\", {header}")),
        ("label\n1\n", format!("line 1: the header has 1 column and ends in \"label\", {header}")),
        ("a,b\n1,2\n", format!("line 1: the header has 2 columns and ends in \"b\", {header}")),
        ("a,label\n", "there is no row after the header".into()),
        ("a,label\n1,0\n2\n", "line 3: the row has 1 field, but the header has 2 columns".into()),
        ("a,label\n1,0,5\n", "line 2: the row has 3 fields, but the header has 2 columns".into()),
        ("a,label\nx,0\n", "line 2, column 1 (a): \"x\" is not a finite number".into()),
        ("a,label\n,0\n", "line 2, column 1 (a): \"\" is not a finite number".into()),
        ("a,b,label\n1,1,0\n\n1,NaN,0\n", "line 4, column 2 (b): \"NaN\" is not a finite number".into()),
        ("a,label\r\n1,0\r\n\r\n2\r\n", "line 4: the row has 1 field, but the header has 2 columns".into()),
        ("\u{feff}a,label\n1,0\n2,x\n", "line 3, column 2 (label): \"x\" is not a class, a whole number from 0 to 999999".into()),
        ("a,label\n1e39,0\n", "line 2, column 1 (a): \"1e39\" is not a finite number".into()),
        (
            "a,label\n1,-1\n",
            "line 2, column 2 (label): \"-1\" is not a class, a whole number from 0 to 999999".into(),
        ),
        (
            "a,label\n1,0.5\n",
            "line 2, column 2 (label): \"0.5\" is not a class, a whole number from 0 to 999999".into(),
        ),
        (
            "a,label\n1,9223372036854775807\n",
            "line 2, column 2 (label): \"9223372036854775807\" is not a class, a whole number from 0 to 999999".into(),
        ),
    ];
    for (text, problem) in cases {
        assert_eq!(
            refusal(text),
            format!("from_csv: t.csv: {problem}"),
            "for {text:?}"
        );
    }
}

#[test]
fn spaces_quotes_and_line_ends_are_read() -> Result<()> {
    let data = Dataset::from_csv_text("t.csv", "a, b ,label\r\n 1 ,\"2\",3\r\n4,5e-1, 0")?;
    assert_eq!(data.x, Tensor::from([[1.0, 2.0], [4.0, 0.5]]));
    assert_eq!(data.y.to_vec(), [3, 0]);
    Ok(())
}

#[test]
fn files_are_named_in_errors() {
    assert_eq!(
        Dataset::from_csv("no/such.csv").unwrap_err().to_string(),
        "from_csv: no/such.csv: No such file or directory (os error 2)"
    );
    let path = std::env::temp_dir().join(format!("nn-latin1-{}.csv", std::process::id()));
    std::fs::write(&path, b"a,label\n1,0\n\xe9,0\n").unwrap();
    let message = Dataset::from_csv(&path).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        message,
        format!(
            "from_csv: {}: line 3: the text is not UTF-8: save the file in that encoding",
            path.display()
        )
    );
}

/// Means and deviations as scikit-learn 1.9.1 gives them: `StandardScaler().fit(load_iris().data)`.
#[test]
fn embedded_tables_are_those_of_scikit_learn() -> Result<()> {
    let iris = iris()?;
    let scale = Standardize::fit(&iris.x)?;
    let mean = [
        5.843333333333335,
        3.057333333333334,
        3.7580000000000027,
        1.199333333333334,
    ];
    let std = [
        0.8253012917851409,
        0.43441096773549437,
        1.7594040657753032,
        0.7596926279021594,
    ];
    for i in 0..4 {
        assert!((f64::from(scale.mean[i]) - mean[i]).abs() < 1e-6);
        assert!((f64::from(scale.std[i]) - std[i]).abs() < 1e-6);
    }
    // Counts of the classes, from the data sets' own descriptions.
    let counts = |data: &Dataset| {
        let y = data.y.to_vec();
        let count = |c| y.iter().filter(|&&class| class == c).count();
        (0..data.num_classes() as i64)
            .map(count)
            .collect::<Vec<_>>()
    };
    assert_eq!(counts(&iris), [50, 50, 50]);
    assert_eq!(counts(&wine()?), [59, 71, 48]);
    assert_eq!(counts(&breast_cancer()?), [212, 357]);
    assert_eq!(
        counts(&digits()?),
        [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    );
    Ok(())
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

/// `make_moons(7, shuffle=False)` of scikit-learn 1.9.1.
#[test]
fn moons_without_noise_are_scikit_learns() -> Result<()> {
    let data = moons(7, 0.0, &mut rng())?;
    let half = 3f32.sqrt() / 2.0;
    let expected = [
        [1.0, 0.0],
        [0.0, 1.0],
        [-1.0, 0.0],
        [0.0, 0.5],
        [0.5, 0.5 - half],
        [1.5, 0.5 - half],
        [2.0, 0.5],
    ];
    assert!(data.x.sub(Tensor::from(expected))?.abs().max(..)?.item()? < 1e-6);
    assert_eq!(data.y.to_vec(), [0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(
        moons(5, f64::NAN, &mut rng()).unwrap_err().to_string(),
        "moons: noise is NaN, but it must be finite and not negative"
    );
    assert_eq!(moons(0, 0.1, &mut rng())?.len(), 0);
    assert_eq!(moons(1, 0.1, &mut rng())?.len(), 1);
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
