//! Values and gradients at places which drawn inputs seldom meet.

use autograd::{Float, GradOptions, Interpolation, Result, Tape, Tensor, Var, grad, gradgradcheck};

/// A logit of minus infinity has no share; of an infinite sum the infinite ones have all of it.
#[test]
fn logsumexp_of_infinities() -> Result<()> {
    let inf = f64::INFINITY;
    let share = |x: [f64; 3]| -> Result<Vec<f64>> {
        let x = Tape::new().leaf(Tensor::from(x));
        Ok(x.logsumexp(..)?.backward()?.get(&x)?.to_vec())
    };
    // PyTorch: tensor([0.0000, 0.2689, 0.7311]), here to sixteen digits.
    let got = share([-inf, 0.0, 1.0])?;
    assert_eq!(got[0], 0.0);
    assert!((got[1] - 0.268_941_421_369_995_1).abs() < 1e-15, "{got:?}");
    assert_eq!(share([-inf, -inf, 2.0])?, [0.0, 0.0, 1.0]);
    Ok(())
}

/// The gradient of `relu` alone is constant, but what comes before it is not.
#[test]
fn second_derivatives_below_relu() -> Result<()> {
    let x = Tensor::from([-1.5f64, 0.7, 1.3]);
    gradgradcheck(|v| v[0].pow(3)?.relu().sum(..), std::slice::from_ref(&x))?.assert_ok();
    let tape = Tape::new();
    let x = tape.leaf(x);
    let y = x.pow(3)?.relu().sum(..)?;
    let dx = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?;
    let second = dx[0].sum(..)?.backward()?;
    let want = [0.0, 6.0 * 0.7, 6.0 * 1.3];
    for (got, want) in second.get(&x)?.to_vec().into_iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{got}, not {want}");
    }
    Ok(())
}

/// `linear` of nothing, and of operands in any layout, against the product and the sum that define it.
#[test]
fn linear_of_any_layout() -> Result<()> {
    let numbers = |shape: &[i64]| -> Result<Tensor<f64>> {
        let n: i64 = shape.iter().product();
        let data = (0..n).map(|i| ((i * 7 + 3) % 11) as f64 - 5.0);
        Tensor::from_vec(data.collect(), shape)
    };
    let layouts = |x: Tensor<f64>| -> Result<Vec<Tensor<f64>>> {
        Ok(vec![
            x.transpose(-1, 0)?.contiguous().transpose(-1, 0)?,
            x.flip([-1])?.contiguous().flip([-1])?,
            x.narrow(0, 0, x.shape()[0].min(1))?.expand(x.shape())?,
            x,
        ])
    };
    let small = [(2, 3, 4), (0, 3, 2), (2, 0, 3), (2, 3, 0), (1, 1, 1)];
    // More rows, and longer ones, than a bias is copied to at once.
    let large = [(70, 2, 61), (2, 1, 4099)];
    for (rows, inputs, outputs) in small.into_iter().chain(large) {
        let (shape, w, b) = ([2, rows, inputs], [outputs, inputs], [outputs]);
        for x in [numbers(&shape)?, numbers(&shape[1..])?] {
            for x in layouts(x)? {
                for w in layouts(numbers(&w)?)? {
                    for b in layouts(numbers(&b)?)? {
                        let tape = Tape::new();
                        let [x, w, b] = [&x, &w, &b].map(|x| tape.leaf(x.clone()));
                        let (y, z) = (x.linear(&w, &b)?, x.matmul(&w.t())?.add(&b)?);
                        assert_eq!(y.value(), z.value());
                        let (dy, dz) = (y.square().sum(..)?, z.square().sum(..)?);
                        let (dy, dz) = (dy.backward_retain()?, dz.backward_retain()?);
                        for leaf in [&x, &w, &b] {
                            assert_eq!(dy.get(leaf)?, dz.get(leaf)?);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// Of two numbers, one infinite, what lies between is infinite, and so are equal infinities; only two ends that differ
/// have nothing between.
#[test]
fn quantiles_at_infinities() -> Result<()> {
    let inf = f64::INFINITY;
    for (x, want) in [
        ([-inf, 0.0], -inf),
        ([0.0, inf], inf),
        ([inf, inf], inf),
        ([-inf, -inf], -inf),
        ([2.0, 2.0], 2.0),
        ([1.0, 3.0], f64::NAN),
    ] {
        for q in [0.25, 0.5, 0.75] {
            let want = if want.is_nan() { 1.0 + 2.0 * q } else { want };
            let x = Tensor::from(x);
            assert_eq!(x.quantile(q, .., Interpolation::Linear)?.item()?, want);
            let x = Tape::new().leaf(x);
            let y = x.quantile(q, .., Interpolation::Linear)?;
            assert_eq!(y.item()?, want);
            let slopes = y.backward()?.get(&x)?.to_vec();
            assert!(
                (slopes.iter().sum::<f64>() - 1.0).abs() < 1e-15,
                "{slopes:?}"
            );
        }
    }
    let ends = Tape::new().leaf(Tensor::from([-inf, inf]));
    let y = ends.quantile(0.25, .., Interpolation::Linear)?;
    assert!(y.item()?.is_nan());
    Ok(())
}

/// Against mpmath 1.3 at 40 digits: `mpmath.polygamma(n, x)`.
#[test]
fn polygamma_to_all_its_digits() {
    let x = [0.3, 3.7, 19.75, 25.5, -0.4, -25.25];
    let rows = [
        "1 12.2453645461077305 0.310037857670038319 0.0519363807070783343 0.039994669649562924 9.88620967090235768 \
         19.7003787289046643",
        "2 -75.2725365887260307 -0.0953953087285540438 -0.00269678234802547602 -0.00159936059627830729 \
         21.2871684628565418 124.023599135876953",
        "3 743.141764655049667 0.0582792179565636235 0.000279996617540720985 0.000127897743022639145 \
         281.782041045345775 1558.54533949412143",
        "5 164634.846099223 0.0639397539020398044 9.04891586092590271e-6 2.45269759655895928e-6 31876.5069077684686 \
         492231.267108439911",
    ];
    for row in rows {
        let numbers: Vec<f64> = row.split(' ').map(|n| n.parse().unwrap()).collect();
        let n = numbers[0] as u32;
        let got = Tape::new().leaf(Tensor::from(x)).polygamma(n);
        for ((x, want), got) in x.iter().zip(&numbers[1..]).zip(got.value().to_vec()) {
            // Far to the left the angle within a period has lost digits.
            let bound = if *x < -20.0 { 1e-12 } else { 3e-14 };
            assert!(
                (got - want).abs() <= bound * want.abs(),
                "polygamma({n}, {x}) is {got}, not {want}"
            );
        }
    }
}

/// The slopes are PyTorch's, and so are the values but where it multiplies a large number by 6.
#[test]
fn hardswish_at_its_corners_and_far_out() -> Result<()> {
    let (far, inf) = (1.7e308, f64::INFINITY);
    let x = Tape::new().leaf(Tensor::from([-far, -4.0, -3.0, 0.0, 3.0, 4.0, far, inf]));
    let y = x.hardswish();
    assert_eq!(y.value().to_vec(), [0.0, 0.0, 0.0, 0.0, 3.0, 4.0, far, inf]);
    let slopes = y.backward_with(&Tensor::ones([8])?)?.get(&x)?.to_vec();
    assert_eq!(slopes, [0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
    Ok(())
}

/// 0.1 is rounded, and so is the sum of some: the mean of equal elements must be that element all the same.
#[test]
fn equal_elements_have_no_deviation_and_no_slope() {
    for shape in [&[3][..], &[2, 7], &[1000]] {
        let x = Tape::new().leaf(Tensor::full(shape, 0.1f64).unwrap());
        for axes in [autograd::tensor_core::Axes::from(..), (-1).into()] {
            let y = x.std(axes, 1).unwrap();
            assert!(y.value().to_vec().iter().all(|y| *y == 0.0));
            let grads = y.sum(..).unwrap().backward().unwrap();
            assert!(grads.get(&x).unwrap().to_vec().iter().all(|g| *g == 0.0));
        }
    }
}

#[test]
fn the_slope_of_a_singular_determinant_names_its_operation() {
    let x = Tape::new().leaf(Tensor::from([[1.0f64, 2.0], [2.0, 4.0]]));
    let e = x.slogdet().unwrap().1.backward().unwrap_err().to_string();
    assert!(e.starts_with("slogdet: "), "{e}");
}

/// Where PyTorch has NaN, a product of 0 and ∞.
#[test]
fn smooth_rectifiers_have_their_limits() -> Result<()> {
    type Function<T> = fn(&Var<T>) -> Var<T>;
    fn check<T: Float>() -> Result<()> {
        let functions: [(&str, Function<T>); 5] = [
            ("mish", Var::mish),
            ("silu", Var::silu),
            ("gelu", Var::gelu),
            ("gelu_tanh", Var::gelu_tanh),
            ("hardswish", Var::hardswish),
        ];
        let x = [-T::INFINITY, -T::MAX, T::of(-1e30), T::of(-900.0)];
        let x = Tensor::from_slice(&[x, x.map(|x| -x)].concat(), [8])?;
        let share = [[T::ZERO; 4], [T::ONE; 4]].concat();
        for (name, f) in functions {
            let leaf = Tape::new().leaf(x.clone());
            let y = f(&leaf);
            let want = x.map(|x: T| if x > T::ZERO { x } else { T::ZERO });
            assert_eq!(y.value(), &want, "{name}");
            let y = y.sum(..)?;
            let options = GradOptions::new().create_graph(true);
            let slope = grad(&[&y], &[&leaf], options)?.remove(0);
            assert_eq!(slope.value().to_vec(), share, "{name}");
            assert_eq!(y.backward_retain()?.get(&leaf)?.to_vec(), share, "{name}");
            let second = slope.sum(..)?.backward()?;
            let second = second.get(&leaf)?.to_vec();
            assert!(second.iter().all(|g| *g == T::ZERO), "{name}: {second:?}");
            let nan = f(&Var::from(Tensor::scalar(T::NAN)));
            assert!(nan.item()?.is_nan_(), "{name}");
        }
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

/// The gradient in one pass, and the gradient that can be differentiated again, are two formulas: they agree at every
/// kind of place, the infinite ones too.
#[test]
fn both_formulas_of_a_slope_agree() -> Result<()> {
    type Function = fn(&Var<f64>) -> Var<f64>;
    macro_rules! functions {
        ($($name:ident)*) => { vec![$((stringify!($name), (|x: &Var<f64>| x.$name()) as Function)),*] };
    }
    let mut functions = functions! {
        abs square exp exp2 expm1 log log2 log10 log1p sqrt rsqrt cbrt reciprocal sin cos tan asin acos atan sinh cosh
        tanh asinh acosh atanh erf erfc sigmoid softplus log_sigmoid relu gelu gelu_tanh silu mish relu6 hardsigmoid
        hardswish selu softsign tanhshrink frac
    };
    functions.extend([
        ("leaky_relu", (|x| x.leaky_relu(0.1)) as Function),
        ("elu", |x| x.elu(0.8)),
        ("celu", |x| x.celu(1.3)),
        ("softplus_with", |x| x.softplus_with(1.3, 5.0)),
        ("hardtanh", |x| x.hardtanh(-0.7, 1.1)),
        ("softshrink", |x| x.softshrink(0.7)),
        ("hardshrink", |x| x.hardshrink(0.7)),
        ("threshold", |x| x.threshold(0.3, -2.0)),
        ("nan_to_num", |x| x.nan_to_num(0.0, 1.0, -1.0)),
    ]);
    let mut places = vec![0.0, 1.0, f64::NAN];
    for size in [
        1e-300, 1e-9, 0.1, 0.7, 1.5, 3.0, 4.5, 6.0, 20.0, 40.0, 200.0, 700.0, 1e30, 1e200,
    ] {
        places.extend([size, -size]);
    }
    places.extend([-0.0, -1.0, f64::INFINITY, -f64::INFINITY]);
    for (name, f) in functions {
        let x = Tape::new().leaf(Tensor::from_vec(places.clone(), [places.len()])?);
        let y = f(&x).sum(..)?;
        let options = GradOptions::new().create_graph(true);
        let recorded = grad(&[&y], &[&x], options)?[0].value().to_vec();
        let once = y.backward()?.get(&x)?.to_vec();
        for ((x, a), b) in places.iter().zip(once).zip(recorded) {
            // The tails of the normal distribution lose what the square of `x` was rounded by, in one formula only.
            let close = (a - b).abs() <= 1e-12 * (1.0 + x * x).min(1e4) * b.abs() + 1e-300;
            assert!(
                close || a == b || (a.is_nan() && b.is_nan()),
                "{name} at {x}: {a} and {b}"
            );
        }
    }
    Ok(())
}

/// The gradients of softmax over classes that stand, as those of pixels do, are to the bit those over rows, and those of the
/// recorded formulas but for rounding.
#[test]
fn softmax_of_pixels() -> Result<()> {
    for classes in [1usize, 3, 16, 17, 21, 24, 25] {
        let n = 2 * classes * 83;
        let noise = |seed: usize| {
            let numbers = (0..n).map(|i| ((i * 7919 + seed) % 1009) as f64 / 200.0 - 2.5);
            Tensor::from_vec(numbers.collect::<Vec<f64>>(), [2, classes, 83])
        };
        let (x, dy) = (noise(3)?, noise(11)?);
        for log in [false, true] {
            let slopes = |x: Tensor<f64>, dy: Tensor<f64>, dim, recorded| -> Result<Vec<f64>> {
                let x = Tape::new().leaf(x);
                let y = if log {
                    x.log_softmax(dim)?
                } else {
                    x.softmax(dim)?
                };
                let y = y.mul(Var::from(dy))?.sum(..)?;
                let options = GradOptions::new().create_graph(recorded);
                Ok(grad(&[&y], &[&x], options)?[0].value().to_vec())
            };
            let stood = slopes(x.clone(), dy.clone(), 1, false)?;
            let turned = |x: &Tensor<f64>| x.permute([0, 2, 1]).map(|x| x.contiguous());
            let lain = slopes(turned(&x)?, turned(&dy)?, 2, false)?;
            let lain = Tensor::from_vec(lain, [2, 83, classes])?;
            assert_eq!(
                stood,
                lain.permute([0, 2, 1])?.to_vec(),
                "{classes} classes, {log}"
            );
            for (a, b) in stood.iter().zip(slopes(x.clone(), dy.clone(), 1, true)?) {
                assert!(
                    (a - b).abs() <= 1e-13 * (1.0 + b.abs()),
                    "{classes} classes: {a}, {b}"
                );
            }
        }
    }
    Ok(())
}
