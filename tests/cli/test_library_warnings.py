"""What libraries warn of, with their own lines of code, is for --debug."""

from __future__ import annotations

import sys
import warnings

import pytest

from edgeunet import __main__, cli


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_warnings_of_libraries_are_shown_with_debug_only(monkeypatch: pytest.MonkeyPatch, debug: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["edgeunet", *debug])
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(cli, "main", lambda: warnings.warn("more workers than cores", stacklevel=1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        __main__.main()
    assert len(seen) == len(debug)
