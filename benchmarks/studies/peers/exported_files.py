"""The files of a trained network: theirs by their exporter and by our import, ours by ours. Kept in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.studies.peers.kept_networks import KeptNetwork, run_ours
from benchmarks.studies.peers.peer_python import PeerPython
from edgeunet.errors import CommandError


@dataclass(frozen=True)
class ExportedFiles:
    """Model files of one network.

    fp32, int8: of our contract; of a network of theirs our import of its ONNX, and what our quantiser makes of it. None
    where it could not be made; `missing` says why. own_fp32, own_int8: their ONNX, and their INT8 for OpenVINO (.xml);
    None for a network of ours.
    """

    network: KeptNetwork
    fp32: Path | None
    int8: Path | None
    missing: dict[str, str]
    own_fp32: Path | None = None
    own_int8: Path | None = None


def exported(network: KeptNetwork, frames: Path, size: tuple[int, int], peer: PeerPython) -> ExportedFiles:
    """Make the files that are not there yet. size: (height, width) of the input."""
    folder = network.folder
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    own_fp32: Path | None = None
    own_int8: Path | None = None
    source: tuple[object, ...] = ("export", "onnx", network.checkpoint, "-o", fp32)
    if network.is_theirs:
        own_fp32, own_int8 = _by_their_exporter(network, folder.parent / "calibration.yaml", size, peer)
        source = ("import", own_fp32, "-o", fp32, "--data", frames, "--rgb", "--range", "0:1")
    missing = _made(fp32, folder, *source)
    if not missing:
        missing = _made(int8, folder, "export", "int8", fp32, "--data", frames, "--target", "openvino", "-o", int8)
    made_fp32, made_int8 = (file if file.exists() else None for file in (fp32, int8))
    return ExportedFiles(network, made_fp32, made_int8, missing, own_fp32, own_int8)


def _by_their_exporter(
    network: KeptNetwork, calibration: Path, size: tuple[int, int], peer: PeerPython
) -> tuple[Path, Path]:
    """Their ONNX, and their INT8 for OpenVINO, calibrated on the train split as ours is."""
    weights = network.checkpoint.parent
    fp32, int8 = weights / "best.onnx", weights / "best_int8_openvino_model" / "best.xml"
    common = {"imgsz": list(size), "device": "cpu"}
    if not fp32.exists():
        peer.run("export", network.checkpoint, {"format": "onnx", **common}, network.folder / "onnx.log")
    if not int8.exists():
        settings = {"format": "openvino", "quantize": 8, "data": str(calibration), **common}
        peer.run("export", network.checkpoint, settings, network.folder / "openvino.log")
    return fp32, int8


def _made(file: Path, folder: Path, *command: object) -> dict[str, str]:
    """Make a file if it is not there; {} or, by its name, why it cannot be made."""
    if not file.exists():
        try:
            run_ours(folder / f"{file.stem}.log", *command)
        except CommandError as error:
            return {file.stem: str(error).replace(str(folder.parent), "RUNS")}
    return {}
