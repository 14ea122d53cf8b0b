//! Files that PyTorch wrote, from fixtures/pytorch: they load, and the models compute what they compute there.
//! scripts/pytorch_roundtrip.py makes them, and checks the other direction too.

#[path = "common/models.rs"]
mod models;

use crate::common::Folder;
use nn::prelude::*;
use std::fs;

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/pytorch")
        .join(name)
}

fn check<M: Module<f32>>(name: &str, mut model: M) {
    let outputs = State::<f32>::open(fixture(&format!("{name}.outputs.safetensors"))).unwrap();
    let (x, right) = (
        outputs.tensor("input").unwrap(),
        outputs.tensor("output").unwrap(),
    );
    let before = model.forward(&Var::from(x)).unwrap().into_value();
    let file = fixture(&format!("{name}.safetensors"));
    load(&mut model, &file).unwrap();
    let off = |y: &Tensor<f32>| y.sub(right).unwrap().abs().max(..).unwrap().item().unwrap();
    let y = model.forward(&Var::from(x)).unwrap().into_value();
    assert!(off(&before) > 1e-2 && off(&y) < 1e-6, "{name}: {}", off(&y));

    // Written again, it holds the same bits under the same names.
    let folder = Folder::new(name);
    let path = folder.file("copy.safetensors");
    save(&model, &path).unwrap();
    let tensors = |path: &std::path::Path| {
        let bytes = fs::read(path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let all = file.tensors().into_iter();
        let mut all: Vec<_> = all
            .map(|(name, t)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert!(tensors(&file) == tensors(&path), "{name}");
}

#[test]
fn models_of_pytorch_compute_the_same() {
    check("pictures", models::pictures(3).unwrap());
    check("reader", models::Reader::new(3).unwrap());
}

#[test]
fn a_model_of_another_kind_says_what_is_wrong() {
    let mut reader = models::Reader::new(0).unwrap();
    let path = fixture("pictures.safetensors");
    let message = load(&mut reader, &path)
        .unwrap_err()
        .to_string()
        .replace(&path.display().to_string(), "FILE");
    assert_eq!(
        message,
        "load: FILE: it was saved from another model: missing in the file: embedding.weight, lstm.weight_ih_l0, \
         lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0, lstm.weight_ih_l0_reverse, lstm.weight_hh_l0_reverse, \
         lstm.bias_ih_l0_reverse, lstm.bias_hh_l0_reverse, lstm.weight_ih_l1 and 14 more; not in the model: 0.bias, \
         0.weight, 1.bias, 1.running_mean, 1.running_var, 1.weight, 5.bias, 5.weight, 6.bias, 6.weight and 3 more: \
         build the model as it was when saved"
    );
}
