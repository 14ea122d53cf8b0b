//! The laws of broadcasting, over drawn shapes: NumPy's rule, written here once more as plainly as it can be.

use proptest::prelude::*;
use tensor_core::Tensor;

/// NumPy's rule: counted from the right, sizes agree or one of them is 1.
fn rule(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let n = a.len().max(b.len());
    let size = |s: &[usize], i: usize| (i + s.len()).checked_sub(n).map_or(1, |i| s[i]);
    let both = |i| match (size(a, i), size(b, i)) {
        (x, y) if x == y => Some(x),
        (1, y) => Some(y),
        (x, 1) => Some(x),
        _ => None,
    };
    (0..n).map(both).collect()
}

/// Of sizes that are often 1, and sometimes 0.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![4 => Just(1usize), 1 => Just(0), 4 => Just(3), 2 => Just(2)];
    prop::collection::vec(size, 0..4)
}

/// Small whole numbers, for which arithmetic is exact.
fn numbers(shape: &[usize], seed: i64) -> Tensor<f64> {
    let n = shape.iter().product::<usize>() as i64;
    let data = (0..n).map(|i| ((i * 7 + seed) % 11 - 5) as f64);
    Tensor::from_vec(data.collect(), shape).unwrap()
}

/// An index into the broadcast result, as one into an operand.
fn back(at: &[usize], shape: &[usize]) -> Vec<usize> {
    let at = &at[at.len() - shape.len()..];
    at.iter()
        .zip(shape)
        .map(|(&i, &n)| if n == 1 { 0 } else { i })
        .collect()
}

fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &n| {
        let longer = |at: &Vec<usize>| {
            let at = at.clone();
            (0..n).map(move |i| [&at[..], &[i]].concat())
        };
        all.iter().flat_map(longer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn operators_broadcast_by_the_rule(a in shape(), b in shape()) {
        let (x, y) = (numbers(&a, 1), numbers(&b, 5));
        let Some(shape) = rule(&a, &b) else {
            let e = x.add(&y).unwrap_err().to_string();
            assert!(e.starts_with(&format!("add: shapes {a:?} and {b:?} do not broadcast")), "{e}");
            return Ok(());
        };
        let sum = x.add(&y).unwrap();
        assert_eq!(sum.shape(), &shape[..]);
        for at in indices(&shape) {
            let want = x.get(back(&at, &a)).unwrap() + y.get(back(&at, &b)).unwrap();
            assert_eq!(sum.get(&at).unwrap(), want);
        }
        // In either order, and as if both had been expanded before.
        assert_eq!(sum, y.add(&x).unwrap());
        let (wide_x, wide_y) = (x.expand(&shape).unwrap(), y.expand(&shape).unwrap());
        assert_eq!(sum, wide_x.add(&wide_y).unwrap());
        assert_eq!(x.mul(&y).unwrap(), wide_x.contiguous().mul(wide_y.contiguous()).unwrap());
        assert_eq!(x.gt(&y).unwrap(), y.lt(&x).unwrap());
        let less = x.sub(&y).unwrap();
        assert_eq!(less, y.sub(&x).unwrap().neg().add(0.0).unwrap());
    }

    #[test]
    fn three_operands_broadcast_in_any_order(a in shape(), b in shape(), c in shape()) {
        let (x, y, z) = (numbers(&a, 1), numbers(&b, 5), numbers(&c, 8));
        let left = x.add(&y).and_then(|xy| xy.add(&z));
        let right = y.add(&z).and_then(|yz| x.add(&yz));
        let all = rule(&a, &b).and_then(|ab| rule(&ab, &c));
        assert_eq!(left.is_ok(), all.is_some());
        if let (Ok(left), Ok(right)) = (&left, &right) {
            assert_eq!(left, right);
            assert_eq!(left.shape(), &all.unwrap()[..]);
            // Products distribute over sums, whatever was spread.
            let product = x.mul(&y).unwrap().add(x.mul(&z).unwrap()).unwrap();
            assert_eq!(product, x.mul(y.add(&z).unwrap()).unwrap());
        }
    }

    /// Summing back is the transpose of spreading: `<expand(x), y> = <x, sum_to(y)>`.
    #[test]
    fn sums_undo_what_broadcasting_spread(a in shape(), b in shape()) {
        let Some(shape) = rule(&a, &b) else {
            return Ok(());
        };
        let (x, y) = (numbers(&a, 1), numbers(&shape, 5));
        let spread = x.expand(&shape).unwrap();
        let lead = shape.len() - a.len();
        let mut summed = y.clone();
        for d in (0..shape.len()).rev() {
            if d < lead {
                summed = summed.sum(d).unwrap();
            } else if a[d - lead] == 1 {
                summed = summed.sum(tensor_core::keepdim(d)).unwrap();
            }
        }
        assert_eq!(summed.shape(), &a[..]);
        let inner = |p: &Tensor<f64>, q: &Tensor<f64>| p.mul(q).unwrap().sum(..).unwrap().item().unwrap();
        assert_eq!(inner(&spread, &y), inner(&x, &summed));
    }
}
