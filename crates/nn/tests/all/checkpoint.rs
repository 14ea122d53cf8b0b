//! Checkpoints: what comes back, and what is refused with which words.

use crate::common::{Folder, mlp, sum_gradients};
use nn::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::fs;

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

/// A file with this header, and so many bytes of data.
fn with_header(json: &str, data: usize) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn a_whole_run_lies_in_one_file() {
    let folder = Folder::new("run");
    let path = folder.file("run.safetensors");
    let model = Sequential::<f32>::new()
        .push(Linear::new(3, 2, &mut ChaCha8Rng::seed_from_u64(1)).unwrap())
        .push(BatchNorm1d::new(2).unwrap())
        .push(Dropout::new(0.5, 9).unwrap());
    model
        .forward(&Tape::new().input(Tensor::ones([4, 3]).unwrap()))
        .unwrap();
    let mut adam = Adam::<f32>::new(0.1);
    let mut run = model.state();
    run.set_section("optimizer", adam.state());
    run.set_note("epoch", 12);
    run.set_note("best", 0.1f64 + 0.2);
    run.set_note("worst", f64::NEG_INFINITY);
    run.set_note("a \"quoted\" name\n", "and \\ text\u{1b}");
    run.save(&path).unwrap();
    let first = fs::read(&path).unwrap();
    run.save(&path).unwrap();
    assert!(
        first == fs::read(&path).unwrap(),
        "the same state made another file"
    );

    let back = State::<f32>::open(&path).unwrap();
    assert_eq!(back.parse_note::<u32>("epoch").unwrap(), 12);
    assert_eq!(back.parse_note::<f64>("best").unwrap(), 0.1 + 0.2);
    assert_eq!(back.parse_note::<f64>("worst").unwrap(), f64::NEG_INFINITY);
    assert_eq!(back.note("a \"quoted\" name\n"), Some("and \\ text\u{1b}"));
    assert_eq!(back.count("1.num_batches_tracked"), Some(1));
    assert_eq!(back.note("2.draws"), Some("9 1"));
    adam.load_state(back.section("optimizer").unwrap()).unwrap();
    assert_eq!(
        back.section("schedule").unwrap_err().to_string(),
        "state: the section asked for is `schedule`, but the state has none of that name: was it saved with one?"
    );
    assert_eq!(
        back.parse_note::<u32>("best").unwrap_err().to_string(),
        "state: a note is `best`: \"0.30000000000000004\", but it must be there and be of the type asked for: save and \
         load with the same program"
    );
    // The model's part serves a model.
    let mut other = Sequential::<f32>::new()
        .push(Linear::new(3, 2, &mut ChaCha8Rng::seed_from_u64(2)).unwrap())
        .push(BatchNorm1d::new(2).unwrap())
        .push(Dropout::new(0.5, 10).unwrap());
    load(&mut other, &path).unwrap();
    assert_eq!(other.state_dict(), model.state_dict());
    // In memory too, another model is refused and named.
    let message = mlp::<f32>(&[3, 2], 0)
        .load_state(&back)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "load_state: the state is that of another model: not in the model: 1.bias, 1.running_mean, 1.running_var, \
         1.weight, 1.num_batches_tracked, but it must have the model's names and shapes: build the model as it was when \
         saved"
    );
}

#[test]
fn half_precision_is_read_and_integers_are_not_parameters() {
    let folder = Folder::new("half");
    let path = folder.file("model.safetensors");
    let json = r#"{"0.weight":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]},"0.bias":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}"#;
    let mut bytes = with_header(json, 0);
    // 1.5 in both: the sign, the exponent, the fraction.
    bytes.extend(0x3fc0u16.to_le_bytes());
    bytes.extend(0x3e00u16.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let mut model = mlp::<f64>(&[1, 1], 0);
    load(&mut model, &path).unwrap();
    for (_, x) in model.state_dict() {
        assert_eq!(x.to_vec(), [1.5]);
    }
    // A count where a parameter of no dimension should be.
    let json = r#"{"weight":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#;
    fs::write(&path, with_header(json, 8)).unwrap();
    let mut scalar = Linear {
        weight: Param::new(Tensor::scalar(1.0f32)),
        bias: None,
    };
    let message = load(&mut scalar, &path).unwrap_err().to_string();
    assert!(message.contains("missing in the file: weight"), "{message}");
}

#[test]
fn names_may_not_lead_too_deep() {
    let folder = Folder::new("deep");
    let path = folder.file("model.safetensors");
    let message = |name: &str| {
        let json = format!(r#"{{"__metadata__":{{"{name}":"x"}}}}"#);
        fs::write(&path, with_header(&json, 0)).unwrap();
        State::<f32>::open(&path)
            .map(drop)
            .map_err(|e| e.to_string().replace(&path.display().to_string(), "FILE"))
    };
    assert_eq!(message("a/b/c/d/e"), Ok(()));
    let refused = message(&"a/".repeat(100_000)).unwrap_err();
    assert!(
        refused.starts_with(
            "open: FILE: a name has more than 8 parts divided by `/`, the last of them \"a/a/a"
        ),
        "{refused}"
    );
    assert!(refused.len() < 200);
}

#[test]
fn what_cannot_be_finished_leaves_nothing() {
    let folder = Folder::new("unfinished");
    // A folder stands where the file should go: it is written, and cannot be put in place.
    let path = folder.file("model.safetensors");
    fs::create_dir(&path).unwrap();
    assert!(save(&mlp::<f32>(&[3, 2], 0), &path).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn hostile_states_of_optimizers_are_errors() {
    let mut adam = Adam::<f32>::new(0.1);
    let good = {
        let mut model = mlp::<f32>(&[3, 2], 0);
        let grads = sum_gradients(&model, 3);
        adam.step(&mut model, &grads).unwrap();
        Optimizer::state(&adam)
    };
    let mut refuse = |change: &dyn Fn(&mut State<f32>), problem: &str| {
        let mut state = good.clone();
        change(&mut state);
        let message = adam.load_state(&state).unwrap_err().to_string();
        assert!(message.contains(problem), "{message}");
    };
    refuse(&|s| s.set_note("lr", f64::NAN), "adam: lr is NaN");
    refuse(&|s| s.set_note("lr", "fast"), "`lr`: \"fast\"");
    refuse(
        &|s| s.set_note("momentum", "\u{1b}[2J"),
        "`momentum`: \"\\u{1b}[2J\"",
    );
    refuse(
        &|s| s.set_section("0.weight", State::new()),
        "`step`: missing",
    );
    let other = |shape: &[usize]| {
        let mut section = State::new();
        section.set_note("step", 1);
        section.set_note("product", 1);
        section.set_tensor("exp_avg", Tensor::zeros(shape).unwrap());
        section.set_tensor("exp_avg_sq", Tensor::zeros([2, 3]).unwrap());
        section
    };
    refuse(
        &|s| s.set_section("0.weight", other(&[3, 2])),
        "has buffers of different shapes",
    );
    // A state that fits itself, but not the model, is found when it is used.
    let mut state = good.clone();
    let mut section = other(&[2, 3]);
    section.set_note("step", u64::MAX);
    state.set_section("0.weight", section);
    adam.load_state(&state).unwrap();
    let mut model = mlp::<f32>(&[3, 2], 0);
    let grads = sum_gradients(&model, 3);
    adam.step(&mut model, &grads).unwrap();
    state.set_section("0.bias", other(&[2, 3]));
    adam.load_state(&state).unwrap();
    let message = adam.step(&mut model, &grads).unwrap_err().to_string();
    assert!(
        message.contains("0.bias of shape [2], which had [2, 3] before"),
        "{message}"
    );
}

/// Names that would come back as others are refused before anything is written.
#[test]
fn names_that_a_file_has_a_use_for_are_refused() {
    let folder = Folder::new("names");
    let path = folder.file("state.safetensors");
    let refused = |change: &dyn Fn(&mut State<f32>)| {
        let mut state = State::new();
        change(&mut state);
        let message = state.save(&path).unwrap_err().to_string();
        assert!(!path.exists());
        message.replace(&path.display().to_string(), "FILE")
    };
    let slash = "save: FILE: the name \"a/b\" has a slash, which ends the name of a section: choose another";
    assert_eq!(refused(&|s| s.set_count("a/b", 1)), slash);
    assert_eq!(refused(&|s| s.set_note("a/b", 1)), slash);
    assert_eq!(refused(&|s| s.set_section("a/b", State::new())), slash);
    assert_eq!(
        refused(&|s| {
            let mut section = State::new();
            section.set_tensor("a/b", Tensor::zeros([1]).unwrap());
            s.set_section("inner", section);
        }),
        slash
    );
    assert_eq!(
        refused(&|s| s.set_note("format", 1)),
        "save: FILE: the name \"format\" is that of a note of the file's own: choose another"
    );
}
