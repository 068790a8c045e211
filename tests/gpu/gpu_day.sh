#!/usr/bin/env bash
# Ten minutes on a borrowed machine with an NVIDIA GPU that has driver, nvcc, NumPy and OpenCV, but perhaps no pycuda, no
# pytest and no network. Where `make setup` works, `make test-gpu` does more, with TensorRT. From the root of the checkout:
#
#   tests/gpu/gpu_day.sh pack             here, with a network: what will be needed, into runs/gpu_day
#   tests/gpu/gpu_day.sh run [STEP...]    there, with the checkout and runs/gpu_day copied: kernels buffers probe memcheck training
#   tests/gpu/gpu_day.sh fake [STEP...]   here, on the tests' fake driver, to try this script: kernels buffers probe
#
# Each step has a time limit and a log in runs/gpu_day/logs; one that fails stops no other. PYTHON_THERE=3.12 is the Python
# of the machine with the GPU, if it is not the one that is here.
set -uo pipefail
PYCUDA=2026.1
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PYTHON_THERE=${PYTHON_THERE:-$python}
pack=$PWD/runs/gpu_day site=$PWD/runs/gpu_day/site-$python
[ -d tests/gpu ] || { echo "error: run it from the root of the checkout" >&2; exit 2; }
command -v nvcc >/dev/null || PATH=${CUDA_HOME:-/usr/local/cuda}/bin:$PATH
export PYTHONUNBUFFERED=1

pack() {
    local platforms=() n
    for n in 28 17; do platforms+=(--platform "manylinux_2_${n}_x86_64"); done
    mkdir -p "$pack/wheels"
    python3 -m pip download -q --no-deps --only-binary=:all: --implementation cp --python-version "$PYTHON_THERE" \
        "${platforms[@]}" --platform manylinux2014_x86_64 -d "$pack/wheels" \
        pytools siphash24 platformdirs mako markupsafe pytest iniconfig pluggy pygments pytest-timeout msgspec
    # pip would run the source's own build to learn its name.
    python3 -m pip download -q --no-deps --no-binary pycuda --no-build-isolation -d "$pack" "pycuda==$PYCUDA"
    du -sh "$pack"
}

build_pycuda() { # its extension, with files compiled side by side, against a libcuda without symbols
    local work
    work=$(mktemp -d)
    mkdir -p "$work/stub"
    tar xzf "$pack/pycuda-$PYCUDA.tar.gz" -C "$work" --strip-components 1
    gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/stub/libcuda.so" -x c /dev/null
    (
        cd "$work" || exit 1
        export LDFLAGS=-Wl,--no-as-needed
        python3 configure.py --cuda-root="${CUDA_HOME:-/usr/local/cuda}" --no-cuda-enable-curand --cudadrv-lib-dir=stub
        python3 - <<'PY'
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
    ) >"$pack/logs/build.log" 2>&1
    cp -r "$work/pycuda" "$site/"
    rm -rf "$work"
    ls "$site"/pycuda/_driver*.so 2>/dev/null || { tail -5 "$pack/logs/build.log"; return 1; }
}

prepare() { # what this machine lacks of the packed wheels, and pycuda
    local wheel name
    mkdir -p "$pack/logs" "$pack/kernels" "$site"
    export PYTHONPATH=$PWD:$PWD/export:$PWD/benchmarks:$site PYCUDA_CACHE_DIR=$pack/kernels
    for wheel in "$pack"/wheels/*.whl; do
        [ -e "$wheel" ] || { echo "runs/gpu_day/wheels is empty: run pack first" >&2; return 2; }
        name=$(basename "$wheel" | cut -d- -f1)
        python3 -c "import importlib.metadata as m; m.version('$name')" 2>/dev/null ||
            python3 -m zipfile -e "$wheel" "$site"
    done
    ls "$site"/pycuda/_driver*.so >/dev/null 2>&1 || python3 -c 'import pycuda.driver' 2>/dev/null || build_pycuda || return 1
    { command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader
      nvcc --version | tail -2 | head -1; python3 -c 'import sys, pycuda; print(sys.version, "pycuda", pycuda.VERSION_TEXT)'
    } | tee "$pack/logs/machine.txt"
}

step() { # LIMIT_S NAME COMMAND...: its log, its last lines, its time and exit code
    local limit=$1 name=$2 begin=$SECONDS code; shift 2
    echo "=== $name"
    timeout -k 5 "$limit" "$@" >"$pack/logs/$name.log" 2>&1; code=$?
    tail -n 40 "$pack/logs/$name.log"
    echo "=== $name: exit code $code after $((SECONDS - begin)) s"
}

run() {
    local name tests=(python3 -m pytest -q -p no:cacheprovider -W default --timeout 600) # a warning of a newer NumPy costs no run
    [ $# -gt 0 ] || set -- kernels buffers probe memcheck training
    for name; do
        case $name in
        kernels) step 100 kernels "${tests[@]}" tests/gpu/test_kernels.py ;;
        buffers) step 600 buffers "${tests[@]}" tests/gpu/test_buffers.py ;;
        probe) step 120 probe python3 -m tests.gpu.probe ;;
        memcheck) step 200 memcheck compute-sanitizer --error-exitcode 9 "${tests[@]}" tests/gpu/test_kernels.py -k "not frame_size4" ;;
        training) step 200 training "${tests[@]}" tests/gpu/test_training.py ;;
        *) echo "error: there is no step $name" >&2; return 2 ;;
        esac
    done
}

# The fake driver as libcuda.so.1, with stubs (CUDA_ERROR_NOT_SUPPORTED) for what pycuda links to and the fake lacks.
fake() {
    local driver=$pack/fake
    mkdir -p "$driver"
    g++ -std=c++17 -O1 -c -fPIC -o "$driver/fake.o" tests/fakes/libcuda.cpp || return 1
    comm -23 <(nm -D --undefined-only "$site"/pycuda/_driver*.so | awk '{ print $2 }' | sed 's/@.*//' | grep '^cu[A-Z]' | sort -u) \
        <(nm --defined-only "$driver/fake.o" | awk '{ print $3 }' | sort -u) |
        sed 's/.*/int &(void) { return 801; }/' >"$driver/stubs.c"
    gcc -c -fPIC -o "$driver/stubs.o" "$driver/stubs.c" &&
        g++ -shared -Wl,-soname,libcuda.so.1 -o "$driver/libcuda.so.1" "$driver/fake.o" "$driver/stubs.o" || return 1
    export LD_LIBRARY_PATH=$driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} EDGEUNET_FAKE_GPU=1
    [ $# -gt 0 ] || set -- kernels buffers probe
    run "$@"
}

case ${1:-} in
pack) pack ;;
run) shift; prepare && run "$@" ;;
fake) shift; prepare && fake "$@" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
