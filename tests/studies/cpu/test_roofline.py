from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.studies.cpu import frame_to_mask, roofline
from edgeunet.network.complexity import complexity
from edgeunet.network.unet import preset

pytest.importorskip("openvino")


@pytest.mark.parametrize("precision", roofline.BYTES)
def test_the_convolutions_run_in_their_precision(precision: str) -> None:
    layers = [op.get_rt_info() for op in roofline.compiled(precision).get_runtime_model().get_ops()]
    kinds = {layer["runtimePrecision"].value for layer in layers if layer["layerType"].value == "Convolution"}
    assert kinds == {"u8" if precision == "int8" else "f32"}


@pytest.mark.slow
def test_every_network_is_held_against_the_lower_of_two_roofs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(frame_to_mask, "SIZE", (32, 48))
    monkeypatch.setattr(roofline, "SIZE", (32, 48))
    monkeypatch.setattr(roofline, "NETWORKS", ("nano",))
    monkeypatch.setattr(roofline, "COPIED", 1 << 20)
    output = tmp_path / "roofline.json"
    roofline.main(output, rounds=1)
    found = json.loads(output.read_text())
    for precision in roofline.BYTES:
        network = found["networks"][f"nano {precision}"]
        assert network["roof"] == pytest.approx(
            min(found["peak_operations"][precision], network["intensity"] * found["peak_bandwidth"])
        )
        assert network["share"] == pytest.approx(network["reached"] / network["roof"])
        flops = complexity(preset("nano", 5), (32, 48)).flops
        assert network["reached"] * network["ms"] * 1e6 == pytest.approx(flops)


def test_the_numbers_of_a_convolution_are_its_input_output_and_weights(tmp_path: Path) -> None:
    path = tmp_path / "convolutions.onnx"
    path.write_bytes(roofline.convolutions("fp32"))
    plane = roofline.CHANNELS * roofline.SIDE**2
    assert roofline.numbers_of(path) == roofline.DEPTH * (2 * plane + 9 * roofline.CHANNELS**2)
