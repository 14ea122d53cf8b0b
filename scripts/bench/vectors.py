"""Lists what the compiler left out of the vector code of the benchmarks' programs.

    cargo bench -p benches --no-run
    python scripts/bench/vectors.py [PROGRAM...]

A closure or function that is not inlined into a kernel is compiled for no instruction set. It is right, and several times
slower; where it multiplies and adds, it calls a library's function for what is one instruction elsewhere. So whoever calls
that function stands in the wrong place. Without programs, the newest of each benchmark is taken. Needs x86-64 and binutils
(nm, readelf, objdump).
"""

import collections
import pathlib
import re
import subprocess
import sys

from compare import BENCHES, HOME

FUSED = ("fma", "fmaf")
# A kernel within a kernel has a way for machines without fused multiply-add, on which nothing takes it: the one around it
# is not compiled for them.
EXPECTED = "tensor_core::kernel::dispatch::dispatch"


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout


def newest(bench):
    programs = HOME.joinpath("target", "release", "deps").glob(f"{bench}-*")
    programs = [p for p in programs if not p.suffix]
    return max(programs, key=lambda p: p.stat().st_mtime, default=None)


def callers(program):
    """How often each function of a program refers to a fused multiply-add that is a call."""
    names = run("nm", program)
    found = [m[1] for name in FUSED if (m := re.search(rf"^0*([0-9a-f]+) [tT] {name}$", names, re.M))]
    # Most calls go by a table of addresses.
    table = run("readelf", "-rW", program)
    for address in list(found):
        found += re.findall(rf"^0*([0-9a-f]+) .*R_X86_64_RELATIVE\s+{address}$", table, re.M)
    counts, function = collections.Counter(), None
    for line in run("objdump", "-d", "-C", "--no-show-raw-insn", program).splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = head[1]
        elif function not in FUSED:
            operands = re.search(r"(?:call|jmp)\s+([0-9a-f]+) |# ([0-9a-f]+) ", line)
            if operands and (operands[1] or operands[2]) in found:
                counts[function] += 1
    return counts


def main():
    programs = sys.argv[1:] or [p for bench in BENCHES if (p := newest(bench))]
    if not programs:
        sys.exit("no program is built: cargo bench -p benches --no-run")
    left_out = collections.Counter()
    for program in programs:
        for function, n in callers(program).items():
            if function != EXPECTED:
                left_out[function] += n
                print(f"{pathlib.Path(program).name}: {n} in {function}")
    print(f"{len(programs)} programs, {len(left_out)} functions without vectors")
    sys.exit(bool(left_out))


if __name__ == "__main__":
    main()
