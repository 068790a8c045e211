"""The session on TensorRT, on a fake TensorRT and a driver made of the host's memory; the kernels are the real ones."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edgeunet.errors import EdgeUNetError, GpuError, ModelFileError, UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.gpu.cuda import EXCLUSIVE
from edgeunet.runtime.gpu.engine_file import EngineInfo, info_path
from edgeunet.runtime.gpu.tensorrt_session import TensorRTSession
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import FakeTensorRT, Tensor
from tests.models import toy_mask, toy_spec
from tests.runtime.engines import CONFIDENCE, FAMILIARITY, FRAME, LOGITS, MASK, SIZE, install_tensorrt, write_toy_engine
from tests.runtime.gpu import reference
from tests.runtime.session_contract import SessionContract, frame_of

CAMERA = (60, 80)  # (height, width) of frames that have to be fitted


@pytest.fixture
def trt() -> FakeTensorRT:
    return FakeTensorRT("10.16")


@pytest.fixture
def engine(tmp_path: Path, trt: FakeTensorRT, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Path:
    install_tensorrt(trt, cuda, monkeypatch)
    return write_toy_engine(tmp_path / "m.engine", trt, (FRAME, MASK))


class OnFakes(SessionContract):
    """The contract of every session, on one version, with so many frames in flight, on one kind of memory."""

    version, in_flight, integrated, batch = "10.16", 1, False, 1
    tensors: tuple[Tensor, ...] = (FRAME, MASK)

    @pytest.fixture(autouse=True)
    def _fakes(self, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trt = FakeTensorRT(self.version)
        cuda.set("integrated", self.integrated)
        install_tensorrt(self.trt, cuda, monkeypatch)

    def open(self, folder: Path) -> Session:
        engine = write_toy_engine(folder / "m.engine", self.trt, self.tensors)
        return open_session(engine, in_flight=self.in_flight, batch=self.batch)

    @pytest.fixture
    def session(self, tmp_path: Path, _fakes: None) -> Iterator[Session]:
        with self.open(tmp_path) as session:
            yield session


class TestTensorRT103(OnFakes):
    version = "10.3"


class TestTensorRT1016OnSharedMemory(OnFakes):
    integrated = True


class TestTensorRT114WithThreeInFlight(OnFakes):
    version, in_flight = "11.4", 3


class TestLogitsOnly(OnFakes):
    in_flight, tensors = 2, (FRAME, LOGITS)


class TestBothOutputs(OnFakes):
    tensors = (FRAME, LOGITS, MASK)


def of_any_number(*tensors: Tensor) -> tuple[Tensor, ...]:
    """As in an engine of dynamic batch; the fake's profile is for 1 to 8 frames."""
    return tuple(Tensor(t.name, t.mode, t.dtype, (-1, *t.shape[1:])) for t in tensors)


class TestBatches(OnFakes):
    batch, tensors = 4, of_any_number(FRAME, MASK)


class TestTwoBatchesInFlightOnSharedMemory(OnFakes):
    batch, in_flight, integrated, tensors = 3, 2, True, of_any_number(FRAME, LOGITS)


def graph_state(session: Session) -> str:
    return session.describe()["cuda_graph"]


def test_frames_are_replayed_from_a_graph_from_the_second_on(engine: Path, trt: FakeTensorRT, cuda: FakeCuda) -> None:
    frames = [frame_of(k, CAMERA) for k in range(4)]
    with open_session(engine) as session:
        masks = [session.run(frames[0]).mask]
        assert graph_state(session) == "not captured yet", "a size that never comes again is not worth it"
        masks += [session.run(frame).mask for frame in frames[1:]]
        assert graph_state(session) == "replayed"
        assert trt.methods_called("IExecutionContext").count("execute_async_v3") == 2, "one frame, and one capture"
        calls = cuda.journal()
        assert calls.count("cuGraphLaunch") == 3
        assert calls.count("cuLaunchKernel") == 2
        assert "cuStreamSynchronize" in calls[: calls.index("cuStreamBeginCapture_v2")]
    letterbox = Letterbox.of(CAMERA, toy_spec(SIZE))
    for frame, mask in zip(frames, masks, strict=True):
        assert np.array_equal(mask, toy_mask(reference.fit(frame, letterbox)))


@pytest.mark.parametrize("integrated", [False, True])
def test_a_frame_of_the_networks_size_is_the_engines_input(engine: Path, cuda: FakeCuda, integrated: bool) -> None:
    cuda.set("integrated", integrated)
    with open_session(engine) as session:
        for k in range(3):
            assert np.array_equal(session.run(frame_of(k)).mask, toy_mask(frame_of(k)))
        assert "cuLaunchKernel" not in cuda.journal()


def test_memory_that_a_gpu_does_not_cache_is_read_once(engine: Path, cuda: FakeCuda) -> None:
    """On an integrated GPU a kernel reads each pixel many times: the frame is copied, and only the mask is mapped."""
    cuda.set("integrated", 1)
    with open_session(engine) as session:
        for k in range(3):
            session.run(frame_of(k, CAMERA))
        calls = cuda.journal()
        assert calls.count("cuMemcpyHtoDAsync_v2") == 2, "one frame, and one capture"
        assert "cuMemcpyDtoHAsync_v2" not in calls
        assert calls.count("cuMemHostGetDevicePointer_v2") == 1


def test_replayed_masks_are_those_of_plain_work(engine: Path, cuda: FakeCuda) -> None:
    frames = [frame_of(k, size) for k, size in enumerate([(48, 64)] * 3 + [(100, 80)] * 3 + [(48, 64)] * 2)]
    masks = []
    for refuse in (0, 1):
        cuda.set("refuse_capture", refuse)
        with open_session(engine) as session:
            masks.append([session.run(frame).mask for frame in frames])
    for frame, replayed, plain in zip(frames, *masks, strict=True):
        assert np.array_equal(replayed, plain)
        letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), toy_spec(SIZE))
        assert np.array_equal(plain, toy_mask(reference.fit(frame, letterbox)))


def test_a_capture_that_is_always_refused_is_said_and_tried_three_times(engine: Path, cuda: FakeCuda) -> None:
    cuda.set("refuse_capture", 1)
    with open_session(engine) as session:
        for k in range(50):
            assert np.array_equal(session.run(frame_of(k)).mask, toy_mask(frame_of(k)))
        assert graph_state(session).startswith("refused: ")
        assert "operation not permitted when stream is capturing" in graph_state(session)
        calls = cuda.journal()
        begins = [at for at, name in enumerate(calls) if name == "cuStreamBeginCapture_v2"]
        between = [calls[a:b].count("cuStreamSynchronize") for a, b in pairwise(begins)]
        assert between == [11, 11], "some frames apart"


def test_a_capture_that_was_refused_by_chance_is_tried_again(engine: Path, cuda: FakeCuda) -> None:
    with open_session(engine) as session:
        for size in (SIZE, CAMERA):
            cuda.set("refuse_capture", 1)
            for _ in range(3):
                session.run(frame_of(0, size))
            assert graph_state(session).startswith("refused: ")
            cuda.set("refuse_capture", 0)
            for _ in range(12):
                session.run(frame_of(0, size))
            assert graph_state(session) == "replayed"


def test_nothing_is_captured_while_a_session_opens_or_closes(engine: Path, cuda: FakeCuda) -> None:
    """What they do may synchronise the device, which breaks a capture. Frames do not wait for it."""
    with open_session(engine) as session:
        with EXCLUSIVE:
            for k in range(5):
                assert np.array_equal(session.run(frame_of(k)).mask, toy_mask(frame_of(k)))
        assert graph_state(session) == "not captured yet"
        assert "cuStreamBeginCapture_v2" not in cuda.journal()
        session.run(frame_of(0))
        assert graph_state(session) == "replayed"


def test_tensorrt_may_refuse_capture_too(engine: Path, trt: FakeTensorRT) -> None:
    work, calls = trt.on_execute, []

    def execute(addresses: dict[str, int], stream: int) -> bool:
        calls.append(stream)
        return len(calls) != 2 and work(addresses, stream)

    trt.on_execute = execute  # type: ignore[assignment]
    with open_session(engine) as session:
        for k in range(3):
            assert np.array_equal(session.run(frame_of(k)).mask, toy_mask(frame_of(k)))
        assert graph_state(session).startswith("refused: TensorRT refuses to run")


def test_sizes_of_frames_that_take_turns_are_only_replayed(engine: Path, cuda: FakeCuda) -> None:
    """As of several cameras: nothing is allocated, captured or freed once each has come twice."""
    sizes = [SIZE, CAMERA, (64, 64), (480, 640)]
    with open_session(engine) as session:
        for size in sizes * 2:
            session.run(frame_of(1, size))
        cuda.journal()
        for k, size in enumerate(sizes * 3):
            frame = frame_of(k, size)
            fitted = reference.fit(frame, Letterbox.of(size, toy_spec(SIZE)))
            assert np.array_equal(session.run(frame).mask, toy_mask(fitted))
        assert set(cuda.journal()) == {"cuGraphLaunch", "cuStreamSynchronize", "cuEventElapsedTime"}


def test_the_size_that_was_used_longest_ago_makes_room_for_a_fifth(engine: Path, cuda: FakeCuda) -> None:
    with open_session(engine) as session:
        for size in [(50, 50), (51, 50), (52, 50), (53, 50), (50, 50)]:
            session.run(frame_of(0, size))
        held = cuda.held()
        session.run(frame_of(0, (54, 50)))
        assert cuda.held() == held
        cuda.journal()
        session.run(frame_of(0, (50, 50)))
        assert "cuMemAlloc_v2" not in cuda.journal(), "it is still there"
        session.run(frame_of(0, (51, 50)))
        assert "cuMemAlloc_v2" in cuda.journal(), "it had made room"


def test_memory_is_taken_once(engine: Path, cuda: FakeCuda) -> None:
    with open_session(engine, in_flight=2) as session:
        for k in range(4):
            session.run(frame_of(k))
        cuda.journal()
        for k in range(50):
            session.run(frame_of(k))
        assert not {name for name in cuda.journal() if "Alloc" in name or "Free" in name or "Create" in name}


@pytest.mark.parametrize(
    ("integrated", "tensors", "stages"),
    [
        (False, (FRAME, MASK), ["fit", "h2d", "resize", "infer", "d2h"]),
        (True, (FRAME, MASK), ["fit", "h2d", "resize", "infer"]),
        (False, (FRAME, LOGITS), ["fit", "h2d", "resize", "infer", "argmax", "d2h"]),
    ],
)
def test_the_stages_are_timed_in_order(
    engine: Path, trt: FakeTensorRT, cuda: FakeCuda, integrated: bool, tensors: tuple[Tensor, ...], stages: list[str]
) -> None:
    cuda.set("integrated", integrated)
    with open_session(write_toy_engine(engine, trt, tensors)) as session:
        for size in (SIZE, CAMERA):  # a record of a camera has one row of stages for each frame
            for _ in range(3):  # enqueued, then replayed
                assert list(session.run(frame_of(0, size)).times_ns) == stages
        assert session.describe()["memory"] == ("mapped" if integrated else "page-locked")


def test_two_frames_are_in_flight_at_once(engine: Path, cuda: FakeCuda) -> None:
    with open_session(engine, in_flight=2) as session:
        assert (session.capacity, session.describe()["in_flight"]) == (2, "2")
        assert cuda.held()["streams"] == 2
        cuda.journal()
        session.submit(frame_of(0))
        session.submit(frame_of(1))
        assert "cuStreamSynchronize" not in cuda.journal(), "nobody waited"
        for k in range(2, 6):
            assert np.array_equal(session.result().mask, toy_mask(frame_of(k - 2)))
            session.submit(frame_of(k))
    for wrong in (0, 4):
        with pytest.raises(UsageError, match=f"1 to 3 frames.*got {wrong}"):
            open_session(engine, in_flight=wrong)


def test_everything_is_freed_in_order(engine: Path, cuda: FakeCuda) -> None:
    session = open_session(engine)
    for k in range(2):
        session.run(frame_of(k))
    session.submit(frame_of(2))
    cuda.journal()
    session.close()
    freed = cuda.journal()
    order = [
        *("cuStreamSynchronize", "cuGraphExecDestroy", "cuEventDestroy_v2", "cuMemFree_v2", "cuMemFreeHost"),
        *("cuStreamDestroy_v2", "cuModuleUnload", "cuDevicePrimaryCtxRelease_v2"),
    ]
    assert [freed.index(name) for name in order] == sorted(freed.index(name) for name in order)
    assert freed[-1] == "cuDevicePrimaryCtxRelease_v2"


def test_tensorrts_objects_end_before_the_memory_and_the_context(
    engine: Path, trt: FakeTensorRT, cuda: FakeCuda
) -> None:
    ended: list[tuple[str, str, int]] = []
    classes = ("IExecutionContext", "ICudaEngine", "Runtime")

    def end(thing: object) -> None:
        ended.append((type(thing).__name__, threading.current_thread().name, cuda.held()["contexts"]))

    for name in classes:
        getattr(trt.module, name).__del__ = end
    session = open_session(engine)
    session.run(frame_of(0))
    session.close()
    assert ended == [(name, "edgeunet-gpu", 1) for name in classes]


def test_a_session_that_is_dropped_frees_its_gpu(engine: Path, cuda: FakeCuda) -> None:
    session = open_session(engine)
    session.run(frame_of(0))
    assert cuda.held()
    (owner,) = (thread for thread in threading.enumerate() if thread.name == "edgeunet-gpu")
    with EXCLUSIVE:  # as the thread that collects the garbage may
        del session
        gc.collect()
    owner.join()
    assert cuda.held() == {}


def test_eight_threads_open_and_close_sessions(engine: Path, cuda: FakeCuda) -> None:
    def work(thread: int) -> None:
        for k in range(5):
            with open_session(engine) as session:
                frame = frame_of(10 * thread + k)
                assert np.array_equal(session.run(frame).mask, toy_mask(frame))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def refuse(name: str) -> Callable[[FakeTensorRT, FakeCuda], None]:
    return lambda trt, cuda: trt.refused_addresses.add(name)


def fail(**attributes: object) -> Callable[[FakeTensorRT, FakeCuda], None]:
    return lambda trt, cuda: vars(trt).update(attributes)


@pytest.mark.parametrize(
    ("goes_wrong", "error", "says"),
    [
        (fail(deserializes=False), ModelFileError, r"cannot load .*m\.engine \(the fake cannot deserialize this\)"),
        (fail(runtime_is_null=True), GpuError, "TensorRT does not start.*: update the driver"),
        (fail(context_is_null=True), GpuError, r"no execution context, with 10\d\d of 1024 MiB of GPU memory free"),
        (refuse("frame"), GpuError, "refuses the memory for the tensor frame"),
        (refuse("mask"), GpuError, "refuses the memory for the tensor mask"),
        (lambda trt, cuda: cuda.set("memory", 5000), GpuError, "out of GPU memory.*close other programs"),
        (lambda trt, cuda: cuda.set("newest_ptx", 84), GpuError, "refuses the CUDA kernels"),
    ],
)
@pytest.mark.parametrize("in_flight", [1, 3])
def test_what_goes_wrong_when_opening_is_one_error_and_leaves_nothing(
    engine: Path,
    trt: FakeTensorRT,
    cuda: FakeCuda,
    goes_wrong: Callable[[FakeTensorRT, FakeCuda], None],
    error: type[EdgeUNetError],
    says: str,
    in_flight: int,
) -> None:
    goes_wrong(trt, cuda)
    with pytest.raises(error, match=says) as caught:
        open_session(engine, in_flight=in_flight)
    assert "\n" not in str(caught.value)
    assert cuda.held() == {}, "freed while the exception is still held"


def changed(index: int, **changes: object) -> tuple[Tensor, ...]:
    tensors = [FRAME, MASK]
    tensors[index] = Tensor(**{**vars(tensors[index]), **changes})
    return tuple(tensors)


@pytest.mark.parametrize(
    "tensors",
    [
        (FRAME,),
        (MASK,),
        (FRAME, MASK, Tensor("more", "OUTPUT", "FLOAT", (1,))),
        changed(0, name="input"),
        changed(0, dtype="FLOAT"),
        changed(0, mode="OUTPUT"),
        changed(0, shape=(1, 3, *SIZE)),
        changed(0, shape=(2, *SIZE, 3)),
        changed(1, dtype="INT32"),
        changed(1, shape=(1, 1, *SIZE)),
        (FRAME, Tensor("logits", "OUTPUT", "HALF", (1, 3, *SIZE))),
        (FRAME, Tensor("logits", "OUTPUT", "FLOAT", (1, 4, *SIZE))),
        (FRAME, CONFIDENCE, FAMILIARITY),
        (FRAME, MASK, CONFIDENCE),
        (FRAME, MASK, FAMILIARITY, Tensor("confidence", "OUTPUT", "FLOAT", (1, *SIZE))),
    ],
)
def test_an_engine_of_another_contract_is_refused(engine: Path, trt: FakeTensorRT, tensors: tuple[Tensor, ...]) -> None:
    write_toy_engine(engine, trt, tensors)
    with pytest.raises(
        ModelFileError, match=r"has the tensors .* this model's engine has frame uint8 \[1, 32, 48, 3\]"
    ):
        open_session(engine)
    assert "create_execution_context" not in trt.methods_called("ICudaEngine")


def test_an_engine_for_any_number_of_frames_runs_one(engine: Path, trt: FakeTensorRT) -> None:
    with open_session(write_toy_engine(engine, trt, of_any_number(FRAME, MASK))) as session:
        assert session.max_batch == 1
        assert np.array_equal(session.run(frame_of(0)).mask, toy_mask(frame_of(0)))
    assert ("IExecutionContext", "set_input_shape", ("frame", (1, *SIZE, 3))) in trt.calls


def test_a_list_is_as_long_as_the_profile_allows(engine: Path, trt: FakeTensorRT) -> None:
    with open_session(write_toy_engine(engine, trt, of_any_number(FRAME, MASK)), batch=100) as session:
        assert session.max_batch == 8
    with open_session(write_toy_engine(engine, trt, (FRAME, MASK)), batch=100) as session:
        assert session.max_batch == 1


def test_lists_of_cameras_are_only_replayed(engine: Path, trt: FakeTensorRT, cuda: FakeCuda) -> None:
    """Nothing is allocated, captured or freed once each length has come twice."""
    with open_session(write_toy_engine(engine, trt, of_any_number(FRAME, MASK)), batch=3) as session:
        lists = [[frame_of(k, (48 + 4 * k, 64)) for k in range(count)] for count in (1, 2, 3)]
        for frames in lists * 2:
            session.run(frames)
        cuda.journal()
        for frames in lists * 2:
            session.run(frames)
        assert set(cuda.journal()) == {"cuGraphLaunch", "cuStreamSynchronize", "cuEventElapsedTime"}


def test_a_list_for_which_memory_is_short_leaves_the_session_as_it_is(
    engine: Path, trt: FakeTensorRT, cuda: FakeCuda
) -> None:
    with open_session(write_toy_engine(engine, trt, of_any_number(FRAME, MASK)), batch=3) as session:
        session.run(frame_of(0))
        trt.context_is_null = True
        for call in (session.run, session.submit):
            with pytest.raises(GpuError, match="no execution context"):
                call([frame_of(0), frame_of(1)])
        assert np.array_equal(session.run(frame_of(2)).mask, toy_mask(frame_of(2)))


@pytest.mark.parametrize("core", [None, 0, 1])
def test_an_engine_runs_on_the_dla_core_that_it_was_built_for(
    engine: Path, trt: FakeTensorRT, core: int | None
) -> None:
    replace(EngineInfo.load(info_path(engine)), dla_core=core).save(info_path(engine))
    with open_session(engine):
        calls = [(name, arguments) for owner, name, arguments in trt.calls if owner == "Runtime"]
    assert [name for name, _ in calls] == [
        "__init__",
        *([] if core is None else ["DLA_core"]),
        "deserialize_cuda_engine",
    ]
    assert core is None or ("DLA_core", (core,)) in calls


def test_a_device_that_is_lost_ends_the_session_and_not_the_process(engine: Path, cuda: FakeCuda) -> None:
    session = open_session(engine, in_flight=2)
    session.run(frame_of(0))
    cuda.set("lost_after", 12)  # in the second frame
    session.submit(frame_of(1))
    session.submit(frame_of(2))
    assert np.array_equal(session.result().mask, toy_mask(frame_of(1)))
    with pytest.raises(GpuError, match=r"the GPU failed \(cuStreamSynchronize.*\): open the session again"):
        session.result()
    for call in (session.run, session.submit):
        with pytest.raises(UsageError, match="closed"):
            call(frame_of(0))
    with pytest.raises(UsageError):
        session.result()
    session.close()
    assert cuda.held() == {}
    cuda.warnings.clear()  # pycuda says that a lost device refuses to free
    cuda.set("lost_after", -1)
    with open_session(engine) as fresh:
        assert np.array_equal(fresh.run(frame_of(3)).mask, toy_mask(frame_of(3)))


def test_what_closing_says_does_not_hide_why(engine: Path, trt: FakeTensorRT, cuda: FakeCuda) -> None:
    session = cast("TensorRTSession", open_session(engine))
    device = session._device

    def refuse() -> None:
        raise GpuError("the GPU failed (of closing)")

    device.call(lambda: device.resources.callback(refuse))
    trt.on_execute = lambda addresses, stream: False
    with pytest.raises(GpuError, match="TensorRT refuses to run the engine"):
        session.run(frame_of(0))
    assert cuda.held() == {}


def test_a_frame_that_does_not_fit_into_memory_is_one_error(engine: Path, cuda: FakeCuda) -> None:
    cuda.set("memory", 100_000)
    session = open_session(engine)
    session.run(frame_of(0))
    with pytest.raises(GpuError, match="out of GPU memory"):
        session.run(frame_of(0, (300, 400)))
    assert cuda.held() == {}
    with pytest.raises(UsageError, match="closed"):
        session.run(frame_of(0))


def test_an_engine_that_refuses_to_run_is_one_error(engine: Path, trt: FakeTensorRT, cuda: FakeCuda) -> None:
    trt.on_execute = lambda addresses, stream: False
    session = open_session(engine)
    with pytest.raises(GpuError, match="TensorRT refuses to run the engine"):
        session.run(frame_of(0))
    assert cuda.held() == {}


def test_a_session_says_how_it_calls_the_driver(engine: Path, cuda: FakeCuda) -> None:
    with open_session(engine) as session:
        found = session.describe()["cuda_provider"]
    assert found == ("pycuda 2026.1" if sys.modules["pycuda"] else "ctypes (pycuda is not installed)")


def test_tensorrt_rtx_runs_with_the_same_code(tmp_path: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    rtx = FakeTensorRT("1.7", "tensorrt_rtx")
    install_tensorrt(rtx, cuda, monkeypatch)
    with open_session(write_toy_engine(tmp_path / "m.engine", rtx, (FRAME, MASK))) as session:
        assert np.array_equal(session.run(frame_of(0)).mask, toy_mask(frame_of(0)))
        assert session.describe()["backend"] == "tensorrt_rtx"


@pytest.mark.parametrize("in_flight", [1, 2])
def test_tiles_of_a_frame_run_on_the_gpu_one_after_another(
    tmp_path: Path, trt: FakeTensorRT, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, in_flight: int
) -> None:
    install_tensorrt(trt, cuda, monkeypatch)
    spec = replace(toy_spec(SIZE), tiles=(2, 3))
    engine = write_toy_engine(tmp_path / "m.engine", trt, (FRAME, MASK), spec)
    with open_session(engine, in_flight=in_flight) as session:
        assert session.large == TensorRTSession.large
        for number in range(3):  # the second is replayed from a graph
            frame = frame_of(number, spec.fitted_size)
            assert np.array_equal(session.run(frame).mask, toy_mask(frame))
