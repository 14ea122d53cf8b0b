//! Files and types of others, against files that NumPy wrote (`scripts/fixtures/arrays.py`).

#![cfg(any(
    feature = "npy",
    feature = "safetensors",
    feature = "serde",
    feature = "ndarray"
))]
#![allow(dead_code, unused_imports)] // Which helpers are used depends on the features.

use std::path::PathBuf;
use tensor_core::interop::Stored;
use tensor_core::{DType, Tensor};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/arrays")
        .join(name)
}

/// A file of this test's own, gone at its end.
struct Scratch(PathBuf);
impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("tensor-core-{}-{name}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The numbers that the script writes: from -3 on, in halves, as whole numbers, or whether they are even.
fn halves(shape: &[usize]) -> Tensor<f64> {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i as f64 - 3.0) / 2.0).collect(), shape).unwrap()
}

fn wholes(shape: &[usize], first: i64) -> Tensor<i64> {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| i as i64 + first).collect(), shape).unwrap()
}

fn expect(name: &str, got: &Stored, float_is: DType) {
    let shape = [2, 3];
    let (want, dtype) = match name.as_bytes()[0].to_ascii_lowercase() {
        b'f' if name.ends_with('8') || name.ends_with("64") => (halves(&shape), DType::F64),
        b'f' => (halves(&shape), float_is),
        b'b' if name.ends_with("16") => (halves(&shape), DType::F32),
        b'b' => {
            let even = wholes(&shape, -3).remainder(2).unwrap().eq(0).unwrap();
            (even.cast(), DType::Bool)
        }
        b'u' => (wholes(&shape, 0).cast(), DType::I64),
        _ => (wholes(&shape, -3).cast(), DType::I64),
    };
    assert_eq!(got.dtype(), dtype, "{name}");
    assert_eq!(got.cast::<f64>(), want, "{name}");
}

#[cfg(feature = "npy")]
mod npy {
    use super::*;
    use tensor_core::interop::{npy, npz};

    #[test]
    fn arrays_of_numpy_are_read() {
        for kind in [
            "little_f2",
            "little_f4",
            "little_f8",
            "big_f4",
            "big_f8",
            "one_i1",
            "little_i2",
            "little_i4",
            "little_i8",
            "big_i4",
            "one_u1",
            "little_u2",
            "little_u4",
            "little_u8",
            "one_b1",
        ] {
            let array = npy::load(file(&format!("{kind}.npy"))).unwrap();
            expect(kind.rsplit('_').next().unwrap(), &array, DType::F32);
        }
        let scalar = npy::load(file("scalar.npy")).unwrap();
        assert_eq!(scalar.get::<f64>().unwrap(), Tensor::scalar(-1.5));
        assert_eq!(npy::load(file("empty.npy")).unwrap().shape(), [0, 3]);
        let columns = npy::load(file("fortran.npy"))
            .unwrap()
            .get::<f64>()
            .unwrap();
        assert_eq!(columns, halves(&[2, 3, 4]));
        let second = npy::load(file("version2.npy")).unwrap();
        assert_eq!(second.get::<i64>().unwrap(), wholes(&[5], -3));
    }

    #[test]
    fn arrays_are_written_as_numpy_writes_them() {
        let mut written = Vec::new();
        let x = halves(&[2, 3]).cast::<f32>();
        // Written in row-major order, however it lies in memory.
        npy::write(&mut written, x.t().contiguous().t()).unwrap();
        assert_eq!(written, std::fs::read(file("written_f4.npy")).unwrap());
        let path = Scratch::new("x.npy");
        for stored in [
            Stored::from(x),
            halves(&[4]).into(),
            wholes(&[2, 2], -1).into(),
            Tensor::from([true, false]).into(),
            Tensor::<f32>::zeros([3, 0]).unwrap().into(),
            Tensor::from([f64::NAN, f64::INFINITY]).isnan().into(),
            Tensor::scalar(2.5f64).into(),
        ] {
            npy::save(&path.0, stored.clone()).unwrap();
            assert_eq!(npy::load(&path.0).unwrap(), stored);
        }
    }

    #[test]
    fn archives_are_read_and_written() {
        for name in ["plain.npz", "compressed.npz"] {
            let arrays = npz::load(file(name)).unwrap();
            let names: Vec<&str> = arrays.iter().map(|a| a.0.as_str()).collect();
            assert_eq!(names, ["a", "b"]);
            assert_eq!(arrays[0].1.get::<f32>().unwrap(), halves(&[2, 3]).cast());
            assert_eq!(arrays[1].1.get::<i64>().unwrap(), wholes(&[4], -3));
        }
        let path = Scratch::new("x.npz");
        let (x, y) = (halves(&[2, 2]), Tensor::from([true]));
        npz::save(&path.0, &[("x", (&x).into()), ("y", (&y).into())]).unwrap();
        let read = npz::load(&path.0).unwrap();
        let bytes = std::fs::read(&path.0).unwrap();
        assert_eq!(npz::read(std::io::Cursor::new(bytes)).unwrap(), read);
        assert_eq!(
            read,
            [("x".to_string(), x.into()), ("y".to_string(), y.into())]
        );
    }

    #[test]
    fn broken_files_are_errors() {
        let fails = |data: &[u8]| npy::read(data).unwrap_err().to_string();
        assert_eq!(
            fails(b"not an array"),
            "read: the data: it is no `.npy` array"
        );
        assert_eq!(fails(b""), "read: the data: failed to fill whole buffer");
        let good = std::fs::read(file("little_f8.npy")).unwrap();
        for len in 0..good.len() {
            assert!(npy::read(&good[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(
            fails(&good[..good.len() - 5]),
            "read: the data: it ends after 43 bytes of 48 that shape [2, 3] takes"
        );
        // Any byte may be wrong: no panic, and no memory for what is not there.
        for at in 0..128 {
            for byte in [0u8, b'(', b'\'', b'9', 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = npy::read(&bad[..]);
            }
        }
        let with = |header: &str| {
            let mut data = b"\x93NUMPY\x01\x00".to_vec();
            data.extend((header.len() as u16).to_le_bytes());
            data.extend(header.as_bytes());
            data
        };
        let text =
            |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        assert_eq!(
            npy::read(&with(&text("()"))[..]).unwrap_err().to_string(),
            "read: the data: it ends after 0 bytes of 8 that shape [] takes"
        );
        assert!(
            fails(&with(&text("(4611686018427387904, 4)")))
                .starts_with("read: shape [4611686018427387904, 4] is too large")
        );
        assert!(
            fails(&with(&text("(9999999999,)")))
                .ends_with("it ends after 0 bytes of 79999999992 that shape [9999999999] takes")
        );
        assert!(fails(&with(&text("(-1,)"))).contains("is not that of an array"));
        assert!(fails(&with("{}")).contains("does not say its `descr`"));
        let e = npy::load(file("complex.npy")).unwrap_err().to_string();
        assert!(
            e.ends_with(
                "its elements are \"<c8\", but only truth values, integers and floats can be read"
            ),
            "{e}"
        );
        let e = npz::load(file("little_f4.npy")).unwrap_err().to_string();
        assert!(e.contains("little_f4.npy"), "{e}");
        assert!(npy::load("no such file").is_err());
    }

    #[test]
    fn another_type_is_asked_for_by_name() {
        let e = npy::load(file("little_i4.npy"))
            .unwrap()
            .get::<f32>()
            .unwrap_err();
        assert_eq!(e.to_string(), "get: a tensor of i64 is not a value of f32");
    }
}

#[cfg(feature = "safetensors")]
mod safetensors_files {
    use super::*;
    use tensor_core::interop::safetensors;

    #[test]
    fn every_type_is_read() {
        let tensors = safetensors::load(file("all.safetensors")).unwrap();
        let names: Vec<&str> = tensors.iter().map(|t| t.0.as_str()).collect();
        assert_eq!(
            names,
            ["bf16", "bool", "f16", "f32", "f64", "i32", "i64", "u8"]
        );
        for (name, tensor) in &tensors {
            expect(name, tensor, DType::F32);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let path = Scratch::new("x.safetensors");
        let list = [
            ("a", Stored::from(halves(&[2, 3]).t())),
            ("b", wholes(&[4], 0).into()),
            ("c", Tensor::scalar(true).into()),
            ("d", Tensor::<f32>::zeros([0, 2]).unwrap().into()),
        ];
        safetensors::save(&path.0, &list).unwrap();
        for (read, (name, want)) in safetensors::load(&path.0).unwrap().iter().zip(&list) {
            assert_eq!((read.0.as_str(), &read.1), (*name, want));
        }
        let twice = [("a", list[0].1.clone()), ("a", list[1].1.clone())];
        let e = safetensors::write(&twice).unwrap_err().to_string();
        assert_eq!(e, "write: the data: two tensors are named \"a\"");
    }

    #[test]
    fn broken_files_are_errors() {
        let good = std::fs::read(file("all.safetensors")).unwrap();
        for len in 0..good.len() {
            assert!(safetensors::read(&good[..len]).is_err(), "{len} bytes");
        }
        assert!(safetensors::read(&[0xff; 64]).is_err());
    }
}

#[cfg(feature = "serde")]
#[test]
fn tensors_pass_through_json() {
    let x = halves(&[2, 3]).cast::<f32>().t();
    let text = serde_json::to_string(&x).unwrap();
    assert_eq!(
        text,
        r#"{"shape":[3,2],"data":[-1.5,0.0,-1.0,0.5,-0.5,1.0]}"#
    );
    assert_eq!(serde_json::from_str::<Tensor<f32>>(&text).unwrap(), x);
    let truth = Tensor::scalar(true);
    assert_eq!(
        serde_json::from_str::<Tensor<bool>>(&serde_json::to_string(&truth).unwrap()).unwrap(),
        truth
    );
    let fails = |text: &str| {
        serde_json::from_str::<Tensor<i64>>(text)
            .unwrap_err()
            .to_string()
    };
    assert!(
        fails(r#"{"shape":[2,2],"data":[1,2,3]}"#)
            .starts_with("from_vec: 3 values do not fill shape [2, 2], which holds 4")
    );
    assert!(fails(r#"{"shape":[18446744073709551615,2],"data":[]}"#).contains("too large"));
}

#[cfg(feature = "ndarray")]
#[test]
fn arrays_of_ndarray_go_both_ways() {
    use ndarray::{Array, ArrayD, arr0, arr2, s};
    let a = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let at = a.as_ptr();
    assert_eq!(Tensor::from(&*a), x);
    assert_eq!(Tensor::from(a.clone().reversed_axes()), x.t());
    assert_eq!(
        Tensor::from(a.clone().slice_move(s![1.., ..;-1])),
        Tensor::from([[6.0, 5.0, 4.0]])
    );
    assert_eq!(
        Tensor::from(a.clone().slice_move(s![1.., 1..])),
        Tensor::from([[5.0, 6.0]])
    );
    let taken = Tensor::from(a);
    // A plain array is taken over without a copy.
    assert_eq!((taken.buffer().as_ptr(), &taken), (at, &x));
    assert_eq!(Tensor::from(arr0(7)), Tensor::scalar(7));
    assert_eq!(
        Tensor::from(Array::<bool, _>::default([2, 0])).shape(),
        [2, 0]
    );
    let back: ArrayD<f64> = (&x.t()).into();
    assert_eq!((back.shape(), back[[2, 1]]), (&[3, 2][..], 6.0));
}
