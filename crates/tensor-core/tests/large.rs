//! More elements than 31 bits count. A program of its own, since nothing else should run beside it.
//!
//! A view reaches that size without memory. With `LARGE_TESTS=1` a tensor is held that does: 2 GB.

use tensor_core::{Tensor, i};

const N: i64 = (1 << 31) + 16;

/// Views of a single element, or of few, in which every offset and count is beyond 31 bits.
#[test]
fn views_of_more_than_two_to_the_31_elements() {
    let all = Tensor::scalar(true).expand([N]).unwrap();
    assert_eq!(all.numel(), N as usize);
    assert!(all.get([N - 1]).unwrap() && all.get([-N]).unwrap());
    assert!(all.get([N]).is_err());
    let even = all.slice(0, 1.., 2).unwrap();
    assert_eq!(even.shape(), [N as usize / 2]);
    let back = all.index(i![..;-3]).unwrap();
    assert_eq!(back.shape(), [(N as usize).div_ceil(3)]);
    let square = all.reshape([16, -1]).unwrap().t();
    assert_eq!(square.shape(), [N as usize / 16, 16]);
    let pair = Tensor::from([[false], [true]]).expand([2, N]).unwrap();
    assert!(pair.get([1, N - 1]).unwrap() && !pair.get([0, N - 1]).unwrap());
    assert!(pair.flip([0, 1]).unwrap().get([0, N - 1]).unwrap());
    let tail = pair.narrow(1, N as isize - 3, 3).unwrap();
    assert_eq!(tail.to_vec(), [false, false, false, true, true, true]);
}

#[test]
fn a_tensor_of_more_than_two_to_the_31_elements() {
    if std::env::var_os("LARGE_TESTS").is_none() {
        println!("left out: LARGE_TESTS is not set");
        return;
    }
    let mut x = Tensor::full([N], true).unwrap();
    assert_eq!(x.as_slice().map(<[bool]>::len), Some(N as usize));
    assert!(x.all(..).unwrap().item().unwrap());
    // The only odd one lies behind the 31 bits, and then behind the last place that they count.
    for at in [N - 1, 1 << 31, (1 << 31) - 1, 0] {
        x.set([at], false).unwrap();
        assert!(!x.all(..).unwrap().item().unwrap());
        let found = x.find(|v: bool| !v).map(|(at, _)| at[0]);
        assert_eq!(found, Some(at as usize));
        let view = x.flip([0]).unwrap();
        assert!(!view.get([N - 1 - at]).unwrap());
        assert!(!view.all(..).unwrap().item().unwrap());
        let rest = x.narrow(0, at as isize, (N - at) as usize).unwrap();
        assert!(!rest.get([0]).unwrap());
        drop((view, rest));
        x.set([at], true).unwrap();
    }
    // Rows that begin and end beyond 31 bits.
    let rows = x.reshape([-1, 8]).unwrap();
    drop(x);
    let ends = rows.index(i![-1..]).unwrap();
    assert_eq!(ends.to_vec(), [true; 8]);
    assert_eq!(rows.all(0).unwrap().to_vec(), [true; 8]);
    let turned = rows.logical_not();
    drop(rows);
    assert!(!turned.any(..).unwrap().item().unwrap());
    assert_eq!(turned.numel(), N as usize);
}
