//! Picks at run time the instruction set that a kernel runs on.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::isa::Fused;
use super::isa::{Isa, Portable};
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::{AtomicU8, Ordering};

/// A loop to be compiled once for each instruction set.
///
/// `run` must be `#[inline(always)]`, and so must all that it calls in its loop: only what is inlined into the
/// functions below is compiled for their instruction sets.
///
/// ```
/// use tensor_core::kernel::{Isa, Kernel, Math, dispatch};
/// struct Exp<'a>(&'a mut [f32]);
/// impl Kernel for Exp<'_> {
///     type Out = ();
///     #[inline(always)]
///     fn run<I: Isa>(self) {
///         for x in self.0 {
///             *x = Math::exp::<I>(*x);
///         }
///     }
/// }
/// let mut x = [0.0, 1.0];
/// dispatch(Exp(&mut x));
/// assert_eq!(x, [1.0, std::f32::consts::E]);
/// ```
pub trait Kernel {
    /// What the loop returns.
    type Out;
    /// The loop.
    fn run<I: Isa>(self) -> Self::Out;
}

/// The instruction sets that kernels are compiled for.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Portable,
    Avx2,
    Avx512,
}

/// The widest that this machine has. One load once that is known: short rows ask once or twice each.
#[cfg(target_arch = "x86_64")]
#[inline]
fn widest() -> Set {
    static FOUND: AtomicU8 = AtomicU8::new(0);
    match FOUND.load(Ordering::Relaxed) {
        1 => Set::Portable,
        2 => Set::Avx2,
        3 => Set::Avx512,
        _ => {
            let set = look();
            FOUND.store(set as u8 + 1, Ordering::Relaxed);
            set
        }
    }
}

/// Not generic and never inlined, so that no kernel is compiled together with the ten questions.
#[cfg(target_arch = "x86_64")]
#[cold]
#[inline(never)]
fn look() -> Set {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return Set::Portable;
    }
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    if avx512 { Set::Avx512 } else { Set::Avx2 }
}

/// Whether kernels run with fused multiply-adds here.
#[inline]
pub(super) fn has_fma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return widest() != Set::Portable;
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

/// Whether kernels have the thirty-two wide registers of AVX-512 here.
#[inline]
pub(super) fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return widest() == Set::Avx512;
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Runs `kernel` with the widest vectors that this machine has.
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    match widest() {
        // SAFETY: `widest` found every feature that `run_avx512` is compiled for.
        Set::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: `widest` found both features that `run_avx2` is compiled for.
        Set::Avx2 => unsafe { run_avx2(kernel) },
        Set::Portable => kernel.run::<Portable>(),
    }
    // NEON and its fused multiply-add belong to the baseline of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    return kernel.run::<Fused>();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    kernel.run::<Portable>()
}

// Never inlined: a kernel within a kernel is one so that the compiler looks at its loop alone.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Out {
    kernel.run::<Fused>()
}

/// Every path that this machine can run, by name, for tests that hold them against each other.
pub fn each_path<K: Kernel>(kernel: impl Fn() -> K) -> Vec<(&'static str, K::Out)> {
    let mut results = vec![
        ("portable", kernel().run::<Portable>()),
        ("picked", dispatch(kernel())),
    ];
    #[cfg(target_arch = "x86_64")]
    if widest() != Set::Portable {
        // SAFETY: `widest` found both features that `run_avx2` is compiled for.
        results.push(("avx2", unsafe { run_avx2(kernel()) }));
    }
    results.shrink_to_fit();
    results
}
