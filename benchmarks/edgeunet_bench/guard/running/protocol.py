"""The protocol between guard and arm: lines on the arm's standard input and output.

    arm   → ready {"threads": "2"}      once, when it is warm; what follows the word, a JSON object, may be missing
    guard → 25                          calls to make
    arm   → 0.612 0.598 …               ms, as many

An arm ends when its input ends. Any program can speak this, in any language: `edgeunet bench compare --turns`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from edgeunet.errors import EdgeUNetError

READY = "ready"
FAILED = "failed"
"""Printed instead of READY, with a line that explains: edgeunet's own arm found an error that the user can fix."""


@contextmanager
def answers() -> Iterator[TextIO]:
    """Keep standard output for answers; what libraries print goes to standard error. Prints FAILED after an error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        except EdgeUNetError as error:
            print(FAILED, error, file=out, flush=True)


def serve(out: TextIO, about: Mapping[str, str], call: Callable[[int], float]) -> None:
    """Answer until standard input ends. call(i): make call number i, and give its time in ms."""
    print(READY, json.dumps(dict(about)), file=out, flush=True)
    made = 0
    for line in sys.stdin:
        times = [call(made + i) for i in range(int(line))]
        made += len(times)
        print(*times, file=out, flush=True)
