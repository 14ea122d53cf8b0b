#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets: python fuzz/seeds.py

The files of formats are written by the programs to which the formats belong: numpy, safetensors, gzip. The programs of
the other targets are bytes of which the interpreters make operations, so any will do; these come from a fixed seed.
What the fuzzer itself has found beside them (found-*) stays as it is.
"""

import gzip
import io
import json
import random
import struct
from pathlib import Path

import numpy as np
from safetensors.numpy import save as safetensors

ROOT = Path(__file__).resolve().parent / "seeds"


def seed(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def parser(which, options, name, data):
    seed("parsers", name, bytes([which, options]) + data)


def npy(array, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def npz(save, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def idx(kind, array, letter):
    head = bytes([0, 0, kind, array.ndim]) + b"".join(struct.pack(">I", n) for n in array.shape)
    return head + array.astype(letter).tobytes()


def checkpoint(tensors, notes):
    return safetensors(tensors, metadata={"format": "pt", **notes})


def parsers():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    parser(0, 0, "safetensors-one", safetensors({"x": x}))
    parser(0, 0, "safetensors-many", safetensors({
        "half": x.astype(np.float16), "double": x.astype(np.float64), "whole": np.array(-7), "truth": x > 2,
        "byte": x.astype(np.uint8), "empty": np.zeros((0, 3), np.int16),
    }, metadata={"by": "a seed"}))
    head = json.dumps({"b": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    parser(0, 0, "safetensors-bfloat", struct.pack("<Q", len(head)) + head + b"\x80\x3f\xc0\x7f")

    parser(1, 0, "npy-f4", npy(x))
    parser(1, 0, "npy-fortran", npy(np.asfortranarray(x.astype(np.float64))))
    parser(1, 0, "npy-big-endian", npy(x.astype(">i4"), (2, 0)))
    parser(1, 0, "npy-scalar", npy(np.array(True), (3, 0)))
    parser(1, 0, "npy-empty", npy(np.zeros((3, 0), np.float16)))
    parser(2, 0, "npz-stored", npz(np.savez, x=x, y=np.arange(3)))
    parser(2, 0, "npz-deflated", npz(np.savez_compressed, x=np.zeros((4, 5)), t=x > 2))

    pictures = idx(0x08, np.arange(8).reshape(2, 2, 2), ">u1")
    parser(3, 0, "idx-pictures", pictures)
    parser(3, 0, "idx-pictures-gz", gzip.compress(pictures, mtime=0))
    parser(3, 0, "idx-classes", idx(0x08, np.array([1, 0]), ">u1"))
    parser(3, 0, "idx-f4", idx(0x0d, np.array([1.5, -2.0]), ">f4"))
    parser(3, 0, "idx-f8", idx(0x0e, np.array([[1.5], [-2.0]]), ">f8"))
    parser(3, 0, "idx-i2-gz", gzip.compress(idx(0x0b, np.array([3, -4]), ">i2"), mtime=0))

    parser(4, 1, "table-classes", b"weight,height,label\n4.5,25,0\n30,60,1\n")
    parser(4, 1 | 3 << 3 | 1 << 5 | 1 << 7, "table-names", b'kind,colour,size\n"a ""cat""",red,1\ndog,"blue\ngreen",2.5\n')
    parser(4, 0 | 1 << 1 | 1 << 3, "table-plain", b"2.5;1e3;-0\r\n-1;0;7\r\n")
    parser(4, 1 | 2 << 1 | 2 << 3 | 1 << 6, "table-tabs", b"a\tb\tc\nx\tjunk\t3\ny\tjunk\t4\n")

    weights = {"weight": x, "bias": np.zeros(2, np.float32)}
    parser(5, 0, "checkpoint-model", checkpoint(weights, {}))
    parser(5, 1, "checkpoint-model-f64", checkpoint({n: w.astype(np.float64) for n, w in weights.items()}, {}))
    moments = {f"optimizer/{n}/{m}": w for m in ("exp_avg", "exp_avg_sq") for n, w in weights.items()}
    notes = {f"optimizer/{n}/{what}": "1" for n in weights for what in ("step", "product")}
    parser(5, 16, "checkpoint-run", checkpoint(
        {**weights, **moments, "epoch": np.array(4)},
        {"optimizer/lr": "0.1", "optimizer/momentum": "0.9", **notes, "schedule/t": "3", "schedule/base.0": "0.5",
         "plateau/best": "inf", "plateau/bad_epochs": "2", "plateau/cooling": "0"},
    ))

    parser(6, 0, "json-matrix", b'{"shape":[2,2],"data":[1,2.5,-3e-2,4]}')
    parser(6, 0, "json-truth", b'{"shape":[2],"data":[true,false]}')
    parser(7, 2, "equation-product", b"ij,jk->ik")
    parser(7, 3, "equation-dots", b"...i, i..., j...k -> ...k")
    parser(7, 1, "equation-diagonal", b"ij -> ji")


def programs(target, sizes):
    draw = random.Random(target)
    for i, size in enumerate(sizes):
        seed(target, f"program-{i:02}", draw.randbytes(size))


if __name__ == "__main__":
    parsers()
    for target in ("tensor_ops", "gradients", "losses"):
        programs(target, [24, 48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512])
