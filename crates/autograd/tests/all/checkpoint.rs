//! Computing again in place of keeping: the same bits, parameters and dropout included, to any order; and less memory.

use autograd::{
    Error, GradOptions, Param, Result, Tape, TapeProblem, Tensor, Var, checkpoint, checkpoint_many,
    checkpoint_with, grad, gradcheck, gradgradcheck,
};
use rand::SeedableRng;
use rand::rngs::{ChaCha8Rng, Xoshiro256PlusPlus};
use std::rc::Rc;
use tensor_core::pool;

fn input() -> Tensor<f64> {
    Tensor::from([[0.4, -1.2], [0.9, 0.3], [-0.8, 1.5]])
}

struct Layer {
    w: Param<f64>,
    b: Param<f64>,
}

impl Layer {
    fn new() -> Rc<Self> {
        Rc::new(Layer {
            w: Param::new(Tensor::from([[0.5, -0.3], [1.1, 0.2]])),
            b: Param::new(Tensor::from([0.1, -0.4])),
        })
    }

    /// Uses the weights twice.
    fn forward(&self, x: &Var<f64>) -> Result<Var<f64>> {
        let h = x.matmul(&self.w.on(x))?.add(self.b.on(x))?.tanh();
        h.matmul(&self.w.on(x))?.exp().mul(x)
    }
}

#[test]
fn the_same_bits() {
    let layer = Layer::new();
    let run = |with: bool| {
        let tape = Tape::new();
        let x = tape.leaf(input());
        let shared = layer.clone();
        let y = match with {
            true => checkpoint(move |v: &[Var<f64>]| shared.forward(&v[0]), &[&x]),
            false => shared.forward(&x),
        };
        // The input, and the parameters, are used outside as well.
        let y = y.unwrap().mul(&x).unwrap().matmul(&layer.w.on(&x)).unwrap();
        let grads = y.square().sum(..).unwrap().backward().unwrap();
        let dx = grads.get(&x).unwrap().clone();
        let of = |p: &Param<f64>| grads.get(p).unwrap().clone();
        (y.into_value(), dx, of(&layer.w), of(&layer.b), tape.len())
    };
    let (with, without) = (run(true), run(false));
    assert_eq!(with.0, without.0);
    // Sums of the same terms in another order.
    let close = |a: &Tensor<f64>, b: &Tensor<f64>| assert!(a.allclose(b, 1e-14, 1e-15).unwrap());
    close(&with.1, &without.1);
    close(&with.2, &without.2);
    close(&with.3, &without.3);
    // Six operations are one.
    assert_eq!((with.4, without.4), (8, 13));
}

#[test]
fn derivatives_of_any_order() {
    let layer = Layer::new();
    let checked = move |v: &[Var<f64>]| {
        let layer = layer.clone();
        let inner = move |v: &[Var<f64>]| layer.forward(&v[0])?.mul(&v[1]);
        checkpoint(inner, &[&v[0], &v[1]])?.mul(&v[0])
    };
    let inputs = [input(), input().mul(0.7).unwrap()];
    assert!(gradcheck(&checked, &inputs).unwrap().is_clean());
    assert!(gradgradcheck(&checked, &inputs).unwrap().is_clean());
}

/// The second derivative by parameters inside of the function, whose places are redirected while it runs again.
#[test]
fn second_derivatives_of_parameters() {
    let layer = Layer::new();
    let run = |with: bool| {
        let tape = Tape::new();
        // The input depends on the weights too, which must not be counted twice.
        let x = tape.input(input());
        let x = x.matmul(&layer.w.on(&x)).unwrap();
        let w = layer.w.on(&x);
        let shared = layer.clone();
        let y = match with {
            true => checkpoint(move |v: &[Var<f64>]| shared.forward(&v[0]), &[&x]),
            false => shared.forward(&x),
        };
        let y = y.unwrap().sum(..).unwrap();
        let options = || GradOptions::new().create_graph(true);
        let dw = grad(&[&y], &[&w], options()).unwrap().remove(0);
        let d2 = grad(&[&dw.square().sum(..).unwrap()], &[&w], options());
        // Afterwards the parameter is found where it was.
        assert!(layer.w.on(&x).sub(&w).unwrap().is_tracked());
        let again = layer.w.on(&x).sum(..).unwrap();
        assert!(grad(&[&again], &[&w], options()).is_ok());
        (dw.into_value(), d2.unwrap().remove(0).into_value())
    };
    let (with, without) = (run(true), run(false));
    assert!(with.0.allclose(&without.0, 1e-13, 0.0).unwrap());
    assert!(with.1.allclose(&without.1, 1e-13, 0.0).unwrap());
}

#[test]
fn dropout_draws_the_same() {
    let drop = |v: &[Var<f64>], rng: &mut Xoshiro256PlusPlus| {
        let kept = Tensor::<f64>::rand(v[0].shape(), rng)?.lt(0.5)?;
        v[0].exp().keep_where(&kept)?.mul(2.0)
    };
    let x = Tensor::<f64>::ones([8, 8]).unwrap();
    let run = |with: bool| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let x = Tape::new().leaf(x.clone());
        let one = |x: &Var<f64>, rng: &mut Xoshiro256PlusPlus| match with {
            true => checkpoint_with(rng, drop, &[x]),
            false => drop(std::slice::from_ref(x), rng),
        };
        // The second layer must not draw what the first did.
        let h = one(&x, &mut rng).unwrap();
        let y = one(&h.mul(0.1).unwrap(), &mut rng).unwrap();
        let dx = y.sum(..).unwrap().backward().unwrap().take(&x).unwrap();
        let next = Tensor::<f64>::rand([1], &mut rng).unwrap();
        (y.into_value(), dx, next)
    };
    let (with, without) = (run(true), run(false));
    assert_eq!(with, without);
    let zeros = |t: &Tensor<f64>| t.to_vec().iter().filter(|v| **v == 0.0).count();
    assert!((8..56).contains(&zeros(&with.0)), "{}", with.0);
}

#[test]
fn a_generator_made_within() {
    let drop = |seed: u64| {
        move |v: &[Var<f64>]| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let kept = Tensor::<f64>::rand(v[0].shape(), &mut rng)?.lt(0.5)?;
            v[0].exp().keep_where(&kept)?.mul(2.0)
        }
    };
    let x = Tape::new().leaf(Tensor::ones([8, 8]).unwrap());
    let y = checkpoint(drop(5), &[&x]).unwrap();
    let grads = y.sum(..).unwrap().backward().unwrap();
    assert_eq!(grads.get(&x).unwrap(), y.value());
    assert!(
        y.value()
            .ne(drop(6)(&[x]).unwrap().value())
            .unwrap()
            .any(..)
            .unwrap()
            .item()
            .unwrap()
    );
}

#[test]
fn without_a_tape_it_is_the_function() {
    let x = Var::from(input());
    let y = checkpoint(|v: &[Var<f64>]| Ok(v[0].exp()), &[&x]).unwrap();
    assert!(!y.is_tracked());
    assert_eq!(y.value(), &x.value().exp());
    // Data on a tape that meets no parameter records nothing.
    let tape = Tape::new();
    let x = tape.input(input());
    let y = checkpoint(|v: &[Var<f64>]| Ok(v[0].exp()), &[&x]).unwrap();
    assert!(!y.is_tracked() && tape.is_empty());
}

#[test]
fn a_value_from_outside_is_refused() {
    let tape = Tape::new();
    let (x, outer) = (tape.leaf(input()), tape.leaf(input()));
    let inside = outer.clone();
    let mixed = checkpoint(move |v: &[Var<f64>]| v[0].mul(&inside), &[&x]);
    let inside = outer.clone();
    let alone = checkpoint(move |_: &[Var<f64>]| Ok(inside.exp()), &[&x]);
    for e in [mixed, alone] {
        let e = e.unwrap_err();
        let expected = matches!(
            &e,
            Error::Tape {
                problem: TapeProblem::Captured,
                ..
            }
        );
        assert!(expected, "{e}");
        let words = "the function uses a value of a tape that is none of its inputs: pass it as an input, or `detach` it";
        assert!(e.to_string().ends_with(words), "{e}");
    }
    let fine = outer.detach();
    assert!(checkpoint(move |v: &[Var<f64>]| v[0].mul(&fine), &[&x]).is_ok());
}

/// The only test of this program with large tensors: it counts their buffers.
#[test]
fn less_is_kept() {
    let peak = |with: bool| {
        let tape = Tape::new();
        let start = pool::stats().live;
        let mut y = tape.leaf(Tensor::<f32>::full([128, 128], 0.5).unwrap());
        for _ in 0..10 {
            let block = |v: &[Var<f32>]| Ok(v[0].exp().tanh().sin().exp().tanh().sin());
            y = match with {
                true => checkpoint(block, &[&y]).unwrap(),
                false => block(&[y]).unwrap(),
            };
        }
        let kept = pool::stats().live - start;
        y.sum(..).unwrap().backward().unwrap();
        drop((y, tape));
        assert_eq!(pool::stats().live, start);
        kept
    };
    // Of the six results in a block four are kept for backward: `sin` keeps what `tanh` does, and `exp` and `tanh` not
    // what they began with. Beside them there is the last result.
    assert_eq!((peak(false), peak(true)), (4 * 10 + 1, 10 + 1));
}

#[test]
fn several_results() -> Result<()> {
    let f = |v: &[Var<f64>]| {
        let y = v[0].matmul(&v[1])?.tanh();
        Ok(vec![y.clone(), y.sum(0)?, v[0].square().sum(..)?])
    };
    let total = |parts: &[Var<f64>]| {
        let [a, b, c] = parts else {
            panic!("three results")
        };
        a.square().sum(..)?.add(b.exp().sum(..)?)?.add(c.mul(0.5)?)
    };
    let (a, b) = (
        Tensor::from([[0.5, -1.0], [2.0, 0.25]]),
        Tensor::from([[1.0], [-0.5]]),
    );
    let run = |kept: bool| -> Result<_> {
        let tape = Tape::new();
        let (a, b) = (tape.leaf(a.clone()), tape.leaf(b.clone()));
        let parts = match kept {
            true => f(&[a.clone(), b.clone()])?,
            false => checkpoint_many(f, &[&a, &b])?,
        };
        let values: Vec<Tensor<f64>> = parts.iter().map(|y| y.value().clone()).collect();
        let loss = total(&parts)?;
        let grads = grad(&[&loss], &[&a, &b], GradOptions::new().create_graph(true))?;
        let again = grads[0].square().sum(..)?.add(grads[1].sum(..)?)?;
        let second = grad(&[&again], &[&a, &b], GradOptions::new())?;
        let all = grads.into_iter().chain(second).map(Var::into_value);
        Ok(values.into_iter().chain(all).collect::<Vec<_>>())
    };
    for (plain, again) in run(true)?.iter().zip(&run(false)?) {
        assert!(plain.allclose(again, 1e-14, 1e-14)?, "{plain} {again}");
    }
    // No result, an empty one, and data alone.
    let x = Tape::new().leaf(Tensor::from([1.0]));
    assert!(checkpoint_many(|_: &[Var<f64>]| Ok(vec![]), &[&x])?.is_empty());
    let empty = checkpoint_many(|v| Ok(vec![v[0].narrow(0, 0, 0)?, v[0].clone()]), &[&x])?;
    assert_eq!((empty[0].shape(), empty[1].item()?), (&[0][..], 1.0));
    assert_eq!(
        checkpoint_many(f, &[&Var::from(a), &Var::from(b)])?.len(),
        3
    );
    Ok(())
}
