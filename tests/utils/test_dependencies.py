"""An optional dependency is missing, or there and broken: two errors with two remedies."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from edgeunet.errors import BrokenDependencyError, MissingDependencyError
from edgeunet.utils.dependencies import needed


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("raise ImportError('libopenvino.so: cannot open')", "OpenVINO does not load (libopenvino.so: cannot open): "),
        ("import no_such_part", "OpenVINO does not load (No module named 'no_such_part'): "),
    ],
)
def test_a_package_that_is_there_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, says: str
) -> None:
    (tmp_path / "openvino.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    with pytest.raises(BrokenDependencyError) as raised, needed("openvino"):
        importlib.import_module("openvino")
    assert str(raised.value).startswith(says)


def test_a_package_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    said = r"^OpenVINO is not installed, and .* pip install openvino$"
    with pytest.raises(MissingDependencyError, match=said), needed("openvino"):
        importlib.import_module("openvino")
