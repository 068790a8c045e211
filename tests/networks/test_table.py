from __future__ import annotations

import json
from pathlib import Path

from tests.networks.sources import SOURCES
from tests.networks.table import table

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks/results/networks.json"


def test_the_document_has_the_table_of_the_result() -> None:
    document = (ROOT / "docs/your_network.md").read_text(encoding="utf-8")
    assert "\n".join(table(json.loads(RESULT.read_text()))) in document


def test_every_network_has_a_row() -> None:
    assert [row["name"] for row in json.loads(RESULT.read_text())["networks"]] == list(SOURCES)
