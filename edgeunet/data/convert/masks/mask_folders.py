"""Images and masks in folders: which mask belongs to which image, which list of classes counts, what the masks hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from edgeunet.data.classes import CLASSES_FILE, COLORS_FILE, ClassEntry, ClassList
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_classes import MaskClasses, MaskValue, holds_numbers, read_mask_classes
from edgeunet.data.convert.labels.mask_file import source_of_masks
from edgeunet.data.convert.masks.mask_pairing import pair_folders
from edgeunet.data.convert.proposal import MaskContents, contents_of, propose
from edgeunet.data.pairs import Pairing, Problem
from edgeunet.errors import DatasetError, ImageError, UsageError
from edgeunet.imaging.mask_image import Mask, code_of, read_mask
from edgeunet.spec import IGNORE

LISTS = (CLASSES_FILE, COLORS_FILE, "class_dict.csv", "classes.csv")
_BLACK = (0, 0, 0)
_LOOKED_AT = 16  # masks that are read to detect what all are


def source_of_folders(
    request: Request,
    folders: Mapping[str, tuple[Path, Path]],
    *,
    suffix: str | None = None,
    in_colors: bool | None = None,
) -> ConversionSource:
    """The source of image and mask folders for each split; the split is "" where there is none.

    suffix: what a mask's name has after its image's, detected if None. in_colors: whether masks have the colours of the
    list of classes, or its numbers; detected if None. Without a list one is written next to the folder to be made, and
    DatasetError says so.
    """
    chosen = request.options.mask_suffix
    found, problems = pair_folders(request.path, folders, suffix if chosen is None else chosen)
    return source_of_pairs(request, found, problems, in_colors=in_colors)


def source_of_pairs(
    request: Request,
    found: Mapping[str, Pairing],
    problems: tuple[Problem, ...] = (),
    *,
    listed: MaskClasses | None = None,
    in_colors: bool | None = None,
) -> ConversionSource:
    """The same of masks that are paired already. listed: the classes, if neither --classes nor a file has them."""
    path, options = request.path, request.options
    file = options.classes or (None if listed else next((path / n for n in LISTS if (path / n).is_file()), None))
    if file is not None:
        listed = read_mask_classes(file)
    notes: tuple[str, ...] = ()
    if listed is None:
        masks = [pair.mask for pairing in found.values() for pair in pairing.pairs.values()]
        if not masks:
            raise DatasetError(without_frames(path))
        contents = contents_of(masks)
        listed = _of_two(contents)
        if listed is None:
            raise DatasetError(f"{path} has no list of classes: {propose(request, contents)}")
        notes = ("there is no list of classes: 0 or black is background, the other value object; --classes names them",)
        in_colors = not contents.numbers
    if in_colors is None:
        in_colors = are_in_colors(_some_masks(found), listed)
    if options.nearest and not in_colors:
        raise UsageError(f"--nearest is for masks in colours, and those of {path} hold the numbers of classes")
    table = replace(listed.table(in_colors=in_colors), nearest=options.nearest)
    return replace(source_of_masks(path, listed.classes, found, table, problems, listed.numbers), notes=notes)


def _of_two(contents: MaskContents) -> MaskClasses | None:
    """The classes of masks of two values, one of them 0 or black; what the other means nobody has written down."""
    values = sorted(contents.pixels.keys() - ({IGNORE} if contents.numbers else set()))
    if len(values) != 2 or values[0] != 0:
        return None
    classes = ClassList((ClassEntry(0, "background", _BLACK), ClassEntry(1, "object", (255, 255, 255))), "the masks")
    other = values[1]
    if contents.numbers:
        meant = MaskValue(0, None, 0), MaskValue(other, None, 1)
    else:
        meant = MaskValue(None, _BLACK, 0), MaskValue(None, (other >> 16, other >> 8 & 255, other & 255), 1)
    return MaskClasses(classes, meant, {"background": 0, "object": 1})


def without_frames(path: Path) -> str:
    """The message about a source that has no image with a mask."""
    return f"{path} has no labelled frame: no mask has an image's name, or that name with an ending (--mask-suffix)"


def are_in_colors(masks: Iterable[Mask], listed: MaskClasses) -> bool:
    """Whether masks have the colours of a list. They have its numbers if these are several, and the colours others."""
    colors = {code_of(value.color) for value in listed.values if value.color is not None}
    if not colors:  # then masks in colours need another list, whatever they are read as
        return {mask.numbers is None for mask in masks} == {True}
    if not listed.numbers:
        return True
    numbers = []
    strange = False
    for mask in masks:
        numbers.append(mask.values)
        strange = strange or not colors.issuperset(mask.colors_by_number().values())
    return not (strange and holds_numbers(numbers, listed.numbers, listed.classes))


def _some_masks(found: Mapping[str, Pairing]) -> Iterator[Mask]:
    """Masks that can be read, evenly spaced."""
    files = [pair.mask for pairing in found.values() for pair in pairing.pairs.values()]
    for file in files[:: max(1, len(files) // _LOOKED_AT)]:
        try:
            mask = read_mask(file)
            mask.colors  # noqa: B018 - raises what is wrong with them
        except ImageError:
            continue  # reported when it is converted
        yield mask
