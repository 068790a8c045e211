#!/usr/bin/env bash
# The real pycuda without an installer, and the tests' fake driver for it. `make check-cuda` and gpu_day.sh run it.
#
#   tests/gpu/real_pycuda.sh build ARCHIVE CUDA SITE   pycuda from its source archive into SITE; CUDA has include/cuda.h. No nvcc
#   tests/gpu/real_pycuda.sh driver SITE FOLDER        FOLDER/libcuda.so.1: tests/fakes/libcuda.cpp for the pycuda in SITE
#
# PYTHON is the interpreter; CFLAGS and CXXFLAGS are the compiler's.
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # files compiled side by side, against a libcuda without symbols
    local archive cuda site
    archive=$(realpath "$1") cuda=$(realpath "$2") site=$(realpath "$3")
    PYTHON=$(realpath -s "$(command -v "$PYTHON")")
    cd "$work"
    tar xzf "$archive" --strip-components 1
    mkdir stub
    gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o stub/libcuda.so -x c /dev/null
    export LDFLAGS=-Wl,--no-as-needed
    "$PYTHON" configure.py --cuda-root="$cuda" --no-cuda-enable-curand --cudadrv-lib-dir=stub
    "$PYTHON" - <<'PY'
import runpy, sys
from concurrent.futures import ThreadPoolExecutor
from setuptools._distutils.ccompiler import CCompiler

one_by_one = CCompiler.compile

def side_by_side(self, sources, **how):
    with ThreadPoolExecutor() as pool:
        return sum(pool.map(lambda source: one_by_one(self, [source], **how), sources), [])

CCompiler.compile = side_by_side
sys.argv = ["setup.py", "-q", "build_ext", "--inplace"]
sys.path.insert(0, ".")
runpy.run_path("setup.py", run_name="__main__")
PY
    rm -rf "$site/pycuda"
    cp -r pycuda "$site/"
}

driver() { # with stubs (CUDA_ERROR_NOT_SUPPORTED) for what pycuda links to and the fake lacks
    local site=$1 folder=$2
    mkdir -p "$folder"
    g++ -std=c++17 -O1 -c -fPIC -o "$work/fake.o" tests/fakes/libcuda.cpp
    comm -23 <(nm -D --undefined-only "$site"/pycuda/_driver*.so | awk '{ print $2 }' | sed 's/@.*//' | grep '^cu[A-Z]' | sort -u) \
        <(nm --defined-only "$work/fake.o" | awk '{ print $3 }' | sort -u) |
        sed 's/.*/int &(void) { return 801; }/' >"$work/stubs.c"
    gcc -c -fPIC -o "$work/stubs.o" "$work/stubs.c"
    g++ -shared -Wl,-soname,libcuda.so.1 -o "$folder/libcuda.so.1" "$work/fake.o" "$work/stubs.o"
}

case "${1:-} $#" in
"build 4" | "driver 3") "$@" ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
