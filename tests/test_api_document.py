"""docs/api.md is what docs/make_api.py writes today."""

from __future__ import annotations

from pathlib import Path

import edgeunet
from docs.make_api import document

TEXT = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")


def test_document_is_up_to_date() -> None:
    assert document() == TEXT, "run: python docs/make_api.py"


def test_every_public_name_is_in_it() -> None:
    assert [name for name in edgeunet.__all__ if f"### {name}\n" not in TEXT and f"── {name} " not in TEXT] == [
        "EdgeUNetError"  # the root of the tree
    ]
