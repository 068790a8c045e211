from __future__ import annotations

import re
from pathlib import Path

import cv2
import pytest

from edgeunet.errors import OutputError, UsageError
from edgeunet.samples import DATASET
from edgeunet_bench.sweep.grid import SweepOptions
from edgeunet_bench.sweep.plot import pareto_plot, require_plot, write_plot
from edgeunet_bench.sweep.sweep_file import Row
from tests.bench.sweep.rows import toy_row, toy_sweep

ROWS = [
    toy_row("fast.onnx", 5.0, 0.50, slow_ms=6.0),
    toy_row("worse.onnx", 6.0, 0.40),
    *(toy_row(f"crowd{i}.onnx", 12.0 + 0.01 * i, 0.55) for i in range(8)),
    toy_row("good.onnx", 20.0, 0.70, slow_ms=24.0),
]


def texts(svg: str) -> set[str]:
    return set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_the_plot_names_the_front_the_budget_and_what_there_is_room_for() -> None:
    written = texts(pareto_plot(toy_sweep(*ROWS, budget_ms=22.0)))
    assert {"fast", "worse", "good", "crowd0", "22 ms"} <= written
    assert not {f"crowd{i}" for i in range(8)} <= written  # eight names at one place cannot be read


def test_one_slow_frame_does_not_push_the_models_together() -> None:
    stalled = toy_row("stalled.onnx", 7.0, 0.45, slow_ms=3000.0)
    places = [
        box(t)[0] for name in ("fast", "good") for t in re.findall(f"<text[^>]*>{name}<", plot_of(*ROWS, stalled))
    ]
    assert abs(places[1] - places[0]) > 30
    assert {"5", "10", "1000"} <= texts(plot_of(*ROWS, stalled))


def test_a_narrow_range_has_ticks_too() -> None:
    narrow = texts(plot_of(toy_row("a.onnx", 21.0, 0.5), toy_row("b.onnx", 24.0, 0.6)))
    assert len({t for t in narrow if re.fullmatch(r"2[0-9](\.\d)?", t)}) >= 2


def plot_of(*rows: Row) -> str:
    return pareto_plot(toy_sweep(*rows))


def test_names_stand_apart() -> None:
    boxes = [box(text) for text in re.findall(r"<text[^>]*>crowd\d</text>", pareto_plot(toy_sweep(*ROWS)))]
    assert len(boxes) >= 2
    for i, (x, y) in enumerate(boxes):
        assert all(abs(x - other_x) > 24 or abs(y - other_y) > 7 for other_x, other_y in boxes[:i])


def box(text: str) -> tuple[float, float]:
    """Middle and baseline of a name of six letters, about 30 wide and 8 high."""
    x, y, anchor = (re.search(f'{key}"?[=:] ?"?([^";]+)', text) for key in (" x", " y", "text-anchor"))
    assert x is not None
    assert y is not None
    assert anchor is not None
    return float(x[1]) + {"start": 15, "middle": 0, "end": -15}[anchor[1]], float(y[1])


def test_files_of_both_kinds_are_written_whole(tmp_path: Path) -> None:
    sweep = toy_sweep(*ROWS)
    write_plot(tmp_path / "plot.png", sweep, force=False)
    image = cv2.imread(str(tmp_path / "plot.png"))
    assert image is not None
    assert image.shape[0] > 500
    assert image[0, 0].tolist() == [255, 255, 255]
    write_plot(tmp_path / "plot.svg", sweep, force=False)
    assert "fast" in texts((tmp_path / "plot.svg").read_text())
    with pytest.raises(OutputError):
        write_plot(tmp_path / "plot.svg", sweep, force=False)


def test_a_plot_that_cannot_be_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no mIoU"):
        pareto_plot(toy_sweep(toy_row("a.onnx", 5.0)))
    labelled = SweepOptions(data=DATASET)
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        require_plot(tmp_path / "plot.pdf", labelled, force=False)
    with pytest.raises(UsageError, match="masks/val"):
        require_plot(tmp_path / "plot.svg", SweepOptions(), force=False)
    require_plot(tmp_path / "plot.svg", labelled, force=False)
