use super::super::*;

fn fixture_file() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/three-images-idx3-ubyte.gz")
}

#[cfg(feature = "gzip")]
#[test]
fn compressed_pictures_are_those_of_torchvision() -> Result<()> {
    use super::{fixtures, floats};
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
