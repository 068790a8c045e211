"""CamVid, as its authors publish it in 32 colours, and as the SegNet tutorial does in 11 classes.

G. Brostow, J. Fauqueur, R. Cipolla, "Semantic Object Classes in Video: A High-Definition Ground Truth Database",
Pattern Recognition Letters 2009. The 11 classes are those of V. Badrinarayanan, A. Kendall, R. Cipolla, "SegNet",
PAMI 2017, in the order and the colours of its tutorial.
"""

from __future__ import annotations

from pathlib import Path

from edgeunet.data.classes import COLORS_FILE, ClassList, Color, numbered, read_classes
from edgeunet.data.convert.conversion_source import ConversionSource, pair_folders
from edgeunet.data.convert.mask_table import MaskTable
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


def read_camvid(path: Path) -> ConversionSource:
    """701_StillsRaw_full/*.png with LabeledApproved_full/*_L.png, grouped by label_colors.txt; without splits."""
    masks = path / "LabeledApproved_full"
    file = next((f for f in (path / COLORS_FILE, masks / COLORS_FILE) if f.is_file()), None)
    if file is None:
        raise DatasetError(f"{path} has no {COLORS_FILE}: it comes with CamVid, put it there")
    groups = {member: i for i, (_, members) in enumerate(_GROUPS.values()) for member in members}
    listed = read_classes(file)
    if strangers := [e.name for e in listed.entries if e.name not in groups]:
        raise DatasetError(
            f"{file} has classes that CamVid does not have ({', '.join(strangers[:3])}): use CamVid's own, or give "
            "--layout colors for classes of your own, with the folders named images and masks"
        )
    names = {e.index: e.name for e in listed.entries}
    table = MaskTable.of_colors({color: groups[names[index]] for color, index in listed.colors().items()})
    found, problems = pair_folders(path, {"": (path / "701_StillsRaw_full", masks)}, "_L")
    return ConversionSource(_classes(), found, table, problems)


def read_segnet(path: Path, classes: Path | None, mask_suffix: str | None) -> ConversionSource:
    """train/ and trainannot/, the same for val and test; masks hold class indices, CamVid's if no list is given."""
    listed = read_classes(classes) if classes else _classes()
    folders = {s: (path / s, path / f"{s}annot") for s in _SPLITS if (path / s).is_dir()}
    found, problems = pair_folders(path, folders, mask_suffix)
    return ConversionSource(listed, found, MaskTable.of_values(listed.own_values()), problems)


def _classes() -> ClassList:
    return numbered([(name, color) for name, (color, _) in _GROUPS.items()], "CamVid")
