"""Everything that a repair is given, for a model file on the sample frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from onnx import ModelProto

from edgeunet.data.dataset import DatasetFolder
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT, Dialect
from edgeunet.quantisation.value_ranges import spans
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.graph.nodes import graph_of
from edgeunet_export.int8.quantize import quantized
from edgeunet_export.int8.repair import Task
from edgeunet_export.int8.repair.trials import Build, Candidate, Trials
from edgeunet_export.verify.accuracy import judged
from tests.export.int8.repair.foreign import write_foreign_model


def build_for(dialect: Dialect) -> Build:
    def build(model: ModelProto, ranges: Ranges, floating: frozenset[str]) -> ModelProto:
        graph = graph_of(model)
        return quantized(model, place(graph, dialect, floating), spans(graph, ranges.spans))

    return build


TENSORRT_BUILD = build_for(TENSORRT)


@dataclass(frozen=True)
class Bench:
    """A float model with its ranges, and trials of it on three frames."""

    task: Task
    trials: Trials
    plain: Candidate


@pytest.fixture(scope="session")
def images(dataset: Path) -> Sequence[Path]:
    return DatasetFolder.open(dataset).image_paths("train")[:3]


@pytest.fixture(scope="session")
def bench(dataset: Path, images: Sequence[Path]) -> Callable[..., Bench]:
    def make(path: Path, build: Build = TENSORRT_BUILD, data: Path = dataset) -> Bench:
        model, spec = read_model(path)
        options = CalibrationOptions(data)

        def calibrate(changed: ModelProto) -> Ranges:
            return calibrated(changed, spec, images, options)

        task = Task(
            model,
            spec,
            calibrate(model),
            images,
            calibrate,
            build,
            lambda int8: judged(path, int8, DatasetFolder.open(data), "val"),
        )
        return Bench(task, Trials(model, spec, images, build), Candidate(model, task.ranges))

    return make


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_foreign_model(tmp_path_factory.mktemp("foreign") / "foreign.onnx")
