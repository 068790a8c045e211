"""The state of a mask: what it is called, and the machine that keeps a bad one for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

GOOD_MASKS = 5  # in a row that end a bad state: 0.17 s at 30 fps


class MaskState(Enum):
    """How far a mask may be trusted, the worst first: of several that apply to a mask, the first one is its state.

    none: there is no mask. frozen: the picture is the same again, or shows nothing. late: older than the deadline.
    unfamiliar: unlike the frames that the network was trained on. low confidence: the network is not sure of it.
    unknown: nothing speaks against it, but the model file does not say how sure it is. fresh: nothing at all does.
    """

    NONE = "none"
    FROZEN = "frozen"
    LATE = "late"
    UNFAMILIAR = "unfamiliar"
    LOW_CONFIDENCE = "low confidence"
    UNKNOWN = "unknown"
    FRESH = "fresh"

    def __str__(self) -> str:
        return self.value

    @property
    def speaks_against(self) -> bool:
        """Whether it is a reason not to trust the mask."""
        return self not in (MaskState.UNKNOWN, MaskState.FRESH)


ORDER = {state: place for place, state in enumerate(MaskState)}


class Finding(NamedTuple):
    """A state and the reason for it, in words; "" where there is nothing to say."""

    state: MaskState
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.reason})" if self.reason else str(self.state)


def worst(*findings: Finding) -> Finding:
    """The one whose state comes first in MaskState; of equal ones the last."""
    return min(reversed(findings), key=lambda finding: ORDER[finding.state])


STARTING = Finding(MaskState.NONE, f"it starts: fewer than {GOOD_MASKS} masks so far")


class StateMachine:
    """The state is the worst that was found in the latest GOOD_MASKS masks.

    So a bad state is entered at once, and left after GOOD_MASKS masks in a row that are all better.
    """

    def __init__(self, *, live: bool) -> None:
        """live: the source has to show GOOD_MASKS masks before its state is better than "none"."""
        self._latest = deque([STARTING] * GOOD_MASKS if live else [], maxlen=GOOD_MASKS)

    def step(self, found: Finding) -> Finding:
        """Take what was found in one mask, or that there is none; returns the state from now on."""
        self._latest.append(found)
        return worst(*self._latest)


@dataclass(frozen=True)
class StateReport:
    """The state of a source while no mask comes.

    age_ns: of its last mask, since the capture of its frame; None if there was none yet.
    """

    source: str
    finding: Finding
    age_ns: int | None = None


@dataclass(frozen=True)
class StateStats:
    """The state of a source now, and so far.

    age_ns: of its last mask, as in StateReport. counts: how many masks were in each state; as "none" counts too each
    report that there is none. A live source is counted anew once it has started.
    """

    finding: Finding = STARTING
    age_ns: int | None = None
    counts: Mapping[MaskState, int] = field(default_factory=dict)

    def share(self, state: MaskState) -> float:
        """Of all that was counted, 0 to 1; where nothing was counted, all of it is "none"."""
        total = sum(self.counts.values())
        return self.counts.get(state, 0) / total if total else float(state is MaskState.NONE)
