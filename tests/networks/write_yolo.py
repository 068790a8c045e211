"""`python -m tests.networks.write_yolo FILE`: YOLO26n-sem as ONNX, random weights, in the Python of ultralytics.

The package is under AGPL-3.0: it runs as a program of its own, and nothing of it is kept here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.studies.peers.peer_program import define_operators

HEIGHT, WIDTH = 128, 160
NAMES = ("road", "lane_markings", "undrivable", "movable", "my_car")


def main(target: Path) -> None:
    define_operators()
    import torch
    import yaml
    from ultralytics import YOLO
    from ultralytics.utils import ROOT

    torch.manual_seed(0)
    target = target.absolute()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        (described,) = (ROOT / "cfg" / "models" / "26").glob("yolo26-sem.yaml")
        network = yaml.safe_load(described.read_text()) | {"nc": len(NAMES)}
        Path("yolo26n-sem.yaml").write_text(yaml.safe_dump(network))
        model = YOLO("yolo26n-sem.yaml")
        model.model.names = dict(enumerate(NAMES))
        Path(model.export(format="onnx", imgsz=(HEIGHT, WIDTH), simplify=False)).replace(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
