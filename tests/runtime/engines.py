"""The toy model as an engine file, which the fake TensorRT runs on the fake driver, in the stream it is given."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.runtime.gpu.engine_file import info_path
from edgeunet.spec import ModelSpec
from edgeunet.utils.files import sha256
from tests.fakes.engine import machine_of, write_engine
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import FakeTensorRT, Tensor
from tests.models import toy_mask, toy_spec, toy_trust

SIZE = (32, 48)
FRAME = Tensor("frame", "INPUT", "UINT8", (1, *SIZE, 3))
MASK = Tensor("mask", "OUTPUT", "UINT8", (1, *SIZE))
LOGITS = Tensor("logits", "OUTPUT", "FLOAT", (1, 3, *SIZE))
CONFIDENCE = Tensor("confidence", "OUTPUT", "UINT8", (1, *SIZE))
FAMILIARITY = Tensor("familiarity", "OUTPUT", "FLOAT", (1,))


def write_toy_engine(path: Path, trt: FakeTensorRT, tensors: Sequence[Tensor], spec: ModelSpec | None = None) -> Path:
    """An engine of these inputs and outputs, with its M.engine.json."""
    info = write_engine(path, trt)
    path.write_bytes(trt.plan(tensors))
    replace(info, plan_sha256=sha256(path), spec=spec or toy_spec(SIZE)).save(info_path(path))
    return path


def install_tensorrt(trt: FakeTensorRT, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, channels: int = 3) -> None:
    """Let `import tensorrt` give the fake, on the machine its engines are for, and let it compute the toy model."""

    def execute(addresses: Mapping[str, int], stream: int) -> bool:
        frames = trt.frames
        return cuda.put(stream, lambda: _toy_model(addresses, frames, channels))

    trt.on_execute = execute
    monkeypatch.setitem(sys.modules, trt.provider, trt.module)
    machine = machine_of(trt)
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", lambda: machine.gpu)
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.platform.machine", lambda: "aarch64")
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.sys.platform", "linux")


def _toy_model(addresses: Mapping[str, int], frames: int, channels: int) -> None:
    batch = _at(addresses["frame"], np.zeros((frames, *SIZE, channels), np.uint8))
    if "mask" in addresses:
        _at(addresses["mask"], np.zeros((frames, *SIZE), np.uint8))[:] = [toy_mask(frame) for frame in batch]
    if "logits" in addresses:
        _at(addresses["logits"], np.zeros((frames, 3, *SIZE), np.float32))[:] = batch.transpose(0, 3, 1, 2)
    if "confidence" in addresses:
        confidence, familiarity = zip(*map(toy_trust, batch), strict=True)
        _at(addresses["confidence"], np.zeros((frames, *SIZE), np.uint8))[:] = confidence
        _at(addresses["familiarity"], np.zeros(frames, np.float32))[:] = familiarity


def _at(address: int, like: NDArray[Any]) -> NDArray[Any]:
    """The array of this shape and dtype that lies at an address."""
    memory = (ctypes.c_char * like.nbytes).from_address(address)
    return np.frombuffer(memoryview(memory), like.dtype).reshape(like.shape)
