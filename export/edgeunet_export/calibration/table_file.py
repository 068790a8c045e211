"""TensorRT's calibration table: the text file with the ranges for implicit INT8, up to TensorRT 10.

    TRT-100300-EntropyCalibration2
    inc.2: 3d0b7086

Each line has a tensor and its scale as the eight hexadecimal digits of a big-endian float32; the range is ±127 scales.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeunet.errors import ModelFileError, UsageError
from edgeunet.quantisation.clipping import TOP, scale_of


@dataclass(frozen=True)
class TensorRTVersion:
    """A TensorRT that this project supports and that reads calibration tables."""

    major: int
    minor: int
    patch: int

    def __post_init__(self) -> None:
        if (self.major, self.minor) < (10, 3):
            raise UsageError(f"TensorRT {self} is not supported: give 10.3 or later (JetPack 6.1 or later)")
        if self.major > 10:
            raise UsageError(
                f"TensorRT {self} reads no calibration table, 10.x was the last: build from the Q/DQ file of "
                "`edgeunet export int8`"
            )

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> TensorRTVersion:
        """From "10.3" or "10.3.0"; what follows the patch number is ignored, as in "10.3.0.30"."""
        match = re.fullmatch("([0-9]{1,3})\\.([0-9]{1,3})(?:\\.([0-9]{1,3}))?(?:\\.[0-9]{1,9})?", text)
        if not match:
            raise UsageError(f"--tensorrt is a version, got {text[:40]!r}: give one such as 10.3")
        return cls(int(match[1]), int(match[2]), int(match[3] or 0))

    @property
    def header(self) -> str:
        """The first line; TensorRT calibrates again, or fails without images, if it has another version."""
        # NV_TENSORRT_VERSION_INT of NvInferVersion.h since 10.0: 10.3.0 is 100300. (8.6.1 was 8601: major * 1000.)
        return f"TRT-{self.major * 10000 + self.minor * 100 + self.patch}-EntropyCalibration2"


def write_table(path: Path, version: TensorRTVersion, limits: Mapping[str, float]) -> None:
    """Write a table. limits: the |x| at which each tensor is clipped, in its own unit, by its name."""
    lines = [version.header]
    lines += [f"{tensor}: {struct.pack('>f', scale_of(limit)).hex()}" for tensor, limit in limits.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_table(path: Path) -> tuple[str, dict[str, float]]:
    """The header and the |x| at which each tensor is clipped; raises ModelFileError for a damaged file."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if not header.startswith("TRT-"):
            raise ValueError(f"begins with {header[:20]!r}")
        pairs = [line.rsplit(": ", 1) for line in lines]
        return header, {tensor: struct.unpack(">f", bytes.fromhex(digits))[0] * TOP for tensor, digits in pairs}
    except (ValueError, struct.error) as error:
        raise ModelFileError(
            f"{path} is not a calibration table of TensorRT ({error}): make it with `edgeunet export cache`"
        ) from error
