"""An engine file of the fake TensorRT with its M.engine.json, and the machine it was built for."""

from __future__ import annotations

from pathlib import Path

from edgeunet.board.gpu import Gpu, version_of
from edgeunet.runtime.gpu.engine_file import EngineInfo, Machine, info_path
from edgeunet.spec import ModelSpec
from edgeunet.utils.files import sha256
from tests.fakes.tensorrt import FakeTensorRT, Tensor
from tests.models import toy_spec

ORIN = Gpu("Orin", "8.7", "12.6", memory_mib=62841, multiprocessors=16, integrated=True)  # an AGX Orin
"""CUDA calls the others the same, 8.7 too: Orin NX with 15388 MiB and 8, Orin Nano with 7618 MiB and 4."""


def machine_of(fake: FakeTensorRT) -> Machine:
    """An Orin with this version's bindings."""
    return Machine(version_of(fake.module), ORIN, "linux-aarch64")


def write_engine(path: Path, fake: FakeTensorRT, spec: ModelSpec | None = None) -> EngineInfo:
    """M.engine and M.engine.json, as built from M.onnx with optimisation level 5 on machine_of(fake)."""
    spec = spec or toy_spec()
    height, width = spec.input_size
    frame = Tensor("frame", "INPUT", "UINT8", (1, height, width, 3))
    path.write_bytes(fake.plan([frame, Tensor("mask", "OUTPUT", "UINT8", (1, height, width))]))
    info = EngineInfo(
        provider=fake.provider,
        tensorrt_version=fake.module.__version__,
        gpu=ORIN.name,
        compute_capability=ORIN.compute_capability,
        platform="linux-aarch64",
        flags=("STRONGLY_TYPED",),
        gpu_layers=(),
        onnx=path.with_suffix(".onnx").name,
        options=("--level", "5"),
        build_seconds=1.5,
        plan_sha256=sha256(path),
        spec=spec.with_provenance(precision="fp16", parent_sha256="0" * 64),
        gpu_memory_mib=ORIN.memory_mib,
        multiprocessors=ORIN.multiprocessors,
    )
    info.save(info_path(path))
    return info
