"""Everything that a repair is given, for a model file on the sample frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT, QuantisationTarget
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.repair import Task
from edgeunet_export.int8.repair.trials import Trials
from edgeunet_export.verify.accuracy import judged
from tests.export.int8.repair.foreign import write_foreign_model


@dataclass(frozen=True)
class Bench:
    """A float model with its ranges, and trials of it on three frames."""

    task: Task
    trials: Trials

    @property
    def plain(self) -> Candidate:
        return self.task.candidate

    @property
    def model(self) -> FloatModel:
        return self.plain.model


@pytest.fixture(scope="session")
def images(dataset: Path) -> Sequence[Path]:
    return DatasetFolder.open(dataset).image_paths("train")[:3]


@pytest.fixture(scope="session")
def bench(dataset: Path, images: Sequence[Path]) -> Callable[..., Bench]:
    def make(
        path: Path,
        kind: type[Candidate] = Candidate,
        target: QuantisationTarget = TENSORRT,
        data: Path = dataset,
    ) -> Bench:
        model, spec = read_fp32_model(path)
        options = CalibrationOptions(data)

        def calibrate(changed: FloatModel) -> Ranges:
            return calibrated(changed, spec, images, options)

        candidate = kind.of(model, calibrate(model), target)
        task = Task(
            candidate, spec, images, calibrate, lambda int8: judged(path, int8, DatasetFolder.open(data), "val")
        )
        return Bench(task, Trials(model, spec, images))

    return make


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_foreign_model(tmp_path_factory.mktemp("foreign") / "foreign.onnx")
