"""ONNX → FP16 ONNX: find the values that float16 cannot hold, cast the rest, write, and keep the file only if its masks
agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgeunet.errors import ExportError
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_distinct, sha256
from edgeunet.utils.limits import FRAMES, require_in
from edgeunet.version import __version__
from edgeunet_export.calibration.frames import spread
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.calibration.wide_nodes import wide_convolutions, wide_nodes
from edgeunet_export.graph.model_file import read_fp32_model, read_trust, set_spec, write_model
from edgeunet_export.graph.narrow import narrowed, rounded_file
from edgeunet_export.verify.mask_agreement import MIN_AGREEMENT, mask_agreement


@dataclass(frozen=True)
class Fp16Options:
    """The frames that decide which nodes stay in float32, and that both models are compared on.

    At most `images` images are used, evenly spread: of a split of the dataset `data`, whose masks are not used, or of a
    folder of photos or a video.
    """

    data: Path | None = None
    split: str = "train"
    images: int = 100

    def __post_init__(self) -> None:
        require_in("--images", self.images, 1, FRAMES)


@dataclass(frozen=True)
class Narrowing:
    """The result of an FP16 export.

    wide: names of the convolutions that stay in float32.
    agreement: share of pixels, 0 to 1, with the same class as before.
    """

    images: int
    wide: tuple[str, ...]
    agreement: float


def export_fp16(source: Path, output: Path, options: Fp16Options, *, force: bool) -> Narrowing:
    """Write the strongly typed FP16 version of the float32 model `source` to `output`, and compare the two.

    Raises MismatchError for a dataset of other classes, ModelFileError for anything but a float32 model of edgeunet,
    DatasetError for a damaged split, OutputError if the file exists and `force` is false, ExportError if too few pixels
    agree; then no file is kept.
    """
    require_ending(output, ".onnx")
    require_distinct({"-o": output}, {"MODEL": source, "--data": options.data})
    with replacing(output, force=force) as temporary:
        model, spec = read_fp32_model(source, converted=True)
        trust = read_trust(source)
        spec = spec.with_provenance(precision="fp16", parent_sha256=sha256(source), version=__version__)
        with given_images(options.data, spec, source, options.images) as given:
            images = spread(given.of(options.split), options.images)
            wide = wide_nodes(model, spec, images)
            fp16 = narrowed(model.proto, wide)
            if trust is not None:
                nodes, meaning = trust
                fp16, spec = nodes.added_to(fp16), replace(spec, trust=meaning)
            set_spec(fp16, spec)
            write_model(fp16, temporary)
            with rounded_file(fp16) as on_a_gpu:
                agreement = min(mask_agreement(source, file, images) for file in (temporary, on_a_gpu))
            if agreement < MIN_AGREEMENT:
                raise ExportError(
                    f"the FP16 masks agree with {source} on {agreement:.3%} of the pixels of {len(images)} frames, "
                    f"expected {MIN_AGREEMENT:.1%}: no file was kept; use fp32, try int8, or train longer"
                )
    return Narrowing(len(images), wide_convolutions(model, wide), agreement)
