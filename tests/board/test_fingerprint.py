"""The fingerprint: what it reads from a system's files, and that it names neither host nor user."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import cpu_model, physical_cores, usable_cpus

SESSION = {"backend": "onnxruntime", "version": "1.2.3", "device": "cpu", "threads": "4"}


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_jetson_tells_its_board_and_release(tmp_path: Path) -> None:
    governors = {f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_governor": "schedutil\n" for i in usable_cpus()}
    root = _write(
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
    root = _write(
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


def test_an_unreadable_system_leaves_facts_out(tmp_path: Path) -> None:
    root = _write(tmp_path, {"etc/nv_tegra_release": "unknown\n", "proc/meminfo": "MemTotal: much\n"})
    facts = fingerprint({}, root)
    assert not {"l4t", "memory", "governor", "board"} & set(facts)
    assert all(facts.values())
    assert facts["cpu"]


def test_this_machine_is_the_same_twice_and_names_nobody() -> None:
    facts = fingerprint(SESSION)
    assert facts == fingerprint(SESSION)
    assert {"cpu", "usable_cpus", "physical_cores", "os", "kernel", "python"} <= set(facts)
    words = {word for fact in facts.values() for word in fact.split()}
    assert not {platform.node(), getpass.getuser()} & words


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    siblings = {f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": "0-1\n" for i in usable_cpus()}
    assert physical_cores(_write(tmp_path, siblings)) == 1
    assert physical_cores(tmp_path / "nothing") == len(usable_cpus())
    assert cpu_model(tmp_path / "nothing") in (platform.processor(), platform.machine())
