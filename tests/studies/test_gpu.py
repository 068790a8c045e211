from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from benchmarks.studies import gpu
from benchmarks.studies.study import app_of
from benchmarks.studies.torch_gpu import TorchFloat16
from edgeunet import samples
from edgeunet.board.gpu import find_gpu
from edgeunet.errors import GpuError
from edgeunet.evaluation.metrics import agreement
from edgeunet.imaging.letterbox import UInt8
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import NormalisedUNet, UNetConfig
from tests.export.networks import save_network
from tests.models import toy_spec

FRAMES = [np.zeros((4, 4, 3), np.uint8)]


class Clock:
    """A clock that only runs while an arm works, and the arms that worked."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.calls = ""

    def arm(self, name: str, whole_ns: int, **stages: int) -> Callable[[UInt8], Mapping[str, int]]:
        def run(frame: UInt8) -> Mapping[str, int]:
            self.calls += name
            self.now_ns += whole_ns
            return stages

        return run


def test_arms_take_turns_and_every_round_has_its_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(gpu, "CALLS", 5)
    monkeypatch.setattr("time.perf_counter_ns", lambda: clock.now_ns)
    arms = {
        gpu.FP16: clock.arm("a", 5_000_000, h2d=1_000_000, resize=700_000, infer=2_000_000, d2h=1_000_000),
        gpu.PLAIN: clock.arm("b", 6_000_000, infer=3_000_000),
        gpu.EAGER: clock.arm("c", 15_000_000),
    }
    result = gpu.measure(arms, FRAMES, rounds=3)
    assert clock.calls[3 * gpu.WARMUP_CALLS :] == 3 * "aaaaabbbbbccccc"
    assert {name: facts["frames"] for name, facts in result["arms"].items()} == dict.fromkeys(arms, 15)
    assert result["arms"][gpu.FP16]["whole_ms"] == {"p50": 5, "p90": 5, "p99": 5}
    assert result["arms"][gpu.FP16]["stages_ms"] == {"h2d": 1, "resize": 0.7, "infer": 2, "d2h": 1}
    assert result["ratios"] == {"plain enqueue / graph replay": [1.2] * 3, "torch eager / fp16": [3] * 3}
    # The fitting kernel is no part of engine and copies; PyTorch tells no stages.
    assert result["overheads"] == {gpu.FP16: [1.25] * 3, gpu.PLAIN: [2] * 3}
    assert result["overheads_us"] == {gpu.FP16: [1000] * 3, gpu.PLAIN: [3000] * 3}


@pytest.mark.parametrize(
    ("engine_us", "overhead_us", "shown"),
    [
        (400, 60, ("60", "1.150", "")),  # the CPU's part alone would miss the goal
        (2000, 60, ("60", "1.030", "met")),
        (2000, 200, ("200", "1.100", "missed")),
    ],
)
def test_the_overhead_of_a_small_engine_is_told_and_not_judged(
    engine_us: int, overhead_us: int, shown: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter_ns", lambda: clock.now_ns)
    arm = clock.arm("a", 1000 * (engine_us + overhead_us), infer=1000 * engine_us)
    result = gpu.measure({gpu.FP16: arm, gpu.EAGER: clock.arm("b", 5_000_000)}, FRAMES, rounds=1)
    assert gpu.overhead(result, gpu.FP16) == shown
    assert gpu.overhead(result, gpu.EAGER) == ("", "", "")


def test_where_torch_cannot_compile_the_eager_arm_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Jetson, which has no Triton: torch.compile fails at the first frame."""

    class Torch:
        spec = toy_spec()

        def __init__(self, checkpoint: Path, *, compiled: bool) -> None:
            self.compiled = compiled

        def run(self, frame: UInt8) -> None:
            if self.compiled:
                raise RuntimeError("Cannot find a working\ntriton installation")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("benchmarks.studies.torch_gpu.TorchFloat16", Torch)
    runs, skipped = gpu.torch_runs(Path("net.pt"))
    assert list(runs) == [gpu.EAGER]
    assert skipped == f"{gpu.COMPILED}: Cannot find a working triton installation"


def test_pytorch_in_float16_gives_the_masks_of_float32(tmp_path: Path) -> None:
    checkpoint = save_network(tmp_path / "net.pt", UNetConfig(5, (8, 16), up="nearest"), (64, 96))
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    net, spec = load_model(checkpoint)
    with torch.inference_mode():
        expected = NormalisedUNet(net, spec).masks(torch.from_numpy(frame[None])).numpy()[0]
    mask = TorchFloat16(checkpoint, compiled=False, device="cpu").run(frame)
    assert mask.shape == (64, 96)
    assert mask.dtype == np.uint8
    assert len(np.unique(expected)) > 1
    assert agreement(mask, expected) > 0.99


def test_without_a_gpu_it_refuses_and_writes_nothing(tmp_path: Path) -> None:
    try:
        find_gpu()
    except GpuError:
        pass
    else:
        pytest.skip("there is a GPU here")
    output = tmp_path / "gpu.json"
    result = CliRunner().invoke(app_of(gpu.main), ["net.pt", str(samples.DATASET), "-o", str(output)])
    assert isinstance(result.exception, GpuError)
    assert not output.exists()
