#!/usr/bin/env python3
"""Writes crates/nn/data/digits.csv from the copy that scikit-learn ships.

    python scripts/data/digits.py

One row per picture, in scikit-learn's order: the 64 pixels row by row, each an
integer from 0 to 16, then the digit that is drawn.
"""

from pathlib import Path

from sklearn.datasets import load_digits

OUT = Path(__file__).resolve().parents[2] / "crates" / "nn" / "data" / "digits.csv"


def main() -> None:
    digits = load_digits()
    pixels = digits.data.astype(int)
    labels = digits.target.astype(int)

    assert (pixels == digits.data).all(), "a pixel is not an integer"
    assert pixels.shape == (1797, 64) and labels.shape == (1797,)
    assert pixels.min() == 0 and pixels.max() == 16
    assert sorted(set(labels.tolist())) == list(range(10))

    lines = [",".join([f"p{i}" for i in range(64)] + ["label"])]
    for row, label in zip(pixels.tolist(), labels.tolist()):
        lines.append(",".join(map(str, row + [label])))

    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(("\n".join(lines) + "\n").encode("ascii"))
    print(f"{OUT.name}: {len(lines) - 1} rows")


if __name__ == "__main__":
    main()
