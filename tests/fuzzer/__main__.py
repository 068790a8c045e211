"""`python -m tests.fuzzer`: cases of every kind in turn until the time is over, then what was found."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import count
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "COLUMNS": "120", "NO_COLOR": "1"}

import cv2
import torch

from edgeunet import cli
from tests.fuzzer.arguments import odd_arguments
from tests.fuzzer.judge import STATES, Verdict, judged
from tests.fuzzer.kinds import KINDS, prepare
from tests.fuzzer.seeds import write_seeds

ARGUMENTS = "arguments"


def main() -> int:
    """0 if every end was a clean one, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rounds", type=int, help="that many cases of each kind, if the time is enough")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="some of them, with commas between", default=",".join((*KINDS, ARGUMENTS)))
    parser.add_argument("--case", metavar="KIND:NUMBER", help="only this case, with all that it says")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # keeps the machine alive
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _load_all()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder = Path(tempfile.mkdtemp(prefix="edgeunet-faults-"))
    write_seeds(folder / "seeds")
    if options.case:
        name, _, number = options.case.partition(":")
        verdict, line = case(name, f"{options.seed}:{name}:{number}", folder)
        print(f"{line!r}\n{verdict.said}{verdict.state} {verdict.why}")
        return int(verdict.state != "clean")
    found = fuzz(options, folder)
    if found:
        print(f"the inputs of each fault: {folder}")
    else:
        shutil.rmtree(folder)
    return int(found)


def fuzz(options: argparse.Namespace, folder: Path) -> bool:
    """Run cases, print each fault once and a table; whether there was any fault."""
    states: dict[str, Counter[str]] = defaultdict(Counter)
    faults: Counter[tuple[str, str]] = Counter()
    end = time.monotonic() + options.seconds
    numbers = range(options.rounds) if options.rounds else count()
    for number, name in ((number, name) for number in numbers for name in options.kinds.split(",")):
        if time.monotonic() >= end:
            break
        verdict, line = case(name, f"{options.seed}:{name}:{number}", folder)
        states[name][verdict.state] += 1
        if verdict.state == "clean":
            continue
        fault = (verdict.state, verdict.why)
        faults[fault] += 1
        if faults[fault] == 1:
            again = f"--seed {options.seed} --case {name}:{number}"
            print(f"{verdict.state}: {verdict.why}\n  {again}   {line[:200]!r}", flush=True)
            shutil.copytree(folder / "case", folder / f"{name}-{number}", symlinks=True)
    _print_table(states, faults)
    return bool(faults)


def case(name: str, seed: str, folder: Path) -> tuple[Verdict, str]:
    """One case in a new folder/case; its verdict, and its command line."""
    rng, place = random.Random(seed), folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    words = prepare(rng, folder / "seeds", place, None if name == ARGUMENTS else KINDS[name])
    if name == ARGUMENTS:
        words = odd_arguments(rng)
    return judged(_edgeunet(words), words, place), " ".join(words)


def _load_all() -> None:
    """All that commands import, once: each case is a fork of this process."""
    for name in ("matplotlib.pyplot", "onnxruntime", "openvino", "scipy.stats"):
        importlib.import_module(name)
    for name in ("edgeunet", "edgeunet_export", "edgeunet_bench"):
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)


def _edgeunet(words: list[str]) -> Callable[[], None]:
    def target() -> None:
        sys.argv = ["edgeunet", *words]
        cli.main()

    return target


def _print_table(states: dict[str, Counter[str]], faults: Counter[tuple[str, str]]) -> None:
    print(f"{'kind':12}" + "".join(f"{state:>10}" for state in ("tried", *STATES)))
    for name, counts in (*states.items(), ("total", sum(states.values(), Counter[str]()))):
        print(f"{name:12}{counts.total():10}" + "".join(f"{counts[state]:10}" for state in STATES))
    for (state, why), times in faults.most_common():
        print(f"{times:5} × {state}: {why}")


if __name__ == "__main__":
    sys.exit(main())
