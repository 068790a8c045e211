"""The house: imports go one way, between rooms and inside them, and what runs on a board starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {name: ROOT / folder / name for folder, name in (("", "edgeunet"), ("export", "edgeunet_export"))}
PACKAGES |= {"edgeunet_bench": ROOT / "benchmarks" / "edgeunet_bench", "benchmarks": ROOT / "benchmarks" / "studies"}
FILES = {
    ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in PACKAGES.values()
    for path in folder.rglob("*.py")
}
FILES = {f"benchmarks.{name}" if name.startswith("studies") else name: path for name, path in FILES.items()}

# Each line may import what stands on the lines below it, and within its own rooms. Names are of modules and of packages
# with all that is in them; the longest that fits counts.
HOUSE = (
    ("benchmarks.studies",),
    ("edgeunet.__main__",),
    ("edgeunet.cli",),
    ("edgeunet.doctor", "edgeunet_bench"),
    ("edgeunet_export",),
    ("edgeunet.camera", "edgeunet.training"),
    ("edgeunet.evaluation",),
    ("edgeunet.runtime",),
    ("edgeunet.data", "edgeunet.board", "edgeunet.network"),
    ("edgeunet.imaging", "edgeunet.quantisation", "edgeunet.latency", "edgeunet.samples"),
    ("edgeunet.spec",),
    ("edgeunet.trust",),
    ("edgeunet.utils",),
    ("edgeunet.errors", "edgeunet.version"),
)
INSIDE = {  # the same for the rooms in a room
    "benchmarks.studies": (("self_guard", "guard_trials", "peers"), ("camera",), ("study",)),
    "edgeunet.camera": (
        ("__init__",),
        ("run",),
        ("sinks",),
        ("options",),
        ("batching", "host", "loop", "predict", "serving", "switching"),
        ("sources",),
        ("ros2",),
        ("statistics",),
        ("frame", "frame_queue", "polling"),
        ("state",),
    ),
    "edgeunet.camera.state": (("findings", "picture_check", "state_limit", "tracker"), ("mask_state", "sharpness")),
    "edgeunet.camera.sources": (
        ("opening",),
        ("network",),
        ("capture", "video", "image_files"),
        ("address", "source"),
        ("injected_fault", "pace"),
    ),
    "edgeunet.camera.ros2": (
        ("opening",),
        ("cyclone_node", "rclpy_node"),
        ("transport",),
        ("encodings",),
        ("messages",),
        ("cdr", "topics"),
    ),
    "edgeunet.runtime": (
        ("__init__",),
        ("opening", "warm_up"),
        ("cpu", "gpu", "tiled_session"),
        ("model_metadata", "session"),
    ),
    "edgeunet.board": (("fingerprint",), ("settings",), ("sensors",), ("cameras", "gpu", "machine", "power_modes")),
    "edgeunet.training": (
        ("command",),
        ("training_run",),
        ("trainer",),
        ("output",),
        ("training_job",),
        ("training_options",),
        ("qat", "start"),
        ("processes",),
    ),
    "edgeunet.data": (("arranging", "cropping"), ("convert",), ("dividing",), ("dataset",), ("facts",)),
    "edgeunet.data.convert": (
        ("conversion",),
        ("recognition", "writing"),
        ("formats",),
        ("masks",),
        ("layout", "proposal", "unknown_values"),
        ("conversion_options", "labels"),
        ("distinct_colors",),
    ),
    "edgeunet.cli": (
        ("__init__",),
        ("bench", "camera", "choose", "data", "doctor", "export", "foreign", "models", "train"),
        ("common_options", "misplaced_address"),
    ),
    "edgeunet_export": (
        ("summary",),
        ("int8", "triton"),
        ("engine", "export_onnx", "foreign", "fp16"),
        ("trust", "verify"),
        ("calibration",),
        ("graph",),
    ),
    "edgeunet_export.foreign": (
        ("import_model",),
        ("proof", "search", "wrapped"),
        ("reading",),
        ("foreign_network", "hints", "onnx_graph"),
        ("decision", "preprocessing"),
    ),
    "edgeunet_export.int8": (("export_int8",), ("repair",), ("candidate",), ("quantize",)),
    "edgeunet_bench": (
        ("report", "fit", "power_modes"),
        ("choose", "sweep"),
        ("guard",),
        ("measure",),
        ("render",),
    ),
    "edgeunet_bench.choose": (("choose",), ("match",), ("duel",), ("contender",), ("model_versions", "choice_file")),
    "edgeunet_bench.guard": (("commands",), ("verdict_output",), ("comparison",), ("running",), ("judging",)),
    "edgeunet_bench.report": (("write",), ("contents", "values"), ("sections",)),
}


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all modules of ours that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in FILES else node.module for name in names}


# The package's own file hands names on at their first use: its imports are for type checkers.
ARROWS = [
    (name, other) for name, path in FILES.items() if name != "edgeunet" for other in imports(path) if other != name
]


def floor(lines: tuple[tuple[str, ...], ...], name: str) -> tuple[int, str] | None:
    """The line of a module, from the top, and the room on it to which it belongs; None if none has it."""
    found = [
        (room.count("."), number, room)
        for number, rooms in enumerate(lines)
        for room in rooms
        if f"{name}.".startswith(f"{room}.")
    ]
    return max(found)[1:] if found else None


def rises(lines: tuple[tuple[str, ...], ...], name: str, other: str) -> bool:
    """Whether an import runs up, or between two rooms of one line."""
    here, there = floor(lines, name), floor(lines, other)
    if here is None or there is None:
        return False
    return there[0] < here[0] or (there[0] == here[0] and here[1] != there[1])


def test_imports_go_one_way() -> None:
    assert [f"{name} imports {other}" for name, other in ARROWS if rises(HOUSE, name, other)] == []


@pytest.mark.parametrize("room", INSIDE)
def test_imports_in_a_room_go_one_way(room: str) -> None:
    lines = tuple(tuple(f"{room}.{part}" for part in line) for line in INSIDE[room])
    # A package's own file is its face: it hands on what stands in it.
    arrows = [
        (f"{room}.__init__" if name == room else name, other)
        for name, other in ARROWS
        if f"{name}.".startswith(f"{room}.") and other.startswith(f"{room}.")
    ]
    assert [f"{name} imports {other}" for name, other in arrows if rises(lines, name, other)] == []


def test_every_module_has_its_line() -> None:
    assert [name for name in FILES if floor(HOUSE, name) is None] == ["edgeunet"]
    rooms = {room for line in HOUSE for room in line} | {
        f"{room}.{part}" for room, lines in INSIDE.items() for line in lines for part in line if part != "__init__"
    }
    assert rooms - set(FILES) == set(), "a line without a room"


def test_no_two_files_import_each_other() -> None:
    """Neither straight nor in a circle."""
    below = {name: {other for left, other in ARROWS if left == name} for name in FILES}
    while leaves := {name for name, others in below.items() if not others & set(below)}:
        below = {name: others for name, others in below.items() if name not in leaves}
    assert sorted(below) == []


def test_a_folder_holds_a_dozen_files_at_most() -> None:
    count = Counter(path.parent for path in FILES.values() if path.name != "__init__.py")
    assert {str(folder): n for folder, n in count.items() if n > 12} == {}


PARALLEL = {  # names that say the same in each of their rooms
    "cameras": "of a machine, and the doctor's look at them",
    "choose": "the verb, and what it does",
    "command": "what a verb of the command line calls",
    "fit": "the verb, and what it does",
    "gpu": "a board's GPU, and the study of one",
    "loop": "the camera's, and the study of it",
    "opening": "from an address or a path to what reads it",
    "run": "the verbs `camera` and `bench run`",
    "statistics": "of a loop, and of a dataset",
    "table": "of a sweep, and of power modes",
}


def test_a_file_name_says_one_thing() -> None:
    count = Counter(path.stem for path in FILES.values() if not path.stem.startswith("__"))
    assert {name for name, n in count.items() if n > 1} == set(PARALLEL)


def test_a_class_has_one_home() -> None:
    homes = Counter(
        node.name
        for path in FILES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, n in homes.items() if n > 1} == set()


def test_openvino_has_one_core() -> None:
    """Where a second one is dropped, the next Ctrl-C is a segmentation fault: openvino_session.py says why."""
    found = [
        str(path.relative_to(ROOT))
        for folder in ("edgeunet", "export", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if ".Core" + "()" in path.read_text(encoding="utf-8")
    ]
    assert found == ["edgeunet/runtime/cpu/openvino_session.py"]


BLOCKED = """
import importlib, pkgutil, sys
sys.modules["torch"] = sys.modules["jinja2"] = None
import edgeunet.{0}
for module in pkgutil.walk_packages(edgeunet.{0}.__path__, "edgeunet.{0}."):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize("package", ["runtime", "camera", "board", "doctor", "evaluation"])
def test_what_runs_on_a_board_starts_without_torch_and_jinja2(package: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", BLOCKED.format(package)], check=True)


def test_judging_loads_no_images() -> None:
    code = "import sys, edgeunet_bench.guard.commands; print({'cv2', 'edgeunet.data', 'scipy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgeunet', '--help']\n"
        "from edgeunet.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'cv2', 'numpy', 'onnx', 'onnxruntime', 'scipy', 'matplotlib', 'av', 'jinja2'}\n"
        "heavy |= {'PIL', 'aiohttp', 'msgspec'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for verb in ("train", "evaluate", "predict", "info", "camera", "doctor", "data", "export", "bench"):
        assert verb in result.stdout
