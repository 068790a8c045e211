"""constraints.txt against what pyproject.toml asks for."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_each_requirement_has_one_version_that_fits(python: str) -> None:
    lines = [Requirement(line) for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    here = [line for line in lines if line.marker is None or line.marker.evaluate({"python_version": python})]
    versions = {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in here}
    assert len(versions) == len(here)
    for asked in map(Requirement, requires("edgeunet") or []):
        if asked.name not in ("edgeunet", "pycuda"):  # pycuda is built on the board, against its CUDA
            assert asked.specifier.contains(versions[canonicalize_name(asked.name)]), asked
