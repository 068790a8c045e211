"""The fingerprint: what it reads from a system's files, and that it names neither host nor user."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path

import pytest

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import cpu_list, cpu_model, physical_cores, usable_cpus
from tests.board.sensor_trees import GARBAGE, Tree, write_tree

SESSION = {"backend": "onnxruntime", "version": "1.2.3", "device": "cpu", "threads": "4"}
_CPU, _GPU = "sys/devices/system/cpu", "sys/class/devfreq/17000000.gpu"
STAT = "7 (python) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 {nice} 1 0" + 16 * " 0" + " 17 0 {real_time} {policy} 0 0\n"
EVERYTHING: Tree = {  # made: no machine has all of it
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n",
    "proc/sys/kernel/arch": "aarch64\n",
    "proc/thread-self/status": "Name:\tpython\nCpus_allowed_list:\t0-1\n",
    "proc/thread-self/stat": STAT.format(nice=0, real_time=0, policy=0),
    "proc/self/cgroup": "0::/system.slice/bench.service\n",
    "sys/fs/cgroup/system.slice/cpu.max": "max 100000\n",
    "proc/meminfo": "MemTotal:        7802632 kB\nMemFree: 1 kB\n",
    "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
    "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 77\n",
    "sys/module/nvidia/version": "570.86.15\n",
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
    "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.68"}, "nvcc": {"version": "9"}}',
    "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0": "",
    f"{_CPU}/cpu0/topology/thread_siblings_list": "0\n",
    f"{_CPU}/cpu1/topology/thread_siblings_list": "1\n",
    **{f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor": "schedutil\n" for cpu in (0, 1)},
    **{f"{_CPU}/cpu{cpu}/cpufreq/scaling_min_freq": "729600\n" for cpu in (0, 1)},
    **{f"{_CPU}/cpu{cpu}/cpufreq/scaling_max_freq": "1510400\n" for cpu in (0, 1)},
    **{f"{_CPU}/cpu{cpu}/cpufreq/energy_performance_preference": "balance_power\n" for cpu in (0, 1)},
    f"{_CPU}/cpufreq/boost": "1\n",
    f"{_GPU}/min_freq": "306000000\n",
    f"{_GPU}/max_freq": "624750000\n",
    "etc/nvpmodel.conf": "# < PM_CONFIG DEFAULT=3 >\n< POWER_MODEL ID=0 NAME=15W >\nGPU MAX_FREQ 1\n"
    "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=0 >\n",
    "var/lib/nvpmodel/status": "pmode:0002\n",
    "sys/firmware/acpi/platform_profile": "balanced\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "1\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
}
MUTATIONS = {  # by fact: the file, what it says now, and what the fact becomes
    "board": (
        "proc/device-tree/model",
        "NVIDIA Jetson AGX Orin Developer Kit\0",
        "NVIDIA Jetson AGX Orin Developer Kit",
    ),
    "cpu": ("proc/cpuinfo", "model name\t: ARMv9\n", "ARMv9"),
    "architecture": ("proc/sys/kernel/arch", "armv7l\n", "armv7l"),
    "physical_cores": (f"{_CPU}/cpu1/topology/thread_siblings_list", "0\n", "1"),
    "memory": ("proc/meminfo", "MemTotal:        15802632 kB\n", "15 GiB"),
    "os": ("etc/os-release", 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\n', "Ubuntu 24.04.1 LTS"),
    "kernel": ("proc/sys/kernel/osrelease", "6.8.12-tegra\n", "6.8.12-tegra"),
    "gpu": ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: NVIDIA L4\n", "NVIDIA L4"),
    "gpu_driver": ("sys/module/nvidia/version", "575.51.03\n", "575.51.03"),
    "l4t": ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.4, GCID: 1\n", "R36.4.4"),
    "cuda": ("usr/local/cuda/version.json", '{"cuda": {"version": "13.0.0"}}', "13.0.0"),
    "tensorrt": ("usr/lib/aarch64-linux-gnu/libnvinfer.so.10.7.0", "", "10.3.0, 10.7.0"),
    "governor": (f"{_CPU}/cpu1/cpufreq/scaling_governor", "performance\n", "performance; schedutil"),
    "cpu_clocks": (f"{_CPU}/cpu1/cpufreq/scaling_min_freq", "1510400\n", "1510 MHz, locked; 730-1510 MHz"),
    "energy_preference": (f"{_CPU}/cpu1/cpufreq/energy_performance_preference", "power", "balance_power; power"),
    "cpu_boost": (f"{_CPU}/cpufreq/boost", "0\n", "off"),
    "gpu_clocks": (f"{_GPU}/min_freq", "624750000\n", "625 MHz, locked"),
    "power_mode": ("var/lib/nvpmodel/status", "pmode:0000\n", "15W"),
    "power_profile": ("sys/firmware/acpi/platform_profile", "performance\n", "performance"),
    "power_supply": ("sys/class/power_supply/AC/online", "0\n", "battery"),
    "huge_pages": ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n", "always"),
    "cpu_quota": ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n", "1.5 CPUs"),
    "priority": ("proc/thread-self/stat", STAT.format(nice=5, real_time=0, policy=0), "nice 5"),
}


@pytest.mark.parametrize("fact", MUTATIONS)
def test_each_fact_changes_alone(fact: str, tmp_path: Path) -> None:
    before = fingerprint(SESSION, write_tree(tmp_path, EVERYTHING), {})
    file, text, value = MUTATIONS[fact]
    after = fingerprint(SESSION, write_tree(tmp_path, {file: text}), {})
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {fact}
    assert after[fact] == value


def test_every_fact_of_the_machine_has_its_mutation(tmp_path: Path) -> None:
    facts = fingerprint({}, write_tree(tmp_path, EVERYTHING), {})
    assert set(facts) - set(MUTATIONS) == {"usable_cpus", "python"}  # tested by themselves
    assert set(MUTATIONS) - set(facts) == {"cpu_quota", "priority"}  # told only where there is one


def test_usable_cpus_and_python_change_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tree(tmp_path, EVERYTHING)
    monkeypatch.setattr(platform, "python_version", lambda: "3.12.99")
    assert fingerprint({}, root)["python"] == "3.12.99"
    assert fingerprint({}, root)["usable_cpus"] == "2"
    write_tree(tmp_path, {"proc/thread-self/status": "Cpus_allowed_list:\t0-2,5\n"})
    assert fingerprint({}, root)["usable_cpus"] == "4"
    assert cpu_list("0-2,5") == {0, 1, 2, 5}


@pytest.mark.parametrize("session", [{**SESSION, "threads": "2"}, {**SESSION, "cuda_graph": "on"}, {}])
def test_what_a_session_says_is_part_of_it(session: dict[str, str], tmp_path: Path) -> None:
    assert fingerprint(session, tmp_path, {}) != fingerprint(SESSION, tmp_path, {})


def test_a_session_hides_no_fact_of_the_machine(tmp_path: Path) -> None:
    facts = fingerprint({"backend": "tensorrt", "memory": "mapped"}, write_tree(tmp_path, EVERYTHING), {})
    assert (facts["memory"], facts["buffers"]) == ("7 GiB", "mapped")


def test_variables_that_change_speed_are_facts_and_name_no_folder(tmp_path: Path) -> None:
    environ = {
        "OMP_NUM_THREADS": "1",
        "OMP_PLACES": "{0:4}:2",
        "LD_PRELOAD": "/home/ann/lib/libjemalloc.so.2:/usr/lib/libhugetlbfs.so",
        "HOME": "/home/ann",
        "CUDA_VISIBLE_DEVICES": "",
    }
    facts = fingerprint({}, tmp_path, environ)
    assert {name: facts[name] for name in environ if name in facts} == {
        "OMP_NUM_THREADS": "1",
        "OMP_PLACES": "{0:4}:2",
        "LD_PRELOAD": "libjemalloc.so.2:libhugetlbfs.so",
    }


def test_a_mode_is_named_as_far_as_the_board_names_it(tmp_path: Path) -> None:
    root = write_tree(tmp_path, EVERYTHING)
    assert fingerprint({}, root)["power_mode"] == "MAXN_SUPER"
    (root / "var/lib/nvpmodel/status").unlink()
    assert fingerprint({}, root)["power_mode"] == "15W"  # the default
    write_tree(root, {"var/lib/nvpmodel/status": "pmode:0007\n"})
    assert fingerprint({}, root)["power_mode"] == "number 7"


def test_the_tightest_group_limits_and_real_time_is_a_priority(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            **EVERYTHING,
            "sys/fs/cgroup/system.slice/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/system.slice/bench.service/cpu.max": "50000 100000\n",
            "proc/thread-self/stat": STAT.format(nice=0, real_time=50, policy=1),
        },
    )
    facts = fingerprint({}, root, {})
    assert (facts["cpu_quota"], facts["priority"]) == ("0.5 CPUs", "FIFO 50")


def test_a_jetson_tells_its_board_and_release(tmp_path: Path) -> None:
    governors = {f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_governor": "schedutil\n" for i in usable_cpus()}
    root = write_tree(
        tmp_path,
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n",
            "proc/meminfo": "MemTotal:        7802632 kB\nMemFree: 1 kB\n",
            "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
            "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
            **governors,
        },
    )
    facts = fingerprint(SESSION, root)
    assert facts["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert facts["cpu"] == "ARMv8 Processor rev 1 (v8l)"
    assert facts["memory"] == "7 GiB"
    assert facts["kernel"] == "5.15.148-tegra"
    assert facts["os"] == "Ubuntu 22.04.5 LTS"
    assert facts["l4t"] == "R36.4.3"
    assert facts["governor"] == "schedutil"
    assert facts["backend_version"] == "1.2.3"
    assert facts["threads"] == "4"
    assert "gpu" not in facts


def test_a_desktop_tells_its_gpus(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 77\n",
            "sys/module/nvidia/version": "570.86.15\n",
        },
    )
    facts = fingerprint(SESSION, root)
    assert facts["gpu"] == "NVIDIA GeForce RTX 4090"
    assert facts["gpu_driver"] == "570.86.15"
    assert "l4t" not in facts


@pytest.mark.parametrize(
    ("file", "text", "fact", "value"),
    [
        (
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build\nGCC version: 11.4.0\n",
            "gpu_driver",
            "540.4.0",
        ),
        (f"{_CPU}/intel_pstate/no_turbo", "1\n", "cpu_boost", "off"),
        (f"{_CPU}/intel_pstate/no_turbo", "0\n", "cpu_boost", "on"),
        ("sys/class/devfreq/gpu-gpc-0/max_freq", "1575000000\n", "gpu_clocks", None),  # half of it says nothing
        ("usr/local/cuda/version.json", "[]", "cuda", None),
        ("etc/nv_tegra_release", "R36,\n", "l4t", None),
        ("sys/fs/cgroup/cpu.max", "200000 100000\n", "cpu_quota", "2 CPUs"),
    ],
)
def test_other_forms_and_damaged_files(file: str, text: str, fact: str, value: str | None, tmp_path: Path) -> None:
    assert fingerprint({}, write_tree(tmp_path, {file: text}), {}).get(fact) == value


def test_an_unreadable_system_leaves_facts_out(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"etc/nv_tegra_release": "unknown\n", "proc/meminfo": "MemTotal: much\n"})
    facts = fingerprint({}, root)
    assert not {"l4t", "memory", "governor", "board"} & set(facts)
    assert all(facts.values())
    assert facts["cpu"]


def test_garbage_in_any_file_is_no_crash(tmp_path: Path) -> None:
    root = write_tree(tmp_path, EVERYTHING)
    for name, text in EVERYTHING.items():
        for garbage in (
            *GARBAGE,
            f"Cpus_allowed_list: {GARBAGE[8]}",
            f"MemTotal: {GARBAGE[8]} kB",
            f"pmode:{GARBAGE[8]}",
        ):
            (root / name).write_text(garbage)
            assert all(isinstance(fact, str) and fact for fact in fingerprint({}, root, {}).values())
        (root / name).write_text(text)


def test_this_machine_is_the_same_twice_and_names_nobody() -> None:
    facts = fingerprint(SESSION)
    assert facts == fingerprint(SESSION)
    assert {"cpu", "usable_cpus", "physical_cores", "os", "kernel", "python"} <= set(facts)
    words = {word for fact in facts.values() for word in fact.split()}
    assert not {platform.node(), getpass.getuser()} & words


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    siblings = {f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": "0-1\n" for i in usable_cpus()}
    assert physical_cores(write_tree(tmp_path, siblings)) == 1
    assert physical_cores(tmp_path / "nothing") == len(usable_cpus())
    assert cpu_model(tmp_path / "nothing") in (platform.processor(), platform.machine())
