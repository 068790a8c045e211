"""How many of a source's masks may be in a bad state before a run counts as failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgeunet.camera.state.mask_state import MaskState, StateStats
from edgeunet.errors import EdgeUNetError, UsageError


@dataclass(frozen=True)
class StateLimit:
    """share: of a source's masks, 0 to 1, that may be in the state."""

    state: MaskState
    share: float

    @classmethod
    def parse(cls, text: str) -> StateLimit:
        """Read STATE:SHARE, such as late:0.01; a dash may stand for the space in a state. Raises UsageError."""
        name, _, share_text = text.partition(":")
        states = {str(state): state for state in MaskState}
        state = states.get(name.strip().lower().replace("-", " "))
        try:
            share = float(share_text)
        except ValueError:
            share = -1.0
        if state is None or not 0 <= share <= 1:
            raise UsageError(
                f"--fail-on is STATE:SHARE with a share from 0 to 1, such as late:0.01, got {text[:40]!r}; the states "
                f"are {', '.join(states)}"
            )
        return cls(state, share)


def require_states(stats: Mapping[str, StateStats], limits: Iterable[StateLimit]) -> None:
    """Raise EdgeUNetError if a source, by its name, had more masks in a state than a limit allows."""
    faults = [
        f"{100 * stats[name].share(limit.state):.2f} % of the masks of {name} were {limit.state}, "
        f"more than the {100 * limit.share:g} % of --fail-on"
        for limit in limits
        for name in stats
        if stats[name].share(limit.state) > limit.share
    ]
    if faults:
        raise EdgeUNetError("; ".join(faults))
