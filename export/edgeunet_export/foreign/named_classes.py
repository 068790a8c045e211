"""The names of a foreign network's classes: from its file, and which of a dataset's classes each one is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgeunet.data.classes import CLASSES_FILE, ClassEntry, ClassList, read_classes, spelling
from edgeunet.data.convert.distinct_colors import distinct_color
from edgeunet.data.convert.labels.mask_classes import read_mask_classes
from edgeunet.errors import MismatchError
from edgeunet.imaging.pixels import UInt8
from edgeunet.utils.formatting import some
from edgeunet_export.foreign.decision import NO_CLASS

_BACKGROUND = "background"
_SHOWN = 12  # names in a message


class NetworkClasses(NamedTuple):
    """listed: of the model. order: for each class of the network its index there; () if they are the same."""

    listed: ClassList
    order: tuple[int, ...] = ()


def network_classes(
    count: int | None, said: tuple[tuple[str, ...], str], classes: Path | None, data: Path | None, *, origin: str
) -> NetworkClasses:
    """The classes of a network: of a file `classes`, of a dataset, by name, or as its own file says.

    count: how many the network tells apart; None if only its masks say that. said: the names, if any, and who says
    them. One of the three is given. Raises MismatchError if the number or the names differ.
    """
    names, who = said
    if count is None and len(names) > 1:
        count = len(names)
    lists = [_in_order(classes)] if classes else []
    lists += [read_classes(data / CLASSES_FILE)] if data else []
    lists = lists or [classes_of_names(names, who)]
    first, last = ([c.name for c in each.classes] for each in (lists[0], lists[-1]))
    if first != last:
        raise MismatchError(
            f"{lists[0].origin} has the classes {some(first, _SHOWN)}; {lists[-1].origin} has {some(last, _SHOWN)}: "
            "give a dataset of the same classes, in the same order"
        )
    if count not in (None, len(first)):
        raise MismatchError(
            f"{origin} tells {count} classes apart, and {lists[0].origin} has {len(first)} ({some(first, _SHOWN)}): "
            "give the list of the classes that it was trained on, in its order (--classes)"
        )
    are_its_own = len(names) == len(first) or (len(names), count) == (1, 2)
    if classes is not None or not are_its_own:
        return NetworkClasses(lists[0])
    return NetworkClasses(lists[0], order_by_names(names, who, lists[0]))


def _in_order(file: Path) -> ClassList:
    """A list of the network's classes in its order; raises MismatchError for numbers that are not 0, 1, 2, …."""
    listed = read_mask_classes(file)
    wrong = [n for n, becomes in listed.numbers.items() if becomes != n and becomes not in listed.classes.ignored]
    if wrong:
        raise MismatchError(f"{file} has a class {wrong[0]}: number those of a network 0, 1, 2, … in its order")
    return listed.classes


def require_listed(mask: UInt8, count: int, *, origin: str) -> None:
    """Raise MismatchError for a mask of the network `origin` with a class beyond the `count` of its list."""
    largest = int(mask.max(initial=0))
    if largest == NO_CLASS:
        raise MismatchError(
            f"{origin} returns masks with numbers that are no class (below 0, or {NO_CLASS} and above, such as for "
            "pixels to ignore), and every pixel needs one: export it without that step, or with its scores"
        )
    if largest >= count:
        raise MismatchError(
            f"{origin} returns masks with the class {largest}, and the list of classes has 0 to {count - 1}: "
            "give the list of the classes that it was trained on (--classes)"
        )


def classes_of_names(names: tuple[str, ...], origin: str) -> ClassList:
    """A list of classes with these names and colours of our own. One name is that of what a single score finds."""
    if len(names) == 1:
        names = (_BACKGROUND, *names)
    entries = (ClassEntry(index, name, distinct_color(index)) for index, name in enumerate(names))
    return ClassList(tuple(entries), origin)


def order_by_names(names: tuple[str, ...], origin: str, listed: ClassList) -> tuple[int, ...]:
    """For each class of the network its index in a dataset's list, by the names; () if both have the same order.

    Case, blanks and signs do not count. origin: who says the names. Raises MismatchError if the lists have other names.
    """
    theirs, ours = [spelling(n) for n in names], [spelling(c.name) for c in listed.classes]
    if len(theirs) == 1 and len(ours) == 2:  # what a single score finds
        theirs = [next((other for other in ours if other != theirs[0]), ""), *theirs]
    if sorted(theirs) != sorted(ours) or len(set(ours)) < len(ours):
        raise MismatchError(
            f"{origin} says that the classes are {', '.join(names)}; {listed.origin} has "
            f"{', '.join(c.name for c in listed.classes)}: give a dataset of the same classes, or --classes "
            f"{listed.origin} if these are the same under other names, in this order"
        )
    return () if theirs == ours else tuple(ours.index(name) for name in theirs)
