"""Runs the benchmarks of this workspace and of PyTorch in turn, and prints them side by side.

    python scripts/bench/compare.py [--rounds 3] [--large] [--peers] [--picture FILE.png] [PATTERN...]

Needs Python with torch, and matplotlib for the picture. Both sides run on the same threads, in rounds that take
turns, so that what else the machine does meets both. Of each case the median and the best of all samples are
compared; `machine` is what was reached of this machine's own limits, measured in the same run: the bandwidth of a
copy for what memory bounds, the multiply-adds of registers for products of matrices. `--peers` builds and runs the
programs of benches/peers/ too, which have some of the cases in candle and burn, and adds a column for each.
"""

import argparse
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys

HOME = pathlib.Path(__file__).resolve().parents[2]
FAMILIES = sorted(path.stem for path in (HOME / "benches" / "benches").glob("losses_*.rs"))
PEERS = HOME / "benches" / "peers" / "Cargo.toml"
LIBRARIES = ["candle", "burn"]
BENCHES = ["limits", "losses", *FAMILIES, "tensor", "matmul", "tape", "training"]


def cargo(bench, patterns, large, seconds):
    """Nanoseconds of each sample of each case of a bench target."""
    out = HOME / "target" / "criterion"
    before = {p: p.stat().st_mtime for p in out.glob("*/new/sample.json")}
    words = ["cargo", "bench", "--quiet", "-p", "benches", "--bench", bench, "--"]
    words += ["--warm-up-time", str(0.3 * seconds), "--measurement-time", str(seconds), "--noplot"]
    if patterns:
        words += ["|".join(map(re.escape, patterns))]
    env = os.environ | ({"BENCH_LARGE": "1"} if large else {})
    done = subprocess.run(words, cwd=HOME, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    found = {}
    for path in out.glob("*/new/sample.json"):
        if before.get(path) == path.stat().st_mtime:
            continue
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        sample = json.loads(path.read_text())
        found[name] = [t / n for t, n in zip(sample["times"], sample["iters"])]
    return dict(sorted(found.items(), key=lambda case: naturally(case[0])))


def naturally(name):
    """The order in which 64 comes before 1024, and 4096x10 before 4096x1000."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def pytorch(patterns, large, seconds):
    words = [sys.executable, str(HOME / "scripts" / "bench" / "pytorch.py"), "--seconds", str(seconds)]
    done = subprocess.run(words + (["--large"] if large else []) + patterns, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def peer(library, patterns, seconds):
    words = ["cargo", "run", "--quiet", "--release", "--locked", "--manifest-path", str(PEERS)]
    words += ["--bin", f"peer-{library}", "--", "--seconds", str(seconds), *patterns]
    env = os.environ | {"RAYON_NUM_THREADS": str(os.cpu_count())}
    return json.loads(subprocess.run(words, env=env, stdout=subprocess.PIPE, check=True).stdout)


def work(name):
    """What a case must at least do: ("bytes", n) moved between memory and the cores, or ("flops", n)."""
    group, kind, size = name.split("/")[0], name.split("/")[1], name.split("/")[-1]
    if group == "matmul":
        sizes = [int(n) for n in size.split("x")]
        m, k, n = sizes if len(sizes) == 3 else sizes * 3
        return "flops", 2 * m * k * n
    if kind.startswith("linear_cross_entropy"):
        n, d, v = map(int, size.split("x"))
        return "flops", 3 * 2 * n * d * v
    if group not in ("losses", "tensor"):
        return None
    numel = math.prod(float(n) for n in size.split("x"))
    if numel < 1e6:
        return None
    # Arrays of the operand's size that must be read or written once: inputs (read again in backward) and gradients.
    passes = {
        "cross_entropy": 3, "cross_entropy_smoothed": 3, "nll_log_softmax": 3, "cross_entropy_soft": 5,
        "kl_div_log_softmax": 5, "bce_with_logits": 5, "bce": 5, "mse": 5, "l1": 5, "smooth_l1": 5, "huber": 5,
        "cosine_embedding": 6, "triplet_margin": 9, "exp": 2, "tanh": 2, "sigmoid": 2, "add": 2, "softmax": 2,
        "log_softmax": 2, "add_transposed": 2, "channels_last": 2, "add_row": 2, "mul_column": 2, "softmax_of_pixels": 2,
        "cross_entropy_of_pixels": 3,
    }
    return "bytes", 4 * numel * passes.get(kind, 1)


def reached(name, nanoseconds, limits):
    needed = work(name)
    if needed is None or not all(limits.values()):
        return None
    return needed[1] / limits[needed[0]] / nanoseconds


def machine(samples):
    """Bytes and floating-point operations per nanosecond that the machine does at its best."""
    copy = samples.get("limits/copy/1e7")
    adds = [
        2 * math.prod(map(int, name.split("/")[-1].split("x"))) * os.cpu_count() / min(times)
        for name, times in samples.items()
        if name.startswith("limits/multiply_add/")
    ]
    return {"bytes": copy and 2 * 4 * 1e7 / min(copy), "flops": max(adds, default=None)}


def rows(ours, theirs, peers):
    limits = machine(ours)
    for name, mine in ours.items():
        torch = theirs.get(name)
        if not torch:
            continue
        mine_median, torch_median = statistics.median(mine), statistics.median(torch)
        yield {
            "name": name,
            "ours": mine_median,
            "pytorch": torch_median,
            "median": torch_median / mine_median,
            "best": min(torch) / min(mine),
            "machine": reached(name, min(mine), limits),
            "peers": {
                library: {"time": statistics.median(cases[name]), "best": min(cases[name]) / min(mine)}
                for library, cases in peers.items()
                if name in cases
            },
        }


def time(nanoseconds):
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        if nanoseconds < 1000 * size:
            break
    value = nanoseconds / size
    return f"{value:.{max(0, 2 - int(math.log10(max(value, 1))))}f} {unit}"


def table(found, libraries=()):
    more = "".join(f" {library} (ratio of best) |" for library in libraries)
    lines = [
        "| case | ours | PyTorch | ratio of medians | ratio of best | machine |" + more,
        "|---|---:|---:|---:|---:|---:|" + "---:|" * len(libraries),
    ]
    for row in found:
        share = "" if row["machine"] is None else f"{100 * row['machine']:.0f} %"
        others = [row["peers"].get(library) for library in libraries]
        others = [f" {time(other['time'])} ({other['best']:.1f}) |" if other else "  |" for other in others]
        lines.append(
            f"| `{row['name']}` | {time(row['ours'])} | {time(row['pytorch'])} | "
            f"{row['median']:.1f} | {row['best']:.1f} | {share} |{''.join(others)}"
        )
    return "\n".join(lines)


def picture(found, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = list(found)[::-1]
    figure, axis = plt.subplots(figsize=(9, 0.24 * len(found) + 1.2))
    colour = ["#2b7bba" if row["median"] >= 1 else "#d1603d" for row in found]
    places = range(len(found))
    axis.barh(places, [max(row["median"], 1e-3) for row in found], color=colour, height=0.7, label="ratio of medians")
    axis.plot([row["best"] for row in found], places, "k|", markersize=8, label="ratio of best times")
    axis.set_yticks(places, [row["name"] for row in found], fontsize=8)
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=0.8)
    ticks = [0.5, 1, 2, 5, 10, 20, 50]
    axis.set_xticks(ticks, [f"{t:g}×" for t in ticks])
    axis.minorticks_off()
    axis.set_ylim(-0.7, len(found) - 0.3)
    axis.set_xlabel("PyTorch's time / ours; right of 1 is faster than PyTorch")
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", help="only cases whose name contains one of these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each case, side and round")
    parser.add_argument("--large", action="store_true", help="also cases that need gigabytes or seconds")
    parser.add_argument("--peers", action="store_true", help="also candle and burn, from benches/peers/")
    parser.add_argument("--picture", help="where to draw the ratios")
    parser.add_argument("--json", help="where to keep the numbers")
    options = parser.parse_args()
    ours, theirs = {}, {}
    peers = {library: {} for library in LIBRARIES} if options.peers else {}
    if peers:
        subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", str(PEERS)], check=True)
    for turn in range(options.rounds):
        for bench in BENCHES:
            print(f"round {turn + 1} of {options.rounds}: {bench}", file=sys.stderr)
            wanted = [] if bench == "limits" else options.patterns
            mine = cargo(bench, wanted, options.large, options.seconds)
            for name, samples in mine.items():
                ours.setdefault(name, []).extend(samples)
            if bench != "limits" and mine:
                found = pytorch(list(mine), options.large, options.seconds)
                for name, samples in found["cases"].items():
                    theirs.setdefault(name, []).extend(samples)
                for library, cases in peers.items():
                    for name, samples in peer(library, list(mine), options.seconds)["cases"].items():
                        cases.setdefault(name, []).extend(samples)
    found = list(rows(ours, theirs, peers))
    print(table(found, peers))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    if options.picture:
        picture(found, options.picture)


if __name__ == "__main__":
    main()
