"""The names of a foreign network's classes: from its file, and which of a dataset's classes each one is."""

from __future__ import annotations

from edgeunet.data.classes import ClassEntry, ClassList, spelling
from edgeunet.data.convert.distinct_colors import distinct_color
from edgeunet.errors import MismatchError

_BACKGROUND = "background"


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
