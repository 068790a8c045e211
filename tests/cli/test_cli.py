"""The commands as a user types them, from a dataset folder to a report, and what they say to bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from edgeunet import cli
from edgeunet.evaluation.metrics import agreement
from edgeunet.samples import CLIP
from tests.commands import Run
from tests.datasets import draw, write_dataset
from tests.models import write_toy_model


class Work(NamedTuple):
    data: Path
    checkpoint: Path
    model: Path
    quantized: Path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """A network trained, exported and quantised through the commands, for all tests of this file."""
    folder = tmp_path_factory.mktemp("work")
    data = write_dataset(folder / "data", train=6, val=3, size=(64, 96))
    made = Work(data, folder / "run" / "best.pt", folder / "m.onnx", folder / "m.int8.onnx")
    with pytest.MonkeyPatch.context() as patch:
        options = ["--model", "nano", "--size", "64x96", "--steps", "50", "--batch", "2", "--lr", "0.005"]
        words: list[object]
        for words in (
            ["train", data, "-o", folder / "run", *options],
            ["export", "onnx", made.checkpoint, "-o", made.model, "--data", data],
            ["export", "int8", made.model, "--data", data, "-o", made.quantized],
        ):
            patch.setattr("sys.argv", ["edgeunet", *map(str, words)])
            with pytest.raises(SystemExit) as end:
                cli.main()
            assert end.value.code == 0, words
    return made


def test_every_file_made_on_the_way_scores_alike(run: Run, work: Work) -> None:
    scores = []
    for model in (work.checkpoint, work.model, work.quantized):
        ran = run("evaluate", model, work.data, "--json")
        assert ran.code == 0
        scores.append(json.loads(ran.out))
    assert [s["precision"] for s in scores] == ["fp32", "fp32", "int8"]
    assert scores[0]["miou"] > 0.6  # that it has learnt something; how much differs from CPU to CPU
    assert scores[1]["miou"] == pytest.approx(scores[0]["miou"], abs=1e-3)
    assert scores[2]["miou"] == pytest.approx(scores[0]["miou"], abs=0.02)
    assert scores[0]["frames"] == 3
    assert set(scores[0]["iou"]) == {"ground", "disc", "bar"}


def test_evaluate_writes_what_it_prints(run: Run, work: Work, tmp_path: Path) -> None:
    scores, page = tmp_path / "scores.json", tmp_path / "page.html"
    ran = run("evaluate", work.model, work.data, "-o", scores, "--report", page)
    value = json.loads(scores.read_text())
    assert value["schema"] == "edgeunet.scores/2"
    assert f"mIoU {100 * value['miou']:.1f} %" in ran.out
    assert "boundary F1" in ran.out
    assert f"{100 * value['miou']:.1f} %" in page.read_text()
    assert str(page) in ran.out


def test_evaluate_is_the_same_to_the_last_byte(run: Run, work: Work, tmp_path: Path) -> None:
    for model in (work.checkpoint, work.model, work.quantized):
        made = []
        for again in range(2):
            files = [tmp_path / f"{model.name}.{again}.{kind}" for kind in ("json", "html")]
            ran = run("evaluate", model, work.data, "--json", "-o", files[0], "--report", files[1])
            made.append([ran.out, *(file.read_bytes() for file in files)])
        assert made[0] == made[1], model


def test_evaluate_says_at_once_what_is_in_the_way(run: Run, work: Work, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = run("evaluate", work.model, work.data, "--report", page, "-o", page)
    assert (ran.code, ran.err) == (
        2,
        f"error: --report {page} is also -o {page}: give another name, nothing was written\n",
    )
    ran = run("evaluate", work.model, work.data, "--report", tmp_path / "page.pdf")
    assert (ran.code, ".pdf is the ending of a PDF, and this is a page" in ran.err) == (2, True)
    ran = run("evaluate", work.model, work.data, "--report", page, "--split", "test")
    assert ran.code == 1
    assert "splits of this dataset: train, val" in ran.err
    assert not page.exists()
    page.write_text("mine")
    ran = run("evaluate", work.model, work.data, "--report", page)
    assert (ran.code, ran.err) == (1, f"error: {page} exists already: give --force to replace it, or another name\n")
    assert page.read_text() == "mine"
    assert run("evaluate", work.model, work.data, "--report", page, "--force").code == 0


def test_predict_finds_what_was_drawn(run: Run, work: Work, tmp_path: Path) -> None:
    frame, mask = draw(5000, size=(64, 96))
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), frame)
    assert run("predict", work.model, tmp_path / "in", "-o", tmp_path / "out").code == 0
    found = np.asarray(cv2.imread(str(tmp_path / "out" / "a.mask.png"), cv2.IMREAD_UNCHANGED), np.uint8)
    assert agreement(found, mask) > 0.9
    overlay = np.asarray(cv2.imread(str(tmp_path / "out" / "a.overlay.jpg")), np.uint8)
    assert overlay.shape == frame.shape
    assert not np.array_equal(overlay, frame)


def test_the_token_may_come_from_the_environment(run: Run, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEUNET_TOKEN", "short")
    ran = run("camera", work.model, "--source", CLIP, "--metrics", "9464")
    assert (ran.code, ran.err) == (
        2,
        "error: the token (--token or EDGEUNET_TOKEN) must have at least 8 characters, got 5\n",
    )


def test_info_says_what_a_file_is(run: Run, work: Work) -> None:
    facts = json.loads(run("info", work.quantized, "--json").out)
    assert facts["classes"] == ["ground", "disc", "bar"]
    assert facts["input_size"] == facts["counted_for"] == [64, 96]
    assert facts["precision"] == "int8"
    assert "images" in facts["calibration"] or "frames" in facts["calibration"]
    checkpoint = json.loads(run("info", work.checkpoint, "--json").out)
    assert checkpoint["counted_for"] == [64, 96]
    assert facts["gflops"] == checkpoint["gflops"]
    assert 0.98 < facts["parameters"] / checkpoint["parameters"] < 1  # batch norm is folded
    classic = json.loads(run("info", "classic", "--size", "572x572", "--json").out)
    assert classic["parameters"] == 31_037_633
    assert (classic["bottleneck"], classic["first_stride"]) == (1024, 1)
    assert "residual_blocks" not in classic
    nano = json.loads(run("info", "nano", "--json").out)
    assert nano["first_stride"] == 2
    assert nano["residual_blocks"][1] == {"channels": 64, "dilations": [1, 2, 4]}
    assert "48 channels, dilated 1; 64 channels, dilated 1, 2, 4" in run("info", "nano").out
    lite = json.loads(run("info", "lite", "--json").out)
    assert (lite["encoder"], lite["encoder_levels"], lite["levels"]) == ("lite0", [16, 24, 40], [16, 32, 64])


def test_info_and_help_are_for_people(run: Run) -> None:
    told = run("info", "nano", "--size", "16x16").out
    assert "halves the size" in told
    assert "<0.01" in told
    for verb in ("train", "export int8", "bench compare"):
        told = run(*verb.split(), "-h").out
        assert "--force" in told
        assert "<bool>" not in told


def test_help_fits_its_paragraphs_to_the_terminal(run: Run) -> None:
    told = run("data", "split", "-h").out
    paragraph = told[told.index("Neighbouring") : told.index("Example")].strip().splitlines()
    longest = max(map(len, told.splitlines()))
    assert len(paragraph) > 1
    assert all(len(line.strip()) > longest - 25 for line in paragraph[:-1])


def test_info_names_the_command_for_what_is_no_model(run: Run, work: Work) -> None:
    assert "edgeunet data stats" in run("info", work.data).err
    assert "or give a file" in run("info", "enormous").err
    assert "16x16 at least" in run("info", "nano", "--size", "17x9").err


def test_camera_writes_a_video_and_bench_a_report(run: Run, work: Work, tmp_path: Path) -> None:
    video, record, report = tmp_path / "out.mp4", tmp_path / "latency.json", tmp_path / "report.html"
    assert run("camera", work.quantized, "--source", CLIP, "--record", video, "--max-frames", 5).code == 0
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    capture.release()
    assert run("bench", "run", work.model, "--seconds", "0.5", "-o", record).code == 0
    assert run("bench", "report", record, "-o", report).code == 0
    assert "<html" in report.read_text()


def test_camera_fails_on_too_many_masks_in_a_state(run: Run, work: Work) -> None:
    camera = ("camera", work.model, "--source", CLIP, "--max-frames", 3, "--deadline-ms", "1e-3", "--fail-on")
    assert run(*camera, "late:1", "--fail-on", "frozen:0").code == 0
    failed, wrong = run(*camera, "late:0.9"), run(*camera, "late:2")
    assert (failed.code, wrong.code) == (1, 2)
    assert "100.00 % of the masks of" in failed.err
    assert "--fail-on is STATE:SHARE with a share from 0 to 1" in wrong.err


def test_data_stats_counts_every_pixel(run: Run, work: Work) -> None:
    value = json.loads(run("data", "stats", work.data, "--json").out)
    assert value["splits"]["train"]["frames"] == 6
    assert sum(c["share"] for c in value["splits"]["train"]["classes"].values()) == pytest.approx(1)


def test_doctor_names_this_machines_parts(run: Run) -> None:
    ran = run("doctor", "--json")
    assert ran.code == 0
    parts = {f["part"]: f for f in json.loads(ran.out)}
    assert parts["Python"]["state"] == "ok"
    assert parts["OpenCV"]["found"].startswith(cv2.__version__)


def test_doctor_runs_without_opencv_and_says_so() -> None:
    program = "import sys; sys.modules['cv2'] = None; from edgeunet.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", program, "doctor", "m.onnx"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "pip install opencv-python" in ran.stdout


def test_debug_shows_the_traceback(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeunet.errors import ModelFileError

    monkeypatch.setattr("sys.argv", ["edgeunet", "info", str(tmp_path / "no.onnx"), "--debug"])
    with pytest.raises(ModelFileError):
        cli.main()


def test_ctrl_c_while_it_loads_ends_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "edgeunet", "--version"]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_without_torch_training_names_the_remedy(work: Work) -> None:
    program = "import sys; sys.modules['torch'] = None; from edgeunet.cli import main; main()"
    command = [sys.executable, "-c", program, "train", str(work.data), "-o", str(work.data.parent / "new")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: PyTorch is not installed")
    assert "download.pytorch.org/whl/cpu" in ran.stderr


def broken(kind: str, work: Work, folder: Path) -> Path:
    """A file or folder with one fault."""
    path = folder / {"empty": "empty", "text": "text.onnx", "pt": "cut.pt", "bare": "bare.onnx"}.get(kind, kind)
    if kind == "empty":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is no model")
    elif kind == "pt":
        path.write_bytes(work.checkpoint.read_bytes()[:5000])
    elif kind == "bare":
        write_toy_model(path, with_spec=False)
    elif kind == "image.png":
        path.write_bytes(b"")
    elif kind == "cut.mp4":
        path.write_bytes(CLIP.read_bytes()[:1_000_000])
    elif kind == "toy.onnx":
        write_toy_model(path)
    elif kind == "unpaired":
        shutil.copytree(work.data, path)
        (path / "masks" / "train" / "000.png").unlink()
    return path


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("evaluate {missing} {data}", "", "no such model file"),
        ("evaluate {data} {model}", "", "is a folder, not a model file: the model comes first, then the data"),
        ("predict {data} {model} -o {out}", "", "is a folder, not a model file"),
        ("export onnx {data} -o {out}.onnx", "", "is a folder, not a checkpoint"),
        ("export int8 {data} --data {data} -o {out}.onnx", "", "is a folder, not a model file"),
        ("train {missing} -o {out}", "", "no such dataset folder; `edgeunet data convert` makes one"),
        ("train {bad} -o {out}", "empty", "is empty"),
        ("train {bad} -o {out}", "unpaired", "no mask of that name"),
        (
            "train {data} -o {out} --model huge",
            "",
            "nano, small, base, lite, classic; to go on from a checkpoint: --resume",
        ),
        ("train {data} -o {out} --recipe slow", "", "quick, standard"),
        ("train {data} -o {out} --loss focal", "", "ce, dice, ce+dice"),
        ("train {data} -o {out} --precision int8", "", "auto, fp32, bf16, fp16"),
        ("train {data} -o {out} --time-budget soon", "", "600s, 90m or 2h"),
        ("train {data} -o {out} --time-budget 1h --steps 10", "", "give one of them"),
        ("evaluate {bad} {data}", "text", "is not a model but a text"),
        ("evaluate {bad} {data}", "pt", "is cut"),
        ("evaluate {bad} {data}", "bare", "no edgeunet spec"),
        ("evaluate {bad} {data}", "toy.onnx", "road, car, sky"),
        ("evaluate {model} {data} --split test", "", "splits of this dataset"),
        ("export onnx {bad} -o {out}.onnx", "pt", "is cut"),
        ("export onnx {checkpoint} -o {model}", "", "--force"),
        ("export int8 {bad} --data {data} -o {out}.onnx", "toy.onnx", "road, car, sky"),
        ("export int8 {quantized} --data {data} -o {out}.onnx", "", "is int8 already"),
        ("export int8 {bad} --data {data} -o {out}.onnx", "text", "text.onnx"),
        ("predict {model} {bad} -o {out}", "image.png", "is empty"),
        ("predict {model} {bad} -o {out}", "empty", "has no images"),
        ("predict {checkpoint} {bad} -o {out}", "image.png", "is a checkpoint"),
        ("camera {model} --source ftp://camera", "", "or gst:PIPELINE"),
        ("camera {model} --source {missing} --record {out}.mp4", "", "missing"),
        ("camera {model} --source {bad} --record {out}.mp4", "cut.mp4", "cut"),
        ("camera {model} --source {bad} --record {out}.mp4", "image.png", "image.png"),
        ("bench run {bad} -o {out}.json", "text", "is not a model but a text"),
        ("bench run {missing} -o {out}.json", "", "no such model file"),
        ("info {bad}", "bare", "no edgeunet spec"),
        ("info small --size 300", "", "HEIGHTxWIDTH"),
    ],
)
def test_bad_input_ends_with_one_line(run: Run, work: Work, tmp_path: Path, line: str, kind: str, says: str) -> None:
    bad = broken(kind, work, tmp_path) if kind else tmp_path
    before = sorted(tmp_path.rglob("*"))
    names = {**work._asdict(), "bad": bad, "missing": tmp_path / "missing", "out": tmp_path / "out"}
    ran = run(*(word.format(**names) for word in line.split()))
    assert ran.code in (1, 2)
    errors = [text for text in ran.err.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert sorted(tmp_path.rglob("*")) == before, "nothing may be left behind"


def test_wrong_usage_ends_with_2(run: Run) -> None:
    assert run("train").code == 2
    assert run("evaluate", "a.onnx", "data", "--no-such-option").code == 2
