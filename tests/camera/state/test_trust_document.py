from __future__ import annotations

import inspect
from pathlib import Path

from edgeunet.camera.state.mask_state import GOOD_MASKS, MaskState, StateMachine

TEXT = (Path(__file__).parents[3] / "docs/trust.md").read_text(encoding="utf-8")


def test_the_document_prints_the_machine_that_runs() -> None:
    assert f"```py\n{inspect.getsource(StateMachine)}```" in TEXT
    assert GOOD_MASKS == 5, "the document says five in words"


def test_the_document_lists_the_states_in_their_order() -> None:
    rows = [line.split("`")[1] for line in TEXT.partition("## The states")[2].splitlines() if line.startswith("| `")]
    assert rows[: len(MaskState)] == [str(state) for state in MaskState]
