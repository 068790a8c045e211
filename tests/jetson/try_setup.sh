#!/usr/bin/env bash
# jetson/setup.sh for real on a plain Debian: its apt, venv, pip and OpenCV with GStreamer. Stand-ins for what only a
# board has: its files, TensorRT, nvcc and pycuda. The packages are fetched first, then set-up runs without a network.
# Then the camera's service is tried with what was set up.
#   tests/jetson/try_setup.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PIP_DISABLE_PIP_VERSION_CHECK=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root venv=$work/venv wheels=$work/wheels

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
says() { grep -q -- "$1" "$work/out" || { cat "$work/out"; fail "set-up did not say: $1"; }; }

mkdir -p "$root"/{proc/device-tree,etc,usr/local/cuda/bin} "$work/modules"
printf 'NVIDIA Jetson Orin Nano Developer Kit\0' >"$root/proc/device-tree/model"
echo '# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64' >"$root/etc/nv_tegra_release"
printf 'MemTotal: 7802632 kB\nSwapTotal: 3901312 kB\n' >"$root/proc/meminfo"
printf '#!/bin/sh\n' >"$root/usr/local/cuda/bin/nvcc"
chmod +x "$root/usr/local/cuda/bin/nvcc"
echo '__version__ = "10.3.0"' >"$work/modules/tensorrt.py"
export EDGEUNET_SETUP_ROOT=$root PYTHONPATH=$work/modules

python3 -m venv "$work/builder"
grep -v '^numpy==' constraints.txt >"$work/constraints"
if ! "$work/builder/bin/pip" wheel -qq -w "$wheels" -c "$work/constraints" '.[export,video,serve,bench]' 'numpy<2' \
    hatchling editables; then
    echo "set-up NOT TRIED: its packages cannot be fetched here"
    exit 0
fi
python3 - "$wheels" <<'EOF'
import sys, zipfile
name = "pycuda-2026.1.dist-info"
with zipfile.ZipFile(f"{sys.argv[1]}/pycuda-2026.1-py3-none-any.whl", "w") as wheel:
    wheel.writestr("pycuda/__init__.py", "VERSION_TEXT = 'stand-in'\n")
    wheel.writestr(f"{name}/METADATA", "Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n")
    wheel.writestr(f"{name}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{name}/RECORD", "")
EOF

offline=()
if unshare --net true 2>/dev/null; then offline=(unshare --net); fi
setup() { "${offline[@]}" jetson/setup.sh --venv "$venv" --wheels "$wheels" "$@" >"$work/out" 2>&1; }

setup --dry-run || { cat "$work/out"; fail "--dry-run"; }
says "^+ python3 -m venv --system-site-packages $venv"
[ ! -e "$venv" ] || fail "--dry-run made a venv"

setup || { cat "$work/out"; fail "first run"; }
says "^ok       TensorRT: 10.3.0"
says "^use it"
"$venv/bin/python" - <<'EOF'
import cv2, numpy, onnxruntime, pycuda, tensorrt
assert cv2.__file__.startswith("/usr/lib/"), cv2.__file__
assert numpy.__version__.startswith("1."), numpy.__version__
EOF
"$venv/bin/edgeunet" data stats edgeunet/samples/road >/dev/null
"$venv/bin/edgeunet" export engine --help >/dev/null

setup || { cat "$work/out"; fail "second run"; }
says "^ok       edgeunet and its packages: as before"
if grep '^+' "$work/out" | grep -v 'edgeunet doctor'; then fail "the second run touched something"; fi

# The steps of jetson/Dockerfile, in a folder that holds what it copies.
image=$work/image
sed -n 's/^COPY //p' jetson/Dockerfile | while read -r -a words; do
    mkdir -p "$image/${words[-1]}"
    for source in "${words[@]::${#words[@]}-1}"; do
        if [ -d "$source" ]; then cp -r "$source/." "$image/${words[-1]}"; else cp "$source" "$image/${words[-1]}"; fi
    done
done
step=$(sed -n 's/^RUN LIBRARY_PATH=[^ ]* \(.*\) && rm .*/\1/p' jetson/Dockerfile)
rm "$root/etc/nv_tegra_release" "$root/proc/device-tree/model"
# shellcheck disable=SC2086  # a command and its option
(cd "$image" && "${offline[@]}" $step --wheels "$wheels") >"$work/out" 2>&1 || { cat "$work/out"; fail "$step"; }
(cd "$work" && "$image/.venv-jetson/bin/edgeunet" doctor) >"$work/out" ||
    { cat "$work/out"; fail "doctor in the image"; }
says "^ok       OpenCV: .* with GStreamer"

echo "set-up: first run, second run, --dry-run and the image's steps as they should be ${offline[*]:+(without a network)}"
chmod 755 "$work"
tests/jetson/try_service.sh "$image"
