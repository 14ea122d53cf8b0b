"""Lists what the compiler left out of the vector code of the benchmarks' programs.

    cargo bench -p benches --no-run
    python scripts/bench/vectors.py [PROGRAM...]

A closure or function that is not inlined into a kernel is compiled for no instruction set. It is right, and several times
slower; where it multiplies and adds, it calls a library's function for what is one instruction elsewhere. So whoever calls
that function stands in the wrong place.

Sums that a loop carries in registers, but writes to the stack in each turn, are those of which something that the compiler
does not know is asked after the loop, such as a slice: they are listed too.

Without programs, the newest of each benchmark is taken. Needs x86-64 and binutils (nm, readelf, objdump).
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
    counts = collections.Counter()
    for function, lines in functions(program):
        for _, line in lines if function not in FUSED else ():
            operands = re.search(r"(?:call|jmp)\s+([0-9a-f]+) |# ([0-9a-f]+) ", line)
            counts[function] += bool(operands and (operands[1] or operands[2]) in found)
    return +counts


def functions(program):
    """The functions of a program, each with the addresses and the text of its instructions."""
    name, lines = None, []
    for line in run("objdump", "-d", "-C", "--no-show-raw-insn", program).splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            if lines:
                yield name, lines
            name, lines = head[1], []
        elif part := re.match(r"\s*([0-9a-f]+):\s+(.*)$", line):
            lines.append((int(part[1], 16), part[2]))
    if lines:
        yield name, lines


def written(program):
    """How many sums that a loop carries each function writes to the stack in each turn."""
    counts = collections.Counter()
    for function, lines in functions(program):
        places = {address: i for i, (address, _) in enumerate(lines)}
        for end, (address, line) in enumerate(lines):
            jump = re.match(r"j[a-z]+\s+([0-9a-f]+) ", line)
            start = places.get(int(jump[1], 16), end) if jump else end
            turn = [line for _, line in lines[start:end]]
            # A loop of which no other is a part.
            if start < end and not any(line.startswith(("j", "call")) for line in turn):
                results = collections.Counter(m[1] for line in turn if (m := re.search(r",%([xyz]mm\d+)$", line)))
                sums = {m[1] for line in turn if (m := re.match(r"vfmadd231.*,%([yz]mm\d+)$", line)) and results[m[1]] == 1}
                stored = {m[1] for line in turn if (m := re.match(r"vmov[au]p[sd] %([yz]mm\d+),.*\(%rsp\)$", line))}
                counts[function] += len(sums & stored)
    return +counts


def main():
    programs = sys.argv[1:] or [p for bench in BENCHES if (p := newest(bench))]
    if not programs:
        sys.exit("no program is built: cargo bench -p benches --no-run")
    left_out, in_memory = set(), 0
    for program in programs:
        for function, n in callers(program).items():
            if function != EXPECTED:
                left_out.add(function)
                print(f"{pathlib.Path(program).name}: {n} in {function}")
        for function, n in written(program).items():
            in_memory += n
            print(f"{pathlib.Path(program).name}: {n} sums of a loop in memory in {function}")
    print(f"{len(programs)} programs, {len(left_out)} functions without vectors, {in_memory} sums in memory")
    sys.exit(bool(left_out or in_memory))


if __name__ == "__main__":
    main()
