#!/usr/bin/env python3
"""Writes iris.csv, wine.csv and breast_cancer.csv into crates/nn/data.

    python scripts/data/tables.py

Rows and columns keep scikit-learn's order. Column names are scikit-learn's,
in lower case with underscores; the last column, `label`, is the class as an
integer from 0. Numbers are written in the shortest form that reads back to the
same f64.
"""

import re
from pathlib import Path

from sklearn.datasets import load_breast_cancer, load_iris, load_wine

OUT = Path(__file__).resolve().parents[2] / "crates" / "nn" / "data"

# name, loader, rows, features, classes
TABLES = [
    ("iris", load_iris, 150, 4, 3),
    ("wine", load_wine, 178, 13, 3),
    ("breast_cancer", load_breast_cancer, 569, 30, 2),
]


def column(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def number(x: float) -> str:
    return str(int(x)) if x == int(x) else repr(x)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, load, rows, features, classes in TABLES:
        table = load()
        assert table.data.shape == (rows, features)
        assert sorted(set(table.target.tolist())) == list(range(classes))

        header = [column(c) for c in table.feature_names] + ["label"]
        assert len(set(header)) == features + 1, "two columns share a name"
        lines = [",".join(header)]
        for row, label in zip(table.data.tolist(), table.target.tolist()):
            lines.append(",".join([number(x) for x in row] + [str(int(label))]))

        (OUT / f"{name}.csv").write_bytes(("\n".join(lines) + "\n").encode("ascii"))
        print(f"{name}.csv: {len(lines) - 1} rows")


if __name__ == "__main__":
    main()
