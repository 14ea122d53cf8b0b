//! Tensors in files and in other crates' types, each behind a feature that is off by default: `npy` for NumPy's `.npy`
//! and `.npz`, `safetensors`, `serde`, and `ndarray`.

#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "npy")]
pub mod npy;
#[cfg(feature = "npy")]
pub mod npz;
#[cfg(feature = "safetensors")]
pub mod safetensors;
#[cfg(feature = "serde")]
mod serde;

use crate::element::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A tensor of a file, which says itself what its elements are.
///
/// Narrower types of the file become the next wider one here: half precision `f32`, and all integers `i64`.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Of `f32`.
    F32(Tensor<f32>),
    /// Of `f64`.
    F64(Tensor<f64>),
    /// Of `i64`.
    I64(Tensor<i64>),
    /// Of `bool`.
    Bool(Tensor<bool>),
}

impl Stored {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Stored::F32(_) => DType::F32,
            Stored::F64(_) => DType::F64,
            Stored::I64(_) => DType::I64,
            Stored::Bool(_) => DType::Bool,
        }
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        match self {
            Stored::F32(x) => x.shape(),
            Stored::F64(x) => x.shape(),
            Stored::I64(x) => x.shape(),
            Stored::Bool(x) => x.shape(),
        }
    }

    /// The tensor with its values in another element type; see [`Tensor::cast`].
    pub fn cast<T: Element>(&self) -> Tensor<T> {
        match self {
            Stored::F32(x) => x.cast(),
            Stored::F64(x) => x.cast(),
            Stored::I64(x) => x.cast(),
            Stored::Bool(x) => x.cast(),
        }
    }

    /// The tensor, if its elements are of type `T`.
    ///
    /// # Errors
    /// [`Error::Convert`] if they are of another type: [`Stored::cast`] changes it.
    pub fn get<T: Element>(&self) -> Result<Tensor<T>> {
        if self.dtype() == T::DTYPE {
            return Ok(self.cast());
        }
        Err(Error::Convert {
            op: "get",
            value: format!("a tensor of {}", self.dtype()),
            dtype: T::DTYPE.name(),
        })
    }
}

/// A tensor on its way into a file.
macro_rules! stored {
    ($($variant:ident $t:ty),*) => { $(
        impl From<Tensor<$t>> for Stored {
            fn from(x: Tensor<$t>) -> Self {
                Stored::$variant(x)
            }
        }
        impl From<&Tensor<$t>> for Stored {
            fn from(x: &Tensor<$t>) -> Self {
                Stored::$variant(x.clone())
            }
        }
    )* };
}
stored!(F32 f32, F64 f64, I64 i64, Bool bool);

/// What went wrong with a file.
#[cfg(any(feature = "npy", feature = "safetensors"))]
pub(crate) fn file_error(
    op: &'static str,
    path: impl AsRef<std::path::Path>,
    problem: impl std::fmt::Display,
) -> Error {
    Error::File {
        op,
        path: path.as_ref().display().to_string(),
        problem: problem.to_string(),
    }
}

/// The elements of a file, one after the other.
#[cfg(any(feature = "npy", feature = "safetensors"))]
pub(crate) mod bytes {
    use super::Stored;
    use crate::error::Result;
    use crate::tensor::Tensor;

    /// An element type of a file.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Kind {
        Bool,
        /// Signed or unsigned integers of so many bytes.
        Int {
            signed: bool,
            size: usize,
        },
        /// Floats of 2, 4 or 8 bytes.
        Float {
            size: usize,
        },
        /// The upper half of an `f32`, which NumPy's files do not have.
        #[cfg_attr(not(feature = "safetensors"), allow(dead_code))]
        BFloat,
    }

    impl Kind {
        pub(crate) fn size(self) -> usize {
            match self {
                Kind::Bool => 1,
                Kind::BFloat => 2,
                Kind::Int { size, .. } | Kind::Float { size } => size,
            }
        }
    }

    /// The number with these bits: sign, 5 bits of exponent, 10 of fraction.
    fn half(bits: u16) -> f32 {
        let (sign, exponent) = (if bits >> 15 == 0 { 1.0f32 } else { -1.0 }, bits >> 10 & 31);
        let fraction = f32::from(bits & 1023);
        sign * match exponent {
            0 => fraction * 2f32.powi(-24),
            31 if fraction == 0.0 => f32::INFINITY,
            31 => f32::NAN,
            e => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(e) - 15),
        }
    }

    fn array<const N: usize>(bytes: &[u8], big_endian: bool) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        if big_endian {
            out.reverse();
        }
        out
    }

    fn int(bytes: &[u8], signed: bool, big_endian: bool) -> i64 {
        let at = |i: usize| bytes[if big_endian { bytes.len() - 1 - i } else { i }];
        let bits = (0..bytes.len()).fold(0u64, |n, i| n | u64::from(at(i)) << (8 * i));
        let unused = 64 - 8 * bytes.len() as u32;
        // Shifted up and down again, a signed number brings its sign along.
        if signed {
            (bits << unused) as i64 >> unused
        } else {
            i64::try_from(bits).unwrap_or(i64::MAX)
        }
    }

    /// A tensor of these bytes, which fill the shape.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if they do not.
    pub(crate) fn read(
        data: &[u8],
        kind: Kind,
        big_endian: bool,
        shape: &[usize],
    ) -> Result<Stored> {
        fn make<T: crate::Element>(
            data: &[u8],
            size: usize,
            shape: &[usize],
            f: impl Fn(&[u8]) -> T,
        ) -> Result<Tensor<T>> {
            Tensor::from_vec(data.chunks_exact(size).map(f).collect(), shape)
        }
        let size = kind.size();
        Ok(match kind {
            Kind::Bool => Stored::Bool(make(data, size, shape, |b| b[0] != 0)?),
            Kind::Int { signed, .. } => {
                Stored::I64(make(data, size, shape, |b| int(b, signed, big_endian))?)
            }
            Kind::BFloat => Stored::F32(make(data, size, shape, |b| {
                f32::from_bits(u32::from(u16::from_le_bytes(array(b, big_endian))) << 16)
            })?),
            Kind::Float { size: 2 } => Stored::F32(make(data, size, shape, |b| {
                half(u16::from_le_bytes(array(b, big_endian)))
            })?),
            Kind::Float { size: 4 } => Stored::F32(make(data, size, shape, |b| {
                f32::from_le_bytes(array(b, big_endian))
            })?),
            Kind::Float { .. } => Stored::F64(make(data, size, shape, |b| {
                f64::from_le_bytes(array(b, big_endian))
            })?),
        })
    }

    /// The elements in row-major order, the lowest byte first.
    pub(crate) fn write(x: &Stored) -> Vec<u8> {
        match x {
            Stored::F32(x) => x.to_vec().iter().flat_map(|v| v.to_le_bytes()).collect(),
            Stored::F64(x) => x.to_vec().iter().flat_map(|v| v.to_le_bytes()).collect(),
            Stored::I64(x) => x.to_vec().iter().flat_map(|v| v.to_le_bytes()).collect(),
            Stored::Bool(x) => x.to_vec().into_iter().map(u8::from).collect(),
        }
    }
}
