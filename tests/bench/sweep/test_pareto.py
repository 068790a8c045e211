from __future__ import annotations

from edgeunet_bench.sweep.pareto import advice, front, names, within
from tests.bench.sweep.rows import toy_row, toy_sweep

FAST = toy_row("fast.onnx", 5.0, 0.50, slow_ms=8.0)
WORSE = toy_row("worse.onnx", 6.0, 0.49)
GOOD = toy_row("good.onnx", 12.0, 0.60, slow_ms=25.0)
STEADY = toy_row("steady.onnx", 14.0, 0.59, slow_ms=15.0)
BEST = toy_row("best.onnx", 30.0, 0.70)
ALL = (BEST, GOOD, STEADY, WORSE, FAST)


def test_the_front_leaves_out_what_is_slower_and_worse() -> None:
    assert front(ALL) == [FAST, GOOD, BEST]
    assert front([toy_row("a.onnx", 5.0)]) == []


def test_within_a_budget_the_slow_frames_count() -> None:
    assert within(ALL, 20.0) is STEADY  # good.onnx is better, but 3 of its 100 frames took 25 ms
    assert within(ALL, 25.0) is GOOD
    assert within(ALL, 5.5) is None


def test_a_name_says_what_varies_with_the_model() -> None:
    rows = [
        toy_row("a.onnx", 1.0),
        toy_row("a.onnx", 1.0, threads=2),
        toy_row("net.pt", 1.0, input_size=(64, 96)),
        toy_row("net.pt", 1.0, backend="openvino"),
        toy_row("b.engine", 1.0, threads=None, backend="tensorrt"),
    ]
    expected = ["a, 1 thread", "a, 2 threads", "net.pt, 64×96, onnxruntime", "net.pt, 32×48, openvino", "b.engine"]
    assert names(rows) == expected


def test_the_advice_names_the_model_in_words() -> None:
    told = advice(toy_sweep(*ALL, budget_ms=20.0))
    assert told == "for 20 ms take steady (p50 14.00 ms, p99 15.00 ms, mIoU 59.0 %)"
    assert advice(toy_sweep(*ALL, budget_ms=4.5)).startswith(
        "no model has its p99 within 4.5 ms: the nearest is worse ("
    )
    assert advice(toy_sweep(*ALL)).startswith(
        "pareto front (nothing faster is as accurate): fast (p50 5.00 ms, p99 8.00 ms, mIoU 50.0 %); good ("
    )


def test_without_labels_it_says_what_is_missing() -> None:
    rows = toy_row("slow.onnx", 30.0), toy_row("quick.onnx", 5.0)
    told = advice(toy_sweep(*rows, budget_ms=20.0))
    assert told.startswith("1 of 2 have their p99 within 20 ms; the fastest is quick (p50 5.00 ms, p99 5.00 ms)")
    assert "labelled --data" in told
    assert advice(toy_sweep(*rows)).startswith("the fastest is quick")
