"""Prints the table and the polynomial of crates/tensor-core/src/kernel/math/avx512.rs (60 digits)."""
from math_coefficients import E, LN2, remez
from mpmath import mp, mpf
import numpy as np

SIZE = 32


def single(x):
    return np.float32(float(x))


if __name__ == "__main__":
    exact = [mp.power(2, mpf(j) / SIZE) for j in range(SIZE)]
    powers = [single(x) for x in exact]
    rests = [single(mp.log(x / mpf(float(p)))) for x, p in zip(exact, powers)]
    for name, values in (("POWERS", powers), ("RESTS", rests)):
        print(name, ", ".join(str(v) for v in values))
    step = LN2 / SIZE
    print("STEP", single(step), single(step - mpf(float(single(step)))))
    # Rounding may put an argument just beyond half a step.
    reach = step / 2 * mpf("1.001")
    poly, error = remez(E, lambda r: abs(r) + mpf(10) ** -12, -reach, reach, 2)
    print("EXP", ", ".join(str(single(c)) for c in poly), f"error 2^{float(mp.log(error, 2)):.1f} of r")
