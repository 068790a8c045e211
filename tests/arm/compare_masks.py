"""`python -m tests.arm.compare_masks X86 ARM`: masks that `predict` wrote on two processors, folder by folder.

`python -m tests.arm.compare_masks frames FOLDER` writes the sample frames at the network's size before that, as PNG, so
that both processors see the same values.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

SIZE = (128, 160)
"""(height, width) of the network that arm.sh trains."""

LEAST = {"fp32-onnxruntime": 100.0, "fp32-openvino": 100.0, "int8-onnxruntime": 99.8, "int8-openvino": 99.5}
"""Per cent of the pixels that have the same class on both, at least."""


def main(x86: Path, arm: Path) -> int:
    """A line for each folder; gives the exit code, 1 if one agrees too little."""
    bad = False
    for name, least in LEAST.items():
        files = sorted(file.name for file in (x86 / name).glob("*.mask.png"))
        one, other = (
            np.stack([np.asarray(cv2.imread(str(side / name / file), 0)) for file in files]) for side in (x86, arm)
        )
        same, differ = 100 * float((one == other).mean()), int((one != other).sum())
        verdict = "" if same >= least else "   TOO LITTLE"
        said = f"{name}: {same:.3f} % as on x86-64, {differ} of {one.size:,} pixels differ; at least {least} %{verdict}"
        sys.stdout.write(f"   {said}\n")
        bad |= same < least
    return int(bad)


def write_frames(folder: Path) -> None:
    """The sample frames, uint8 [128, 160, 3]."""
    for image in sorted(Path("edgeunet/samples/road/images").glob("*/*.jpg")):
        frame = cv2.resize(np.asarray(cv2.imread(str(image)), np.uint8), SIZE[::-1], interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{image.stem}.png"), frame)


if __name__ == "__main__":
    if sys.argv[1] == "frames":
        write_frames(Path(sys.argv[2]))
    else:
        sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
