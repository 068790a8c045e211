"""Which files are changed how, and the commands that get them. The valid files lie in in/, outputs go to out/."""

from __future__ import annotations

import random
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzzer import mutations
from tests.fuzzer.seeds import CLIPS, LISTS, PICTURES

DATA = "in/dataset"
INT8 = f"--data {DATA} --max-drop 100 --calib-images 1"
TRAIN = "--steps 1 --batch 1 --workers 0 --precision fp32"
MODEL = (
    "info {file}",
    "doctor {file}",
    f"predict {{file}} {DATA}/images/val -o out/masks",
    f"evaluate {{file}} {DATA} -o out/scores.json --report out/page.html --threads 1",
    f"evaluate {{file}} {DATA} --backend openvino --threads 1 --json",
    "camera {file} --source in/photo.png --jsonl out/lines --record out/v.mp4 --save-masks out/masks --threads 1",
    f"export verify {{file}} in/model.onnx --data {DATA}",
    "export triton {file} -o out/repo --name m",
    "export fp16 {file} -o out/half.onnx --images 1",
    f"export cache {{file}} -o out/c.cache --tensorrt 10.3 --data {DATA} --calib-images 1",
    f"export int8 {{file}} -o out/q.onnx --target openvino {INT8}",
    "export engine {file} -o out/e.engine",
    "bench run {file} -o out/r.json --seconds 0.01 --max-frames 2 --threads 1",
)
REPORT = tuple(f"bench report {{file}} -o out/report.{suffix}" for suffix in ("md", "html", "json"))
DATASET = (
    f"data stats {DATA} --contact-sheet out/sheet.jpg",
    f"data stats {DATA} --json",
    f"data convert {DATA} -o out/made --layout indices --ignore-unknown",
    f"train {DATA} -o out/run --model nano --size 32x32 {TRAIN}",
    f"evaluate in/model.onnx {DATA} --threads 1 --split train --report out/page.html",
)
PICTURE = (
    *DATASET,
    f"predict in/model.onnx {DATA}/images in/photo.jpg -o out/masks",
    f"camera in/model.onnx --source {DATA}/images/train --threads 1 --jsonl out/lines",
    f"export cache in/model.onnx -o out/c.cache --tensorrt 10.3 --data {DATA} --calib-images 2",
)
CLIP = (
    "camera in/model.onnx --source {file} --threads 1 --jsonl out/lines --latency-record out/ages.json",
    "bench run in/model.onnx -o out/r.json --seconds 0.01 --max-frames 2 --threads 1 --data {file}",
)


@dataclass(frozen=True)
class Kind:
    """files: one of them is changed. commands: one of them is run; {file} is the changed file."""

    files: Sequence[str]
    change: Callable[[random.Random, bytes], bytes]
    commands: Sequence[str]


KINDS = {
    "onnx": Kind(("model.onnx", "model.int8.onnx"), mutations.changed_onnx, MODEL),
    "engine": Kind(("model.engine",), mutations.changed_bytes, MODEL),
    "engine-json": Kind(
        ("model.engine.json",), mutations.changed_json, tuple(c.replace("{file}", "in/model.engine") for c in MODEL[:8])
    ),
    "checkpoint": Kind(
        ("checkpoint.pt", "qat/best.pt"),
        mutations.changed_zip,
        (
            "info {file}",
            f"evaluate {{file}} {DATA} -o out/scores.json",
            "export onnx {file} -o out/m.onnx",
            f"train {DATA} -o out/run --qat {{file}} {TRAIN}",
        ),
    ),
    "resumed": Kind(
        ("qat/last.pt",),
        mutations.changed_zip,
        (f"train {DATA} -o in/qat --qat in/checkpoint.pt --steps 6 --batch 2 --workers 0 --precision fp32 --resume",),
    ),
    "run": Kind(
        ("qat/run.json",), mutations.changed_json, (*REPORT, f"train {DATA} -o in/qat --model nano {TRAIN} --force")
    ),
    "ranges": Kind(
        ("model.int8.ranges.json",),
        mutations.changed_json,
        (
            "export cache in/model.onnx -o out/c.cache --tensorrt 10.3 --ranges {file}",
            f"export int8 in/model.onnx -o out/q.onnx --ranges {{file}} {INT8}",
        ),
    ),
    "record": Kind(
        tuple(f"{name}.json" for name in ("record", "paced", "command", "camera", "qualification")),
        mutations.changed_json,
        (
            *REPORT,
            "bench compare {file} in/record.json",
            "bench compare in/record.json {file} --json",
        ),
    ),
    "comparison": Kind(
        ("comparison.json",),
        mutations.changed_json,
        (
            *REPORT,
            "bench judge {file} --json",
            "bench accept in/model.onnx --as x --comparison {file} --baselines out/base",
        ),
    ),
    "scores": Kind(
        ("scores.json",),
        mutations.changed_json,
        tuple(f"bench report in/record.json --scores {{file}} -o out/report.{s}" for s in ("md", "html")),
    ),
    "sweep": Kind(
        ("sweep.json",),
        mutations.changed_json,
        (*REPORT, f"fit {DATA} --device-record {{file}} --budget-ms 15 -o out/card"),
    ),
    "classes": Kind(("dataset/classes.json",), mutations.changed_json, DATASET),
    "mark": Kind(
        ("dataset/.edgeunet.json",),
        mutations.changed_json,
        ("data convert in/source -o in/dataset --layout indices --force",),
    ),
    "lists": Kind(
        tuple(LISTS),
        mutations.changed_text,
        (
            f"data convert {DATA} -o out/made --layout indices --classes in/label_colors.txt --ignore-unknown",
            f"data convert {DATA} -o out/made --layout indices --list train=in/train.txt --list val=in/val.txt",
        ),
    ),
    "pictures": Kind(
        (*(f"dataset/{kind}/{name}.png" for kind in ("images", "masks") for name in ("train/0", "val/2")), "photo.jpg"),
        mutations.changed_picture,
        PICTURE,
    ),
    "photos": Kind(
        PICTURES,
        mutations.changed_picture,
        ("predict in/model.onnx {file} -o out/masks", "camera in/model.onnx --source {file} --threads 1"),
    ),
    "clips": Kind(tuple(CLIPS), mutations.changed_clip, CLIP),
}


def prepare(rng: random.Random, seeds: Path, folder: Path, kind: Kind | None) -> list[str]:
    """Make a case's folder with one of its files changed, if it is of a kind, and give the command to run in it."""
    shutil.copytree(seeds, folder / "in")
    (folder / "out").mkdir()
    if kind is None:
        return []
    file = rng.choice(kind.files)
    path = folder / "in" / file
    path.write_bytes(kind.change(rng, path.read_bytes()))
    words = shlex.split(rng.choice(kind.commands).format(file=f"in/{file}"))
    if words[0] in ("evaluate", "export") and "-o" in words and rng.random() < 0.3:
        (folder / words[words.index("-o") + 1]).write_text("before")
        words.append("--force")
    return words
