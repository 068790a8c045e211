"""A network of another tool → a model file of the contract, kept only if it is proven to be the same network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgeunet.data.classes import ClassList
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.spec import Fit, ModelSpec, PixelFormat, Provenance, require_fit
from edgeunet.utils.endings import require_ending
from edgeunet.utils.files import replacing, require_distinct
from edgeunet.version import __version__
from edgeunet_export.calibration.frames import read_frames, spread
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.hints.file_hints import FileHints, read_hints
from edgeunet_export.foreign.named_classes import network_classes
from edgeunet_export.foreign.preprocessing import Order, scale_of_range, scale_of_values
from edgeunet_export.foreign.proof import Proof, prove
from edgeunet_export.foreign.reading.opening import read_network, source_facts, source_files
from edgeunet_export.foreign.search.input_search import FoundInput, find_input, missing_options
from edgeunet_export.foreign.search.input_ways import Given
from edgeunet_export.foreign.search.labelled_frames import LabelledFrames
from edgeunet_export.foreign.wrapped import wrapped
from edgeunet_export.graph.model_file import write_model
from edgeunet_export.trust.making import require_labelled, trusted

FRAMES = 32
"""Most frames without labels that both are compared on; a wrong translation shows on the first."""
_SIZE = "--size HEIGHTxWIDTH, as it takes frames of any size"
Numbers = tuple[float, ...]
_Frame = tuple[str, Pixels, UInt8 | None]


@dataclass(frozen=True)
class ImportOptions:
    """What the user says of the network; None and "" for what is not said.

    data, split: a labelled dataset, which shows how the network is fed where nobody says it, and to score both on; else
        `frames` (photos, a video or a dataset) to compare both on.
    classes: a classes.json or a list of colours, if not that of `data`.
    size: (height, width) of the input. order: of its channels.
    mean, std: as people write them, for frames from 0 to 1 or to 255. value_range: what black and white become.
    output: the name of the segmentation among the outputs.
    weights: of a network that is given as code.
    confidence: two more outputs, how sure each pixel is and how like the training data the frame is.
    """

    data: Path | None = None
    split: str = "val"
    frames: Path | None = None
    classes: Path | None = None
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    order: Order | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    value_range: Numbers | None = None
    output: str = ""
    weights: Path | None = None
    confidence: bool = False

    def __post_init__(self) -> None:
        require_fit(self.fit or "letterbox")
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std belong together: give both, or neither")
        if self.value_range is not None and len(self.value_range) != 2:
            raise UsageError(f"--range is LOW:HIGH such as 0:1, got {len(self.value_range)} numbers")
        if self.mean is not None and self.value_range is not None:
            raise UsageError("--range says the same as --mean and --std: give one of the two")
        if self.data is not None and self.frames is not None:
            raise UsageError("--frames is for an import without --data, whose frames are compared: give one of the two")

    def scale(self, channels: int) -> tuple[Numbers, Numbers] | None:
        """(mean, std) in 0–255 for each channel; None if nothing is said."""
        if self.value_range is not None:
            return scale_of_range(self.value_range[0], self.value_range[1], channels)
        if self.mean is not None and self.std is not None:
            return scale_of_values(self.mean, self.std, channels)
        return None


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    notes: lines for the user about what was done, and what was taken from the file.
    feature_map: the tensor that the familiarity comes from, besides the scores; "" for none.
    """

    network: ForeignNetwork
    found: FoundInput
    spec: ModelSpec
    proof: Proof
    notes: tuple[str, ...]
    feature_map: str = ""


def import_model(source: str, output: Path, options: ImportOptions, *, force: bool) -> Imported:
    """Write the network `source` as the model file `output`.

    Raises UsageError for what is missing or contradicts the network, ModelFileError for what is no segmentation
    network, MismatchError for another number of classes and where labels do not show how the network is fed,
    ExportError if the file and the original differ; nothing is kept then.
    """
    require_ending(output, ".onnx")
    given = {
        "--data": options.data,
        "--frames": options.frames,
        "--classes": options.classes,
        "--weights": options.weights,
    }
    require_distinct({"-o": output}, {"THEIRS": Path(source), **given})
    if options.confidence:
        require_labelled(options.data, options.split)
    with replacing(output, force=force) as temporary:
        network, hints = _read(source, options)
        require_distinct({"-o": output}, {"THEIRS": source_files(source)})
        listed, order = network_classes(
            network.classes, hints.names, options.classes, options.data, origin=network.origin
        )
        network = network.ordered(order)
        spec = _spec(network, listed, options.fit or hints.fit[0] or "letterbox")
        found = find_input(
            network,
            _given(options, network.channels, takes_bytes=network.takes_bytes),
            hints.said_input(network.channels),
            _labelled(options, spec.pixels),
            spec,
        )
        mean, std = (found.preprocessing.of_frame(v) for v in (found.preprocessing.mean, found.preprocessing.std))
        spec = replace(spec, mean=mean, std=std)
        model = wrapped(network, found.preprocessing, spec)
        write_model(model, temporary)
        with _frames(options, spec, output) as (frames, count):
            proof = prove(network, found.preprocessing, temporary, spec, frames, count)
        feature_map = ""
        if options.confidence and options.data is not None:
            model, spec, feature_map = trusted(model, spec, DatasetFolder.open(options.data), options.split)
            write_model(model, temporary)
    return Imported(network, found, spec, proof, (*network.notes, *_taken(hints, options, spec, order)), feature_map)


def _read(source: str, options: ImportOptions) -> tuple[ForeignNetwork, FileHints]:
    """The network and what its file says. Raises UsageError that names all options that are missing."""
    facts = source_facts(source)
    hints = read_hints(Path(source), facts.metadata)
    size = options.size or (hints.size[0] if facts.any_size else None)
    if not facts.any_size or size:
        network = read_network(source, weights=options.weights, size=size, output=options.output)
        channels, takes_bytes, missing = network.channels, network.takes_bytes, []
    else:
        channels, takes_bytes, missing = 3, False, [_SIZE]
    if _labelled(options, PixelFormat(channels)) is None:
        missing += missing_options(
            channels, _given(options, channels, takes_bytes=takes_bytes), hints.said_input(channels)
        )
    if options.classes is None and options.data is None and not hints.names[0]:
        missing.append("--classes classes.json")
    if missing:
        shown = (
            "" if options.data or missing == [_SIZE] else "; or labelled frames, --data, which show all but the size"
        )
        raise UsageError(f"{source} does not say all that is needed: give {'; '.join(missing)}{shown}")
    return network, hints


def _given(options: ImportOptions, channels: int, *, takes_bytes: bool) -> Given:
    scale = options.scale(channels)
    if channels == 1 and options.order:
        raise UsageError("the network takes one channel, grey: leave out --rgb and --bgr")
    if takes_bytes:
        as_they_are = scale_of_range(0, 255, channels)
        if scale not in (None, as_they_are):
            raise UsageError(
                "the network takes uint8 frames and normalises them itself: leave out --mean, --std and --range"
            )
        scale = as_they_are
    return Given("grey" if channels == 1 else options.order, scale)


def _labelled(options: ImportOptions, pixels: PixelFormat) -> LabelledFrames | None:
    if options.data is None:
        return None
    frames = LabelledFrames(DatasetFolder.open(options.data), options.split, pixels)
    return frames if len(frames) else None


def _spec(network: ForeignNetwork, listed: ClassList, fit: Fit) -> ModelSpec:
    """Of the network, with the usual mean and std."""
    return ModelSpec(
        listed.classes,
        network.size,
        fit,
        listed.ignored[0] if listed.ignored else None,
        *ModelSpec.usual_scale(PixelFormat(network.channels)),
        Provenance(network=network.title, parent_sha256=network.sha256, version=__version__),
        network.channels,
    )


def _taken(hints: FileHints, options: ImportOptions, spec: ModelSpec, order: tuple[int, ...]) -> Iterator[str]:
    """Lines about what no option says and the file does."""
    yield from hints.notes
    if options.size is None and hints.size[0] == spec.input_size:
        yield f"size: {spec.input_text}, as {hints.size[1]} says"
    if options.fit is None and hints.fit[0]:
        yield f"frames: {spec.fit}, as {hints.fit[1]} says"
    if options.classes is None and options.data is None:
        yield f"classes: {', '.join(spec.names)}, as {hints.names[1]} says"
    if order:
        yield f"its classes are in another order, as {hints.names[1]} says: the masks have that of {options.data}"


@contextmanager
def _frames(options: ImportOptions, spec: ModelSpec, model: Path) -> Iterator[tuple[Iterator[_Frame], int]]:
    """The frames that both are compared on, and how many."""
    if options.data is not None and (options.data / "masks" / options.split).is_dir():
        samples = load_split(replace(DatasetFolder.open(options.data), pixels=spec.pixels), options.split)
        yield ((sample.name, sample.frame, sample.mask) for sample in samples), len(samples)
        return
    with given_images(options.data or options.frames, spec, model, FRAMES) as given:
        images = spread(given.of(options.split), FRAMES)
        yield ((name, pixels, None) for name, pixels in read_frames(images, spec)), len(images)
