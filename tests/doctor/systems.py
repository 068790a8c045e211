"""Systems for the doctor, MADE FROM FACTS about boards and PCs, not recorded on them: no board was at hand.

Each is a tree of the files that the doctor reads, what the driver says, and modules that stand for the system's own
TensorRT, pycuda and OpenCV. TensorRT 10.16 stands for the 10.13 of JetPack 7.1, whose members are not at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from edgeunet.board.gpu import Gpu
from edgeunet.doctor import Host
from edgeunet.errors import GpuError
from tests.board import sensor_trees
from tests.board.sensor_trees import Tree, write_tree
from tests.fakes.tensorrt import VERSIONS, FakeTensorRT

SWAPS = "Filename Type Size Used Priority\n/dev/zram0 partition 3901312 0 5\n"  # JetPack compresses half the memory
POWER_MODES = "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=2 NAME=MAXN >\n< POWER_MODEL ID=3 NAME=7W >\n"
NO_DRIVER = "there is no NVIDIA driver here (libcuda.so.1 does not load): install NVIDIA's driver"
NO_DEVICE = "the NVIDIA driver reports CUDA_ERROR_NO_DEVICE (100); the driver sees no GPU: run nvidia-smi"


@dataclass(frozen=True)
class System:
    """files: text by path. gpu: or what its driver says. tensorrt, opencv: versions of the system's own packages."""

    files: Tree
    gpu: Gpu | str
    tensorrt: str = ""
    pycuda: str = "2026.1"
    opencv: str = "4.8.0"
    gstreamer: bool = True
    architecture: str = "aarch64"
    groups: frozenset[str] = field(default_factory=lambda: frozenset({"video", "render"}))

    def host(self, root: Path) -> Host:
        """The system's files under `root`."""
        return Host(write_tree(root, self.files), self._find_gpu, self._may_open, _group_of, self.architecture)

    def but(self, files: Tree) -> System:
        """With these files besides, or in place of its own."""
        return replace(self, files={**self.files, **files})

    def modules(self) -> dict[str, ModuleType | None]:
        """What `import` gives there; None for a package that is missing."""
        return {"tensorrt": self._tensorrt(), **self._pycuda(), "cv2": self._opencv()}

    def _find_gpu(self) -> Gpu:
        if isinstance(self.gpu, Gpu):
            return self.gpu
        raise GpuError(self.gpu)

    def _tensorrt(self) -> ModuleType | None:
        if self.tensorrt.startswith(VERSIONS):
            return FakeTensorRT(self.tensorrt).module
        return _module("tensorrt", __version__=self.tensorrt) if self.tensorrt else None

    def _may_open(self, device: Path) -> bool:
        return device.name == "host1x-fence" or _group_of(device) in self.groups

    def _pycuda(self) -> dict[str, ModuleType | None]:
        if not self.pycuda:
            return {"pycuda": None, "pycuda.driver": None}
        return {"pycuda": _module("pycuda", VERSION_TEXT=self.pycuda), "pycuda.driver": _module("pycuda.driver")}

    def _opencv(self) -> ModuleType:
        said = f"  Video I/O:\n    GStreamer:                   {'YES (1.20.3)' if self.gstreamer else 'NO'}\n"
        return _module("cv2", __version__=self.opencv, getBuildInformation=lambda: said)


def _group_of(device: Path) -> str:
    """As JetPack 6's rules have it."""
    others = {"renderD128": "render", "nvhost-prof-gpu": "debug", "dbg": "debug", "sched": "root"}
    return others.get(device.name, "video")


def _module(name: str, **members: str | Callable[[], str]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _jetson(
    model: str,
    l4t: tuple[int, str],
    memory_kb: int,
    gpu: Gpu,
    tensorrt: str,
    *,
    jetpack: str,
    sensors: Tree,
    ubuntu: str = "22.04",
) -> System:
    major, revision = l4t
    files = {
        **sensors,
        "proc/device-tree/model": f"{model}\0",
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nFeatures\t: fp asimd asimddp\n",
        "proc/meminfo": f"MemTotal: {memory_kb} kB\nMemAvailable: {memory_kb * 3 // 4} kB\n"
        f"SwapTotal: {memory_kb // 2 + 4000000} kB\n",
        "proc/swaps": f"{SWAPS}/swapfile file 4000000 0 -2\n",
        "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
        "etc/os-release": f'PRETTY_NAME="Ubuntu {ubuntu} LTS"\n',
        "etc/nv_tegra_release": f"# R{major} (release), REVISION: {revision}, GCID: 1, BOARD: generic, EABI: aarch64\n",
        "var/lib/dpkg/status": f"Package: nvidia-jetpack\nStatus: install ok installed\nVersion: {jetpack}\n\n",
        "usr/local/cuda/version.json": f'{{"cuda": {{"name": "CUDA SDK", "version": "{gpu.cuda}.1"}}}}',
        "dev/nvmap": "",
        "etc/nvpmodel.conf": POWER_MODES,
        "var/lib/nvpmodel/status": "pmode:0002\n",
        "dev/dri/renderD128": "",
        "dev/host1x-fence": "",
        "dev/nvhost-gpu": "",
        **dict.fromkeys((f"dev/nvgpu/igpu0/{name}" for name in ("ctrl", "dbg", "sched")), ""),
        "dev/nvhost-prof-gpu": "",
    }
    return System(files, gpu, tensorrt)


ORIN_12, ORIN_13 = Gpu("Orin", "8.7", "12.6"), Gpu("Orin", "8.7", "13.2")
ORIN_NANO = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
ORIN_NX = "NVIDIA Jetson Orin NX Engineering Reference Developer Kit"
AGX_ORIN = "NVIDIA Jetson AGX Orin Developer Kit"
_PC = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 7\nflags\t\t: fpu avx2 avx512_vnni\n",
    "proc/meminfo": "MemTotal: 32768000 kB\nMemAvailable: 30000000 kB\nSwapTotal: 0 kB\n",
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
}

SYSTEMS = {
    "Orin Nano, JetPack 6": _jetson(
        ORIN_NANO, (36, "4.3"), 7802632, ORIN_12, "10.3", jetpack="6.2+b77", sensors=sensor_trees.ORIN_NANO
    ),
    "Orin NX, JetPack 6": _jetson(
        ORIN_NX, (36, "4.0"), 16000000, ORIN_12, "10.3", jetpack="6.1+b123", sensors=sensor_trees.ORIN_NANO
    ),
    "AGX Orin, JetPack 6": _jetson(
        AGX_ORIN, (36, "4.4"), 64343844, ORIN_12, "10.3", jetpack="6.2.1+b38", sensors=sensor_trees.AGX_ORIN
    ),
    "AGX Orin, JetPack 7": _jetson(
        AGX_ORIN,
        (39, "2.0"),
        64343844,
        ORIN_13,
        "10.16",
        jetpack="7.2-b100",
        sensors=sensor_trees.AGX_ORIN,
        ubuntu="24.04",
    ),
    "AGX Thor, JetPack 7": _jetson(
        "NVIDIA Jetson AGX Thor Developer Kit",
        (38, "4.0"),
        128784532,
        Gpu("NVIDIA Thor", "11.0", "13.0"),
        "10.16",
        jetpack="7.1-b98",
        sensors=sensor_trees.THOR,
        ubuntu="24.04",
    ),
    "Orin Nano, JetPack 5": _jetson(
        "NVIDIA Orin Nano Developer Kit",
        (35, "4.1"),
        6481248,
        Gpu("Orin", "8.7", "11.4"),
        "8.5.2.2",
        jetpack="5.1.2-b104",
        sensors=sensor_trees.ORIN_NANO,
    ),
    "Nano, JetPack 4": _jetson(
        "NVIDIA Jetson Nano Developer Kit",
        (32, "7.1"),
        4059256,
        Gpu("NVIDIA Tegra X1", "5.3", "10.2"),
        "8.2.1.8",
        jetpack="4.6.1-b110",
        sensors=sensor_trees.VM,
    ),
    "PC with an NVIDIA GPU": System(
        {
            **_PC,
            "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 4090\n",
            "sys/module/nvidia/version": "570.86.15\n",
        },
        Gpu("NVIDIA GeForce RTX 4090", "8.9", "12.8"),
        "11.4",
        gstreamer=False,
        architecture="x86_64",
    ),
    "PC without an NVIDIA GPU": System(_PC, NO_DRIVER, pycuda="", gstreamer=False, architecture="x86_64"),
    "container without devices": System(
        {**_PC, ".dockerenv": "", "proc/sys/kernel/osrelease": "5.15.148-tegra\n"}, NO_DRIVER, "10.3", gstreamer=False
    ),
}
