"""The DLA, a fixed-function accelerator of some Jetson boards: which TensorRT builds for it, and how.

By NVIDIA's "Working with DLA" and "Strongly Typed Networks for DLA" (TensorRT 11.4.1).
"""

from __future__ import annotations

from typing import Any

from edgeunet.board.gpu import dla_typing, version_of
from edgeunet.errors import GpuError


def typing_of(trt: Any) -> str:
    """ "weak" or "strong": how these bindings' networks are typed for a DLA. Raises GpuError if they have none."""
    typing = dla_typing(version_of(trt))
    if not typing:
        raise GpuError(
            f"TensorRT {trt.__version__} has no DLA: leave out --dla (TensorRT 10.3 to 10.7 has it, JetPack 6, on AGX "
            "Orin and Orin NX; and 11.4.1 or later with JetPack 7.2.2 or later, on AGX Orin)"
        )
    return typing


def adjust(trt: Any, parser: Any) -> None:
    """Let the parser write layers so that a DLA can run them, where it can (a strongly typed network only).

    Not with REPORT_CAPABILITY_DLA, which refuses a file at the first layer that a DLA cannot run: the ends of every
    file of ours are such, a Cast of uint8 and ArgMax. `fallback` tells all of them.
    """
    parser.set_flag(trt.OnnxParserFlag.ADJUST_FOR_DLA)


def choose(trt: Any, builder: Any, config: Any, core: int) -> None:
    """Run on DLA core number `core`, and on the GPU what it cannot run. Raises GpuError if there is no such core."""
    if core >= builder.num_DLA_cores:
        raise GpuError(
            f"there is no DLA core {core} here, TensorRT {trt.__version__} sees {builder.num_DLA_cores}: "
            "leave out --dla (only AGX Orin and Orin NX have a DLA)"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def fallback(network: Any, config: Any) -> tuple[str, ...]:
    """The layers that run on the GPU, since the DLA cannot run them."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    return tuple(layer.name for layer in layers if not config.can_run_on_DLA(layer))
