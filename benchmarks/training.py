"""Images a second of training steps: plain fp32 against bf16 autocast, channels-last, and both.

    python -m benchmarks.training -o benchmarks/results/training.json

All arms take turns in every round, so that a busy moment of the machine hits them alike.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from edgeunet.board.fingerprint import fingerprint
from edgeunet.console import stdout
from edgeunet.files import require_free, write_json
from edgeunet.model import UNet, preset
from edgeunet.training.losses import make_loss

CLASSES, BATCH, SIZE = 5, 8, (256, 320)
ARMS = {
    "fp32": (False, False),
    "channels-last": (False, True),
    "bf16": (True, False),
    "bf16, channels-last": (True, True),
}


class Arm:
    """One way of running the same training step on the same random batch."""

    def __init__(self, name: str, *, bf16: bool, channels_last: bool) -> None:
        torch.manual_seed(0)
        self._bf16 = bf16
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._net = UNet(preset(name, CLASSES)).to(memory_format=layout)  # type: ignore[call-overload]
        self._frames = torch.randn(BATCH, 3, *SIZE).contiguous(memory_format=layout)
        self._masks = torch.randint(0, CLASSES, (BATCH, *SIZE), dtype=torch.uint8)
        self._optimizer = torch.optim.AdamW(self._net.parameters())
        self._loss = make_loss("ce+dice")

    def step(self) -> float:
        """One optimiser step; its time in seconds."""
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            logits = self._net(self._frames)
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(logits, self._masks).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return time.perf_counter() - begin


def main() -> None:
    """Measure and print; see the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="+", default=["nano", "small"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args()
    if options.output:
        require_free(options.output, force=options.force)
    result = {}
    for model in options.models:
        arms = {name: Arm(model, bf16=bf16, channels_last=last) for name, (bf16, last) in ARMS.items()}
        for arm in arms.values():
            arm.step()  # the first one allocates
        times = np.array([[arm.step() for arm in arms.values()] for _ in range(options.rounds)])
        rates = dict(zip(arms, BATCH / np.median(times, axis=0), strict=True))
        ratios = dict(zip(arms, np.median(times[:, :1] / times, axis=0), strict=True))
        result[model] = {n: {"images_per_s": round(rates[n], 2), "ratio": round(float(ratios[n]), 3)} for n in arms}
        for name in arms:
            stdout().print(f"{model:6} {name:20} {rates[name]:6.1f} images/s  {ratios[name]:.2f} × fp32")
    if options.output:
        session = {"backend": "torch", "version": torch.__version__, "threads": str(torch.get_num_threads())}
        command = f"python -m benchmarks.training --models {' '.join(options.models)} --rounds {options.rounds}"
        value = {"command": command, "batch": BATCH, "size": SIZE, "models": result, "machine": fingerprint(session)}
        write_json(options.output, value, force=options.force)


if __name__ == "__main__":
    main()
