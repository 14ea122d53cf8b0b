"""Models from PyTorch to this library and back, through safetensors files.

Two models, one of pictures and one of sequences, are made here as in
crates/nn/tests/all/common/models.rs. PyTorch's parameters are loaded by the program
crates/nn/examples/pytorch_roundtrip.rs and those of that program by PyTorch, strictly: every
name and shape must be right. Outputs must agree to 1e-6 both ways, and what was read and
written again must be the same bits. Files in half precision are read too.

    python scripts/pytorch_roundtrip.py             # check; needs torch and safetensors
    python scripts/pytorch_roundtrip.py --fixtures  # and write crates/nn/fixtures/pytorch
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "crates" / "nn" / "fixtures" / "pytorch"


def pictures():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(64, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 10))


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.RMSNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x, _ = self.lstm(self.embedding(x.long()))
        x = self.norm(x + self.attention(x, x, x)[0])
        return self.head(x.mean(1))


def close(what, ours, theirs, tolerance=1e-6):
    assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
    off = (ours - theirs).abs().max().item()
    print(f"{what}: outputs differ by at most {off:.1e}")
    assert off <= tolerance, what


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", action="store_true", help="keep the small files that tests read")
    keep = parser.parse_args().fixtures
    torch.manual_seed(0)
    models = {"pictures": (pictures(), torch.randn(5, 1, 8, 8)), "reader": (Reader(), torch.randint(0, 12, (5, 7)).float())}
    with tempfile.TemporaryDirectory() as folder:
        file = lambda name, what: Path(folder) / f"{name}.{what}.safetensors"
        right = {}
        for name, (model, x) in models.items():
            # Running means of something, and no parameter that is still 0 or 1.
            for p in model.parameters():
                p.data += 0.1 * torch.randn_like(p)
            model(x)
            model.eval()
            state = model.state_dict()
            with torch.no_grad():
                right[name] = model(x)
            save_file(state, file(name, "torch"))
            half = torch.bfloat16 if name == "reader" else torch.float16
            save_file({k: v.to(half) if v.is_floating_point() else v for k, v in state.items()}, file(name, "half"))
            save_file({"input": x}, file(name, "input"))
        subprocess.run(["cargo", "run", "--quiet", "-p", "nn", "--example", "pytorch_roundtrip", "--", folder], cwd=ROOT, check=True)
        for name, (model, x) in models.items():
            outputs, state = load_file(file(name, "outputs")), model.state_dict()
            close(f"{name}, PyTorch's parameters", outputs["torch"], right[name])
            close(f"{name}, PyTorch's in half precision", outputs["half"], right[name], 0.05)
            copy = load_file(file(name, "copy"))
            assert copy.keys() == state.keys(), copy.keys() ^ state.keys()
            for key, value in state.items():
                assert value.dtype == copy[key].dtype and torch.equal(value, copy[key]), key
            with safe_open(file(name, "copy"), framework="pt") as opened:
                assert opened.metadata()["format"] == "pt"
            other = type(model)() if name == "reader" else pictures()
            other.load_state_dict(load_file(file(name, "rust")), strict=True)
            other.eval()
            with torch.no_grad():
                close(f"{name}, this library's parameters", outputs["rust"], other(x))
        if keep:
            FIXTURES.mkdir(parents=True, exist_ok=True)
            for name in models:
                shutil.copy(file(name, "torch"), FIXTURES / f"{name}.safetensors")
                save_file({"input": models[name][1], "output": right[name]}, FIXTURES / f"{name}.outputs.safetensors",
                          metadata={"made_by": "scripts/pytorch_roundtrip.py", "torch": torch.__version__.split("+")[0]})
    print("both ways are right")


if __name__ == "__main__":
    main()
