"""One logger for all of TensorRT in a process; each thread finds its own errors."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

from edgeunet.errors import GpuError
from edgeunet.runtime import open_session
from edgeunet.runtime.gpu.tensorrt_log import errors, log_to, reason, tensorrt_log
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import FakeTensorRT
from tests.runtime.engines import FRAME, MASK, install_tensorrt, write_toy_engine
from tests.runtime.session_contract import frame_of


@pytest.fixture
def trt() -> FakeTensorRT:
    return FakeTensorRT("10.16")


def test_the_second_session_is_heard_after_the_first_has_gone(
    tmp_path: Path, trt: FakeTensorRT, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a logger for each session TensorRT would call the first one's, which was freed with it."""
    install_tensorrt(trt, cuda, monkeypatch)
    engine = write_toy_engine(tmp_path / "m.engine", trt, (FRAME, MASK))
    first, second = open_session(engine), open_session(engine)
    loggers = [arguments[0] for owner, name, arguments in trt.calls if (owner, name) == ("Runtime", "__init__")]
    assert loggers == [tensorrt_log(trt.module)] * 2
    del loggers
    first.close()
    del first
    trt.calls.clear()
    gc.collect()

    def refuse(addresses: object, stream: int) -> bool:
        trt.say("ERROR", "[myelin]  illegal address\nin a kernel")
        return False

    trt.on_execute = refuse
    with pytest.raises(GpuError, match=r"refuses to run the engine \(\[myelin\] illegal address in a kernel\)"):
        second.run(frame_of(0))


def test_each_provider_has_a_logger_of_its_own(trt: FakeTensorRT) -> None:
    rtx = FakeTensorRT("1.7", "tensorrt_rtx")
    assert tensorrt_log(trt.module) is tensorrt_log(trt.module)
    assert isinstance(tensorrt_log(rtx.module), rtx.module.ILogger)
    assert not isinstance(tensorrt_log(rtx.module), trt.module.ILogger)


def test_errors_belong_to_the_thread_that_caused_them(trt: FakeTensorRT) -> None:
    trt.take_logger(tensorrt_log(trt.module))
    reason()

    def other() -> None:
        trt.say("ERROR", "of the other")
        assert errors() == ["of the other"]

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert reason() == ""
    for text in ("INFO: nothing", "INTERNAL_ERROR: the cause", *["ERROR: what follows"] * 30):
        trt.say(*text.split(": "))
    assert len(errors()) == 20
    assert reason() == " (the cause)"
    assert errors() == []


def test_a_file_hears_everything_only_while_it_is_open(trt: FakeTensorRT, tmp_path: Path) -> None:
    trt.take_logger(tensorrt_log(trt.module))
    trt.say("ERROR", "before")
    with open(tmp_path / "log", "w") as file, log_to(trt.module, file) as log:
        assert log is tensorrt_log(trt.module)
        assert errors() == [], "an earlier error is not of this build"
        trt.say("WARNING", "slow")
        trt.say("VERBOSE", "a thought")
        trt.say("ERROR", "no")
    trt.say("ERROR", "the last words of a builder that an exception still holds")
    assert (tmp_path / "log").read_text() == "WARNING: slow\nERROR: no\n"
