"""Which facts forbid a comparison, and that the remedy fits the cause."""

from __future__ import annotations

from edgeunet_bench.guard.judging.facts import differing, hardware, refusal

ORT = {"backend": "onnxruntime", "backend_version": "1.20", "device": "cpu", "threads": "2", "cpu": "x"}
TENSORRT = {
    "backend": "tensorrt",
    "backend_version": "10.3",
    "device": "Orin (sm_87)",
    "cuda_graph": "on",
    "cuda_provider": "pycuda 2026.1",
    "cpu": "x",
}


def test_another_backend_is_what_is_compared_and_no_other_condition() -> None:
    assert differing(ORT, TENSORRT) == []
    assert differing(ORT, TENSORRT | {"governor": "powersave"}) == ["governor"]
    assert differing(ORT, TENSORRT | {"cpu": "y"}) == ["cpu"]


def test_with_one_backend_its_version_and_threads_are_conditions() -> None:
    assert differing(ORT, ORT | {"backend_version": "1.21", "threads": "4"}) == ["backend_version", "threads"]
    assert differing({"threads": "2"}, {"threads": "4"}) == ["threads"]  # programs that tell no backend


def test_what_the_model_decides_is_no_condition() -> None:
    model = {"input_size": "64×64", "pixels": "8 bits", "tiles": "2x2"}
    assert differing(ORT | model, ORT | {"input_size": "64×96", "pixels": "16 bits"}) == []


def test_the_hardware_is_what_no_setting_changes() -> None:
    assert hardware(ORT | {"governor": "powersave", "memory": "8 GiB"}) == {"cpu": "x", "memory": "8 GiB"}


def test_engines_called_in_another_way_are_another_condition() -> None:
    assert differing(TENSORRT, TENSORRT | {"cuda_provider": "ctypes (pycuda is not installed)"}) == ["cuda_provider"]
    older = {name: fact for name, fact in TENSORRT.items() if name != "cuda_provider"}
    assert "(cuda_provider: none and pycuda 2026.1)" in refusal(differing(older, TENSORRT), older, TENSORRT)


def test_the_remedy_is_that_of_the_cause() -> None:
    said = refusal(["threads"], ORT, ORT | {"threads": "4"})
    assert "threads: 2 and 4" in said
    assert said.endswith("use the same --threads for both")
    assert "one machine" not in said
    said = refusal(["frames", "governor"], {"frames": "a", "governor": "b"}, {"frames": "c"})
    assert "governor: b and none" in said
    assert "use the same frames (--data), the same governor for both" in said
    said = refusal(["cpu", "kernel"], {"cpu": "x", "kernel": "5"}, {"cpu": "y"})
    assert said.endswith("measure both on one machine")
    said = refusal(["cpu", "mode"], {"cpu": "x", "mode": "paced"}, {"cpu": "y", "mode": "calls"})
    assert said.endswith("measure both on one machine, with the same --mode")
    said = refusal(["device"], {"device": "one (sm_87)"}, {"device": "another (sm_87)"})  # both may be in one machine
    assert said.endswith("use the same device for both")
