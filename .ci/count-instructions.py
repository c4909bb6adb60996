#!/usr/bin/env python3
"""Counts the instructions that each step of the hot path takes for a record, and compares them with the ones written down.

    .ci/count-instructions.py             fails where a step takes clearly more than bench/results/instructions.json says
    .ci/count-instructions.py --accept    writes what was counted there, after a change that is worth it

Instructions are the same on a busy machine and on an idle one, which seconds are not. They are counted by valgrind in
demo/examples/hot_path.rs, once for some records and once for more; the difference is what the records between took.
"""

import json
import os
import platform
import re
import subprocess
import sys

RESULTS = "bench/results/instructions.json"
# From the producer's draw to the consumer's count; `recount` is what verify does.
STEPS = ("produce", "request", "unpack", "decode", "fold", "recount")
FEW, MANY = 5_000, 15_000
# Hash tables are seeded anew in every process, and another processor may have other ways to copy memory.
TOLERANCE = 0.05


def built() -> str:
    """The program, built as `cargo run --release` builds everything."""
    build = ["cargo", "build", "--release", "--quiet", "--locked", "-p", "demo", "--example", "hot_path", "--message-format", "json"]
    lines = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    artifacts = [json.loads(line) for line in lines if line.startswith("{")]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == "hot_path")


def instructions(program: str, step: str, records: int) -> int:
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", program, step, str(records)]
    run = subprocess.run(valgrind, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r"Collected\s*:\s*(\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{' '.join(valgrind)} ended with {run.returncode}:\n{run.stderr}")
    return int(found[1])


def main() -> None:
    accept = sys.argv[1:] == ["--accept"]
    if sys.argv[1:] and not accept:
        sys.exit(__doc__)
    if platform.machine() not in ("x86_64", "AMD64"):
        print(f"    not compared: what is written down was counted on x86_64, and this is {platform.machine()}")
        return
    program = built()
    counted = {}
    for step in STEPS:
        few, many = (instructions(program, step, records) for records in (FEW, MANY))
        counted[step] = round((many - few) / (MANY - FEW))
    if accept:
        with open(RESULTS, "w", encoding="utf-8") as file:
            json.dump({"instructions_per_record": counted}, file, indent=2)
            file.write("\n")
        print(f"written: {RESULTS}: {counted}")
        return
    with open(RESULTS, encoding="utf-8") as file:
        known = json.load(file)["instructions_per_record"]
    worse, better = [], []
    for step, now in counted.items():
        change = now / known[step] - 1
        print(f"    {step:<8} {now:>6} instructions a record, {known[step]:>6} written down ({change:+.1%})")
        if abs(change) > TOLERANCE:
            (worse if change > 0 else better).append(step)
    if better:
        print(f"    {', '.join(better)}: better than written down; keep it by {sys.argv[0]} --accept")
    if worse:
        sys.exit(
            f"{', '.join(worse)}: more than {TOLERANCE:.0%} above {RESULTS}. Find out why; where it is worth it: "
            f"{sys.argv[0]} --accept, and say so in the commit"
        )


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    main()
