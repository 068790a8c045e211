from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from edgeunet.board import doctor
from edgeunet.board.doctor import Finding, examine


def finding(part: str) -> Finding:
    (found,) = [f for f in examine() if f.part == part]
    return found


def test_a_missing_part_is_a_warning_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    missing = "missing; recording and streaming video needs it"
    assert finding("PyAV") == Finding("warning", "PyAV", missing, "pip install av")


def test_without_opencv_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert finding("OpenCV").state == "wrong"
    assert "apt install python3-opencv" in finding("OpenCV").remedy


def test_a_missing_libgl_is_told_from_a_missing_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({message!r})")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    assert finding("OpenCV").found == "cannot load libGL"
    assert "apt install libgl1" in finding("OpenCV").remedy


def test_a_cpu_without_int8_instructions_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "int8_instructions", list)
    assert finding("CPU").state == "warning"
    monkeypatch.setattr(doctor, "int8_instructions", lambda: ["avx512_vnni"])
    assert finding("CPU").state == "ok"


def test_gstreamer_is_found_in_opencvs_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("cv2")  # a stand-in: PyPI's OpenCV never has GStreamer
    fake.__version__ = "4.8.0"  # type: ignore[attr-defined]
    fake.getBuildInformation = lambda: "  Video I/O:\n    GStreamer:    YES (1.20.3)\n"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", fake)
    assert finding("OpenCV").found == "4.8.0 with GStreamer"
