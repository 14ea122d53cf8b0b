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
    let cases = [
        ("", "the file is empty".to_string()),
        ("\n", "the file is empty".into()),
        ("label\n1\n", "line 1: there is no column beside the label, so there is nothing to learn from".into()),
        ("a,b\n1,2\n", "line 1: no column is called \"label\": there are \"a\", \"b\"".into()),
        (
            "a;label\n1;2\n",
            "line 1: no column is called \"label\", as the line has no delimiter: set `delimiter` to ';'".into(),
        ),
        ("label,a,label\n0,1,0\n", "line 1: columns 1 and 3 are both called \"label\"".into()),
        ("a,label\n1,\n", "line 2, column 2 (label): \"\" is not a label".into()),
        (
            "a,label\n1,cat\n",
            "line 2, column 2 (label): \"cat\" is not a class, a whole number from 0 to 999999: names are read with `class_names`".into(),
        ),
        ("a,label\n", "there is no row after the header".into()),
        ("a,label\n1,0\n2\n", "line 3: the row has 1 field, but the header has 2 columns".into()),
        ("a,label\n1,0,5\n", "line 2: the row has 3 fields, but the header has 2 columns".into()),
        ("a,label\nx,0\n", "line 2, column 1 (a): \"x\" is not a finite number".into()),
        ("a,label\n,0\n", "line 2, column 1 (a): \"\" is not a finite number".into()),
        ("a,b,label\n1,1,0\n\n1,NaN,0\n", "line 4, column 2 (b): \"NaN\" is not a finite number".into()),
        ("a,label\r\n1,0\r\n\r\n2\r\n", "line 4: the row has 1 field, but the header has 2 columns".into()),
        ("\u{feff}a,label\n1,0\n2,x\n", "line 3, column 2 (label): \"x\" is not a class, a whole number from 0 to 999999: names are read with `class_names`".into()),
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

/// The columns that a table's options name, and what its fields become.
#[test]
fn tables_are_read_as_told() -> Result<()> {
    let text = "2,x,0.5\n0,y,-1\n2,x,3\n";
    let csv = Csv::new().header(false);
    let table = csv.clone().label(0).category(1).read_text("t.csv", text)?;
    assert_eq!(
        table.data.x,
        Tensor::from([[1.0, 0.0, 0.5], [0.0, 1.0, -1.0], [1.0, 0.0, 3.0]])
    );
    assert_eq!(table.data.y.to_vec(), [2, 0, 2]);
    assert_eq!(table.features, ["1=x", "1=y", "2"]);
    assert_eq!(table.classes, ["0", "1", "2"]);
    let table = csv.clone().class_names(1).read_text("t.csv", text)?;
    assert_eq!(
        (table.data.y.to_vec(), table.classes),
        (vec![0, 1, 0], vec!["x".into(), "y".into()])
    );
    let table = csv
        .clone()
        .label(2)
        .skip(1)
        .read_regression_text("t.csv", text)?;
    assert_eq!(table.data.y, Tensor::from([0.5f32, -1.0, 3.0]));
    assert_eq!(table.data.x, Tensor::from([[2.0], [0.0], [2.0]]));
    // A label in the middle, and a field with a line break.
    let table = Csv::new().read_text("t.csv", "a,label,\"b\nc\"\n1,1,2\n")?;
    assert_eq!(table.features, ["a", "b\nc"]);

    let message = |csv: Csv, text: &str| csv.read_text("t.csv", text).unwrap_err().to_string();
    assert_eq!(
        message(csv.clone().label(3), text),
        "from_csv: t.csv: line 1: there is no column 3: the file has 3, counted from 0"
    );
    assert_eq!(
        message(csv.clone(), text),
        "from_csv: t.csv: without a header no column is called \"label\": give its place, from 0"
    );
    assert_eq!(
        message(csv.clone().label(0).skip(1), "1,x,2\n1,x\n"),
        "from_csv: t.csv: line 2: the row has 2 fields, but the first has 3 columns"
    );
    assert_eq!(
        message(csv.label(0).category(1), "1,,2\n"),
        "from_csv: t.csv: line 1, column 2 (1): \"\" is not a name"
    );
    let many: String = (0..1001).map(|i| format!("n{i},0\n")).collect();
    assert_eq!(
        message(Csv::new().category("id"), &format!("id,label\n{many}")),
        "from_csv: t.csv: column \"id\" holds 1001 different names, more than 1000: leave it out with `skip`"
    );
    let error = Csv::new()
        .read_regression_text("t.csv", "a,label\n1,NaN\n")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "from_csv: t.csv: line 2, column 2 (label): \"NaN\" is not a finite number"
    );
    Ok(())
}

fn fixtures() -> serde_json::Value {
    serde_json::from_str(include_str!("../../fixtures/metrics.json")).unwrap()
}

fn floats(v: &serde_json::Value) -> Vec<f32> {
    v.as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap() as f32)
        .collect()
}

fn fixture_file() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/three-images-idx3-ubyte.gz")
}

#[cfg(feature = "gzip")]
#[test]
fn compressed_pictures_are_those_of_torchvision() -> Result<()> {
    let x = read_idx(fixture_file())?;
    assert_eq!(x.shape(), [3, 5, 4]);
    assert_eq!(x.to_vec(), floats(&fixtures()["idx"]));
    // A file that is cut off, and one whose checksum is wrong.
    let bytes = std::fs::read(fixture_file()).unwrap();
    let mut damaged = bytes.clone();
    let at = bytes.len() - 6;
    damaged[at] ^= 1;
    for (what, bytes) in [
        ("cut", &bytes[..bytes.len() - 9]),
        ("damaged", &damaged[..]),
    ] {
        let path = std::env::temp_dir().join(format!("nn-{what}-{}.gz", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let error = read_idx(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(error.is_err(), "{what}");
    }
    Ok(())
}

#[cfg(not(feature = "gzip"))]
#[test]
fn compressed_pictures_ask_for_the_feature() {
    let message = read_idx(fixture_file()).unwrap_err().to_string();
    assert!(
        message.ends_with(
            "it is compressed: build nn with its feature `gzip`, or unpack the file first"
        )
    );
}

#[test]
fn idx_files_are_read_or_refused() {
    let path = std::env::temp_dir().join(format!("nn-idx-tests-{}", std::process::id()));
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read_idx(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "FILE"))
    };
    // Each type, in its widest values.
    let one = |kind: u8, value: &[u8]| [&[0, 0, kind, 1, 0, 0, 0, 1], value].concat();
    let good: [(Vec<u8>, f32); 6] = [
        (one(0x08, &[200]), 200.0),
        (one(0x09, &[200]), -56.0),
        (one(0x0b, &(-300i16).to_be_bytes()), -300.0),
        (one(0x0c, &70_000i32.to_be_bytes()), 70_000.0),
        (one(0x0d, &1.5f32.to_be_bytes()), 1.5),
        (one(0x0e, &(-0.25f64).to_be_bytes()), -0.25),
    ];
    for (bytes, value) in good {
        assert_eq!(read(&bytes), Ok(Tensor::from([value])));
    }
    assert_eq!(
        read(&[0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap().shape(),
        [0, 9]
    );
    let huge = [&[0, 0, 8, 3][..], &[0xff; 12]].concat();
    let bad: [(Vec<u8>, &str); 10] = [
        (vec![], "the file ends within its header"),
        (vec![0, 0, 8], "the file ends within its header"),
        (vec![0, 0, 8, 1, 0, 0], "the file ends within its header"),
        (
            b"\x89PNG".to_vec(),
            "it begins with the bytes [89, 50, 4e, 47], but an IDX file begins with 00 00, a type, and from 1 to 8 dimensions",
        ),
        (
            vec![0, 0, 8, 0],
            "it begins with the bytes [00, 00, 08, 00], but an IDX file begins with 00 00, a type, and from 1 to 8 dimensions",
        ),
        (
            vec![0, 0, 7, 1, 0, 0, 0, 1, 1],
            "0x07 is no type of the IDX format",
        ),
        (
            huge,
            "its header asks for [4294967295, 4294967295, 4294967295] numbers of 1 bytes, more than the 1073741824 bytes that are read",
        ),
        (
            vec![0, 0, 8, 1, 0, 0, 0, 3, 1, 2],
            "it holds fewer bytes than its header says: shape [3] needs 3, and there are 2",
        ),
        (
            vec![0, 0, 8, 1, 0, 0, 0, 1, 1, 2],
            "it holds more bytes than its header says: shape [1] needs 1, and there are more",
        ),
        (
            one(0x0d, &f32::NAN.to_be_bytes()),
            "number 0 is NaN, which is not finite",
        ),
    ];
    for (bytes, problem) in bad {
        assert_eq!(read(&bytes), Err(format!("read_idx: FILE: {problem}")));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn pictures_and_classes_must_match() -> Result<()> {
    let file = |name: &str, bytes: &[u8]| {
        let path = std::env::temp_dir().join(format!("nn-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let x = file(
        "x",
        &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4],
    );
    let y = file("y", &[0, 0, 8, 1, 0, 0, 0, 2, 1, 0]);
    let three = file("three", &[0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1]);
    let negative = file("negative", &[0, 0, 9, 1, 0, 0, 0, 2, 255, 0]);
    let data = Dataset::from_idx(&x, &y)?;
    assert_eq!(data.x, Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    assert_eq!(data.y.to_vec(), [1, 0]);
    let message = |x, y| Dataset::from_idx(x, y).unwrap_err().to_string();
    assert!(
        message(&y, &x)
            .ends_with("shape [2] is not that of pictures: were the two files exchanged?")
    );
    assert!(
        message(&x, &three).contains("shape [3] is not one class for each of the 2 pictures in")
    );
    assert!(message(&x, &negative).ends_with("number 0 is -1, not a class"));
    for path in [x, y, three, negative] {
        std::fs::remove_file(path).unwrap();
    }
    Ok(())
}

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
