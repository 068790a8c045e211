"""The documents: their commands exist and do what they say, their snippets run, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

from edgeunet import samples
from edgeunet.data.classes import read_classes
from tests.commands import Run, all_options, parse, unknown_options
from tests.datasets import write_dataset
from tests.export.foreign.foreign_models import write_bright_network
from tests.export.foreign.reading.torch_networks import write_torch_network
from tests.pixel_datasets import FOUR, THERMAL, write_pixels

ROOT = Path(__file__).parents[1]
RUN_HERE = (  # in this order: later documents use what the commands of earlier ones made
    "README.md",
    "docs/your_frames.md",
    "docs/training.md",
    "docs/your_network.md",
    "docs/int8.md",
    "docs/camera.md",
    "docs/latency.md",
    "docs/tensorrt.md",
    "docs/api.md",
)
DOCUMENTS = (
    *RUN_HERE,
    "docs/results.md",
    "docs/trust.md",
    "docs/ros2.md",
    "jetson/README.md",
    "CONTRIBUTING.md",
    "benchmarks/ci/README.md",
    "benchmarks/results/README.md",
    "edgeunet/samples/README.md",
)
LONGEST = 150  # lines of the README
NOT_HERE = {  # a part of the command: why it is not run
    ".engine": "an engine needs a GPU",
    "torchrun": "it starts several processes, as tests/training/processes/test_distributed.py does",
    "import their.onnx -o model.onnx": "labels of drawn frames show no order of channels, see tests/export/foreign",
    "saved_folder/": "it needs packages of others: `make check-networks` imports such folders",
    "edgeunet choose": "it measures for minutes, as tests/bench/choose does",
    "bench compare chosen/": "`edgeunet choose` makes that file",
    "edgeunet fit": "it exports and trains many networks, as tests/bench/fit does",
    "candidates/": "`edgeunet fit` makes these files",
}
QUICK = (  # what takes seconds in the place of minutes, and needs no camera
    (r"train (?!.*--time-budget|.*--qat)", "train --steps 30 "),
    (r"train (?=.*--qat)", "train --steps 4 "),
    (r"--time-budget \S+", "--time-budget 4s"),
    (r"--model small", "--model nano"),
    (r"export int8 ", "export int8 --max-drop 100 "),
    (r"camera (?!--list)", "camera --max-frames 8 "),
    (r"--source (0|rtsp:\S+)", "--source 'synthetic://?width=320&height=240'"),
    (r"--(serve|metrics) \S+", r"--\1 127.0.0.1:0"),
    (r"--minutes \S+", "--minutes 0.005"),
    (r"--mode cold", "--mode cold --processes 1"),
    (r"bench run (?!.*(--minutes|--mode cold))", "bench run --seconds 0.3 "),
    (r"bench compare ", "bench compare --seconds 0.3 "),
    (r"bench sweep (.*)--threads \S+", r"bench sweep --seconds 0.3 --backends openvino \1--threads 1"),
)
VERDICTS = {0, 3, 4, 5}  # any of them: what is compared here proves nothing
CODES = {"bench compare": VERDICTS, "bench judge": VERDICTS, "doctor": {0, 1}}
OUTPUT = "-o|--record|--report|--contact-sheet|--plot|--save-masks|--jsonl|--latency-record|--junit|--markdown"
# Of all commands, jetson/setup.sh, trtexec, apt-get, docker and venv.
OTHERS_OPTIONS = {"--debug", "--dry-run", "--wheels", "--loadEngine", "--no-remove", "--build-arg", "--runtime"}
OTHERS_OPTIONS |= {"--system-site-packages"}


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks in that language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text_of(document), re.DOTALL | re.MULTILINE)
    return [dedent(block) for _, block in found]


def commands(document: str) -> Iterator[str]:
    """Each command of the blocks of a document that a shell would run, without its comment."""
    for line in "".join(blocks(document, "sh")).replace("\\\n", " ").splitlines():
        for part in re.split(r" && | \| ", line):
            if words := shlex.split(part, comments=True):
                yield shlex.join(words)


def calls(document: str) -> Iterator[tuple[str, str]]:
    """Each command that calls edgeunet, and what follows `edgeunet` in it."""
    for command in commands(document):
        if found := re.search(r"(?:^|\s)edgeunet ([a-z-].*)", command):
            yield command, found[1]


def why_not_here(command: str) -> str | None:
    """Why a command is not run; None for one that is."""
    return next((why for part, why in NOT_HERE.items() if part in command), None)


def quoted(document: str) -> list[str]:
    """What stands between backticks, outside the blocks."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text_of(document), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", prose)


def test_the_readme_is_read_in_two_minutes() -> None:
    assert len(text_of("README.md").splitlines()) <= LONGEST


def test_all_documents_are_here() -> None:
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_those_of_the_command_line(document: str) -> None:
    for _, call in calls(document):
        parse(shlex.split(call))
    for text in quoted(document):
        if text.startswith("edgeunet ") and not text.split()[1].isupper():
            assert unknown_options(shlex.split(text)[1:]) == set(), text
    options = {found[0] for text in quoted(document) if (found := re.match(r"--[a-z][\w-]*", text))}
    assert options - all_options() <= OTHERS_OPTIONS


@pytest.mark.parametrize("document", DOCUMENTS)
def test_modules_targets_and_files_exist(document: str) -> None:
    named = [*commands(document), *quoted(document)]
    modules = {found[1] for text in named if (found := re.match(r"(?:.* )?python3? -m ([\w.]+)", text))}
    assert [module for module in modules if find_spec(module) is None] == []
    targets = {found[1] for text in named if (found := re.match(r"make ([a-z-]+)$", text))}
    assert targets <= set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    folders = "edgeunet|export|benchmarks|jetson|tests|docs"
    files = set(re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./@-]*\w", text_of(document)))
    assert [file for file in files if not list(ROOT.glob(f"{file}*"))] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_are_there(document: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(document)):
        path, _, heading = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with what the documents start from, small."""
    write_dataset(tmp_path / "CamVid", train=8, val=4, size=(64, 96))
    for kind in ("images", "masks"):
        shutil.copytree(tmp_path / "CamVid" / kind / "train", tmp_path / "labelled" / kind)
    shutil.copy(tmp_path / "CamVid/classes.json", tmp_path)
    for name, pixels in (("thermal", THERMAL), ("rgb_nir", FOUR)):
        write_pixels(tmp_path / name, pixels, train=4, val=2)
    names = [path.stem for path in sorted((tmp_path / "labelled/images").iterdir())]
    (tmp_path / "train.txt").write_text("\n".join(names[2:]))
    (tmp_path / "val.txt").write_text("\n".join(names[:2]))
    (tmp_path / "photos").mkdir()
    shutil.copy(samples.DATASET / "images/val/0001.jpg", tmp_path / "photos/street.jpg")
    shutil.copy(samples.CLIP, tmp_path / "drive.mp4")
    write_bright_network(tmp_path / "their.onnx")
    write_torch_network(tmp_path)
    for name in ("my_program", "old", "new"):
        (tmp_path / name).write_text("#!/bin/sh\nseq 0.501 0.001 0.55\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_the_example_of_classes_json_is_one(tmp_path: Path) -> None:
    (block,) = blocks("docs/your_frames.md", "json")
    (tmp_path / "classes.json").write_text(block)
    assert read_classes(tmp_path / "classes.json").ignored == (255,)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_and_snippets_run(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but those of the next test, in the order in which a reader meets them."""
    monkeypatch.chdir(desk)
    done: set[str] = set()
    for document in RUN_HERE:
        for command, call in calls(document):
            if command not in done and why_not_here(command) is None:
                done.add(command)
                run_small(run, document, call)
        for snippet in blocks(document, "python"):
            exec(compile(snippet, document, "exec"), {})  # noqa: S102


@pytest.mark.parametrize(
    "command", [command for document in RUN_HERE for command, _ in calls(document) if why_not_here(command)]
)
def test_commands_that_cannot_run_here(command: str) -> None:
    pytest.skip(f"{command}: {why_not_here(command)}")


def run_small(run: Run, document: str, call: str) -> None:
    """Run what follows `edgeunet` in a command, made quick, over what an earlier document has written."""
    for name in re.findall(rf"(?:{OUTPUT}) (\S+)", call):
        if Path(name).is_dir():
            shutil.rmtree(name)
        else:
            Path(name).unlink(missing_ok=True)
    for part, instead in QUICK:
        call = re.sub(rf"(?<![\w-]){part}", instead, call)
    result = run(*shlex.split(call))
    expected = next((codes for name, codes in CODES.items() if call.startswith(name)), {0})
    assert result.code in expected, f"{document}: edgeunet {call}\n{result.out}{result.err}"
