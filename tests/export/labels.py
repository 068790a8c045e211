"""A dataset on which a float model is always right."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2

from edgeunet.data.dataset import DatasetFolder
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet_export.calibration.frames import read_frames


def write_own_labels(model: Path, dataset: Path, folder: Path) -> Path:
    """A copy of a dataset whose val masks are those that the model gives."""
    shutil.copytree(dataset, folder)
    images = DatasetFolder.open(folder).image_paths("val")
    with OnnxRuntimeSession(model) as session:
        for path, (_, frame) in zip(images, read_frames(images), strict=True):
            result = session.run(frame)
            cv2.imwrite(str(folder / "masks" / "val" / f"{path.stem}.png"), result.letterbox.restore_mask(result.mask))
    return folder
