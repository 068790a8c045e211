"""The networks that the import is shown with, and how each is made and given to `edgeunet import`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onnx import TensorProto

from tests.export.foreign.foreign_models import CLASSES, NetworkFile

SIZE = (128, 160)
IMAGENET = "--rgb --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
YOLO_PYTHON = Path(".venv-yolo/bin/python")
BY_HAND = "written by hand"
Make = Callable[[str, Path], str]
"""Write what the import of a network needs into a folder; gives the arguments."""


class NotInstalledError(Exception):
    """What a network needs cannot be had on this machine."""


@dataclass(frozen=True)
class Source:
    """A network. title: for people. package: that it comes from. form: how it is given. way: how it is fed."""

    title: str
    package: str
    form: str
    make: Make
    way: str = IMAGENET
    trained: bool = True


def _code(name: str, folder: Path) -> str:
    import torch

    from tests.networks.training import trained

    torch.save(trained(name).state_dict(), folder / "w.pt")
    return f"tests.networks.architectures:{name} --weights {folder / 'w.pt'}"


def _folder(name: str, folder: Path) -> str:
    from tests.networks.training import trained

    trained(name).save_pretrained(folder / "saved")  # type: ignore[operator]
    return str(folder / "saved")


def _torchscript(name: str, folder: Path) -> str:
    import torch

    from tests.networks.training import trained

    torch.jit.script(trained(name)).save(str(folder / "scripted.pt"))  # type: ignore[no-untyped-call]
    return str(folder / "scripted.pt")


def _onnx(name: str, folder: Path) -> str:
    """By torch's newer exporter, as it writes by default: opset 20."""
    import torch

    from tests.networks.training import trained

    torch.onnx.export(trained(name), (torch.zeros(1, 3, *SIZE),), folder / "n.onnx", dynamo=True, verbose=False)
    return str(folder / "n.onnx")


def _yolo(name: str, folder: Path) -> str:
    """Ultralytics' package is under AGPL: it runs in a Python of its own, and only its file is used."""
    if not YOLO_PYTHON.exists():
        raise NotInstalledError("ultralytics is not installed: make .venv-yolo/.ready")
    subprocess.run(
        [YOLO_PYTHON.absolute(), "-m", "tests.networks.write_yolo", folder / "n.onnx"], check=True, stdout=sys.stderr
    )
    return str(folder / "n.onnx")


def _keras(name: str, folder: Path) -> str:
    net = NetworkFile((None, *SIZE, 3), name="input_1").add("Transpose", perm=[0, 3, 1, 2])
    net.conv(16, stride=2).add("Relu").conv(16).add("Relu").conv(CLASSES, kernel=1).enlarge(2)
    net.add("Transpose", perm=[0, 2, 3, 1]).add("Softmax", axis=-1).result("softmax")
    return str(net.save(folder / "n.onnx", opset=13, ir=7))


def _paddle(name: str, folder: Path) -> str:
    net = NetworkFile((None, 3, None, None), name="x").conv(16, stride=2)
    scaled = net.tensor
    net.add("HardSigmoid", alpha=1 / 6, beta=0.5).add("Mul", scaled).conv(16).add("Relu")
    net.conv(CLASSES, kernel=1).enlarge(2).add("ArgMax", axis=1, keepdims=0).result("argmax", TensorProto.INT64)
    return f"{net.save(folder / 'n.onnx', opset=13, ir=7)} --size {SIZE[0]}x{SIZE[1]}"


def _mmdeploy(name: str, folder: Path) -> str:
    net = NetworkFile((1, 3, *SIZE)).conv(16, stride=2).add("Relu").conv(16).add("Relu").conv(CLASSES, kernel=1)
    net.enlarge(2, "align_corners").add("ArgMax", axis=1, keepdims=1).result("output", TensorProto.INT64)
    return str(net.save(folder / "n.onnx", opset=13, ir=7))


def _smp(title: str, make: Make, form: str) -> Source:
    return Source(title, "segmentation_models.pytorch", form, make)


def _by_hand(title: str, make: Make, way: str) -> Source:
    return Source(title, BY_HAND, "ONNX, opset 13", make, way, trained=False)


_CODE, _SCRIPT, _SAVED = "code and weights", "TorchScript", "folder of save_pretrained()"
SOURCES = {
    "unet_resnet18": _smp("Unet, resnet18", _code, _CODE),
    "unet_mobilenet_v2": _smp("Unet, mobilenet_v2", _folder, _SAVED),
    "unet_efficientnet_b0": _smp("Unet, efficientnet-b0", _onnx, "ONNX, opset 20"),
    "unet_mobilenetv3": _smp("Unet, timm's mobilenetv3", _code, _CODE),
    "unet_mit_b0": _smp("Unet, mit_b0", _onnx, "ONNX, opset 20"),
    "fpn_resnet18": _smp("FPN, resnet18", _code, _CODE),
    "fpn_efficientnet_b0": _smp("FPN, efficientnet-b0", _folder, _SAVED),
    "fpn_mit_b0": _smp("FPN, mit_b0", _code, _CODE),
    "deeplabv3plus_resnet18": _smp("DeepLabV3+, resnet18", _onnx, "ONNX, opset 20"),
    "deeplabv3plus_mobilenet_v2": _smp("DeepLabV3+, mobilenet_v2", _code, _CODE),
    "deeplabv3plus_mobilenetv3": _smp("DeepLabV3+, timm's mobilenetv3", _folder, _SAVED),
    "lraspp": Source("LRASPP, mobilenet_v3_large", "torchvision", _SCRIPT, _torchscript),
    "deeplabv3": Source("DeepLabV3, mobilenet_v3_large", "torchvision", _CODE, _code),
    "segformer_b0": Source("SegFormer B0", "transformers", _SAVED, _folder),
    "yolo26n_sem": Source("YOLO26n-sem", "ultralytics", "ONNX of its own", _yolo, "--rgb --range 0:1", trained=False),
    "keras": _by_hand("NHWC with softmax, as Keras", _keras, "--rgb --range -1:1"),
    "paddleseg": _by_hand("class map, as PaddleSeg", _paddle, "--rgb --range -1:1"),
    "mmdeploy": _by_hand("class map, as mmdeploy", _mmdeploy, IMAGENET),
}
