"""Makes one network as a model file, with the exporter of a tree: `network OUTPUT.onnx`.

Untrained: the weights are random, from a fixed seed, and the time does not depend on them. Its shape is written out,
because a preset of the same name may be another network in the other tree.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from edgeunet.data.dataset import DatasetFolder
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.samples import DATASET
from edgeunet.spec import ModelSpec
from edgeunet_export.export_onnx import ExportOptions, export_onnx

SIZE = (256, 320)  # what `make demo` chooses
FEATURES = (8, 16, 32, 64)


def main() -> None:
    output = Path(sys.argv[3])
    spec = ModelSpec(DatasetFolder.open(DATASET).classes, SIZE)
    torch.manual_seed(0)
    net = UNet(UNetConfig(spec.logits, FEATURES, up="nearest"))
    with torch.no_grad():  # one class is larger: with equal logits, rounding alone would change the order
        net.get_parameter("out.bias")[0] += 1.0
    checkpoint = output.with_suffix(".pt")
    save_checkpoint(checkpoint, net.eval(), spec)
    export_onnx(checkpoint, output, ExportOptions(), data=None, split="", force=True)
