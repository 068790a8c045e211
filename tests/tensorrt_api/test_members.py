"""No file names a class, member or flag of TensorRT that a version lacks, but where the code asks for it first.

Beside the fakes, which see only the lines that a test runs, this reads every line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.tensorrt import FakeTensorRT

ROOT = Path(__file__).parents[2]
FILES = [
    "export/edgeunet_export/engine/build.py",
    "export/edgeunet_export/engine/dla.py",
    "export/edgeunet_export/engine/watch.py",
    "edgeunet/runtime/gpu/tensorrt_session.py",
    "edgeunet/runtime/gpu/infer_request.py",
    "edgeunet/runtime/gpu/tensorrt_log.py",
]
CLASSES = {  # of what the files call by these names
    "builder": "Builder",
    "cast": "ICastLayer",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "runtime": "Runtime",
}
ONLY_TENSORRT_10 = {  # reached with --cache, and with --dla on 10.3 to 10.7; refused where BuilderFlag has no INT8
    "BuilderFlag.FP16",
    "BuilderFlag.INT8",
    "IBuilderConfig.int8_calibrator",
    "IInt8EntropyCalibrator2",
}
ONLY_FROM_10_16 = {
    "OnnxParserFlag.ADJUST_FOR_DLA"
}  # reached with --dla on 11.4.1, which is refused from 10.8 to 11.4.0
BINDINGS = [("10.3", "tensorrt"), ("10.16", "tensorrt"), ("11.4", "tensorrt"), ("1.7", "tensorrt_rtx")]


def named(path: Path) -> Iterator[str]:
    """ "BuilderFlag", "BuilderFlag.INT8", "IBuilderConfig.set_flag": what a file takes from the bindings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            owner = _owner(node.value)
            if owner is not None:
                yield f"{owner}.{node.attr}".lstrip(".")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("hasattr", "getattr"):
            owner, asked = _owner(node.args[0]), node.args[1]
            if owner is not None and isinstance(asked, ast.Constant):
                yield f"{owner}.{asked.value!s}".lstrip(".")


def _owner(node: ast.expr) -> str | None:
    """The class that an expression stands for; "" for the module itself, None for what is not of TensorRT."""
    if isinstance(node, ast.Name):
        return "" if node.id == "trt" else CLASSES.get(node.id)
    if isinstance(node, ast.Attribute):
        if ast.unparse(node.value) == "trt":
            return node.attr
        return CLASSES.get(node.attr.lstrip("_"))
    return None


def lacking(path: Path, fake: FakeTensorRT) -> set[str]:
    """Names that these bindings do not have."""
    listed = {f"{owner}.{member}" for owner, members in fake.members.items() for member in members or ()}
    names = {name for name in named(path) if not name.endswith("__")}  # the lists leave those out
    return names - listed - set(fake.members)


@pytest.mark.parametrize(("version", "provider"), BINDINGS)
@pytest.mark.parametrize("file", FILES)
def test_what_is_named_is_there(file: str, version: str, provider: str) -> None:
    fake = FakeTensorRT(version, provider)  # type: ignore[arg-type]
    allowed = ONLY_FROM_10_16 if version == "10.3" else set()
    allowed = ONLY_TENSORRT_10 if not hasattr(fake.module.BuilderFlag, "INT8") else allowed
    assert lacking(ROOT / file, fake) <= allowed


def test_the_builder_names_much() -> None:
    """An empty set of names would pass everything."""
    names = {name for file in FILES for name in named(ROOT / file)}
    some = {"BuilderFlag.INT8", "IBuilderConfig.set_timing_cache", "DeviceType.DLA", "OnnxParser.num_errors"}
    assert some <= names
    assert len(names) > 30
    assert names >= ONLY_TENSORRT_10 | ONLY_FROM_10_16


@pytest.mark.parametrize(
    "line",
    ["config.max_workspace_size = 1", "trt.BuilderFlag.FP17", "engine.binding_is_input(0)", "self._context.execute_v1"],
)
def test_what_no_version_has_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(line)
    for version, provider in BINDINGS:
        assert lacking(tmp_path / "wrong.py", FakeTensorRT(version, provider))  # type: ignore[arg-type]
