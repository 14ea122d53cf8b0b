//! Every reader of foreign bytes: `Ok` with something that survives being written and read again, or `Err`.
//!
//! The first byte chooses the reader and the second its options; the rest is the file.

use nn::prelude::*;
use std::path::PathBuf;
use tensor_core::interop::{Stored, npy, npz, safetensors};

/// One input.
pub fn run(data: &[u8]) {
    let [which, options, file @ ..] = data else {
        return;
    };
    match which % 8 {
        0 => read_safetensors(file),
        1 => read_npy(file),
        2 => read_npz(file),
        3 => read_idx(file),
        4 => read_table(*options, file),
        5 => read_checkpoint(*options, file),
        6 => read_json(file),
        _ => read_equation(*options, file),
    }
}

/// A file of this process, in memory where the system has a place for that.
fn on_disk<R>(bytes: &[u8], read: impl FnOnce(&PathBuf) -> R) -> R {
    let shm = PathBuf::from("/dev/shm");
    let folder = if shm.is_dir() {
        shm
    } else {
        std::env::temp_dir()
    };
    let path = folder.join(format!(
        "losses-fuzz-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, bytes).expect("a temporary file");
    let result = read(&path);
    std::fs::remove_file(&path).expect("the temporary file");
    result
}

/// What was read holds as many elements as its shape says, each of which can be looked at.
fn look(x: &Stored) {
    let numel: usize = x.shape().iter().product();
    assert_eq!(x.cast::<f64>().to_vec().len(), numel);
}

fn read_safetensors(file: &[u8]) {
    let Ok(tensors) = safetensors::read(file) else {
        return;
    };
    tensors.iter().for_each(|(_, x)| look(x));
    let named: Vec<(&str, Stored)> = (tensors.iter())
        .map(|(name, x)| (name.as_str(), x.clone()))
        .collect();
    let written = safetensors::write(&named).expect("what was read can be written");
    let again = safetensors::read(&written).expect("what was written can be read");
    assert_eq!(again.len(), tensors.len());
    let named: Vec<(&str, Stored)> = (again.iter())
        .map(|(name, x)| (name.as_str(), x.clone()))
        .collect();
    let rewritten = safetensors::write(&named).expect("and written again");
    assert_eq!(rewritten, written, "the same bytes, NaN or not");
}

fn read_npy(file: &[u8]) {
    let Ok(x) = npy::read(file) else {
        return;
    };
    look(&x);
    let (mut written, mut rewritten) = (Vec::new(), Vec::new());
    npy::write(&mut written, x.clone()).expect("what was read can be written");
    let again = npy::read(&written[..]).expect("what was written can be read");
    assert_eq!((again.shape(), again.dtype()), (x.shape(), x.dtype()));
    npy::write(&mut rewritten, again).expect("and written again");
    assert_eq!(rewritten, written, "the same bytes, NaN or not");
}

fn read_npz(file: &[u8]) {
    if let Ok(arrays) = npz::read(std::io::Cursor::new(file)) {
        arrays.iter().for_each(|(_, x)| look(x));
    }
}

fn read_idx(file: &[u8]) {
    on_disk(file, |path| {
        if let Ok(x) = nn::data::read_idx(path) {
            assert!(x.to_vec().iter().all(|v| v.is_finite()));
        }
        // As pictures and as their classes.
        if let Ok(data) = Dataset::from_idx(path, path) {
            assert!(data.num_classes() > 0 || data.is_empty());
        }
    });
}

fn read_table(options: u8, file: &[u8]) {
    let bit = |i: u8| options >> i & 1 == 1;
    let mut csv = Csv::new().header(bit(0));
    csv = csv.delimiter([b',', b';', b'\t', options][usize::from(options >> 1 & 3)]);
    csv = match options >> 3 & 3 {
        0 => csv,
        1 => csv.label(0),
        2 => csv.class_names(0),
        _ => csv.class_names("kind"),
    };
    if bit(5) {
        csv = csv.category("colour");
    }
    if bit(6) {
        csv = csv.skip(1);
    }
    if bit(7) {
        // A file need not be text.
        on_disk(file, |path| {
            let _ = csv.read(path);
            let _ = csv.read_regression(path);
        });
    }
    let Ok(text) = std::str::from_utf8(file) else {
        return;
    };
    if let Ok(table) = csv.read_text("table", text) {
        let (x, y) = (&table.data.x, &table.data.y);
        assert_eq!(x.shape(), [y.numel(), table.features.len()]);
        assert!(x.to_vec().iter().all(|v| v.is_finite()));
        // A class given as a number may have no name beside it where a later one does.
        assert!(
            y.to_vec()
                .iter()
                .all(|&y| 0 <= y && y < table.classes.len() as i64)
        );
    }
    if let Ok(table) = csv.read_regression_text("table", text) {
        assert!(table.data.y.to_vec().iter().all(|v| v.is_finite()));
    }
}

/// A model of one layer, whose names the seeds have.
fn model<T: Float>() -> Linear<T> {
    Linear {
        weight: Param::new(Tensor::zeros([2, 3]).expect("a small shape")),
        bias: Some(Param::new(Tensor::zeros([2]).expect("a small shape"))),
    }
}

fn read_checkpoint(options: u8, file: &[u8]) {
    on_disk(file, |path| {
        if options & 1 == 0 {
            checkpoint::<f32>(options, path);
        } else {
            checkpoint::<f64>(options, path);
        }
    });
}

fn checkpoint<T: Float>(options: u8, path: &PathBuf) {
    let mut layer = model::<T>();
    if load(&mut layer, path).is_err() {
        assert_eq!(layer.weight.value().sum(..).unwrap().to_vec(), [T::ZERO]);
    }
    let Ok(state) = State::<T>::open(path) else {
        return;
    };
    let _ = layer.load_state(&state);
    for (_, section) in state.sections() {
        resume(options, &mut layer, section);
    }
    resume(options, &mut layer, &state);
    // What was read can be written, and reads the same.
    state.save(path).expect("what was read can be written");
    let written = std::fs::read(path).expect("a file");
    let again = State::<T>::open(path).expect("what was written can be read");
    again.save(path).expect("and written again");
    assert_eq!(std::fs::read(path).expect("a file"), written);
}

/// A state from anywhere as that of an optimizer, which then takes a step.
fn resume<T: Float>(options: u8, layer: &mut Linear<T>, state: &State<T>) {
    let mut optimizer: Box<dyn Optimizer<T>> = match options >> 1 & 15 {
        0 => Box::new(Sgd::new(0.1).momentum(0.9)),
        1 => Box::new(Adam::new(0.1).amsgrad(true)),
        2 => Box::new(AdamW::new(0.1)),
        3 => Box::new(RmsProp::new(0.1)),
        4 => Box::new(Adagrad::new(0.1)),
        5 => Box::new(Adadelta::new(0.1)),
        6 => Box::new(NAdam::new(0.1)),
        7 => Box::new(Lion::new(0.1)),
        _ => Box::new(Adam::new(0.1)),
    };
    let mut plateau = ReduceLrOnPlateau::new(Goal::Min);
    if plateau.load_state(state).is_ok() {
        let _ = plateau.step(&mut *optimizer, 1.0);
    }
    if let Ok(mut scheduler) = Scheduler::new(StepLr::new(2), &mut *optimizer)
        && scheduler.load_state(state).is_ok()
    {
        let _ = scheduler.step(&mut *optimizer);
    }
    if optimizer.load_state(state).is_err() {
        return;
    }
    let x = Tape::new().input(Tensor::ones([1, 3]).expect("a small shape"));
    let y = layer.forward(&x).and_then(|y| y.sum(..));
    let grads = y.and_then(|y| y.backward()).expect("a layer's gradients");
    let _ = optimizer.step(layer, &grads);
}

fn read_json(file: &[u8]) {
    if let Ok(x) = serde_json::from_slice::<Tensor<f64>>(file) {
        let text = serde_json::to_string(&x).expect("what was read can be written");
        let again: Tensor<f64> = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(again.shape(), x.shape());
    }
    let _ = serde_json::from_slice::<Tensor<bool>>(file);
    let _ = serde_json::from_slice::<Tensor<i64>>(file);
}

fn read_equation(options: u8, file: &[u8]) {
    let Ok(text) = std::str::from_utf8(file) else {
        return;
    };
    let shapes: [&[usize]; 4] = [&[2, 3], &[3, 2], &[2, 1, 3], &[3]];
    let operands = (0..options & 3).map(|i| {
        let shape = shapes[usize::from(i + (options >> 2)) % 4];
        Tensor::<f64>::ones(shape).expect("a small shape")
    });
    let operands: Vec<Tensor<f64>> = operands.collect();
    if let Ok(y) = Tensor::einsum(text, &operands.iter().collect::<Vec<_>>()) {
        // All ones, so that every element counts its terms.
        assert!(y.to_vec().iter().all(|&v| v >= 1.0 && v.fract() == 0.0));
    }
}
