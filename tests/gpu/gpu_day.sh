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

build_pycuda() {
    tests/gpu/real_pycuda.sh build "$pack/pycuda-$PYCUDA.tar.gz" "${CUDA_HOME:-/usr/local/cuda}" "$site" >"$pack/logs/build.log" 2>&1 ||
        { tail -5 "$pack/logs/build.log"; return 1; }
}

prepare() { # what this machine lacks of the packed wheels, and pycuda
    local wheel name
    mkdir -p "$pack/logs" "$site"
    export PYTHONPATH=$PWD:$PWD/export:$PWD/benchmarks:$site
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

fake() {
    local driver=$pack/fake
    tests/gpu/real_pycuda.sh driver "$site" "$driver" || return 1
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
