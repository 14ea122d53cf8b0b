//! Checkpoints: what comes back, and what is refused with which words.

mod common;

use common::Folder;
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::fs;
fn mlp<T: Float>(widths: &[usize], seed: u64) -> Sequential<T> {
    Sequential::mlp(widths, ReLU, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap()
}

/// The message of a failed load, the file's path replaced by `FILE`.
fn refusal(model: &mut Sequential<f32>, path: &std::path::Path) -> String {
    let message = load(model, path).unwrap_err().to_string();
    message.replace(&path.display().to_string(), "FILE")
}

#[test]
fn what_was_saved_comes_back_bit_for_bit() {
    let folder = Folder::new("back");
    let path = folder.file("model.safetensors");
    let (a, mut b) = (mlp::<f32>(&[3, 4, 2], 1), mlp(&[3, 4, 2], 2));
    save(&a, &path).unwrap();
    load(&mut b, &path).unwrap();
    assert_eq!(a.state_dict(), b.state_dict());
    // A second save replaces the file, and nothing is left beside it.
    save(&b, &path).unwrap();
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    // In f64 the numbers are the same: f32 fits into it.
    let mut wide = mlp::<f64>(&[3, 4, 2], 3);
    load(&mut wide, &path).unwrap();
    for ((_, x), (_, y)) in a.state_dict().iter().zip(wide.state_dict()) {
        assert_eq!(x.cast::<f64>(), y);
    }
}

#[test]
fn another_architecture_is_listed_and_changes_nothing() {
    let folder = Folder::new("other");
    let path = folder.file("model.safetensors");
    save(&mlp::<f32>(&[3, 4, 4, 2], 1), &path).unwrap();
    let mut model = mlp(&[3, 5, 2], 2);
    let before = model.state_dict();
    assert_eq!(
        refusal(&mut model, &path),
        "load: FILE: it was saved from another model: not in the model: 4.bias, 4.weight; \
         0.weight has shape [4, 3] in the file and [5, 3] in the model, \
         0.bias has shape [4] in the file and [5] in the model, \
         2.weight has shape [4, 4] in the file and [2, 5] in the model, \
         2.bias has shape [4] in the file and [2] in the model: build the model as it was when saved"
    );
    assert_eq!(model.state_dict(), before);

    save(&mlp::<f32>(&[3, 2], 1), &path).unwrap();
    assert_eq!(
        refusal(&mut mlp(&[3, 2, 2], 0), &path),
        "load: FILE: it was saved from another model: missing in the file: 2.weight, 2.bias: \
         build the model as it was when saved"
    );
}

#[test]
fn files_that_are_none_are_refused() {
    let folder = Folder::new("hostile");
    let path = folder.file("model.safetensors");
    let mut model = mlp(&[3, 2], 0);
    assert_eq!(
        refusal(&mut model, &path),
        "load: FILE: No such file or directory (os error 2)"
    );

    save(&model, &path).unwrap();
    let good = fs::read(&path).unwrap();
    let header = |json: &str, data: usize| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let entry = |dtype: &str, shape: &str, end: &str| {
        format!(
            "{{\"0.weight\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}"
        )
    };
    let hostile = [
        (Vec::new(), "header too small"),
        (b"not a checkpoint at all".to_vec(), "header too large"),
        (u64::MAX.to_le_bytes().to_vec(), "header too large"),
        (
            good[..good.len() - 1].to_vec(),
            "incomplete metadata, file not fully covered",
        ),
        (
            header("{", 0),
            "invalid JSON in header: EOF while parsing an object at line 1 column 1",
        ),
        (
            header(&entry("F32", "[4294967296,4294967296,2]", "24"), 24),
            "overflow computing buffer size from shape and/or element type",
        ),
        (
            header(&entry("F32", "[2,3]", "20"), 20),
            "invalid shape, data type, or offset for tensor",
        ),
    ];
    for (bytes, problem) in hostile {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            refusal(&mut model, &path),
            format!("load: FILE: it is no safetensors file: {problem}")
        );
    }
    // Every truncation, and every damaged byte of the header, is an error or a model, never a panic.
    for n in 0..good.len() {
        fs::write(&path, &good[..n]).unwrap();
        assert!(load(&mut model, &path).is_err());
        let mut damaged = good.clone();
        damaged[n] ^= 0x15;
        fs::write(&path, &damaged).unwrap();
        let _ = load(&mut model, &path);
    }
}

#[test]
fn integers_and_escape_codes_are_refused() {
    let folder = Folder::new("types");
    let path = folder.file("model.safetensors");
    let json = r#"{"0.weight":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]},"0.bias":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"\u001b[31m":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#;
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.resize(bytes.len() + 16, 0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        refusal(&mut mlp(&[1, 1], 0), &path),
        "load: FILE: it was saved from another model: not in the model: \\u{1b}[31m; \
         0.weight has the type I64 in the file, which holds no real numbers: build the model as it was when saved"
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = Folder::new("nowhere");
    let path = folder.file("absent/model.safetensors");
    let message = save(&mlp::<f32>(&[1, 1], 0), &path)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        format!(
            "save: {}: No such file or directory (os error 2)",
            path.display()
        )
    );
}
