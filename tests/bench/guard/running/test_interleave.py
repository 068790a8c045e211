"""Real processes against each other; what small differences come to is for the guard's own tests."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgeunet.errors import CommandError, EdgeUNetError, UsageError
from edgeunet.latency.quantiles import Samples
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet_bench.guard.judging import judgement as judging
from edgeunet_bench.guard.judging.judgement import MIN_PAIRS, Verdict
from edgeunet_bench.guard.running import interleave as interleaving
from edgeunet_bench.guard.running.arms import RunArm, TurnArm, command_arm, model_arm
from edgeunet_bench.guard.running.interleave import CompareOptions, Interleaved, interleave
from edgeunet_bench.guard.running.model_arm import ModelOptions
from edgeunet_bench.guard.running.reference import REFERENCE, REFERENCE_ENVIRONMENT
from edgeunet_bench.guard.running.worker import Worker
from tests.bench.guard.arms import python, turn_arm
from tests.models import toy_spec, write_toy_model


@pytest.fixture(autouse=True)
def _on_a_machine_that_may_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_FOREIGN", 1.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "small.onnx", toy_spec((64, 64)))


def _models(*models: Path, threads: int = 1) -> list[TurnArm]:
    return [model_arm(ModelOptions(str(model), threads=threads)) for model in models]


def test_a_slower_arm_regresses_at_the_first_look(tmp_path: Path) -> None:
    measured = interleave(turn_arm(tmp_path, 1.0), turn_arm(tmp_path, 1.5), CompareOptions(seconds=120))
    judgement = measured.looks[-1]
    assert judgement.verdict is Verdict.REGRESSED, judgement.reason
    assert judgement.ratio == pytest.approx(1.5, abs=0.05)
    assert len(measured.pairs) == MIN_PAIRS
    assert len(measured.looks) == 1
    rounds = [r for pair in measured.pairs for r in pair.rounds]
    assert {len(r.a_ms) for r in rounds} == {len(r.b_ms) for r in rounds} == {7}  # 10 ms of the slower, less one
    assert all(len(r.a_first_ms) == len(r.b_first_ms) == 1 for r in rounds)
    assert all(len(r.reference_a_ms) == len(r.reference_b_ms) == 3 for r in rounds)
    assert measured.machine["cpu"]


@pytest.mark.slow
def test_two_models_run_side_by_side(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = write_toy_model(tmp_path / "large.onnx", toy_spec((512, 512)))
    for module in (interleaving, judging):
        monkeypatch.setattr(module, "MIN_PAIRS", 3)
    a, b = _models(small, large)
    judgement = interleave(a, b, CompareOptions(seconds=120)).looks[-1]
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.ratio > 3
    assert judgement.pairs == 3


def test_time_that_is_up_ends_it_without_a_verdict(tmp_path: Path) -> None:
    measured = interleave(turn_arm(tmp_path, 1.0), turn_arm(tmp_path, 1.0), CompareOptions(seconds=0.5))
    assert len(measured.pairs) < MIN_PAIRS
    assert measured.looks[-1].verdict in (Verdict.INCONCLUSIVE, Verdict.INVALID)


@pytest.mark.slow
@pytest.mark.parametrize(("to_see_tail", "second"), [(0, 3), (5, 5)])
def test_an_unclear_result_is_looked_at_three_times(
    to_see_tail: int, second: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interleaving, "pairs_to_see_tail", lambda pairs: to_see_tail)
    monkeypatch.setattr(interleaving, "MIN_PAIRS", 2)
    monkeypatch.setattr(interleaving, "SECOND_LOOK", 3)
    seconds = itertools.count()
    monkeypatch.setattr(interleaving, "time", SimpleNamespace(perf_counter=lambda: float(next(seconds))))
    measured = interleave(turn_arm(tmp_path, 1.0), turn_arm(tmp_path, 1.0), CompareOptions(seconds=25))
    assert len(measured.pairs) > second
    assert [look.pairs for look in measured.looks] == [2, second, len(measured.pairs)]
    assert "a tail of 2% shows in about" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("seconds", "rounds"), [(20.0, 10), (60.0, 10), (120.0, 20), (600.0, 40), (6000.0, 40)])
def test_pairs_of_slow_calls_are_longer_where_there_is_more_time(seconds: float, rounds: int, tmp_path: Path) -> None:
    class Slow(Worker):
        def measure(self, calls: int) -> Samples:
            return np.full(calls, 15.0)

    arm = command_arm(python(""), turns=True, whole=False)
    with Slow([sys.executable, "-c", ""]) as worker:
        bench = interleaving._Bench((arm, arm), worker, CompareOptions(seconds=seconds))
        bench._plan([worker, worker], start_s=1.2)
    assert (bench._calls, bench._rounds) == (3, rounds)


def test_commands_that_print_their_times(tmp_path: Path) -> None:
    arms = [command_arm(python(f"print({ms}); print({ms + 0.01})"), turns=False, whole=False) for ms in (2.0, 3.0)]
    measured = interleave(arms[0], arms[1], CompareOptions(seconds=120))
    assert measured.looks[-1].verdict is Verdict.REGRESSED, measured.looks[-1].reason
    assert measured.looks[-1].ratio == pytest.approx(1.5, abs=0.01)
    assert {len(pair.rounds) for pair in measured.pairs} == {len(measured.pairs[0].rounds)}
    assert all(len(r.a_ms) == len(r.b_ms) == 2 for pair in measured.pairs for r in pair.rounds)


def test_short_commands_run_several_times_in_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interleaving, "RUNS_S", 1e6)  # on a busy machine no command is short
    monkeypatch.setattr(interleaving, "ROUNDS", (4, 5))
    program = tmp_path / "short"
    program.write_text("#!/bin/sh\necho 2.0\n")
    program.chmod(0o755)
    arm = command_arm(str(program), turns=False, whole=False)
    measured = interleave(arm, arm, CompareOptions(seconds=1))
    assert {len(pair.rounds) for pair in measured.pairs} == {5}


@pytest.mark.slow
def test_commands_that_are_timed_from_start_to_exit() -> None:
    arms = [command_arm(python(f"import time; time.sleep({s})"), turns=False, whole=True) for s in (0.0, 0.3)]
    measured = interleave(arms[0], arms[1], CompareOptions(seconds=120))
    assert measured.looks[-1].verdict is Verdict.REGRESSED, measured.looks[-1].reason
    assert measured.looks[-1].b_ms > 300


@pytest.mark.parametrize(("code", "said"), [("raise SystemExit(3)", "3"), ("print('hello')", "--whole")])
def test_a_command_that_fails_or_prints_nothing_is_an_error(code: str, said: str) -> None:
    arm = command_arm(python(code), turns=False, whole=False)
    with pytest.raises(CommandError, match=said):
        interleave(arm, arm, CompareOptions())


def test_a_model_that_does_not_open_says_so(small: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    a, b = _models(small, text)
    with pytest.raises(EdgeUNetError, match=r"text\.onnx is not a model"):
        interleave(a, b, CompareOptions())


@pytest.mark.slow
def test_where_the_arms_differ_is_what_is_compared(small: Path, tmp_path: Path) -> None:
    grey = replace(toy_spec((64, 96)), channels=1, mean=(127.5,), std=(63.75,))
    (a,), (b,) = _models(small, threads=1), _models(write_toy_model(tmp_path / "grey.onnx", grey), threads=2)
    measured = interleave(a, b, CompareOptions(seconds=3))
    assert measured.pairs
    assert measured.own[0].items() >= {"threads": "1", "input_size": "64×64"}.items()
    assert measured.own[1].items() >= {"threads": "2", "input_size": "64×96"}.items()
    assert "pixels" in measured.own[1]
    titles = [replace(arm, facts={**arm.facts, **own}).title for arm, own in zip((a, b), measured.own, strict=True)]
    assert titles[0].startswith("small.onnx (")
    assert "threads 1" in titles[0]
    assert "input_size 64×96" in titles[1]


def test_arms_on_two_machines_are_refused(tmp_path: Path) -> None:
    arms = [turn_arm(tmp_path, 1.0, about=f'{{"cpu": "{cpu}", "threads": {cpu}}}') for cpu in (1, 2)]
    refused = interleave(arms[0], arms[1], CompareOptions()).looks[-1]
    assert refused.verdict is Verdict.REFUSED
    assert refused.reason.endswith("(cpu: 1 and 2): measure both on one machine")


@pytest.mark.slow
def test_each_model_runs_on_its_own_backend(small: Path) -> None:
    a, b = (model_arm(ModelOptions(str(small), threads=1, backend=name)) for name in ONNX_BACKENDS)
    measured = interleave(a, b, CompareOptions(seconds=3))
    assert measured.pairs
    assert [own["backend"] for own in measured.own] == list(ONNX_BACKENDS)
    assert "backend" not in measured.machine
    assert measured.machine["threads"] == "1"


def test_a_command_of_turns_and_one_that_runs_whole_do_not_compare(tmp_path: Path) -> None:
    run = command_arm(python("print(1)"), turns=False, whole=False)
    with pytest.raises(UsageError, match="compared only with another"):
        interleave(turn_arm(tmp_path, 1.0), run, CompareOptions())


def test_ctrl_c_keeps_what_there_is_without_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., object] = interleaving._Bench.pair
    made: list[object] = []

    def pair(self: object, measured: Interleaved) -> object:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(original(self, measured))
        return made[-1]

    monkeypatch.setattr(interleaving._Bench, "pair", pair)
    arms = turn_arm(tmp_path, 1.0), turn_arm(tmp_path, 2.0)
    measured = interleave(*arms, CompareOptions())
    assert measured.partial
    assert measured.pairs == made
    assert measured.looks[-1].verdict is Verdict.INCONCLUSIVE
    assert "interrupted after 2 pairs" in measured.looks[-1].reason
    with pytest.raises(KeyboardInterrupt):  # nothing was measured
        interleave(*arms, CompareOptions())


def test_the_order_of_turns_is_drawn_by_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[list[str]] = []

    def order(seed: int) -> list[str]:
        called: list[str] = []
        measured = Interleaved()
        with Worker(REFERENCE, REFERENCE_ENVIRONMENT) as reference:
            reference.ready()
            arms = [RunArm(name, command=name) for name in "AB"]
            bench = interleaving._Bench((arms[0], arms[1]), reference, CompareOptions(seed=seed))

            def run(arm: RunArm) -> Samples:
                called.append(arm.name)
                return np.ones(1)

            monkeypatch.setattr(RunArm, "run", run)
            for _ in range(12):
                bench.pair(measured)
        return called

    orders = [order(seed) for seed in (1, 1, 2)]
    count = min(map(len, orders))  # a busy machine has time for fewer turns
    one, again, other = (calls[:count] for calls in orders)
    assert count >= 24
    assert one == again != other
    assert {"".join(pair) for pair in zip(orders[0][::2], orders[0][1::2], strict=True)} == {"AB", "BA"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('no such camera')", r"ended by itself \(exit code 1\): no such camera"),
        ("print('hello')", 'printed "hello", expected "ready"'),
        ("print('ready [1]')", "without a JSON object"),
        ("print('ready ' + '[' * 100_000)", "without a JSON object"),
        ("import os; os.write(1, b'caf\\xe9\\n')", "printed .caf\N{REPLACEMENT CHARACTER}., expected"),
        ("print('ready', flush=True); input(); print('fast', flush=True); input()", 'answered "fast"'),
        ("print('ready', flush=True); input(); print('1', flush=True); input()", "answered 1 times to 3 calls"),
        ("print('ready', flush=True); input(); print('1 2 nan', flush=True); input()", "one that is not a time"),
        ("print('ready', flush=True); input(); print('1 2 -3', flush=True); input()", "one that is not a time"),
        ("print('ready', flush=True)", "ended by itself"),
    ],
)
def test_a_process_that_breaks_the_protocol_is_one_line(code: str, said: str) -> None:
    def ask() -> None:
        with Worker([sys.executable, "-c", code]) as worker:
            worker.ready()
            worker.measure(3)

    with pytest.raises(EdgeUNetError, match=said) as caught:
        ask()
    assert "\n" not in str(caught.value)


def test_a_process_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeunet_bench.guard.running.worker.SILENCE_S", 0.1)
    with Worker([sys.executable, "-c", "input()"]) as worker, pytest.raises(EdgeUNetError, match="was silent"):
        worker.ready()


def test_a_program_that_is_not_there_is_one_line() -> None:
    with pytest.raises(EdgeUNetError, match="cannot be started"):
        Worker(["/no/such/program"])


def test_senseless_options_are_refused(tmp_path: Path) -> None:
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--seconds is from"):
            CompareOptions(seconds=seconds)
    for seed in (-1, 2**32):
        with pytest.raises(UsageError, match="--seed is from 0 to"):
            CompareOptions(seed=seed)
    with pytest.raises(UsageError, match="no such model file"):
        model_arm(ModelOptions(str(tmp_path / "none.onnx")))
