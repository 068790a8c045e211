"""Cityscapes: leftImg8bit/<split>/<city>/…_leftImg8bit.png and gtFine/<split>/<city>/…_gtFine_labelIds.png.

Ids, train ids, names and colours are those of the 19 evaluated classes in cityscapesscripts/helpers/labels.py
(M. Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016). All others are ignored.
"""

from __future__ import annotations

from edgeunet.data.classes import ClassEntry, ClassList
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_file import masks_by_image, source_of_masks
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.convert.layout import Layout, by_folders
from edgeunet.data.pairs import Pairing, pair_up
from edgeunet.spec import IGNORE

_CLASSES = (  # id in labelIds, name, (red, green, blue); their order is that of the train ids
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
_SPLITS = ("train", "val")  # the labels of test are secret, and its masks are empty
_IMAGE, _IDS, _TRAIN_IDS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_labelTrainIds"


def _read(request: Request) -> ConversionSource:
    """The splits train and val, named <city>_<sequence>_<frame>; ignored is 255, as in labelTrainIds."""
    path = request.path
    entries = [ClassEntry(i, name, color) for i, (_, name, color) in enumerate(_CLASSES)]
    classes = ClassList((*entries, ClassEntry(IGNORE, "void", (0, 0, 0), ignore=True)), "Cityscapes")
    # labelIds are published; labelTrainIds are made from them by the user.
    ids = next(path.glob(f"gtFine/*/*/*{_IDS}.png"), None) is not None
    end = _IDS if ids else _TRAIN_IDS
    table = MaskTable.of_values({(c[0] if ids else i): i for i, c in enumerate(_CLASSES)}, rest=IGNORE)
    found: dict[str, Pairing] = {}
    for split in _SPLITS:
        images = sorted(path.glob(f"leftImg8bit/{split}/*/*{_IMAGE}.png"), key=lambda p: p.name)
        masks = sorted(path.glob(f"gtFine/{split}/*/*{end}.png"), key=lambda p: p.name)
        paired = pair_up(images, masks_by_image(masks, end, _IMAGE), path)
        pairs = {stem.removesuffix(_IMAGE): pair for stem, pair in paired.pairs.items()}
        found[split] = paired._replace(pairs=pairs)
    return source_of_masks(path, classes, found, table)


CITYSCAPES = Layout(
    "cityscapes", "leftImg8bit/ and gtFine/, 19 classes", by_folders("Cityscapes", "leftImg8bit", "gtFine"), _read
)
