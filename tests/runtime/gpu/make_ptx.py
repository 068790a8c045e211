"""Makes kernels.ptx of the .cu files: `make kernels`, after a change to a kernel. Nobody else needs a compiler.

NVRTC 12.6 writes PTX 8.5, which the driver of JetPack 6.1 takes.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from edgeunet.runtime.gpu.kernels import PTX, source, source_sha256

ROOT = Path(__file__).parents[3]
OLDEST = "compute_75"  # what TensorRT 10.3 runs on at least
HASH = "// Made by `make kernels` of sources with this sha256: "


def nvrtc() -> Path | None:
    """NVIDIA's run-time compiler of .venv-cuda, which `make kernels` and `make check-cuda` make."""
    return next(ROOT.glob(".venv-cuda/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"), None)


def make_ptx(library: Path) -> str:
    """The PTX of all kernels, its first line with the hash of their source. Raises SystemExit with NVRTC's reasons."""
    compiler = ctypes.CDLL(str(library))
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    compiler.nvrtcCreateProgram(ctypes.byref(program), source().encode(), b"kernels.cu", 0, None, None)
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={OLDEST}".encode())
    failed = compiler.nvrtcCompileProgram(program, len(options), options)
    kind = "ProgramLog" if failed else "PTX"
    getattr(compiler, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(compiler, f"nvrtcGet{kind}")(program, text)
    compiler.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        sys.exit(text.value.decode())
    return f"{HASH}{source_sha256()}\n{text.value.decode()}"


if __name__ == "__main__":
    PTX.write_text(make_ptx(nvrtc() or sys.exit("error: there is no .venv-cuda with NVRTC: run make kernels")))
