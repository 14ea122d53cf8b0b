use super::super::*;

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
            format!("csv: t.csv: {problem}"),
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
        "csv: no/such.csv: No such file or directory (os error 2)"
    );
    let path = std::env::temp_dir().join(format!("nn-latin1-{}.csv", std::process::id()));
    std::fs::write(&path, b"a,label\n1,0\n\xe9,0\n").unwrap();
    let message = Dataset::from_csv(&path).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        message,
        format!(
            "csv: {}: line 3: the text is not UTF-8: save the file in that encoding",
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
        "csv: t.csv: line 1: there is no column 3: the file has 3, counted from 0"
    );
    assert_eq!(
        message(csv.clone(), text),
        "csv: t.csv: without a header no column is called \"label\": give its place, from 0"
    );
    assert_eq!(
        message(csv.clone().label(0).skip(1), "1,x,2\n1,x\n"),
        "csv: t.csv: line 2: the row has 2 fields, but the first has 3 columns"
    );
    assert_eq!(
        message(csv.label(0).category(1), "1,,2\n"),
        "csv: t.csv: line 1, column 2 (1): \"\" is not a name"
    );
    let many: String = (0..1001).map(|i| format!("n{i},0\n")).collect();
    assert_eq!(
        message(Csv::new().category("id"), &format!("id,label\n{many}")),
        "csv: t.csv: column \"id\" holds 1001 different names, more than 1000: leave it out with `skip`"
    );
    let error = Csv::new()
        .read_regression_text("t.csv", "a,label\n1,NaN\n")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "csv: t.csv: line 2, column 2 (label): \"NaN\" is not a finite number"
    );
    Ok(())
}
