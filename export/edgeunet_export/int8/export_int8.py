"""ONNX → INT8 ONNX: calibrate, place Q/DQ, check the accuracy, repair the model if it loses too much, and write."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.evaluation.seen_split import warn_of_seen
from edgeunet.quantisation.graph import CONVOLUTIONS, LINEAR
from edgeunet.quantisation.placement import Placement, place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import CPU, TENSORRT, QuantisationTarget, target_of
from edgeunet.runtime import open_session
from edgeunet.spec import ModelSpec
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_distinct, require_writable, sha256
from edgeunet.utils.folders import require_folder_writable
from edgeunet.version import __version__
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated, stored_ranges
from edgeunet_export.calibration.frames import read_frame, spread
from edgeunet_export.calibration.given_images import GivenImages, given_images
from edgeunet_export.calibration.wide_nodes import wide_convolutions, wide_nodes
from edgeunet_export.graph.model_file import read_fp32_model, read_trust, set_spec, write_model
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.layers import Latency, measured
from edgeunet_export.int8.repair.repair import Repair, Task, repaired
from edgeunet_export.trust.keeping import KeptTrust, kept_trust
from edgeunet_export.verify.accuracy import AccuracyBudget, judged

PRECISIONS = ("int8", "int8+fp16")


@dataclass(frozen=True)
class Int8Options(CalibrationOptions):
    """How to make the INT8 file.

    ranges: a file of stored ranges to use instead of calibrating.
    target: one of target.TARGETS.
    precision: "int8" leaves the rest of the model, and the scales, in float32; "int8+fp16" makes them float16.
    check_split: where both models are compared. budget: how much INT8 may lose there.
    report: a folder for the sensitivity of every convolution, which is then measured even without a repair.
    """

    ranges: Path | None = None
    target: str = TENSORRT.name
    precision: str = "int8"
    check_split: str = "val"
    budget: AccuracyBudget = field(default_factory=AccuracyBudget)
    report: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown precision {self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if self.quantisation_target is not TENSORRT and self.half:
            raise UsageError(f"int8+fp16 is for GPUs, got --target {self.target}: give --precision int8")

    @property
    def quantisation_target(self) -> QuantisationTarget:
        return target_of(self.target)

    @property
    def half(self) -> bool:
        return self.precision == "int8+fp16"


@dataclass(frozen=True)
class Quantization:
    """The result of an INT8 export.

    repair: the accuracy, and what was done for it. all_convolutions: how many there are, in int8 or not; linear layers
        count as well.
    wide: names of the convolutions that float16 is too small or too coarse for; they stay in float32.
    latency: of both models on this machine's CPU, each with its fastest backend; None for a file for TensorRT.
    trust: what became of confidence and familiarity; None for a model without them.
    """

    ranges: Ranges
    repair: Repair
    all_convolutions: int
    wide: tuple[str, ...]
    latency: Latency | None
    trust: KeptTrust | None = None

    @property
    def placement(self) -> Placement:
        """What is in INT8."""
        return self.repair.candidate.placement


def ranges_path(output: Path) -> Path:
    """The file for the ranges that the INT8 file `output` is made from."""
    return output.with_suffix(".ranges.json")


def export_int8(source: Path, output: Path, options: Int8Options, *, force: bool) -> Quantization:
    """Write the INT8 version of the float model `source` to `output`, and its ranges next to it if they are new.

    Raises MismatchError for a dataset of other classes or the ranges of another model, ModelFileError for anything but
    a float32 model of edgeunet, DatasetError for a damaged split, OutputError if a file exists and `force` is false,
    ExportError if more than the budget is lost; nothing is kept then.
    """
    _require_outputs(source, output, options, force=force)
    target = options.quantisation_target
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source, converted=True)
        trust = read_trust(source)
        parent_sha256 = sha256(source)  # before the long work, in which the file may be replaced
        placement = place(model.graph, target)
        stored = stored_ranges(options.ranges, source, model, spec, placement) if options.ranges else None
        with given_images(options.data, spec, source, 2 * options.images) as given:
            if given.dataset is None:
                options = replace(options, split="", check_split="")
            images, compared = _divided(given, options, spec)
            warn_of_seen(options.check_split, spec, source)
            candidate = Candidate(model, stored or calibrated(model, spec, images, options), placement)
            if options.half:
                candidate = candidate.with_float16(wide_nodes(model, spec, images))
            latency_of = partial(_latency, source, images[0], spec) if target is CPU else None
            task = Task(
                candidate,
                spec,
                images,
                calibrate=lambda other: calibrated(other, spec, images, options),
                judge=lambda int8: judged(source, int8, compared, options.check_split),
                latency=latency_of,
            )
            repair = repaired(task, options.budget, report=options.report is not None)
            latency = latency_of(repair.candidate.int8) if latency_of else None
        int8, ranges = repair.candidate.int8, candidate.ranges
        kept = None
        if trust is not None:
            kept = kept_trust(source, int8, *trust, spec, given.dataset, options.check_split)
            int8, spec = kept.int8, replace(spec, trust=kept.after)
        spec_of_int8 = spec.with_provenance(
            precision=options.precision,
            target=target.name,
            parent_sha256=parent_sha256,
            calibration=ranges.summary,
            calibration_sha256=ranges.images_sha256,
            version=__version__,
        )
        set_spec(int8, spec_of_int8)
        write_model(int8, temporary, for_tensorrt=target is TENSORRT)
        if options.ranges is None:  # inside the block: a model is kept only with its ranges
            ranges.save(ranges_path(output), force=force)
    return Quantization(
        ranges,
        repair,
        sum(n.op_type in (*CONVOLUTIONS, *LINEAR) and n.input[1] in model.constants for n in model.proto.graph.node),
        wide_convolutions(model, candidate.wide or ()),
        latency,
        kept,
    )


def _divided(
    given: GivenImages, options: Int8Options, spec: ModelSpec
) -> tuple[list[Path], DatasetFolder | list[Path]]:
    """The images to calibrate on, and the frames that both models are compared on."""
    if given.dataset is None:
        images, compared = given.halves()
        return options.chosen(images, spec), spread(compared, options.images)
    given.of(options.check_split)  # this finds a missing split before the long work
    return options.chosen(given.of(options.split), spec), given.dataset


def _require_outputs(source: Path, output: Path, options: Int8Options, *, force: bool) -> None:
    require_ending(output, ".onnx")
    written = {"-o": output, "--report": options.report}
    if options.ranges is None:
        written["the file of ranges next to -o,"] = ranges_path(output)
        require_writable(ranges_path(output), force=force)
    given = {"MODEL": source, "--data": options.data, "--ranges": options.ranges}
    require_distinct(written, given, replaced=[options.report] if options.report else [])
    if options.report:
        require_folder_writable(options.report, force=force)


def _latency(source: Path, image: Path, spec: ModelSpec, int8: ModelProto) -> Latency:
    """Of both models on this machine's CPU."""
    model = ModelProto()
    model.CopyFrom(int8)
    set_spec(model, spec.with_provenance(precision="int8", target=CPU.name))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        onnx.save(model, path)
        return measured(source, path, read_frame(image, spec), open_session)
