"""Model files in the doctor: each line tells whether the file runs here, and the command that makes one that does."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from edgeunet.doctor import Check, Host
from edgeunet.doctor.model_files import check_models
from edgeunet.utils.model_kind import kind_of
from tests.fakes.engine import machine_of, write_engine
from tests.fakes.tensorrt import FakeTensorRT
from tests.models import toy_spec, write_toy_model

ORIN = FakeTensorRT("10.3")


def look_at(path: Path, fake: FakeTensorRT = ORIN, root: Path = Path("/")) -> Check:
    (found,) = check_models([path], Host(root), machine_of(fake))
    return found


def test_an_engine_of_this_machine_fits(tmp_path: Path) -> None:
    write_engine(tmp_path / "m.engine", ORIN)
    found = look_at(tmp_path / "m.engine")
    assert (found.state, found.found.partition(", fits ")[2]) == ("ok", "TensorRT 10.3.0 on Orin")


def test_a_stale_engine_is_wrong_with_the_command_that_builds_it_again(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    write_engine(path, ORIN)
    found = look_at(path, FakeTensorRT("10.16"))
    assert (found.state, found.part) == ("wrong", str(path))
    assert found.found == "was built by TensorRT 10.3.0.0, this machine has 10.16.0"
    command = shlex.join(["edgeunet", "export", "engine", str(tmp_path / "m.onnx"), "-o", str(path)])
    assert found.remedy == f"build it again with `{command} --level 5 --force`"


def test_an_engine_for_more_multiprocessors_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    write_engine(path, ORIN)
    machine = machine_of(ORIN)
    assert machine.gpu is not None
    fewer = replace(machine, gpu=replace(machine.gpu, multiprocessors=8))
    (found,) = check_models([path], Host(tmp_path), fewer)
    assert found.state == "warning"
    assert found.found.endswith("built for 16 multiprocessors, this machine has 8: it may be slower than it could be")
    assert found.remedy.startswith("build it again with `edgeunet export engine ")


def test_a_damaged_engine_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    write_engine(path, ORIN)
    path.write_bytes(path.read_bytes()[:-1])
    assert look_at(path).state == "wrong"
    path.write_bytes(b"ftrt")
    assert look_at(path).state == "wrong"


def test_a_model_file_for_cpus_is_no_use_to_a_jetson(tmp_path: Path) -> None:
    spec = toy_spec()
    path = tmp_path / "m.onnx"
    write_toy_model(path, spec.with_provenance(precision="int8", target="cpu"))
    assert look_at(path).state == "ok"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 1\n")
    found = look_at(path, root=tmp_path)
    assert (found.state, "--target tensorrt" in found.remedy) == ("warning", True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.onnx", "no such model file"),
        ("folder.onnx", "is a folder, not a model file"),
        ("a.engine", "no such engine"),
    ],
)
def test_a_missing_file_is_wrong(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    found = look_at(tmp_path / name)
    assert (found.state, found.found) == ("wrong", says)
    assert "edgeunet export" in found.remedy


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    for name, says in (
        ("a.txt", "is not a model but a text"),
        ("a.onnx", "is not a model but a text"),
        ("a.jpg", "is not a model file"),
    ):
        (tmp_path / name).write_bytes(b"nothing" if "text" in says else b"\xff\xd8\xff\xe0")
        assert look_at(tmp_path / name).found == says


def test_a_name_in_capitals_is_looked_at_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    assert look_at(write_toy_model(tmp_path / "a.ONNX")).state == "ok"
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") == ""
