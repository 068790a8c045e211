"""CamVid, as its authors publish it in 32 colours, and as the SegNet tutorial does in 11 classes.

G. Brostow, J. Fauqueur, R. Cipolla, "Semantic Object Classes in Video: A High-Definition Ground Truth Database",
Pattern Recognition Letters 2009. The 11 classes are those of V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet",
PAMI 2017, in the order and the colours of its tutorial.
"""

from __future__ import annotations

from edgeunet.data.classes import COLORS_FILE, ClassList, Color, numbered
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_classes import MaskClasses, classes_of_entries, read_mask_classes
from edgeunet.data.convert.labels.mask_file import source_of_masks
from edgeunet.data.convert.layout import Layout, by_folders
from edgeunet.data.convert.masks.mask_folders import source_of_pairs
from edgeunet.data.convert.masks.mask_pairing import pair_folders
from edgeunet.errors import DatasetError

_GROUPS: dict[str, tuple[Color, tuple[str, ...]]] = {  # name: colour, names of the 32 classes in label_colors.txt
    "sky": ((128, 128, 128), ("Sky",)),
    "building": ((128, 0, 0), ("Building", "Archway", "Bridge", "Tunnel", "Wall")),
    "pole": ((192, 192, 128), ("Column_Pole", "TrafficCone")),
    "road": ((128, 64, 128), ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv")),
    "pavement": ((60, 40, 222), ("Sidewalk", "ParkingBlock", "RoadShoulder")),
    "tree": ((128, 128, 0), ("Tree", "VegetationMisc")),
    "sign_symbol": ((192, 128, 128), ("SignSymbol", "Misc_Text", "TrafficLight")),
    "fence": ((64, 64, 128), ("Fence",)),
    "car": ((64, 0, 128), ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving")),
    "pedestrian": ((64, 64, 0), ("Pedestrian", "Child", "CartLuggagePram", "Animal")),
    "bicyclist": ((0, 128, 192), ("Bicyclist", "MotorcycleScooter")),
    "void": ((0, 0, 0), ("Void",)),
}
_SPLITS = ("train", "val", "test")


def _read_camvid(request: Request) -> ConversionSource:
    """701_StillsRaw_full/*.png with LabeledApproved_full/*_L.png, grouped by label_colors.txt; without splits."""
    path = request.path
    masks = path / "LabeledApproved_full"
    file = next((f for f in (path / COLORS_FILE, masks / COLORS_FILE) if f.is_file()), None)
    if file is None:
        raise DatasetError(f"{path} has no {COLORS_FILE}: it comes with CamVid, put it there")
    groups = {member: i for i, (_, members) in enumerate(_GROUPS.values()) for member in members}
    listed = read_mask_classes(file)
    names = {e.index: e.name for e in listed.classes.entries}
    if strangers := [name for name in names.values() if name not in groups]:
        raise DatasetError(
            f"{file} has classes that CamVid does not have ({', '.join(strangers[:3])}): use CamVid's own, or give "
            "--layout colors for classes of your own, with the folders named images and masks"
        )
    grouped = tuple(value._replace(becomes=groups[names[value.becomes]]) for value in listed.values)
    table = MaskClasses(_classes(), grouped, {}).table(in_colors=True)
    found, problems = pair_folders(path, {"": (path / "701_StillsRaw_full", masks)}, "_L")
    return source_of_masks(path, _classes(), found, table, problems)


def _read_segnet(request: Request) -> ConversionSource:
    """train/ and trainannot/, the same for val and test; masks hold class indices, CamVid's if no list is given."""
    path, options = request.path, request.options
    listed = classes_of_entries(_classes().entries, "CamVid")
    folders = {s: (path / s, path / f"{s}annot") for s in _SPLITS if (path / s).is_dir()}
    found, problems = pair_folders(path, folders, options.mask_suffix)
    return source_of_pairs(request, found, problems, listed=listed, in_colors=False)


def _classes() -> ClassList:
    return numbered([(name, color) for name, (color, _) in _GROUPS.items()], "CamVid")


CAMVID = Layout(
    "camvid",
    "701_StillsRaw_full/ and LabeledApproved_full/, 32 colours grouped to 11 classes",
    by_folders("CamVid", "701_StillsRaw_full", "LabeledApproved_full"),
    _read_camvid,
)
SEGNET = Layout(
    "segnet",
    "train/ and trainannot/, the same for val and test, as in the SegNet tutorial",
    by_folders("SegNet tutorial", "train", "trainannot"),
    _read_segnet,
    takes=("--classes", "--mask-suffix"),
)
