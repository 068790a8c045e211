"""An engine is checked against its header, its M.engine.json and the machine before TensorRT gets it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeunet.board.gpu import Gpu
from edgeunet.errors import EdgeUNetError, GpuError, MismatchError, ModelFileError, UsageError
from edgeunet.runtime import open_session
from edgeunet.runtime.gpu.engine_file import (
    EngineHeader,
    EngineInfo,
    check_engine,
    info_path,
    other_multiprocessors,
    read_engine_header,
)
from edgeunet.runtime.model_info import describe_model
from tests.fakes.engine import ORIN, machine_of, write_engine
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import VERSIONS, FakeTensorRT
from tests.runtime.engines import install_tensorrt


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_of_this_machine_passes(version: str, tmp_path: Path) -> None:
    fake = FakeTensorRT(version)
    written = write_engine(tmp_path / "m.engine", fake)
    assert check_engine(tmp_path / "m.engine", machine_of(fake)) == written
    facts = json.loads((tmp_path / "m.engine.json").read_text())
    assert facts["precision"] == "fp16"
    assert facts["onnx_sha256"] == "0" * 64


def test_the_header_tells_who_wrote_it(tmp_path: Path) -> None:
    for fake, expected in (
        (FakeTensorRT("10.16"), EngineHeader("tensorrt", (10, 16, 0, 0))),
        (FakeTensorRT("1.7", "tensorrt_rtx"), EngineHeader("tensorrt_rtx", (1, 7, 0, 0))),
    ):
        write_engine(tmp_path / "m.engine", fake)
        assert read_engine_header(tmp_path / "m.engine") == expected


def test_the_header_of_a_real_tensorrt_rtx_plan(tmp_path: Path) -> None:
    """The first 32 bytes of a plan that TensorRT-RTX 1.7.1.116 built."""
    start = "76747274000000000200000000000000041a0600000000000107017476747274"
    (tmp_path / "m.engine").write_bytes(bytes.fromhex(start))
    assert read_engine_header(tmp_path / "m.engine") == EngineHeader("tensorrt_rtx", (1, 7, 1, 116))


@pytest.mark.parametrize("said", ["10.3.0.post1", "10.3.0rc1", "10.3"])
def test_bindings_with_a_suffix_run_the_engine_that_they_built(said: str, tmp_path: Path) -> None:
    fake = FakeTensorRT("10.3")
    fake.module.__dict__["__version__"] = said
    info = write_engine(tmp_path / "m.engine", fake)
    assert check_engine(tmp_path / "m.engine", machine_of(fake)) == info


def test_releases_that_tell_three_of_four_numbers_are_the_same(tmp_path: Path) -> None:
    fake = FakeTensorRT("10.3")
    info = write_engine(tmp_path / "m.engine", fake)
    for version, fits in (((10, 3, 0), True), ((10, 3, 0, 0), True), ((10, 3), True), ((10, 3, 0, 26), False)):
        machine = replace(machine_of(fake), version=version)
        if fits:
            assert check_engine(tmp_path / "m.engine", machine) == info
        else:
            with pytest.raises(MismatchError, match=r"10\.3\.0\.0, this machine has 10\.3\.0\.26"):
                check_engine(tmp_path / "m.engine", machine)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _truncate_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def _onnx(path: Path) -> None:
    path.write_bytes(b"\x08\x08\x12\x08edgeunet" + bytes(100))


def _without_info_file(path: Path) -> None:
    info_path(path).unlink()


def _info_file_of_another_engine(path: Path) -> None:
    path.write_bytes(FakeTensorRT("10.3").plan(()))


def _half_an_info_file(path: Path) -> None:
    info_path(path).write_text(info_path(path).read_text()[:100])


def _info_file_of_another_kind(path: Path) -> None:
    info_path(path).write_text('{"schema": "edgeunet.latency/1"}')


def _info_file_without_a_field(path: Path) -> None:
    facts = json.loads(info_path(path).read_text())
    del facts["gpu"]
    info_path(path).write_text(json.dumps(facts))


def _info_file_of_a_later_version(path: Path) -> None:
    facts = json.loads(info_path(path).read_text())
    info_path(path).write_text(json.dumps({**facts, "sparsity": True}))


def _info_file_with_a_spec_of_numbers(path: Path) -> None:
    facts = json.loads(info_path(path).read_text())
    facts["spec"]["classes"][0]["name"] = 5
    info_path(path).write_text(json.dumps(facts))


DAMAGE = [
    (_truncate, "cut short, damaged, or not the engine"),
    (_truncate_header, "it has 20 bytes"),
    (_flip, "cut short, damaged, or not the engine"),
    (_onnx, "is not a TensorRT engine: it begins with"),
    (_without_info_file, r"has no m\.engine\.json next to it"),
    (_info_file_of_another_engine, "not the engine that m.engine.json describes"),
    (_half_an_info_file, "not the description of an engine"),
    (_info_file_of_another_kind, "its schema is 'edgeunet.latency/1'"),
    (_info_file_without_a_field, "the field 'gpu' is missing"),
]


@pytest.mark.parametrize(("spoil", "says"), DAMAGE)
def test_what_is_damaged_is_refused_with_the_command_that_rebuilds(
    spoil: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    write_engine(path, fake)
    path.with_suffix(".onnx").touch()
    spoil(path)
    with pytest.raises(ModelFileError, match=says) as caught:
        check_engine(path, machine_of(fake))
    _assert_rebuilds(caught.value, tmp_path / "m.onnx", path)


def test_an_info_file_of_a_later_version_or_with_wrong_types_is_named(tmp_path: Path) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    for spoil, says in (
        (_info_file_of_a_later_version, "was made by a later edgeunet .*'sparsity'"),
        (_info_file_with_a_spec_of_numbers, r"spec\.classes\[0\]\.name: expected text, got a whole number"),
    ):
        write_engine(path, fake)
        spoil(path)
        with pytest.raises(ModelFileError, match=says):
            check_engine(path, machine_of(fake))


def _of_another_version(path: Path) -> None:
    write_engine(path, FakeTensorRT("11.4"))


def _of_another_gpu(path: Path) -> None:
    replace(write_engine(path, FakeTensorRT("10.3")), gpu="NVIDIA Thor").save(info_path(path))


@pytest.mark.parametrize("spoil", [*(spoil for spoil, _ in DAMAGE), _of_another_version, _of_another_gpu])
def test_what_does_not_fit_never_reaches_the_deserialiser(
    spoil: Callable[[Path], None], tmp_path: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    install_tensorrt(fake, cuda, monkeypatch)
    write_engine(path, fake)
    open_session(path).close()
    assert "deserialize_cuda_engine" in fake.methods_called("Runtime")
    fake.calls.clear()
    spoil(path)
    with pytest.raises((ModelFileError, MismatchError)):
        open_session(path)
    assert fake.calls == []


def test_what_was_built_for_another_machine_says_all_that_differs(tmp_path: Path) -> None:
    path = tmp_path / "m.engine"
    write_engine(path, FakeTensorRT("10.3"))
    here = replace(machine_of(FakeTensorRT("10.16")), gpu=Gpu("NVIDIA Thor", "11.0", "13.0"), platform="linux-x86_64")
    with pytest.raises(MismatchError) as caught:
        check_engine(path, here)
    for says in (
        "by TensorRT 10.3.0.0, this machine has 10.16.0",
        "on linux-aarch64, this machine is linux-x86_64",
        "for Orin (compute capability 8.7), this machine has NVIDIA Thor (11.0)",
    ):
        assert says in str(caught.value)
    _assert_rebuilds(caught.value, tmp_path / "m.onnx", path, "--level 5 ")


def orin(memory_mib: int, multiprocessors: int) -> Gpu:
    return replace(ORIN, memory_mib=memory_mib, multiprocessors=multiprocessors)


@pytest.mark.parametrize("gpu", [orin(15388, 8), orin(7618, 4), orin(30588, 16)])
def test_an_orin_with_another_memory_is_another_gpu(gpu: Gpu, tmp_path: Path) -> None:
    """CUDA gives all of them the same name and compute capability."""
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    write_engine(path, fake)
    with pytest.raises(MismatchError, match=rf"for Orin with 62841 MiB of memory, this machine has {gpu.memory_mib}:"):
        check_engine(path, replace(machine_of(fake), gpu=gpu))


def test_an_engine_does_not_hang_on_what_the_system_keeps_of_the_memory(tmp_path: Path) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    info = write_engine(path, fake)
    for memory_mib in (62841, 62780, 61000, 0):
        assert check_engine(path, replace(machine_of(fake), gpu=orin(memory_mib, 16))) == info


def test_fewer_multiprocessors_get_a_note_and_the_engine_runs(
    tmp_path: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    install_tensorrt(fake, cuda, monkeypatch)
    write_engine(path, fake)
    open_session(path).close()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", lambda: orin(62841, 8))
    for _ in range(2):
        open_session(path).close()
    said = capsys.readouterr().err
    assert said.startswith(f"note: {path} was built for 16 multiprocessors, this machine has 8, and may be slower")
    assert said.count("note:") == 1
    assert "--level 5 --force`" in said


def test_engines_of_earlier_versions_say_less_and_still_fit(tmp_path: Path) -> None:
    fake, path = FakeTensorRT("10.3"), tmp_path / "m.engine"
    write_engine(path, fake)
    facts = json.loads(info_path(path).read_text())
    for name in ("gpu_memory_mib", "multiprocessors", "dla_core"):
        del facts[name]
    info_path(path).write_text(json.dumps(facts))
    machine = replace(machine_of(fake), gpu=orin(7618, 4))
    info = check_engine(path, machine)
    assert (info.gpu_memory_mib, info.multiprocessors, info.dla_core) == (0, 0, None)
    assert other_multiprocessors(info, machine) == ""


def test_a_plan_of_tensorrt_rtx_is_not_tied_to_one_gpu(tmp_path: Path) -> None:
    fake = FakeTensorRT("1.7", "tensorrt_rtx")
    info = write_engine(tmp_path / "m.engine", fake)
    assert check_engine(tmp_path / "m.engine", replace(machine_of(fake), gpu=None)) == info


def test_no_engine_and_no_gpu_are_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match="no such engine"):
        check_engine(tmp_path / "m.engine")

    def no_driver() -> Gpu:
        raise GpuError("no driver here")

    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", no_driver)
    write_engine(tmp_path / "m.engine", FakeTensorRT("10.3"))
    with pytest.raises(GpuError, match="no driver here"):
        check_engine(tmp_path / "m.engine")


def test_the_onnx_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M.engine.json holds the ONNX file relative to the engine: both may be moved together."""
    fake = FakeTensorRT("10.3")
    (tmp_path / "a b").mkdir()
    info = replace(write_engine(tmp_path / "a b/m.engine", fake), onnx="../onnx/m.onnx")
    info.save(tmp_path / "a b/m.engine.json")
    monkeypatch.chdir(tmp_path)
    _truncate(Path("a b/m.engine"))
    with pytest.raises(ModelFileError) as caught:
        check_engine(Path("a b/m.engine"), machine_of(fake))
    _assert_rebuilds(caught.value, Path("onnx/m.onnx"), Path("a b/m.engine"), "--level 5 ")
    assert EngineInfo.load(Path("a b/m.engine.json")) == info


def _assert_rebuilds(error: EdgeUNetError, onnx: Path, engine: Path, options: str = "") -> None:
    command = f"edgeunet export engine {shlex.quote(str(onnx))} -o {shlex.quote(str(engine))} {options}"
    assert command in str(error)
    assert str(error).endswith("--force`")
    assert "\n" not in str(error)


def test_info_reads_an_engines_info_file_without_a_gpu(tmp_path: Path) -> None:
    info = write_engine(tmp_path / "m.engine", FakeTensorRT("10.3"))
    facts = describe_model(str(tmp_path / "m.engine"), None)
    assert facts["classes"] == list(info.spec.names)
    assert facts["precision"] == "fp16"
    assert (facts["gpu"], facts["provider"]) == ("Orin", "tensorrt")


@pytest.mark.parametrize("options", [{"backend": "onnxruntime"}, {"threads": 1}])
def test_what_is_for_onnx_files_is_refused_for_an_engine(tmp_path: Path, options: dict[str, Any]) -> None:
    write_engine(tmp_path / "m.engine", FakeTensorRT("10.3"))
    with pytest.raises(UsageError, match=r"for \.onnx files only"):
        open_session(tmp_path / "m.engine", **options)
